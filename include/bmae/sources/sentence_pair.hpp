// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Two different sentences of one document.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/text_source.hpp>
#include <bmae/sources/sentences.hpp>

namespace bmae {

namespace detail {

/// The two sentences that an example's views agree on; the second is empty where the document has only one.
inline std::pair<TokenRange, TokenRange> sentence_pair(Example const& example, Draw const& shared) {
    require_sentences(example, "FirstSentence, OtherSentence");
    std::vector<TokenRange> const sentences = sentences_within(example, {0, example.document.size()});
    if (sentences.empty()) { return {}; }
    Draw choice = shared.fork(0x73656e74);   // "sent"
    std::size_t const first = choice.below(sentences.size());
    if (sentences.size() < 2) { return {sentences[first], {}}; }
    std::size_t const other = (first + 1 + choice.below(sentences.size() - 1)) % sentences.size();
    return {sentences[first], sentences[other]};
}

}  // namespace detail

/// A sentence of the document, each equally likely (SentMAE, stage 2 with contrast; coCondenser's pairs).
struct FirstSentence {
    static constexpr std::string_view name = "first_sentence";

    /// Throws InputError for an example without sentence ends.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw,
                                            Draw const& shared) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        return detail::tokens_of(example, detail::sentence_pair(example, shared).first);
    }
};

/// Another one of the same document; empty where there is none.
struct OtherSentence {
    static constexpr std::string_view name = "other_sentence";
    static constexpr Needs needs = Needs::sentences;

    /// Throws InputError for an example without sentence ends.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw,
                                            Draw const& shared) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        return detail::tokens_of(example, detail::sentence_pair(example, shared).second);
    }
};

static_assert(SharedTextSource<FirstSentence>);
static_assert(SharedTextSource<OtherSentence>);

}  // namespace bmae
