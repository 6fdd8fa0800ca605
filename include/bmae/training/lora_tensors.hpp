// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The names of low-rank factors in checkpoints, and a checkpoint's weights with them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/matmul.h>
#include <c10/core/GradMode.h>

#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

inline constexpr std::string_view lora_prefix = "lora.";
inline constexpr char const* lora_scale = "lora.scale";   ///< alpha / rank, [1]
inline constexpr std::string_view lora_down = ".down";    ///< [rank, in]
inline constexpr std::string_view lora_up = ".up";        ///< [out, rank]

/// "lora.encoder.layer.0.attention.self.query" of "encoder.layer.0.attention.self.query.weight".
inline std::string lora_name(std::string_view weight) {
    constexpr std::string_view end = ".weight";
    if (weight.ends_with(end)) { weight.remove_suffix(end.size()); }
    return std::string(lora_prefix).append(weight);
}

/// W + scale U D, summed in fp32, in the type of W.                                                              [out, in]
inline at::Tensor adapted(at::Tensor const& weight, at::Tensor const& down, at::Tensor const& up, double scale) {
    at::Tensor const change = at::matmul(up.to(at::kFloat), down.to(at::kFloat)).mul(scale);
    return weight.to(at::kFloat).add(change).to(weight.scalar_type());
}

}  // namespace detail

/// The tensors of a checkpoint without low-rank factors: each weight that has some with them added. Others as they are.
/// \param file  named in errors
/// \throws InputError  factors without their weight or of shapes that do not fit
inline NamedTensors merge_lora(NamedTensors tensors, std::string const& file) {
    auto const scale = tensors.find(std::string_view(detail::lora_scale));
    if (scale == tensors.end()) { return tensors; }
    c10::AutoGradMode const no_grad(false);
    double const factor = scale->second.item<double>();
    std::vector<std::string> factors{detail::lora_scale};
    std::vector<std::pair<std::string, at::Tensor>> merged;
    for (auto const& [name, down] : tensors) {
        if (!name.starts_with(detail::lora_prefix) || !name.ends_with(detail::lora_down)) { continue; }
        std::string const stem = name.substr(0, name.size() - detail::lora_down.size());
        std::string const weight = stem.substr(detail::lora_prefix.size()) + ".weight";
        auto const up = tensors.find(stem + std::string(detail::lora_up));
        auto const base = tensors.find(weight);
        bool const whole = up != tensors.end() && base != tensors.end();
        if (!whole || up->second.dim() != 2 || down.dim() != 2 || base->second.dim() != 2 || up->second.size(1) != down.size(0) ||
            up->second.size(0) != base->second.size(0) || down.size(1) != base->second.size(1)) {
            throw InputError(Diagnostic{.file = file,
                                        .expected = weight + " [out, in] with low-rank factors [out, rank] and [rank, in]",
                                        .found = whole ? "others" : "not all three"});
        }
        merged.emplace_back(weight, detail::adapted(base->second, down, up->second, factor));
        factors.push_back(name);
        factors.push_back(up->first);
    }
    for (auto& [name, value] : merged) { tensors.insert_or_assign(name, std::move(value)); }
    for (std::string const& name : factors) { tensors.erase(name); }
    return tensors;
}

}  // namespace bmae
