// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Runs to a fused run, and to hard negatives: `fuse`, `mine`.
#include "runs.hpp"

#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/corpus/beir.hpp>
#include <bmae/corpus/training_row.hpp>
#include <bmae/corpus/training_writer.hpp>
#include <bmae/detail/text_file.hpp>
#include <bmae/evaluation/fusion_tuning.hpp>
#include <bmae/metrics/any_metric.hpp>
#include <bmae/retrieval/fusion.hpp>
#include <bmae/retrieval/mining.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "collections.hpp"
#include "measures.hpp"
#include "option_text.hpp"

namespace bmae::program {

namespace {

/// "0.7,0.3"
std::vector<double> weights_of(std::string const& text) {
    std::vector<double> weights;
    if (text.empty()) { return weights; }
    for (std::string const& part : parts_of(text)) {
        auto const weight = detail::number_from<double>(part);
        if (!weight) { throw refuse("--weights as numbers with commas between, one per run: 0.7,0.3", '"' + text + '"'); }
        weights.push_back(*weight);
    }
    return weights;
}

/// Runs whose ids files of columns can hold: known before the work.
std::vector<Run> read_runs(std::vector<Path> const& paths, bool skip_malformed, ReadReport& all) {
    std::vector<Run> runs;
    for (Path const& path : paths) {
        ReadReport report;
        runs.push_back(read_run(path, {.malformed = reading_by(skip_malformed).malformed}, report));
        say_report(report, path.string());
        all.add(report);
        check_run_ids(runs.back(), path);
    }
    return runs;
}

std::vector<Run const*> pointers_to(std::vector<Run> const& runs) {
    std::vector<Run const*> pointers;
    for (Run const& run : runs) { pointers.push_back(&run); }
    return pointers;
}

/// Runs over other queries or another collection are probably the wrong files.
std::uint64_t queries_of_some_runs(std::vector<Run> const& runs, Run const& fused) {
    std::uint64_t partial = 0;
    for (std::size_t q = 0; q < fused.size(); ++q) {
        std::size_t holders = 0;
        for (Run const& run : runs) { holders += run.find(fused.query(q)) ? 1 : 0; }
        partial += holders < runs.size() ? 1 : 0;
    }
    return partial;
}

/// The judgments of --tune; without it none. Its measure is refused before large files are read.
std::optional<Qrels> read_tuning(FuseOptions const& options, ReadReport& all) {
    if (options.tune.empty()) { return std::nullopt; }
    if (metrics_from_names({options.tune_measure}).size() != 1) {
        throw refuse("--tune-measure as one measure", '"' + options.tune_measure + '"');
    }
    ReadReport report;
    Qrels qrels = read_qrels(options.tune, {.malformed = reading_by(options.skip_malformed).malformed}, report);
    say_report(report, "judgments");
    all.add(report);
    return qrels;
}

/// Whether the figures of the fused run are of queries that it was tuned on.
void say_held_out(FusionTuning const& tuning) {
    std::string const judged = count_text(tuning.judged_queries);
    if (tuning.other_queries != 0) {
        say("fuse: tuned on " + judged + " judged queries; " + count_text(tuning.other_queries) +
            " other queries of the runs are outside of them");
        return;
    }
    warn("all " + judged +
         " queries of the runs are tuned on, 0 are outside of --tune: figures of the fused run on them are not held out");
}

Json tuning_json(FusionTuning const& tuning, FusionOptions const& how, FuseOptions const& options) {
    bool const by_ranks = how.method == FusionMethod::reciprocal_rank;
    Json result{{"measure", tuning.measure},
                {"mean", tuning.best.value},
                {"weights", tuning.best.weights},
                {"k", by_ranks ? Json(tuning.best.constant) : Json()},
                {"runs", Json::array()},
                {"judged_queries", tuning.judged_queries},
                {"other_queries", tuning.other_queries},
                {"measured", tuning.best.measured}};
    for (std::size_t r = 0; r < tuning.run_means.size(); ++r) {
        result["runs"].push_back({{"run", name_of_run(options.runs[r], options.runs)}, {"mean", tuning.run_means[r]}});
    }
    return result;
}

/// "weights 0.35,0.65: ndcg@10 0.4321 over 300 judged queries; alone bm25.trec 0.3987, dense.trec 0.4012"
std::string tuning_text(Json const& tuning) {
    auto const figure = [](Json const& mean) { return ' ' + detail::digits_of(mean.get<double>(), 4); };
    std::string weights;
    for (Json const& weight : tuning["weights"]) { weights += (weights.empty() ? "" : ",") + weight.dump(); }
    std::string alone;
    for (Json const& run : tuning["runs"]) {
        alone += (alone.empty() ? "" : ", ") + run["run"].get<std::string>() + figure(run["mean"]);
    }
    std::string const k = tuning["k"].is_null() ? "" : ", k " + count_text(tuning["k"].get<std::uint64_t>());
    return "weights " + weights + k + ": " + tuning["measure"].get<std::string>() + figure(tuning["mean"]) + " over " +
           count_text(tuning["judged_queries"].get<std::uint64_t>()) + " judged queries; alone " + alone + '\n';
}

/// Sets weights, and k where it is read. \returns what the choice rests on; null without --tune
Json tune(Common const& common, FuseOptions const& options, std::vector<Run> const& runs, std::optional<Qrels> const& qrels,
          FusionOptions& how) {
    if (!qrels) { return nullptr; }
    FusionTuning const tuning = tune_fusion(pointers_to(runs), *qrels, options.tune_measure, how, common.threads);
    say_held_out(tuning);
    how.weights = tuning.best.weights;
    how.k = tuning.best.constant;
    return tuning_json(tuning, how, options);
}

}  // namespace

int fuse(Common const& common, FuseOptions const& options) {
    FusionOptions how{.method = named_value<FusionMethod>("--method", options.method),
                      .weights = weights_of(options.weights),
                      .k = options.k,
                      .depth = options.top_k};
    if (!options.normalization.empty()) {
        how.normalization = named_value<Normalization>("--normalization", options.normalization);
    }
    std::string const tag = options.tag.empty() ? options.method : options.tag;
    check_new_run(options.output, tag);
    QuickExit interruptible;
    ReadReport read;
    std::optional<Qrels> const qrels = read_tuning(options, read);
    std::vector<Run> const runs = read_runs(options.runs, options.skip_malformed, read);
    Json const tuning = tune(common, options, runs, qrels, how);
    Run const fused = fuse_runs(pointers_to(runs), how);
    std::uint64_t const partial = queries_of_some_runs(runs, fused);
    if (partial != 0) { warn(count_text(partial) + " of " + count_text(fused.size()) + " queries are not in all of the runs"); }
    interruptible.finish();
    write_run(fused, options.output, {.tag = tag});
    print_result(common,
                 {{"command", "fuse"},
                  {"method", options.method},
                  {"runs", runs.size()},
                  {"queries", fused.size()},
                  {"partial_queries", partial},
                  {"hits", fused.hit_count()},
                  {"output", options.output.string()},
                  {"tuning", tuning},
                  {"malformed", malformed_json(read)}},
                 (tuning.is_null() ? std::string() : tuning_text(tuning)) + options.output.string() + ": " +
                     count_text(fused.size()) + " queries, " + count_text(fused.hit_count()) + " hits\n");
    return done;
}

namespace {

MiningOptions mining_options(Common const& common, MineOptions const& options) {
    auto const window = rank_window_of(options.window);
    if (!window) { throw refuse("--window as ranks FIRST:LAST, from 1: 10:100", '"' + options.window + '"'); }
    auto const [first, last] = *window;
    if (options.sample != "random" && options.sample != "top") {
        throw refuse("--sample random or top", '"' + options.sample + '"');
    }
    MiningOptions const how{.first = first,
                            .last = last,
                            .number = options.number,
                            .sampling = options.sample == "top" ? NegativeSampling::top : NegativeSampling::random,
                            .seed = common.seed,
                            .margin = options.margin,
                            .relative_margin = options.relative_margin,
                            .reranker_margin = options.reranker_margin};
    check(how);
    return how;
}

/// Relevant documents of each judged query.
using Relevant = std::unordered_map<std::string, std::vector<std::string>>;

/// \param runs  those of --run, then that of --reranker-scores if there is one
MiningResult mine_split(BeirCollection const& collection, std::vector<Run> const& runs, MineOptions const& options,
                        MiningOptions const& how, ReadReport& read, Relevant& relevant) {
    JudgedPairs const judged = collection.judged_pairs(options.split);
    say_report(judged.report, "judgments");
    read.add(judged.report);
    for (JudgedPair const& pair : judged.pairs) {
        auto& list = relevant[pair.query_id];
        if (pair.grade > 0) { list.push_back(pair.document_id); }
    }
    bool const reranked = !options.reranker_scores.empty();
    std::vector<Run const*> sources = pointers_to(runs);
    if (reranked) { sources.pop_back(); }
    NegativeMiner miner(
        std::move(sources),
        [&](std::string const& id) {
            auto const place = collection.documents().find(id);
            return place ? std::optional(joined_text(collection.documents()[*place])) : std::nullopt;
        },
        how, reranked ? &runs.back() : nullptr);
    for (Record const& query : collection.queries()) {
        auto const found = relevant.find(query.id);
        if (found != relevant.end()) { miner.add({.id = query.id, .relevant = found->second}, query.text); }
    }
    return miner.finish();
}

/// Queries with their texts, in a training format.
void write_training_rows(BeirCollection const& collection, MiningResult const& result, Relevant const& relevant,
                         TrainingFormat format, Path const& output) {
    auto const texts_of = [&](std::vector<std::string> const& ids) {
        std::vector<PairText> texts;
        for (std::string const& id : ids) {
            auto const place = collection.documents().find(id);   // judged documents may be missing
            if (!place) { continue; }
            Record const& document = collection.documents()[*place];
            texts.push_back({.id = id, .title = document.title, .text = document.text});
        }
        return texts;
    };
    TrainingRowWriter writer(output, format);
    for (MinedNegatives const& mined : result.queries) {
        writer.write({.query_id = mined.query,
                      .query = joined_text(collection.queries()[*collection.queries().find(mined.query)]),
                      .positives = texts_of(relevant.at(mined.query)),
                      .negatives = texts_of(mined.documents)});
    }
    writer.commit();
}

void write_mined(BeirCollection const& collection, MiningResult const& result, Relevant const& relevant,
                 MineOptions const& options) {
    bool const of_ids = options.format == "ids";
    if (!of_ids && options.format != "hard-negatives") {
        return write_training_rows(collection, result, relevant, named_value<TrainingFormat>("--format", options.format),
                                   options.output);
    }
    detail::TextFile file(options.output);
    for (MinedNegatives const& query : result.queries) {
        std::string lines;
        for (std::string const& document : query.documents) { lines += query.query + '\t' + document + '\n'; }
        Json const row{{"qid", query.query}, {"pos", relevant.at(query.query)}, {"neg", {{"mined", query.documents}}}};
        file.write(of_ids ? lines : row.dump() + '\n');
    }
    file.commit();
}

/// Nothing mined is an error, and says why.
void require_negatives(MiningResult const& result, MineOptions const& options) {
    if (result.counts.negatives != 0) { return; }
    std::string reasons;
    result.counts.for_each_left_out([&](char const* what, std::uint64_t count) {
        if (count != 0) { reasons += (reasons.empty() ? "" : ", ") + count_text(count) + ' ' + what; }
    });
    bool const other = result.counts.unknown_documents != 0 && result.counts.equal_text == 0;
    throw InputError(Diagnostic{.file = options.runs.front().string(),
                                .expected = "hits of the queries of --split " + options.split + " that become negatives",
                                .found = "none: " + reasons,
                                .hint = other ? "Is the run of another collection? Its document '" + result.unknown_document +
                                                    "' is not in the corpus of --data."
                                              : "Search with --split " + options.split + ", or widen --window."});
}

void say_counts(MiningResult const& result) {
    MiningCounts const& counts = result.counts;
    counts.for_each_left_out([&](char const* what, std::uint64_t count) {
        if (count != 0) { say("mine: " + count_text(count) + ' ' + what); }
    });
    if (counts.unknown_documents != 0) {
        warn("the corpus lacks " + count_text(counts.unknown_documents) + " hits of the runs, the first is '" +
             result.unknown_document + '\'');
    }
    if (counts.above_relevant != 0) {
        say("mine: " + count_text(counts.above_relevant) + " of " + count_text(counts.negatives) +
            " negatives score as high as the best relevant document or higher");
    }
    if (auto const rate = counts.false_negative_rate()) {
        char text[160];
        std::snprintf(text, sizeof text,
                      "mine: of relevant documents that nobody judged, about %.1f %% would be among the negatives", *rate * 100);
        say(std::string(text) + " (tried with " + count_text(counts.tried) + " judged ones)");
    }
}

}  // namespace

int mine(Common const& common, MineOptions const& options) {
    MiningOptions const how = mining_options(common, options);
    if (options.format != "ids" && options.format != "hard-negatives") {
        named_value<TrainingFormat>("--format", options.format);
    }
    check_new_file(options.output);
    QuickExit interruptible;
    BeirCollection const collection = BeirCollection::open(options.data, reading_by(options.skip_malformed));
    ReadReport read = say_reports(collection);
    std::vector<Path> files = options.runs;
    if (!options.reranker_scores.empty()) { files.push_back(options.reranker_scores); }
    std::vector<Run> const runs = read_runs(files, options.skip_malformed, read);
    Relevant relevant;
    MiningResult const result = mine_split(collection, runs, options, how, read, relevant);
    require_negatives(result, options);
    interruptible.finish();
    write_mined(collection, result, relevant, options);
    say_counts(result);
    MiningCounts const& counts = result.counts;
    auto const rate = counts.false_negative_rate();
    Json left_out = Json::object();
    counts.for_each_left_out([&](char const* what, std::uint64_t count) { left_out[what] = count; });
    print_result(common,
                 {{"command", "mine"},
                  {"output", options.output.string()},
                  {"runs", options.runs.size()},
                  {"queries", counts.queries},
                  {"negatives", counts.negatives},
                  {"left_out", std::move(left_out)},
                  {"above_relevant", counts.above_relevant},
                  {"false_negative_rate", rate ? Json(*rate) : Json()},
                  {"malformed", malformed_json(read)}},
                 options.output.string() + ": " + count_text(counts.negatives) + " negatives of " + count_text(counts.queries) +
                     " queries\n");
    return done;
}

}  // namespace bmae::program
