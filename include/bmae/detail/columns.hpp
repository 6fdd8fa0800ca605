// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Columns of a line: of runs, judgments and other tables.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace bmae::detail {

/// The first columns of a line and how many there are in all.
struct Columns {
    std::array<std::string_view, 6> text = {};
    std::size_t count = 0;

    [[nodiscard]] std::string_view operator[](std::size_t i) const noexcept { return text[i]; }
};

/// Splits at runs of blanks and tabs.
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

/// Splits at every tab; columns may be empty or contain blanks.
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

/// All parts of a text between separators, empty ones too; an empty text is one empty part.
inline std::vector<std::string_view> split_at(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0;;) {
        std::size_t const end = std::min(text.find(separator, begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        if (end == text.size()) { return parts; }
        begin = end + 1;
    }
}

/// Splits at tabs as Python's csv.reader, since csv made BEIR's files: a field that starts with a quote ends at the closing
/// quote, and doubled quotes in it mean one. Nothing where a quote is not closed.
/// \param storage  buffer of unquoted fields; must outlive the result
inline std::optional<Columns> split_csv(std::string_view line, std::string& storage) {
    if (line.find('"') == std::string_view::npos) { return split_tabs(line); }
    storage.clear();
    storage.reserve(line.size());   // the fields are no longer than the line: views into it stay valid
    Columns columns;
    std::size_t begin = 0;
    auto const end_field = [&] {
        if (columns.count < columns.text.size()) { columns.text[columns.count] = std::string_view(storage).substr(begin); }
        ++columns.count;
        begin = storage.size();
    };
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        char const c = line[i];
        bool const starts_field = i == 0 || (!quoted && line[i - 1] == '\t');
        if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
            storage += c;
            ++i;
        } else if (c == '"' && (quoted || starts_field)) {
            quoted = !quoted;
        } else if (!quoted && c == '\t') {
            end_field();
        } else {
            storage += c;
        }
    }
    end_field();
    return quoted ? std::nullopt : std::optional(columns);
}

/// An integer; nothing for anything else.
inline std::optional<std::int32_t> parse_grade(std::string_view text) noexcept {
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') { text.remove_prefix(1); }
    std::int32_t value = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

/// Whether a text is a whole number, of any length: the rank of a run.
inline bool is_whole_number(std::string_view text) noexcept {
    if (!text.empty() && (text[0] == '+' || text[0] == '-')) { text.remove_prefix(1); }
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// A finite decimal number, as strtod reads it but without its leniency.
inline std::optional<double> parse_score(std::string_view text) noexcept {
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') { text.remove_prefix(1); }
    double value = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code == std::errc::result_out_of_range) { value = 0; }   // as strtod: an underflow is 0; an overflow is refused below
    bool const small = text.find("e-") != std::string_view::npos || text.find("E-") != std::string_view::npos;
    bool const underflow = code == std::errc::result_out_of_range && small;
    if ((code != std::errc() && !underflow) || end != text.data() + text.size()) { return std::nullopt; }
    bool const is_float = std::isfinite(value) && std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max());
    return is_float ? std::optional(value) : std::nullopt;
}

}  // namespace bmae::detail
