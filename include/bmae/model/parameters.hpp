// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The parameters of any composition in a file, by their names, and back.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <bmae/io/safetensors.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Writes all parameters of `model` to a safetensors file, each under the name that `model.for_each_parameter(visit)` gives it.
///
/// `model` is a `Model`, or anything else with such a member. The momentum encoder and queues are state, not parameters: a run
/// that is to be resumed needs a checkpoint of the trainer.
/// \param existing  what becomes of a file of that name
/// Throws InputError where the file cannot be written.
template <class M>
void save_parameters(M& model, std::filesystem::path const& file, Existing existing = Existing::refuse) {
    NamedTensors tensors;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, auto) { tensors[name] = value.detach().cpu(); });
    save_tensors(file, tensors, {{"format", "pt"}}, existing);
}

/// Gives the parameters of `model` the values of a file of `save_parameters`, or of a checkpoint folder of the trainer:
/// `load_parameters(model, "run/step-20")` reads its model.safetensors. The composition must be the one that was trained.
///
/// Numbers are converted to the type and device of the parameter. Where anything does not fit, no parameter is changed.
/// Throws InputError, by the name of the parameter, for a tensor that is missing, of another shape, or of no parameter.
template <class M>
void load_parameters(M& model, std::filesystem::path const& path) {
    std::filesystem::path const file = std::filesystem::is_directory(path) ? path / "model.safetensors" : path;
    NamedTensors const tensors = load_tensors(file);
    auto const refuse = [&](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = file.string(),
                                     .expected = std::move(expected),
                                     .found = std::move(found),
                                     .hint = "Compose the model as it was when the file was written, with the same options."});
    };
    auto const shape = [](at::Tensor const& tensor) { return shape_text(tensor.sizes().vec()); };
    std::set<std::string> known;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, auto) {
        known.insert(name);
        auto const at = tensors.find(name);
        if (at == tensors.end()) { throw refuse("the parameter " + name + ' ' + shape(value), "none of that name"); }
        if (at->second.sizes() != value.sizes()) { throw refuse(name + ' ' + shape(value), shape(at->second)); }
        if (!at->second.is_floating_point()) { throw refuse(name + " as floating-point numbers", "another type"); }
    });
    for (auto const& [name, tensor] : tensors) {
        if (!known.contains(name)) { throw refuse("parameters of this model only", name + ' ' + shape(tensor)); }
    }
    c10::AutoGradMode const no_gradient(false);
    model.for_each_parameter(
        [&](std::string const& name, at::Tensor& value, auto) { value.detach().copy_(tensors.find(name)->second); });
}

}  // namespace bmae
