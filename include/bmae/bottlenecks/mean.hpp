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

    /// One row per text, or per part of `input.mean_offsets` where that is given.
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, H]
        bool const whole = input.mean_offsets.empty();
        std::vector<std::int64_t> const& offsets = whole ? input.offsets : input.mean_offsets;
        std::vector<float> shares;
        std::vector<std::int64_t> part_of_row;
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
            std::int64_t const length = offsets[b + 1] - offsets[b];
            shares.push_back(1.0F / static_cast<float>(std::max<std::int64_t>(1, length)));
            if (!whole) { part_of_row.insert(part_of_row.end(), static_cast<std::size_t>(length), static_cast<std::int64_t>(b)); }
        }
        at::Device const device = encoded.hidden.device();
        at::Tensor const share = detail::sent<float>(shares, device).unsqueeze(1);
        at::Tensor const parts = whole ? input.text_of_row : detail::sent<std::int64_t>(part_of_row, device);
        at::Tensor const sums = at::zeros({share.size(0), encoded.hidden.size(1)}, encoded.hidden.options().dtype(at::kFloat))
                                    .index_add(0, parts, encoded.hidden.to(at::kFloat));
        return (sums * share).to(encoded.hidden.scalar_type());
    }
};

static_assert(Bottleneck<MeanBottleneck>);

}  // namespace bmae
