// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The sentence vectors that a decoder reads, exchanged or removed where a measurement asks for it.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/zeros_like.h>

#include <bmae/nn/context.hpp>

namespace bmae::detail {

/// \param sentence  [B, D]
/// \returns  what the decoder reads, [B, D]: `sentence` itself without an ablation
inline at::Tensor ablated(at::Tensor const& sentence, ForwardContext const& context) {
    switch (context.ablation) {
        case SentenceAblation::shuffled:
            return at::roll(sentence, {-1}, {0});
        case SentenceAblation::zeroed:
            return at::zeros_like(sentence);
        case SentenceAblation::none:
            break;
    }
    return sentence;
}

}  // namespace bmae::detail
