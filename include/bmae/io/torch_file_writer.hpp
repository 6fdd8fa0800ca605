// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Files that Python's torch.load reads, also with weights_only=True: a dictionary of tensors by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

#include <bmae/detail/files.hpp>
#include <bmae/io/element_type.hpp>
#include <bmae/io/pickle.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Writes a file of torch.save in the form of PyTorch 1.6 and newer, tensor by tensor. Nothing appears at the path before
/// `commit()`.
class TorchFileWriter {
public:
    /// \param tensors   what will be written, in this order
    /// \throws InputError  a type that torch.save has no storage for, 4 GiB or more, a file that must not be replaced
    TorchFileWriter(std::filesystem::path const& path, std::vector<TensorInfo> tensors,
                    detail::Existing existing = detail::Existing::refuse)
        : tensors_(std::move(tensors)), file_(path, existing) {
        std::uint64_t total = 0;
        for (TensorInfo const& tensor : tensors_) {
            auto const bytes = dense_bytes(tensor.type, tensor.shape);
            total += bytes.value_or(largest);
            if (!bytes || total >= largest) {
                throw InputError(Diagnostic{.file = path.string(),
                                            .expected = "less than 4 GiB of tensors in a file of torch.save",
                                            .found = "more, with \"" + tensor.name + '"',
                                            .hint = "Write safetensors instead."});
            }
        }
        std::string const pickle = program(path.string());
        add_entry("data.pkl", std::as_bytes(std::span(pickle)));
        add_entry("byteorder", std::as_bytes(std::span(std::string_view("little"))));
    }

    /// All bytes of the next tensor: row-major, little-endian.
    /// \throws InputError  another number of bytes, one tensor too many
    void append(std::span<std::byte const> bytes) {
        bool const fits = next_ < tensors_.size() && bytes.size() == *dense_bytes(tensors_[next_].type, tensors_[next_].shape);
        if (!fits) {
            throw InputError(Diagnostic{
                .file = file_.path().string(),
                .expected = next_ < tensors_.size() ? "the bytes of \"" + tensors_[next_].name + '"' : "no further tensor",
                .found = std::to_string(bytes.size()) + " bytes"});
        }
        add_entry("data/" + std::to_string(next_++), bytes);
    }

    /// Moves the complete file to its path, atomically.
    void commit() {
        if (next_ != tensors_.size()) {
            throw InputError(Diagnostic{.file = file_.path().string(),
                                        .expected = "all tensors before the end",
                                        .found = std::to_string(tensors_.size() - next_) + " missing"});
        }
        add_entry("version", std::as_bytes(std::span(std::string_view("3\n"))));
        std::uint64_t const begin = file_.size();
        file_.write(std::string_view(directory_));
        std::string end;
        number(end, 0x06054b50, 4);
        number(end, 0, 4);   // one disk
        number(end, entries_, 2);
        number(end, entries_, 2);
        number(end, directory_.size(), 4);
        number(end, begin, 4);
        number(end, 0, 2);   // no comment
        file_.write(std::string_view(end));
        file_.commit();
    }

private:
    static constexpr std::uint64_t largest = std::uint64_t{4095} << 20;   // leaves room for headers below 2^32
    static constexpr std::size_t alignment = 64;                          // of the data, as PyTorch's

    static void number(std::string& text, std::uint64_t value, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) { text += static_cast<char>(value >> (8 * i) & 0xff); }
    }

    // ---- the pickle ----
    static void put_text(std::string& out, std::string_view text) {
        out += 'X';
        number(out, text.size(), 4);
        out += text;
    }
    static void put_integer(std::string& out, std::uint64_t value) {
        out += "\x8a\x08";   // LONG1 of 8 bytes: sizes stay below 2^63
        number(out, value, 8);
    }
    static void put_tuple(std::string& out, std::span<std::int64_t const> numbers) {
        out += '(';
        for (std::int64_t const value : numbers) { put_integer(out, static_cast<std::uint64_t>(value)); }
        out += 't';
    }

    [[nodiscard]] static std::string_view storage_name(ElementType type) noexcept {
        for (detail::PickleName const& name : detail::pickle_names) {
            if (name.role == detail::PickleRole::storage && name.type == type) { return name.name; }
        }
        return {};
    }

    [[nodiscard]] std::string program(std::string const& path) const {
        constexpr std::string_view new_dictionary = "ccollections\nOrderedDict\n)R";
        std::string out = "\x80\x02";
        out.append(new_dictionary) += '(';
        for (std::size_t i = 0; i < tensors_.size(); ++i) {
            TensorInfo const& tensor = tensors_[i];
            std::string_view const storage = storage_name(tensor.type);
            if (storage.empty()) {
                throw InputError(Diagnostic{.file = path,
                                            .expected = "a type of torch.save's storages",
                                            .found = std::string(to_string(tensor.type)) + " in tensor \"" + tensor.name + '"'});
            }
            std::vector<std::int64_t> strides(tensor.shape.size(), 1);
            std::uint64_t elements = 1;
            for (std::size_t d = tensor.shape.size(); d-- > 0;) {
                strides[d] = static_cast<std::int64_t>(elements);
                elements *= static_cast<std::uint64_t>(tensor.shape[d]);
            }
            put_text(out, tensor.name);
            out += "ctorch._utils\n_rebuild_tensor_v2\n((";
            put_text(out, "storage");
            out.append("ctorch\n").append(storage) += '\n';
            put_text(out, std::to_string(i));
            put_text(out, "cpu");
            put_integer(out, elements);
            out += "tQ";
            put_integer(out, 0);
            put_tuple(out, tensor.shape);
            put_tuple(out, strides);
            out += '\x89';   // requires no gradient
            out.append(new_dictionary) += "tR";
        }
        return out + "u.";
    }

    // ---- the archive ----
    void add_entry(std::string const& entry, std::span<std::byte const> bytes) {
        std::string const name = "archive/" + entry;
        std::uint64_t const header = file_.size();
        constexpr std::size_t local_size = 30;
        std::size_t const unpadded = static_cast<std::size_t>(header) + local_size + name.size() + 4;
        std::size_t const padding = (alignment - unpadded % alignment) % alignment;
        uLong const sum = ::crc32_z(0, reinterpret_cast<Bytef const*>(bytes.data()), bytes.size());
        std::string common;          // to both headers
        number(common, 20, 2);       // version 2.0 reads it
        number(common, 0x0800, 2);   // names in UTF-8
        number(common, 0, 2);        // stored
        number(common, 0, 2);        // midnight
        number(common, 0x21, 2);     // of 1980-01-01: equal tensors give equal files
        number(common, sum, 4);
        number(common, bytes.size(), 4);
        number(common, bytes.size(), 4);
        number(common, name.size(), 2);
        std::string local;
        number(local, 0x04034b50, 4);
        local += common;
        number(local, 4 + padding, 2);
        local += name;
        local += "FB";   // PyTorch's extra field of padding
        number(local, padding, 2);
        local.append(padding, 'Z');
        file_.write(std::string_view(local));
        file_.write(bytes);
        number(directory_, 0x02014b50, 4);
        number(directory_, 20, 2);
        directory_ += common;
        number(directory_, 0, 2);   // no extra field
        number(directory_, 0, 2);   // no comment
        number(directory_, 0, 2);   // disk
        number(directory_, 0, 2);   // internal attributes
        number(directory_, 0, 4);   // external attributes
        number(directory_, header, 4);
        directory_ += name;
        if (++entries_ > 0xfffe) {
            throw InputError(Diagnostic{
                .file = file_.path().string(), .expected = "at most 65000 tensors in a file of torch.save", .found = "more"});
        }
    }

    std::vector<TensorInfo> tensors_;
    detail::AtomicFile file_;
    std::string directory_ = {};
    std::size_t entries_ = 0;
    std::size_t next_ = 0;
};

}  // namespace bmae
