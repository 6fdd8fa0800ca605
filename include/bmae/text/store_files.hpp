// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files of a store: mapped with checks, and written with checksums into a folder that appears atomically.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/store_manifest.hpp>
#include <bmae/text/tokenizer_fingerprint.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// How much of a store is checked when it is opened.
enum class Verify {
    quick,   ///< the manifest's own checksum and the size of every file: reads nothing else
    full,    ///< also the checksum of every file, every row and every token id: reads everything
};

namespace detail {

/// The folder of a store for reading; errors name the file.
class StoreFolder {
public:
    explicit StoreFolder(std::filesystem::path folder = {}) : folder_(std::move(folder)) {}

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return folder_; }

    /// The text of manifest.json. \throws InputError where the folder is not a store
    [[nodiscard]] std::string manifest(StoreKind const& kind) const;

    /// \throws InputError  where the file differs from the manifest in size or, with Verify::full, in content
    [[nodiscard]] FileMap map(std::string const& name, StoreHeader const& header, Verify verify) const;

    /// Refuses a file without exactly `elements` elements of that size.
    void check_count(FileMap const& file, std::string const& name, std::uint64_t elements, std::size_t bytes_each) const;

    /// Refuses a file with an id that is not in the vocabulary.
    void check_ids(FileMap const& file, std::string const& name, std::uint64_t vocabulary) const;

    /// The part [begin, end) of a file. Checked, since rows are not verified on a quick open.
    /// \param rows  the file with the offsets, for the message
    template <class T>
    [[nodiscard]] std::span<T const> cut(std::span<T const> whole, std::uint64_t begin, std::uint64_t end,
                                         char const* rows) const {
        if (begin > end || end > whole.size()) {
            throw damaged(rows, "rows that point into the data", "one that points outside");
        }
        return whole.subspan(begin, end - begin);
    }
    [[nodiscard]] std::string_view cut_text(FileMap const& file, std::uint64_t begin, std::uint64_t end, char const* rows) const;

    [[nodiscard]] InputError damaged(std::string const& file, std::string expected, std::string found) const;

    /// \param place        of the tokenizer, for the message
    /// \throws InputError  where the store was made with another tokenizer
    template <Tokenizer T>
    void require_tokenizer(T const& tokenizer, std::filesystem::path const& place, StoreHeader const& header) const {
        std::uint64_t const given = tokenizer_fingerprint(tokenizer);
        if (given == header.fingerprint) { return; }
        std::string const owner = place.empty() ? "this tokenizer" : "the tokenizer of " + place.string();
        auto const named = [](std::string const& kind, std::uint64_t number) {
            return " (" + kind + (kind.empty() ? "" : " ") + to_hex(number) + ')';
        };
        throw InputError(Diagnostic{.file = folder_.string(),
                                    .expected = "a store made with " + owner + named(tokenizer_kind(tokenizer), given),
                                    .found = "one made with another" + named(header.tokenizer_kind, header.fingerprint),
                                    .hint = "Use the tokenizer of the model, or prepare the store again with this one."});
    }

private:
    std::filesystem::path folder_;
};

/// The traits of the ids, from a manifest and its file `continues_word`.
BMAE_INLINE TokenTraits store_traits(StoreHeader const& header, FileMap const& continues_word);

/// The files of a store or an index for writing, with their checksums. The folder appears only on `commit`.
class StoreFolderWriter {
public:
    /// \throws InputError, RunError  as AtomicFolder does
    StoreFolderWriter(std::filesystem::path folder, std::initializer_list<char const*> names);

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return folder_.path(); }
    [[nodiscard]] std::filesystem::path const& partial() const noexcept { return folder_.partial(); }   ///< until `commit`

    void create(char const* name) { files_.emplace(name, std::make_unique<File>(folder_.partial() / name)); }
    /// Omits a file.
    void drop(char const* name) { files_.erase(name); }

    template <class T>
    void put(char const* name, std::span<std::type_identity_t<T> const> values) {
        File& file = *files_.find(name)->second;
        file.hash.update(std::as_bytes(values));
        file.file.write(std::as_bytes(values));
    }
    template <class T>
    void put(char const* name, std::initializer_list<std::type_identity_t<T>> values) {
        put<T>(name, std::span<T const>(values.begin(), values.size()));
    }

    /// The written bytes of a file, from `offset` on.
    void read_back(char const* name, std::uint64_t offset, std::span<std::byte> bytes);

    /// Writes which tokens continue a word, then as `commit(header, to_manifest)`.
    template <class ToManifest>
    void commit(StoreHeader& header, TokenTraits const& traits, ToManifest&& to_manifest) {
        create("continues_word");
        std::vector<std::uint8_t> continues(traits.size());
        for (std::size_t i = 0; i < traits.size(); ++i) { continues[i] = traits.continues_word(static_cast<TokenId>(i)) ? 1 : 0; }
        put<std::uint8_t>("continues_word", continues);
        commit(header, to_manifest);
    }

    /// Completes all files and gives the folder its name.
    /// \param header       gets the entries of the files
    /// \param to_manifest  `to_manifest()` is the text of the manifest once `header` is complete
    template <class ToManifest>
    void commit(StoreHeader& header, ToManifest&& to_manifest) {
        for (auto& [name, file] : files_) {
            header.files[name] = {file->file.size(), file->hash.digest()};
            file->file.commit();
        }
        write_file(folder_.partial() / "manifest.json", to_manifest());
        files_.clear();
        folder_.commit();
    }

private:
    struct File {
        explicit File(std::filesystem::path const& path) : file(path) {}
        AtomicFile file;
        Xxh64 hash;
    };

    AtomicFolder folder_;
    std::map<std::string, std::unique_ptr<File>, std::less<>> files_;   // released before their folder
};

}  // namespace detail

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::string StoreFolder::manifest(StoreKind const& kind) const {
    std::filesystem::path const manifest = folder_ / "manifest.json";
    std::error_code code;
    if (std::filesystem::is_directory(folder_, code) && !std::filesystem::exists(manifest, code)) {
        throw InputError(Diagnostic{
            .file = folder_.string(),
            .expected = "a " + std::string(kind.name),
            .found = "a folder without manifest.json",
            .hint = "Name a folder made by `" + std::string(kind.command) + "`; an unfinished one must be prepared again."});
    }
    return read_file(manifest, std::uint64_t{16} << 20);
}

BMAE_INLINE FileMap StoreFolder::map(std::string const& name, StoreHeader const& header, Verify verify) const {
    auto const entry = header.files.find(name);
    if (entry == header.files.end()) { throw damaged("manifest.json", "an entry for the file " + name, "none"); }
    FileMap file(folder_ / name);
    if (file.size() != entry->second.bytes) {
        throw damaged(name, std::to_string(entry->second.bytes) + " bytes", std::to_string(file.size()));
    }
    if (verify == Verify::quick) { return file; }
    std::uint64_t const checksum = xxh64(file.bytes());
    if (checksum != entry->second.checksum) {
        throw damaged(name, "the checksum " + to_hex(entry->second.checksum), to_hex(checksum));
    }
    return file;
}

BMAE_INLINE void StoreFolder::check_count(FileMap const& file, std::string const& name, std::uint64_t elements,
                                          std::size_t bytes_each) const {
    if (file.size() / bytes_each != elements || file.size() % bytes_each != 0) {
        throw damaged(name, std::to_string(elements) + " elements", std::to_string(file.size()) + " bytes");
    }
}

BMAE_INLINE void StoreFolder::check_ids(FileMap const& file, std::string const& name, std::uint64_t vocabulary) const {
    for (TokenId const id : file.as<TokenId>()) {
        if (id >= 0 && static_cast<std::uint64_t>(id) < vocabulary) { continue; }
        throw damaged(name, "ids below " + std::to_string(vocabulary), std::to_string(id));
    }
}

BMAE_INLINE std::string_view StoreFolder::cut_text(FileMap const& file, std::uint64_t begin, std::uint64_t end,
                                                   char const* rows) const {
    std::span<char const> const part = cut(file.as<char>(), begin, end, rows);
    return {part.data(), part.size()};
}

BMAE_INLINE InputError StoreFolder::damaged(std::string const& file, std::string expected, std::string found) const {
    return InputError(Diagnostic{.file = (folder_ / file).string(),
                                 .expected = std::move(expected),
                                 .found = std::move(found),
                                 .hint = "The store is truncated or changed since it was made: copy or prepare it again."});
}

BMAE_INLINE TokenTraits store_traits(StoreHeader const& header, FileMap const& continues_word) {
    std::span<std::uint8_t const> const continues = continues_word.as<std::uint8_t>();
    return {header.special, {continues.begin(), continues.end()}};
}

BMAE_INLINE StoreFolderWriter::StoreFolderWriter(std::filesystem::path folder, std::initializer_list<char const*> names)
    : folder_(std::move(folder)) {
    for (char const* name : names) { create(name); }
}

BMAE_INLINE void StoreFolderWriter::read_back(char const* name, std::uint64_t offset, std::span<std::byte> bytes) {
    files_.find(name)->second->file.read_back(offset, bytes);
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
