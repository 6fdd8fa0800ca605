// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Whether two systems differ by more than chance over one set of queries: paired tests and corrections for many of them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A two-sided paired test of equal means.
enum class PairedTest {
    student,         ///< paired t-test (scipy.stats.ttest_rel; ranx "student")
    randomization,   ///< Fisher's test: the sign of each difference is a coin (Smucker et al., CIKM 2007; ranx "fisher")
    bootstrap,       ///< of the centered differences, drawn with replacement (Sakai, SIGIR 2006)
};

/// How p-values of several tests are corrected.
enum class Correction {
    none,
    holm,         ///< step-down (Holm, 1979)
    bonferroni,   ///< times their number
};

/// Names in command lines and reports, in the order of the enumeration.
constexpr std::array<std::string_view, 3> names_of(PairedTest) noexcept { return {"student", "randomization", "bootstrap"}; }
constexpr std::array<std::string_view, 3> names_of(Correction) noexcept { return {"none", "holm", "bonferroni"}; }

struct PairedTestOptions {
    PairedTest test = PairedTest::student;
    std::size_t resamples =
        10'000;   ///< of randomization and bootstrap; randomization takes all 2^n signs where they are no more
    std::uint64_t seed = 1;
    unsigned threads = 0;   ///< 0: one per processor; the result does not depend on it
};

/// The outcome of a paired test.
struct PairedResult {
    double difference = 0;          ///< mean of second - first
    std::optional<double> p = {};   ///< nothing where it is undefined: fewer than two pairs, or no two values differ
    std::size_t wins = 0;           ///< pairs in which the second is larger
    std::size_t ties = 0;
    std::size_t losses = 0;
};

namespace detail {

/// The continued fraction of the incomplete beta function, by Lentz's method.
inline double beta_fraction(double a, double b, double x) noexcept {
    constexpr double tiny = 1e-300;
    auto const kept = [&](double value) { return std::abs(value) < tiny ? tiny : value; };
    double c = 1;
    double d = 1 / kept(1 - (a + b) * x / (a + 1));
    double fraction = d;
    for (int m = 1; m < 10'000; ++m) {
        double const even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double const odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double change = 1;
        for (double const term : {even, odd}) {
            d = 1 / kept(1 + term * d);
            c = kept(1 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (std::abs(change - 1) < 1e-16) { break; }
    }
    return fraction;
}

/// Regularized incomplete beta function I_x(a, b).
/// \param rest  1 - x, exact where x is close to 1
inline double incomplete_beta(double a, double b, double x, double rest) noexcept {
    if (x <= 0) { return 0; }
    if (rest <= 0) { return 1; }
    auto const log_gamma = [](double value) { return std::lgamma(static_cast<long double>(value)); };
    auto const log_front =
        static_cast<double>(log_gamma(a + b) - log_gamma(a) - log_gamma(b)) + a * std::log(x) + b * std::log(rest);
    if (x < (a + 1) / (a + b + 2)) { return std::exp(log_front) * beta_fraction(a, b, x) / a; }
    return 1 - std::exp(log_front) * beta_fraction(b, a, rest) / b;
}

/// P(|T| >= |t|) of Student's distribution.
inline double two_sided_student(double t, double degrees) noexcept {
    if (std::isinf(t)) { return 0; }
    double const square = t * t;
    return incomplete_beta(degrees / 2, .5, degrees / (degrees + square), square / (degrees + square));
}

inline double mean_of(std::span<double const> values) noexcept {
    return std::accumulate(values.begin(), values.end(), 0.) / static_cast<double>(values.size());
}

inline double student_p(std::span<double const> differences) noexcept {
    auto const count = static_cast<double>(differences.size());
    double const mean = mean_of(differences);
    double squares = 0;
    for (double const value : differences) { squares += (value - mean) * (value - mean); }
    if (squares == 0) { return 0; }   // all differences are one number other than 0
    return two_sided_student(mean / std::sqrt(squares / (count - 1) / count), count - 1);
}

/// How many of `count` draws are as large as the observed sum, in absolute value. \param sum_of  the sum of draw i
template <class Sum>
std::size_t extreme_draws(std::size_t count, double observed, unsigned threads, Sum&& sum_of) {
    double const bound = std::abs(observed) * (1 - 1e-14);   // sums of the same numbers in another order
    std::atomic<std::size_t> extreme{0};
    parallel_for(count, 256, threads, [&](std::size_t begin, std::size_t end) {
        std::size_t found = 0;
        for (std::size_t i = begin; i < end; ++i) { found += std::abs(sum_of(i)) >= bound ? 1U : 0U; }
        extreme += found;
    });
    return extreme;
}

inline double randomization_p(std::span<double const> differences, PairedTestOptions const& options) {
    std::size_t const count = differences.size();
    double const observed = std::accumulate(differences.begin(), differences.end(), 0.);
    bool const all = count < 60 && (std::uint64_t{1} << count) <= options.resamples;
    auto const signed_sum = [&](auto&& bits_of) {
        double sum = 0;
        std::uint64_t bits = 0;
        for (std::size_t i = 0; i < count; ++i, bits >>= 1) {
            if (i % 64 == 0) { bits = bits_of(i / 64); }
            sum += (bits & 1) != 0 ? -differences[i] : differences[i];
        }
        return sum;
    };
    if (all) {
        std::size_t const ways = std::size_t{1} << count;
        auto const sum_of = [&](std::size_t way) { return signed_sum([&](std::size_t) { return std::uint64_t{way}; }); };
        return static_cast<double>(extreme_draws(ways, observed, options.threads, sum_of)) / static_cast<double>(ways);
    }
    auto const sum_of = [&](std::size_t draw) {
        std::uint64_t const key = mix64(options.seed ^ mix64(draw + 1));
        return signed_sum([&](std::size_t word) { return mix64(key + word * 0x9e3779b97f4a7c15ULL); });
    };
    std::size_t const extreme = extreme_draws(options.resamples, observed, options.threads, sum_of);
    return static_cast<double>(extreme + 1) / static_cast<double>(options.resamples + 1);
}

inline double bootstrap_p(std::span<double const> differences, PairedTestOptions const& options) {
    std::size_t const count = differences.size();
    double const mean = mean_of(differences);
    auto const sum_of = [&](std::size_t draw) {
        std::uint64_t const key = mix64(options.seed ^ mix64(draw + 1));
        double sum = 0;
        for (std::size_t i = 0; i < count; ++i) {
            std::uint64_t const bits = mix64(key + i * 0x9e3779b97f4a7c15ULL) >> 32;   // times count: no bias to speak of
            sum += differences[(bits * count) >> 32] - mean;
        }
        return sum;
    };
    std::size_t const extreme = extreme_draws(options.resamples, mean * static_cast<double>(count), options.threads, sum_of);
    return static_cast<double>(extreme + 1) / static_cast<double>(options.resamples + 1);
}

}  // namespace detail

/// Compares two systems by their values of the same queries.
/// \param first,second  [n]
/// \throws InputError  for lists of different length, a value that is not finite, or no resamples
inline PairedResult paired_test(std::span<double const> first, std::span<double const> second,
                                PairedTestOptions const& options = {}) {
    auto const refuse = [](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found)});
    };
    if (first.size() != second.size()) {
        throw refuse("two lists of one length", std::to_string(first.size()) + " and " + std::to_string(second.size()));
    }
    if (options.resamples == 0) { throw refuse("resamples of at least 1", "0"); }
    PairedResult result;
    std::vector<double> differences;
    for (std::size_t i = 0; i < first.size(); ++i) {
        double const difference = second[i] - first[i];
        if (!std::isfinite(difference)) { throw refuse("finite values", "others as pair " + std::to_string(i)); }
        differences.push_back(difference);
        ++(difference > 0 ? result.wins : difference < 0 ? result.losses : result.ties);
    }
    if (differences.empty()) { return result; }
    result.difference = detail::mean_of(differences);
    if (differences.size() < 2 || result.ties == differences.size()) { return result; }
    result.p = options.test == PairedTest::student         ? detail::student_p(differences)
               : options.test == PairedTest::randomization ? detail::randomization_p(differences, options)
                                                           : detail::bootstrap_p(differences, options);
    return result;
}

/// Corrected p-values of one family of tests, in their order; at most 1. Undefined ones stay so and are no part of the family.
inline std::vector<std::optional<double>> corrected(std::vector<std::optional<double>> p, Correction correction) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < p.size(); ++i) {
        if (p[i]) { order.push_back(i); }
    }
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return *p[a] < *p[b]; });
    double largest = 0;
    for (std::size_t rank = 0; rank < order.size() && correction != Correction::none; ++rank) {
        std::size_t const factor = correction == Correction::holm ? order.size() - rank : order.size();
        double const value = std::min(1., *p[order[rank]] * static_cast<double>(factor));
        largest = std::max(largest, value);
        p[order[rank]] = correction == Correction::holm ? largest : value;
    }
    return p;
}

}  // namespace bmae
