// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The format of a corpus, recognized by the first lines of a file.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/csv.hpp>
#include <bmae/corpus/run_line.hpp>
#include <bmae/corpus/smart.hpp>
#include <bmae/corpus/training_table.hpp>
#include <bmae/corpus/trec_sgml.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/json_text.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A format and its layout, by the names of `bmae prepare --format` and `--layout`; no layout: the format's usual one.
struct CorpusFormat {
    std::string format = {};
    std::string layout = {};
    /// What the file is instead of a corpus: "judgments", "a table of queries with their texts"; empty: it is a corpus.
    std::string foreign = {};

    friend bool operator==(CorpusFormat const&, CorpusFormat const&) = default;
};

namespace detail {

/// True where every line has a first column without blanks, one to three tabs, and as many as the others.
BMAE_INLINE bool are_columns(std::vector<std::string> const& lines);

BMAE_INLINE CorpusFormat recognize_lines(std::vector<std::string> const& lines);

/// What some lines are that are no corpus; empty where they may be one. \see CorpusFormat::foreign
BMAE_INLINE std::string foreign_lines(std::vector<std::string> const& lines);

}  // namespace detail

/// The format of a file, plain or gzip, by its first twenty lines that are not blank: JSON Lines, natural-language inference, SMART,
/// LISA, TREC's SGML, columns separated by tabs; `text` where it is none of them. Judgments, runs and fine-tuning data are told too, as
/// `foreign`. A folder is recognized by its first file, a BEIR folder by its corpus.jsonl.
/// \throws InputError  where the file is missing or unreadable, or a folder has no file
BMAE_INLINE CorpusFormat recognize_format(std::filesystem::path const& path);

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE bool are_columns(std::vector<std::string> const& lines) {
    std::size_t const tabs = static_cast<std::size_t>(std::count(lines.front().begin(), lines.front().end(), '\t'));
    return tabs >= 1 && tabs <= 3 && std::all_of(lines.begin(), lines.end(), [&](std::string const& line) {
               std::string_view const id = std::string_view(line).substr(0, line.find('\t'));
               return static_cast<std::size_t>(std::count(line.begin(), line.end(), '\t')) == tabs && !id.empty() &&
                      id.find(' ') == std::string_view::npos;
           });
}

BMAE_INLINE std::string foreign_lines(std::vector<std::string> const& lines) {
    std::string_view const first = lines.front();
    std::string_view const begin = first.substr(first.find_first_not_of(" \t"));
    if (begin[0] == '[' && (begin.find('{') != begin.npos ||
                            (begin.size() == 1 && lines.size() > 1 && lines[1].find_first_not_of(" \t") == lines[1].find('{')))) {
        return "a JSON array of objects, as DPR's training data";
    }
    auto const all = [&](auto const& is) { return std::all_of(lines.begin(), lines.end(), is); };
    Diagnostic ignored;
    if (all([&](std::string const& line) { return parse_run_line(line, ignored).has_value(); })) { return "a run"; }
    std::vector<std::string> const cells = split_cells(first);
    CsvRow csv;
    bool const quoted = csv.add(first) == CsvRow::State::whole;
    if (training_header(cells) || (quoted && training_header(csv.fields()))) { return "a table of queries with their texts"; }
    if (cells.size() < 2 || cells.size() > 4) { return {}; }
    for (std::string_view const name : {"query-id", "query_id", "qid"}) {
        if (cells.size() > 2 && cells[0] == name) { return "judgments"; }
    }
    auto const is_ids = [](std::string const& line) {
        std::vector<std::string> const columns = split_cells(line);
        return std::all_of(columns.begin(), columns.end(), [](std::string const& cell) { return parse_grade(cell).has_value(); });
    };
    if (all(is_ids)) { return "judgments or rows of ids"; }
    bool const is_table = lines.size() > 1 && cells.size() < 4 && all([&](std::string const& line) {
                              std::vector<std::string> const columns = split_cells(line);
                              return columns.size() == cells.size() && columns[0].find(' ') != std::string::npos;
                          });
    return is_table ? "a table of queries with their texts" : "";
}

BMAE_INLINE CorpusFormat recognize_lines(std::vector<std::string> const& lines) {
    if (lines.empty()) { return {.format = "text"}; }
    std::string_view const first = lines.front();
    bool const is_shallow = detail::outline_of_json(first).depth <= detail::deepest_json;   // the reader refuses others by line
    auto const json = is_shallow ? nlohmann::json::parse(first, nullptr, false) : nlohmann::json();
    if (json.is_object()) {
        bool const inference = json.contains("gold_label") && json.contains("sentence1") && json.contains("sentence2");
        bool const rows = json.contains("text") && json["text"].is_array();   // of ids
        return {.format = inference ? "nli" : rows ? "master" : "jsonl"};
    }
    if (first.starts_with("sent0,sent1")) { return {.format = "nli"}; }
    if (std::string foreign = foreign_lines(lines); !foreign.empty()) {
        return {.format = "text", .foreign = std::move(foreign)};
    }
    if (number_after(".I", first)) { return {.format = "smart"}; }
    if (number_after("Document", first)) { return {.format = "lisa"}; }
    if (find_in_any_case(first, "<doc>") == 0) { return {.format = "trec"}; }
    if (first.starts_with("<doc ")) { return {.format = "text", .layout = "doc-tags"}; }
    if (first.starts_with(" = ") && first.find(" =", 3) != std::string_view::npos) {
        return {.format = "text", .layout = "headings"};
    }
    if (are_columns(lines)) {
        constexpr std::array<char const*, 3> layouts{"id-text", "id-title-text", "id-url-title-text"};
        return {.format = "msmarco",
                .layout = layouts[static_cast<std::size_t>(std::count(first.begin(), first.end(), '\t')) - 1]};
    }
    return {.format = "text"};
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE CorpusFormat recognize_format(std::filesystem::path const& path) {
    std::error_code code;
    for (char const* const name : {"corpus.jsonl", "corpus.jsonl.gz"}) {
        if (std::filesystem::exists(path / name, code)) { return {.format = "beir"}; }
    }
    std::filesystem::path const file = list_files(std::span(&path, 1)).front();
    constexpr std::size_t looked_at = 20;
    std::vector<std::string> lines;
    detail::LineReader reader(file);
    for (std::string_view line; lines.size() < looked_at && reader.next(line);) {
        if (line.find_first_not_of(" \t\r") != std::string_view::npos) { lines.emplace_back(line); }
    }
    return detail::recognize_lines(lines);
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
