// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Evaluation rules of other tools, which differ in ties, precision and denominators of the same metric.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <bmae/values/error.hpp>

namespace bmae {

/// Which of two documents with equal scores comes first.
enum class TieOrder {
    document_descending,   ///< the one whose id is larger byte by byte (trec_eval)
    document_ascending,    ///< the one whose id is smaller (sentence-transformers)
    run_order,             ///< the one that the run lists first
    ranx,                  ///< as ranx's quicksort leaves them: in run order for fewer than 16 hits, else by its swaps
    ranx_comparable,   ///< the same with make_comparable=True, which sorts once more; counting missing queries as 0 implies it
};

/// The value of a judged query without results.
enum class MissingQuery {
    zero,    ///< 0 in every mean (trec_eval -c)
    skip,    ///< skipped: means are over the queries with results (trec_eval without -c)
    error,   ///< an error
};

/// The rules for ranking by scores and for means over queries.
struct Profile {
    std::string_view name = "trec9";
    bool double_scores = false;   ///< compare scores in double precision; false: in float32
    TieOrder ties = TieOrder::document_descending;
    MissingQuery missing = MissingQuery::skip;
    std::string_view missing_setting = "trec_eval -c";   ///< how the tool is told to count missing queries as 0; empty: it is not
    bool mrr_as_listed = false;                          ///< MRR alone: double scores, ties in run order, missing queries count 0
    bool drop_query_itself = false;                      ///< leave out a document whose id is the query's
    bool binary_gains = false;                           ///< every relevant document gains 1 in nDCG
    bool level_cuts_gains = false;                       ///< grades below the relevance level gain nothing in nDCG
    bool capped_average_precision = false;               ///< average precision at k divides by min(k, relevant)
    bool skip_without_relevant = false;   ///< leave out queries that have no relevant document; false: they count 0
};

namespace profiles {

/// trec_eval 9.0.8 without flags: float32 scores, ties by id descending, means over the judged queries with results.
inline constexpr Profile trec9{};

/// trec_eval 10.0: as 9, in double precision.
inline constexpr Profile trec10{.name = "trec10", .double_scores = true};

/// pytrec_eval, which is trec_eval 9: it evaluates the queries that run and judgments share.
inline constexpr Profile pytrec_eval{.name = "pytrec_eval", .missing_setting = {}};

/// beir 2: pytrec_eval over queries with results, a document with the query's id left out; MRR is BEIR's own, with ties in
/// the order of the run and the number of judged queries as divisor.
inline constexpr Profile beir{.name = "beir", .missing_setting = {}, .mrr_as_listed = true, .drop_query_itself = true};

/// Current mteb, whose MRR breaks ties as its other measures: pytrec_eval over the queries with results.
inline constexpr Profile mteb{.name = "mteb", .missing_setting = {}};

/// The official MS MARCO script: means over all judged queries; equal scores stay in the order of the run, since its runs are
/// ranks.
inline constexpr Profile msmarco{
    .name = "msmarco", .double_scores = true, .ties = TieOrder::run_order, .missing = MissingQuery::zero, .binary_gains = true};

/// InformationRetrievalEvaluator of sentence-transformers: ties by id ascending, binary relevance, MAP@k over
/// min(k, relevant).
inline constexpr Profile sentence_transformers{.name = "sentence-transformers",
                                               .double_scores = true,
                                               .ties = TieOrder::document_ascending,
                                               .missing = MissingQuery::zero,
                                               .binary_gains = true,
                                               .capped_average_precision = true,
                                               .skip_without_relevant = true};

/// ranx 0.3: an unstable sort of double scores, grades below the relevance level gain nothing, and missing queries are refused.
inline constexpr Profile ranx{.name = "ranx",
                              .double_scores = true,
                              .ties = TieOrder::ranx,
                              .missing = MissingQuery::error,
                              .missing_setting = "make_comparable=True of ranx",
                              .level_cuts_gains = true};

inline constexpr std::array<Profile, 8> all = {trec9, trec10, pytrec_eval, beir, mteb, msmarco, sentence_transformers, ranx};

}  // namespace profiles

/// \throws InputError  listing the known names
inline Profile profile_from_name(std::string_view name) {
    std::string known;
    for (Profile const& profile : profiles::all) {
        if (profile.name == name) { return profile; }
        known.append(known.empty() ? "" : ", ").append(profile.name);
    }
    throw InputError(Diagnostic{.file = {},
                                .expected = "the name of an evaluation profile",
                                .found = '\'' + std::string(name) + '\'',
                                .hint = "Known: " + known + '.'});
}

}  // namespace bmae
