// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// XXH64, the 64-bit checksum of the xxHash specification (version 0.1.1), at once or incrementally.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace bmae::detail {

/// Checksum of a stream of bytes. Detects damage, is not cryptographic.
class Xxh64 {
public:
    explicit constexpr Xxh64(std::uint64_t seed = 0) noexcept
        : seed_(seed), lanes_{seed + prime1 + prime2, seed + prime2, seed, seed - prime1} {}

    void update(std::span<std::byte const> bytes) noexcept {
        total_ += bytes.size();
        if (filled_ != 0) {
            std::size_t const taken = std::min(bytes.size(), stripe_.size() - filled_);
            copy(stripe_.data() + filled_, bytes.first(taken));
            filled_ += taken;
            bytes = bytes.subspan(taken);
            if (filled_ < stripe_.size()) { return; }
            consume(stripe_.data());
            filled_ = 0;
        }
        for (; bytes.size() >= stripe_.size(); bytes = bytes.subspan(stripe_.size())) { consume(bytes.data()); }
        copy(stripe_.data(), bytes);
        filled_ = bytes.size();
    }
    void update(std::string_view text) noexcept { update(std::as_bytes(std::span(text.data(), text.size()))); }

    /// The checksum of everything given so far; more may be added.
    [[nodiscard]] std::uint64_t digest() const noexcept {
        std::uint64_t hash = seed_ + prime5;
        if (total_ >= stripe_.size()) {
            hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
            for (std::uint64_t const lane : lanes_) { hash = (hash ^ round(0, lane)) * prime1 + prime4; }
        }
        hash += total_;
        std::byte const* at = stripe_.data();
        std::byte const* const end = at + filled_;
        for (; end - at >= 8; at += 8) { hash = std::rotl(hash ^ round(0, load<std::uint64_t>(at)), 27) * prime1 + prime4; }
        if (end - at >= 4) {
            hash = std::rotl(hash ^ (load<std::uint32_t>(at) * prime1), 23) * prime2 + prime3;
            at += 4;
        }
        for (; at != end; ++at) { hash = std::rotl(hash ^ (std::to_integer<std::uint64_t>(*at) * prime5), 11) * prime1; }
        hash = (hash ^ (hash >> 33)) * prime2;
        hash = (hash ^ (hash >> 29)) * prime3;
        return hash ^ (hash >> 32);
    }

private:
    static constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87ULL;
    static constexpr std::uint64_t prime2 = 0xC2B2AE3D27D4EB4FULL;
    static constexpr std::uint64_t prime3 = 0x165667B19E3779F9ULL;
    static constexpr std::uint64_t prime4 = 0x85EBCA77C2B2AE63ULL;
    static constexpr std::uint64_t prime5 = 0x27D4EB2F165667C5ULL;

    template <class T>
    static std::uint64_t load(std::byte const* at) noexcept {
        static_assert(std::endian::native == std::endian::little, "bmae supports little-endian machines");
        T value;
        std::memcpy(&value, at, sizeof value);
        return value;
    }
    static void copy(std::byte* to, std::span<std::byte const> from) noexcept {
        if (!from.empty()) { std::memcpy(to, from.data(), from.size()); }
    }
    static constexpr std::uint64_t round(std::uint64_t lane, std::uint64_t input) noexcept {
        return std::rotl(lane + input * prime2, 31) * prime1;
    }
    void consume(std::byte const* stripe) noexcept {
        for (std::size_t i = 0; i < lanes_.size(); ++i) { lanes_[i] = round(lanes_[i], load<std::uint64_t>(stripe + 8 * i)); }
    }

    std::uint64_t seed_;
    std::array<std::uint64_t, 4> lanes_;
    std::array<std::byte, 32> stripe_{};
    std::size_t filled_ = 0;
    std::uint64_t total_ = 0;
};

inline std::uint64_t xxh64(std::span<std::byte const> bytes, std::uint64_t seed = 0) noexcept {
    Xxh64 hash(seed);
    hash.update(bytes);
    return hash.digest();
}
inline std::uint64_t xxh64(std::string_view text, std::uint64_t seed = 0) noexcept {
    return xxh64(std::as_bytes(std::span(text.data(), text.size())), seed);
}

/// Sixteen lower-case hexadecimal digits.
inline std::string to_hex(std::uint64_t value) {
    std::string text(16, '0');
    for (std::size_t i = 16; i-- > 0; value >>= 4) { text[i] = "0123456789abcdef"[value & 15]; }
    return text;
}

}  // namespace bmae::detail
