// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Positions of the sentences of a passage, and spans of whole sentences: common code of sources.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <bmae/values/error.hpp>
#include <bmae/values/example.hpp>

namespace bmae::detail {

/// A range of tokens of a document.
struct TokenRange {
    std::size_t begin = 0;
    std::size_t end = 0;

    [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
    friend bool operator==(TokenRange const&, TokenRange const&) = default;
};

/// Refuses an example whose sentence ends or passage do not fit its document.
inline void require_sentences(Example const& example, char const* source) {
    auto const ends = example.sentence_ends;
    bool const fits = ends.empty() ? example.document.empty() : ends.back() == example.document.size();
    if (!fits || example.passage_offset + example.passage.size() > example.document.size()) {
        throw InputError(
            Diagnostic{.file = {},
                       .expected = std::string(source) + " to get a passage within a document with sentence ends",
                       .found = std::to_string(ends.size()) + " sentences, " + std::to_string(example.document.size()) +
                                " tokens, a passage of " + std::to_string(example.passage.size()) + " at " +
                                std::to_string(example.passage_offset),
                       .hint = "Read the example from a token store, or fill document, passage_offset and sentence_ends."});
    }
}

/// Refuses a sentence that ends before it begins, or behind its document: a store that is opened quickly is not read.
inline void require_order(TokenRange sentence, std::size_t document_size) {
    if (sentence.begin <= sentence.end && sentence.end <= document_size) { return; }
    throw InputError(
        Diagnostic{.file = {},
                   .expected = "sentence ends in order within a document of " + std::to_string(document_size) + " tokens",
                   .found = std::to_string(sentence.end) + " after " + std::to_string(sentence.begin),
                   .hint = "The store is damaged: prepare it again."});
}

/// The sentences, or parts of them, within `range` of the document, in order; none is empty.
inline std::vector<TokenRange> sentences_within(Example const& example, TokenRange range) {
    std::vector<TokenRange> sentences;
    auto const ends = example.sentence_ends;
    std::size_t begin = range.begin;
    for (auto end = std::ranges::upper_bound(ends, range.begin); begin < range.end && end != ends.end(); ++end) {
        sentences.push_back({begin, std::min<std::size_t>(*end, range.end)});
        require_order(sentences.back(), example.document.size());
        begin = sentences.back().end;
    }
    return sentences;
}

/// The range of the passage in the document.
inline TokenRange passage_range(Example const& example) noexcept {
    return {example.passage_offset, example.passage_offset + example.passage.size()};
}

/// The span at the start of `range`: as many whole sentences as fit into `length` tokens, or a part of the first one.
inline TokenRange span_from(Example const& example, TokenRange range, std::size_t length) {
    length = std::min(length, range.size());
    TokenRange span{range.begin, range.begin};
    for (TokenRange const& sentence : sentences_within(example, {range.begin, std::min(range.end, range.begin + length + 1)})) {
        if (sentence.end - range.begin > length) { break; }
        span.end = sentence.end;
    }
    return span.size() != 0 ? span : TokenRange{range.begin, range.begin + length};
}

/// Cuts `range` into spans of whole sentences of at most `length` tokens, as `Blocks::whole_sentences` cuts passages: those
/// before and after a passage of such a store are its neighbors.
inline std::vector<TokenRange> spans_within(Example const& example, TokenRange range, std::size_t length) {
    std::vector<TokenRange> spans;
    for (; range.begin < range.end; range.begin = spans.back().end) { spans.push_back(span_from(example, range, length)); }
    return spans;
}

inline std::vector<TokenId> tokens_of(Example const& example, TokenRange range) {
    require_order(range, example.document.size());
    auto const text = example.document.subspan(range.begin, range.size());
    return {text.begin(), text.end()};
}

}  // namespace bmae::detail
