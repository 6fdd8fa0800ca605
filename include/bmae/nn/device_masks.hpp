// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Dropout factors and row masks made on a device, with the bits of the host: nothing is drawn, waited for or sent per element.
///
/// LibTorch's integer operators serve every device. Where a program is built with `bmae_enable_cuda`, the kernels of
/// kernels/cuda do the same on a GPU in one pass.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/zeros.h>

#if defined(BMAE_CUDA)
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

#include <bmae/batch/to_tensors.hpp>
#include <bmae/kernels/cuda/keyed_dropout.cuh>
#include <bmae/kernels/cuda/row_mask.cuh>
#include <bmae/nn/cpu_lanes.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae::detail {

/// The bits of int64 numbers shifted to the right, with zeros from the left; LibTorch's own shift repeats the sign.
inline at::Tensor shifted_right(at::Tensor const& bits, std::int64_t by) {
    return bits.bitwise_right_shift(by).bitwise_and_((std::int64_t{1} << (64 - by)) - 1);
}

/// `mix64` of the bits of int64 numbers, in place; products wrap.
inline at::Tensor& mix_bits(at::Tensor& bits) {
    bits.add_(static_cast<std::int64_t>(0x9e3779b97f4a7c15ULL));
    bits.bitwise_xor_(shifted_right(bits, 30)).mul_(static_cast<std::int64_t>(0xbf58476d1ce4e5b9ULL));
    bits.bitwise_xor_(shifted_right(bits, 27)).mul_(static_cast<std::int64_t>(0x94d049bb133111ebULL));
    return bits.bitwise_xor_(shifted_right(bits, 31));
}

/// The dropout factors of `DropoutSite::make(p, key)`: 0 or 1 / (1 - p).                 shape, format and device of `like`
inline at::Tensor keyed_factors(at::Tensor const& like, double p, std::uint64_t key) {
    DropoutSite const site = DropoutSite::make(p, key);
    at::TensorOptions const whole = like.options().dtype(at::kLong);
    at::Tensor bits = at::arange((like.numel() + 3) / 4, whole).add_(static_cast<std::int64_t>(key));
    at::Tensor const words = mix_bits(bits)
                                 .unsqueeze(1)
                                 .bitwise_right_shift(at::arange(0, 64, 16, whole))
                                 .bitwise_and_(0xffff)
                                 .view({-1})
                                 .narrow(0, 0, like.numel());
    return words.ge(static_cast<std::int64_t>(site.threshold)).to(like.scalar_type()).mul_(site.keep).view(like.sizes());
}

/// x times its factors.                                                                              x: any shape, contiguous
inline at::Tensor device_dropout(at::Tensor const& x, double p, std::uint64_t key) {
#if defined(BMAE_CUDA)
    if (x.is_cuda() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16)) {
        c10::cuda::CUDAGuard const guard(x.device());
        at::Tensor y = at::empty_like(x);
        DropoutSite const site = DropoutSite::make(p, key);
        cuda::DropoutNumbers const numbers{.key = site.key, .threshold = site.threshold, .keep = site.keep};
        void* const stream = c10::cuda::getCurrentCUDAStream().stream();
        auto const drop = [&]<class Real>(Real) {
            return cuda::drop_elements(numbers, x.numel(), static_cast<Real const*>(x.const_data_ptr()),
                                       static_cast<Real*>(y.mutable_data_ptr()), stream);
        };
        int const status = x.scalar_type() == at::kFloat ? drop(float{}) : drop(cuda::HalfBits{});
        C10_CUDA_CHECK(static_cast<cudaError_t>(status));
        return y;
    }
#endif
    bool const reduced = x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf;   // products are rounded once
    at::Tensor const wide = reduced ? x.to(at::kFloat) : x;
    return at::mul(wide, keyed_factors(wide, p, key)).to(x.scalar_type());
}

/// The texts of a packed batch, padded to one length: what attention with masks reads on a device.
struct PaddedTexts {
    at::Tensor bounds = {};     ///< [B+1] int32, first rows
    std::int64_t texts = 0;     ///< B
    std::int64_t tokens = 0;    ///< T
    std::int64_t longest = 0;   ///< length of the longest text
    std::int64_t length = 0;    ///< L: `longest` rounded up to a multiple of 16, as kernels ask of a bias
    std::int64_t window = 0;    ///< half-width of local attention; 0: none

    /// Row of each token among the B x L padded ones.                                                            [T] int64
    [[nodiscard]] at::Tensor places() const {
        at::Tensor const row = at::arange(tokens, bounds.options().dtype(at::kLong));
        at::Tensor const first = bounds.to(at::kLong);
        at::Tensor const text =
            first.le(row.unsqueeze(1)).sum(1).sub_(1);   // of equal bounds the last: no row is of an empty text
        return text * length + (row - first.index_select(0, text));
    }
};

/// Row masks as one tensor of integers on a device.
struct DeviceRowMasks {
    at::Tensor numbers = {};   ///< [B x (pool x words + L + L + 1)] int64: bits, entries, blind rows, whether a row reads itself
    std::int64_t pool = 0;
    std::int64_t words = 0;
    bool any_blind = false;   ///< a row's mask leaves nothing: it averages its window or text

    [[nodiscard]] at::Tensor bits(PaddedTexts const& at) const { return part(0, {at.texts, pool, words}); }
    [[nodiscard]] at::Tensor entry(PaddedTexts const& at) const { return part(at.texts * pool * words, {at.texts, at.length}); }
    [[nodiscard]] at::Tensor blind(PaddedTexts const& at) const {
        return part(at.texts * (pool * words + at.length), {at.texts, at.length});
    }
    [[nodiscard]] at::Tensor itself(PaddedTexts const& at) const {
        return part(at.texts * (pool * words + 2 * at.length), {at.texts, 1});
    }
    /// The same for the kernel, and `at` for itself where there are no masks.
    [[nodiscard]] cuda::RowMasks pointers(PaddedTexts const& at) const {
        cuda::RowMasks rows{.bounds = at.bounds.const_data_ptr<std::int32_t>(),
                            .pool = pool,
                            .words = words,
                            .length = at.length,
                            .window = at.window};
        if (!numbers.defined()) { return rows; }
        rows.bits = numbers.const_data_ptr<std::int64_t>();
        rows.entry = rows.bits + at.texts * pool * words;
        rows.blind = rows.entry + at.texts * at.length;
        rows.itself = rows.blind + at.texts * at.length;
        return rows;
    }

private:
    [[nodiscard]] at::Tensor part(std::int64_t first, std::vector<std::int64_t> const& shape) const {
        std::int64_t size = 1;
        for (std::int64_t const extent : shape) { size *= extent; }
        return numbers.narrow(0, first, size).view(shape);
    }
};

/// Whether the mask of row i leaves nothing of its window, or of its text.
inline bool is_blind(Visibility const& rows, std::size_t i, std::int64_t window) {
    auto const reach = static_cast<std::size_t>(window);
    std::size_t const first = window == 0 || i < reach ? 0 : i - reach;
    std::size_t const end = window == 0 ? rows.length : std::min<std::size_t>(rows.length, i + reach + 1);
    for (std::size_t j = first; j < end; ++j) {   // nearly always ends at the first columns
        if (rows.allows(i, j)) { return false; }
    }
    return true;
}

/// Sends the bits of row masks, 1/32 of what a bias of floats would take.
inline DeviceRowMasks send_row_masks(std::vector<Visibility> const& visibility, PaddedTexts const& at) {
    DeviceRowMasks masks{.words = (at.length + 63) / 64};
    auto const texts = static_cast<std::size_t>(at.texts);
    std::size_t pool = 1;
    for (std::size_t b = 0; b < texts; ++b) { pool = std::max(pool, visibility[b].pool()); }
    masks.pool = static_cast<std::int64_t>(pool);
    auto const words = static_cast<std::size_t>(masks.words);
    auto const length = static_cast<std::size_t>(at.length);
    std::vector<std::int64_t> numbers(texts * (pool * words + 2 * length + 1), 0);
    auto const place = [&](std::size_t number) { return numbers.begin() + static_cast<std::ptrdiff_t>(number); };
    for (std::size_t b = 0; b < texts; ++b) {
        Visibility const& rows = visibility[b];
        for (std::size_t e = 0; e < rows.pool(); ++e) {
            std::copy_n(rows.bits.begin() + static_cast<std::ptrdiff_t>(e * rows.words()), rows.words(),
                        place((b * pool + e) * words));
        }
        std::ranges::copy(rows.row, place(texts * pool * words + b * length));
        for (std::size_t i = 0; i < rows.length; ++i) {
            if (!is_blind(rows, i, at.window)) { continue; }
            *place(texts * (pool * words + length) + b * length + i) = 1;
            masks.any_blind = true;
        }
        // So that no row of padding is without a column, whose NaN would reach the gradients of the keys.
        std::fill_n(place(texts * (pool * words + length) + b * length + rows.length), length - rows.length, 1);
        *place(texts * (pool * words + 2 * length) + b) = rows.reads_itself ? 1 : 0;
    }
    masks.numbers = int64_tensor(numbers, at.bounds.device());
    return masks;
}

/// What is added to the scores of padded texts, by LibTorch's operators: see `cuda::row_mask_bias`.
/// \param masks  undefined `numbers`: no masks but the ends of the texts and the window
/// \returns      [B, L, L], or [B, 1, L] where it is equal for all rows of a text
inline at::Tensor padded_bias_by_operators(DeviceRowMasks const& masks, PaddedTexts const& at, at::TensorOptions options) {
    at::TensorOptions const whole = at.bounds.options().dtype(at::kLong);
    at::Tensor const rows = at.bounds.narrow(0, 1, at.texts).sub(at.bounds.narrow(0, 0, at.texts)).to(at::kLong);   // [B]
    at::Tensor const column = at::arange(at.length, whole);
    at::Tensor const row = column.unsqueeze(1);                                 // [L, 1]
    at::Tensor seen = column.lt(rows.clamp_min(1).unsqueeze(1)).unsqueeze(1);   // [B, 1, L]
    if (at.window > 0) {
        at::Tensor const padding = column.ge(rows.unsqueeze(1)).unsqueeze(2);   // [B, L, 1]
        at::Tensor const distance = column.sub(row);
        at::Tensor const near = distance.le(at.window).logical_and(distance.ge(-at.window));
        seen = seen.logical_and(near.logical_or(padding));
    }
    if (masks.numbers.defined()) {
        at::Tensor const words =
            masks.bits(at).gather(1, masks.entry(at).unsqueeze(2).expand({at.texts, at.length, masks.words}));   // [B, L, words]
        at::Tensor const allowed = words.index_select(2, column.bitwise_right_shift(6))
                                       .bitwise_right_shift(column.bitwise_and(63))
                                       .bitwise_and_(1)
                                       .ne(0)
                                       .logical_and(masks.itself(at).unsqueeze(2).ne(0).logical_or(column.ne(row)))
                                       .logical_or(masks.blind(at).unsqueeze(2).ne(0));   // [B, L, L]
        seen = seen.logical_and(allowed);
    }
    return at::zeros(seen.sizes(), options).masked_fill_(seen.logical_not(), -std::numeric_limits<float>::infinity());
}

/// The same, by the kernel of kernels/cuda where there is one.
inline at::Tensor padded_bias(DeviceRowMasks const& masks, PaddedTexts const& at, at::TensorOptions options) {
#if defined(BMAE_CUDA)
    bool const known = options.dtype() == at::kFloat || options.dtype() == at::kBFloat16;
    if (at.bounds.is_cuda() && known && (masks.numbers.defined() || at.window > 0)) {
        c10::cuda::CUDAGuard const guard(at.bounds.device());
        at::Tensor bias = at::empty({at.texts, at.length, at.length}, options);
        void* const stream = c10::cuda::getCurrentCUDAStream().stream();
        void* const out = bias.mutable_data_ptr();
        int const status = options.dtype() == at::kFloat
                               ? cuda::expand_row_masks(masks.pointers(at), at.texts, static_cast<float*>(out), stream)
                               : cuda::expand_row_masks(masks.pointers(at), at.texts, static_cast<cuda::HalfBits*>(out), stream);
        C10_CUDA_CHECK(static_cast<cudaError_t>(status));
        return bias;
    }
#endif
    return padded_bias_by_operators(masks, at, options);
}

}  // namespace bmae::detail
