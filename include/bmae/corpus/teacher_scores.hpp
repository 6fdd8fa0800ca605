// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Scores of several teachers as one: their mean, of scores as they are or normalized per query.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/corpus/pair_store_build.hpp>

namespace bmae {

/// What is done to the scores of a teacher before teachers are averaged.
enum class TeacherNormalization {
    none,   ///< nothing: the mean of the scores (Hofstaetter et al., arXiv 2010.02666), whose teachers have one scale
    z_score,   ///< of each query mean 0 and standard deviation 1 over what the teacher scored of it (all 0 where its scores are equal)
};

/// As command lines write it.
constexpr std::array<std::string_view, 2> names_of(TeacherNormalization) noexcept { return {"none", "z-score"}; }
constexpr std::string_view to_string(TeacherNormalization normalization) noexcept {
    return names_of(normalization)[static_cast<std::size_t>(normalization)];
}

namespace detail {

/// Adds up the scores of one teacher after the other. A pair that one of them did not score has no mean.
class TeacherMean {
public:
    explicit TeacherMean(TeacherNormalization normalization) : normalization_(normalization) {}

    /// Takes the scores out of the queries, which are the same at each call: the next teacher's are read into them.
    void take(std::vector<CollectedQuery>& queries) {
        sums_.resize(queries.size());
        for (std::size_t q = 0; q < queries.size(); ++q) {
            std::size_t const positives = queries[q].positives.size();
            std::vector<double> scores(positives + queries[q].negatives.size(), missing);
            fill(std::exchange(queries[q].positive_scores, {}), std::span(scores).first(positives));
            fill(std::exchange(queries[q].negative_scores, {}), std::span(scores).subspan(positives));
            if (normalization_ == TeacherNormalization::z_score) { normalize(scores); }
            sums_[q].resize(scores.size());
            for (std::size_t i = 0; i < scores.size(); ++i) { sums_[q][i].add(scores[i]); }
        }
        ++teachers_;
    }

    /// Gives the queries the means.
    /// \param unscored  receives query and number of the text of each pair that some teachers scored and others did not
    /// \returns         how many pairs have a mean
    template <class Unscored>
    std::uint64_t give(std::vector<CollectedQuery>& queries, Unscored&& unscored) const {
        std::uint64_t whole = 0;
        for (std::size_t q = 0; q < queries.size(); ++q) {
            CollectedQuery& query = queries[q];
            std::size_t const positives = query.positives.size();
            for (std::size_t i = 0; i < sums_[q].size(); ++i) {
                Sum const& sum = sums_[q][i];
                if (sum.scores == 0) { continue; }
                bool const positive = i < positives;
                std::size_t const at = positive ? i : i - positives;
                std::uint32_t const text = (positive ? query.positives : query.negatives)[at];
                if (sum.scores != teachers_) {
                    unscored(q, text);
                    continue;
                }
                std::vector<float>& scores = positive ? query.positive_scores : query.negative_scores;
                scores.resize(positive ? positives : query.negatives.size(), CollectedQuery::no_score);
                scores[at] = static_cast<float>(sum.value / static_cast<double>(teachers_));
                ++whole;
            }
        }
        return whole;
    }

private:
    static constexpr double missing = static_cast<double>(CollectedQuery::no_score);

    struct Sum {
        double value = 0;
        std::uint32_t scores = 0;   // that are in it

        void add(double score) {
            if (std::isnan(score)) { return; }
            value += score;
            ++scores;
        }
    };

    static void fill(std::vector<float> const& from, std::span<double> to) {
        for (std::size_t i = 0; i < from.size(); ++i) { to[i] = static_cast<double>(from[i]); }
    }

    /// Scores that are missing stay so.
    static void normalize(std::span<double> scores) {
        Sum sum;
        for (double const score : scores) { sum.add(score); }
        if (sum.scores == 0) { return; }
        double const mean = sum.value / sum.scores;
        Sum squares;
        bool differs = false;
        double first = missing;
        for (double const score : scores) {
            squares.add((score - mean) * (score - mean));
            if (std::isnan(first)) { first = score; }
            differs = differs || (!std::isnan(score) && score != first);
        }
        double const deviation = std::sqrt(squares.value / sum.scores);
        for (double& score : scores) {
            if (!std::isnan(score)) { score = differs ? (score - mean) / deviation : 0.0; }
        }
    }

    TeacherNormalization normalization_;
    std::vector<std::vector<Sum>> sums_ = {};   // [queries][positives, then negatives]
    std::uint32_t teachers_ = 0;
};

}  // namespace detail

}  // namespace bmae
