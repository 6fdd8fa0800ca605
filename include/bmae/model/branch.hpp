// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A decoder reconstructs one view from the sentence vector.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ATen/ops/full.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/concepts/token_loss.hpp>
#include <bmae/losses/label_smoothing.hpp>
#include <bmae/losses/token_cross_entropy.hpp>
#include <bmae/model/sentence_ablation.hpp>
#include <bmae/model/term.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/language_model_head.hpp>
#include <bmae/nn/linear_cross_entropy.hpp>

namespace bmae {

/// The decoder's rows go through the encoder's own language-model head.
struct EncoderHead {};
/// The decoder has a head of its own; only the word embeddings are shared (LexMAE).
struct OwnHead {};

namespace detail {

template <class Head>
struct BranchHead {
    template <class E>
    BranchHead(E const&, std::uint64_t, std::string const&) {}
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}
};

template <>
struct BranchHead<OwnHead> {
    LanguageModelHead head;

    template <Encoder E>
    BranchHead(E const& encoder, std::uint64_t seed, std::string const& name) : head(encoder.shape()) {
        initialize(head, name, seed, Initialization::bert, encoder.shape().initial_deviation);
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        head.for_each_parameter(prefix, visit);
    }
};

}  // namespace detail

/// L_dec: cross-entropy of `Decoder`, fed with the pass's sentence vector, on the labels that `Loss` sets in `ViewT`.
template <class ViewT, class Decoder, class Loss = TokenCrossEntropy, class Head = EncoderHead>
class Branch {
    static constexpr bool reads_layers = requires { requires Decoder::reads_layers; };
    static_assert(AnyView<ViewT> || std::is_same_v<ViewT, OwnView>,
                  "Branch: the first slot is the view to reconstruct: View<TextSource, Masker, Corruptor>, or OwnView.");
    static_assert(
        requires { typename Decoder::Options; } && detail::SaysWhatItReads<Decoder>,
        "Branch: the second slot is a decoder: a nested `Options`, `static constexpr std::string_view kind` or `static "
        "constexpr bool reads_visibility` is missing.");
    static_assert(explain_token_loss<Loss>(), "Branch: the third slot is the token loss: which tokens are predicted.");
    static_assert(!ViewT::has_row_masks || Decoder::reads_visibility,
                  "Branch: this view masks context by row masks, which the decoder does not read. Use EnhancedDecoder, or a "
                  "masker that masks tokens.");
    static_assert(
        ViewT::has_row_masks || !Decoder::reads_visibility,
        "Branch: this decoder reads the clean text under row masks, but the view has none, so every token would see itself. "
        "Use the masker RowVisibility, or BasicDecoder.");
    static_assert(std::is_same_v<ViewT, OwnView> || !reads_layers,
                  "Branch: a tap reads the encoder's layers, which belong to the encoder's view. Use OwnView.");
    static_assert(std::is_same_v<Head, EncoderHead> || std::is_same_v<Head, OwnHead>,
                  "Branch: the head is EncoderHead (the encoder's, shared) or OwnHead.");
    using HeadPart = detail::BranchHead<Head>;

public:
    /// Options of the branch, in the shape of its slots.
    struct Options {
        ViewT view = {};
        typename Decoder::Options decoder = {};
        Loss loss = {};
        TermWeight weight = 1;        ///< in the total; RetroMAE: 1
        double label_smoothing = 0;   ///< share of a label spread evenly over all tokens, in [0, 1)
        std::string task = {};        ///< name in reports, where the paper has one: MASTER's mkp, cmp, npr, dor, gor

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside("view", view);
            visit.inside("decoder", decoder);
            visit.inside("loss", loss);
            visit.inside("weight", weight);
            visit("label_smoothing", label_smoothing, "share of a label spread evenly over all tokens");
        }
    };
    using View = ViewT;
    using DecoderType = Decoder;
    using Labels = Loss;
    static constexpr std::string_view kind = "branch";
    static constexpr bool has_view = !std::is_same_v<ViewT, OwnView>;
    static constexpr bool keeps_layers = reads_layers;
    static constexpr bool has_own_head = std::is_same_v<Head, OwnHead>;
    static constexpr bool needs_token_head = !has_own_head;

    template <Encoder E>
    Branch(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : options_(std::move(options)),
          decoder_(options_.decoder, encoder, seed, name + ".decoder"),
          head_(encoder, seed, name + ".head") {
        require_smoothing(options_.label_smoothing);
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }

    template <class ExampleT>
    [[nodiscard]] MaskedText assemble(ExampleT const& example, TokenTraits const& traits, ViewSettings const& settings,
                                      ViewDraws draws, MaskedText const& encoder_text) const
        requires has_view
    {
        MaskedText text = detail::assemble_text(options_.view, example, traits, settings, draws, encoder_text);
        options_.loss.label(text, traits);
        return text;
    }

    template <class E>
    [[nodiscard]] TokenRows rows(PassState<E>& pass, PackedInput const& view) const
        requires(!has_own_head)
    {
        return labeled_rows(pass, view);
    }

    template <class E>
    [[nodiscard]] TermSum sum(PassState<E>& pass, PackedInput const& view) const
        requires has_own_head
    {
        TokenRows const labeled = labeled_rows(pass, view);
        at::Tensor const& word = pass.encoder.embeddings.word;
        at::Tensor const rows = head_.head.transform(labeled.rows);
        RowLosses const losses =
            linear_cross_entropy(rows, word, head_.head.bias, labeled.labels,
                                 at::full({labeled.labels.size(0)}, 1.0, labeled.rows.options().dtype(at::kFloat)));
        TermSum result{.sum = losses.total, .correct = losses.correct.sum()};
        if (options_.label_smoothing != 0) {
            result.sum =
                result.sum + smoothing_excess(rows, word, head_.head.bias, labeled.labels).sum() * options_.label_smoothing;
        }
        return result;
    }
    [[nodiscard]] std::int64_t count(PackedView const& view) const
        requires has_own_head
    {
        return static_cast<std::int64_t>(view.label_count());
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        TermDescription description{.name = std::move(name),
                                    .kind = std::string(kind),
                                    .decoder = std::string(Decoder::kind),
                                    .task = options_.task,
                                    .weight = options_.weight.at(0),
                                    .has_view = has_view};
        if constexpr (requires { decoder_.options().layers; }) { description.decoder_layers = decoder_.options().layers; }
        if constexpr (requires { Decoder::query; }) { description.query = std::string(Decoder::query); }
        if constexpr (requires { Decoder::shared_name; }) { description.decoder_name = std::string(Decoder::shared_name); }
        if constexpr (requires { decoder_.options().tap; }) { description.tap = decoder_.options().tap; }
        if constexpr (requires { decoder_.options().window; }) { description.window = decoder_.options().window; }
        return description;
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        decoder_.for_each_parameter(prefix + ".decoder", visit);
        head_.for_each_parameter(prefix + ".head", visit);
    }

    /// Source, masker and corruptor, for settings and data that they need before training.
    [[nodiscard]] ViewT& view() noexcept { return options_.view; }
    [[nodiscard]] ViewT const& view() const noexcept { return options_.view; }
    [[nodiscard]] Decoder& decoder() noexcept { return decoder_; }
    /// Which tokens are predicted.
    [[nodiscard]] Loss const& labels() const noexcept { return options_.loss; }

private:
    template <class E>
    TokenRows labeled_rows(PassState<E>& pass, PackedInput const& view) const {
        at::Tensor const hidden = decoder_.decode(detail::ablated(pass.sentence, pass.context), view, pass.encoder, pass.encoded,
                                                  pass.context);   // [T, H]
        return {
            .rows = hidden.index_select(0, view.label_rows), .labels = view.labels, .label_smoothing = options_.label_smoothing};
    }

    Options options_;
    Decoder decoder_;
    [[no_unique_address]] HeadPart head_;
};

}  // namespace bmae
