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
#include <bmae/detail/folders.hpp>
#include <bmae/text/any_tokenizer.hpp>

#include "common.hpp"
#include "pair_report.hpp"

namespace bmae::program {

namespace {

void check(PairsOptions const& options) {
    if (options.data.empty() == options.inputs.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "either --data or --input",
                                    .found = options.data.empty() ? "neither" : "both",
                                    .hint = "Name a BEIR folder, or files of queries with their texts."});
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

}  // namespace

int pairs(Common const& common, PairsOptions const& options) {
    check(options);
    detail::require_nothing_lost(options.output);
    Cancellation const cancellation;
    AnyTokenizer const tokenizer = AnyTokenizer::from_file(options.tokenizer);
    require_encoder_tokens(tokenizer, /*for_training=*/false, options.tokenizer);
    Progress progress("pairs", "lines", 0);
    std::string phase;
    std::uint64_t before = 0;   // lines of the finished phases
    std::uint64_t now_at = 0;
    PairStoreOptions const how{.reading = {.malformed = options.skip_malformed ? MalformedLine::skip : MalformedLine::refuse},
                               .limit = options.limit,
                               .threads = common.threads,
                               .progress = [&](PairStoreProgress const& now) {
                                   cancellation.check();
                                   if (now.what != phase) {
                                       before += std::exchange(now_at, 0);
                                       phase = now.what;
                                   }
                                   if (phase != "queries") { now_at = now.count; }   // those are written, not read
                                   progress.update(before + now_at, phase);
                               }};
    PairStoreReport const report = options.data.empty()
                                       ? build_pair_store(options.output, tokenizer, std::span<Path const>(options.inputs), how)
                                       : build_pair_store(options.output, tokenizer,
                                                          {.folder = options.data,
                                                           .split = options.split.empty() ? "train" : options.split,
                                                           .negatives = options.negatives,
                                                           .teacher_scores = options.teacher_scores},
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

    Json result{{"command", "pairs"},
                {"output", options.output.string()},
                {"sources", report.sources},
                {"queries_with_negatives", with_negatives},
                {"tokenizer", tokenizer.kind()},
                {"vocabulary", tokenizer.size()},
                {"skipped", report.reading.skipped},
                {"left_out", Json(report.reading.left_out)}};
    detail::pair_format::for_each_count(counts, [&](char const* name, std::uint64_t count) { result[name] = count; });
    print_result(common, result,
                 options.output.string() + ": " + count_text(counts.queries) + " queries, " + count_text(counts.texts) +
                     " texts, " + count_text(counts.positives) + " relevant, " +
                     (with_negatives == 0 ? "no hard negatives" : "negatives for " + negatives) + ", " +
                     (counts.scores == 0 ? "no scores of a teacher" : "scores for " + scores) + '\n');
    return done;
}

}  // namespace bmae::program
