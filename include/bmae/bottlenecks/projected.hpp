// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A small network between pooling and the sentence vector, for training alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/linear.hpp>

namespace bmae {

/// tanh(x W^T + b): SimCSE's head, arXiv 2104.08821, section 6.3.                                          [B, H] -> [B, H]
struct TanhProjection {
    static constexpr std::string_view name = "tanh";
    Linear dense;

    explicit TanhProjection(BertConfig const& config) : dense(config.hidden_size, config.hidden_size) {}
    at::Tensor operator()(at::Tensor const& rows) const { return at::tanh(dense(rows)); }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        dense.for_each_parameter(prefix + ".dense", visit);
    }
};

/// Linear (H -> 2H), batch norm, ReLU, Linear (2H -> H), batch norm without affine; no biases: DiffCSE, arXiv 2204.10298.
///
/// Statistics are those of the batch, in training and in dumps: the projection is never used afterwards.  [B, H] -> [B, H]
struct BatchNormProjection {
    static constexpr std::string_view name = "batch_norm";
    at::Tensor first;         ///< [2H, H]
    at::Tensor norm_weight;   ///< [2H]
    at::Tensor norm_bias;     ///< [2H]
    at::Tensor second;        ///< [H, 2H]

    explicit BatchNormProjection(BertConfig const& config)
        : first(at::empty({2 * config.hidden_size, config.hidden_size})),
          norm_weight(at::empty({2 * config.hidden_size})),
          norm_bias(at::empty({2 * config.hidden_size})),
          second(at::empty({config.hidden_size, 2 * config.hidden_size})) {}

    at::Tensor operator()(at::Tensor const& rows) const {
        at::Tensor const wide = at::relu(normalized(at::linear(rows, first), norm_weight, norm_bias));
        return normalized(at::linear(wide, second), {}, {});
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".first.weight", first, true);
        visit(prefix + ".first.LayerNorm.weight", norm_weight, false);
        visit(prefix + ".first.LayerNorm.bias", norm_bias, false);
        visit(prefix + ".second.weight", second, true);
    }

private:
    /// A batch of one has no spread: it is passed on as it is.
    static at::Tensor normalized(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& bias) {
        if (rows.size(0) < 2) { return rows; }
        return at::batch_norm(rows, weight, bias, {}, {}, /*training=*/true, .1, 1e-5, /*cudnn_enabled=*/false);
    }
};

/// `Inner`, then `Projection`; all passes of a model that say so share the projection, under `shared.projection`.
template <class Inner, class Projection>
class Projected {
public:
    struct Options {
        Inner inner = {};
    };
    static constexpr std::string_view name = Inner::name;

    Projected(Options options, BertEncoder const& encoder, std::uint64_t seed, std::string const&)
        : inner_(std::move(options.inner)), projection_(encoder.config()) {
        initialize(projection_, root, seed, Initialization::bert, encoder.config().initializer_range);
    }

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, BertEncoder const&) const {   // [B, H]
        return projection_(inner_.pool(encoded, input));
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&& visit) {
        projection_.for_each_parameter(root, visit);
    }

    static constexpr std::string_view projection = Projection::name;

private:
    static constexpr char const* root = "shared.projection";

    Inner inner_;
    Projection projection_;
};

static_assert(BuiltBottleneck<Projected<ClsBottleneck, TanhProjection>, BertEncoder>);
static_assert(BuiltBottleneck<Projected<ClsBottleneck, BatchNormProjection>, BertEncoder>);

}  // namespace bmae
