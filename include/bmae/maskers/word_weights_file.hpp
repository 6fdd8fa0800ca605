// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The file of `WordWeights`, version 1, little-endian:
///
///     magic       8 bytes  "bmaeword"
///     version     uint64   1
///     documents   uint64   texts counted; 0: unknown
///     vocabulary  uint64   ids of the vocabulary
///     words       uint64   N
///     table       N x {hash, count, document frequency}, uint64 each, by hash
///     checksum    uint64   XXH64 of all bytes before it
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

inline constexpr std::string_view word_weights_magic = "bmaeword";
inline constexpr std::uint64_t word_weights_version = 1;

struct WordWeightsHeader {
    std::uint64_t documents = 0;
    std::uint64_t vocabulary = 0;
    std::uint64_t words = 0;
};

/// \throws InputError where the file exists or cannot be written
template <class Word>
void write_word_weights(std::filesystem::path const& path, WordWeightsHeader header, std::span<Word const> words) {
    static_assert(std::is_trivially_copyable_v<Word> && sizeof(Word) == 24);
    AtomicFile file(path);
    Xxh64 hash;
    auto const put = [&](std::span<std::byte const> bytes) {
        hash.update(bytes);
        file.write(bytes);
    };
    std::uint64_t const numbers[] = {word_weights_version, header.documents, header.vocabulary, header.words};
    put(std::as_bytes(std::span(word_weights_magic)));
    put(std::as_bytes(std::span(numbers)));
    put(std::as_bytes(words));
    std::uint64_t const digest[] = {hash.digest()};
    file.write(std::as_bytes(std::span(digest)));
    file.commit();
}

/// \throws InputError  naming the file where it is not such a file, truncated, changed or of another version
template <class Word>
WordWeightsHeader read_word_weights(std::filesystem::path const& path, std::vector<Word>& words) {
    static_assert(std::is_trivially_copyable_v<Word> && sizeof(Word) == 24);
    FileMap const file(path);
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        return InputError(Diagnostic{
            .file = path.string(), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    constexpr std::size_t fixed = 6 * sizeof(std::uint64_t);   // header and checksum
    if (!file.text().starts_with(word_weights_magic)) {
        throw refuse("a file of word counts", "another format",
                     "Name a file that WordWeights::save wrote; MASTER's frequency dictionary is read by read_word_dictionary.");
    }
    std::span<std::uint64_t const> const numbers = file.as<std::uint64_t>();
    std::string const size = std::to_string(file.size()) + " bytes";
    if (file.size() < fixed) { throw refuse("a whole file", size, "It is truncated: copy it again."); }
    if (numbers[1] != word_weights_version) {
        throw refuse("version " + std::to_string(word_weights_version), "version " + std::to_string(numbers[1]),
                     "Count the corpus again with this version of bmae.");
    }
    WordWeightsHeader const header{.documents = numbers[2], .vocabulary = numbers[3], .words = numbers[4]};
    bool const fits = header.words <= (file.size() - fixed) / sizeof(Word) && file.size() == fixed + header.words * sizeof(Word);
    if (!fits) { throw refuse("a file of " + std::to_string(header.words) + " words", size, "Truncated: copy it again."); }
    std::uint64_t const digest = xxh64(file.bytes().first(file.size() - sizeof(std::uint64_t)));
    if (digest != numbers.back()) {
        throw refuse("the checksum " + to_hex(numbers.back()), to_hex(digest), "It was changed: copy it again or count again.");
    }
    words.resize(header.words);
    std::span<std::byte const> const table = file.bytes().subspan(fixed - sizeof(std::uint64_t), header.words * sizeof(Word));
    if (!table.empty()) { std::memcpy(words.data(), table.data(), table.size()); }
    return header;
}

}  // namespace bmae::detail
