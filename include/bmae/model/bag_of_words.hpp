// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The encoder predicts the set of words of its text at once.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/zeros.h>

#include <bmae/corruptors/none.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/model/term.hpp>
#include <bmae/model/view.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/pooled_logits.hpp>

namespace bmae {

/// Highest logit of each word over all rows but the first: DupMAE, equation 5 (the final [SEP] counts, as in its code).
struct MaxPooledLogits {
    static constexpr std::string_view name = "max";

    template <class E>
    static at::Tensor make(PassState<E>& pass) {   // [B, V]
        return max_pooled_logits(pass.encoder.head.transform(pass.encoded.hidden), pass.encoder.embeddings.word,
                                 pass.encoder.head.bias, pass.input.offsets, 1, 0);
    }
};

/// Logits of the first row: BoW-DPR.
struct ClsLogits {
    static constexpr std::string_view name = "cls";

    template <class E>
    static at::Tensor make(PassState<E>& pass) {   // [B, V]
        at::Tensor const rows = pass.encoded.hidden.index_select(0, pass.input.first_rows);
        return detail::affine(pass.encoder.head.transform(rows), pass.encoder.embeddings.word, pass.encoder.head.bias)
            .to(at::kFloat);
    }
};

namespace detail {

/// A view without mask and corruption; OwnView is itself.
template <class ViewT>
inline constexpr bool plain_view = false;
template <>
inline constexpr bool plain_view<OwnView> = true;
template <class SourceT>
inline constexpr bool plain_view<View<SourceT, NoMasker, NoCorruption>> = true;

}  // namespace detail

/// How the words of a bag are weighted.
enum class BagWeights {
    one_over_tokens,   ///< 1/n each, n tokens of content counted with repeats: less than 1 in sum (DupMAE as released)
    one_over_words,    ///< 1/k each, k distinct words: 1 in sum (BoW-DPR)
    one,               ///< 1 each (DupMAE, equation 6)
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(BagWeights) noexcept { return {"one_over_tokens", "one_over_words", "one"}; }

/// Options of a `BagOfWords`, in the shape of its slots.
template <class ViewT = OwnView>
struct BagOfWordsOptions {
    [[no_unique_address]] ViewT view = {};   ///< the text whose words are the target; OwnView: the encoder's own
    TermWeight weight = 1;                   ///< in the total; DupMAE as released: .1, BoW-DPR: 1 to .1 along a cosine
    BagWeights words = BagWeights::one_over_tokens;
    std::int64_t lowest_id = 0;   ///< smallest id that counts; BoW-DPR: 999, since BERT's words start there

    template <class Visit>
    void for_each_option(Visit&& visit) {
        if constexpr (!std::is_same_v<ViewT, OwnView>) { visit.inside("view", view); }
        visit.inside("weight", weight);
        visit("words", words, "how the words of a bag are weighted");
        visit("lowest_id", lowest_id, "smallest token id in the bag");
    }
};

/// -sum over the distinct words of a text of w_v log softmax(mu)_v, mu the pooled logits of the encoder's head.
///
/// [CLS], [SEP] and [PAD] are outside the bag. Xiao, Liu: DupMAE, arXiv 2211.08769; Ma et al.: Drop your Decoder, arXiv 2401.11248.
///
/// With a view it is the bag of another text: of the next passage, beside one of the text itself (EBAR and EBAE of Li et al.:
/// Llama2Vec, arXiv 2312.15503), or of a query. A text with an empty bag then has no label. A bag counts the words
/// that a source reads, so the view has no mask and no corruption: View<NextPassage, NoMasker, NoCorruption>.
template <class Pooling, class ViewT = OwnView>
class BagOfWords {
    static_assert(AnyView<ViewT> || std::is_same_v<ViewT, OwnView>,
                  "BagOfWords: the second slot is the view whose words are labels: View<TextSource, NoMasker, NoCorruption>.");
    static_assert(
        detail::plain_view<ViewT>,
        "BagOfWords: a bag counts the words that the source reads, so a masker or a corruptor would change nothing. Use "
        "View<TextSource, NoMasker, NoCorruption>.");

public:
    using Options = BagOfWordsOptions<ViewT>;
    using View = ViewT;
    static constexpr std::string_view kind = "bag_of_words";
    static constexpr bool needs_token_head = true;
    static constexpr bool has_view = !std::is_same_v<ViewT, OwnView>;
    static constexpr bool reads_sentence = false;
    static constexpr bool keeps_layers = false;

    template <Encoder E>
    BagOfWords(Options options, E const&, std::uint64_t, std::string const&) : options_(options) {}

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }
    template <class ExampleT>
    [[nodiscard]] MaskedText assemble(ExampleT const& example, TokenTraits const& traits, ViewSettings const& settings,
                                      ViewDraws draws, MaskedText const& encoder_text) const
        requires has_view
    {
        return detail::assemble_text(options_.view, example, traits, settings, draws, encoder_text);
    }

    /// Texts; of another view those whose bag holds a word.
    [[nodiscard]] std::int64_t count(PackedView const& view) const {
        if constexpr (!has_view) { return static_cast<std::int64_t>(view.texts()); }
        std::int64_t texts = 0;
        for (std::size_t b = 0; b < view.texts(); ++b) {
            texts += std::any_of(view.original_ids.begin() + view.offsets[b], view.original_ids.begin() + view.offsets[b + 1],
                                 [&](TokenId id) {
                                     return id >= options_.lowest_id && id != view.special.cls && id != view.special.sep &&
                                            id != view.special.pad;
                                 })
                         ? 1
                         : 0;
        }
        return texts;
    }

    template <class E>
    [[nodiscard]] TermSum sum(PassState<E>& pass, PackedInput const& view) const {
        at::Tensor const target = bag(view, pass.encoder.shape().vocabulary);   // [B, V]
        return {.sum = (at::log_softmax(Pooling::make(pass), 1) * target).sum().neg()};
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name),
                .kind = std::string(kind),
                .pooling = std::string(Pooling::name),
                .words = std::string(names_of(options_.words)[static_cast<std::size_t>(options_.words)]),
                .lowest_id = options_.lowest_id,
                .weight = options_.weight.at(0),
                .has_view = has_view};
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

    [[nodiscard]] ViewT& view() noexcept { return options_.view; }
    [[nodiscard]] ViewT const& view() const noexcept { return options_.view; }

private:
    /// The weight of every word in every text.                                                                      [B, V]
    [[nodiscard]] at::Tensor bag(PackedInput const& view, std::int64_t vocabulary) const {
        at::Tensor const& ids = view.original_ids;   // [T]
        at::Tensor counts = ids.ge(options_.lowest_id);
        for (TokenId const outside : {view.special.cls, view.special.sep, view.special.pad}) {
            counts = counts.logical_and(ids.ne(outside));
        }
        at::Tensor const content = counts.to(at::kFloat);   // [T] of a token, in all its rows alike
        at::TensorOptions const single = at::TensorOptions().dtype(at::kFloat).device(ids.device());
        at::Tensor target = at::zeros({view.texts(), vocabulary}, single);
        target.index_put_({view.text_of_row, ids}, content);   // each word once
        if (options_.words == BagWeights::one) { return target; }
        at::Tensor const size = options_.words == BagWeights::one_over_words
                                    ? target.sum(1)
                                    : at::zeros({view.texts()}, single).index_add(0, view.text_of_row, content);
        return target / size.clamp_min(1).unsqueeze(1);
    }

    Options options_;
};

}  // namespace bmae
