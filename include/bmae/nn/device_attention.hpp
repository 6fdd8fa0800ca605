// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Attention of packed texts by the fused operators of a GPU; the padded form runs on any device.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <tuple>
#include <vector>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/nn/device_masks.hpp>
#include <bmae/values/packed_input.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae::detail {

/// softmax(Q K^T / sqrt(d) + M) V of packed texts, in one fused operator of LibTorch and its own backward pass.
///
/// - bf16 or fp16, no masks: flash attention over the packed rows, with or without a window.
/// - fp32, no masks, no window: memory-efficient attention over the packed rows.
/// - masks: the rows padded to one length, and memory-efficient attention with a bias.
/// - head widths that these do not take, other devices than a GPU: the same padded rows and LibTorch's choice.
///
/// A row whose mask leaves nothing averages its window or text, as on a CPU; its own scores are 0 then, and have no gradient.
/// Dropout of the weights is the operator's own: a stream of the device's default generator, which is seeded with the key of the
/// site. So it depends on (run, step, site) alone, as everywhere, but its bits are not those of a CPU.
struct DeviceAttention {
    PackedInput const& input;
    std::int64_t heads;
    std::vector<Visibility> const* visibility;
    std::int64_t window;
    double rate;        ///< 0: no dropout
    std::int64_t key;   ///< of the dropout site

    /// \param query,keys,value  [T, H]
    /// \returns [T, H]
    [[nodiscard]] at::Tensor operator()(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value) const {
        if (query.numel() == 0) { return query + keys + value; }   // with a gradient, as everywhere
        if (rate > 0) { seed(query.device()); }
        PaddedTexts const texts = layout(query.device());
        at::Tensor const q = query.contiguous();
        at::Tensor const k = keys.contiguous();
        at::Tensor const v = value.contiguous();
        if (visibility == nullptr && fits_flash(q)) { return flash(q, k, v, texts); }
        if (visibility == nullptr && window == 0 && fits_efficient(q)) { return efficient(q, k, v, texts); }
        return padded(q, k, v, texts);
    }

    [[nodiscard]] PaddedTexts layout(at::Device device) const {
        PaddedTexts texts{.texts = input.texts(), .tokens = input.tokens(), .window = window};
        bool const there = input.bounds.defined() && input.bounds.device() == device;
        texts.bounds = there ? input.bounds : sent<std::int32_t>(input.offsets, device);
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            texts.longest = std::max(texts.longest, input.offsets[b + 1] - input.offsets[b]);
        }
        texts.length = (texts.longest + 15) / 16 * 16;
        return texts;
    }

    /// Padded rows in one batch, with a bias that leaves the padding out.
    [[nodiscard]] at::Tensor padded(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                                    PaddedTexts const& texts) const {
        std::int64_t const width = query.size(1);
        at::Tensor const places = texts.places();
        auto const pad = [&](at::Tensor const& rows) {   // [B, heads, L, d]
            return at::zeros({texts.texts * texts.length, width}, rows.options())
                .index_copy(0, places, rows)
                .view({texts.texts, texts.length, heads, width / heads})
                .transpose(1, 2);
        };
        DeviceRowMasks const masks = visibility == nullptr ? DeviceRowMasks() : send_row_masks(*visibility, texts);
        at::Tensor const bias = padded_bias(masks, texts, query.options().requires_grad(false))
                                    .unsqueeze(1)
                                    .expand({texts.texts, heads, texts.length, texts.length});
        at::Tensor q = pad(query);
        if (masks.any_blind) { q = q.mul(masks.blind(texts).eq(0).view({texts.texts, 1, texts.length, 1})); }
        at::Tensor const k = pad(keys);
        at::Tensor const v = pad(value);
        at::Tensor const read =
            fits_efficient(query)   // not by scaled_dot_product_attention, which may prefer cuDNN's
                ? std::get<0>(at::_scaled_dot_product_efficient_attention(q, k, v, bias, learns(q, k, v), rate))
                : at::scaled_dot_product_attention(q, k, v, bias, rate);
        return read.transpose(1, 2).reshape({texts.texts * texts.length, width}).index_select(0, places);
    }

private:
    static bool learns(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
        return c10::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
    }

    /// Seeds the default generator of the device with the key; a meta device has none.
    void seed(at::Device device) const {
        if (device.is_meta()) { return; }
        at::Generator generator = at::globalContext().defaultGenerator(device);
        std::scoped_lock const lock(generator.mutex());
        generator.set_current_seed(static_cast<std::uint64_t>(key));
    }

    [[nodiscard]] bool fits_flash(at::Tensor const& query) const {
        std::int64_t const width = query.size(1) / heads;
        bool const half = query.scalar_type() == at::kBFloat16 || query.scalar_type() == at::kHalf;
        return query.is_cuda() && half && width % 8 == 0 && width <= 256;
    }
    [[nodiscard]] bool fits_efficient(at::Tensor const& query) const {
        std::int64_t const width = query.size(1) / heads;
        return query.is_cuda() && query.scalar_type() != at::kDouble && width % (query.scalar_type() == at::kFloat ? 4 : 8) == 0;
    }

    [[nodiscard]] at::Tensor flash(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                                   PaddedTexts const& texts) const {
        auto const split = [&](at::Tensor const& rows) { return rows.view({rows.size(0), heads, -1}); };   // [T, heads, d]
        std::int64_t const reach = window > 0 ? window : -1;   // -1: no window, as where there is no number
        return std::get<0>(at::_flash_attention_forward(split(query), split(keys), split(value), texts.bounds, texts.bounds,
                                                        texts.longest, texts.longest, rate, /*is_causal=*/false,
                                                        /*return_debug_mask=*/false, std::optional<double>(), reach, reach))
            .reshape(query.sizes());
    }

    [[nodiscard]] at::Tensor efficient(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                                       PaddedTexts const& texts) const {
        auto const split = [&](at::Tensor const& rows) { return rows.view({1, rows.size(0), heads, -1}); };   // [1, T, heads, d]
        return std::get<0>(at::_efficient_attention_forward(split(query), split(keys), split(value), std::optional<at::Tensor>(),
                                                            texts.bounds, texts.bounds, texts.longest, texts.longest, rate,
                                                            /*custom_mask_type=*/0, learns(query, keys, value)))
            .reshape(query.sizes());
    }
};

}  // namespace bmae::detail
