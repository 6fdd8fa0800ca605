// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The safetensors format: 8 bytes of length, a JSON header, the raw data.
///
/// The reader maps the file and validates everything; the writer streams, replaces the file only when complete, and writes
/// the same bytes as the format's own library (with more than one metadata key, that library's order of them is random).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/io/element_type.hpp>
#include <bmae/io/safetensors_header.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Policy for an existing destination of a write: `refuse` (the default everywhere) or `replace` in one step.
using detail::Existing;

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian, the machine must be so too");

/// A safetensors file, open for reading. Copies share the mapping; the bytes stay valid as long as one of them, or a
/// `keep_alive()`, lives. The file must not be truncated meanwhile: replacing it by renaming is safe.
class SafetensorsFile {
public:
    /// Maps and checks a file.
    /// \throws InputError  where it breaks a rule of the format; the message names the rule and the tensor
    static SafetensorsFile open(std::filesystem::path const& path);

    /// Checks bytes that the caller keeps alive.
    /// \param name  their name in messages
    static SafetensorsFile from_bytes(std::span<std::byte const> bytes, std::string name);

    [[nodiscard]] std::string const& name() const noexcept { return name_; }                      ///< for messages
    [[nodiscard]] std::vector<TensorEntry> const& entries() const noexcept { return entries_; }   ///< in file order
    [[nodiscard]] FileMetadata const& metadata() const noexcept { return metadata_; }
    [[nodiscard]] std::shared_ptr<void const> keep_alive() const noexcept { return owner_; }   ///< null for from_bytes

    /// The tensor of that name, or null.
    [[nodiscard]] TensorEntry const* find(std::string_view tensor) const noexcept;

    /// The tensor of that name.
    /// \throws InputError  if there is none
    [[nodiscard]] TensorEntry const& at(std::string_view tensor) const;

private:
    SafetensorsFile(std::span<std::byte const> file, std::string name, std::shared_ptr<void const> owner);

    std::string name_;
    std::shared_ptr<void const> owner_;
    std::vector<TensorEntry> entries_ = {};
    std::vector<std::uint32_t> by_name_ = {};
    FileMetadata metadata_ = {};
};

/// Writes a safetensors file piece by piece, for data that does not fit in memory at once. Nothing appears at the path
/// before `commit()`; without it, or where anything fails, an older file of that name is unchanged.
class SafetensorsWriter {
public:
    /// \param tensors   what will be written; `order()` is the order in which the bytes must be written
    /// \throws InputError  a name given twice or not in UTF-8, a shape that cannot be stored, a file that must not be replaced, a
    ///                     folder that cannot be written
    SafetensorsWriter(std::filesystem::path const& path, std::vector<TensorInfo> tensors, FileMetadata const& metadata = {},
                      Existing existing = Existing::refuse);

    /// The tensors in the order of their data: widest alignment first, then by name.
    [[nodiscard]] std::span<TensorInfo const> order() const noexcept { return order_; }

    /// The next bytes of the data section, in pieces of any length.
    /// \throws InputError  naming the file and a hint (a full disk)
    void append(std::span<std::byte const> bytes);

    /// Moves the complete file to its path, atomically.
    void commit();

private:
    static std::vector<TensorInfo> sorted(std::vector<TensorInfo> tensors);

    std::vector<TensorInfo> order_;
    std::string prefix_;
    detail::AtomicFile file_;
    std::uint64_t missing_ = 0;
};

/// Writes tensors in memory.
/// \throws InputError  an entry whose bytes do not fit its shape, or the errors of `SafetensorsWriter`
BMAE_INLINE void write_safetensors(std::filesystem::path const& path, std::span<TensorEntry const> entries,
                                   FileMetadata const& metadata = {}, Existing existing = Existing::refuse);

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE SafetensorsFile SafetensorsFile::open(std::filesystem::path const& path) {
    auto map = std::make_shared<detail::FileMap const>(path);
    auto const bytes = map->bytes();
    return SafetensorsFile(bytes, path.string(), std::move(map));
}

BMAE_INLINE SafetensorsFile SafetensorsFile::from_bytes(std::span<std::byte const> bytes, std::string name) {
    return SafetensorsFile(bytes, std::move(name), nullptr);
}

BMAE_INLINE TensorEntry const* SafetensorsFile::find(std::string_view tensor) const noexcept {
    auto const at = std::lower_bound(by_name_.begin(), by_name_.end(), tensor,
                                     [this](std::uint32_t i, std::string_view wanted) { return entries_[i].name < wanted; });
    return at != by_name_.end() && entries_[*at].name == tensor ? &entries_[*at] : nullptr;
}

BMAE_INLINE TensorEntry const& SafetensorsFile::at(std::string_view tensor) const {
    if (auto const* const entry = find(tensor)) { return *entry; }
    std::string found = entries_.empty() ? "no tensor at all" : std::to_string(entries_.size()) + " others, such as";
    for (std::size_t i = 0; i < std::min<std::size_t>(entries_.size(), 3); ++i) { found += " \"" + entries_[i].name + '"'; }
    throw InputError(
        Diagnostic{.file = name_, .expected = "the tensor \"" + std::string(tensor) + '"', .found = std::move(found)});
}

BMAE_INLINE SafetensorsFile::SafetensorsFile(std::span<std::byte const> file, std::string name, std::shared_ptr<void const> owner)
    : name_(std::move(name)), owner_(std::move(owner)) {
    auto header = detail::parse_safetensors_header(file, name_);
    auto const data = file.subspan(header.data_start);
    entries_.reserve(header.tensors.size());
    for (auto& tensor : header.tensors) {
        auto const bytes = data.subspan(tensor.begin, tensor.end - tensor.begin);
        entries_.push_back({std::move(static_cast<TensorInfo&>(tensor)), bytes});
    }
    by_name_ = std::move(header.by_name);
    metadata_ = std::move(header.metadata);
}

BMAE_INLINE SafetensorsWriter::SafetensorsWriter(std::filesystem::path const& path, std::vector<TensorInfo> tensors,
                                                 FileMetadata const& metadata, Existing existing)
    : order_(sorted(std::move(tensors))),
      prefix_(detail::safetensors_prefix(order_, metadata, path.string())),
      file_(path, existing) {
    for (TensorInfo const& tensor : order_) { missing_ += *dense_bytes(tensor.type, tensor.shape); }
    file_.write(std::string_view(prefix_));
}

BMAE_INLINE void SafetensorsWriter::append(std::span<std::byte const> bytes) {
    if (bytes.size() > missing_) {
        throw InputError(Diagnostic{.file = file_.path().string(),
                                    .expected = "at most " + std::to_string(missing_) + " further bytes of tensors",
                                    .found = std::to_string(bytes.size())});
    }
    file_.write(bytes);
    missing_ -= bytes.size();
}

BMAE_INLINE void SafetensorsWriter::commit() {
    if (missing_ != 0) {
        throw InputError(Diagnostic{.file = file_.path().string(),
                                    .expected = "all bytes of all tensors before the end",
                                    .found = std::to_string(missing_) + " missing"});
    }
    file_.commit();
}

BMAE_INLINE std::vector<TensorInfo> SafetensorsWriter::sorted(std::vector<TensorInfo> tensors) {
    std::sort(tensors.begin(), tensors.end(), detail::written_before);
    return tensors;
}

BMAE_INLINE void write_safetensors(std::filesystem::path const& path, std::span<TensorEntry const> entries,
                                   FileMetadata const& metadata, Existing existing) {
    std::vector<TensorEntry const*> order;
    std::vector<TensorInfo> tensors;
    for (TensorEntry const& entry : entries) {
        auto const bytes = dense_bytes(entry.type, entry.shape);
        if (!bytes || *bytes != entry.bytes.size()) {
            throw InputError(
                Diagnostic{.file = path.string(),
                           .expected = "bytes for " + std::string(to_string(entry.type)) + ' ' + shape_text(entry.shape),
                           .found = std::to_string(entry.bytes.size()) + " in tensor \"" + entry.name + '"'});
        }
        order.push_back(&entry);
        tensors.push_back(entry);
    }
    std::sort(order.begin(), order.end(), [](auto const* a, auto const* b) { return detail::written_before(*a, *b); });
    SafetensorsWriter writer(path, std::move(tensors), metadata, existing);
    for (TensorEntry const* const entry : order) { writer.append(entry->bytes); }
    writer.commit();
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
