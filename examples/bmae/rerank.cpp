// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// `rerank`: scores the candidates of each query, resumable query by query.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/Parallel.h>

#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/generation/resumable_lines.hpp>
#include <bmae/retrieval/columns.hpp>
#include <bmae/retrieval/rerank.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "folder_kind.hpp"
#include "model_checksum.hpp"
#include "rerank_work.hpp"
#include "scorers.hpp"
#include "stored_vectors.hpp"

namespace bmae::program {

namespace {

/// What determines the lines; resuming requires the same.
std::string rerank_settings(Common const& common, RerankOptions const& options, RerankWork const& work, Path const& folder) {
    auto const checksum = [](Path const& file) { return detail::to_hex(detail::xxh64(detail::read_file(file))); };
    bool const by_run = options.negatives.empty();
    Json settings{{by_run ? "run" : "negatives", checksum(work.source)},
                  {"model", model_checksum(folder)},
                  {"split", options.split},
                  {"depth", by_run ? Json(options.depth) : Json()},
                  {"tag", options.tag}};
    if (scores_as_teacher(options)) {
        settings["as_teacher"] = true;
        settings["judgments"] = checksum(work.collection.qrels_path(options.split));
    }
    if (options.skip_malformed) { settings["skip_malformed"] = true; }
    if (options.max_length != 0) { settings["max_length"] = options.max_length; }
    if (options.precision != "fp32") { settings["precision"] = options.precision; }
    if (common.device != "cpu") { settings["device"] = "cuda"; }   // whose sums are others
    return settings.dump() + '\n';
}

/// The lines of a query in a TREC run.
std::string run_lines(RerankWork const& work, std::size_t query, std::span<Hit const> hits, std::string const& tag) {
    std::string text;
    for (std::size_t rank = 0; rank < hits.size(); ++rank) {
        detail::append_run_line(text, work.run.query(query), work.run.document(hits[rank].document), rank + 1, hits[rank].score,
                                tag);
    }
    return text;
}

/// Keeps the lines of whole queries of a killed run. \returns how many queries those are
std::size_t kept_queries(ResumableLines& output, RerankWork const& work, Path const& partial) {
    std::size_t lines = 0;
    if (std::filesystem::exists(partial)) {
        std::string const text = detail::read_file(partial);
        lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }
    std::size_t whole = 0;
    std::size_t sum = 0;
    for (; whole < work.places.size() && sum + work.run.hits(work.places[whole]).size() <= lines; ++whole) {
        sum += work.run.hits(work.places[whole]).size();
    }
    std::size_t at = 0;
    output.keep_groups(1, [&](std::string_view) { return at++ < sum; });
    return whole;
}

Json rerank_result(RerankOptions const& options, RerankWork const& work, char const* kind) {
    return {{"command", "rerank"},
            {"kind", kind},
            {"depth", options.negatives.empty() ? Json(options.depth) : Json()},
            {"precision", options.precision},
            {"queries", work.places.size()},
            {"skipped", work.skipped},
            {"pairs", 0},
            {"end", "finished"},
            {"resumed_from", 0},
            {"output", options.output.string()},
            {"malformed", malformed_json(work.read)}};
}

/// The texts of a query that are scored, with their scores.
std::string scored_lines(RerankOptions const& options, RerankWork const& work, Scorer const& scorer, EncodeRun const& run,
                         std::size_t q, std::uint64_t& pairs) {
    std::vector<Hit> const hits = best_first(work.run, q);
    std::vector<std::string> texts;
    std::size_t const depth = scores_as_teacher(options) ? hits.size() : options.depth;
    for (std::size_t i = 0; i < std::min(depth, hits.size()); ++i) { texts.push_back(work.text_of(hits[i])); }
    std::string const query = work.queries[*work.queries.find(std::string(work.run.query(q)))].text;
    at::Tensor const scores =
        texts.empty()
            ? at::Tensor()
            : naming_texts([&](std::size_t i) { return NamedText{std::string(work.run.document(hits[i].document)), texts[i]}; },
                           [&] { return scorer.score(query, texts, run).contiguous(); });
    std::span<float const> const values =
        texts.empty() ? std::span<float const>() : std::span(scores.const_data_ptr<float>(), texts.size());
    pairs += texts.size();
    return run_lines(work, q, reranked(hits, values), options.tag);
}

}  // namespace

ScoredCandidates score_candidates(Common const& common, RerankOptions const& options, RerankWork const& work) {
    Path const folder = model_folder(options.model);
    bool const is_there = options.resume && std::filesystem::exists(options.output);
    ScorerOptions const how{.max_length = options.max_length, .precision = options.precision};
    auto const scorer = is_there ? nullptr : load_scorer(common, folder, how);   // refused before anything is written
    ScoredCandidates made{.settings = rerank_settings(common, options, work, folder)};
    ResumableLines output(options.output, made.settings, options.resume);
    if (output.is_complete() || scorer == nullptr) {
        say(options.output.string() + " is finished already");
        made.was_there = true;
        return made;
    }
    made.kind = scorer->kind();
    std::size_t next = kept_queries(output, work, Path(options.output) += ".partial");
    made.resumed_from = next;
    std::atomic<bool> stop = false;
    Interrupt const interrupt([&] { stop = true; }, "finishing the query and saving");
    EncodeRun const run{.batch_tokens = options.batch_tokens, .batch_texts = options.batch_examples, .threads = common.threads};
    Progress progress("rerank", "queries", work.places.size(), next);
    for (; next < work.places.size() && !stop; ++next) {
        output.append(scored_lines(options, work, *scorer, run, work.places[next], made.pairs));
        progress.update(next + 1, count_text(made.pairs) + " pairs");
    }
    made.finished = next == work.places.size();
    if (made.finished) { output.commit(); }
    progress.finish();
    if (!made.finished) { say("saved " + options.output.string() + ".partial; the same command with --resume continues"); }
    return made;
}

int rerank(Common const& common, RerankOptions const& options) {
    if (common.threads != 0) { at::set_num_threads(static_cast<int>(common.threads)); }
    if (options.output.extension() == ".gz") {
        throw InputError(Diagnostic{.file = options.output.string(),
                                    .expected = "an output that is not named .gz, as lines are appended to it and resumed",
                                    .found = "that ending",
                                    .hint = "Compress it afterwards: every command reads gzip."});
    }
    detail::require_column(options.tag, "--tag", options.output.string());
    if (!options.resume) { check_new_file(options.output); }
    RerankWork const work = read_work(options);
    ScoredCandidates const scored = score_candidates(common, options, work);
    Json result = rerank_result(options, work, scored.kind);
    result.update(
        {{"pairs", scored.pairs}, {"end", scored.finished ? "finished" : "interrupted"}, {"resumed_from", scored.resumed_from}});
    print_result(common, result,
                 scored.finished && !scored.was_there ? options.output.string() + ": " + count_text(work.places.size()) +
                                                            " queries, " + count_text(scored.pairs) + " pairs scored\n"
                                                      : std::string());
    return scored.finished ? done : interrupted;
}

}  // namespace bmae::program
