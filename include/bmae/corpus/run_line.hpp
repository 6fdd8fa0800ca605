// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One line of a TREC run, read alike by all commands that take runs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/corpus/reading.hpp>
#include <bmae/detail/columns.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// A scored document of a query. Views into the line.
struct RunLine {
    std::string_view query = {};
    std::string_view document = {};
    double score = 0;
};

/// Reads `query Q0 document rank score tag`. Nothing for a line of another form, and what it should be in `wrong`: six columns, a whole
/// number as rank and a finite score. As for trec_eval, more columns may stand behind the tag; but where a number stands in the tag's place
/// then, an id with a blank has shifted the columns.
BMAE_INLINE std::optional<RunLine> parse_run_line(std::string_view line, Diagnostic& wrong);

}  // namespace bmae::detail

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::optional<RunLine> parse_run_line(std::string_view line, Diagnostic& wrong) {
    Columns const columns = split_blanks(line);
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        wrong = {.file = {}, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)};
        return std::nullopt;
    };
    bool const shifted = columns.count > 6 && parse_score(columns[5]).has_value();   // the score, where an id holds a blank
    if (columns.count < 6 || shifted) {
        return refuse("6 columns 'query Q0 document rank score tag'",
                      std::to_string(columns.count) + " columns: " + excerpt(line),
                      "Ids and tags must not contain blanks; check how the file was written.");
    }
    if (!is_whole_number(columns[3])) {
        return refuse("a whole number as rank in column 4", excerpt(columns[3]) + " in " + excerpt(line),
                      "An id with a blank shifts the columns; check how the file was written.");
    }
    auto const score = parse_score(columns[4]);
    if (!score) {
        return refuse("a finite score in column 5", excerpt(columns[4]),
                      "trec_eval would rank such a document arbitrarily; fix the program that wrote the file.");
    }
    return RunLine{.query = columns[0], .document = columns[2], .score = *score};
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
