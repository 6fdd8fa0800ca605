// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Common code for building pair stores: options, the report, and the queries until they are written.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/corpus/reading.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/pair_store_writer.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Progress of a build.
struct PairStoreProgress {
    std::string_view what;     ///< is being read or written: "texts", "lines", "negatives", "scores", "queries"
    std::uint64_t count = 0;   ///< of them
};

struct PairStoreOptions {
    ReadOptions reading = {};
    std::size_t limit = 0;              ///< the first N training queries, counted before any is skipped; 0: all
    unsigned threads = 0;               ///< 0: one per processor; the store does not depend on it
    std::string query_prompt = {};      ///< put before each query that has a token
    std::string document_prompt = {};   ///< the same before each text
    bool keep_sources = false;          ///< the store says which of several inputs each query is of
    PairLabels labels =
        PairLabels::relevance;   ///< similarity: labels of pairs of texts are kept, and each pair is a query of its own
    std::function<void(PairStoreProgress const&)> progress = {};   ///< called often; may throw to stop
};

/// The report of a build.
struct PairStoreReport {
    PairStoreStatistics counts;
    ReadReport reading;                                  ///< of all files; `records` are the queries of the store
    std::vector<std::string> sources;                    ///< the format of each file
    std::map<std::string, std::uint64_t> prompts = {};   ///< put before queries by their rows: number of rows
};

namespace detail {

/// The data of one query until it is written.
struct CollectedQuery {
    std::vector<TokenId> tokens = {};
    std::vector<std::uint32_t> positives = {};
    std::vector<std::uint32_t> negatives = {};
    std::vector<float> positive_scores = {};   // no longer than `positives`: beyond the end there is no score
    std::vector<float> negative_scores = {};
    std::uint32_t source = 0;   // number of its input

    static constexpr float no_score = std::numeric_limits<float>::quiet_NaN();

    void add_positive(std::uint32_t number, float score = no_score) { add(positives, positive_scores, number, score); }
    void add_negative(std::uint32_t number, float score = no_score) { add(negatives, negative_scores, number, score); }

    /// The slot of a text's score; null where it is no text of this query.
    float* score_of(std::uint32_t number);

    /// Moves out all queries.
    PairQuery release(std::string id);

private:
    static void add(std::vector<std::uint32_t>& numbers, std::vector<float>& scores, std::uint32_t number, float score);
};

/// Texts to token ids; called from several threads at once.
using EncodeText = std::function<std::vector<TokenId>(std::string_view)>;

/// The writer, the queries so far, and the report.
class PairStoreBuild {
protected:
    /// \param writer  must outlive the build
    PairStoreBuild(PairStoreWriter& writer, EncodeText encode, PairStoreOptions options)
        : options_(std::move(options)), encode_(std::move(encode)), writer_(writer) {
        if (options_.keep_sources) { writer_.keep_sources(); }
        writer_.labels(options_.labels);
        writer_.prompts(options_.query_prompt, options_.document_prompt);
    }
    ~PairStoreBuild() = default;

    void progress(std::string_view what, std::uint64_t count) const;

    /// The token ids of a query and of a text behind their prompts; none of an empty one.
    [[nodiscard]] std::vector<TokenId> encode_query(std::string_view text) const;
    [[nodiscard]] std::vector<TokenId> encode_text(std::string_view text) const;

    void add_report(ReadReport const& more);

    /// Writes the queries in their order; `id(q)` is the name of query `q`, and `times(q)` says how often it stands in the store.
    template <class Id, class Times>
    PairStoreReport finish(Id&& id, Times&& times) {
        for (std::size_t q = 0; q < queries_.size(); ++q) {
            PairQuery query = queries_[q].release(std::string(id(q)));
            for (std::uint64_t left = times(q); left > 1; --left) { writer_.add(query); }
            if (times(q) != 0) { writer_.add(std::move(query)); }
            if (q % 4096 == 0) { progress("queries", q); }
        }
        std::string all;
        for (std::string const& source : report_.sources) { all += (all.empty() ? "" : "; ") + source; }
        writer_.source(std::move(all));
        report_.counts = writer_.finish();
        report_.reading.records = report_.counts.queries;
        return std::move(report_);
    }
    template <class Id>
    PairStoreReport finish(Id&& id) {
        return finish(std::forward<Id>(id), [](std::size_t) { return 1U; });
    }

    PairStoreOptions options_;
    EncodeText encode_;
    PairStoreWriter& writer_;
    std::vector<CollectedQuery> queries_;
    PairStoreReport report_;
};

}  // namespace detail

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE float* CollectedQuery::score_of(std::uint32_t number) {
    for (auto const& [numbers, scores] : {std::pair{&positives, &positive_scores}, {&negatives, &negative_scores}}) {
        auto const found = std::find(numbers->begin(), numbers->end(), number);
        if (found == numbers->end()) { continue; }
        scores->resize(numbers->size(), no_score);
        return &(*scores)[static_cast<std::size_t>(found - numbers->begin())];
    }
    return nullptr;
}

BMAE_INLINE PairQuery CollectedQuery::release(std::string id) {
    auto const fill = [](std::vector<float>& scores, std::size_t count) {
        if (!scores.empty()) { scores.resize(count, no_score); }
    };
    fill(positive_scores, positives.size());
    fill(negative_scores, negatives.size());
    return {.id = std::move(id),
            .tokens = std::exchange(tokens, {}),
            .positives = std::exchange(positives, {}),
            .negatives = std::exchange(negatives, {}),
            .positive_scores = std::exchange(positive_scores, {}),
            .negative_scores = std::exchange(negative_scores, {}),
            .source = source};
}

BMAE_INLINE void CollectedQuery::add(std::vector<std::uint32_t>& numbers, std::vector<float>& scores, std::uint32_t number,
                                     float score) {
    if (number == PairStoreWriter::no_text) { return; }
    if (!std::isnan(score)) {
        scores.resize(numbers.size(), no_score);
        scores.push_back(score);
    }
    numbers.push_back(number);
}

BMAE_INLINE void PairStoreBuild::progress(std::string_view what, std::uint64_t count) const {
    if (options_.progress) { options_.progress({.what = what, .count = count}); }
}

inline std::vector<TokenId> encode_behind(EncodeText const& encode, std::string const& prompt, std::string_view text) {
    std::vector<TokenId> tokens = encode(text);
    return prompt.empty() || tokens.empty() ? tokens : encode(prompt + std::string(text));
}

BMAE_INLINE std::vector<TokenId> PairStoreBuild::encode_query(std::string_view text) const {
    return encode_behind(encode_, options_.query_prompt, text);
}

BMAE_INLINE std::vector<TokenId> PairStoreBuild::encode_text(std::string_view text) const {
    return encode_behind(encode_, options_.document_prompt, text);
}

BMAE_INLINE void PairStoreBuild::add_report(ReadReport const& more) { report_.reading.add(more); }

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
