// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// AdamW whose second moment has 8 bits per parameter, with a scale per block of 256.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/device_masks.hpp>
#include <bmae/training/slot_optimizer.hpp>
#include <bmae/values/draw.hpp>

namespace bmae {

/// AdamW in 5 bytes of state per parameter in place of 8: the second moment in blocks with a scale each, as in Dettmers et al.: 8-bit
/// Optimizers via Block-wise Quantization, arXiv 2110.02861. The first moment is fp32.
///
/// A code c is scale 2^((c - 255) 24 / 254), 0 is zero, the scale is the largest value of the block. A value between two codes becomes
/// one of them at random, so that their mean is the value: rounded to the nearest, a moment that moves by a thousandth per step would
/// never move at all. The draw is a hash of seed, parameter, update and element, so a resumed run has the same bits. A value above 0
/// is never stored as 0, by whose root the step would be divided.
class AdamW8 final : public SlotOptimizer {
public:
    static constexpr std::int64_t block = 256;   ///< parameters with one scale
    static constexpr double octaves = 24;        ///< between the largest and the smallest code above 0

    AdamW8(FlatParameters& parameters, AdamWOptions const& options, std::uint64_t seed);
    /// `mean.NAME`, `code.NAME` (bytes, whole blocks) and `scale.NAME` of every trained parameter, then `count`.
    void for_each_state(StateVisitor const& visit) const override;

    /// The second moment of a slot as it is stored.                                                      [size] fp32
    [[nodiscard]] at::Tensor square(std::size_t slot) const;

private:
    struct Codes {
        at::Tensor code = {};    ///< [blocks * block] bytes
        at::Tensor scale = {};   ///< [blocks]
    };

    void update(Update const& now) override;
    [[nodiscard]] at::Tensor decoded(Codes const& codes, std::int64_t first, std::int64_t blocks) const;
    void encode(at::Tensor const& square, Codes const& codes, std::int64_t first, std::int64_t blocks, std::uint64_t key) const;

    at::Tensor mean_;     // [trained()]
    at::Tensor levels_;   // [256] values of the codes for a scale of 1
    std::vector<Codes> codes_;
    std::uint64_t seed_;
};

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae {

BMAE_INLINE AdamW8::AdamW8(FlatParameters& parameters, AdamWOptions const& options, std::uint64_t seed)
    : SlotOptimizer(parameters, options),
      mean_(at::zeros_like(parameters.gradient())),
      codes_(parameters.slots().size()),
      seed_(seed) {
    at::TensorOptions const numbers = parameters.master().options();
    at::Tensor const levels = at::zeros({256}, at::kFloat);
    for (int c = 1; c < 256; ++c) {
        levels.mutable_data_ptr<float>()[c] = static_cast<float>(std::exp2((c - 255) * octaves / 254));
    }
    levels_ = levels.to(numbers.device());
    for (std::size_t i = 0; i < codes_.size(); ++i) {
        ParameterSlot const& slot = parameters.slots()[i];
        if (slot.frozen) { continue; }
        std::int64_t const blocks = (slot.size + block - 1) / block;
        codes_[i] = {.code = at::zeros({blocks * block}, numbers.dtype(at::kByte)), .scale = at::zeros({blocks}, numbers)};
    }
}

BMAE_INLINE void AdamW8::for_each_state(StateVisitor const& visit) const {
    for (std::size_t i = 0; i < codes_.size(); ++i) {
        ParameterSlot const& slot = parameters_.slots()[i];
        if (slot.frozen) { continue; }
        visit("mean." + slot.name, parameters_.view(mean_, i));
        visit("code." + slot.name, codes_[i].code);
        visit("scale." + slot.name, codes_[i].scale);
    }
    visit_counts(visit);
}

BMAE_INLINE at::Tensor AdamW8::square(std::size_t slot) const {
    Codes const& codes = codes_.at(slot);
    return decoded(codes, 0, codes.scale.size(0)).view({-1}).narrow(0, 0, parameters_.slots()[slot].size);
}

BMAE_INLINE at::Tensor AdamW8::decoded(Codes const& codes, std::int64_t first, std::int64_t blocks) const {   // [blocks, block]
    at::Tensor const code = codes.code.narrow(0, first * block, blocks * block).to(at::kInt);
    return levels_.index_select(0, code).view({blocks, block}).mul_(codes.scale.narrow(0, first, blocks).unsqueeze(1));
}

BMAE_INLINE void AdamW8::encode(at::Tensor const& square, Codes const& codes, std::int64_t first, std::int64_t blocks,
                                std::uint64_t key) const {
    at::Tensor const scale = square.amax(1);
    codes.scale.narrow(0, first, blocks).copy_(scale);
    at::Tensor const share = square / scale.unsqueeze(1).clamp_min(1e-38);
    at::Tensor const low = share.log2().mul_(254 / octaves).add_(255).floor_().clamp_(1, 254).to(at::kInt);   // of a zero: -inf
    at::Tensor const below = levels_.index_select(0, low.view({-1})).view(low.sizes());
    at::Tensor const above = levels_.index_select(0, low.add(1).view({-1})).view(low.sizes());
    at::Tensor bits = at::arange(first * block, (first + blocks) * block, square.options().dtype(at::kLong));
    bits.add_(static_cast<std::int64_t>(key));
    at::Tensor const draw = detail::shifted_right(detail::mix_bits(bits), 40).to(at::kFloat).mul_(0x1p-24).view(low.sizes());
    at::Tensor const up = draw.lt((share - below) / (above - below));
    at::Tensor const code = low.add(up).mul_(square.gt(0));
    codes.code.narrow(0, first * block, blocks * block).copy_(code.view({-1}));
}

BMAE_INLINE void AdamW8::update(Update const& now) {
    constexpr std::int64_t most = 4096;   // blocks at a time, whose temporary tensors fit into a cache
    ParameterSlot const& slot = parameters_.slots()[now.slot];
    Codes const& codes = codes_[now.slot];
    at::Tensor const gradient = now.gradient.reshape({-1});
    at::Tensor const mean = parameters_.view(mean_, now.slot).view({-1});
    at::Tensor const weight = now.weight.view({-1});
    mean.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
    if (slot.decay && options_.weight_decay != 0) { weight.mul_(1 - now.learning_rate * options_.weight_decay); }
    double const mean_bias = 1 - std::pow(options_.beta1, now.count);
    double const square_bias = 1 - std::pow(options_.beta2, now.count);
    std::uint64_t const key = detail::mix64(detail::mix64(seed_ + now.slot) ^ static_cast<std::uint64_t>(now.count));
    for (std::int64_t first = 0; first < codes.scale.size(0); first += most) {
        std::int64_t const blocks = std::min(most, codes.scale.size(0) - first);
        std::int64_t const begin = first * block;
        std::int64_t const count = std::min(slot.size - begin, blocks * block);
        at::Tensor part = gradient.narrow(0, begin, count);
        if (count != blocks * block) { part = at::constant_pad_nd(part, {0, blocks * block - count}); }
        part = part.view({blocks, block});
        at::Tensor const square = decoded(codes, first, blocks).mul_(options_.beta2).addcmul_(part, part, 1 - options_.beta2);
        at::Tensor const root = square.div(square_bias).sqrt_().add_(options_.epsilon).view({-1}).narrow(0, 0, count);
        weight.narrow(0, begin, count).addcdiv_(mean.narrow(0, begin, count), root, -now.learning_rate / mean_bias);
        encode(square, codes, first, blocks, key);
    }
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
