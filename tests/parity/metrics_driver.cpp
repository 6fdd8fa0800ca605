// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Prints a report for metrics_parity.py: QRELS RUN PROFILE LEVEL MISSING MEASURES.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <bmae/evaluation/evaluator.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run_file.hpp>

int main(int count, char** arguments) {
    if (count != 7) { return 2; }
    try {
        std::string const missing = arguments[5];
        bmae::EvaluateOptions options{.profile = bmae::profile_from_name(arguments[3]),
                                      .relevance_level = std::atoi(arguments[4])};
        if (missing == "zero") { options.missing = bmae::MissingQuery::zero; }
        if (missing == "skip") { options.missing = bmae::MissingQuery::skip; }
        if (missing == "error") { options.missing = bmae::MissingQuery::error; }
        auto const report = bmae::evaluate(bmae::read_qrels(arguments[1]), bmae::read_run(arguments[2]), {arguments[6]}, options);
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
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
