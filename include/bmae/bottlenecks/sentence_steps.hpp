// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What may follow the pooling of a saved model: linear maps, norms, length one, a cut.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <ATen/core/Tensor.h>

#include <bmae/detail/hash.hpp>
#include <bmae/detail/separate.hpp>

#if BMAE_TORCH_DEFINITIONS
#include <algorithm>
#include <span>

#include <ATen/TensorOperators.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/mish.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/selu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/tanh.h>

#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/nn/bf16_products.hpp>
#endif

namespace bmae {

/// What stands behind a linear map: the classes of torch.nn of these names, with their defaults.
enum class DenseActivation {
    identity,
    tanh,
    relu,
    gelu,
    sigmoid,
    silu,
    mish,
    elu,
    selu,
    leaky_relu,
    relu6,
    hardtanh,
    hardswish,
    softplus,
    softsign,
    log_sigmoid
};

/// The classes, in the order of the values.
constexpr std::array<std::string_view, 16> names_of(DenseActivation) noexcept {
    return {"Identity", "Tanh",      "ReLU",  "GELU",     "Sigmoid",   "SiLU",     "Mish",     "ELU",
            "SELU",     "LeakyReLU", "ReLU6", "Hardtanh", "Hardswish", "Softplus", "Softsign", "LogSigmoid"};
}
[[nodiscard]] constexpr std::string_view to_string(DenseActivation activation) noexcept {
    return names_of(activation)[static_cast<std::size_t>(activation)];
}
/// By a path of torch.nn, "torch.nn.modules.activation.Tanh" or "torch.nn.Tanh"; nothing for another.
[[nodiscard]] constexpr std::optional<DenseActivation> dense_activation_named(std::string_view path) noexcept {
    if (!path.starts_with("torch.nn.")) { return std::nullopt; }
    std::string_view const wanted = path.substr(path.rfind('.') + 1);
    auto const names = names_of(DenseActivation{});
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == wanted) { return static_cast<DenseActivation>(i); }
    }
    return std::nullopt;
}
/// "torch.nn.modules.activation.Tanh", as sentence-transformers writes it.
[[nodiscard]] inline std::string torch_class_of(DenseActivation activation) {
    return std::string(activation == DenseActivation::identity ? "torch.nn.modules.linear." : "torch.nn.modules.activation.") +
           std::string(to_string(activation));
}

/// y = activation(W x + b): a Dense module of sentence-transformers.                                            [B, in] -> [B, out]
struct DenseStep {
    at::Tensor weight = {};   ///< [out, in]
    at::Tensor bias = {};     ///< [out]; undefined: none
    DenseActivation activation = DenseActivation::identity;
};

/// Layer normalization over the vector.                                                                            [B, D] -> [B, D]
struct LayerNormStep {
    at::Tensor weight = {};   ///< [D]
    at::Tensor bias = {};     ///< [D]
    double epsilon = 1e-5;    ///< of torch.nn.LayerNorm
};

/// Length one; a zero vector stays zero.                                                                           [B, D] -> [B, D]
struct UnitLengthStep {};

/// The first `width` numbers (Kusupati et al.: Matryoshka representations, arXiv 2205.13147).              [B, D] -> [B, width]
struct TruncateStep {
    std::int64_t width = 0;
};

/// One step of the chain behind a pooling.
using SentenceStep = std::variant<DenseStep, LayerNormStep, UnitLengthStep, TruncateStep>;

/// The vectors behind a step.                                                                                       [B, D] -> [B, D']
[[nodiscard]] BMAE_INLINE at::Tensor apply_step(SentenceStep const& step, at::Tensor const& rows);
/// D' of a step behind vectors of `width` numbers; nothing where it does not fit them.
[[nodiscard]] BMAE_INLINE std::optional<std::int64_t> width_behind(SentenceStep const& step, std::int64_t width);
/// "dense", "layer_norm", "normalized" or "truncated".
[[nodiscard]] BMAE_INLINE std::string_view name_of_step(SentenceStep const& step);
/// Adds what determines the step to a checksum.
BMAE_INLINE void hash_step(detail::Xxh64& hash, SentenceStep const& step);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae {

namespace detail {

inline at::Tensor apply_activation(DenseActivation activation, at::Tensor const& x) {
    switch (activation) {
        case DenseActivation::identity:
            return x;
        case DenseActivation::tanh:
            return at::tanh(x);
        case DenseActivation::relu:
            return at::relu(x);
        case DenseActivation::gelu:
            return at::gelu(x);
        case DenseActivation::sigmoid:
            return at::sigmoid(x);
        case DenseActivation::silu:
            return at::silu(x);
        case DenseActivation::mish:
            return at::mish(x);
        case DenseActivation::elu:
            return at::elu(x);
        case DenseActivation::selu:
            return at::selu(x);
        case DenseActivation::leaky_relu:
            return at::leaky_relu(x);
        case DenseActivation::relu6:
            return at::hardtanh(x, 0, 6);
        case DenseActivation::hardtanh:
            return at::hardtanh(x);
        case DenseActivation::hardswish:
            return at::hardswish(x);
        case DenseActivation::softplus:
            return at::softplus(x);
        case DenseActivation::softsign:
            return x / (x.abs() + 1);
        case DenseActivation::log_sigmoid:
            return at::log_sigmoid(x);
    }
    return x;
}

/// Shape and values of a tensor, or that there is none.
inline void hash_values(Xxh64& hash, at::Tensor const& tensor) {
    if (!tensor.defined()) { return; }
    at::Tensor const values = tensor.detach().cpu().contiguous();
    hash.update(shape_text(values.sizes().vec()));
    hash.update(std::span(static_cast<std::byte const*>(values.const_data_ptr()), static_cast<std::size_t>(values.nbytes())));
}

/// The names of the first two are those of earlier versions, whose checksums stay what they are.
inline std::string_view hashed_name(DenseActivation activation) {
    return activation == DenseActivation::identity ? "none"
           : activation == DenseActivation::tanh   ? "tanh"
                                                   : to_string(activation);
}

template <class... Visit>
struct StepVisitor : Visit... {
    using Visit::operator()...;
};
template <class... Visit>
StepVisitor(Visit...) -> StepVisitor<Visit...>;

}  // namespace detail

BMAE_INLINE at::Tensor apply_step(SentenceStep const& step, at::Tensor const& rows) {
    auto const like = [&rows](at::Tensor const& tensor) {
        return tensor.defined() ? std::optional(tensor.to(rows.options())) : std::nullopt;
    };
    return std::visit(detail::StepVisitor{
                          [&](DenseStep const& dense) {
                              at::Tensor const bias = like(dense.bias).value_or(at::Tensor());
                              return detail::apply_activation(dense.activation, detail::affine(rows, *like(dense.weight), bias));
                          },
                          [&](LayerNormStep const& norm) {
                              return at::layer_norm(rows, {rows.size(1)}, like(norm.weight), like(norm.bias), norm.epsilon);
                          },
                          [&](UnitLengthStep const&) { return normalize_rows(rows); },
                          [&](TruncateStep const& cut) { return rows.narrow(1, 0, std::min(cut.width, rows.size(1))); }},
                      step);
}

BMAE_INLINE std::optional<std::int64_t> width_behind(SentenceStep const& step, std::int64_t width) {
    using Width = std::optional<std::int64_t>;
    return std::visit(
        detail::StepVisitor{
            [&](DenseStep const& dense) -> Width {
                bool const fits = dense.weight.dim() == 2 && dense.weight.size(1) == width &&
                                  (!dense.bias.defined() || dense.bias.numel() == dense.weight.size(0));
                return fits ? Width(dense.weight.size(0)) : std::nullopt;
            },
            [&](LayerNormStep const& norm) -> Width {
                bool const fits =
                    norm.weight.defined() && norm.weight.numel() == width && norm.bias.defined() && norm.bias.numel() == width;
                return fits ? Width(width) : std::nullopt;
            },
            [&](UnitLengthStep const&) -> Width { return width; },
            [&](TruncateStep const& cut) -> Width { return cut.width < 1 ? std::nullopt : Width(std::min(cut.width, width)); }},
        step);
}

BMAE_INLINE std::string_view name_of_step(SentenceStep const& step) {
    static constexpr std::array<std::string_view, 4> names{"dense", "layer_norm", "normalized", "truncated"};
    return names[step.index()];
}

BMAE_INLINE void hash_step(detail::Xxh64& hash, SentenceStep const& step) {
    std::visit(detail::StepVisitor{[&](DenseStep const& dense) {
                                       detail::hash_values(hash, dense.weight);
                                       detail::hash_values(hash, dense.bias);
                                       hash.update(detail::hashed_name(dense.activation));
                                   },
                                   [&](LayerNormStep const& norm) {
                                       detail::hash_values(hash, norm.weight);
                                       detail::hash_values(hash, norm.bias);
                                       hash.update("norm " + std::to_string(norm.epsilon));
                                   },
                                   [&](UnitLengthStep const&) { hash.update(std::string_view("unit length")); },
                                   [&](TruncateStep const& cut) { hash.update("cut " + std::to_string(cut.width)); }},
               step);
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
