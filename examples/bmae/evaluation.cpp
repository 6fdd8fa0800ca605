// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Evaluation while training.
#include "evaluation.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/corpus/beir.hpp>
#include <bmae/corpus/beir_folder.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/metrics/any_metric.hpp>
#include <bmae/retrieval/exact_index.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/values/error.hpp>

#include "two_encoders.hpp"

namespace bmae::program {

namespace {

/// A collection in memory, searched anew at each evaluation.
class RankingEvaluation {
public:
    RankingEvaluation(Common const& common, EvalOptions const& options, AnyModel const& model, AnyTokenizer tokenizer,
                      SentenceEncoderOptions how)
        : model_(model),
          tokenizer_(std::move(tokenizer)),
          how_(std::move(how)),
          threads_(common.threads),
          measures_{options.measures} {
        check_ranking(options);
        BeirCollection const collection = BeirCollection::open(options.data);
        say_report(collection.documents_report(), "corpus of --eval-data");
        qrels_ = collection.qrels<Qrels>(options.split);
        for (Record const& query : collection.queries(options.split)) {
            query_ids_.push_back(query.id);
            queries_.push_back(query.text);
        }
        for (Record const& document : collection.documents()) {
            ids_.push_back(document.id);
            texts_.push_back(joined_text(document));
        }
        if (queries_.empty() || texts_.empty()) {
            throw InputError(
                Diagnostic{.file = options.data.string(),
                           .expected = "queries and documents to evaluate on, in the split " + options.split,
                           .found = std::to_string(queries_.size()) + " queries, " + std::to_string(texts_.size()) + " documents",
                           .hint = "Choose another split by --eval-split."});
        }
    }

    [[nodiscard]] Figures measure() const {
        SentenceEncoder sentences = sentence_encoder_of(model_, tokenizer_, how_);   // bf16 while a run in bf16 goes on
        bool const packs = packing_pays(PackedType::fp32) && sentences.model().packs(PackedType::fp32);
        if (packs) { sentences = sentences.packed(PackedType::fp32); }   // as search encodes, bit for bit
        EncodeRun const run{.threads = threads_};
        ExactIndex const index(sentences.encode(texts_, run), ids_, {.similarity = how_.index_similarity()});
        Run const hits = index.search(sentences.encode_queries(queries_, run), depth, query_ids_);
        Report const report = evaluate(qrels_, hits, measures_);
        Figures figures;
        for (std::size_t m = 0; m < report.measures.size(); ++m) { figures.emplace_back(report.measures[m], report.means[m]); }
        return figures;
    }

private:
    static constexpr std::size_t depth = 1000;   // hits per query, as search has by default

    AnyModel const& model_;
    AnyTokenizer tokenizer_;
    SentenceEncoderOptions how_;
    unsigned threads_;
    std::vector<std::string> measures_;
    Qrels qrels_ = {};
    std::vector<std::string> query_ids_ = {};
    std::vector<std::string> queries_ = {};
    std::vector<std::string> ids_ = {};
    std::vector<std::string> texts_ = {};
};

}  // namespace

void check_figure(EvalOptions const& options, std::vector<std::string> const& figures) {
    if (options.keep_best.empty() || std::ranges::find(figures, options.keep_best) != figures.end()) { return; }
    std::string names;
    for (std::string const& figure : figures) { names += (names.empty() ? "" : ", ") + figure; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "the figure \"" + options.keep_best + "\" of --keep-best among those of --eval-data",
                                .found = names,
                                .hint = "Choose one of those that the evaluation gives."});
}

void check_ranking(EvalOptions const& options) {
    if (options.data.empty()) { return; }
    std::vector<std::string> figures;
    for (AnyMetric const& metric : metrics_from_names({options.measures})) {
        figures.push_back(std::visit([](auto const& known) { return known.name(); }, metric));
    }
    check_figure(options, figures);
    static_cast<void>(BeirFolder(options.data).qrels(options.split));
}

Evaluate ranking_evaluation(Common const& common, EvalOptions const& options, AnyModel const& model,
                            AnyTokenizer const& tokenizer, SentenceEncoderOptions const& how) {
    auto const ranking = std::make_shared<RankingEvaluation>(common, options, model, tokenizer, how);
    return [ranking](std::uint64_t) { return ranking->measure(); };
}

Evaluate held_out_evaluation(HeldOut& held_out) {
    return [&held_out](std::uint64_t) { return held_out.measure(); };
}

void set_evaluation(EvalOptions const& options, TrainerOptions& settings) {
    if (options.data.empty()) { return; }
    bool const is_loss = options.keep_best == "loss" || options.keep_best == "decoders";
    settings.evaluation = {
        .every = options.every, .best = options.keep_best, .higher_is_better = !is_loss, .patience = options.patience};
}

}  // namespace bmae::program
