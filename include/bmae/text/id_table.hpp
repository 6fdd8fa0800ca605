// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Ids of queries and documents, numbered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Numbers strings 0, 1, 2, ... in the order in which they are first seen.
///
/// An open-addressing table over one block of characters: no allocation per string, one cache miss per look-up.
class IdTable {
public:
    IdTable() = default;

    /// \throws InputError  for a duplicate id
    explicit IdTable(std::vector<std::string> const& ids) {
        reserve(ids.size());
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (add(ids[i]) != i) {
                throw InputError(Diagnostic{.file = {},
                                            .expected = "every id once",
                                            .found = '\'' + ids[i] + "' a second time, as entry " + std::to_string(i),
                                            .hint = "Rename or drop one of them."});
            }
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }

    /// The string of a number below `size()`; valid until the next `add`.
    [[nodiscard]] std::string_view operator[](std::size_t number) const noexcept {
        std::size_t const begin = number == 0 ? 0 : ends_[number - 1];
        return std::string_view(characters_).substr(begin, ends_[number] - begin);
    }

    /// The number of a string, which is added if new.
    std::uint32_t add(std::string_view id) {
        if (ends_.size() * 2 >= slots_.size()) { grow(slots_.empty() ? 1024 : slots_.size() * 2); }
        std::uint64_t const hash = hash_of(id);
        std::size_t const place = find_slot(id, hash);
        if (slots_[place] == 0) {
            if (ends_.size() >= std::numeric_limits<std::uint32_t>::max() - 1) {
                throw InputError("bmae: more than 4294967294 ids.");
            }
            characters_ += id;
            ends_.push_back(characters_.size());
            slots_[place] = (hash & high_half) | ends_.size();
        }
        return static_cast<std::uint32_t>((slots_[place] & ~high_half) - 1);
    }

    [[nodiscard]] std::optional<std::uint32_t> find(std::string_view id) const noexcept {
        if (slots_.empty()) { return std::nullopt; }
        std::uint64_t const slot = slots_[find_slot(id, hash_of(id))];
        if (slot == 0) { return std::nullopt; }
        return static_cast<std::uint32_t>((slot & ~high_half) - 1);
    }

    void reserve(std::size_t count) {
        ends_.reserve(count);
        std::size_t slots = 1024;
        while (slots < count * 2 + 2) { slots *= 2; }
        if (slots > slots_.size()) { grow(slots); }
    }

private:
    static constexpr std::uint64_t high_half = 0xffffffff00000000ULL;

    static std::uint64_t hash_of(std::string_view id) noexcept {
        std::uint64_t hash = id.size() * 0x9e3779b97f4a7c15ULL;
        std::uint64_t word = 0;
        while (id.size() >= 8) {
            std::memcpy(&word, id.data(), 8);
            hash = detail::mix64(hash ^ word);
            id.remove_prefix(8);
        }
        word = 0;
        if (!id.empty()) { std::memcpy(&word, id.data(), id.size()); }
        return detail::mix64(hash ^ word);
    }

    /// The slot of `id`, or the free slot for a new one. A slot holds the upper half of the hash and the number + 1.
    [[nodiscard]] std::size_t find_slot(std::string_view id, std::uint64_t hash) const noexcept {
        std::size_t const mask = slots_.size() - 1;
        std::size_t place = hash & mask;
        while (slots_[place] != 0) {
            if ((slots_[place] & high_half) == (hash & high_half) && (*this)[(slots_[place] & ~high_half) - 1] == id) { break; }
            place = (place + 1) & mask;
        }
        return place;
    }

    void grow(std::size_t count) {
        slots_.assign(count, 0);
        for (std::size_t number = 0; number < ends_.size(); ++number) {
            std::uint64_t const hash = hash_of((*this)[number]);
            std::size_t place = hash & (count - 1);
            while (slots_[place] != 0) { place = (place + 1) & (count - 1); }
            slots_[place] = (hash & high_half) | (number + 1);
        }
    }

    std::string characters_;
    std::vector<std::size_t> ends_;      // [size()] end of each string in characters_
    std::vector<std::uint64_t> slots_;   // power of two; 0 where free
};

}  // namespace bmae
