// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Scores of pairs of vectors, and how the vectors of a model lie in space: alignment, uniformity, isotropy.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <Eigen/Eigenvalues>

#include <bmae/values/error.hpp>

namespace bmae {

/// How two vectors are compared; larger is more similar.
enum class PairScore {
    cosine,   ///< 0 where one vector is zero, as SentEval
    dot,
    euclidean,   ///< minus the distance
    manhattan,   ///< minus the distance
};
constexpr std::array<std::string_view, 4> names_of(PairScore) noexcept { return {"cosine", "dot", "euclidean", "manhattan"}; }

namespace detail {

using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline void require_rows(std::span<float const> values, std::size_t width) {
    if (width != 0 && values.size() % width == 0) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "rows of " + std::to_string(width) + " numbers",
                                .found = std::to_string(values.size()) + " numbers"});
}

/// Rows of length 1; zero rows stay zero.                                                        [N, D]
inline RowMatrix unit_rows(std::span<float const> rows, std::size_t width) {
    require_rows(rows, width);
    RowMatrix units = Eigen::Map<RowMatrix const>(rows.data(), static_cast<Eigen::Index>(rows.size() / width),
                                                  static_cast<Eigen::Index>(width));
    for (Eigen::Index i = 0; i < units.rows(); ++i) {
        float const length = units.row(i).norm();
        if (length > 0) { units.row(i) /= length; }
    }
    return units;
}

}  // namespace detail

/// The score of a pair, in double precision. \param a,b  [D]
inline double pair_score(std::span<float const> a, std::span<float const> b, PairScore score) {
    double dot = 0, first = 0, second = 0, square = 0, absolute = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        double const x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
        dot += x * y;
        first += x * x;
        second += y * y;
        square += (x - y) * (x - y);
        absolute += std::abs(x - y);
    }
    switch (score) {
        case PairScore::dot:
            return dot;
        case PairScore::euclidean:
            return -std::sqrt(square);
        case PairScore::manhattan:
            return -absolute;
        case PairScore::cosine:
            break;
    }
    return first == 0 || second == 0 ? 0 : dot / std::sqrt(first * second);
}

/// The scores of N pairs. \param a,b  [N, D]   \returns [N]
/// Throws InputError for rows that are not of this width, or another number of them.
inline std::vector<double> pair_scores(std::span<float const> a, std::span<float const> b, std::size_t width, PairScore score) {
    detail::require_rows(a, width);
    if (a.size() != b.size()) { throw InputError("bmae: both sides of the pairs have as many vectors."); }
    std::vector<double> scores;
    for (std::size_t i = 0; i < a.size(); i += width) {
        scores.push_back(pair_score(a.subspan(i, width), b.subspan(i, width), score));
    }
    return scores;
}

/// Mean squared distance of the two vectors of positive pairs, each of length 1 (Wang, Isola, ICML 2020, equation 2 with alpha 2); smaller is better.
/// \param a,b  [N, D]   \returns nothing without pairs
inline std::optional<double> alignment(std::span<float const> a, std::span<float const> b, std::size_t width) {
    auto const first = detail::unit_rows(a, width), second = detail::unit_rows(b, width);
    if (first.rows() != second.rows()) { throw InputError("bmae: both sides of the pairs have as many vectors."); }
    if (first.rows() == 0) { return std::nullopt; }
    return (first - second).cast<double>().rowwise().squaredNorm().mean();
}

/// log of the mean of exp(-2 |x - y|^2) over all pairs of vectors, each of length 1 (the same paper, equation 3 with t 2); smaller is more uniform.
/// \param rows  [N, D]   \returns nothing for fewer than two vectors
inline std::optional<double> uniformity(std::span<float const> rows, std::size_t width) {
    auto const units = detail::unit_rows(rows, width);
    Eigen::Index const count = units.rows();
    if (count < 2) { return std::nullopt; }
    Eigen::VectorXf const squares = units.rowwise().squaredNorm();
    constexpr Eigen::Index block = 256;
    double total = 0;
    for (Eigen::Index begin = 0; begin < count; begin += block) {
        Eigen::Index const taken = std::min(block, count - begin);
        detail::RowMatrix const products = units.middleRows(begin, taken) * units.transpose();
        for (Eigen::Index i = 0; i < taken; ++i) {
            for (Eigen::Index j = begin + i + 1; j < count; ++j) {
                double const distance = static_cast<double>(squares[begin + i]) + static_cast<double>(squares[j]) -
                                        2 * static_cast<double>(products(i, j));
                total += std::exp(-2 * std::max(0., distance));
            }
        }
    }
    auto const pairs = static_cast<double>(count) * static_cast<double>(count - 1) / 2;
    return std::log(total / pairs);
}

/// min Z(c) / max Z(c), Z(c) the sum of exp(c . x), over the eigenvectors c of the vectors' second moments and their opposites (Mu, Viswanath, ICLR 2018): 1
/// where the vectors lie alike in all directions, 0 where in one.
/// \param rows  [N, D]   \returns nothing without vectors
inline std::optional<double> isotropy(std::span<float const> rows, std::size_t width) {
    detail::require_rows(rows, width);
    if (rows.empty()) { return std::nullopt; }
    Eigen::Map<detail::RowMatrix const> const vectors(rows.data(), static_cast<Eigen::Index>(rows.size() / width),
                                                      static_cast<Eigen::Index>(width));
    Eigen::MatrixXd const values = vectors.cast<double>();
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> const solver(values.transpose() * values);
    double least = 0, most = 0;
    for (Eigen::Index c = 0; c < solver.eigenvectors().cols(); ++c) {
        Eigen::VectorXd const along = values * solver.eigenvectors().col(c);
        for (double const sign : {1., -1.}) {
            double const peak = (sign * along.array()).maxCoeff();
            double const log_sum = peak + std::log((sign * along.array() - peak).exp().sum());
            bool const first = c == 0 && sign > 0;
            least = first ? log_sum : std::min(least, log_sum);
            most = first ? log_sum : std::max(most, log_sum);
        }
    }
    return std::exp(least - most);
}

}  // namespace bmae
