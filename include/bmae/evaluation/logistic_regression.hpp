// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Logistic regression on fixed vectors, solved to its optimum: deterministic, without a learning rate.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <bmae/values/error.hpp>

namespace bmae {

/// Rows of features.                                                                    [N, D]
using FeatureMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Scores per class are weights * x + bias; the largest wins. With two classes one row decides: above 0 is class 1.
struct LinearClassifier {
    FeatureMatrix weights = {};   ///< [C, D]; [1, D] for two classes
    Eigen::VectorXf bias = {};    ///< [C] or [1]

    /// The class of each row.                                                           [N]
    [[nodiscard]] std::vector<std::int32_t> predict(FeatureMatrix const& rows) const {
        FeatureMatrix const scores = (rows * weights.transpose()).rowwise() + bias.transpose();
        std::vector<std::int32_t> classes;
        for (Eigen::Index i = 0; i < scores.rows(); ++i) {
            Eigen::Index best = 0;
            scores.row(i).maxCoeff(&best);
            classes.push_back(scores.cols() == 1 ? (scores(i, 0) > 0 ? 1 : 0) : static_cast<std::int32_t>(best));
        }
        return classes;
    }
};

struct LogisticOptions {
    double inverse_strength =
        1;   ///< C of scikit-learn: the sum of losses counts so much beside half the squared weights; the bias is free
    double tolerance = 1e-5;   ///< largest element of the gradient, over C and the number of rows
    std::size_t most_steps = 2000;
};

namespace detail {

/// Minimizes a smooth convex function by L-BFGS with a backtracking line search.
/// \param value  the function and its gradient at a point
/// \returns false where `most_steps` did not reach the tolerance
inline bool minimize(Eigen::VectorXd& point, std::function<double(Eigen::VectorXd const&, Eigen::VectorXd&)> const& value,
                     double tolerance, std::size_t most_steps) {
    constexpr std::size_t memory = 10;
    std::deque<std::pair<Eigen::VectorXd, Eigen::VectorXd>> history;   // steps and changes of the gradient
    Eigen::VectorXd gradient(point.size()), next_gradient(point.size());
    double current = value(point, gradient);
    for (std::size_t step = 0; step < most_steps; ++step) {
        if (gradient.cwiseAbs().maxCoeff() <= tolerance) { return true; }
        Eigen::VectorXd direction = -gradient;
        std::vector<double> weights;
        for (auto const& [s, y] : history) {
            weights.push_back(s.dot(direction) / s.dot(y));
            direction -= weights.back() * y;
        }
        if (history.empty()) {
            direction /= std::max(1., gradient.norm());
        } else {
            auto const& [s, y] = history.front();
            direction *= s.dot(y) / y.squaredNorm();
        }
        for (std::size_t i = history.size(); i-- > 0;) {
            auto const& [s, y] = history[i];
            direction += (weights[i] - y.dot(direction) / s.dot(y)) * s;
        }
        double const slope = gradient.dot(direction);
        double length = 1;
        Eigen::VectorXd next = point + direction;
        double reached = value(next, next_gradient);
        while (!(reached <= current + 1e-4 * length * slope) && length > 1e-12) {
            length /= 2;
            next = point + length * direction;
            reached = value(next, next_gradient);
        }
        if (!(reached < current)) { return gradient.cwiseAbs().maxCoeff() <= tolerance * 100; }   // at the precision of the sum
        Eigen::VectorXd change = next_gradient - gradient;
        if (change.dot(next - point) > 1e-300) {
            history.emplace_front(next - point, std::move(change));
            if (history.size() > memory) { history.pop_back(); }
        }
        point = std::move(next);
        std::swap(gradient, next_gradient);
        current = reached;
    }
    return false;
}

/// Mean loss and gradient of one logit per row.                                          point [D + 1], bias last
inline double binary_loss(FeatureMatrix const& rows, std::vector<std::int32_t> const& labels, Eigen::VectorXd const& point,
                          Eigen::VectorXd& gradient) {
    Eigen::Index const width = rows.cols();
    Eigen::VectorXf const logits = rows * point.head(width).cast<float>();
    Eigen::VectorXf residuals(rows.rows());
    double loss = 0, total = 0;
    for (Eigen::Index i = 0; i < rows.rows(); ++i) {
        double const logit = static_cast<double>(logits[i]) + point[width];
        double const away = labels[static_cast<std::size_t>(i)] == 1 ? -logit : logit;   // large where wrong
        loss += std::max(away, 0.) + std::log1p(std::exp(-std::abs(away)));
        double const residual = 1 / (1 + std::exp(-logit)) - (labels[static_cast<std::size_t>(i)] == 1 ? 1 : 0);
        residuals[i] = static_cast<float>(residual);
        total += residual;
    }
    gradient.head(width) = (rows.transpose() * residuals).cast<double>();
    gradient[width] = total;
    return loss;
}

/// The same of a softmax over classes.                                                   point [C * (D + 1)], row by row, bias last
inline double softmax_loss(FeatureMatrix const& rows, std::vector<std::int32_t> const& labels, Eigen::Index classes,
                           Eigen::VectorXd const& point, Eigen::VectorXd& gradient) {
    using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    Eigen::Index const width = rows.cols();
    Eigen::Map<Rows const> const weights(point.data(), classes, width + 1);
    Eigen::Map<Rows> gradients(gradient.data(), classes, width + 1);
    FeatureMatrix residuals = rows * weights.leftCols(width).cast<float>().transpose();
    Eigen::VectorXd totals = Eigen::VectorXd::Zero(classes);
    double loss = 0;
    for (Eigen::Index i = 0; i < rows.rows(); ++i) {
        Eigen::ArrayXd const logits = residuals.row(i).transpose().cast<double>().array() + weights.col(width).array();
        double const peak = logits.maxCoeff();
        Eigen::ArrayXd shares = (logits - peak).exp();
        double const sum = shares.sum();
        Eigen::Index const label = labels[static_cast<std::size_t>(i)];
        loss += std::log(sum) + peak - logits[label];
        shares /= sum;
        shares[label] -= 1;
        totals += shares.matrix();
        residuals.row(i) = shares.matrix().transpose().cast<float>();
    }
    gradients.leftCols(width) = (residuals.transpose() * rows).cast<double>();
    gradients.col(width) = totals;
    return loss;
}

}  // namespace detail

/// Minimizes C * sum of losses + |weights|^2 / 2 (sklearn.linear_model.LogisticRegression): logistic for two classes, softmax for more.
/// \param labels  [N] from 0 to classes - 1
/// \throws InputError  for no rows, a label out of range, or where all labels are one class
inline LinearClassifier fit_logistic(FeatureMatrix const& rows, std::vector<std::int32_t> const& labels, std::int32_t classes,
                                     LogisticOptions const& options = {}) {
    auto const refuse = [](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found)});
    };
    if (labels.size() != static_cast<std::size_t>(rows.rows()) || labels.empty()) {
        throw refuse("a label per row, one at least", std::to_string(labels.size()));
    }
    auto const [least, most] = std::minmax_element(labels.begin(), labels.end());
    if (*least < 0 || *most >= classes) { throw refuse("labels below " + std::to_string(classes), std::to_string(*most)); }
    if (*least == *most) { throw refuse("labels of two classes or more", "one class alone"); }
    Eigen::Index const width = rows.cols(), heads = classes == 2 ? 1 : classes;
    double const count = static_cast<double>(rows.rows()), strength = 1 / (options.inverse_strength * count);
    Eigen::VectorXd point = Eigen::VectorXd::Zero(heads * (width + 1));
    detail::minimize(
        point,
        [&](Eigen::VectorXd const& at, Eigen::VectorXd& gradient) {
            double loss = (heads == 1 ? detail::binary_loss(rows, labels, at, gradient)
                                      : detail::softmax_loss(rows, labels, heads, at, gradient)) /
                          count;
            gradient /= count;
            for (Eigen::Index head = 0; head < heads; ++head) {
                auto const weights = at.segment(head * (width + 1), width);
                loss += strength * weights.squaredNorm() / 2;
                gradient.segment(head * (width + 1), width) += strength * weights;
            }
            return loss;
        },
        options.tolerance, options.most_steps);
    LinearClassifier classifier{FeatureMatrix(heads, width), Eigen::VectorXf(heads)};
    for (Eigen::Index head = 0; head < heads; ++head) {
        classifier.weights.row(head) = point.segment(head * (width + 1), width).transpose().cast<float>();
        classifier.bias[head] = static_cast<float>(point[head * (width + 1) + width]);
    }
    return classifier;
}

}  // namespace bmae
