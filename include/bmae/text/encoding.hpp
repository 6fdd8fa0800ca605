// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encodings of one text or a pair of texts, and their truncation.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <bmae/text/bert_normalizer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Truncation strategies.
enum class Truncation : std::uint8_t {
    longest_first,   ///< the longer one until both are equally long, then both
    only_first,
    only_second,
};

struct EncodeOptions {
    std::optional<std::size_t> max_length = {};   ///< tokens with the special ones; absent: no limit
    Truncation truncation = Truncation::longest_first;
};

/// [CLS] text [SEP] or [CLS] text [SEP] pair [SEP].
struct Encoding {
    std::vector<TokenId> ids = {};                 ///< [n]
    std::vector<std::uint8_t> token_types = {};    ///< [n] 0, and 1 for the pair and its [SEP]
    std::vector<ByteSpan> offsets = {};            ///< [n] bytes of the source text; {0, 0} for what was added
    std::vector<std::uint8_t> special_mask = {};   ///< [n] 1 for what was added

    [[nodiscard]] std::size_t size() const noexcept { return ids.size(); }
};

namespace detail {

/// Number of content tokens kept of both texts. Equal to HuggingFace tokenizers, also where both are truncated.
/// \param room  tokens that remain beside the special ones
/// \throws InputError  where the text to truncate would become empty
inline std::pair<std::size_t, std::size_t> truncated_lengths(std::size_t first, std::size_t second, bool is_pair,
                                                             std::size_t room, Truncation truncation) {
    if (first + second <= room) { return {first, second}; }
    if (room == 0) { return {0, 0}; }
    if (truncation == Truncation::longest_first) {
        if (!is_pair) { return {room, 0}; }
        std::size_t shorter = std::min(first, second);
        std::size_t longer = std::max(shorter, room - std::min(shorter, room));
        if (shorter > room || shorter + longer > room) {
            shorter = room / 2;
            longer = room - shorter;
        }
        return first > second ? std::pair{longer, shorter} : std::pair{shorter, longer};
    }
    bool const cuts_first = truncation == Truncation::only_first;
    std::size_t const surplus = first + second - room;
    if (surplus >= (cuts_first ? first : second)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = std::string("a ") + (cuts_first ? "first" : "second") + " text of more than " +
                                                std::to_string(surplus) + " tokens to truncate",
                                    .found = std::to_string(cuts_first ? first : second) + " tokens",
                                    .hint = "Raise max_length or choose Truncation::longest_first."});
    }
    return cuts_first ? std::pair{first - surplus, second} : std::pair{first, second - surplus};
}

}  // namespace detail
}  // namespace bmae
