// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Transformer layers with packed weights, for inference on a CPU: one thread brings a few texts through all layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/inference_attention.hpp>
#include <bmae/nn/packed_rows.hpp>
#include <bmae/nn/transformer_layer.hpp>
#include <bmae/values/packed_input.hpp>

namespace bmae::detail {
inline namespace BMAE_KERNELS {

/// Whether `run_packed` takes these layers and rows: all maps packed as one type, exact gelu, heads of a multiple of 32 columns, fp32.
inline bool runs_packed(LayerStack const& layers, at::Tensor const& rows) {
    if (layers.empty() || rows.dim() != 2 || !layers.front().query.takes(rows)) { return false; }
    PackedType const type = layers.front().query.packed->matrix().type();
    return std::ranges::all_of(layers, [&](TransformerLayer const& layer) {
        bool const packed =
            std::ranges::all_of(std::initializer_list<Linear const*>{&layer.query, &layer.key, &layer.value,
                                                                     &layer.attention_output, &layer.intermediate, &layer.output},
                                [&](Linear const* map) { return map->is_packed() && map->packed->matrix().type() == type; });
        bool const fp32 = std::ranges::all_of(
            std::initializer_list<at::Tensor const*>{&layer.attention_norm.weight, &layer.attention_norm.bias,
                                                     &layer.output_norm.weight, &layer.output_norm.bias},
            [](at::Tensor const* norm) { return norm->scalar_type() == at::kFloat && norm->is_contiguous(); });
        return packed && fp32 && layer.activation == Activation::gelu &&
               InferenceAttention::fits(rows.size(1) / std::max<std::int64_t>(layer.heads, 1));
    });
}

/// Several texts on their way through the layers, with the buffers of one thread.
class PackedTexts {
public:
    /// Brings rows x in place through `layer`.
    /// \param x        [n, H] fp32
    /// \param offsets  text b is rows offsets[b] .. offsets[b+1], from 0
    void run(TransformerLayer const& layer, float* x, std::vector<std::int64_t> const& offsets, std::int64_t width) {
        std::int64_t const rows = offsets.back();
        float* const query = query_.grow(rows * width);
        project(layer, x, rows, width, query, /*with_keys=*/true);
        attend(layer, query, offsets, offsets, width);
        finish(layer, x, rows, width, x);
    }

    /// The same for the first row of each text alone.
    /// \param y  [texts, H]
    void run_first(TransformerLayer const& layer, float const* x, std::vector<std::int64_t> const& offsets, std::int64_t width,
                   float* y) {
        project(layer, x, offsets.back(), width, query_.grow(offsets.back() * width), /*with_keys=*/true);
        std::int64_t const texts = static_cast<std::int64_t>(offsets.size()) - 1;
        std::vector<std::int64_t> places;   // one query per text
        float* const first = first_.grow(texts * width);
        for (std::int64_t b = 0; b <= texts; ++b) { places.push_back(b); }
        for (std::int64_t b = 0; b < texts; ++b) {
            std::copy_n(x + offsets[static_cast<std::size_t>(b)] * width, width, first + b * width);
        }
        project(layer, first, texts, width, query_.data(), /*with_keys=*/false);
        attend(layer, query_.data(), places, offsets, width);
        finish(layer, first, texts, width, y);
    }

private:
    using Then = PackedMatrix::Then;

    static void in_blocks(std::int64_t rows, auto const& body) {
        for (std::int64_t first = 0; first < rows; first += packed_block) { body(first, std::min(packed_block, rows - first)); }
    }

    /// Queries, or keys and values too.
    void project(TransformerLayer const& layer, float const* x, std::int64_t rows, std::int64_t width, float* query,
                 bool with_keys) {
        PackedMatrix const& maps = layer.query.packed->matrix();
        float* const key = with_keys ? key_.grow(rows * width) : nullptr;
        float* const value = with_keys ? value_.grow(rows * width) : nullptr;
        in_blocks(rows, [&](std::int64_t first, std::int64_t count) {
            std::int64_t const at = first * width;
            maps.prepare(x + at, width, count, left_);
            maps.multiply(left_, count, query + at, width, Then::add_bias);
            if (!with_keys) { return; }
            layer.key.packed->matrix().multiply(left_, count, key + at, width, Then::add_bias);
            layer.value.packed->matrix().multiply(left_, count, value + at, width, Then::add_bias);
        });
    }

    /// \param places  [texts + 1] of the queries of each text
    void attend(TransformerLayer const& layer, float const* query, std::vector<std::int64_t> const& places,
                std::vector<std::int64_t> const& offsets, std::int64_t width) {
        float* const read = read_.grow(places.back() * width);
        bool const exact = layer.query.packed->matrix().type() == PackedType::fp32;
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
            std::int64_t const length = offsets[b + 1] - offsets[b];
            if (length == 0) { continue; }
            auto const run = [&]<PackedType type>() {
                attention_.run<type>(query + places[b] * width, places[b + 1] - places[b], key_.data() + offsets[b] * width,
                                     value_.data() + offsets[b] * width, length, layer.heads, width / layer.heads, width,
                                     read + places[b] * width);
            };
            exact ? run.template operator()<PackedType::fp32>() : run.template operator()<PackedType::bf16>();
        }
    }

    /// The rest of the layer: y = norm(h + feed-forward(h)), h = norm(x + the map of what was read). x and y may be one.
    void finish(TransformerLayer const& layer, float const* x, std::int64_t rows, std::int64_t width, float* y) {
        PackedMatrix const& widen = layer.intermediate.packed->matrix();
        PackedMatrix const& narrow = layer.output.packed->matrix();
        PackedMatrix const& mix = layer.attention_output.packed->matrix();
        float* const sum = sum_.grow(packed_block * width);
        float* const mixed = mixed_.grow(packed_block * width);
        float* const wide = wide_.grow(packed_block * widen.out());
        in_blocks(rows, [&](std::int64_t first, std::int64_t count) {
            std::int64_t const at = first * width;
            mix.prepare(read_.data() + at, width, count, left_);
            mix.multiply(left_, count, sum, width, Then::add_bias);
            normalize(layer.attention_norm, sum, x + at, count, width, mixed);
            widen.prepare(mixed, width, count, left_);
            widen.multiply(left_, count, wide, widen.out(), Then::add_bias_and_gelu);
            narrow.prepare(wide, widen.out(), count, left_);
            narrow.multiply(left_, count, sum, width, Then::add_bias);
            normalize(layer.output_norm, sum, mixed, count, width, y + at);
        });
    }

    /// y = LayerNorm(x + residual).
    void normalize(LayerNorm const& norm, float const* x, float const* residual, std::int64_t rows, std::int64_t width,
                   float* y) {
        float* const moments = moments_.grow(2 * packed_block);
        NormRows<float>{.x = x,
                        .residual = residual,
                        .scale = read_from<float>(norm.weight),
                        .shift = read_from<float>(norm.bias),
                        .width = width,
                        .epsilon = static_cast<float>(norm.epsilon)}
            .forward(0, rows, nullptr, moments, moments + packed_block, y);
    }

    LeftRows left_ = {};
    InferenceAttention attention_ = {};
    AlignedBuffer<float> query_ = {}, key_ = {}, value_ = {}, read_ = {}, first_ = {}, sum_ = {}, mixed_ = {}, wide_ = {},
                         moments_ = {};
};

/// Consecutive texts that one thread takes: as many as fill a few blocks of rows.
inline std::vector<std::pair<std::size_t, std::size_t>> groups_of_texts(std::vector<std::int64_t> const& offsets) {
    std::vector<std::pair<std::size_t, std::size_t>> groups;
    for (std::size_t begin = 0; begin + 1 < offsets.size();) {
        std::size_t end = begin + 1;
        while (end + 1 < offsets.size() && offsets[end + 1] - offsets[begin] <= 2 * packed_block) { ++end; }
        groups.emplace_back(begin, end);
        begin = end;
    }
    return groups;
}

/// The output of the layers, where `runs_packed`. A row depends, bit for bit, on its own text alone.
/// \param rows        [T, H] the embeddings
/// \param first_only  `hidden` has the first row of each text alone: [B, H]
inline Encoded run_packed(LayerStack const& layers, at::Tensor const& rows, std::vector<std::int64_t> const& offsets,
                          bool keep_layers, bool first_only = false) {
    require_packed(rows, rows, rows, offsets, layers.front().heads, nullptr);
    std::int64_t const width = rows.size(1);
    at::Tensor const from = rows.contiguous();
    Encoded encoded{.hidden = first_only ? at::empty({static_cast<std::int64_t>(offsets.size()) - 1, width}, rows.options())
                                         : at::empty_like(from)};
    if (keep_layers) {
        encoded.layers.push_back(from);
        for (std::size_t i = 0; i + 1 < layers.size(); ++i) { encoded.layers.push_back(at::empty_like(from)); }
        encoded.layers.push_back(encoded.hidden);
    }
    auto const groups = groups_of_texts(offsets);
    parallel_blocks(static_cast<std::int64_t>(groups.size()), [&](std::int64_t group) {
        static thread_local PackedTexts texts;
        static thread_local AlignedBuffer<float> own;
        auto const [begin, end] = groups[static_cast<std::size_t>(group)];
        std::vector<std::int64_t> places;
        for (std::size_t b = begin; b <= end; ++b) { places.push_back(offsets[b] - offsets[begin]); }
        std::int64_t const numbers = places.back() * width;
        std::int64_t const at = offsets[begin] * width;
        float* const x = own.grow(numbers);
        std::copy_n(read_from<float>(from) + at, numbers, x);
        for (std::size_t i = 0; i < layers.size(); ++i) {
            if (first_only && i + 1 == layers.size()) {
                texts.run_first(layers[i], x, places, width,
                                write_to<float>(encoded.hidden) + static_cast<std::int64_t>(begin) * width);
                return;
            }
            texts.run(layers[i], x, places, width);
            if (keep_layers) { std::copy_n(x, numbers, write_to<float>(encoded.layers[i + 1]) + at); }
        }
        std::copy_n(x, numbers, write_to<float>(encoded.hidden) + at);
    });
    return encoded;
}

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
