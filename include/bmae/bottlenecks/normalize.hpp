// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The bottlenecks that a trained encoder may be saved with, by name at run time.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/layers.hpp>
#include <bmae/bottlenecks/mean.hpp>

namespace bmae {

/// How hidden states become one vector at run time.
enum class Pooling {
    cls,          ///< the first token's last hidden state
    mean,         ///< mean over tokens
    first_last,   ///< mean over tokens of the first and the last layer; folders of sentence-transformers cannot say it
    top_two,      ///< mean over tokens of the last two layers; likewise
};

inline constexpr std::array all_poolings = {Pooling::cls, Pooling::mean, Pooling::first_last, Pooling::top_two};

[[nodiscard]] constexpr std::string_view to_string(Pooling pooling) noexcept {
    switch (pooling) {
        case Pooling::mean:
            return MeanBottleneck::name;
        case Pooling::first_last:
            return FirstLastBottleneck::name;
        case Pooling::top_two:
            return TopTwoBottleneck::name;
        case Pooling::cls:
            break;
    }
    return ClsBottleneck::name;
}

/// The pooling of that name; nothing where there is none.
[[nodiscard]] constexpr std::optional<Pooling> pooling_named(std::string_view name) noexcept {
    for (Pooling const pooling : all_poolings) {
        if (to_string(pooling) == name) { return pooling; }
    }
    return std::nullopt;
}

/// True where `pool` reads the layers, which an encoder keeps only when it is asked to.
[[nodiscard]] constexpr bool needs_layers(Pooling pooling) noexcept {
    return pooling == Pooling::first_last || pooling == Pooling::top_two;
}

/// One vector per text by the named pooling.                                                                       [B, H]
/// \param encoded  with its layers where `needs_layers(pooling)`
inline at::Tensor pool(Pooling pooling, Encoded const& encoded, PackedInput const& input) {
    switch (pooling) {
        case Pooling::mean:
            return MeanBottleneck{}.pool(encoded, input);
        case Pooling::first_last:
            return FirstLastBottleneck{}.pool(encoded, input);
        case Pooling::top_two:
            return TopTwoBottleneck{}.pool(encoded, input);
        case Pooling::cls:
            break;
    }
    return ClsBottleneck{}.pool(encoded, input);
}

/// Rows of length 1; a zero row stays zero.                                                              [B, D] -> [B, D]
inline at::Tensor normalize_rows(at::Tensor const& rows) {
    return rows / at::linalg_vector_norm(rows, 2, at::IntArrayRef{1}, true).clamp_min(1e-12);
}

}  // namespace bmae
