// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Columns of run and relevance files.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <bmae/detail/lines.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// The first columns of a line and how many there are in all.
struct Columns {
    std::array<std::string_view, 6> text = {};
    std::size_t count = 0;

    [[nodiscard]] std::string_view operator[](std::size_t i) const noexcept { return text[i]; }
};

/// Cuts at runs of blanks and tabs.
inline Columns split_blanks(std::string_view line) noexcept {
    Columns columns;
    char const* at = line.data();
    char const* const end = at + line.size();
    while (true) {
        while (at != end && (*at == ' ' || *at == '\t')) { ++at; }
        if (at == end) { return columns; }
        char const* const begin = at;
        while (at != end && *at != ' ' && *at != '\t') { ++at; }
        if (columns.count < columns.text.size()) { columns.text[columns.count] = {begin, static_cast<std::size_t>(at - begin)}; }
        ++columns.count;
    }
}

/// Cuts at every tab; columns may be empty or hold blanks.
inline Columns split_tabs(std::string_view line) noexcept {
    Columns columns;
    for (std::size_t begin = 0;;) {
        std::size_t const end = line.find('\t', begin);
        if (columns.count < columns.text.size()) { columns.text[columns.count] = line.substr(begin, end - begin); }
        ++columns.count;
        if (end == std::string_view::npos) { return columns; }
        begin = end + 1;
    }
}

/// A finite decimal number, as strtod reads it but without its leniency.
inline std::optional<double> parse_score(std::string_view text) noexcept {
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') { text.remove_prefix(1); }
    double value = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code == std::errc::result_out_of_range) { value = 0; }   // as strtod: an underflow is 0; an overflow is refused below
    bool const overflow = code == std::errc::result_out_of_range && text.find("e-") == std::string_view::npos && text.find("E-") == std::string_view::npos;
    if ((code != std::errc() && code != std::errc::result_out_of_range) || overflow || end != text.data() + text.size()) { return std::nullopt; }
    return std::isfinite(value) && std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max()) ? std::optional(value) : std::nullopt;
}

inline std::optional<std::int32_t> parse_grade(std::string_view text) noexcept {
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') { text.remove_prefix(1); }
    std::int32_t value = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

/// A piece of a line for a message: quoted, short, printable.
inline std::string quoted(std::string_view text) {
    std::string result = "'";
    for (char const c : text.substr(0, 60)) { result += static_cast<unsigned char>(c) < 32 ? '?' : c; }
    return result + (text.size() > 60 ? "...'" : "'");
}

inline InputError refuse_line(LineReader const& lines, std::string expected, std::string found, std::string remedy) {
    return InputError(Complaint{.file = lines.path().string(), .line = lines.line(), .expected = std::move(expected),
                                .found = std::move(found), .remedy = std::move(remedy)});
}

inline InputError refuse_column_count(LineReader const& lines, std::string expected, std::string_view line, std::size_t count) {
    bool const comment = line.starts_with('#');
    return refuse_line(lines, std::move(expected), count == 0 ? "an empty line" : std::to_string(count) + " columns: " + quoted(line),
                       comment ? "Set `comments` to step over lines that start with '#'."
                               : count == 0 ? "Remove the empty line." : "Ids must not hold blanks; check how the file was written.");
}

inline InputError refuse_empty(std::filesystem::path const& path) {
    return InputError(Complaint{.file = path.string(), .expected = "at least one line", .found = "an empty file",
                                .remedy = "Check the program that wrote it."});
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
