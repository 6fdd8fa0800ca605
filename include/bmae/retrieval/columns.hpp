// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Messages about malformed lines of run and qrels files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <bmae/detail/columns.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// An excerpt of a line for a message: quoted, short, printable.
inline std::string quoted(std::string_view text) {
    std::string result = "'";
    for (char const c : text.substr(0, 60)) { result += static_cast<unsigned char>(c) < 32 ? '?' : c; }
    return result + (text.size() > 60 ? "...'" : "'");
}

inline InputError refuse_line(LineReader const& lines, std::string expected, std::string found, std::string hint) {
    return InputError(Diagnostic{.file = lines.path().string(),
                                 .line = lines.line(),
                                 .expected = std::move(expected),
                                 .found = std::move(found),
                                 .hint = std::move(hint)});
}

inline InputError refuse_column_count(LineReader const& lines, std::string expected, std::string_view line, std::size_t count) {
    bool const comment = line.starts_with('#');
    return refuse_line(lines, std::move(expected),
                       count == 0 ? "an empty line" : std::to_string(count) + " columns: " + quoted(line),
                       comment      ? "Set `comments` to skip lines that start with '#'."
                       : count == 0 ? "Remove the empty line."
                                    : "Ids must not contain blanks; check how the file was written.");
}

inline InputError refuse_empty(std::filesystem::path const& path) {
    return InputError(Diagnostic{.file = path.string(),
                                 .expected = "at least one line",
                                 .found = "an empty file",
                                 .hint = "Check the program that wrote it."});
}

/// The number of the line, from `after` + 1, on which `matches(line)` is true; 0 where there is none. For messages only.
template <class Matches>
std::size_t find_line(std::filesystem::path const& path, std::size_t after, Matches&& matches) {
    LineReader lines(path);
    std::string_view line;
    while (lines.next(line)) {
        if (lines.line() > after && matches(line)) { return lines.line(); }
    }
    return 0;
}

}  // namespace bmae::detail
