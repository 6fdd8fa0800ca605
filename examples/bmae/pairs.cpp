// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Fine-tuning data to a pair store: `pairs`.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <bmae/corpus/beir_pairs.hpp>
#include <bmae/corpus/line_pairs.hpp>
#include <bmae/corpus/training_rows.hpp>
#include <bmae/corpus/training_writer.hpp>
#include <bmae/detail/folders.hpp>

#include "common.hpp"
#include "pair_report.hpp"
#include "tokenizers.hpp"

namespace bmae::program {

namespace {

void check(PairsOptions const& options) {
    if (options.data.empty() == options.inputs.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "either --data or --input",
                                    .found = options.data.empty() ? "neither" : "both",
                                    .hint = "Name a BEIR folder, or files of queries with their texts."});
    }
    if (options.convert.empty() && options.tokenizer.empty()) {
        throw InputError(Diagnostic{.file = {}, .expected = "--tokenizer, or --convert with --input", .found = "neither"});
    }
    bool const of_beir = !options.split.empty() || !options.negatives.empty() || !options.teacher_scores.empty();
    if (of_beir && options.data.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "--split, --negatives and --teacher-scores with --data alone",
                                    .found = "one of them with --input",
                                    .hint = "Such lines hold their negatives and scores themselves."});
    }
}

std::string share(std::uint64_t part, std::uint64_t whole) { return count_text(part) + " of " + count_text(whole); }

/// The keys of a result, of which a store and a converted file fill their own.
Json pairs_result(PairsOptions const& options) {
    Json result{{"command", "pairs"}, {"output", options.output.string()}};
    for (char const* const key :
         {"sources", "queries_with_negatives", "tokenizer", "vocabulary", "skipped", "malformed", "left_out", "format", "rows"}) {
        result[key] = nullptr;
    }
    PairStoreStatistics const none;
    detail::pair_format::for_each_count(none, [&](char const* name, std::uint64_t) { result[name] = nullptr; });
    return result;
}

/// Rows of one format to rows of another.
int convert(Common const& common, PairsOptions const& options) {
    auto const format = named_value<TrainingFormat>("--convert", options.convert);
    check_new_file(options.output);
    Cancellation const cancellation;
    Json result = pairs_result(options);
    std::vector<std::string> sources;
    ReadReport read;
    TrainingRowWriter writer(options.output, format);
    for (Path const& input : options.inputs) {
        TrainingRowReader reader(std::span(&input, 1), reading_by(options.skip_malformed));
        PairRow pair;
        for (TrainingRow row; (options.limit == 0 || writer.rows() < options.limit) && reader.next(row);) {
            cancellation.check();
            if (detail::take_pair(reader, std::move(row), pair)) { writer.write(pair); }
        }
        sources.insert(sources.end(), reader.layouts().begin(), reader.layouts().end());
        read.add(reader.report());
    }
    writer.commit();
    for (auto const& [kind, count] : writer.left_out()) {
        read.left_out["values that " + options.convert + " has no place for: " + kind] += count;
    }
    for (std::string const& source : sources) { say("read " + source); }
    say_report(read, "pairs");
    result.update({{"format", options.convert},
                   {"rows", writer.rows()},
                   {"sources", sources},
                   {"skipped", read.skipped},
                   {"left_out", Json(read.left_out)},
                   {"malformed", malformed_json(read)}});
    print_result(common, result, options.output.string() + ": " + count_text(writer.rows()) + " rows\n");
    return done;
}

}  // namespace

int pairs(Common const& common, PairsOptions const& options) {
    check(options);
    if (!options.convert.empty()) { return convert(common, options); }
    detail::require_nothing_lost(options.output);
    Cancellation const cancellation;
    AnyTokenizer const tokenizer = tokenizer_from(options.tokenizer, options.cased);
    require_encoder_tokens(tokenizer, /*for_training=*/false, options.tokenizer);
    Progress progress("pairs", "lines", 0);
    std::string phase;
    std::uint64_t before = 0;   // lines of the finished phases
    std::uint64_t now_at = 0;
    PairStoreOptions const how{.reading = reading_by(options.skip_malformed),
                               .limit = options.limit,
                               .threads = common.threads,
                               .query_prompt = options.query_prompt,
                               .document_prompt = options.document_prompt,
                               .keep_sources = options.keep_sources,
                               .labels = named_value<PairLabels>("--labels", options.labels),
                               .progress = [&](PairStoreProgress const& now) {
                                   cancellation.check();
                                   if (now.what != phase) {
                                       before += std::exchange(now_at, 0);
                                       phase = now.what;
                                   }
                                   if (phase != "queries") { now_at = now.count; }   // those are written, not read
                                   progress.update(before + now_at, phase);
                               }};
    std::vector<TrainingFile> const inputs = training_files(options.inputs);
    PairStoreReport const report = options.data.empty()
                                       ? build_pair_store(options.output, tokenizer, std::span<TrainingFile const>(inputs), how)
                                       : build_pair_store(options.output, tokenizer,
                                                          {.folder = options.data,
                                                           .split = options.split.empty() ? "train" : options.split,
                                                           .negatives = options.negatives,
                                                           .teacher_scores = options.teacher_scores,
                                                           .teacher_normalization = named_value<TeacherNormalization>(
                                                               "--teacher-normalization", options.teacher_normalization),
                                                           .rows = options.rows},
                                                          how);
    tokenizer.save(options.output);   // the store is complete without it; with it, training needs no other path
    PairStoreStatistics const& counts = report.counts;
    progress.finish();
    say_pairs(report);
    if (counts.joined_lines != 0) { say("pairs: " + count_text(counts.joined_lines) + " lines joined with an earlier one"); }
    if (counts.equal_texts != 0) { say("pairs: " + count_text(counts.equal_texts) + " texts equal to an earlier one"); }

    std::uint64_t const with_negatives = counts.queries - counts.queries_without_negatives;
    std::uint64_t const judged = counts.positives + counts.negatives;
    std::string const negatives = share(with_negatives, counts.queries) + " queries";
    std::string const scores = share(counts.scores, judged) + " pairs";
    if (with_negatives != 0 && with_negatives * 2 < counts.queries) { warn("hard negatives for only " + negatives); }
    if (counts.scores != 0 && counts.scores * 2 < judged) { warn("scores of a teacher for only " + scores); }
    double const unknown =
        static_cast<double>(counts.unknown_tokens) / static_cast<double>(counts.query_tokens + counts.text_tokens);
    if (unknown > .02) { warn(std::to_string(unknown * 100) + " % of the tokens are unknown to the vocabulary"); }

    Json result = pairs_result(options);
    result.update({{"sources", report.sources},
                   {"queries_with_negatives", with_negatives},
                   {"tokenizer", tokenizer.kind()},
                   {"vocabulary", tokenizer.size()},
                   {"skipped", report.reading.skipped},
                   {"malformed", malformed_json(report.reading)},
                   {"left_out", Json(report.reading.left_out)}});
    detail::pair_format::for_each_count(counts, [&](char const* name, std::uint64_t count) { result[name] = count; });
    print_result(common, result,
                 options.output.string() + ": " + count_text(counts.queries) + " queries, " + count_text(counts.texts) +
                     " texts, " + count_text(counts.positives) + " relevant, " +
                     (with_negatives == 0 ? "no hard negatives" : "negatives for " + negatives) + ", " +
                     (counts.scores == 0 ? "no scores of a teacher" : "scores for " + scores) + '\n');
    return done;
}

}  // namespace bmae::program
