// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tasks of language understanding in GLUE's files (Wang et al., ICLR 2019): CoLA, MRPC, STS-B, QQP.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/senteval_files.hpp>
#include <bmae/corpus/sts_files.hpp>
#include <bmae/detail/columns.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Texts or pairs with a target: a class from 0, or a score.
struct GlueRows {
    std::vector<std::string> texts = {};     ///< [n]
    std::vector<std::string> seconds = {};   ///< [n] of tasks of pairs, else empty
    std::vector<double> targets = {};        ///< [n]
};

/// One task.
struct GlueTask {
    std::string name = {};    ///< "mrpc"
    std::size_t labels = 2;   ///< classes; 1: a score, trained with the squared error
    GlueRows train = {};
    GlueRows dev = {};
    ReadReport report = {};   ///< of both files
};

inline constexpr std::array<std::string_view, 4> glue_task_names = {"cola", "mrpc", "stsb", "qqp"};

namespace detail {

/// Where the columns of a task are in a file, and what the files are called.
struct GlueLayout {
    std::string_view train, dev;
    std::size_t target, first;
    std::optional<std::size_t> second;
    std::size_t columns;            ///< of a line, at least
    bool more_columns = false;      ///< a line may have more
    std::string_view header = {};   ///< first cell of a header line; empty: there is none
};

inline GlueRows read_glue_rows(std::filesystem::path const& path, GlueLayout const& layout, std::size_t labels,
                               ReadOptions const& options, ReadReport& report) {
    GlueRows rows;
    RecordLines lines(std::span(&path, 1), options);
    auto const fault = [&](std::string expected, std::string found, std::string hint = {}) {
        lines.fault(lines.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    };
    lines.next_file();
    for (std::string_view line; lines.next(line);) {
        if (line.find_first_not_of(" \t") == std::string_view::npos) { continue; }
        std::vector<std::string_view> const cells = split_at(line, '\t');
        if (lines.line() == 1 && !layout.header.empty() && cells[0] == layout.header) { continue; }
        if (cells.size() < layout.columns || (cells.size() > layout.columns && !layout.more_columns)) {
            fault(std::to_string(layout.columns) + " columns separated by tabs", std::to_string(cells.size()),
                  "Is this a file of this task?");
            continue;
        }
        std::string_view const text = cells[layout.target];
        std::optional<double> const target = parse_score(text);
        if (!target || (labels == 1 ? *target < 0 || *target > 5 : *target != 0 && *target != 1)) {
            fault(labels == 1 ? "a score from 0 to 5" : "a class 0 or 1", excerpt(text), "Test files of GLUE have no targets.");
            continue;
        }
        rows.targets.push_back(*target);
        rows.texts.push_back(normal_blanks(cells[layout.first]));
        if (layout.second) { rows.seconds.push_back(normal_blanks(cells[*layout.second])); }
    }
    lines.report().records = rows.targets.size();
    report.add(lines.report());
    if (rows.targets.empty()) {
        throw InputError(Diagnostic{.file = path.string(), .expected = "at least one row", .found = "none"});
    }
    return rows;
}

/// The layouts of a task: GLUE's, and those of other distributions.
inline std::vector<GlueLayout> glue_layouts(std::string_view name) {
    if (name == "cola") { return {{"train.tsv", "dev.tsv", 1, 3, {}, 4}}; }
    if (name == "mrpc") {
        return {{"train.tsv", "dev.tsv", 0, 3, 4, 5, false, "Quality"},
                {"msr-para-train.tsv", "msr-para-val.tsv", 0, 3, 4, 5, false, "Quality"}};
    }
    if (name == "qqp") { return {{"train.tsv", "dev.tsv", 5, 3, 4, 6, false, "id"}}; }
    return {{"train.tsv", "dev.tsv", 9, 7, 8, 10, false, "index"}, {"sts-train.csv", "sts-dev.csv", 4, 5, 6, 7, true}};
}

}  // namespace detail

/// Reads training and development rows of a task from GLUE's folder, from the folder of the task, or from one with files of MRPC or STS-B as they are
/// distributed elsewhere (msr-para-train.tsv, msr-para-val.tsv; sts-train.csv, sts-dev.csv). Runs of blanks become one.
/// \param name  one of `glue_task_names`
/// \throws InputError  for an unknown name, missing files, and a malformed line where the policy is to refuse
inline GlueTask read_glue_task(std::filesystem::path const& data, std::string_view name, ReadOptions const& options = {}) {
    if (std::find(glue_task_names.begin(), glue_task_names.end(), name) == glue_task_names.end()) {
        std::string known;
        for (std::string_view const each : glue_task_names) { known.append(known.empty() ? "" : ", ").append(each); }
        throw InputError(Diagnostic{.file = {}, .expected = "a task: " + known, .found = '\'' + std::string(name) + '\''});
    }
    GlueTask task{.name = std::string(name), .labels = name == "stsb" ? 1U : 2U};
    std::string const official = name == "cola" ? "CoLA" : name == "mrpc" ? "MRPC" : name == "stsb" ? "STS-B" : "QQP";
    for (detail::GlueLayout const& layout : detail::glue_layouts(name)) {
        for (auto const& folder : {data, data / official, data / name, data / "senteval", data / "sts_benchmark" / "senteval"}) {
            if (!std::filesystem::exists(folder / layout.train)) { continue; }
            task.train = detail::read_glue_rows(folder / layout.train, layout, task.labels, options, task.report);
            task.dev = detail::read_glue_rows(folder / layout.dev, layout, task.labels, options, task.report);
            return task;
        }
    }
    throw InputError(
        Diagnostic{.file = data.string(),
                   .expected = "the files train.tsv and dev.tsv of " + official + ", in the folder or in " + official,
                   .found = "none",
                   .hint = "Name the folder of GLUE's data or of the task."});
}

}  // namespace bmae
