// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Evaluates a run by judgments: `evaluate`.
#include <string>
#include <utility>

#include <bmae/detail/files.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "common.hpp"

namespace bmae::program {

namespace {

template <class Value>
Value choose(char const* option, std::string const& name, std::initializer_list<std::pair<char const*, Value>> known) {
    std::string names;
    for (auto const& [candidate, value] : known) {
        if (name == candidate) { return value; }
        names += (names.empty() ? "" : ", ") + std::string(candidate);
    }
    throw InputError(Diagnostic{.file = {}, .expected = std::string(option) + " as one of " + names, .found = '"' + name + '"'});
}

}  // namespace

int evaluate(Common const& common, EvaluateOptions const& options) {
    bmae::EvaluateOptions rules{
        .profile = profile_from_name(options.profile), .relevance_level = options.relevance_level, .threads = common.threads};
    if (!options.missing.empty()) {
        rules.missing =
            choose<MissingQuery>("--missing", options.missing,
                                 {{"zero", MissingQuery::zero}, {"skip", MissingQuery::skip}, {"error", MissingQuery::error}});
    }
    auto const format =
        choose<RunFormat>("--run-format", options.run_format,
                          {{"trec", RunFormat::trec}, {"msmarco", RunFormat::msmarco}, {"tevatron", RunFormat::tevatron}});
    auto const measures = options.measures.empty() ? std::vector<std::string>{"mrr@10,ndcg@10,recall@100,map"} : options.measures;
    static_cast<void>(metrics_from_names(measures));   // a wrong name is reported before large files are read
    Qrels const qrels = read_qrels(options.qrels);
    Run const run = read_run(options.run, {.format = format});
    Report const report = bmae::evaluate(qrels, run, measures, rules);
    std::string const table = report.trec_text(options.per_query);
    if (!options.output.empty()) { detail::write_file(options.output, table); }
    say(report.summary());

    Json result{{"command", "evaluate"},
                {"profile", report.profile},
                {"measures", Json::object()},
                {"queries", report.queries.size()},
                {"judged_queries", report.judged_queries},
                {"missing_queries", report.missing_queries},
                {"unjudged_queries", report.unjudged_queries},
                {"queries_without_relevant", report.queries_without_relevant},
                {"tied_hits", report.tied_hits},
                {"own_hits", report.own_hits},
                {"own_queries", report.own_queries},
                {"unjudged_share", report.unjudged_share},
                {"per_query", nullptr}};
    for (std::size_t m = 0; m < report.measures.size(); ++m) { result["measures"][report.measures[m]] = report.means[m]; }
    if (options.per_query) {
        for (std::size_t q = 0; q < report.queries.size(); ++q) {
            for (std::size_t m = 0; m < report.measures.size(); ++m) {
                result["per_query"][report.queries[q]][report.measures[m]] = report.values[q * report.measures.size() + m];
            }
        }
    }
    print_result(common, result, table);
    return done;
}

}  // namespace bmae::program
