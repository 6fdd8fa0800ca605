// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Further poolings over the tokens of a text: maximum, sum over the root of the length, weighted mean, last token.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scatter_reduce.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/concepts/bottleneck.hpp>

namespace bmae {

namespace detail {

/// sum over the rows r of each text of weight[r] hidden[r].                                                       [B, H] fp32
/// \param weights  [T]
inline at::Tensor weighted_sums(Encoded const& encoded, PackedInput const& input, std::vector<float> const& weights) {
    at::Tensor const hidden = encoded.hidden.to(at::kFloat);
    at::Tensor const weight = sent<float>(weights, hidden.device()).unsqueeze(1);
    return at::zeros({input.texts(), hidden.size(1)}, hidden.options()).index_add(0, input.text_of_row, hidden * weight);
}

}  // namespace detail

/// h_i = max over the tokens of hidden_i, [CLS] and [SEP] included. An empty text gives -infinity.
struct MaxBottleneck {
    static constexpr std::string_view name = "max";

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, H]
        at::Tensor const& hidden = encoded.hidden;
        at::Tensor const lowest =
            at::full({input.texts(), hidden.size(1)}, -std::numeric_limits<double>::infinity(), hidden.options());
        return at::scatter_reduce(lowest, 0, input.text_of_row.unsqueeze(1).expand_as(hidden), hidden, "amax");
    }
};

/// h = sum over the tokens of hidden / sqrt(L). An empty text gives the zero vector.
struct MeanSqrtLengthBottleneck {
    static constexpr std::string_view name = "mean_sqrt_len";

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, H]
        std::vector<float> weights;
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            std::int64_t const length = input.offsets[b + 1] - input.offsets[b];
            weights.insert(weights.end(), static_cast<std::size_t>(length), 1 / std::sqrt(static_cast<float>(length)));
        }
        return detail::weighted_sums(encoded, input, weights).to(encoded.hidden.scalar_type());
    }
};

/// h = sum_p p hidden_p / sum_p p over the positions p = 1, 2 ... of the text: later tokens count more (Muennighoff: SGPT, arXiv
/// 2202.08904). Rows that pooling leaves out keep their positions. An empty text gives the zero vector.
struct WeightedMeanBottleneck {
    static constexpr std::string_view name = "weighted_mean";

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, H]
        std::vector<float> weights;
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            auto const length = static_cast<double>(input.offsets[b + 1] - input.offsets[b]);
            auto const before = static_cast<double>(input.unpooled_rows);
            double const sum = length * before + length * (length + 1) / 2;
            for (double p = 1; p <= length; ++p) { weights.push_back(static_cast<float>((before + p) / sum)); }
        }
        return detail::weighted_sums(encoded, input, weights).to(encoded.hidden.scalar_type());
    }
};

/// h = hidden state of the last token of the text, [SEP]. An empty text gives the zero vector.
struct LastTokenBottleneck {
    static constexpr std::string_view name = "last_token";

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, H]
        std::vector<float> weights(static_cast<std::size_t>(input.tokens()), 0);
        std::vector<std::int64_t> last;
        bool empty = false;
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            bool const none = input.offsets[b + 1] == input.offsets[b];
            empty = empty || none;
            if (!none) { weights[static_cast<std::size_t>(input.offsets[b + 1] - 1)] = 1; }
            last.push_back(input.offsets[b + 1] - 1);
        }
        if (empty) { return detail::weighted_sums(encoded, input, weights).to(encoded.hidden.scalar_type()); }
        return encoded.hidden.index_select(0, detail::int64_tensor(last, encoded.hidden.device()));
    }
};

static_assert(Bottleneck<MaxBottleneck> && Bottleneck<MeanSqrtLengthBottleneck>);
static_assert(Bottleneck<WeightedMeanBottleneck> && Bottleneck<LastTokenBottleneck>);

}  // namespace bmae
