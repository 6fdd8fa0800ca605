// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Thread-local cache of tokenized words: a bounded table per tokenizer, so that const calls need no lock.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/text/bert_normalizer.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae::detail {

/// A direct-mapped table from the raw bytes of a short word to its ids. A new word replaces the old entry. 512 KiB.
class WordCache {
public:
    static constexpr std::size_t max_bytes = 15;
    static constexpr std::size_t max_ids = 3;

    struct alignas(32) Entry {
        std::uint64_t key[2] = {0, 0};   ///< the bytes, then zeros; the length in the last byte
        TokenId ids[max_ids] = {};
        std::uint32_t count = 0;   ///< 0: free
    };

    WordCache() : entries_(std::size_t{1} << 14) {}

    /// The entry of the word text[begin, begin + length): count is 0 where its ids are not known yet. Null where it is too long.
    [[nodiscard]] Entry* find(std::string_view text, std::size_t begin, std::size_t length) noexcept {
        if (length > max_bytes) { return nullptr; }
        std::uint64_t key[2] = {0, 0};
        if (begin + 16 <= text.size()) {   // two full loads and a mask are faster than a copy of unknown length
            std::memcpy(key, text.data() + begin, 16);
            std::size_t const bits = length * 8;
            key[0] &= bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
            key[1] &= bits <= 64 ? 0 : (std::uint64_t{1} << (bits - 64)) - 1;
        } else {
            std::memcpy(key, text.data() + begin, length);
        }
        key[1] |= static_cast<std::uint64_t>(length) << 56;
        std::uint64_t hash = (key[0] ^ (key[1] * 0x9e3779b97f4a7c15ULL)) * 0xd6e8feb86659fd93ULL;
        hash ^= hash >> 32;
        hash *= 0xd6e8feb86659fd93ULL;
        Entry& entry = entries_[static_cast<std::size_t>(hash >> 50)];
        if (entry.key[0] != key[0] || entry.key[1] != key[1]) {
            entry.key[0] = key[0];
            entry.key[1] = key[1];
            entry.count = 0;
        }
        return &entry;
    }

    /// Stores the ids of the word in the entry from `find`, if they fit.
    static void keep(Entry& entry, std::span<TokenId const> ids) noexcept {
        if (ids.empty() || ids.size() > max_ids) { return; }
        std::copy(ids.begin(), ids.end(), entry.ids);
        entry.count = static_cast<std::uint32_t>(ids.size());
    }

private:
    std::vector<Entry> entries_;
};

/// One token and its bytes in a normalized word.
struct Piece {
    TokenId id;
    std::uint32_t begin;
    std::uint32_t end;
};

struct WordPieceScratch {
    WordCache cache = {};
    BertNormalizer::Scratch normalizer = {};
    std::vector<Piece> pieces = {};
    std::string lowered = {};
};

/// A number unique to this tokenizer in the process.
inline std::uint64_t next_tokenizer_number() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

/// The buffers of the calling thread for one tokenizer. A thread keeps those of the most recent tokenizers.
inline WordPieceScratch& wordpiece_scratch(std::uint64_t tokenizer) {
    struct Slot {
        std::uint64_t tokenizer = 0;
        std::unique_ptr<WordPieceScratch> scratch = {};
    };
    static thread_local std::array<Slot, 4> slots;
    if (slots[0].tokenizer == tokenizer) { return *slots[0].scratch; }
    std::size_t at = 0;
    while (at + 1 < slots.size() && slots[at].tokenizer != tokenizer) { ++at; }
    if (slots[at].tokenizer != tokenizer) { slots[at] = {tokenizer, std::make_unique<WordPieceScratch>()}; }
    for (; at > 0; --at) { std::swap(slots[at], slots[at - 1]); }
    return *slots[0].scratch;
}

}  // namespace bmae::detail
