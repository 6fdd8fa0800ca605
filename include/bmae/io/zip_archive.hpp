// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The entries of a zip archive in memory: stored ones only, as PyTorch writes them, each checked against the archive's directory.
///
/// Nothing is unpacked, so an archive cannot grow: an entry is a part of the archive's own bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

#include <bmae/values/error.hpp>

namespace bmae::detail {

/// An unsigned little-endian number of `size` bytes at `at`, which the caller has checked to lie inside.
inline std::uint64_t little_endian(std::span<std::byte const> bytes, std::size_t at, std::size_t size) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) { value = value << 8 | std::to_integer<std::uint64_t>(bytes[at + i]); }
    return value;
}

/// A stored entry of an archive.
struct ZipEntry {
    std::string_view name = {};
    std::span<std::byte const> bytes = {};
    std::uint64_t header = 0;   ///< byte of the archive where its local header begins
    std::uint32_t crc = 0;      ///< CRC-32 of the bytes; 0 where the writer left it out
};

/// The directory of an archive (PKWARE's APPNOTE, 4.3), in zip and zip64 form, on one disk.
class ZipArchive {
public:
    /// \param archive  must outlive the entries
    /// \param file     its name in messages
    /// \throws InputError  a directory or an entry that leaves the archive, overlaps another, has a name twice, is compressed or
    ///                     encrypted, or whose two headers disagree; the message names the entry
    ZipArchive(std::span<std::byte const> archive, std::string file) : archive_(archive), file_(std::move(file)) {
        read_directory(find_directory());
        check_overlaps();
    }

    [[nodiscard]] std::vector<ZipEntry> const& entries() const noexcept { return entries_; }   ///< in the order of their names

    /// The entry of that name, or null.
    [[nodiscard]] ZipEntry const* find(std::string_view name) const noexcept {
        auto const at = std::lower_bound(entries_.begin(), entries_.end(), name,
                                         [](ZipEntry const& entry, std::string_view wanted) { return entry.name < wanted; });
        return at != entries_.end() && at->name == name ? &*at : nullptr;
    }

    /// Reads the entry once and compares its checksum. \throws InputError  where the bytes are not those that were written
    void verify(ZipEntry const& entry) const {
        if (entry.crc == 0) { return; }   // PyTorch writes 0 with set_crc32_options(False)
        uLong sum = ::crc32(0, nullptr, 0);
        for (std::size_t at = 0; at < entry.bytes.size();) {
            std::size_t const size = std::min<std::size_t>(entry.bytes.size() - at, std::size_t{1} << 30);
            sum = ::crc32(sum, reinterpret_cast<Bytef const*>(entry.bytes.data() + at), static_cast<uInt>(size));
            at += size;
        }
        if (sum != entry.crc) { throw refuse("bytes that match their checksum", "others in " + quoted(entry.name)); }
    }

private:
    struct Directory {
        std::uint64_t begin = 0;
        std::uint64_t size = 0;
        std::uint64_t count = 0;
        std::uint64_t limit = 0;   ///< byte of the record that ends it
    };

    static constexpr std::size_t end_size = 22;       // end of central directory record
    static constexpr std::size_t locator_size = 20;   // zip64 end of central directory locator
    static constexpr std::size_t end64_size = 56;     // zip64 end of central directory record
    static constexpr std::size_t central_size = 46;   // central header
    static constexpr std::size_t local_size = 30;     // local header
    static constexpr std::uint64_t none32 = 0xffffffff;

    [[nodiscard]] static std::string quoted(std::string_view name) { return '"' + std::string(name.substr(0, 80)) + '"'; }

    [[nodiscard]] InputError refuse(std::string expected, std::string found,
                                    std::string hint = "The file is damaged: copy or download it again.") const {
        return InputError(
            Diagnostic{.file = file_, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    }

    [[nodiscard]] std::uint64_t at(std::uint64_t place, std::size_t size) const {
        return little_endian(archive_, static_cast<std::size_t>(place), size);
    }
    [[nodiscard]] bool inside(std::uint64_t begin, std::uint64_t size, std::uint64_t limit) const noexcept {
        return begin <= limit && size <= limit - begin;
    }

    /// The record at the end of the archive, before a comment of at most 65535 bytes.
    [[nodiscard]] std::uint64_t find_end() const {
        if (archive_.size() >= end_size) {
            std::uint64_t const last = archive_.size() - end_size;
            for (std::uint64_t back = 0; back <= std::min<std::uint64_t>(last, 65535); ++back) {
                if (at(last - back, 4) == 0x06054b50 && at(last - back + 20, 2) == back) { return last - back; }
            }
        }
        throw refuse("a zip archive with a directory at its end", "none, in " + std::to_string(archive_.size()) + " bytes",
                     "The file is truncated or of another format: copy or download it again.");
    }

    [[nodiscard]] Directory find_directory() const {
        std::uint64_t const end = find_end();
        Directory found{.begin = at(end + 16, 4), .size = at(end + 12, 4), .count = at(end + 10, 2), .limit = end};
        bool one_disk = at(end + 4, 2) == 0 && at(end + 6, 2) == 0 && at(end + 8, 2) == found.count;
        bool const is_large = found.begin == none32 || found.size == none32 || found.count == 0xffff;
        if (end >= locator_size && at(end - locator_size, 4) == 0x07064b50) {
            std::uint64_t const record = at(end - locator_size + 8, 8);
            if (!inside(record, end64_size, end - locator_size) || at(record, 4) != 0x06064b50) {
                throw refuse("a zip64 directory before its locator", "none at byte " + std::to_string(record));
            }
            found = {.begin = at(record + 48, 8), .size = at(record + 40, 8), .count = at(record + 32, 8), .limit = record};
            one_disk = at(record + 16, 4) == 0 && at(record + 20, 4) == 0 && at(record + 24, 8) == found.count;
        } else if (is_large) {
            throw refuse("a zip64 directory, as the sizes say", "none");
        }
        if (!one_disk) { throw refuse("an archive in one file", "a part of a split one"); }
        if (!inside(found.begin, found.size, found.limit)) {
            throw refuse("a directory inside the archive",
                         std::to_string(found.size) + " bytes from byte " + std::to_string(found.begin));
        }
        if (found.count > found.size / central_size) {
            throw refuse("a directory with room for its entries",
                         std::to_string(found.count) + " entries in " + std::to_string(found.size) + " bytes");
        }
        return found;
    }

    void read_directory(Directory const& directory) {
        std::uint64_t const end = directory.begin + directory.size;
        std::uint64_t place = directory.begin;
        entries_.reserve(static_cast<std::size_t>(directory.count));
        for (std::uint64_t i = 0; i < directory.count; ++i) {
            bool const is_header = inside(place, central_size, end) && at(place, 4) == 0x02014b50;
            std::uint64_t const size =
                is_header ? central_size + at(place + 28, 2) + at(place + 30, 2) + at(place + 32, 2) : std::uint64_t{0};
            if (!is_header || !inside(place, size, end)) {
                throw refuse("an entry of the directory at byte " + std::to_string(place), "none");
            }
            entries_.push_back(read_entry(place, directory.begin));
            place += size;
        }
        std::sort(entries_.begin(), entries_.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
        auto const twice =
            std::adjacent_find(entries_.begin(), entries_.end(), [](auto const& a, auto const& b) { return a.name == b.name; });
        if (twice != entries_.end()) { throw refuse("each entry once", quoted(twice->name) + " twice"); }
    }

    [[nodiscard]] std::string_view name_at(std::uint64_t place, std::uint64_t size) const noexcept {
        return {reinterpret_cast<char const*>(archive_.data()) + place, static_cast<std::size_t>(size)};
    }

    /// \param limit  byte where the directory begins: data ends before it
    [[nodiscard]] ZipEntry read_entry(std::uint64_t central, std::uint64_t limit) const {
        std::uint64_t const name_size = at(central + 28, 2);
        std::string_view const name = name_at(central + central_size, name_size);
        std::uint64_t packed = at(central + 20, 4);
        std::uint64_t size = at(central + 24, 4);
        std::uint64_t header = at(central + 42, 4);
        read_zip64(central + central_size + name_size, at(central + 30, 2), name, {&size, &packed, &header});
        if ((at(central + 8, 2) & 1U) != 0) { throw refuse("entries that are not encrypted", quoted(name)); }
        if (std::uint64_t const method = at(central + 10, 2); method != 0) {
            throw refuse("stored entries, as PyTorch writes them",
                         quoted(name) + " compressed by method " + std::to_string(method),
                         "Unpack the archive and pack it again without compression (zip -0 -r).");
        }
        if (packed != size) {
            throw refuse("a stored entry of one size",
                         quoted(name) + " with " + std::to_string(packed) + " and " + std::to_string(size) + " bytes");
        }
        bool const has_header = inside(header, local_size, limit) && at(header, 4) == 0x04034b50;
        if (!has_header || at(header + 26, 2) != name_size || !inside(header + local_size, name_size, limit) ||
            name_at(header + local_size, name_size) != name) {
            throw refuse("the header of " + quoted(name) + " at byte " + std::to_string(header), "none");
        }
        std::uint64_t const begin = header + local_size + name_size + at(header + 28, 2);
        if (!inside(begin, size, limit)) {
            throw refuse("the data of " + quoted(name) + " before the directory at byte " + std::to_string(limit),
                         std::to_string(size) + " bytes from byte " + std::to_string(begin));
        }
        return {.name = name,
                .bytes = archive_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size)),
                .header = header,
                .crc = static_cast<std::uint32_t>(at(central + 16, 4))};
    }

    /// Replaces those of `fields` that are all ones by the numbers of the zip64 extra field, in its order.
    void read_zip64(std::uint64_t extra, std::uint64_t extra_size, std::string_view name,
                    std::initializer_list<std::uint64_t*> fields) const {
        std::uint64_t const end = extra + extra_size;
        std::optional<std::uint64_t> place;
        std::uint64_t limit = 0;
        for (std::uint64_t field = extra; inside(field, 4, end);) {
            std::uint64_t const size = at(field + 2, 2);
            if (!inside(field + 4, size, end)) { break; }
            if (at(field, 2) == 1) {
                place = field + 4;
                limit = field + 4 + size;
            }
            field += 4 + size;
        }
        for (std::uint64_t* const field : fields) {
            if (*field != none32) { continue; }
            if (!place || !inside(*place, 8, limit)) { throw refuse("the zip64 sizes of " + quoted(name), "none"); }
            *field = at(*place, 8);
            *place += 8;
        }
    }

    /// Two entries that share bytes could each be sound, and the archive larger inside than outside.
    void check_overlaps() const {
        std::vector<ZipEntry const*> order;
        order.reserve(entries_.size());
        for (ZipEntry const& entry : entries_) { order.push_back(&entry); }
        std::sort(order.begin(), order.end(), [](auto const* a, auto const* b) { return a->header < b->header; });
        for (std::size_t i = 1; i < order.size(); ++i) {
            auto const end =
                static_cast<std::uint64_t>(order[i - 1]->bytes.data() - archive_.data()) + order[i - 1]->bytes.size();
            if (order[i]->header < end) {
                throw refuse("entries one after another", quoted(order[i]->name) + " inside " + quoted(order[i - 1]->name));
            }
        }
    }

    std::span<std::byte const> archive_;
    std::string file_;
    std::vector<ZipEntry> entries_ = {};
};

}  // namespace bmae::detail
