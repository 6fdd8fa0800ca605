// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sampling of the next token from the logits of a language model: greedy, top-k or nucleus.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Sampling options. Applied in this order: temperature, then top_k, then top_p of the rest.
struct SamplerOptions {
    bool greedy = false;      ///< the token of the highest score; nothing is drawn, other options have no effect
    double temperature = 1;   ///< divides the scores
    std::size_t top_k = 0;    ///< number of top tokens (Fan et al., arXiv 1805.04833); 0: all
    double top_p = 1;   ///< smallest set of tokens with at least this probability (Holtzman et al., arXiv 1904.09751); 1: all

    /// \throws InputError
    void validate() const {
        auto const refuse = [](std::string expected, double found) {
            throw InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = std::to_string(found)});
        };
        if (!(temperature > 0 && std::isfinite(temperature))) { refuse("a temperature above 0 (or greedy)", temperature); }
        if (!(top_p > 0 && top_p <= 1)) { refuse("a top_p above 0 and at most 1", top_p); }
    }
};

/// Samples tokens. Of equal scores the lower id comes first. Reuses its buffers; one object per thread.
class Sampler {
public:
    explicit Sampler(SamplerOptions options) : options_(options) { options_.validate(); }

    /// \param scores  [V] logits of one row
    /// \throws RunError  where all scores are NaN
    TokenId operator()(std::span<float const> scores, Draw& draw) {
        auto const best = std::max_element(scores.begin(), scores.end());
        float const highest = best == scores.end() ? -INFINITY : *best;
        if (!std::isfinite(highest)) { throw RunError("All logits of the model are NaN: check its weights."); }
        if (options_.greedy || options_.top_k == 1) { return static_cast<TokenId>(best - scores.begin()); }

        candidates_.resize(scores.size());
        for (std::size_t i = 0; i < scores.size(); ++i) {
            // A NaN has probability 0 and must not break the order.
            candidates_[i] = {std::isnan(scores[i]) ? -INFINITY : scores[i], static_cast<TokenId>(i)};
        }
        std::size_t count = candidates_.size();
        std::size_t sorted = 0;
        if (options_.top_k != 0 && options_.top_k < count) {
            count = sorted = options_.top_k;
            sort_first(0, count);
        }
        double total = 0;
        for (std::size_t i = 0; i < count; ++i) { total += weight(candidates_[i], highest); }
        if (options_.top_p < 1) {
            double const wanted = options_.top_p * total;
            double reached = 0;
            std::size_t kept = 0;
            while (kept < count && reached < wanted) {
                if (kept == sorted) {   // a nucleus is usually small: sorts only as much as needed
                    std::size_t const next = std::min(count, std::max<std::size_t>(64, sorted * 4));
                    sort_first(sorted, next);
                    sorted = next;
                }
                reached += weight(candidates_[kept++], highest);
            }
            count = kept;
            total = reached;
        }
        double left = draw.uniform() * total;
        for (std::size_t i = 0; i + 1 < count; ++i) {
            left -= weight(candidates_[i], highest);
            if (left < 0) { return candidates_[i].id; }
        }
        return candidates_[count - 1].id;
    }

private:
    struct Candidate {
        float score;
        TokenId id;
    };

    [[nodiscard]] double weight(Candidate const& candidate, float highest) const {
        return std::exp((static_cast<double>(candidate.score) - static_cast<double>(highest)) / options_.temperature);
    }

    /// Positions `from` to `to` hold the best of all from `from` on, in order.
    void sort_first(std::size_t from, std::size_t to) {
        auto const at = [&](std::size_t i) { return candidates_.begin() + static_cast<std::ptrdiff_t>(i); };
        std::partial_sort(at(from), at(to), candidates_.end(), [](Candidate const& a, Candidate const& b) {
            return a.score != b.score ? a.score > b.score : a.id < b.id;
        });
    }

    SamplerOptions options_;
    std::vector<Candidate> candidates_;
};

}  // namespace bmae
