// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Evaluates runs by answer strings, as in open-domain question answering: `evaluate --answers`.
#include "answer_strings.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/evaluation/answers.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/metrics/any_metric.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "diagnose.hpp"
#include "measures.hpp"

namespace bmae::program {

namespace {

constexpr std::string_view measure_name = "hit_answers@";

/// The k of "hit_answers@k".
std::vector<std::size_t> cutoffs_of(std::vector<std::string> const& measures) {
    std::vector<std::size_t> cutoffs;
    for (std::string const& name : names_of_metrics(measures)) {
        if (!name.starts_with(measure_name)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "measures hit_answers@K with --answers",
                                        .found = '"' + name + '"',
                                        .hint = "Others are measured by judgments: --qrels."});
        }
        cutoffs.push_back(detail::number_in_metric<std::size_t>(std::string_view(name).substr(measure_name.size()), name));
        if (cutoffs.back() == 0) { throw detail::unknown_metric(name); }
    }
    return cutoffs;
}

/// Lines {"_id": ..., "answers": [...]}; the keys of other collections are known, too.
std::vector<QuestionAnswers> read_answers(Path const& path, ReadOptions const& how, ReadReport& report) {
    std::vector<QuestionAnswers> questions;
    detail::RecordLines lines(std::span(&path, 1), how);
    auto const fault = [&](std::string expected, std::string found, std::string hint = {}) {
        lines.fault(lines.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    };
    lines.next_file();
    for (std::string_view line; lines.next(line);) {
        if (line.find_first_not_of(" \t") == std::string_view::npos) { continue; }
        std::string found;
        auto const object = detail::parse_object(line, found);
        if (!object) {
            fault("a JSON object per question, with _id and answers", std::move(found));
            continue;
        }
        Record record{.id = {}, .line = lines.line()};
        nlohmann::json const* const id = detail::find_key(*object, {"_id", "id", "query_id", "qid", "question_id"});
        nlohmann::json const* const answers = detail::find_key(*object, {"answers", "answer"});
        if (id != nullptr) { record.id = id->is_string() ? id->get<std::string>() : id->is_number_integer() ? id->dump() : ""; }
        QuestionAnswers question{.query = record.id};
        for (nlohmann::json const& answer : answers == nullptr    ? nlohmann::json::array()
                                            : answers->is_array() ? *answers
                                                                  : nlohmann::json::array({*answers})) {
            if (answer.is_string()) { question.answers.push_back(answer.get<std::string>()); }
        }
        if (record.id.empty() || question.answers.empty()) {
            fault("the id of a question, as in the run, and its answers: a list of texts", detail::excerpt(line),
                  "As {\"_id\": \"q1\", \"answers\": [\"Paris\"]}.");
        } else if (lines.accept(record)) {
            questions.push_back(std::move(question));
        }
    }
    report = lines.report();
    if (questions.empty()) {
        throw InputError(Diagnostic{.file = path.string(), .expected = "at least one question", .found = "none"});
    }
    return questions;
}

using Passages = std::unordered_map<std::string, AnswerPassage>;

/// The texts of the first hits of all runs; a corpus is read once and is never in memory as a whole.
ReadReport read_passages(std::vector<Run> const& runs, std::size_t depth, AnswerStringOptions const& options, bool skip_malformed,
                         Passages& passages) {
    for (Run const& run : runs) {
        for (std::size_t q = 0; q < run.size(); ++q) {
            for (Hit const& hit : run.hits(q).first(std::min(depth, run.hits(q).size()))) {
                passages.try_emplace(std::string(run.document(hit.document)));
            }
        }
    }
    std::size_t missing = passages.size();
    bool title_last = false;   // the columns of DPR's passages: id, text, title
    ReadReport const report =
        for_each_record({.inputs = options.corpus, .skip_malformed = skip_malformed}, "evaluate", [&](Record&& record) {
            title_last = title_last || (record.id == "id" && record.title == "text" && record.text == "title");
            if (title_last) { std::swap(record.title, record.text); }
            auto const wanted = passages.find(record.id);
            if (wanted == passages.end()) { return; }
            --missing;
            wanted->second = {std::move(record.title), std::move(record.text)};
        });
    if (missing == 0) { return report; }
    throw InputError(Diagnostic{.file = options.corpus.front().string(),
                                .expected = "the texts of all hits",
                                .found = count_text(missing) + " of " + count_text(passages.size()) + " are missing",
                                .hint = "Are the runs of this corpus?"});
}

/// Hits in the order of the evaluation, which the profile may choose among equal scores.
Run first_hits(Run const& run, Profile const& profile, std::size_t depth) {
    Run ordered(run.documents());
    detail::GradeTable const grades;
    for (std::size_t q = 0; q < run.size(); ++q) {
        detail::RunHits const hits(run, q, grades);
        detail::Ranking ranking;
        ranking.assign(hits, profile.double_scores, profile.ties, hits.size());
        std::vector<Hit> first;
        for (detail::RankedHit const& hit : ranking.hits().first(std::min(depth, ranking.hits().size()))) {
            first.push_back(run.hits(q)[hit.place]);
        }
        ordered.add(run.query(q), first);
    }
    return ordered;
}

}  // namespace

int evaluate_answers(Common const& common, EvaluateOptions const& evaluate, AnswerStringOptions const& options) {
    check_tables(common, evaluate);
    if (options.corpus.empty()) {
        throw InputError(
            Diagnostic{.file = {}, .expected = "--corpus with the texts of the hits beside --answers", .found = "none"});
    }
    std::vector<std::size_t> const cutoffs = cutoffs_of(
        evaluate.measures.empty() ? std::vector<std::string>{"hit_answers@1,hit_answers@5,hit_answers@20,hit_answers@100"}
                                  : evaluate.measures);
    std::size_t const depth = *std::max_element(cutoffs.begin(), cutoffs.end());
    ReadOptions const how = reading_by(evaluate.skip_malformed);
    bmae::EvaluateOptions const rules = rules_of(common, evaluate);
    ReadReport read;
    std::vector<QuestionAnswers> const questions = read_answers(options.answers, how, read);
    say_report(read, "answers");
    std::vector<Run> runs;
    for (Path const& path : evaluate.runs) {
        ReadReport report;
        runs.push_back(first_hits(read_run(path, {.format = run_format(evaluate), .malformed = how.malformed}, report),
                                  rules.profile, depth));
        say_report(report, path.filename().string());
        read.add(report);
    }
    Passages passages;
    read.add(read_passages(runs, depth, options, evaluate.skip_malformed, passages));
    auto const passage_of = [&](std::string_view id) -> std::optional<AnswerPassage> { return passages.at(std::string(id)); };
    std::vector<std::string> names;
    for (std::size_t const k : cutoffs) { names.push_back("success@" + std::to_string(k)); }
    std::vector<NamedReport> reports;
    for (std::size_t r = 0; r < runs.size(); ++r) {
        Qrels const qrels = judge_by_answers(runs[r], questions, passage_of, {.depth = depth, .titles = options.titles});
        bmae::EvaluateOptions counting = rules;
        counting.missing = rules.missing.value_or(MissingQuery::zero);   // DPR counts every question
        counting.profile.ties = TieOrder::run_order;                     // as `first_hits` has them
        counting.profile.double_scores = false;
        counting.profile.skip_without_relevant = false;
        counting.profile.drop_query_itself = false;
        Report report = bmae::evaluate(qrels, runs[r], names, counting);
        for (std::size_t m = 0; m < cutoffs.size(); ++m) {
            report.measures[m] = report.labels[m] = std::string(measure_name) + std::to_string(cutoffs[m]);
        }
        reports.push_back({name_of_run(evaluate.runs[r], evaluate.runs), std::move(report)});
        say(reports.back().name + ": " + count_text(questions.size()) + " questions");
    }
    return publish(common, evaluate, reports, read);
}

}  // namespace bmae::program
