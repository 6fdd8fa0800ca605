// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Scores of the texts of each group as a matrix, for losses over groups.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/losses/row_scores.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// Number of texts per group; all groups must have one size.
/// Throws Error where they do not, or where there are fewer than two texts in a group.
inline std::int64_t group_size_of(PackedView const& view) {
    std::int64_t const size = view.examples() == 0 ? 0 : view.texts_of(0);
    for (std::size_t e = 0; e < view.examples(); ++e) {
        if (view.texts_of(e) != size || size < 2) {
            throw Error("groups: expected groups of one size of at least 2, found one of " + std::to_string(view.texts_of(e)) +
                        " texts.");
        }
    }
    return size;
}

/// The score of each anchor with the texts of its own group.                         [B, D] and [B G, D] -> [B, G] fp32
inline at::Tensor own_group_scores(at::Tensor const& anchors, at::Tensor const& candidates, std::int64_t group,
                                   RowScore how = RowScore::product) {
    return paired_scores(candidates.view({anchors.size(0), group, -1}), anchors.unsqueeze(1), how);
}

/// A teacher's scores of the texts of `view`.                                                          [B, G] fp32
inline at::Tensor teacher_scores(PackedView const& view, std::int64_t group, at::Device device) {
    return sent<float>(view.scores, device).view({-1, group});
}

}  // namespace bmae::detail
