// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Two different spans of one document, as coCondenser contrasts them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/text_source.hpp>
#include <bmae/sources/sentences.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Two windows of a document that is cut every `length` tokens; the same one twice where there is only one.
inline std::pair<TokenRange, TokenRange> two_spans(Example const& example, std::size_t length, Draw shared) {
    if (length == 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a span length of at least 1",
                                    .found = "0",
                                    .hint = "coCondenser reads spans of 126 tokens between [CLS] and [SEP]."});
    }
    std::size_t const size = example.document.size();
    std::size_t const spans = size / length + (size % length != 0 ? 1 : 0);
    Draw choice = shared.fork(0x7370616e73);   // "spans"
    std::size_t const first = choice.below(spans);
    std::size_t const other = spans < 2 ? first : (first + 1 + choice.below(spans - 1)) % spans;
    auto const window = [&](std::size_t k) { return TokenRange{k * length, std::min(size, (k + 1) * length)}; };
    return {window(first), window(other)};
}

}  // namespace detail

/// One of two random spans of the document (coCondenser, arXiv 2108.05540): windows of `length` tokens, not whole sentences.
///
/// `SecondSpan` of the same length reads a different window of the same example wherever the document has two; a document within
/// one window gives the same text twice, a dropout pair. Empty where there is no document. A store of
/// `Blocks::whole_document` has one example per document; others have one per passage.
struct FirstSpan {
    static constexpr std::string_view name = "first_span";
    static constexpr std::string_view shared_choice = "spans";
    static constexpr Needs needs = Needs::spans;

    std::size_t length = 126;   ///< tokens at most, without [CLS] and [SEP]; the same in all views of a model

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("length", length, "tokens at most, without [CLS] and [SEP]");
    }

    /// Throws InputError where `length` is 0.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw, Draw shared) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        return detail::tokens_of(example, detail::two_spans(example, length, shared).first);
    }
};

static_assert(SharedTextSource<FirstSpan>);

/// The other span of `FirstSpan`.
struct SecondSpan {
    static constexpr std::string_view name = "second_span";
    static constexpr std::string_view shared_choice = "spans";
    static constexpr Needs needs = Needs::spans;

    std::size_t length = 126;   ///< tokens at most, without [CLS] and [SEP]; the same in all views of a model

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("length", length, "tokens at most, without [CLS] and [SEP]");
    }

    /// Throws InputError where `length` is 0.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw, Draw shared) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        return detail::tokens_of(example, detail::two_spans(example, length, shared).second);
    }
};

static_assert(SharedTextSource<SecondSpan>);

}  // namespace bmae
