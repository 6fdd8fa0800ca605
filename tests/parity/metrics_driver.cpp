// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Prints what metrics_parity.py compares:
//   QRELS RUN PROFILE LEVEL MISSING MEASURES   a report, by both readers of runs
//   values FILE                                metrics of each block of lines "gold predicted"; a blank line ends a block
//   paired FILE                                p of the three tests, for each block of lines "first second"
//   diversity QRELS RUN MEASURES               alpha-nDCG of each query
//   answers FILE                               1 or 0 per line "answer <tab> text"
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/evaluation/answers.hpp>
#include <bmae/evaluation/composed_evaluator.hpp>
#include <bmae/evaluation/diversity.hpp>
#include <bmae/evaluation/file_evaluator.hpp>
#include <bmae/evaluation/significance.hpp>
#include <bmae/metrics/classification.hpp>
#include <bmae/metrics/kendall.hpp>
#include <bmae/metrics/squared_error.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run_file.hpp>

namespace {

void print_values(std::string const& path) {
    bmae::Evaluator<bmae::Spearman, bmae::Pearson, bmae::Kendall, bmae::Accuracy, bmae::F1, bmae::Matthews,
                    bmae::MeanSquaredError> const all;
    bmae::detail::LineReader lines(path);
    std::vector<double> gold, predicted;
    for (std::string_view line; lines.next(line);) {
        if (!line.empty()) {
            std::size_t const blank = line.find(' ');
            gold.push_back(std::stod(std::string(line.substr(0, blank))));
            predicted.push_back(std::stod(std::string(line.substr(blank + 1))));
            continue;
        }
        auto const report = all(gold, predicted);
        for (auto const& value : report.values) { value ? std::printf("%.17g ", *value) : std::printf("- "); }
        std::printf("\n");
        gold.clear();
        predicted.clear();
    }
}

void print_paired(std::string const& path) {
    bmae::detail::LineReader lines(path);
    std::vector<double> first, second;
    for (std::string_view line; lines.next(line);) {
        if (!line.empty()) {
            std::size_t const blank = line.find(' ');
            first.push_back(std::stod(std::string(line.substr(0, blank))));
            second.push_back(std::stod(std::string(line.substr(blank + 1))));
            continue;
        }
        for (auto const test : {bmae::PairedTest::student, bmae::PairedTest::randomization, bmae::PairedTest::bootstrap}) {
            auto const result = bmae::paired_test(first, second, {.test = test, .resamples = 100'000});
            result.p ? std::printf("%.17g ", *result.p) : std::printf("- ");
        }
        std::printf("\n");
        first.clear();
        second.clear();
    }
}

void print_answers(std::string const& path) {
    bmae::detail::LineReader lines(path);
    for (std::string_view line; lines.next(line);) {
        std::size_t const tab = line.find('\t');
        std::printf("%d\n", bmae::AnswerMatcher({std::string(line.substr(0, tab))}).matches(line.substr(tab + 1)) ? 1 : 0);
    }
}

void print_diversity(char** arguments) {
    std::vector<bmae::AlphaNdcg> metrics;
    for (std::string const& name : bmae::names_of_metrics({arguments[4]})) {
        metrics.push_back(bmae::alpha_ndcg_from_name(name).value());
    }
    bmae::ReadReport read;
    auto const qrels = bmae::SubtopicQrels::read(arguments[2], {}, read);
    auto const report = bmae::evaluate_diversity(qrels, bmae::read_run(arguments[3]), metrics);
    for (std::size_t i = 0; i < report.values.size(); ++i) {
        std::printf("%s %s %.17g\n", report.measures[i % metrics.size()].c_str(), report.queries[i / metrics.size()].c_str(),
                    report.values[i]);
    }
}

int print_report(char** arguments) {
    std::string const missing = arguments[5];
    bmae::EvaluateOptions options{.profile = bmae::profile_from_name(arguments[3]), .relevance_level = std::atoi(arguments[4])};
    if (missing == "zero") { options.missing = bmae::MissingQuery::zero; }
    if (missing == "skip") { options.missing = bmae::MissingQuery::skip; }
    if (missing == "error") { options.missing = bmae::MissingQuery::error; }
    auto const qrels = bmae::read_qrels(arguments[1]);
    auto const report = bmae::evaluate(qrels, bmae::read_run(arguments[2]), {arguments[6]}, options);
    auto const streamed = bmae::evaluate_file(qrels, arguments[2], {arguments[6]}, options);
    if (report.values != streamed.values || report.means != streamed.means || report.queries != streamed.queries ||
        report.summary() != streamed.summary()) {
        std::fprintf(stderr, "the two readers of runs differ\n");
        return 1;
    }
    for (std::size_t q = 0; q < report.queries.size(); ++q) {
        for (std::size_t m = 0; m < report.measures.size(); ++m) {
            std::printf("%s %s %.17g\n", report.measures[m].c_str(), report.queries[q].c_str(),
                        report.values[q * report.measures.size() + m]);
        }
    }
    for (std::size_t m = 0; m < report.measures.size(); ++m) {
        std::printf("%s all %.17g\n", report.measures[m].c_str(), report.means[m]);
    }
    std::fprintf(stderr, "%s\n", report.summary().c_str());
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    try {
        std::string const first = count > 1 ? arguments[1] : "";
        if (count == 3 && first == "values") { return print_values(arguments[2]), 0; }
        if (count == 3 && first == "paired") { return print_paired(arguments[2]), 0; }
        if (count == 3 && first == "answers") { return print_answers(arguments[2]), 0; }
        if (count == 5 && first == "diversity") { return print_diversity(arguments), 0; }
        return count == 7 ? print_report(arguments) : 2;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
