// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The folder of an index: flat little-endian arrays that are mapped into memory, and a manifest that says what made them.
///
///     ids, id_ends     UTF-8, uint64 [N]   ids of the documents in the order of the corpus, without separators; end of each
///     order            uint32 [N]          number of the document with the smallest id, the next one ...; absent where that is 0, 1 ...
///     texts, text_ends UTF-8, uint64 [N]   texts for display; only where they were asked for
///
/// The other files are those of the kind of index. manifest.json records size and XXH64 of every file, and the checksum of itself; the
/// folder appears under its name when it is complete.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/text/store_files.hpp>
#include <bmae/text/store_manifest.hpp>
#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

namespace bmae {

namespace detail {

inline constexpr StoreKind index_format{.magic = "bmae index", .name = "index", .command = "bmae index", .version = 1};

}  // namespace detail

/// The folder of an index, open for reading. Files are mapped and checked as they are asked for.
class IndexFolder {
public:
    /// \param verify  `full` reads all files and compares their checksums
    /// \throws InputError  a folder that is no index, is of another version, or does not fit its manifest
    explicit IndexFolder(std::filesystem::path const& folder, Verify verify = Verify::quick)
        : folder_(folder), manifest_(read(folder)) {
        auto const files = manifest_.require<detail::JsonObject>("files");
        for (auto const& [name, entry] : files.json().items()) {
            detail::JsonObject const file(entry, manifest_.file(), " of the file \"" + name + '"');
            auto const number = file.require<std::string>("xxh64");
            auto const bytes = file.require<std::int64_t>("bytes");
            if (number.size() != 16 || number.find_first_not_of("0123456789abcdef") != std::string::npos || bytes < 0 ||
                name.find('/') != std::string::npos) {
                throw manifest_.refuse("a name, its bytes and a checksum of 16 digits", '"' + name + '"',
                                       "Make the index again.");
            }
            header_.files[name] = {static_cast<std::uint64_t>(bytes), std::stoull(number, nullptr, 16)};
        }
        if (verify == Verify::full) {
            for (auto const& [name, entry] : header_.files) { static_cast<void>(folder_.map(name, header_, verify)); }
        }
    }

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return folder_.path(); }
    [[nodiscard]] detail::JsonObject const& manifest() const noexcept { return manifest_; }
    [[nodiscard]] std::string kind() const { return manifest_.require<std::string>("kind"); }   ///< "bm25" or "dense"
    [[nodiscard]] std::uint64_t documents() const { return manifest_.require<std::uint64_t>("documents"); }
    [[nodiscard]] bool has(std::string const& name) const { return header_.files.contains(name); }
    [[nodiscard]] std::uint64_t bytes() const {   ///< of all files
        return std::accumulate(header_.files.begin(), header_.files.end(), std::uint64_t{0},
                               [](std::uint64_t sum, auto const& entry) { return sum + entry.second.bytes; });
    }

    /// \throws InputError  where the size is not that of the manifest
    [[nodiscard]] detail::FileMap map(std::string const& name) const { return folder_.map(name, header_, Verify::quick); }
    /// The same of a file with so many elements.
    template <class T>
    [[nodiscard]] detail::FileMap map(std::string const& name, std::uint64_t elements) const {
        detail::FileMap file = map(name);
        folder_.check_count(file, name, elements, sizeof(T));
        return file;
    }
    [[nodiscard]] detail::StoreFolder const& files() const noexcept { return folder_; }

    /// Whether a folder holds an index, of whatever version.
    [[nodiscard]] static bool is_index(std::filesystem::path const& folder) {
        std::error_code code;
        if (!std::filesystem::is_regular_file(folder / "manifest.json", code)) { return false; }
        auto const json =
            detail::parse_json_or_nothing<detail::Json>(detail::read_file(folder / "manifest.json", detail::largest_config_file));
        return json.is_object() && json.contains("format") && json["format"] == detail::index_format.magic;
    }

private:
    static detail::JsonObject read(std::filesystem::path const& folder) {
        std::string const text = detail::StoreFolder(folder).manifest(detail::index_format);
        std::string const file = (folder / "manifest.json").string();
        detail::JsonObject manifest(detail::parse_json(text, file), file);
        if (manifest.get<std::string>("format", "") != detail::index_format.magic) {
            throw manifest.refuse("the manifest of an index", "another JSON file", "Name a folder made by `bmae index`.");
        }
        if (auto const found = manifest.require<int>("version"); found != detail::index_format.version) {
            throw manifest.refuse("an index of version " + std::to_string(detail::index_format.version),
                                  "version " + std::to_string(found), "Make the index again with this version of bmae.");
        }
        detail::Json content = manifest.json();
        content.erase("checksum");
        if (manifest.require<std::string>("checksum") != detail::to_hex(detail::xxh64(content.dump())) ||
            detail::json_document(manifest.json()) != text) {
            throw manifest.refuse("an unchanged manifest", "one that does not fit its checksum", "Make the index again.");
        }
        return manifest;
    }

    detail::StoreFolder folder_;
    detail::JsonObject manifest_;
    detail::StoreHeader header_ = {};   // the files
};

/// The documents of an index.
class IndexDocuments {
public:
    explicit IndexDocuments(IndexFolder const& folder)
        : folder_(folder.files()),
          count_(folder.documents()),
          ids_(folder.map("ids")),
          id_ends_(folder.map<std::uint64_t>("id_ends", count_)) {
        if (folder.has("order")) { order_ = folder.map<std::uint32_t>("order", count_); }
        if (!folder.has("texts")) { return; }
        texts_ = folder.map("texts");
        text_ends_ = folder.map<std::uint64_t>("text_ends", count_);
    }

    [[nodiscard]] std::size_t size() const noexcept { return count_; }   ///< N
    /// \throws InputError  as all members, where the file is damaged
    [[nodiscard]] std::string_view id(std::size_t row) const { return cut(ids_, id_ends_, row, "id_ends"); }
    [[nodiscard]] bool has_texts() const noexcept { return text_ends_.size() != 0; }
    [[nodiscard]] std::string_view text(std::size_t row) const { return cut(texts_, text_ends_, row, "text_ends"); }

    /// The document whose id has that place in ascending order.
    [[nodiscard]] std::uint32_t row_of(std::uint32_t place) const {
        std::span<std::uint32_t const> const order = order_.as<std::uint32_t>();
        std::uint32_t const row = order.empty() || place >= count_ ? place : order[place];
        if (row >= count_) { throw folder_.damaged("order", "documents of the index", std::to_string(row)); }
        return row;
    }
    [[nodiscard]] std::span<std::uint32_t const> order() const noexcept { return order_.as<std::uint32_t>(); }   ///< or empty

    /// Hits by row as a run, whose table has the found documents alone: a table of all would have to be made at every start.
    /// \param query_ids  "0", "1", ... where none are given                                                          [Q] or [0]
    [[nodiscard]] Run to_run(std::span<std::vector<Hit>> found, std::vector<std::string> const& query_ids) const {
        auto table = std::make_shared<IdTable>();
        std::size_t hits = 0;
        for (std::vector<Hit>& each : found) {
            hits += each.size();
            for (Hit& hit : each) { hit.document = table->add(id(hit.document)); }
        }
        Run run(std::move(table));
        run.reserve(found.size(), hits);
        for (std::size_t q = 0; q < found.size(); ++q) {
            run.add(query_ids.empty() ? std::to_string(q) : query_ids[q], found[q]);
        }
        return run;
    }

private:
    [[nodiscard]] std::string_view cut(detail::FileMap const& text, detail::FileMap const& ends, std::size_t row,
                                       char const* name) const {
        std::span<std::uint64_t const> const all = ends.as<std::uint64_t>();
        if (row >= all.size()) { throw folder_.damaged(name, "documents below " + std::to_string(count_), std::to_string(row)); }
        return folder_.cut_text(text, row == 0 ? 0 : all[row - 1], all[row], name);
    }

    detail::StoreFolder folder_;
    std::size_t count_;
    detail::FileMap ids_;
    detail::FileMap id_ends_;
    detail::FileMap order_ = {};
    detail::FileMap texts_ = {};
    detail::FileMap text_ends_ = {};
};

/// The folder of an index while it is written, as NAME.partial; without `commit` nothing is left of it.
class IndexFolderWriter {
public:
    /// \throws InputError  a folder that is not empty or cannot be written  \throws InUseError  one that another program is writing
    explicit IndexFolderWriter(std::filesystem::path folder, bool with_texts)
        : files_(std::move(folder), {"ids", "id_ends"}), with_texts_(with_texts) {
        if (!with_texts) { return; }
        for (char const* const name : {"texts", "text_ends"}) { create(name); }
    }

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return files_.path(); }
    [[nodiscard]] std::filesystem::path const& partial() const noexcept { return files_.partial(); }
    [[nodiscard]] std::size_t documents() const noexcept { return ids_.size(); }

    void create(char const* name) { files_.create(name); }
    template <class T>
    void put(char const* name, std::span<std::type_identity_t<T> const> values) {
        files_.put<T>(name, values);
    }

    /// The next document. \throws InputError  an id that is empty or was added before
    void add_document(std::string_view id, std::string_view text) {
        std::size_t const row = ids_.size();
        if (id.empty() || ids_.add(id) != row) {
            throw InputError(Diagnostic{.file = path().string(),
                                        .expected = "every document with an id of its own",
                                        .found = id.empty() ? "an empty id" : '\'' + std::string(id) + "' a second time",
                                        .hint = "Rename or drop one of them."});
        }
        append("ids", "id_ends", id, id_end_);
        if (with_texts_) { append("texts", "text_ends", text, text_end_); }
        for (std::string_view const part : {id, std::string_view("\0", 1), text, std::string_view("\0", 1)}) {
            corpus_.update(part);
        }
    }

    /// The place of each document's id in ascending order; written where it is not the document's number.               [N]
    /// \throws InputError  where no document was added
    [[nodiscard]] std::vector<std::uint32_t> places_by_id() {
        if (ids_.size() == 0) {
            throw InputError(Diagnostic{
                .file = path().string(), .expected = "at least one document", .found = "none", .hint = "Is the corpus empty?"});
        }
        std::vector<std::uint32_t> order(ids_.size());
        std::iota(order.begin(), order.end(), 0U);
        auto const smaller = [this](std::uint32_t a, std::uint32_t b) { return ids_[a] < ids_[b]; };
        if (std::is_sorted(order.begin(), order.end(), smaller)) { return order; }
        std::sort(order.begin(), order.end(), smaller);
        create("order");
        put<std::uint32_t>("order", order);
        std::vector<std::uint32_t> places(order.size());
        for (std::uint32_t place = 0; place < order.size(); ++place) { places[order[place]] = place; }
        return places;
    }

    /// Completes all files and gives the folder its name.
    /// \param kind    "bm25" or "dense"
    /// \param fields  what the kind adds to the manifest
    void commit(std::string const& kind, detail::Json const& fields) {
        detail::StoreHeader header;
        detail::Json manifest{{"format", detail::index_format.magic},
                              {"version", detail::index_format.version},
                              {"library", version},
                              {"kind", kind},
                              {"documents", documents()},
                              {"corpus_xxh64", detail::to_hex(corpus_.digest())}};
        for (auto const& [key, value] : fields.items()) { manifest[key] = value; }
        files_.commit(header, [&] { return detail::finish_manifest(std::move(manifest), header); });
    }

private:
    void append(char const* name, char const* ends, std::string_view text, std::uint64_t& end) {
        end += text.size();
        put<char>(name, text);
        put<std::uint64_t>(ends, std::span(&end, 1));
    }

    detail::StoreFolderWriter files_;
    bool with_texts_;
    IdTable ids_;
    std::uint64_t id_end_ = 0;
    std::uint64_t text_end_ = 0;
    detail::Xxh64 corpus_;
};

}  // namespace bmae
