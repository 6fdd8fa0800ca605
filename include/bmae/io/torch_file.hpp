// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Files of Python's torch.save, read without Python, without LibTorch and without running anything: pytorch_model.bin, model.pt.
///
/// Both forms are read: the zip archive of PyTorch 1.6 and newer, and the sequence of pickles of older versions.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/io/element_type.hpp>
#include <bmae/io/pickle.hpp>
#include <bmae/io/zip_archive.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Numbers in a file that one or more tensors read.
struct TensorStorage {
    ElementType type = ElementType::f32;
    std::span<std::byte const> bytes = {};   ///< little-endian
};

/// A tensor over a storage: element [i, j, ...] is number offset + i strides[0] + j strides[1] + ... of it. All lie inside.
struct StridedEntry : TensorInfo {
    std::size_t storage = 0;
    std::uint64_t offset = 0;                 ///< elements
    std::vector<std::int64_t> strides = {};   ///< elements, one per dimension
};

/// The dictionary of tensors in a file of torch.save. Copies share the mapping; the bytes stay valid as long as one of them, or a
/// `keep_alive()`, lives.
///
/// A dictionary under "state_dict", "model_state_dict", "model" or "module" of a larger one is found, and the other keys are
/// `left_aside()`. Where every name begins with "module.", as torch.nn.DataParallel writes it, that is dropped.
class TorchFile {
public:
    /// Maps and reads a file.
    /// \throws InputError  anything but a dictionary of tensors: by the opcode or name, its byte and what was expected; damage;
    ///                     big-endian numbers; TorchScript
    static TorchFile open(std::filesystem::path const& path) {
        auto map = std::make_shared<detail::FileMap const>(path);
        auto const bytes = map->bytes();
        return TorchFile(bytes, path.string(), std::move(map));
    }

    /// Reads bytes that the caller keeps alive.
    /// \param name  their name in messages
    static TorchFile from_bytes(std::span<std::byte const> bytes, std::string name) {
        return TorchFile(bytes, std::move(name), nullptr);
    }

    [[nodiscard]] std::string const& name() const noexcept { return name_; }                       ///< for messages
    [[nodiscard]] std::vector<StridedEntry> const& entries() const noexcept { return entries_; }   ///< in the order of the file
    [[nodiscard]] std::vector<TensorStorage> const& storages() const noexcept { return storages_; }
    [[nodiscard]] std::vector<std::string> const& left_aside() const noexcept { return aside_; }   ///< keys beside the dictionary
    [[nodiscard]] std::shared_ptr<void const> keep_alive() const noexcept { return owner_; }       ///< null for from_bytes

private:
    static constexpr std::string_view legacy_start{"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15};

    TorchFile(std::span<std::byte const> bytes, std::string name, std::shared_ptr<void const> owner)
        : name_(std::move(name)), owner_(std::move(owner)) {
        std::string_view const text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
        if (text.starts_with("PK")) {
            read_archive(bytes);
        } else if (text.starts_with(legacy_start)) {
            read_legacy(bytes);
        } else {
            throw refuse("a file of torch.save: a zip archive, or the pickles of PyTorch before 1.6",
                         bytes.empty() ? "an empty file" : "another format",
                         "Copy or download the file again; other formats must be converted in Python.");
        }
    }

    [[nodiscard]] InputError refuse(std::string expected, std::string found,
                                    std::string hint = "The file is damaged: copy or download it again.") const {
        return InputError(
            Diagnostic{.file = name_, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    }

    // ---- PyTorch 1.6 and newer: NAME/data.pkl, NAME/data/KEY ----
    void read_archive(std::span<std::byte const> bytes) {
        detail::ZipArchive const archive(bytes, name_);
        std::string folder;
        for (detail::ZipEntry const& entry : archive.entries()) {
            bool const is_pickle = entry.name.ends_with("/data.pkl");
            if (is_pickle && !folder.empty()) { throw refuse("one data.pkl in the archive", "several"); }
            if (is_pickle) {
                folder = std::string(entry.name.substr(0, entry.name.size() - std::string_view("data.pkl").size()));
            }
        }
        if (folder.empty()) { throw refuse("data.pkl in a folder of the archive, as torch.save writes it", "none"); }
        if (archive.find(folder + "constants.pkl") != nullptr) {
            throw refuse("a state dictionary", "a TorchScript archive, which holds a program",
                         "Save the state_dict() of the model in Python.");
        }
        if (auto const* const order = archive.find(folder + "byteorder"); order != nullptr && text_of(order->bytes) != "little") {
            throw refuse("little-endian numbers", "the byte order " + detail::PickleReader::quoted(text_of(order->bytes)));
        }
        detail::ZipEntry const& pickle = *archive.find(folder + "data.pkl");
        archive.verify(pickle);
        detail::PickleReader reader(pickle.bytes, name_, static_cast<std::uint64_t>(pickle.bytes.data() - bytes.data()));
        std::uint32_t const root = reader.read();
        for (detail::PickledStorage const& storage : reader.storages()) {
            auto const* const entry = archive.find(folder + "data/" + std::string(storage.key));
            if (entry == nullptr) { throw refuse("the storage " + quoted(storage), "none of that name"); }
            archive.verify(*entry);
            add_storage(storage, entry->bytes);
        }
        take(reader, root);
    }

    // ---- before 1.6: magic number, protocol, system, object, keys of the storages, storages ----
    void read_legacy(std::span<std::byte const> bytes) {
        std::size_t at = legacy_start.size();
        auto const next = [&] { return detail::PickleReader(bytes.subspan(at), name_, at); };
        auto protocol = next();
        if (std::uint32_t const number = protocol.read(); protocol[number].number != 1001) {
            throw refuse("the protocol 1001 of torch.save", protocol.describe(number));
        }
        at += protocol.position();
        auto system = next();
        require_little_endian(system, system.read());
        at += system.position();
        auto object = next();
        std::uint32_t const root = object.read();
        at += object.position();
        auto keys = next();
        std::uint32_t const list = keys.read();
        at += keys.position();
        read_legacy_storages(bytes, at, object, keys, list);
        take(object, root);
    }

    void require_little_endian(detail::PickleReader const& system, std::uint32_t facts) const {
        auto const& items = system[facts].items;
        for (std::size_t i = 0; system[facts].kind == detail::PickleKind::dictionary && i + 1 < items.size(); i += 2) {
            if (system[items[i]].text == "little_endian" && system[items[i + 1]].number == 1) { return; }
        }
        throw refuse("little-endian numbers", "a file that does not say so");
    }

    /// Each storage: its number of elements in 8 bytes, and the elements.
    void read_legacy_storages(std::span<std::byte const> bytes, std::size_t at, detail::PickleReader const& object,
                              detail::PickleReader const& keys, std::uint32_t list) {
        std::map<std::string_view, std::size_t> wanted;
        for (std::size_t i = 0; i < object.storages().size(); ++i) { wanted.emplace(object.storages()[i].key, i); }
        std::vector<std::span<std::byte const>> found(object.storages().size());
        bool const is_list = keys[list].kind == detail::PickleKind::list && keys[list].items.size() == found.size();
        if (!is_list) { throw refuse("the keys of " + std::to_string(found.size()) + " storages", keys.describe(list)); }
        for (std::uint32_t const key : keys[list].items) {
            auto const known = wanted.find(keys[key].text);
            if (known == wanted.end()) { throw refuse("the key of a storage, once", keys.describe(key)); }
            detail::PickledStorage const& storage = object.storages()[known->second];
            std::uint64_t const size = *dense_bytes(storage.type, std::array{static_cast<std::int64_t>(storage.elements)});
            bool const has_count = bytes.size() - at >= 8;
            std::uint64_t const count = has_count ? detail::little_endian(bytes, at, 8) : 0;
            if (!has_count || count != storage.elements || bytes.size() - at - 8 < size) {
                throw refuse(std::to_string(storage.elements) + " elements of the storage " + quoted(storage),
                             !has_count || count == storage.elements ? "the end of the file" : std::to_string(count));
            }
            found[known->second] = bytes.subspan(at + 8, static_cast<std::size_t>(size));
            at += 8 + static_cast<std::size_t>(size);
            wanted.erase(known);
        }
        if (at != bytes.size()) { throw refuse("the end of the file after the last storage", "more bytes"); }
        for (std::size_t i = 0; i < found.size(); ++i) { add_storage(object.storages()[i], found[i]); }
    }

    // ---- storages and tensors ----
    [[nodiscard]] static std::string_view text_of(std::span<std::byte const> bytes) {
        return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
    }
    [[nodiscard]] static std::string quoted(detail::PickledStorage const& storage) {
        return detail::PickleReader::quoted(storage.key);
    }

    void add_storage(detail::PickledStorage const& storage, std::span<std::byte const> bytes) {
        auto const size = dense_bytes(storage.type, std::array{static_cast<std::int64_t>(storage.elements)});
        if (bytes.size() != *size) {
            throw refuse(std::to_string(*size) + " bytes of the storage " + quoted(storage) + " for " +
                             std::to_string(storage.elements) + " elements " + std::string(to_string(storage.type)),
                         std::to_string(bytes.size()));
        }
        storages_.push_back({storage.type, bytes});
    }

    /// The dictionary of tensors that is `root` or lies in it.
    void take(detail::PickleReader& reader, std::uint32_t root) {
        constexpr std::array<std::string_view, 4> homes{"state_dict", "model_state_dict", "model", "module"};
        constexpr int deepest = 4;
        for (int depth = 0;; ++depth) {
            if (reader[root].kind != detail::PickleKind::dictionary) {
                throw refuse("a dictionary of tensors", reader.describe(root), "Save the state_dict() of the model in Python.");
            }
            auto const& items = reader[root].items;
            std::optional<std::uint32_t> inner;
            std::string home;
            bool has_tensors = false;
            for (std::size_t i = 0; i < items.size(); i += 2) {
                std::string_view const key = reader[items[i]].text;
                has_tensors = has_tensors || reader[items[i + 1]].kind == detail::PickleKind::tensor;
                bool const is_home = reader[items[i + 1]].kind == detail::PickleKind::dictionary &&
                                     std::find(homes.begin(), homes.end(), key) != homes.end();
                if (!is_home) { continue; }
                if (inner) { throw refuse("one dictionary of tensors", '"' + home + "\" and \"" + std::string(key) + '"'); }
                inner = items[i + 1];
                home = std::string(key);
            }
            if (!inner || has_tensors) { break; }
            if (depth == deepest) { throw refuse("a dictionary of tensors at most 4 levels deep", "more levels"); }
            for (std::size_t i = 0; i < items.size(); i += 2) {
                if (items[i + 1] != *inner) { aside_.push_back(std::string(reader[items[i]].text)); }
            }
            root = *inner;
        }
        take_tensors(reader, root);
    }

    void take_tensors(detail::PickleReader& reader, std::uint32_t root) {
        auto const& items = reader[root].items;
        std::set<std::string_view> known;
        bool wrapped = !items.empty();
        for (std::size_t i = 0; i < items.size(); i += 2) {
            bool const is_text = reader[items[i]].kind == detail::PickleKind::text;
            if (!is_text) { throw refuse("names of tensors", reader.describe(items[i])); }
            std::string_view const key = reader[items[i]].text;
            if (!known.insert(key).second) { throw refuse("each tensor once", detail::PickleReader::quoted(key) + " twice"); }
            if (reader[items[i + 1]].kind != detail::PickleKind::tensor) {
                throw refuse("a tensor under " + detail::PickleReader::quoted(key), reader.describe(items[i + 1]),
                             "Save the state_dict() of the model alone.");
            }
            wrapped = wrapped && key.starts_with("module.");
        }
        entries_.reserve(items.size() / 2);
        for (std::size_t i = 0; i < items.size(); i += 2) {
            auto const& tensor = reader.tensors()[static_cast<std::size_t>(reader[items[i + 1]].number)];
            std::string_view const key = reader[items[i]].text;
            StridedEntry entry;
            entry.name = std::string(wrapped ? key.substr(std::string_view("module.").size()) : key);
            entry.type = storages_[tensor.storage].type;
            entry.shape = tensor.shape;
            entry.storage = tensor.storage;
            entry.offset = tensor.offset;
            entry.strides = tensor.strides;
            entries_.push_back(std::move(entry));
        }
    }

    std::string name_;
    std::shared_ptr<void const> owner_;
    std::vector<StridedEntry> entries_ = {};
    std::vector<TensorStorage> storages_ = {};
    std::vector<std::string> aside_ = {};
};

}  // namespace bmae
