// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// LibTorch tensors in safetensors files.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <bmae/detail/separate.hpp>
#include <bmae/io/element_type.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Tensors by name, in the order of their names.
using NamedTensors = std::map<std::string, at::Tensor, std::less<>>;

/// How tensors are read from a file.
enum class Loading {
    copy,    ///< copied into memory: writable
    mapped   ///< memory-mapped, pages loaded on access; read-only: writing to them crashes
};

namespace detail {

struct TorchType {
    ElementType file;
    at::ScalarType torch;
};

inline constexpr std::array<TorchType, 19> torch_types{{{ElementType::boolean, at::kBool},
                                                        {ElementType::u8, at::kByte},
                                                        {ElementType::i8, at::kChar},
                                                        {ElementType::f8_e5m2, at::kFloat8_e5m2},
                                                        {ElementType::f8_e4m3, at::kFloat8_e4m3fn},
                                                        {ElementType::f8_e8m0, at::kFloat8_e8m0fnu},
                                                        {ElementType::f8_e4m3fnuz, at::kFloat8_e4m3fnuz},
                                                        {ElementType::f8_e5m2fnuz, at::kFloat8_e5m2fnuz},
                                                        {ElementType::i16, at::kShort},
                                                        {ElementType::u16, at::kUInt16},
                                                        {ElementType::f16, at::kHalf},
                                                        {ElementType::bf16, at::kBFloat16},
                                                        {ElementType::i32, at::kInt},
                                                        {ElementType::u32, at::kUInt32},
                                                        {ElementType::f32, at::kFloat},
                                                        {ElementType::c64, at::kComplexFloat},
                                                        {ElementType::f64, at::kDouble},
                                                        {ElementType::i64, at::kLong},
                                                        {ElementType::u64, at::kUInt64}}};

}  // namespace detail

/// LibTorch's name of an element type; nothing for those it lacks (F4, F6).
constexpr std::optional<at::ScalarType> torch_type(ElementType type) noexcept {
    for (auto const& pair : detail::torch_types) {
        if (pair.file == type) { return pair.torch; }
    }
    return std::nullopt;
}

/// The file's name of an element type; nothing for those it lacks (complex128, quantized ones).
constexpr std::optional<ElementType> element_type(at::ScalarType type) noexcept {
    for (auto const& pair : detail::torch_types) {
        if (pair.torch == type) { return pair.file; }
    }
    return std::nullopt;
}

/// One tensor of an open file.
/// \throws InputError  an element type that LibTorch lacks, a boolean other than 0 and 1
BMAE_INLINE at::Tensor to_tensor(SafetensorsFile const& file, TensorEntry const& entry, Loading loading = Loading::copy);

/// All tensors of a safetensors file.
BMAE_INLINE NamedTensors load_tensors(std::filesystem::path const& path, Loading loading = Loading::copy);

/// Writes tensors of any device and layout in memory; one at a time is copied to the CPU.
/// \throws InputError  an undefined or sparse tensor, an element type that the format lacks, an existing file, a full disk and
///                     the like; no file is left then
BMAE_INLINE void save_tensors(std::filesystem::path const& path, NamedTensors const& tensors, FileMetadata const& metadata = {},
                              Existing existing = Existing::refuse);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae {

BMAE_INLINE at::Tensor to_tensor(SafetensorsFile const& file, TensorEntry const& entry, Loading loading) {
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        return InputError(Diagnostic{.file = file.name(),
                                     .expected = std::move(expected),
                                     .found = std::move(found) + " in tensor \"" + entry.name + '"',
                                     .hint = std::move(hint)});
    };
    auto const type = torch_type(entry.type);
    if (!type) {
        throw refuse("an element type that LibTorch has", std::string(to_string(entry.type)), "Convert it to F32 or BF16.");
    }
    if (entry.type == ElementType::boolean &&
        std::any_of(entry.bytes.begin(), entry.bytes.end(), [](std::byte value) { return value > std::byte{1}; })) {
        throw refuse("booleans 0 and 1", "another byte", "The file is damaged.");
    }
    auto const options = at::TensorOptions().dtype(*type);
    // Old files may have unaligned data, which cannot be mapped.
    bool const aligned = reinterpret_cast<std::uintptr_t>(entry.bytes.data()) % std::max(1U, bits_of(entry.type) / 8) == 0;
    if (loading == Loading::mapped && aligned && !entry.bytes.empty() && file.keep_alive()) {
        auto* const start = const_cast<std::byte*>(entry.bytes.data());
        return at::from_blob(start, entry.shape, [owner = file.keep_alive()](void*) {}, options);
    }
    at::Tensor tensor = at::empty(entry.shape, options);
    if (!entry.bytes.empty()) { std::memcpy(tensor.mutable_data_ptr(), entry.bytes.data(), entry.bytes.size()); }
    return tensor;
}

BMAE_INLINE NamedTensors load_tensors(std::filesystem::path const& path, Loading loading) {
    auto const file = SafetensorsFile::open(path);
    NamedTensors tensors;
    for (TensorEntry const& entry : file.entries()) { tensors.emplace(entry.name, to_tensor(file, entry, loading)); }
    return tensors;
}

BMAE_INLINE void save_tensors(std::filesystem::path const& path, NamedTensors const& tensors, FileMetadata const& metadata,
                              Existing existing) {
    std::vector<TensorInfo> infos;
    for (auto const& [name, tensor] : tensors) {
        auto const refuse = [&](std::string expected, std::string found) {
            return InputError(Diagnostic{.file = path.string(),
                                         .expected = std::move(expected),
                                         .found = std::move(found) + " in tensor \"" + name + '"'});
        };
        if (!tensor.defined()) { throw refuse("numbers", "nothing"); }
        if (tensor.layout() != at::kStrided) { throw refuse("a dense tensor", "a sparse one"); }
        auto const type = element_type(tensor.scalar_type());
        if (!type) { throw refuse("an element type of the format", c10::toString(tensor.scalar_type())); }
        infos.push_back({name, *type, tensor.sizes().vec()});
    }
    SafetensorsWriter writer(path, std::move(infos), metadata, existing);
    for (TensorInfo const& info : writer.order()) {
        at::Tensor const dense = tensors.find(info.name)->second.detach().to(at::kCPU).resolve_conj().resolve_neg().contiguous();
        writer.append({static_cast<std::byte const*>(dense.const_data_ptr()), static_cast<std::size_t>(dense.nbytes())});
    }
    writer.commit();
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
