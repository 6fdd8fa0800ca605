// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Hard negatives from runs: unjudged hits in a window of ranks, without those that are probably relevant.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <bmae/detail/hash.hpp>
#include <bmae/retrieval/analyzer.hpp>
#include <bmae/retrieval/fusion.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Which candidates of the window become negatives.
enum class NegativeSampling {
    random,   ///< drawn without replacement (ANCE, ICLR 2021; SimLM), by (seed, query)
    top,      ///< the best ranked
};

struct MiningOptions {
    std::size_t first = 1;   ///< ranks of the window, from 1, both included: the best rank of a document in any run
    std::size_t last = 100;
    std::size_t number = 8;   ///< negatives per query
    NegativeSampling sampling = NegativeSampling::random;
    std::uint64_t seed = 42;
    /// A hit is dropped unless it scores below the best relevant document of its query by this much in each run that has it; where a run has
    /// no relevant document, its hits score no lower than one, and are dropped (NV-Retriever, arXiv 2407.15831: TopK-MarginPos).
    std::optional<double> margin = {};
    /// The same by a share of the absolute score of the relevant document, so that scores below 0 are right, too (TopK-PercPos: 0.05).
    std::optional<double> relative_margin = {};
    /// Where there is a reranker's run: a hit is dropped unless the reranker scores it below its best relevant document of the query by this
    /// much. A hit that it did not score is dropped, too: nobody has looked at it (RocketQA, arXiv 2010.08191, drops by a threshold).
    double reranker_margin = 0;
};

/// One query to mine for.
struct MiningQuery {
    std::string id;
    std::vector<std::string> relevant = {};   ///< documents with a grade above 0
};

/// What was taken, and what was not, by reason. Counts are of hits unless they say otherwise.
struct MiningCounts {
    std::uint64_t queries = 0;   ///< with at least one negative
    std::uint64_t negatives = 0;
    std::uint64_t judged_relevant = 0;   ///< dropped: judged relevant to the query
    std::uint64_t equal_text = 0;   ///< dropped: the words of a relevant document, of the query, or of a negative already taken
    std::uint64_t margin = 0;       ///< dropped: too near to the best relevant document, or above it
    std::uint64_t reranker = 0;     ///< dropped: the same by the reranker's scores
    std::uint64_t unranked = 0;     ///< dropped: without a score of the reranker
    std::uint64_t unknown_documents = 0;   ///< dropped: the corpus lacks them
    std::uint64_t outside_window = 0;
    std::uint64_t not_drawn = 0;              ///< candidates that were not needed
    std::uint64_t other_queries = 0;          ///< queries of the runs that are not mined for
    std::uint64_t without_relevant = 0;       ///< queries without a relevant document
    std::uint64_t without_hits = 0;           ///< queries that no run has
    std::uint64_t without_relevant_hit = 0;   ///< queries of which a run has no relevant document, where a margin is asked for
    std::uint64_t without_reranker =
        0;                              ///< queries of which the reranker scored no relevant document: all their hits are dropped
    std::uint64_t too_few = 0;          ///< queries with fewer negatives than asked for
    std::uint64_t above_relevant = 0;   ///< negatives that score at least as high as the best relevant document in a run
    std::uint64_t tried = 0;            ///< relevant hits that were tried as if nobody had judged them
    double would_be_taken = 0;          ///< of these, the expected number that would have become negatives

    /// The share of relevant hits that would have become negatives had nobody judged them: of each hundred relevant documents without a
    /// judgment that the runs find, about so many are among the negatives. Nothing where no query has two relevant hits.
    [[nodiscard]] std::optional<double> false_negative_rate() const {
        return tried == 0 ? std::nullopt : std::optional(would_be_taken / static_cast<double>(tried));
    }

    /// Calls `visit(name, count)` with every count that says what was left out.
    template <class Visit>
    void for_each_left_out(Visit&& visit) const {
        visit("hits judged relevant", judged_relevant);
        visit("hits with the words of a relevant document, of the query or of another negative", equal_text);
        visit("hits within the margin of a relevant document", margin);
        visit("hits within the reranker's margin of a relevant document", reranker);
        visit("hits without a score of the reranker", unranked);
        visit("hits that the corpus lacks", unknown_documents);
        visit("hits outside of the window", outside_window);
        visit("candidates that were not needed", not_drawn);
        visit("queries of the runs that are not mined for", other_queries);
        visit("queries without a relevant document", without_relevant);
        visit("queries that no run has", without_hits);
        visit("queries of which a run has no relevant document", without_relevant_hit);
        visit("queries of which the reranker scored no relevant document", without_reranker);
        visit("queries with fewer negatives than asked for", too_few);
    }
};

/// Negatives of one query, best rank first.
struct MinedNegatives {
    std::string query;
    std::vector<std::string> documents = {};
};

struct MiningResult {
    std::vector<MinedNegatives> queries = {};   ///< those with at least one negative, in the order given
    MiningCounts counts = {};
    std::string unknown_document = {};   ///< the first one that the corpus lacks
};

/// \throws InputError if an option is out of range
inline void check(MiningOptions const& options) {
    auto const demand = [](bool good, char const* expected, std::string const& found) {
        if (!good) { throw InputError(Diagnostic{.file = {}, .expected = expected, .found = found}); }
    };
    demand(options.first >= 1 && options.first <= options.last, "a window of ranks FIRST:LAST with 1 <= FIRST <= LAST",
           std::to_string(options.first) + ':' + std::to_string(options.last));
    demand(options.number != 0, "a number of negatives of at least 1", "0");
    demand(!options.margin || std::isfinite(*options.margin), "a finite margin", "another");
    demand(std::isfinite(options.reranker_margin), "a finite margin of the reranker", "another");
    demand(!options.relative_margin || (*options.relative_margin >= 0 && std::isfinite(*options.relative_margin)),
           "a relative margin of at least 0", options.relative_margin ? std::to_string(*options.relative_margin) : "none");
}

namespace detail {

/// Texts with the same words in the same order have the same key: capitals, accents' composition, blanks and punctuation aside.
class TextKeys {
public:
    [[nodiscard]] std::uint64_t operator()(std::string_view text) const {
        std::string words;
        for (std::string const& word : analyzer_(text)) { words.append(word).append(1, ' '); }
        return xxh64(words);
    }

private:
    Analyzer analyzer_{AnalyzerOptions{.stop_words = StopWords::none, .stemming = Stemming::none}};
};

/// One document that the runs found for a query.
struct MiningHit {
    std::string_view id;
    std::size_t rank = 0;   // its best one
    bool relevant = false;
    bool near = false;       // within the margin of the best relevant hit in a run that has it
    bool unranked = false;   // there is a reranker, which did not score it
    bool near_by_reranker = false;
    bool above = false;   // at least as high as that in a run that has it
};

}  // namespace detail

/// Mines hard negatives. One object serves all queries of a collection.
///
/// \tparam TextOf  callable: text of a document by its id, std::optional<std::string>; nothing where the corpus lacks it
template <class TextOf>
class NegativeMiner {
public:
    /// \param runs      must outlive it
    /// \param reranker  scores of a reranker, which must outlive it; nullptr: none
    NegativeMiner(std::vector<Run const*> runs, TextOf text_of, MiningOptions const& options, Run const* reranker = nullptr)
        : runs_(std::move(runs)), text_of_(std::move(text_of)), options_(options), reranker_(reranker) {
        check(options_);
        if (runs_.empty()) { throw InputError(Diagnostic{.file = {}, .expected = "at least one run", .found = "none"}); }
    }

    /// \param query_text  an equal document is no negative; may be empty
    void add(MiningQuery const& query, std::string_view query_text) {
        asked_.insert(query.id);
        MiningCounts& counts = result_.counts;
        if (query.relevant.empty()) {
            ++counts.without_relevant;
            return;
        }
        std::vector<detail::MiningHit> hits = hits_of(query);
        if (hits.empty()) {
            ++counts.without_hits;
            return;
        }
        if (reranker_ != nullptr) { judge_by_reranker(query, hits); }
        std::unordered_set<std::uint64_t> known{keys_(query_text)};
        for (std::string const& id : query.relevant) {
            if (auto const text = text_of_(id)) { known.insert(keys_(*text)); }
        }
        std::vector<detail::MiningHit const*> const candidates = candidates_of(hits, known);
        estimate(hits, candidates.size());
        take(query, candidates);
    }

    /// Called once, after all queries.
    MiningResult finish() {
        MiningCounts& counts = result_.counts;
        std::unordered_set<std::string_view> others;
        for (Run const* const run : runs_) {
            for (std::size_t i = 0; i < run->size(); ++i) {
                if (!asked_.contains(std::string(run->query(i)))) { others.insert(run->query(i)); }
            }
        }
        counts.other_queries = others.size();
        return std::move(result_);
    }

private:
    /// The documents of all runs, the best ranked first; of equal ranks in the order of the runs.
    std::vector<detail::MiningHit> hits_of(MiningQuery const& query) {
        std::unordered_set<std::string_view> const relevant(query.relevant.begin(), query.relevant.end());
        std::vector<detail::MiningHit> found;
        std::unordered_map<std::string_view, std::size_t> place;
        bool lacks_relevant = false;
        for (Run const* const run : runs_) {
            auto const at = run->find(query.id);
            if (!at) { continue; }
            auto const hits = run->hits(*at);
            std::vector<double> const scores = detail::scores_of(*run, *at);
            std::vector<std::size_t> const ranks = detail::ranks_of(scores);
            double best = -std::numeric_limits<double>::infinity();
            for (std::size_t i = 0; i < hits.size(); ++i) {
                if (relevant.contains(run->document(hits[i].document))) { best = std::max(best, scores[i]); }
            }
            lacks_relevant = lacks_relevant || std::isinf(best);
            for (std::size_t i = 0; i < hits.size(); ++i) {
                std::string_view const id = run->document(hits[i].document);
                auto const [entry, added] = place.emplace(id, found.size());
                if (added) { found.push_back({.id = id, .rank = ranks[i], .relevant = relevant.contains(id)}); }
                detail::MiningHit& hit = found[entry->second];
                hit.rank = std::min(hit.rank, ranks[i]);
                hit.near = hit.near || !(scores[i] < limit(best));
                hit.above = hit.above || scores[i] >= best;
            }
        }
        if (lacks_relevant && (options_.margin || options_.relative_margin)) { ++result_.counts.without_relevant_hit; }
        std::stable_sort(found.begin(), found.end(), [](auto const& a, auto const& b) { return a.rank < b.rank; });
        return found;
    }

    /// What the reranker says of each hit.
    void judge_by_reranker(MiningQuery const& query, std::vector<detail::MiningHit>& hits) {
        std::unordered_map<std::string_view, double> score_of;
        double best = -std::numeric_limits<double>::infinity();
        if (auto const at = reranker_->find(query.id)) {
            auto const scored = reranker_->hits(*at);
            std::vector<double> const scores = detail::scores_of(*reranker_, *at);
            for (std::size_t i = 0; i < scored.size(); ++i) {
                score_of.emplace(reranker_->document(scored[i].document), scores[i]);
            }
        }
        for (std::string const& id : query.relevant) {
            if (auto const found = score_of.find(id); found != score_of.end()) { best = std::max(best, found->second); }
        }
        if (std::isinf(best)) { ++result_.counts.without_reranker; }
        for (detail::MiningHit& hit : hits) {
            auto const found = score_of.find(hit.id);
            hit.unranked = found == score_of.end();
            hit.near_by_reranker = !hit.unranked && !(found->second < best - options_.reranker_margin);
        }
    }

    /// A score below this is no reason to drop a hit.
    [[nodiscard]] double limit(double best) const {
        double most = std::numeric_limits<double>::infinity();
        if (std::isinf(best) && (options_.margin || options_.relative_margin)) { return best; }
        if (options_.margin) { most = std::min(most, best - *options_.margin); }
        if (options_.relative_margin) { most = std::min(most, best - *options_.relative_margin * std::abs(best)); }
        return most;
    }

    [[nodiscard]] bool in_window(detail::MiningHit const& hit) const {
        return hit.rank >= options_.first && hit.rank <= options_.last;
    }
    /// No margin, of the runs or of the reranker, drops it.
    [[nodiscard]] static bool is_far(detail::MiningHit const& hit) { return !hit.near && !hit.unranked && !hit.near_by_reranker; }

    /// The hits that may become negatives.
    /// \param known  words of relevant documents and of the query; those of candidates are added
    std::vector<detail::MiningHit const*> candidates_of(std::span<detail::MiningHit const> hits,
                                                        std::unordered_set<std::uint64_t>& known) {
        MiningCounts& counts = result_.counts;
        std::vector<detail::MiningHit const*> candidates;
        for (detail::MiningHit const& hit : hits) {
            if (hit.relevant) {
                ++counts.judged_relevant;
            } else if (!in_window(hit)) {
                ++counts.outside_window;
            } else if (hit.near) {
                ++counts.margin;
            } else if (hit.unranked) {
                ++counts.unranked;
            } else if (hit.near_by_reranker) {
                ++counts.reranker;
            } else if (auto const text = text_of_(std::string(hit.id)); !text) {
                ++counts.unknown_documents;
                if (result_.unknown_document.empty()) { result_.unknown_document = hit.id; }
            } else if (!known.insert(keys_(*text)).second) {
                ++counts.equal_text;
            } else {
                candidates.push_back(&hit);
            }
        }
        return candidates;
    }

    /// Tries each relevant hit but the best ranked as if nobody had judged it.
    void estimate(std::span<detail::MiningHit const> hits, std::size_t candidates) {
        MiningCounts& counts = result_.counts;
        std::size_t before = 0;   // candidates that stand before the hit
        bool first = true;
        for (detail::MiningHit const& hit : hits) {
            if (!hit.relevant) {
                before += in_window(hit) && is_far(hit) ? 1 : 0;
                continue;
            }
            if (std::exchange(first, false)) { continue; }
            ++counts.tried;
            if (!in_window(hit) || !is_far(hit)) { continue; }
            double const share = static_cast<double>(options_.number) / static_cast<double>(candidates + 1);
            counts.would_be_taken +=
                options_.sampling == NegativeSampling::top ? (before < options_.number ? 1 : 0) : std::min(1.0, share);
        }
    }

    void take(MiningQuery const& query, std::vector<detail::MiningHit const*> const& candidates) {
        MiningCounts& counts = result_.counts;
        std::vector<std::size_t> chosen(candidates.size());
        for (std::size_t i = 0; i < chosen.size(); ++i) { chosen[i] = i; }
        if (options_.sampling == NegativeSampling::random) {
            Draw draw({.seed = options_.seed, .example = detail::xxh64(query.id)});
            draw.shuffle(std::span(chosen));
        }
        chosen.resize(std::min(chosen.size(), options_.number));
        std::sort(chosen.begin(), chosen.end());
        counts.not_drawn += candidates.size() - chosen.size();
        counts.too_few += chosen.size() < options_.number ? 1 : 0;
        if (chosen.empty()) { return; }
        MinedNegatives mined{.query = query.id};
        for (std::size_t const i : chosen) {
            mined.documents.emplace_back(candidates[i]->id);
            counts.above_relevant += candidates[i]->above ? 1 : 0;
        }
        ++counts.queries;
        counts.negatives += mined.documents.size();
        result_.queries.push_back(std::move(mined));
    }

    std::vector<Run const*> runs_;
    TextOf text_of_;
    MiningOptions options_;
    Run const* reranker_;
    detail::TextKeys keys_ = {};
    std::unordered_set<std::string> asked_ = {};
    MiningResult result_ = {};
};

}  // namespace bmae
