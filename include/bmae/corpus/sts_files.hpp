// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Pairs of sentences with gold scores: the files of SemEval's STS tasks, STS-B, SICK-R and MTEB.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/columns.hpp>
#include <bmae/detail/json_text.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Forms of a file of scored pairs.
enum class StsFormat {
    sts,   ///< `STS.input.NAME.txt`, sentence TAB sentence, with the scores in `STS.gs.NAME.txt` beside; an empty score leaves a pair out
    stsb,    ///< STS-B: tab-separated genre, file, year, id, score, sentence, sentence, and what follows; no quoting
    sick,    ///< SICK: tab-separated with a header that names sentence_A, sentence_B and relatedness_score
    tsv,     ///< sentence TAB sentence TAB score
    jsonl,   ///< MTEB: objects with sentence1, sentence2 and score
};
constexpr std::array<std::string_view, 5> names_of(StsFormat) noexcept { return {"sts", "stsb", "sick", "tsv", "jsonl"}; }

/// The pairs of one file.
struct StsPairs {
    std::string name = {};                  ///< of the file, without folder and extension
    std::vector<std::string> first = {};    ///< [n]
    std::vector<std::string> second = {};   ///< [n]
    std::vector<double> gold = {};          ///< [n]
    std::size_t unscored = 0;               ///< pairs with an empty gold score, left out
};

namespace detail {

inline InputError refuse_sts(LineReader const& lines, std::string expected, std::string found, std::string hint = {}) {
    return InputError(lines.diagnostic(std::move(expected), std::move(found), std::move(hint)));
}

inline double gold_score(LineReader const& lines, std::string_view text) {
    auto const score = parse_score(text);
    if (!score) { throw refuse_sts(lines, "a finite gold score", "'" + std::string(text.substr(0, 60)) + "'"); }
    return *score;
}

inline void add_pair(StsPairs& pairs, LineReader const& lines, std::string_view first, std::string_view second, double gold) {
    if (first.empty() || second.empty()) { throw refuse_sts(lines, "two sentences", "an empty one"); }
    pairs.first.emplace_back(first);
    pairs.second.emplace_back(second);
    pairs.gold.push_back(gold);
}

/// STS.gs.NAME.txt of STS.input.NAME.txt.
inline std::filesystem::path gold_file_of(std::filesystem::path const& input) {
    std::string name = input.filename().string();
    std::size_t const place = name.find("input");
    if (place == std::string::npos) {
        throw InputError(Diagnostic{.file = input.string(),
                                    .expected = "a file STS.input.NAME.txt, with STS.gs.NAME.txt beside",
                                    .found = "another name",
                                    .hint = "One file with its scores has the format tsv, stsb, sick or jsonl."});
    }
    return input.parent_path() / name.replace(place, 5, "gs");
}

inline void read_sts(std::filesystem::path const& path, StsPairs& pairs) {
    LineReader lines(path), scores(gold_file_of(path));
    std::string_view line, score;
    while (lines.next(line)) {
        if (!scores.next(score)) { throw refuse_sts(lines, "a line for each one of " + scores.path().string(), "more"); }
        auto const cells = split_at(line, '\t');
        if (cells.size() != 2) { throw refuse_sts(lines, "sentence TAB sentence", std::to_string(cells.size()) + " columns"); }
        if (score.find_first_not_of(" \t") == std::string_view::npos) {
            ++pairs.unscored;
            continue;
        }
        add_pair(pairs, lines, cells[0], cells[1], gold_score(scores, score));
    }
    if (scores.next(score)) { throw refuse_sts(scores, "as many scores as pairs in " + path.string(), "more"); }
}

/// Files of one line per pair. \param places  columns of first sentence, second sentence, score
inline void read_columns(LineReader& lines, StsPairs& pairs, std::array<std::size_t, 3> places, std::size_t least, bool exactly) {
    for (std::string_view line; lines.next(line);) {
        auto const cells = split_at(line, '\t');
        if (cells.size() < least || (exactly && cells.size() != least)) {
            throw refuse_sts(lines, std::to_string(least) + (exactly ? " columns" : " columns or more"),
                             std::to_string(cells.size()), "Columns are separated by tabs, without quoting.");
        }
        add_pair(pairs, lines, cells[places[0]], cells[places[1]], gold_score(lines, cells[places[2]]));
    }
}

inline void read_sick(LineReader& lines, StsPairs& pairs) {
    std::string_view line;
    std::array<std::size_t, 3> places = {};
    if (!lines.next(line)) { return; }
    auto const head = split_at(line, '\t');
    constexpr std::array<std::string_view, 3> names = {"sentence_A", "sentence_B", "relatedness_score"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        places[i] = static_cast<std::size_t>(std::find(head.begin(), head.end(), names[i]) - head.begin());
        if (places[i] == head.size()) {
            throw refuse_sts(lines, "a header with " + std::string(names[i]), "none", "Is it a file of SICK?");
        }
    }
    read_columns(lines, pairs, places, head.size(), true);
}

inline void read_json_pairs(LineReader& lines, StsPairs& pairs) {
    for (std::string_view line; lines.next(line);) {
        auto const object = parse_json_or_nothing<nlohmann::json>(line);
        if (!object.is_object()) { throw refuse_sts(lines, "a JSON object", "another line"); }
        auto const text = [&](char const* key) {
            if (!object.contains(key) || !object[key].is_string()) {
                throw refuse_sts(lines, std::string("an object with the string ") + key, "another line");
            }
            return object[key].get<std::string>();
        };
        if (!object.contains("score") || !object["score"].is_number()) {
            throw refuse_sts(lines, "an object with the number score", "another line");
        }
        add_pair(pairs, lines, text("sentence1"), text("sentence2"), object["score"].get<double>());
    }
}

}  // namespace detail

/// Reads a file, plain or gzip.
/// \throws InputError  naming file and line: another number of columns, a score that is not finite, an empty sentence, more or fewer scores than
///                     pairs, a file without a scored pair
inline StsPairs read_sts_pairs(std::filesystem::path const& path, StsFormat format) {
    StsPairs pairs{.name = path.stem().extension() == ".txt" || path.extension() == ".gz" ? path.stem().stem().string()
                                                                                          : path.stem().string()};
    if (format == StsFormat::sts) {
        detail::read_sts(path, pairs);
    } else {
        detail::LineReader lines(path);
        if (format == StsFormat::stsb) { detail::read_columns(lines, pairs, {5, 6, 4}, 7, false); }
        if (format == StsFormat::sick) { detail::read_sick(lines, pairs); }
        if (format == StsFormat::tsv) { detail::read_columns(lines, pairs, {0, 1, 2}, 3, true); }
        if (format == StsFormat::jsonl) { detail::read_json_pairs(lines, pairs); }
    }
    if (pairs.gold.empty()) {
        throw InputError(Diagnostic{.file = path.string(), .expected = "at least one scored pair", .found = "none"});
    }
    return pairs;
}

}  // namespace bmae
