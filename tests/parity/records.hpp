// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Records between the drivers of tokenizers and their scripts: a length as u32, then that many items.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/values/tokens.hpp>

namespace records {

/// Reads one record of n x unit bytes from standard input; false at its end.
inline bool read(std::string& bytes, std::size_t unit = 1) {
    std::uint32_t size = 0;
    if (std::fread(&size, 4, 1, stdin) != 1) { return false; }
    bytes.resize(size * unit);
    return bytes.empty() || std::fread(bytes.data(), 1, bytes.size(), stdin) == bytes.size();
}

/// The same for a record of token ids.
inline bool read(std::vector<bmae::TokenId>& ids) {
    std::string bytes;
    if (!read(bytes, sizeof(bmae::TokenId))) { return false; }
    ids.resize(bytes.size() / sizeof(bmae::TokenId));
    if (!ids.empty()) { std::memcpy(ids.data(), bytes.data(), bytes.size()); }
    return true;
}

inline void write_word(std::size_t value) {
    auto const word = static_cast<std::uint32_t>(value);
    std::fwrite(&word, 4, 1, stdout);
}

inline void write(std::span<bmae::TokenId const> ids) {
    write_word(ids.size());
    std::fwrite(ids.data(), sizeof(bmae::TokenId), ids.size(), stdout);
}

inline void write(std::string_view text) {
    write_word(text.size());
    std::fwrite(text.data(), 1, text.size(), stdout);
}

/// Runs a driver; what it throws goes to standard error, with status 2.
template <class Run>
int guarded(Run&& run) {
    try {
        return run();
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}

}  // namespace records
