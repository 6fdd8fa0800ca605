// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SentEval's protocol: how well a linear classifier on fixed vectors does, with folds and grids as published (Conneau, Kiela, LREC 2018).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <bmae/detail/parallel.hpp>
#include <bmae/evaluation/logistic_regression.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How a classifier is trained.
enum class TransferSolver {
    senteval,   ///< Adam with early stopping on held-out rows, as papers report
    convex,     ///< to the optimum of the regularized loss: nothing is drawn
};
constexpr std::array<std::string_view, 2> names_of(TransferSolver) noexcept { return {"senteval", "convex"}; }

/// Vectors with labels.
struct LabeledVectors {
    FeatureMatrix rows = {};                 ///< [N, D]
    std::vector<std::int32_t> labels = {};   ///< [N] from 0
};

/// SentEval's settings; its "prototyping" configuration has 5 folds, rows 128, tenacity 3 and epochs 2.
struct TransferOptions {
    TransferSolver solver = TransferSolver::senteval;
    std::size_t folds = 10;   ///< at least 2
    std::uint32_t seed = 1111;
    std::size_t batch_rows = 64;
    std::size_t tenacity = 5;   ///< training ends with the next check after so many without improvement
    std::size_t epochs = 4;     ///< between two checks
    std::size_t most_epochs = 200;
    unsigned threads = 0;   ///< 0: one per processor; the result does not depend on it
    std::function<void(std::size_t done, std::size_t total)> on_progress = {};   ///< fits; may throw to stop
};

struct TransferResult {
    double dev = 0;                             ///< accuracy in percent of the best regularization, by folds of the training rows
    double test = 0;                            ///< accuracy in percent
    std::vector<double> fold_tests = {};        ///< [folds] of nested folds; empty where test rows were given
    std::vector<double> regularization = {};    ///< that was chosen, per fold
    std::vector<std::int32_t> predicted = {};   ///< [test rows] where they were given
};

namespace detail {

/// numpy's RandomState(seed).
class NumpyDraws {
public:
    explicit NumpyDraws(std::uint32_t seed) : engine_(seed) {}

    template <class T>
    void shuffle(std::vector<T>& values) {
        for (std::size_t i = values.size(); i-- > 1;) { std::swap(values[i], values[up_to(static_cast<std::uint32_t>(i))]); }
    }
    std::vector<std::size_t> permutation(std::size_t count) {
        std::vector<std::size_t> order(count);
        std::iota(order.begin(), order.end(), std::size_t{0});
        shuffle(order);
        return order;
    }

private:
    /// Uniform in [0, most]: bits under a mask, drawn again where they are too large.
    std::size_t up_to(std::uint32_t most) {
        std::uint32_t mask = most;
        for (int shift = 1; shift < 32; shift *= 2) { mask |= mask >> shift; }
        while (true) {
            auto const value = static_cast<std::uint32_t>(engine_()) & mask;
            if (value <= most) { return value; }
        }
    }

    std::mt19937 engine_;
};

/// The fold in which each row is tested: sklearn's StratifiedKFold(folds, shuffle=True, random_state=seed).        [N]
/// \throws InputError  where a class has fewer rows than there are folds, or there is one class
inline std::vector<std::size_t> stratified_folds(std::vector<std::int32_t> const& labels, std::size_t folds, std::uint32_t seed) {
    std::vector<std::int32_t> classes;   // in order of occurrence
    for (std::int32_t const label : labels) {
        if (std::find(classes.begin(), classes.end(), label) == classes.end()) { classes.push_back(label); }
    }
    std::vector<std::vector<std::size_t>> members(classes.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
        members[static_cast<std::size_t>(std::find(classes.begin(), classes.end(), labels[i]) - classes.begin())].push_back(i);
    }
    for (std::size_t c = 0; c < classes.size(); ++c) {
        if (members[c].size() >= folds && classes.size() > 1) { continue; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "two classes or more, each with a row per fold (" + std::to_string(folds) + ")",
                                    .found = std::to_string(members[c].size()) + " rows of class " + std::to_string(classes[c]) +
                                             ", of " + std::to_string(classes.size()) + " classes",
                                    .hint = "Take fewer folds."});
    }
    NumpyDraws draws(seed);
    std::vector<std::size_t> fold_of(labels.size());
    for (std::size_t c = 0, before = 0; c < classes.size(); before += members[c++].size()) {
        std::vector<std::size_t> list;   // in the sorted labels, row i of all is counted for fold i % folds
        for (std::size_t fold = 0; fold < folds; ++fold) {
            std::size_t const first = (fold + folds - before % folds) % folds;
            for (std::size_t i = first; i < members[c].size(); i += folds) { list.push_back(fold); }
        }
        draws.shuffle(list);
        for (std::size_t i = 0; i < list.size(); ++i) { fold_of[members[c][i]] = list[i]; }
    }
    return fold_of;
}

inline LabeledVectors taken(LabeledVectors const& all, std::span<std::size_t const> places) {
    LabeledVectors some{.rows = FeatureMatrix(static_cast<Eigen::Index>(places.size()), all.rows.cols())};
    for (std::size_t i = 0; i < places.size(); ++i) {
        some.rows.row(static_cast<Eigen::Index>(i)) = all.rows.row(static_cast<Eigen::Index>(places[i]));
        some.labels.push_back(all.labels[places[i]]);
    }
    return some;
}

/// Rows outside and inside of a fold.
inline std::pair<LabeledVectors, LabeledVectors> split_fold(LabeledVectors const& all, std::vector<std::size_t> const& fold_of,
                                                            std::size_t fold) {
    std::vector<std::size_t> outside, inside;
    for (std::size_t i = 0; i < fold_of.size(); ++i) { (fold_of[i] == fold ? inside : outside).push_back(i); }
    return {taken(all, outside), taken(all, inside)};
}

inline double share_correct(std::vector<std::int32_t> const& predicted, std::vector<std::int32_t> const& labels) {
    std::size_t equal = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) { equal += predicted[i] == labels[i] ? 1U : 0U; }
    return static_cast<double>(equal) / static_cast<double>(labels.size());
}

/// Percent with two decimals, as SentEval chooses and reports.
inline double percent(double share) { return std::nearbyint(share * 10'000) / 100; }

/// A linear layer under Adam, one score per class.
class AdamClassifier {
public:
    AdamClassifier(Eigen::Index width, std::int32_t classes, double decay, std::uint32_t seed)
        : decay_(static_cast<float>(decay)) {
        std::mt19937 draws(seed);   // as torch.nn.Linear starts under torch.manual_seed
        float const bound = 1 / std::sqrt(static_cast<float>(width));
        auto const uniform = [&] { return static_cast<float>(draws() & 0xffffffU) * 0x1p-24F * (bound + bound) - bound; };
        parameters_ = FeatureMatrix(classes, width + 1);
        for (Eigen::Index c = 0; c < classes; ++c) {
            for (Eigen::Index i = 0; i < width; ++i) { parameters_(c, i) = uniform(); }
        }
        for (Eigen::Index c = 0; c < classes; ++c) { parameters_(c, width) = uniform(); }
        first_ = second_ = FeatureMatrix::Zero(classes, width + 1);
    }

    void step(FeatureMatrix const& rows, std::span<std::int32_t const> labels) {
        Eigen::Index const width = rows.cols();
        FeatureMatrix shares = (rows * parameters_.leftCols(width).transpose()).rowwise() + parameters_.col(width).transpose();
        for (Eigen::Index i = 0; i < rows.rows(); ++i) {
            shares.row(i) = (shares.row(i).array() - shares.row(i).maxCoeff()).exp();
            shares.row(i) /= shares.row(i).sum();
            shares(i, labels[static_cast<std::size_t>(i)]) -= 1;
        }
        shares /= static_cast<float>(rows.rows());
        FeatureMatrix gradient(parameters_.rows(), parameters_.cols());
        gradient.leftCols(width).noalias() = shares.transpose() * rows;
        gradient.col(width) = shares.colwise().sum().transpose();
        gradient += decay_ * parameters_;
        ++steps_;
        first_ = .9F * first_ + .1F * gradient;
        second_ = .999F * second_ + .001F * gradient.cwiseAbs2();
        auto const rate = static_cast<float>(.001 / (1 - std::pow(.9, steps_)));
        auto const scale = static_cast<float>(std::sqrt(1 - std::pow(.999, steps_)));
        parameters_.array() -= rate * first_.array() / (second_.array().sqrt() / scale + 1e-8F);
    }

    [[nodiscard]] LinearClassifier classifier() const {
        Eigen::Index const width = parameters_.cols() - 1;
        return {parameters_.leftCols(width), parameters_.col(width)};
    }

private:
    float decay_;
    FeatureMatrix parameters_, first_, second_;   // [C, D + 1], bias last
    double steps_ = 0;
};

/// Trains with early stopping on held-out rows.
/// \param held  nothing: 5 % of the rows
inline LinearClassifier fit_senteval(LabeledVectors const& all, std::optional<LabeledVectors> held, std::int32_t classes,
                                     double decay, TransferOptions const& options) {
    NumpyDraws draws(options.seed);
    AdamClassifier model(all.rows.cols(), classes, decay, options.seed);
    LabeledVectors kept;
    if (!held) {
        auto const order = draws.permutation(all.labels.size());
        std::size_t const out = std::max<std::size_t>(1, all.labels.size() / 20);
        held = taken(all, std::span(order).first(out));
        kept = taken(all, std::span(order).subspan(out));
    }
    LabeledVectors const& train = kept.labels.empty() ? all : kept;
    LinearClassifier best;
    double best_share = -1;
    std::size_t fails = 0;
    for (std::size_t epoch = 0; epoch <= options.most_epochs; epoch += options.epochs) {
        for (std::size_t i = 0; i < options.epochs; ++i) {
            auto const order = draws.permutation(train.labels.size());
            for (std::size_t begin = 0; begin < order.size(); begin += options.batch_rows) {
                auto const batch =
                    taken(train, std::span(order).subspan(begin, std::min(options.batch_rows, order.size() - begin)));
                model.step(batch.rows, batch.labels);
            }
        }
        LinearClassifier const now = model.classifier();
        double const share = share_correct(now.predict(held->rows), held->labels);
        if (share > best_share) {
            best_share = share;
            best = now;
        } else if (fails++ >= options.tenacity) {
            break;
        }
    }
    return best;
}

/// SentEval's grids: L2 of Adam, and C of logistic regression.
inline std::vector<double> transfer_grid(TransferSolver solver) {
    return solver == TransferSolver::senteval ? std::vector<double>{1e-5, 1e-4, 1e-3, 1e-2}
                                              : std::vector<double>{.25, .5, 1, 2, 4, 8};
}

inline LinearClassifier fit(LabeledVectors const& train, std::optional<LabeledVectors> held, std::int32_t classes,
                            double strength, TransferOptions const& options) {
    if (options.solver == TransferSolver::convex) {
        return fit_logistic(train.rows, train.labels, classes, {.inverse_strength = strength});
    }
    return fit_senteval(train, std::move(held), classes, strength, options);
}

/// The best of a grid by folds of the training rows: its strength and its accuracy in percent.
inline std::pair<double, double> best_strength(LabeledVectors const& train, std::int32_t classes, TransferOptions const& options,
                                               std::function<void()> const& fitted) {
    auto const grid = transfer_grid(options.solver);
    auto const fold_of = stratified_folds(train.labels, options.folds, options.seed);
    std::vector<double> shares(grid.size() * options.folds);
    parallel_for(shares.size(), 1, options.threads, [&](std::size_t task, std::size_t) {
        auto [outside, inside] = split_fold(train, fold_of, task % options.folds);
        auto const model = fit(outside, inside, classes, grid[task / options.folds], options);
        shares[task] = share_correct(model.predict(inside.rows), inside.labels);
        fitted();
    });
    std::pair<double, double> best = {grid[0], -1};
    for (std::size_t g = 0; g < grid.size(); ++g) {
        double const mean = std::accumulate(shares.begin() + static_cast<std::ptrdiff_t>(g * options.folds),
                                            shares.begin() + static_cast<std::ptrdiff_t>((g + 1) * options.folds), 0.) /
                            static_cast<double>(options.folds);
        if (percent(mean) > best.second) { best = {grid[g], percent(mean)}; }
    }
    return best;
}

inline std::int32_t classes_of(LabeledVectors const& data) {
    return data.labels.empty() ? 0 : *std::max_element(data.labels.begin(), data.labels.end()) + 1;
}

/// Counts fits for the progress.
class FitCounter {
public:
    FitCounter(TransferOptions const& options, std::size_t total) : options_(options), total_(total) {}
    void operator()() {
        std::lock_guard const lock(mutex_);
        ++done_;
        if (options_.on_progress) { options_.on_progress(done_, total_); }
    }

private:
    TransferOptions const& options_;
    std::size_t total_;
    std::size_t done_ = 0;
    std::mutex mutex_;
};

inline double mean_percent(std::vector<double> const& values) {
    double const mean = std::accumulate(values.begin(), values.end(), 0.) / static_cast<double>(values.size());
    return percent(mean / 100);
}

}  // namespace detail

/// Nested folds (MR, CR, SUBJ, MPQA): each fold is tested once by a classifier whose regularization was chosen by folds of the other rows.
/// \throws InputError  where a class has too few rows for the folds, or there is one class
inline TransferResult transfer_by_folds(LabeledVectors const& data, TransferOptions const& options = {}) {
    std::int32_t const classes = detail::classes_of(data);
    detail::FitCounter counter(options, options.folds * (options.folds * detail::transfer_grid(options.solver).size() + 1));
    auto const fold_of = detail::stratified_folds(data.labels, options.folds, options.seed);
    TransferResult result;
    std::vector<double> devs;
    for (std::size_t fold = 0; fold < options.folds; ++fold) {
        auto const [train, test] = detail::split_fold(data, fold_of, fold);
        auto const [strength, dev] = detail::best_strength(train, classes, options, [&] { counter(); });
        auto const model = detail::fit(train, std::nullopt, classes, strength, options);
        counter();
        devs.push_back(dev);
        result.regularization.push_back(strength);
        result.fold_tests.push_back(detail::percent(detail::share_correct(model.predict(test.rows), test.labels)));
    }
    result.dev = detail::mean_percent(devs);
    result.test = detail::mean_percent(result.fold_tests);
    return result;
}

/// Given test rows (TREC, MRPC): the regularization is chosen by folds of the training rows, and one classifier is tested.
/// \throws InputError  as `transfer_by_folds`, and for a class that the training rows do not have
inline TransferResult transfer_to_test(LabeledVectors const& train, LabeledVectors const& test,
                                       TransferOptions const& options = {}) {
    std::int32_t const classes = detail::classes_of(train);
    if (test.labels.empty() || detail::classes_of(test) > classes) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "test rows of the classes of the training rows",
                                    .found = test.labels.empty() ? "none" : "another class"});
    }
    detail::FitCounter counter(options, options.folds * detail::transfer_grid(options.solver).size() + 1);
    auto const [strength, dev] = detail::best_strength(train, classes, options, [&] { counter(); });
    auto const model = detail::fit(train, std::nullopt, classes, strength, options);
    counter();
    TransferResult result{.dev = dev, .regularization = {strength}, .predicted = model.predict(test.rows)};
    result.test = detail::percent(detail::share_correct(result.predicted, test.labels));
    return result;
}

/// Given development and test rows (SST-2): the regularization and the end of the training are chosen by the development rows.
/// \throws InputError  as `transfer_to_test`
inline TransferResult transfer_with_dev(LabeledVectors const& train, LabeledVectors const& dev, LabeledVectors const& test,
                                        TransferOptions const& options = {}) {
    std::int32_t const classes = detail::classes_of(train);
    for (LabeledVectors const* rows : {&dev, &test}) {
        if (!rows->labels.empty() && detail::classes_of(*rows) <= classes) { continue; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "rows of the classes of the training rows",
                                    .found = rows->labels.empty() ? "none" : "another class"});
    }
    auto const grid = detail::transfer_grid(options.solver);
    detail::FitCounter counter(options, grid.size());
    std::vector<LinearClassifier> models(grid.size());
    detail::parallel_for(grid.size(), 1, options.threads, [&](std::size_t g, std::size_t) {
        models[g] = detail::fit(train, dev, classes, grid[g], options);
        counter();
    });
    TransferResult result{.dev = -1};
    for (std::size_t g = 0; g < grid.size(); ++g) {
        double const share = detail::percent(detail::share_correct(models[g].predict(dev.rows), dev.labels));
        if (share <= result.dev) { continue; }
        result.dev = share;
        result.regularization = {grid[g]};
        result.predicted = models[g].predict(test.rows);
    }
    result.test = detail::percent(detail::share_correct(result.predicted, test.labels));
    return result;
}

}  // namespace bmae
