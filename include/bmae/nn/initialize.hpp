// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Initialization of parameters: each tensor is a function of (seed, its name), in any order of construction.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>

#include <bmae/values/draw.hpp>
#include <bmae/values/parameter_role.hpp>

namespace bmae {

/// How the weights of new layers are initialized.
enum class Initialization {
    bert,          ///< weights N(0, 0.02), biases 0 (Devlin et al.: arXiv 1810.04805); LayerNorm 1 and 0 in every scheme
    fan_in,        ///< weights and biases U(+-1/sqrt(fan_in)): the framework default that MASTER's released code leaves in place
    last_layers,   ///< a copy of the encoder's last layers, for decoders made of such layers (SimLM)
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(Initialization) noexcept { return {"bert", "fan_in", "last_layers"}; }

namespace detail {

inline std::uint64_t name_hash(std::string_view name) noexcept {
    std::uint64_t hash = 0;
    for (char const c : name) { hash = mix64(hash ^ static_cast<unsigned char>(c)); }
    return hash;
}

}  // namespace detail

/// Copies the values of `from` to `to`, a module of the same shape.
template <class Module>
void copy_parameters(Module const& from, Module& to) {
    std::vector<at::Tensor> values;
    Module source = from;   // tensors are handles: this copies no data
    source.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) { values.push_back(value.detach()); });
    std::size_t next = 0;
    to.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) { value.detach().copy_(values[next++]); });
}

/// Fills those parameters of `module` for which `wanted(name)` is true, each by the role that the module gives it.
/// \param deviation  standard deviation of `Initialization::bert`
template <class Module, std::predicate<std::string const&> Wanted>
void initialize(Module& module, std::string const& prefix, std::uint64_t seed, Initialization scheme, double deviation,
                Wanted const& wanted) {
    double bound = 0;
    module.for_each_parameter(prefix, [&](std::string const& name, at::Tensor& value, ParameterRole role) {
        bool const is_weight =
            role != ParameterRole::norm_scale && role != ParameterRole::norm_shift && role != ParameterRole::bias;
        if (is_weight && value.dim() == 2) { bound = 1.0 / std::sqrt(static_cast<double>(value.size(1))); }
        if (!wanted(name)) { return; }
        at::Generator generator = at::detail::createCPUGenerator(detail::mix64(seed) ^ detail::name_hash(name));
        if (role == ParameterRole::norm_scale || role == ParameterRole::norm_shift) {
            value.fill_(role == ParameterRole::norm_scale ? 1.0 : 0.0);
        } else if (role == ParameterRole::bias) {
            if (scheme == Initialization::fan_in && bound > 0) {
                value.uniform_(-bound, bound, generator);
            } else {
                value.zero_();
            }
        } else if (scheme == Initialization::fan_in && value.dim() == 2) {
            value.uniform_(-bound, bound, generator);
        } else {
            value.normal_(0.0, deviation, generator);
        }
    });
}

/// Fills all parameters of `module`.
template <class Module>
void initialize(Module& module, std::string const& prefix, std::uint64_t seed, Initialization scheme = Initialization::bert,
                double deviation = 0.02) {
    initialize(module, prefix, seed, scheme, deviation, [](std::string const&) { return true; });
}

}  // namespace bmae
