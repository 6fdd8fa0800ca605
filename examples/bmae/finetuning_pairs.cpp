// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include "finetuning_pairs.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <bmae/corpus/beir_pairs.hpp>
#include <bmae/corpus/line_pairs.hpp>
#include <bmae/values/error.hpp>

#include "option_text.hpp"
#include "pair_report.hpp"
#include "training.hpp"

namespace bmae::program {

namespace {

/// What was read, and that hard negatives serve where they were asked for.
void report_pairs(FinetuneOptions const& options, PairStoreReport const& report) {
    say_pairs(report);
    if (options.negatives.empty() || report.counts.negatives != 0) { return; }
    throw InputError(Diagnostic{.file = options.negatives.string(),
                                .expected = "hard negatives of the training queries",
                                .found = "none",
                                .hint = "Search with --split " + options.split + "."});
}

/// What a store holds, to tell two apart.
std::string pairs_in_words(PairStoreStatistics const& counts) {
    return count_text(counts.queries) + " queries with " + count_text(counts.positives) + " relevant texts, " +
           count_text(counts.negatives) + " negatives and " + count_text(counts.scores) + " scores of a teacher, " +
           count_text(counts.texts) + " texts of " + count_text(counts.text_tokens) + " tokens";
}

/// A resumed run reads its data again: it must be that of the run.
void require_same_pairs(FinetuneOptions const& options, PairStore const& now) {
    Path const kept = options.training.output / "pairs";
    if (!std::filesystem::exists(kept / "manifest.json")) { return; }   // then its checkpoint compares
    PairStore const then = PairStore::open(kept);
    if (then.content_hash() == now.content_hash()) { return; }
    std::string const before = pairs_in_words(then.statistics());
    std::string const found = pairs_in_words(now.statistics());
    throw InputError(Diagnostic{.file = options.data.front().string(),
                                .expected = "the training data of the run, as in " + kept.string() + ": " + before,
                                .found = found == before ? "other texts or judgments of the same counts" : found,
                                .hint = "Resume with the same --data, --split, --negatives, --teacher-scores, "
                                        "--teacher-normalization and --limit, or choose another output folder."});
}

/// The texts of a store stand behind the prompts that it was made with: the result must read the same ones.
void require_prompts(PairStore const& store, Prompts const& asked) {
    auto const words = [](std::string const& query, std::string const& document) {
        return Json({{"query", query}, {"document", document}}).dump();
    };
    std::string const wanted = words(asked.of_queries(), asked.of_documents());
    std::string const found = words(store.query_prompt(), store.document_prompt());
    if (wanted == found) { return; }
    throw InputError(Diagnostic{.file = store.path().string(),
                                .expected = "pairs with the prompts of the model, " + wanted,
                                .found = found,
                                .hint =
                                    "Make the store with them by `bmae pairs --query-prompt --document-prompt`, or train with "
                                    "those of the store by --query-prompt and --document-prompt."});
}

}  // namespace

TeacherNormalization normalization_of(FinetuneOptions const& options) {
    return named_value<TeacherNormalization>("--teacher-normalization", options.teacher_normalization);
}

void say_coverage(PairStore const& pairs) {
    PairStoreStatistics const& counts = pairs.statistics();
    if (counts.negatives == 0) { return; }
    std::uint64_t const with = counts.queries - counts.queries_without_negatives;
    std::string const text = "hard negatives: " + count_text(counts.negatives) + ", for " + count_text(with) + " of " +
                             count_text(counts.queries) + " queries";
    with * 2 < counts.queries ? warn(text) : say(text);
}

PairStore open_pairs(Common const& common, FinetuneOptions const& options, AnyTokenizer const& tokenizer, Prompts const& prompts,
                     PendingStore& pending, ReadReport& read) {
    auto const open = [&](Path const& folder) {
        PairStore store = PairStore::open(folder);
        store.require_tokenizer(tokenizer, options.model);
        return store;
    };
    Path const& data = options.data.front();
    bool const is_store =
        options.data.size() == 1 && std::filesystem::is_directory(data) && std::filesystem::exists(data / "manifest.json");
    if (is_store) {
        if (!options.negatives.empty() || !options.teacher_scores.empty() || options.limit != 0 || options.split != "train" ||
            !options.rows.empty()) {
            throw refuse("--split, --rows, --negatives, --teacher-scores and --limit with a BEIR folder",
                         "a pair store, which holds its own", "Give them to `bmae pairs`, which makes the store.");
        }
        PairStore store = open(data);
        if (options.training.batch.one_source) { static_cast<void>(store.source_of(0)); }   // throws where it has none
        require_prompts(store, prompts);
        return store;
    }
    std::vector<TrainingFile> const inputs = training_files(options.data);
    bool const lines = options.data.size() > 1 || std::filesystem::is_regular_file(inputs.front().path);
    if (lines &&
        (!options.negatives.empty() || !options.teacher_scores.empty() || options.split != "train" || !options.rows.empty())) {
        throw refuse("--split, --rows, --negatives and --teacher-scores with a BEIR folder", "files of rows",
                     "Such rows hold their negatives and scores themselves.");
    }
    if (options.training.batch.one_source && inputs.size() < 2) {
        throw refuse("--one-source with several files of --data", "one");
    }
    PairStoreOptions const how{.reading = reading_by(options.skip_malformed),
                               .limit = options.limit,
                               .threads = common.threads,
                               .query_prompt = prompts.of_queries(),
                               .document_prompt = prompts.of_documents(),
                               .keep_sources = options.training.batch.one_source,
                               .labels = options.preset == scored_pairs ? PairLabels::similarity : PairLabels::relevance};
    auto const list = [](Path const& file) { return file.empty() ? std::vector<Path>() : std::vector<Path>{file}; };
    Path const place = pending.claim();
    PairStoreReport const report = lines ? build_pair_store(place, tokenizer, std::span<TrainingFile const>(inputs), how)
                                         : build_pair_store(place, tokenizer,
                                                            {.folder = data,
                                                             .split = options.split,
                                                             .negatives = list(options.negatives),
                                                             .teacher_scores = options.teacher_scores,
                                                             .teacher_normalization = normalization_of(options),
                                                             .rows = options.rows},
                                                            how);
    report_pairs(options, report);
    read = report.reading;
    PairStore store = open(place);
    if (is_resumed(options.training)) { require_same_pairs(options, store); }
    return store;
}

}  // namespace bmae::program
