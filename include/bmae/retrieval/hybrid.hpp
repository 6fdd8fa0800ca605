// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Fusion of two runs, a lexical and a dense one: `fuse_runs` (retrieval/fusion.hpp) of two.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include <bmae/retrieval/fusion.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

struct ReciprocalRankOptions {
    double k = 60;              ///< rank constant k (the paper's value)
    std::size_t depth = 1000;   ///< hits kept per query
    double first_weight = 1;
    double second_weight = 1;
};

struct WeightedSumOptions {
    double first_weight = 0.5;   ///< the second run has 1 - first_weight
    Normalization normalization = Normalization::min_max;
    std::size_t depth = 1000;   ///< hits kept per query
};

/// score(d) = sum over runs of weight / (k + rank of d); runs that lack d add nothing (Cormack, Clarke, Buettcher, SIGIR 2009).
///
/// Queries: those of the first run, then those of the second run alone. Of equal scores the smaller id comes first.
inline Run reciprocal_rank_fusion(Run const& first, Run const& second, ReciprocalRankOptions const& options = {}) {
    std::array const runs{&first, &second};
    return fuse_runs(runs, {.weights = {options.first_weight, options.second_weight}, .k = options.k, .depth = options.depth},
                     /*exact=*/false);
}

/// score(d) = w s1(d) + (1 - w) s2(d) with the scores of each query normalized run by run. A run that lacks d gives it the
/// (normalized) score of its last hit, as if d were ranked next.
inline Run weighted_sum(Run const& first, Run const& second, WeightedSumOptions const& options = {}) {
    if (!(options.first_weight >= 0 && options.first_weight <= 1)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a weight in 0..1",
                                    .found = std::to_string(options.first_weight),
                                    .hint = "1 means the first run alone."});
    }
    std::array const runs{&first, &second};
    return fuse_runs(runs,
                     {.method = FusionMethod::weighted,
                      .weights = {options.first_weight, 1 - options.first_weight},
                      .normalization = options.normalization,
                      .depth = options.depth},
                     /*exact=*/false);
}

}  // namespace bmae
