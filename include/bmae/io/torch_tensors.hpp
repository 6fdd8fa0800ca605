// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The tensors of a file of torch.save, read and written.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <bmae/io/tensors.hpp>
#include <bmae/io/torch_file.hpp>
#include <bmae/io/torch_file_writer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// The numbers of storage `index`, in one dimension.
inline at::Tensor storage_tensor(TorchFile const& file, std::size_t index, Loading loading) {
    TensorStorage const& storage = file.storages()[index];
    auto const type = torch_type(storage.type);   // every type of a storage is one of LibTorch's
    if (storage.type == ElementType::boolean &&
        std::any_of(storage.bytes.begin(), storage.bytes.end(), [](std::byte value) { return value > std::byte{1}; })) {
        throw InputError(Diagnostic{
            .file = file.name(), .expected = "booleans 0 and 1", .found = "another byte", .hint = "The file is damaged."});
    }
    auto const options = at::TensorOptions().dtype(*type);
    std::size_t const width = bits_of(storage.type) / 8;
    auto const elements = static_cast<std::int64_t>(storage.bytes.size() / width);
    bool const aligned = reinterpret_cast<std::uintptr_t>(storage.bytes.data()) % width == 0;
    if (loading == Loading::mapped && aligned && !storage.bytes.empty() && file.keep_alive()) {
        return at::from_blob(
            const_cast<std::byte*>(storage.bytes.data()), {elements}, [owner = file.keep_alive()](void*) {}, options);
    }
    at::Tensor numbers = at::empty({elements}, options);
    if (!storage.bytes.empty()) { std::memcpy(numbers.mutable_data_ptr(), storage.bytes.data(), storage.bytes.size()); }
    return numbers;
}

}  // namespace detail

/// The tensors of an open file. Those that share a storage there share memory here, as after torch.load.
/// \throws InputError  a boolean other than 0 and 1
inline NamedTensors to_tensors(TorchFile const& file, Loading loading = Loading::copy) {
    std::vector<at::Tensor> storages(file.storages().size());
    NamedTensors tensors;
    for (StridedEntry const& entry : file.entries()) {
        at::Tensor& storage = storages[entry.storage];
        if (!storage.defined()) { storage = detail::storage_tensor(file, entry.storage, loading); }
        tensors.emplace(entry.name, storage.as_strided(entry.shape, entry.strides, static_cast<std::int64_t>(entry.offset)));
    }
    return tensors;
}

/// The tensors of a file of torch.save, such as pytorch_model.bin. Nothing of it is run.
/// \throws InputError  see `TorchFile`
inline NamedTensors load_torch_tensors(std::filesystem::path const& path, Loading loading = Loading::copy) {
    return to_tensors(TorchFile::open(path), loading);
}

/// Writes tensors of any device and layout in memory for torch.load; one at a time is copied to the CPU.
/// \throws InputError  a type that torch.save has no storage for, an existing file, a full disk; no file is left then
inline void save_torch_tensors(std::filesystem::path const& path, NamedTensors const& tensors,
                               Existing existing = Existing::refuse) {
    std::vector<TensorInfo> infos;
    for (auto const& [name, tensor] : tensors) {
        auto const type = element_type(tensor.scalar_type());
        if (!type) {
            throw InputError(
                Diagnostic{.file = path.string(),
                           .expected = "a type of torch.save's storages",
                           .found = std::string(c10::toString(tensor.scalar_type())) + " in tensor \"" + name + '"'});
        }
        infos.push_back({name, *type, tensor.sizes().vec()});
    }
    TorchFileWriter writer(path, std::move(infos), existing);
    for (auto const& [name, tensor] : tensors) {
        at::Tensor const dense = tensor.detach().to(at::kCPU).contiguous();
        writer.append({static_cast<std::byte const*>(dense.const_data_ptr()), static_cast<std::size_t>(dense.nbytes())});
    }
    writer.commit();
}

}  // namespace bmae
