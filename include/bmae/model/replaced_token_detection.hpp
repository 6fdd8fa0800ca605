// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A decoder classifies, given the sentence vector, which tokens of a text were replaced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cross_entropy_loss.h>

#include <bmae/model/sentence_ablation.hpp>
#include <bmae/model/term.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/linear.hpp>

namespace bmae {

namespace detail {

template <class ViewT>
inline constexpr bool replaces_tokens = requires(ViewT const& view, PackedView& packed, HostBatch const& batch) {
    view.corruptor.replace(packed, batch, std::size_t{});
};

}  // namespace detail

/// Cross-entropy of replaced (1) or not (0) on every token of `ViewT`, whose corruptor is a network, from the states of `Decoder`
/// (Chuang et al.: DiffCSE, arXiv 2204.10298, equation 2). Padding, which DiffCSE's code counts, does not exist here.
template <class ViewT, class Decoder>
class ReplacedTokenDetection {
    static_assert(AnyView<ViewT>,
                  "ReplacedTokenDetection: the first slot is the view to classify: View<TextSource, Masker, Corruptor>.");
    static_assert(
        !AnyView<ViewT> || detail::replaces_tokens<ViewT>,
        "ReplacedTokenDetection: no token of this view is replaced by a network. Use the corruptor GeneratorReplacement.");
    static_assert(!Decoder::reads_visibility,
                  "ReplacedTokenDetection: a decoder under row masks cannot see the text it classifies. Use FullDepthDecoder.");

public:
    /// Options of the term, in the shape of its slots.
    struct Options {
        ViewT view = {};
        typename Decoder::Options decoder = {};
        TermWeight weight = .005;   ///< in the total; DiffCSE: .005 (default of its code: .1)

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside("view", view);
            visit.inside("decoder", decoder);
            visit.inside("weight", weight);
        }
    };
    using View = ViewT;
    static constexpr std::string_view kind = "replaced_token_detection";
    static constexpr bool has_view = true;
    static constexpr bool keeps_layers = false;

    template <Encoder E>
    ReplacedTokenDetection(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : options_(std::move(options)),
          decoder_(options_.decoder, encoder, seed, name + ".decoder"),
          head_(encoder.shape().width, 2) {
        initialize(head_, name + ".head", seed, Initialization::bert, encoder.shape().initial_deviation);
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }

    template <class ExampleT>
    [[nodiscard]] MaskedText assemble(ExampleT const& example, TokenTraits const& traits, ViewSettings const& settings,
                                      ViewDraws draws, MaskedText const& encoder_text) const {
        MaskedText text = detail::assemble_text(options_.view, example, traits, settings, draws, encoder_text);
        text.labels.assign(text.original_ids.size(), 0);   // known after the network has run: `relabel`
        return text;
    }

    /// Sets the labels after the corruptor's network has run.
    void relabel(PackedView& view) const {
        for (std::size_t i = 0; i < view.labels.size(); ++i) {
            view.labels[i] = view.input_ids[i] != view.original_ids[i] ? 1 : 0;
        }
    }

    [[nodiscard]] std::int64_t count(PackedView const& view) const { return static_cast<std::int64_t>(view.label_count()); }

    template <class E>
    [[nodiscard]] TermSum sum(PassState<E>& pass, PackedInput const& view) const {
        at::Tensor const hidden = decoder_.decode(detail::ablated(pass.sentence, pass.context), view, pass.encoder, pass.encoded,
                                                  pass.context);                                   // [T, H]
        at::Tensor const logits = head_(hidden.index_select(0, view.label_rows)).to(at::kFloat);   // [M, 2]
        return {.sum = at::cross_entropy_loss(logits, view.labels, {}, /*reduction=sum*/ 2),
                .correct = logits.detach().argmax(1).eq(view.labels).sum().to(at::kFloat)};
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name),
                .kind = std::string(kind),
                .decoder = std::string(Decoder::kind),
                .weight = options_.weight.at(0),
                .has_view = true};
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        decoder_.for_each_parameter(prefix + ".decoder", visit);
        head_.for_each_parameter(prefix + ".head", visit);
    }

    [[nodiscard]] ViewT& view() noexcept { return options_.view; }
    [[nodiscard]] ViewT const& view() const noexcept { return options_.view; }

private:
    Options options_;
    Decoder decoder_;
    Linear head_;
};

}  // namespace bmae
