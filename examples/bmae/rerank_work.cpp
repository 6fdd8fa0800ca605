// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Reads what `rerank` scores.
#include "rerank_work.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include <bmae/corpus/scored_pairs.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/rerank.hpp>
#include <bmae/retrieval/run_file.hpp>
#include <bmae/text/id_table.hpp>

#include "collections.hpp"

namespace bmae::program {

namespace {

bool has_relevant(Qrels const& qrels, std::string_view query) {
    auto const judged = qrels.find(query);
    return judged && std::ranges::any_of(qrels.judgments(*judged), [](auto const& judgment) { return judgment.grade > 0; });
}

/// A file of negatives as a run: of each query with a relevant document those that `finetune --negatives` reads, in their order.
/// \param skipped  counts the other queries
Run read_negatives(RerankOptions const& options, Qrels const& qrels, ReadReport& report, std::uint64_t& skipped) {
    ScoredPairReader reader(options.negatives, PairPurpose::negatives, reading_by(options.skip_malformed));
    auto const documents = std::make_shared<IdTable>();
    IdTable queries;
    IdTable others;
    std::vector<std::vector<Hit>> listed;
    for (ScoredPair pair; reader.next(pair);) {
        if (!has_relevant(qrels, pair.query)) {
            others.add(pair.query);
            continue;
        }
        std::size_t const query = queries.add(pair.query);
        if (query == listed.size()) { listed.emplace_back(); }
        float const place = -static_cast<float>(listed[query].size());
        listed[query].push_back({documents->add(pair.document), reader.is_run() ? pair.score : place});
    }
    report = reader.report();
    skipped = others.size();
    if (listed.empty()) {
        throw InputError(Diagnostic{.file = options.negatives.string(),
                                    .expected = "hard negatives of queries with a relevant document in --split " + options.split,
                                    .found = "none of its " + std::to_string(others.size()) + " queries",
                                    .hint = "Name the split that they were mined for."});
    }
    Run run(documents);
    for (std::size_t q = 0; q < listed.size(); ++q) { run.add(queries[q], listed[q]); }
    return run;
}

/// The candidates of the options, of queries of all splits.
void read_candidates(RerankOptions const& options, RerankWork& work) {
    bool const by_judgments = scores_as_teacher(options);
    if (by_judgments && options.split == "all") {
        throw InputError(Diagnostic{.file = {},
                                    .expected = std::string(options.negatives.empty() ? "--as-teacher" : "--negatives") +
                                                " with the split of the training queries",
                                    .found = "--split all"});
    }
    Qrels const qrels = by_judgments ? work.collection.qrels<Qrels>(options.split) : Qrels();
    ReadReport report;
    if (options.negatives.empty()) {
        work.run = read_run(options.run, {.malformed = reading_by(options.skip_malformed).malformed}, report);
        if (by_judgments) { work.run = teacher_candidates(work.run, qrels, options.depth); }
    } else {
        std::uint64_t skipped = 0;
        Run const negatives = read_negatives(options, qrels, report, skipped);
        work.skipped += skipped;
        work.run = teacher_candidates(negatives, qrels, std::numeric_limits<std::size_t>::max());
    }
    say_report(report, options.negatives.empty() ? "run" : "negatives");
    work.read.add(report);
    check_run_ids(work.run, work.source);
}

}  // namespace

std::string RerankWork::text_of(Hit const& hit) const {
    std::string const id(run.document(hit.document));
    auto const place = collection.documents().find(id);
    if (!place) {
        throw InputError(Diagnostic{.file = source.string(),
                                    .expected = "hits of the collection " + collection.path().string(),
                                    .found = "document '" + id + "', which its corpus lacks",
                                    .hint = "Rerank a run of the same collection."});
    }
    return joined_text(collection.documents()[*place]);
}

RerankWork read_work(RerankOptions const& options) {
    if (options.run.empty() && options.negatives.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "--run with the hits to score, or --negatives with those of fine-tuning",
                                    .found = "neither"});
    }
    BeirCollection collection = BeirCollection::open(options.data, reading_by(options.skip_malformed));
    ReadReport read = say_reports(collection);
    ReadReport report;
    Records queries = options.split == "all" ? collection.queries() : collection.queries(options.split, report);
    say_report(report, "judgments");
    read.add(report);
    RerankWork work{.collection = std::move(collection),
                    .queries = std::move(queries),
                    .run = {},
                    .source = options.negatives.empty() ? options.run : options.negatives,
                    .read = std::move(read)};
    read_candidates(options, work);
    for (std::size_t q = 0; q < work.run.size(); ++q) {
        if (work.queries.find(std::string(work.run.query(q)))) {
            work.places.push_back(q);
        } else {
            ++work.skipped;
        }
    }
    if (work.places.empty()) {
        throw InputError(Diagnostic{.file = work.source.string(),
                                    .expected = "queries of --split " + options.split,
                                    .found = "none of its " + std::to_string(work.run.size()),
                                    .hint = "Name the split that the run was searched with; all: every query."});
    }
    if (work.skipped != 0) {
        warn(count_text(work.skipped) + " queries of the " + (options.negatives.empty() ? "run" : "negatives") +
             " are not of --split " + options.split + (options.negatives.empty() ? "" : ", or have no relevant document there,") +
             " and are left out");
    }
    for (std::size_t const q : work.places) {   // before hours of scoring
        for (Hit const& hit : work.run.hits(q)) { static_cast<void>(work.text_of(hit)); }
    }
    return work;
}

}  // namespace bmae::program
