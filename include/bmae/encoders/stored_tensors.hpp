// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The tensors of a folder against the parameters of the model that its config.json describes.
#pragma once

#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

#include <bmae/encoders/hf_folder.hpp>
#include <bmae/io/tensors.hpp>

namespace bmae::detail {

/// Refuses tensors that are not exactly those of `shapes`, or not finite; one message lists all errors.
/// \param file_name  the name in the file of one of this library's
/// \param expected   "the tensors of ModernBERT with 22 layers of 768"
inline void check_stored_tensors(NamedTensors rest, NamedTensors const& shapes,
                                 std::function<std::string(std::string const&)> const& file_name, std::string const& expected,
                                 std::string const& file) {
    TensorDiagnostics diagnostics;
    TensorDiagnostics numbers;
    for (auto const& [name, shape] : shapes) {
        std::string const in_file = file_name(name);
        auto const found = rest.find(name);
        if (found == rest.end()) {
            diagnostics.add("missing", in_file);
            continue;
        }
        at::Tensor const tensor = found->second;
        rest.erase(found);
        if (tensor.sizes() != shape.sizes()) {
            diagnostics.add("of a wrong shape",
                            in_file + ' ' + shape_text(tensor.sizes().vec()) + " instead of " + shape_text(shape.sizes().vec()));
        } else if (!at::isFloatingType(tensor.scalar_type())) {
            diagnostics.add("without real numbers", in_file + ' ' + c10::toString(tensor.scalar_type()));
        } else if (!all_finite(tensor)) {
            numbers.add("with NaN or infinity", in_file);
        }
    }
    for (auto const& [name, tensor] : rest) { diagnostics.add("unexpected", file_name(name)); }
    diagnostics.raise(file, expected);
    numbers.raise(file, "finite weights", "The training run diverged, or the file is damaged: take an earlier checkpoint.");
}

}  // namespace bmae::detail
