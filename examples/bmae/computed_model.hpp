// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Models of any kind on the device and in the precision of the options.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include <bmae/encoders/any_encoder.hpp>
#include <bmae/nn/packed_linear.hpp>
#include <bmae/retrieval/any_text_model.hpp>
#include <bmae/training/precision.hpp>
#include <bmae/values/packed_type.hpp>

namespace bmae::program {

/// How a model computes, from the options.
struct Computing {
    at::Device device = at::kCPU;
    ComputeType precision = ComputeType::fp32;
    std::optional<std::size_t> max_length = {};
};

/// A model that was just loaded, whose tensors nobody else reads, on the device and in the precision.
template <class Model>
Model computed_by(Computing const& how, Model model) {
    AnyTextModel const& network = model.model();
    PackedType const type = how.precision == ComputeType::bf16 ? PackedType::bf16 : PackedType::fp32;
    if constexpr (requires { model.packed(type); }) {
        if (how.device.is_cpu() && packing_pays(type) && network.packs(type)) { return model.packed(type); }
    }
    at::ScalarType const number = how.precision == ComputeType::bf16 ? at::kBFloat16 : at::kFloat;
    auto const convert = [&](at::Tensor tensor) { tensor.set_data(tensor.detach().to(how.device, number)); };
    AnyEncoder encoder = network.any_encoder();   // shares the tensors, whose data are exchanged
    encoder.for_each_parameter("", [&](std::string const&, at::Tensor& value, auto const&) { convert(value); });
    for (auto const& [name, tensor] : network.bottleneck_tensors()) { convert(tensor); }
    return model;
}

}  // namespace bmae::program
