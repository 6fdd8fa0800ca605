// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Row kernels of a transformer layer on a CPU, each reads memory once; free of LibTorch. Real is float or Bf16.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <bmae/nn/cpu_lanes.hpp>

namespace bmae::detail {
inline namespace BMAE_KERNELS {

/// sum += part, part = 0.
inline void add_and_zero(Bf16* part, float* sum, std::int64_t count) {
    with_lanes([&](auto level) __attribute__((always_inline)) {
        along(level, count, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
            write(sum, read(sum) + read(part));
            write(part, FloatsOf<decltype(level)>{});
        });
    });
}

/// out [width] = the sum of the rows in `order`, in fp32.
/// \param rows   [T, width]
/// \param order  [count] in [0, T)
template <class Real>
void sum_rows(Real const* rows, std::int64_t const* order, std::int64_t count, std::int64_t width, Real* out) {
    with_lanes([&](auto level) __attribute__((always_inline)) {
        along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
            FloatsOf<decltype(level)> sum = {};
            for (std::int64_t i = 0; i < count; ++i) { sum += read(rows + order[i] * width); }
            write(out, sum);
        });
    });
}

/// Elements of a dropout mask generated at a time: a multiple of 4, fits into the L1 cache.
inline constexpr std::int64_t mask_block = 1024;

/// Writes the factors of elements [begin, end) of `site` to `factors` [end - begin].
inline void mask_elements(DropoutSite const& site, std::int64_t begin, std::int64_t end, float* factors) {
    if (!has_lanes || lane_level() == LaneLevel::plain) {   // without such registers one hash at a time is faster
        for (std::int64_t i = begin; i < end;) {
            std::uint64_t const bits = mix64(site.key + static_cast<std::uint64_t>(i) / 4);
            for (std::int64_t const next = std::min(end, i / 4 * 4 + 4); i < next; ++i) {
                factors[i - begin] = ((bits >> (16 * (i % 4))) & 0xffffU) < site.threshold ? 0.0F : site.keep;
            }
        }
        return;
    }
    with_lanes([&](auto level) __attribute__((always_inline)) {
        float part[DropoutSite::room(mask_block)];
        for (std::int64_t first = begin; first < end; first += mask_block) {
            std::int64_t const count = std::min(mask_block, end - first);
            std::copy_n(site.fill(level, part, first, count), count, factors + (first - begin));
        }
    });
}

/// y = x times the factors of elements [begin, end) of `site`.
template <class Real>
void drop_elements(DropoutSite const& site, std::int64_t begin, std::int64_t end, Real const* x, Real* y) {
    with_lanes([&](auto level) __attribute__((always_inline)) {
        float part[DropoutSite::room(mask_block)];
        for (std::int64_t first = begin; first < end; first += mask_block) {
            std::int64_t const count = std::min(mask_block, end - first);
            float const* const factors = site.fill(level, part, first, count);
            along(level, count, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                write(y + first, read(x + first) * read(factors));
            });
        }
    });
}

/// y = LayerNorm(residual + dropout(x + bias)) over rows of `width`.
template <class Real>
struct NormRows {
    Real const* x = nullptr;
    Real const* bias = nullptr;       ///< [width] or null
    Real const* residual = nullptr;   ///< or null
    Real const* scale = nullptr;      ///< [width]
    Real const* shift = nullptr;      ///< [width]
    std::int64_t width = 0;
    float epsilon = 0;
    DropoutSite dropout = {};

    /// \param sums            what is normalized, for the backward pass; may be null
    /// \param means,inverses  [T] mean and inverse deviation of each row
    void forward(std::int64_t first, std::int64_t end, Real* sums, float* means, float* inverses, Real* y) const {
        std::vector<float> scratch(static_cast<std::size_t>(width + DropoutSite::room(width)));
        with_lanes([&](auto level) __attribute__((always_inline)) {
            using Vector = FloatsOf<decltype(level)>;
            float* const row = scratch.data();
            for (std::int64_t t = first; t < end; ++t) {
                std::int64_t const at = t * width;
                float const* const factors = dropout.threshold == 0 ? nullptr : dropout.fill(level, row + width, at, width);
                Vector total = {};
                along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                    Vector value = read(x + at);
                    if (bias != nullptr) { value += read(bias); }
                    if (factors != nullptr) { value *= read(factors); }
                    if (residual != nullptr) { value += read(residual + at); }
                    if (sums != nullptr) {
                        write(sums + at, value);
                        value = rounded(sums, value);   // as the backward pass reads it
                    }
                    total += value;
                    write(row, value);
                });
                float const mean = sum(total) / static_cast<float>(width);
                Vector squares = {};
                std::int64_t i = 0;
                for (; i + level.lanes <= width; i += level.lanes) {
                    Vector const centered = load<Vector>(row + i) - mean;
                    squares += centered * centered;
                }
                float square = sum(squares);
                for (; i < width; ++i) { square += (row[i] - mean) * (row[i] - mean); }
                float const inverse = 1.0F / std::sqrt(square / static_cast<float>(width) + epsilon);
                means[t] = mean;
                inverses[t] = inverse;
                along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                    write(y + at, (read(row) - mean) * inverse * read(scale) + read(shift));
                });
            }
        });
    }

    /// \param sums                   as written by `forward`
    /// \param gradient               of y
    /// \param x_gradient             of x, or null; it is that of the residual where there is no dropout
    /// \param residual_gradient      of the residual, or null
    /// \param scale_part,shift_part  [width] added to; of this range of rows
    /// \param bias_part              [width] added to, or null
    void backward(std::int64_t first, std::int64_t end, Real const* sums, float const* means, float const* inverses,
                  Real const* gradient, Real* x_gradient, Real* residual_gradient, float* scale_part, float* shift_part,
                  float* bias_part) const {
        std::vector<float> scratch(static_cast<std::size_t>(width + DropoutSite::room(width)));
        with_lanes([&](auto level) __attribute__((always_inline)) {
            using Vector = FloatsOf<decltype(level)>;
            float* const row = scratch.data();
            for (std::int64_t t = first; t < end; ++t) {
                std::int64_t const at = t * width;
                float const mean = means[t];
                float const inverse = inverses[t];
                Vector total = {};
                Vector product = {};
                along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                    auto const slope = read(gradient + at);
                    auto const normal = (read(sums + at) - mean) * inverse;
                    write(scale_part, read(scale_part) + slope * normal);
                    write(shift_part, read(shift_part) + slope);
                    auto const scaled = slope * read(scale);   // 0 beyond the end of the row
                    write(row, scaled);
                    total += scaled;
                    product += scaled * normal;
                });
                float const shared = sum(total) / static_cast<float>(width);
                float const along_normal = sum(product) / static_cast<float>(width);
                float const* const factors = dropout.threshold == 0 ? nullptr : dropout.fill(level, row + width, at, width);
                along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                    auto const normal = (read(sums + at) - mean) * inverse;
                    auto slope = (read(row) - shared - normal * along_normal) * inverse;
                    if (residual_gradient != nullptr) { write(residual_gradient + at, slope); }
                    if (factors != nullptr) { slope *= read(factors); }
                    if (x_gradient != nullptr) { write(x_gradient + at, slope); }
                    if (bias_part != nullptr) { write(bias_part, read(bias_part) + slope); }
                });
            }
        });
    }
};

/// y = gelu(x + bias), exact.
template <class Real>
void gelu_rows(Real const* x, Real const* bias, std::int64_t width, std::int64_t first, std::int64_t end, Real* y) {
    with_lanes([&](auto level) __attribute__((always_inline)) {
        for (std::int64_t t = first; t < end; ++t) {
            along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                auto const value = read(x + t * width) + read(bias);
                write(y + t * width, value * normal_at(value).cumulative);
            });
        }
    });
}

/// \param bias_part  [width] added to
template <class Real>
void gelu_rows_backward(Real const* x, Real const* bias, Real const* gradient, std::int64_t width, std::int64_t first,
                        std::int64_t end, Real* x_gradient, float* bias_part) {
    with_lanes([&](auto level) __attribute__((always_inline)) {
        for (std::int64_t t = first; t < end; ++t) {
            along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                auto const slope = read(gradient + t * width) * normal_at(read(x + t * width) + read(bias)).slope;
                write(x_gradient + t * width, slope);
                write(bias_part, read(bias_part) + slope);
            });
        }
    });
}

/// The result of the cross-entropy of one row of logits.
struct RowEntropy {
    float loss = 0;
    bool correct = false;   ///< the label scores highest; of equal scores the first, and NaN above all, as in argmax
};

/// Cross-entropy of softmax(logits + bias) at `label`, which must be in [0, width); with `weight` != null the logits are replaced by the gradient of
/// *weight x loss, which is also added to `bias_part`.
template <class Real>
RowEntropy cross_entropy_row(Real* logits, Real const* bias, std::int64_t width, std::int64_t label, float const* weight,
                             float* bias_part) {
    RowEntropy result;
    with_lanes([&](auto level) __attribute__((always_inline)) {
        using Vector = FloatsOf<decltype(level)>;
        constexpr std::int64_t step = decltype(level)::lanes;
        auto most = splat<Vector>(-std::numeric_limits<float>::infinity());
        std::int64_t const even = width / step * step;
        for (std::int64_t i = 0; i < even; i += step) { most = larger(load<Vector>(logits + i) + load<Vector>(bias + i), most); }
        auto const scalar = [](Real const* from, std::int64_t i)
                                __attribute__((always_inline)) { return load_part<Vector>(from + i, 1)[0]; };
        float top = largest(most);
        for (std::int64_t i = even; i < width; ++i) { top = std::max(top, scalar(logits, i) + scalar(bias, i)); }
        float const target = scalar(logits, label) + scalar(bias, label);
        result.correct = target == top;
        if (result.correct) {   // an earlier equal score would be the prediction
            for (std::int64_t i = 0; i < label; ++i) {
                if (scalar(logits, i) + scalar(bias, i) == top) {
                    result.correct = false;
                    break;
                }
            }
        }
        Vector masses[2] = {};
        std::int64_t i = 0;
        for (; i + 2 * step <= width; i += 2 * step) {
            masses[0] += exponential(load<Vector>(logits + i) + load<Vector>(bias + i) - top);
            masses[1] += exponential(load<Vector>(logits + i + step) + load<Vector>(bias + i + step) - top);
        }
        float mass = sum(masses[0] + masses[1]);
        for (; i < width; i += step) {
            std::int64_t const rest = std::min(step, width - i);
            auto const part = exponential(load_part<Vector>(logits + i, rest) + load_part<Vector>(bias + i, rest) - top);
            for (std::int64_t j = 0; j < rest; ++j) { mass += part[j]; }
        }
        if (std::isnan(mass)) {
            for (std::int64_t j = 0; j < width; ++j) {
                if (std::isnan(scalar(logits, j) + scalar(bias, j))) {
                    result.correct = j == label;
                    break;
                }
            }
        }
        float const normalizer = top + std::log(mass);
        result.loss = normalizer - target;
        if (weight == nullptr) { return; }
        float const factor = *weight;
        along(level, width, [&](auto read, auto write, std::int64_t at) __attribute__((always_inline)) {
            auto slope = exponential(read(logits) + read(bias) - normalizer) * factor;
            if (label >= at && label < at + step) { slope[label - at] -= factor; }
            write(logits, slope);
            write(bias_part, read(bias_part) + slope);
        });
    });
    return result;
}

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
