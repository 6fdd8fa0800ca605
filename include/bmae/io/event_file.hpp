// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Event files of TensorBoard: records of TFRecord (length and bytes, each with a masked CRC-32C) that hold Event messages in the wire
/// format of protocol buffers. Only numbers over steps are written.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bmae {

/// CRC-32C (Castagnoli) of some bytes: 0xE3069283 for "123456789".
inline std::uint32_t crc32c(std::string_view bytes) noexcept {
    static constexpr auto table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t value = i;
            for (int bit = 0; bit < 8; ++bit) { value = (value & 1U) != 0 ? (value >> 1U) ^ 0x82F63B78U : value >> 1U; }
            made[i] = value;
        }
        return made;
    }();
    std::uint32_t sum = 0xFFFFFFFFU;
    for (char const c : bytes) { sum = table[(sum ^ static_cast<unsigned char>(c)) & 0xFFU] ^ (sum >> 8U); }
    return sum ^ 0xFFFFFFFFU;
}

/// Writes an event file into memory.
class EventFile {
public:
    /// The first record: the version of the format.
    EventFile() {
        Message event = event_at(0, 0);
        event.text(3, "brain.Event:2");
        add_record(event.bytes());
    }

    /// One number.
    /// \param tag      its name; a part before "/" is the group in which TensorBoard shows it
    /// \param seconds  the time of the event, in seconds
    void add(std::string_view tag, std::uint64_t step, double seconds, float value) {
        Message number;
        number.text(1, tag);
        number.fixed(2, std::bit_cast<std::uint32_t>(value));
        Message summary;
        summary.text(1, number.bytes());
        Message event = event_at(seconds, step);
        event.text(5, summary.bytes());
        add_record(event.bytes());
    }

    [[nodiscard]] std::string const& bytes() const noexcept { return bytes_; }

private:
    template <class Unsigned>
    static void append_little_endian(std::string& text, Unsigned value) {
        for (std::size_t i = 0; i < sizeof value; ++i) { text.push_back(static_cast<char>((value >> (8 * i)) & 0xFFU)); }
    }

    /// A message of protocol buffers, field by field.
    class Message {
    public:
        [[nodiscard]] std::string const& bytes() const noexcept { return bytes_; }

        void varint(std::uint32_t field, std::uint64_t value) {
            append(std::uint64_t{field} << 3U);
            append(value);
        }
        void fixed(std::uint32_t field, std::uint64_t bits) {
            append((std::uint64_t{field} << 3U) | 1U);
            append_little_endian(bytes_, bits);
        }
        void fixed(std::uint32_t field, std::uint32_t bits) {
            append((std::uint64_t{field} << 3U) | 5U);
            append_little_endian(bytes_, bits);
        }
        void text(std::uint32_t field, std::string_view text) {
            append((std::uint64_t{field} << 3U) | 2U);
            append(text.size());
            bytes_.append(text);
        }

    private:
        /// Seven bits per byte, the lowest first.
        void append(std::uint64_t value) {
            for (; value >= 0x80U; value >>= 7U) { bytes_.push_back(static_cast<char>((value & 0x7FU) | 0x80U)); }
            bytes_.push_back(static_cast<char>(value));
        }

        std::string bytes_ = {};
    };

    static Message event_at(double seconds, std::uint64_t step) {
        Message event;
        event.fixed(1, std::bit_cast<std::uint64_t>(seconds));
        if (step != 0) { event.varint(2, step); }
        return event;
    }

    static std::uint32_t masked_sum(std::string_view bytes) noexcept {
        std::uint32_t const sum = crc32c(bytes);
        return ((sum >> 15U) | (sum << 17U)) + 0xA282EAD8U;
    }

    void add_record(std::string_view message) {
        std::string length;
        append_little_endian(length, std::uint64_t{message.size()});
        bytes_.append(length);
        append_little_endian(bytes_, masked_sum(length));
        bytes_.append(message);
        append_little_endian(bytes_, masked_sum(message));
    }

    std::string bytes_ = {};
};

}  // namespace bmae
