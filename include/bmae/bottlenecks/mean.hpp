// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The mean over the tokens of a text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/concepts/bottleneck.hpp>

namespace bmae {

/// h = mean of the hidden states of all tokens, [CLS] and [SEP] included (Sentence-BERT, arXiv 1908.10084). An empty text
/// gives the zero vector.
struct MeanBottleneck {
    static constexpr std::string_view name = "mean";

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, H]
        std::vector<float> shares;
        shares.reserve(static_cast<std::size_t>(input.texts()));
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            shares.push_back(1.0F / static_cast<float>(std::max<std::int64_t>(1, input.offsets[b + 1] - input.offsets[b])));
        }
        at::Tensor const share = detail::sent<float>(shares, encoded.hidden.device()).unsqueeze(1);
        at::Tensor const sums = at::zeros({input.texts(), encoded.hidden.size(1)}, encoded.hidden.options().dtype(at::kFloat))
                                    .index_add(0, input.text_of_row, encoded.hidden.to(at::kFloat));
        return (sums * share).to(encoded.hidden.scalar_type());
    }
};

static_assert(Bottleneck<MeanBottleneck>);

}  // namespace bmae
