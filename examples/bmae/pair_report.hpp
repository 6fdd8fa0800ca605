// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
/// \file
/// What `pairs` and `finetune` say of the fine-tuning data that they read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <bmae/corpus/beir_pairs.hpp>
#include <bmae/corpus/line_pairs.hpp>
#include <bmae/detail/columns.hpp>

#include "common.hpp"

namespace bmae::program {

/// FILE or FILE:WEIGHT. A file whose name ends so is meant as it is.
inline TrainingFile training_file(Path const& given) {
    std::string const text = given.string();
    std::size_t const colon = text.rfind(':');
    std::error_code code;
    if (colon == std::string::npos || std::filesystem::exists(given, code)) { return {.path = given}; }
    auto const weight = detail::parse_score(std::string_view(text).substr(colon + 1));
    if (!weight) { return {.path = given}; }
    return {.path = text.substr(0, colon), .weight = *weight};
}
inline std::vector<TrainingFile> training_files(std::vector<Path> const& given) {
    std::vector<TrainingFile> files;
    for (Path const& one : given) { files.push_back(training_file(one)); }
    return files;
}

/// Readable counts of skipped data.
inline std::vector<std::pair<std::string, std::uint64_t>> left_out(PairStoreStatistics const& counts) {
    return {{"queries without a relevant text", counts.queries_without_positives},
            {"queries without a token", counts.empty_queries},
            {"texts without a token", counts.empty_texts},
            {"judgments of grade 0 or below", counts.irrelevant_judgments},
            {"relevant texts that the corpus lacks or has without a token", counts.unknown_positives},
            {"duplicate relevant texts of a query", counts.repeated_positives},
            {"negatives that are relevant to their query", counts.relevant_negatives},
            {"duplicate negatives of a query", counts.repeated_negatives},
            {"negatives that the corpus lacks or has without a token", counts.unknown_negatives},
            {"negatives of queries that are not trained on", counts.unknown_queries},
            {"scores of other pairs", counts.unused_scores}};
}

/// The sources, and what of them does not serve.
inline void say_pairs(PairStoreReport const& report) {
    for (std::string const& source : report.sources) { say("read " + source); }
    say_report(report.reading, "pairs");
    for (auto const& [prompt, count] : report.prompts) {
        say("pairs: the prompt " + detail::excerpt(prompt) + " of " + count_text(count) +
            " rows is read before their queries: it belongs before those of search, too");
    }
    for (auto const& [what, count] : left_out(report.counts)) {
        if (count != 0) { say("pairs: skipped " + count_text(count) + ' ' + what); }
    }
}

}  // namespace bmae::program
