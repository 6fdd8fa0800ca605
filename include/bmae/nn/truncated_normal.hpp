// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Initialization from a normal distribution without its tails.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>

#include <bmae/nn/initialize.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/parameter_role.hpp>

namespace bmae {

/// Fills a new parameter by its role, as a function of (seed, name): a weight from N(0, deviation) between +-cutoff deviations, by
/// the inverse of its distribution function as PyTorch's `trunc_normal_`; biases 0; scales of a normalization 1.
/// \param cutoff  in deviations: the values that remain have a smaller deviation, .88 of it at 2; 0: no bound
inline void initialize_truncated(std::string const& name, at::Tensor& value, ParameterRole role, std::uint64_t seed,
                                 double deviation, double cutoff) {
    if (role != ParameterRole::weight) {
        value.fill_(role == ParameterRole::norm_scale ? 1.0 : 0.0);
        return;
    }
    at::Generator generator = at::detail::createCPUGenerator(detail::mix64(seed) ^ detail::name_hash(name));
    if (cutoff <= 0) {
        value.normal_(0.0, deviation, generator);
        return;
    }
    double const within = std::erf(cutoff / std::numbers::sqrt2);   // share of the distribution that is kept
    value.uniform_(-within, within, generator).erfinv_().mul_(deviation * std::numbers::sqrt2);
    value.clamp_(-cutoff * deviation, cutoff * deviation);
}

}  // namespace bmae
