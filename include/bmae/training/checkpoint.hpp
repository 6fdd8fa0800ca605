// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Files of the tensors of a run: fp32 masters by parameter name, and the optimizer's moments.
#pragma once

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <bmae/detail/separate.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/training/flat_parameters.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/training/optimizer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

inline constexpr char const* model_file = "model.safetensors";
inline constexpr char const* optimizer_file = "optimizer.safetensors";

/// Most runs have rank 0 only.
BMAE_INLINE std::string state_file_of(std::size_t rank);

/// A flat fp32 buffer as named pieces; `flat` must be on the CPU and outlive them.
BMAE_INLINE void add_entries(std::vector<TensorEntry>& entries, FlatParameters const& parameters, at::Tensor const& flat);

/// Masters and states are fp32, the codes of 8-bit states bytes.
inline ElementType state_type(at::Tensor const& tensor) {
    return tensor.scalar_type() == at::kByte ? ElementType::u8 : ElementType::f32;
}

BMAE_INLINE void read_into(at::Tensor const& target, SafetensorsFile const& file, std::string const& name);

BMAE_INLINE void expect_count(SafetensorsFile const& file, std::size_t count);

}  // namespace detail

/// Writes model.safetensors: every parameter by its name, in fp32 at any compute type.
BMAE_INLINE void write_model(std::filesystem::path const& folder, FlatParameters const& parameters);

/// Writes optimizer.safetensors: the state of the optimizer. AdamW: mean.NAME and square.NAME for every trained parameter, and
/// `count`; with an alternation also `count.1`, `count.2`.
BMAE_INLINE void write_optimizer(std::filesystem::path const& folder, Optimizer const& optimizer);

/// Reads what `write_model` wrote; the network reads it from then on.
/// \throws InputError where a tensor is missing, unexpected or of another shape
BMAE_INLINE void read_model(std::filesystem::path const& folder, FlatParameters& parameters);

/// Writes state.safetensors where the objective has tensors that are not parameters; otherwise nothing. Each rank has its own:
/// state-rank-1.safetensors ...
BMAE_INLINE void write_state(std::filesystem::path const& folder, Objective& objective, std::size_t rank = 0);

/// Reads what `write_state` wrote, in place.
/// \throws InputError where a tensor is missing or has another shape
BMAE_INLINE void read_state(std::filesystem::path const& folder, Objective& objective, std::size_t rank = 0);

/// Reads what `write_optimizer` wrote.
BMAE_INLINE void read_optimizer(std::filesystem::path const& folder, Optimizer& optimizer);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::string state_file_of(std::size_t rank) {
    return rank == 0 ? "state.safetensors" : "state-rank-" + std::to_string(rank) + ".safetensors";
}

BMAE_INLINE void add_entries(std::vector<TensorEntry>& entries, FlatParameters const& parameters, at::Tensor const& flat) {
    std::span<std::byte const> const bytes(reinterpret_cast<std::byte const*>(flat.const_data_ptr<float>()), flat.nbytes());
    for (ParameterSlot const& slot : parameters.slots()) {
        TensorEntry entry;
        entry.name = slot.name;
        entry.type = ElementType::f32;
        entry.shape = slot.shape;
        entry.bytes = bytes.subspan(static_cast<std::size_t>(slot.offset) * sizeof(float),
                                    static_cast<std::size_t>(slot.size) * sizeof(float));
        entries.push_back(std::move(entry));
    }
}

BMAE_INLINE void read_into(at::Tensor const& target, SafetensorsFile const& file, std::string const& name) {
    TensorEntry const& entry = file.at(name);
    ElementType const type = state_type(target);
    if (entry.type != type || entry.shape != target.sizes().vec()) {
        throw InputError(Diagnostic{file.name(), 0,
                                    name + " as " + std::string(to_string(type)) + ' ' + shape_text(target.sizes().vec()),
                                    std::string(to_string(entry.type)) + ' ' + shape_text(entry.shape)});
    }
    at::Tensor const copy = at::empty(entry.shape, target.scalar_type());
    if (!entry.bytes.empty()) { std::memcpy(copy.mutable_data_ptr(), entry.bytes.data(), entry.bytes.size()); }
    target.copy_(copy);
}

BMAE_INLINE void expect_count(SafetensorsFile const& file, std::size_t count) {
    if (file.entries().size() != count) {
        throw InputError(Diagnostic{file.name(), 0, std::to_string(count) + " tensors", std::to_string(file.entries().size())});
    }
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE void write_model(std::filesystem::path const& folder, FlatParameters const& parameters) {
    at::Tensor const master = parameters.master().cpu();
    std::vector<TensorEntry> entries;
    detail::add_entries(entries, parameters, master);
    write_safetensors(folder / detail::model_file, entries, {{"format", "pt"}});
}

BMAE_INLINE void write_optimizer(std::filesystem::path const& folder, Optimizer const& optimizer) {
    std::vector<at::Tensor> held;   // as the entries refer to their bytes
    std::vector<TensorEntry> entries;
    optimizer.for_each_state([&](std::string const& name, at::Tensor const& value) {
        at::Tensor const& kept = held.emplace_back(value.detach().cpu().contiguous());
        TensorEntry entry;
        entry.name = name;
        entry.type = detail::state_type(kept);
        entry.shape = kept.sizes().vec();
        entry.bytes = std::span(static_cast<std::byte const*>(kept.const_data_ptr()), static_cast<std::size_t>(kept.nbytes()));
        entries.push_back(std::move(entry));
    });
    write_safetensors(folder / detail::optimizer_file, entries);
}

BMAE_INLINE void read_model(std::filesystem::path const& folder, FlatParameters& parameters) {
    c10::AutoGradMode const no_grad(false);
    SafetensorsFile const file = SafetensorsFile::open(folder / detail::model_file);
    detail::expect_count(file, parameters.slots().size());
    for (std::size_t i = 0; i < parameters.slots().size(); ++i) {
        detail::read_into(parameters.view(parameters.master(), i), file, parameters.slots()[i].name);
    }
    parameters.publish();
}

BMAE_INLINE void write_state(std::filesystem::path const& folder, Objective& objective, std::size_t rank) {
    NamedTensors tensors;
    objective.for_each_state(
        [&](std::string const& name, at::Tensor& value) { tensors[name] = value.detach().cpu().contiguous(); });
    if (!tensors.empty()) { save_tensors(folder / detail::state_file_of(rank), tensors, {}); }
}

BMAE_INLINE void read_state(std::filesystem::path const& folder, Objective& objective, std::size_t rank) {
    c10::AutoGradMode const no_grad(false);
    NamedTensors tensors;
    bool opened = false;
    objective.for_each_state([&](std::string const& name, at::Tensor& value) {
        std::filesystem::path const file = folder / detail::state_file_of(rank);
        if (!std::exchange(opened, true)) { tensors = load_tensors(file); }
        auto const found = tensors.find(name);
        if (found == tensors.end() || found->second.sizes() != value.sizes() ||
            found->second.scalar_type() != value.scalar_type()) {
            throw InputError(Diagnostic{file.string(), 0, name + " of the shape that the model has",
                                        found == tensors.end() ? "none" : "another"});
        }
        value.copy_(found->second);
    });
}

BMAE_INLINE void read_optimizer(std::filesystem::path const& folder, Optimizer& optimizer) {
    c10::AutoGradMode const no_grad(false);
    SafetensorsFile const file = SafetensorsFile::open(folder / detail::optimizer_file);
    std::size_t count = 0;
    optimizer.for_each_state([&](std::string const&, at::Tensor const&) { ++count; });
    detail::expect_count(file, count);
    optimizer.for_each_state([&](std::string const& name, at::Tensor const& value) { detail::read_into(value, file, name); });
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
