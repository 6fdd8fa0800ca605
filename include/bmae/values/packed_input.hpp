// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The input of a network: flat token rows of several texts, on a device.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/values/tokens.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae {

/// One view of B texts with T tokens in all, as tensors.                               legend: B texts, T tokens, M labeled rows
struct PackedInput {
    at::Tensor input_ids = {};                     ///< [T] int64, what the encoder reads
    at::Tensor original_ids = {};                  ///< [T] int64, before corruption; the same where nothing is masked
    at::Tensor positions = {};                     ///< [T] int64, 0 .. L-1 in each text
    at::Tensor token_types = {};                   ///< [T] int64, read by encoders alone; undefined: all 0
    at::Tensor first_rows = {};                    ///< [B] int64, row of [CLS] of each text
    at::Tensor text_of_row = {};                   ///< [T] int64, 0 .. B-1
    at::Tensor label_rows = {};                    ///< [M] int64, labeled rows; undefined in inference
    at::Tensor labels = {};                        ///< [M] int64, their labels
    std::vector<std::int64_t> offsets = {};        ///< [B+1] on the host: text b is rows offsets[b] .. offsets[b+1]
    at::Tensor bounds = {};                        ///< [B+1] int32, the same on the device; undefined: sent where needed
    SpecialIds special = {};                       ///< of the vocabulary, for losses that exclude special tokens
    std::vector<std::int64_t> mean_offsets = {};   ///< [C+1] rows over which the mean bottleneck pools; empty: the texts
    std::int64_t unpooled_rows = 0;                ///< first rows of each text that a sentence pooling leaves out: a prompt
    std::vector<Visibility> const* visibility = nullptr;   ///< [B] row masks, or none; owned by the host batch

    [[nodiscard]] std::int64_t texts() const noexcept { return static_cast<std::int64_t>(offsets.size()) - 1; }   ///< B
    [[nodiscard]] std::int64_t tokens() const noexcept { return offsets.back(); }                                 ///< T
};

/// The output of an encoder.
struct Encoded {
    at::Tensor hidden = {};                ///< [T, H] output of the last layer
    std::vector<at::Tensor> layers = {};   ///< [T, H] each; 0 = embeddings, n = after layer n; empty unless requested
};

}  // namespace bmae
