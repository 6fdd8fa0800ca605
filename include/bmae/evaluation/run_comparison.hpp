// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Several runs over one set of judgments: which differs from which, and the table of a paper.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/evaluation/report.hpp>
#include <bmae/evaluation/significance.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A run and its report.
struct NamedReport {
    std::string name = {};
    Report report = {};
};

/// Two runs under one measure, over the queries that both reports count.
struct RunComparison {
    std::size_t first = 0;                  ///< number of a run
    std::size_t second = 0;                 ///< a later one
    std::size_t measure = 0;                ///< column of the reports
    std::size_t queries = 0;                ///< that were compared
    PairedResult result = {};               ///< second against first
    std::optional<double> corrected = {};   ///< p, corrected over all pairs of runs under this measure
};

struct RunComparisonOptions {
    PairedTestOptions test = {};
    Correction correction = Correction::holm;
};

namespace detail {

/// Places (in first, in second) of the queries that both reports count, by id.
inline std::vector<std::pair<std::size_t, std::size_t>> shared_queries(Report const& first, Report const& second) {
    std::vector<std::pair<std::size_t, std::size_t>> places;
    for (std::size_t i = 0, j = 0; i < first.queries.size() && j < second.queries.size();) {
        int const order = first.queries[i].compare(second.queries[j]);
        if (order == 0) { places.emplace_back(i, j); }
        i += order <= 0 ? 1U : 0U;
        j += order >= 0 ? 1U : 0U;
    }
    return places;
}

}  // namespace detail

/// Every pair of runs under every measure, measure by measure.
/// \throws InputError  where the reports have different measures or profiles
inline std::vector<RunComparison> compare_runs(std::span<NamedReport const> runs, RunComparisonOptions const& options = {}) {
    std::vector<RunComparison> comparisons;
    for (NamedReport const& run : runs) {
        if (run.report.measures != runs[0].report.measures || run.report.profile != runs[0].report.profile) {
            throw InputError("bmae: runs are compared under one profile and the same measures.");
        }
    }
    std::size_t const width = runs.empty() ? 0 : runs[0].report.measures.size();
    for (std::size_t m = 0; m < width; ++m) {
        std::size_t const family = comparisons.size();
        std::vector<std::optional<double>> p;
        for (std::size_t a = 0; a < runs.size(); ++a) {
            for (std::size_t b = a + 1; b < runs.size(); ++b) {
                auto const places = detail::shared_queries(runs[a].report, runs[b].report);
                std::vector<double> first, second;
                for (auto const& [i, j] : places) {
                    first.push_back(runs[a].report.values[i * width + m]);
                    second.push_back(runs[b].report.values[j * width + m]);
                }
                comparisons.push_back({.first = a,
                                       .second = b,
                                       .measure = m,
                                       .queries = places.size(),
                                       .result = paired_test(first, second, options.test)});
                p.push_back(comparisons.back().result.p);
            }
        }
        auto const corrected_p = corrected(p, options.correction);
        for (std::size_t i = 0; i < p.size(); ++i) { comparisons[family + i].corrected = corrected_p[i]; }
    }
    return comparisons;
}

/// Forms of a table.
enum class TableFormat { text, csv, latex, markdown };
constexpr std::array<std::string_view, 4> names_of(TableFormat) noexcept { return {"text", "csv", "latex", "markdown"}; }

namespace detail {

inline std::string digits_of(double value, int decimals) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return text;
}

/// A name as a cell of a table.
inline std::string cell_of(std::string_view name, TableFormat format) {
    std::string cell;
    for (char const c : name) {
        if (format == TableFormat::latex && std::string_view("&%$#_{}").find(c) != std::string_view::npos) { cell += '\\'; }
        if (format == TableFormat::markdown && c == '|') { cell += '\\'; }
        if (format == TableFormat::csv && c == '"') { cell += '"'; }
        cell += c;
    }
    bool const quote = format == TableFormat::csv && cell.find_first_of(",\"\n") != std::string::npos;
    return quote ? '"' + cell + '"' : cell;
}

/// Letter of a run: a to z, then aa, ab ...
inline std::string letter_of(std::size_t run) {
    std::string letters;
    for (++run; run != 0; run = (run - 1) / 26) { letters.insert(letters.begin(), static_cast<char>('a' + (run - 1) % 26)); }
    return letters;
}

/// The letters of the runs that run `r` is significantly better than.
inline std::string beaten_by(std::size_t r, std::size_t measure, std::span<RunComparison const> comparisons, double alpha) {
    std::string letters;
    for (RunComparison const& each : comparisons) {
        if (each.measure != measure || !each.corrected || *each.corrected > alpha) { continue; }
        if (each.second == r && each.result.difference > 0) { letters += letter_of(each.first); }
        if (each.first == r && each.result.difference < 0) { letters += letter_of(each.second); }
    }
    return letters;
}

/// Rows of cells in a form; the first row is the head.
inline std::string table_of(std::vector<std::vector<std::string>> const& rows, TableFormat format) {
    std::vector<std::size_t> widths(rows.front().size());
    for (auto const& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) { widths[i] = std::max(widths[i], row[i].size()); }
    }
    bool const latex = format == TableFormat::latex;
    std::string const between = format == TableFormat::csv ? "," : latex ? " & " : format == TableFormat::markdown ? " | " : "  ";
    std::string text = latex ? "\\begin{tabular}{l" + std::string(widths.size() - 1, 'l') + "}\n\\hline\n" : "";
    for (std::size_t r = 0; r < rows.size(); ++r) {
        if (format == TableFormat::markdown) { text += "| "; }
        for (std::size_t i = 0; i < rows[r].size(); ++i) {
            bool const last = i + 1 == rows[r].size();
            text += rows[r][i];
            if (format == TableFormat::text && !last) { text.append(widths[i] - rows[r][i].size(), ' '); }
            text += last ? "" : between;
        }
        text += latex ? " \\\\\n" : format == TableFormat::markdown ? " |\n" : "\n";
        if (r == 0 && latex) { text += "\\hline\n"; }
        if (r == 0 && format == TableFormat::markdown) {
            text += '|';
            for (std::size_t i = 0; i < widths.size(); ++i) { text += "---|"; }
            text += '\n';
        }
    }
    return latex ? text + "\\hline\n\\end{tabular}\n" : text;
}

}  // namespace detail

/// One row per run, one column per measure. In text, LaTeX and Markdown a value is followed by the letters of the runs that it is significantly
/// better than (corrected p of at most `alpha`); CSV has the bare means.
/// \param runs  at least one
inline std::string table_of_runs(std::span<NamedReport const> runs, std::span<RunComparison const> comparisons,
                                 TableFormat format, double alpha = .05, int decimals = 4) {
    bool const letters = format != TableFormat::csv && runs.size() > 1;
    std::vector<std::vector<std::string>> rows(1);
    if (letters) { rows[0].emplace_back(""); }
    rows[0].emplace_back("run");
    for (std::string const& label : runs[0].report.labels) { rows[0].push_back(detail::cell_of(label, format)); }
    for (std::size_t r = 0; r < runs.size(); ++r) {
        auto& row = rows.emplace_back();
        if (letters) { row.push_back(detail::letter_of(r)); }
        row.push_back(detail::cell_of(runs[r].name, format));
        for (std::size_t m = 0; m < runs[r].report.means.size(); ++m) {
            std::string const better = letters ? detail::beaten_by(r, m, comparisons, alpha) : std::string();
            std::string cell = detail::digits_of(runs[r].report.means[m], decimals);
            if (!better.empty()) {
                cell += format == TableFormat::latex      ? "$^{" + better + "}$"
                        : format == TableFormat::markdown ? "<sup>" + better + "</sup>"
                                                          : ' ' + better;
            }
            row.push_back(cell);
        }
    }
    return detail::table_of(rows, format);
}

/// Lines `query <tab> measure <tab> value of run 1 <tab> value of run 2 ...`, with a head, of the queries that all reports count.
inline std::string values_of_queries(std::span<NamedReport const> runs) {
    std::string text = "query\tmeasure";
    for (NamedReport const& run : runs) { text.append(1, '\t').append(run.name); }
    text += '\n';
    Report const& first = runs[0].report;
    std::size_t const width = first.measures.size();
    for (std::string const& query : first.queries) {
        std::vector<std::size_t> places;
        for (NamedReport const& run : runs) {
            auto const found = std::lower_bound(run.report.queries.begin(), run.report.queries.end(), query);
            if (found == run.report.queries.end() || *found != query) { break; }
            places.push_back(static_cast<std::size_t>(found - run.report.queries.begin()));
        }
        if (places.size() != runs.size()) { continue; }
        for (std::size_t m = 0; m < width; ++m) {
            text.append(query).append(1, '\t').append(first.labels[m]);
            for (std::size_t r = 0; r < runs.size(); ++r) {
                text.append(1, '\t').append(detail::digits_of(runs[r].report.values[places[r] * width + m], 6));
            }
            text += '\n';
        }
    }
    return text;
}

}  // namespace bmae
