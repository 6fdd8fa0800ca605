// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Means over two layers of the encoder: the best pooling of an encoder without sentence-level training.
#pragma once

#include <cstddef>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/mean.hpp>

namespace bmae {

/// Mean over tokens of (first layer + last layer) / 2; "first" is the output of layer 1, not the embeddings (SimCSE's evaluation
/// code after its correction).
struct FirstLastBottleneck {
    static constexpr std::string_view name = "first_last";
    static constexpr bool reads_layers = true;

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, H]
        Encoded const mixed{.hidden = (encoded.layers[1] + encoded.layers.back()) / 2};
        return MeanBottleneck{}.pool(mixed, input);
    }
};

/// Mean over tokens of the last two layers' mean.
struct TopTwoBottleneck {
    static constexpr std::string_view name = "top_two";
    static constexpr bool reads_layers = true;

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, H]
        Encoded const mixed{.hidden = (encoded.layers[encoded.layers.size() - 2] + encoded.layers.back()) / 2};
        return MeanBottleneck{}.pool(mixed, input);
    }
};

static_assert(Bottleneck<FirstLastBottleneck>);
static_assert(Bottleneck<TopTwoBottleneck>);

}  // namespace bmae
