// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The results of an evaluation, with the counts needed to compare reports.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/metrics/any_metric.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Means and values of every query, with the counts that make two reports comparable.
struct Report {
    std::string profile = {};                  ///< name of the evaluation profile
    std::vector<std::string> measures = {};    ///< [M] "ndcg@10", ...
    std::vector<std::string> labels = {};      ///< [M] the same by the names that were asked for: "ndcg_cut_10"
    std::vector<double> means = {};            ///< [M]
    std::vector<std::string> queries = {};     ///< [Q] in ascending order of ids, those included in the means
    std::vector<double> values = {};           ///< [Q, M]
    std::vector<std::uint8_t> answered = {};   ///< [Q] 0 for a missing query that counts as 0

    std::size_t judged_queries = 0;             ///< queries of the judgments
    std::size_t answered_queries = 0;           ///< of these, in the run
    std::size_t missing_queries = 0;            ///< of these, not in the run
    std::size_t left_out_queries = 0;           ///< of these, left out of the means; the others count 0
    std::size_t unjudged_queries = 0;           ///< queries of the run without judgments: ignored
    std::size_t queries_without_relevant = 0;   ///< judged, but without a relevant document
    std::size_t tie_depth = 0;                  ///< the k of the next two
    std::size_t tied_hits = 0;                  ///< hits within rank k whose score another hit of the query has too
    std::size_t tied_queries = 0;               ///< queries with such hits: their values depend on tie breaking
    std::size_t unjudged_depth = 0;             ///< the k of the next
    double unjudged_share = 0;                  ///< share of unjudged documents within rank k, mean over queries with results
    std::size_t own_hits = 0;                   ///< hits whose id is that of their query, dropped by the profile
    std::size_t own_queries = 0;                ///< queries with such a hit
    std::size_t retrieved = 0;                  ///< hits of the queries with results
    std::size_t relevant = 0;                   ///< relevant documents of the counted queries
    std::size_t relevant_retrieved = 0;         ///< of these, retrieved

    /// The mean of a measure. \throws InputError listing the measures of this report
    [[nodiscard]] double operator[](std::string_view measure) const { return means[column(measure)]; }

    /// The value of one query. \throws InputError for an unknown measure or query
    [[nodiscard]] double value(std::string_view query, std::string_view measure) const {
        auto const found = std::lower_bound(queries.begin(), queries.end(), query);
        if (found == queries.end() || *found != query) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a query of this report",
                                        .found = '\'' + std::string(query) + '\'',
                                        .hint = "Look at `queries`."});
        }
        return values[static_cast<std::size_t>(found - queries.begin()) * measures.size() + column(measure)];
    }

    /// The number of a measure, by either of its names.
    [[nodiscard]] std::size_t column(std::string_view measure) const {
        for (std::vector<std::string> const* names : {&measures, &labels}) {
            auto const found = std::find(names->begin(), names->end(), measure);
            if (found != names->end()) { return static_cast<std::size_t>(found - names->begin()); }
        }
        std::string known;
        for (std::string const& name : measures) { known.append(known.empty() ? "" : ", ").append(name); }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a measure of this report",
                                    .found = '\'' + std::string(measure) + '\'',
                                    .hint = "It holds: " + known + '.'});
    }

    /// Lines `measure <tab> query <tab> value` with the names and the four digits of trec_eval: `trec_eval` or, per query,
    /// `trec_eval -q`.
    [[nodiscard]] std::string trec_text(bool per_query = false) const {
        std::string text;
        for (std::size_t q = 0; per_query && q < queries.size(); ++q) {
            for (std::size_t m = 0; m < measures.size(); ++m) {
                append_line(text, trec_name(measures[m]), queries[q], values[q * measures.size() + m]);
            }
        }
        append_line(text, "num_q", "all", queries.size());
        append_line(text, "num_ret", "all", retrieved);
        append_line(text, "num_rel", "all", relevant);
        append_line(text, "num_rel_ret", "all", relevant_retrieved);
        for (std::size_t m = 0; m < measures.size(); ++m) { append_line(text, trec_name(measures[m]), "all", means[m]); }
        return text;
    }

    /// The counts behind the means, in one line.
    [[nodiscard]] std::string summary() const {
        char share[32];
        std::snprintf(share, sizeof share, "%.1f", unjudged_share * 100);
        return "profile " + profile + ": " + std::to_string(queries.size()) + " of " + std::to_string(judged_queries) +
               " judged queries counted, " + std::to_string(missing_queries) + " missing in the run" +
               (left_out_queries != 0  ? " and left out, "
                : missing_queries != 0 ? " and counted as 0, "
                                       : ", ") +
               std::to_string(unjudged_queries) + " of the run without judgments, " + std::to_string(queries_without_relevant) +
               " without a relevant document; " +
               (own_hits == 0 ? std::string()
                              : std::to_string(own_hits) + " hits whose id is their query's dropped, in " +
                                    std::to_string(own_queries) + " queries; ") +
               std::to_string(tied_hits) + " tied hits at rank " + std::to_string(tie_depth) + " or better in " +
               std::to_string(tied_queries) + " queries; unjudged@" + std::to_string(unjudged_depth) + ' ' + share + " %";
    }

private:
    static void append_name(std::string& text, std::string_view measure, std::string_view query) {
        text.append(measure)
            .append(measure.size() < 22 ? 22 - measure.size() : 0, ' ')
            .append(1, '\t')
            .append(query)
            .append(1, '\t');
    }
    static void append_line(std::string& text, std::string_view measure, std::string_view query, double value) {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%6.4f", value);
        append_name(text, measure, query);
        text.append(digits).append(1, '\n');
    }
    static void append_line(std::string& text, std::string_view measure, std::string_view query, std::size_t value) {
        append_name(text, measure, query);
        text.append(std::to_string(value)).append(1, '\n');
    }
};

}  // namespace bmae
