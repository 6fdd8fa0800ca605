// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The inverse cloze task: a sentence, and the passage that it was taken from.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>
#include <bmae/sources/sentences.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// The sentence of the passage that all views of an example remove; nothing where the passage is empty.
inline std::optional<TokenRange> cloze_sentence(Example const& example, Draw& choice) {
    std::vector<TokenRange> const sentences = sentences_within(example, passage_range(example));
    if (sentences.empty()) { return std::nullopt; }
    return sentences[choice.below(sentences.size())];
}

inline Draw cloze_choice(Draw shared) { return shared.fork(0x636c6f7a65); }   // "cloze"

}  // namespace detail

/// A random sentence of the passage: the question of the inverse cloze task (Lee et al., arXiv 1906.00300).
struct ClozeSentence {
    static constexpr std::string_view name = "cloze_sentence";

    /// Throws InputError where the example lacks its document's sentences.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw, Draw shared) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        detail::require_sentences(example, "ClozeSentence");
        Draw choice = detail::cloze_choice(shared);
        auto const sentence = detail::cloze_sentence(example, choice);
        return sentence ? detail::tokens_of(example, *sentence) : std::vector<TokenId>{};
    }
};

static_assert(SharedTextSource<ClozeSentence>);

/// The passage without the sentence that `ClozeSentence` reads; sometimes with it, so that word overlap is learned too.
///
/// Empty where the passage is that one sentence and it is not kept.
struct ClozeContext {
    static constexpr std::string_view name = "cloze_context";
    static constexpr Needs needs = Needs::sentences;

    double kept = .1;   ///< share of examples whose context keeps the sentence; Lee et al.: .1

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("kept", kept, "share of contexts that keep the sentence");
    }

    /// Throws InputError unless 0 <= kept <= 1, and where the example lacks its document's sentences.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw, Draw shared) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        if (!(kept >= 0 && kept <= 1)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "ClozeContext::kept between 0 and 1",
                                        .found = std::to_string(kept),
                                        .hint = "It is a share of the examples, for example 0.1."});
        }
        detail::require_sentences(example, "ClozeContext");
        Draw choice = detail::cloze_choice(shared);
        auto const sentence = detail::cloze_sentence(example, choice);
        detail::TokenRange const passage = detail::passage_range(example);
        if (!sentence || choice.chance(kept)) { return detail::tokens_of(example, passage); }
        std::vector<TokenId> context = detail::tokens_of(example, {passage.begin, sentence->begin});
        std::vector<TokenId> const rest = detail::tokens_of(example, {sentence->end, passage.end});
        context.insert(context.end(), rest.begin(), rest.end());
        return context;
    }
};

static_assert(SharedTextSource<ClozeContext>);

}  // namespace bmae
