// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Evaluates runs by judgments and compares them: `evaluate`.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/evaluation/diversity.hpp>
#include <bmae/evaluation/file_evaluator.hpp>
#include <bmae/evaluation/run_comparison.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "measures.hpp"

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

/// Queries that are left out of the means, and the flag that counts them.
void warn_of_missing(Report const& report, bmae::EvaluateOptions const& rules) {
    if (report.left_out_queries == 0) { return; }
    std::string const setting(rules.profile.missing_setting);
    warn(count_text(report.left_out_queries) + " of " + count_text(report.judged_queries) +
         " judged queries have no results and are left out of the means; --missing zero counts them as 0" +
         (setting.empty() ? "" : ", as " + setting));
}

Json comparison_json(RunComparison const& each, std::vector<NamedReport> const& runs) {
    auto const number = [](std::optional<double> const& value) { return value ? Json(*value) : Json(); };
    return {{"first", runs[each.first].name},
            {"second", runs[each.second].name},
            {"measure", runs[0].report.labels[each.measure]},
            {"queries", each.queries},
            {"difference", each.result.difference},
            {"p", number(each.result.p)},
            {"corrected_p", number(each.corrected)},
            {"wins", each.result.wins},
            {"ties", each.result.ties},
            {"losses", each.result.losses}};
}

/// One line per pair of runs and measure, below the table.
std::string comparison_text(std::vector<RunComparison> const& comparisons, std::vector<NamedReport> const& runs) {
    std::string text;
    for (RunComparison const& each : comparisons) {
        auto const number = [](std::optional<double> const& value) {
            return value ? detail::digits_of(*value, 4) : std::string("undefined");
        };
        text += runs[each.second].name + " - " + runs[each.first].name + ", " + runs[0].report.labels[each.measure] + ": " +
                detail::digits_of(each.result.difference, 4) + ", p " + number(each.result.p) + ", corrected " +
                number(each.corrected) + ", " + std::to_string(each.result.wins) + " wins, " + std::to_string(each.result.ties) +
                " ties, " + std::to_string(each.result.losses) + " losses of " + std::to_string(each.queries) + " queries\n";
    }
    return text;
}

void say_report_of(NamedReport const& run, EvaluateOptions const& options, bmae::EvaluateOptions const& rules) {
    say(options.runs.size() == 1 ? run.report.summary() : run.name + ": " + run.report.summary());
    warn_of_missing(run.report, rules);
}

/// What of the queries is not the same in all runs.
void warn_of_queries(std::vector<NamedReport> const& runs) {
    for (NamedReport const& run : runs) {
        if (run.report.queries == runs.front().report.queries) { continue; }
        warn("the means of the runs are over different queries; the comparisons are over those that both runs have");
        return;
    }
}

/// Streams the file; where malformed lines are skipped and counted, they are read by the reader that counts them.
Report report_of(Qrels const& qrels, Path const& path, std::vector<std::string> const& measures,
                 bmae::EvaluateOptions const& rules, RunFileOptions const& how, ReadReport& read) {
    if (how.malformed == MalformedLine::refuse) { return evaluate_file(qrels, path, measures, rules, how); }
    ReadReport lines;
    Run const run = read_run(path, how, lines);
    say_report(lines, path.filename().string());
    read.add(lines);
    return bmae::evaluate(qrels, run, measures, rules);
}

/// Measures by subtopic; empty where none is. \throws InputError where others stand beside
std::vector<AlphaNdcg> subtopic_metrics(std::vector<std::string> const& measures) {
    std::vector<AlphaNdcg> metrics;
    auto const names = names_of_metrics(measures);
    for (std::string const& name : names) {
        if (auto const metric = alpha_ndcg_from_name(name)) { metrics.push_back(*metric); }
    }
    if (metrics.empty() || metrics.size() == names.size()) { return metrics; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "either measures by subtopic, alpha_ndcg@K, or others",
                                .found = "both",
                                .hint = "They are measured by other judgments: call evaluate twice."});
}

std::vector<NamedReport> measure_subtopics(EvaluateOptions const& options, std::vector<AlphaNdcg> const& metrics,
                                           bmae::EvaluateOptions const& rules, RunFileOptions const& how, ReadReport& read) {
    auto const qrels = SubtopicQrels::read(options.qrels, {.malformed = how.malformed}, read);
    say_report(read, "judgments");
    std::vector<NamedReport> runs;
    for (Path const& path : options.runs) {
        ReadReport lines;
        Run const run = read_run(path, how, lines);
        say_report(lines, path.filename().string());
        read.add(lines);
        runs.push_back({name_of_run(path, options.runs), evaluate_diversity(qrels, run, metrics, rules)});
        say_report_of(runs.back(), options, rules);
    }
    warn_of_queries(runs);
    return runs;
}

RunComparisonOptions comparing_by(Common const& common, EvaluateOptions const& options) {
    return {.test = {.test = named_value<PairedTest>("--test", options.test),
                     .resamples = options.resamples,
                     .seed = common.seed,
                     .threads = common.threads},
            .correction = named_value<Correction>("--correction", options.correction)};
}

std::string table_text(EvaluateOptions const& options, std::vector<NamedReport> const& runs,
                       std::vector<RunComparison> const& comparisons) {
    bool const lines = options.format == "trec" || (options.format.empty() && runs.size() == 1);
    if (!lines) {
        auto const format = options.format.empty() ? TableFormat::text : named_value<TableFormat>("--format", options.format);
        std::string const table = table_of_runs(runs, comparisons, format, options.alpha);
        return format == TableFormat::text ? table + comparison_text(comparisons, runs) : table;
    }
    std::string text;
    for (NamedReport const& run : runs) {
        text +=
            (runs.size() > 1 ? "runid                 \tall\t" + run.name + '\n' : "") + run.report.trec_text(options.per_query);
    }
    return text;
}

}  // namespace

Json json_of(Report const& report, bool per_query) {
    Json result{{"profile", report.profile},
                {"measures", Json::object()},
                {"queries", report.queries.size()},
                {"judged_queries", report.judged_queries},
                {"missing_queries", report.missing_queries},
                {"left_out_queries", report.left_out_queries},
                {"unjudged_queries", report.unjudged_queries},
                {"queries_without_relevant", report.queries_without_relevant},
                {"tied_hits", report.tied_hits},
                {"own_hits", report.own_hits},
                {"own_queries", report.own_queries},
                {"unjudged_share", report.unjudged_share},
                {"per_query", nullptr}};
    for (std::size_t m = 0; m < report.labels.size(); ++m) { result["measures"][report.labels[m]] = report.means[m]; }
    for (std::size_t q = 0; per_query && q < report.queries.size(); ++q) {
        for (std::size_t m = 0; m < report.labels.size(); ++m) {
            result["per_query"][report.queries[q]][report.labels[m]] = report.values[q * report.labels.size() + m];
        }
    }
    return result;
}

std::string name_of_run(Path const& path, std::vector<Path> const& all) {
    auto const same =
        std::count_if(all.begin(), all.end(), [&](Path const& other) { return other.filename() == path.filename(); });
    return same > 1 ? path.string() : path.filename().string();
}

bmae::EvaluateOptions rules_of(Common const& common, EvaluateOptions const& options) {
    bmae::EvaluateOptions rules{
        .profile = profile_from_name(options.profile), .relevance_level = options.relevance_level, .threads = common.threads};
    if (!options.missing.empty()) {
        rules.missing =
            choose<MissingQuery>("--missing", options.missing,
                                 {{"zero", MissingQuery::zero}, {"skip", MissingQuery::skip}, {"error", MissingQuery::error}});
    }
    return rules;
}

RunFormat run_format(EvaluateOptions const& options) {
    return choose<RunFormat>("--run-format", options.run_format,
                             {{"trec", RunFormat::trec}, {"msmarco", RunFormat::msmarco}, {"tevatron", RunFormat::tevatron}});
}

std::vector<NamedReport> measure(Common const& common, EvaluateOptions const& options, std::vector<std::string> const& measures,
                                 ReadReport& read) {
    bmae::EvaluateOptions const rules = rules_of(common, options);
    RunFormat const format = run_format(options);
    if (auto const by_subtopic = subtopic_metrics(measures); !by_subtopic.empty()) {
        return measure_subtopics(options, by_subtopic, rules,
                                 {.format = format, .malformed = reading_by(options.skip_malformed).malformed}, read);
    }
    static_cast<void>(metrics_from_names(measures));   // a wrong name is reported before large files are read
    MalformedLine const malformed = reading_by(options.skip_malformed).malformed;
    Qrels const qrels = read_qrels(options.qrels, {.malformed = malformed}, read);
    say_report(read, "judgments");
    std::vector<NamedReport> runs;
    for (Path const& path : options.runs) {
        runs.push_back({name_of_run(path, options.runs),
                        report_of(qrels, path, measures, rules, {.format = format, .malformed = malformed}, read)});
        say_report_of(runs.back(), options, rules);
    }
    warn_of_queries(runs);
    return runs;
}

void check_tables(Common const& common, EvaluateOptions const& options) {
    static_cast<void>(comparing_by(common, options));
    if (!options.format.empty() && options.format != "trec") {
        static_cast<void>(named_value<TableFormat>("--format", options.format));
    }
    for (Path const& output : {options.output, options.differences}) {
        if (!output.empty()) { check_new_file(output); }
    }
}

int publish(Common const& common, EvaluateOptions const& options, std::vector<NamedReport> const& runs, ReadReport const& read) {
    auto const comparisons = compare_runs(runs, comparing_by(common, options));
    std::string const table = table_text(options, runs, comparisons);
    if (!options.output.empty()) { detail::write_file(options.output, table); }
    if (!options.differences.empty()) { detail::write_file(options.differences, values_of_queries(runs)); }

    Json result = json_of(runs.front().report, options.per_query);
    result.update({{"command", "evaluate"},
                   {"runs", Json::array()},
                   {"comparisons", Json::array()},
                   {"test", options.test},
                   {"correction", options.correction},
                   {"malformed", malformed_json(read)},
                   {"collections", nullptr},
                   {"means", nullptr}});
    for (NamedReport const& run : runs) {
        Json& entry = result["runs"].emplace_back(json_of(run.report, options.per_query));
        entry["run"] = run.name;
    }
    for (RunComparison const& each : comparisons) { result["comparisons"].push_back(comparison_json(each, runs)); }
    print_result(common, result, table);
    return done;
}

int evaluate(Common const& common, EvaluateOptions const& options) {
    if (options.qrels.empty()) {
        throw InputError(Diagnostic{
            .file = {},
            .expected = "--qrels with judgments, --answers with answer strings, or --collections with a folder of collections",
            .found = "none of them",
            .hint = "Name the judgments that the run is measured by."});
    }
    check_tables(common, options);
    auto const measures = options.measures.empty() ? std::vector<std::string>{"mrr@10,ndcg@10,recall@100,map"} : options.measures;
    ReadReport read;
    auto const runs = measure(common, options, measures, read);
    return publish(common, options, runs, read);
}

}  // namespace bmae::program
