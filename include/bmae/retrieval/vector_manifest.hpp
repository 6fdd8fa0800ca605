// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The manifest of a folder of vectors: what made them, and its shards, each checked when it is opened. Free of LibTorch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What a folder holds of each text.
enum class VectorKind {
    dense,    ///< one vector
    sparse,   ///< a weight per term of the vocabulary, of which those above 0 are kept
    tokens,   ///< a vector per token
};

/// As command lines and manifests write it.
constexpr std::array<std::string_view, 3> names_of(VectorKind) noexcept { return {"dense", "sparse", "tokens"}; }
constexpr std::string_view to_string(VectorKind kind) noexcept { return names_of(kind)[static_cast<std::size_t>(kind)]; }

/// What determines the vector of a text.
struct VectorModel {
    std::string weights = {};     ///< checksum of the parameters of encoder and bottleneck
    std::string tokenizer = {};   ///< checksum
    std::string pooling = {};
    bool normalize = false;
    std::uint64_t max_length = 0;
    std::string precision = {};      ///< fp32, bf16 or int8
    std::int64_t dimension = 0;      ///< of a vector; of sparse ones the size of the vocabulary
    std::string role = "document";   ///< or query
    std::string prompt = {};         ///< read before every text
    std::string similarity = {};     ///< by which the model compares its vectors; empty: it does not say
    VectorKind kind = VectorKind::dense;

    friend bool operator==(VectorModel const&, VectorModel const&) = default;
    /// Whether vectors of both can be compared: lengths and precisions may differ.
    [[nodiscard]] bool matches(VectorModel const& other) const {
        return weights == other.weights && tokenizer == other.tokenizer && pooling == other.pooling &&
               normalize == other.normalize && role == other.role && prompt == other.prompt && kind == other.kind;
    }
};

/// For messages: "weights 3f.., tokenizer 09.., pooling mean, normalized, 256 tokens, fp32". Role, prompt, similarity and kind are named
/// where they are not the usual ones.
[[nodiscard]] inline std::string to_string(VectorModel const& model) {
    return "weights " + model.weights + ", tokenizer " + model.tokenizer + ", pooling " + model.pooling +
           (model.normalize ? ", normalized, " : ", not normalized, ") + std::to_string(model.max_length) + " tokens, " +
           model.precision + (model.role == "document" ? "" : ", role " + model.role) +
           (model.prompt.empty() ? "" : ", prompt \"" + model.prompt + '"') +
           (model.similarity.empty() ? "" : ", similarity " + model.similarity) +
           (model.kind == VectorKind::dense ? "" : ", kind " + std::string(to_string(model.kind)));
}

namespace detail {

/// The key "model" of a manifest, or of the metadata of a file.
inline Json json_of(VectorModel const& model) {
    Json json{{"weights", model.weights},       {"tokenizer", model.tokenizer},
              {"pooling", model.pooling},       {"normalize", model.normalize},
              {"max_length", model.max_length}, {"precision", model.precision},
              {"dimension", model.dimension},   {"role", model.role},
              {"prompt", model.prompt},         {"similarity", model.similarity}};
    if (model.kind != VectorKind::dense) { json["kind"] = to_string(model.kind); }   // dense ones as they always were
    return json;
}

inline VectorKind vector_kind_from(JsonObject const& object) {
    auto const name = object.get<std::string>("kind", "dense");
    for (VectorKind const kind : {VectorKind::dense, VectorKind::sparse, VectorKind::tokens}) {
        if (name == to_string(kind)) { return kind; }
    }
    throw object.refuse("the kind dense, sparse or tokens", '"' + name + '"', "Read it with the version that wrote it.");
}

/// \throws InputError  where a key is missing or of another type
inline VectorModel vector_model_from(JsonObject const& object) {
    return {.weights = object.require<std::string>("weights"),
            .tokenizer = object.require<std::string>("tokenizer"),
            .pooling = object.require<std::string>("pooling"),
            .normalize = object.require<bool>("normalize"),
            .max_length = object.require<std::uint64_t>("max_length"),
            .precision = object.require<std::string>("precision"),
            .dimension = object.require<std::int64_t>("dimension"),
            .role = object.get<std::string>("role", "document"),   // absent in older folders
            .prompt = object.get<std::string>("prompt", ""),
            .similarity = object.get<std::string>("similarity", ""),
            .kind = vector_kind_from(object)};
}

}  // namespace detail

/// The files of some texts.
///
/// "00000.safetensors" has, of dense vectors, `embeddings` fp32 [texts, D]; of tokens `offsets` int64 [texts + 1], the first row of each
/// text, and `embeddings` fp32 [rows, D]; of sparse ones `offsets` int64 [texts + 1], `ids` int32 [N], the terms of each text in
/// ascending order, and `weights` fp32 [N].
struct VectorShard {
    std::string vectors = {};   ///< "00000.safetensors"
    std::string ids = {};       ///< "00000.ids": one per line
    std::uint64_t texts = 0;
    std::uint64_t tokens = 0;
    std::string vectors_xxh64 = {};   ///< of the file
    std::string ids_xxh64 = {};       ///< of the file
    std::string impacts_xxh64 = {};   ///< of the file "impacts/00000.jsonl", where the manifest has a scale of impacts
};

/// manifest.json of a folder of vectors.
struct VectorManifest {
    static constexpr char const* file = "manifest.json";
    static constexpr char const* format = "bmae vectors";
    static constexpr int version = 1;                              ///< of dense vectors
    static constexpr int version_of_kinds = 2;                     ///< of others
    static constexpr char const* vocabulary = "vocabulary.json";   ///< of sparse vectors: a list of the terms, by their ids
    static constexpr char const* impacts = "impacts";              ///< folder of sparse vectors as JSON Lines

    VectorModel model = {};
    std::uint64_t shard_texts = 0;   ///< texts of every shard but the last
    bool complete = false;           ///< the end of the input was reached
    std::vector<VectorShard> shards = {};
    std::string vocabulary_xxh64 = {};   ///< of the file `vocabulary`; empty where there is none
    std::uint64_t impact_scale = 0;      ///< an impact is a weight times this, rounded; 0: no files of impacts

    [[nodiscard]] std::uint64_t texts() const {
        std::uint64_t sum = 0;
        for (VectorShard const& shard : shards) { sum += shard.texts; }
        return sum;
    }
    [[nodiscard]] std::uint64_t tokens() const {
        std::uint64_t sum = 0;
        for (VectorShard const& shard : shards) { sum += shard.tokens; }
        return sum;
    }

    /// \throws InputError  no manifest, one of another format or version, or one that is damaged
    [[nodiscard]] static VectorManifest read(std::filesystem::path const& folder);
    void write(std::filesystem::path const& folder) const;
};

namespace detail {

inline std::string shard_name(std::size_t number, char const* ending) {
    char name[32];
    std::snprintf(name, sizeof name, "%05zu.%s", number, ending);
    return name;
}

inline std::string checksum_of_file(std::filesystem::path const& path) {
    FileMap const map(path);
    return to_hex(xxh64(map.bytes()));
}

inline InputError unfit_shard(std::filesystem::path const& path, std::string expected, std::string found) {
    return InputError(Diagnostic{.file = path.string(),
                                 .expected = std::move(expected),
                                 .found = std::move(found),
                                 .hint = "Keep the folder as `bmae encode` wrote it, or encode into a new one."});
}

/// Refuses a file of a shard that is missing or changed. \param sum  of the manifest
inline void check_file(std::filesystem::path const& path, std::string const& sum) {
    if (!std::filesystem::exists(path)) { throw unfit_shard(path, "a shard of the manifest", "no such file"); }
    if (std::string const found = checksum_of_file(path); found != sum) {
        throw unfit_shard(path, "the checksum " + sum + " of the manifest", found);
    }
}

/// Refuses a shard whose files are missing, damaged or of another model.
inline void check_shard(std::filesystem::path const& folder, VectorShard const& shard, VectorModel const& model) {
    std::filesystem::path const vectors = folder / shard.vectors;
    if (!std::filesystem::exists(vectors)) { throw unfit_shard(vectors, "a shard of the manifest", "no such file"); }
    auto const file = SafetensorsFile::open(vectors);
    auto const made_by = file.metadata().find("model");
    if (made_by == file.metadata().end() || made_by->second != to_string(model)) {
        throw unfit_shard(vectors, "vectors of the manifest's model, " + to_string(model),
                          made_by == file.metadata().end() ? "a file that names none" : made_by->second);
    }
    check_file(vectors, shard.vectors_xxh64);
    check_file(folder / shard.ids, shard.ids_xxh64);
}

/// Refuses vectors of another kind than the reader takes.
inline void require_kind(std::filesystem::path const& path, VectorKind found, VectorKind wanted) {
    if (found == wanted) { return; }
    auto const text = [](VectorKind kind) -> std::string {
        if (kind == VectorKind::dense) { return "dense vectors, one per text"; }
        return kind == VectorKind::sparse ? "sparse vectors, a weight per term" : "vectors of tokens";
    };
    std::string const method = found == VectorKind::dense ? "dense" : found == VectorKind::sparse ? "sparse" : "maxsim";
    throw InputError(Diagnostic{.file = path.string(),
                                .expected = text(wanted),
                                .found = text(found),
                                .hint = "`bmae search --embeddings` reads them with --method " + method + '.'});
}

}  // namespace detail

inline VectorManifest VectorManifest::read(std::filesystem::path const& folder) {
    auto const object = detail::JsonObject::read(folder / file);
    int const found = object.get<int>("version", 0);
    if (object.get<std::string>("format", "") != format || (found != version && found != version_of_kinds)) {
        throw object.refuse("\"format\": \"bmae vectors\" of version 1 or 2", "another file or version",
                            "Encode again with this version, or read the folder with the one that wrote it.");
    }
    auto const made_by = object.require<detail::JsonObject>("model");
    VectorManifest manifest{.model = detail::vector_model_from(made_by),
                            .shard_texts = object.require<std::uint64_t>("shard_texts"),
                            .complete = object.require<bool>("complete"),
                            .vocabulary_xxh64 = object.get<std::string>("vocabulary_xxh64", ""),
                            .impact_scale = object.get<std::uint64_t>("impact_scale", 0)};
    constexpr std::int64_t widest = 1 << 24;   // as of an index
    if (manifest.model.dimension < 1 || manifest.model.dimension > widest) {
        throw object.refuse("a dimension of 1 to " + std::to_string(widest), std::to_string(manifest.model.dimension),
                            "Encode again.");
    }
    auto const list = object.json().find("shards");
    if (list == object.json().end() || !list->is_array()) { throw object.refuse("the array \"shards\"", "none"); }
    for (detail::Json const& value : *list) {
        detail::JsonObject const shard(value, object.file(), " of a shard");
        manifest.shards.push_back({.vectors = shard.require<std::string>("vectors"),
                                   .ids = shard.require<std::string>("ids"),
                                   .texts = shard.require<std::uint64_t>("texts"),
                                   .tokens = shard.require<std::uint64_t>("tokens"),
                                   .vectors_xxh64 = shard.require<std::string>("vectors_xxh64"),
                                   .ids_xxh64 = shard.require<std::string>("ids_xxh64"),
                                   .impacts_xxh64 = shard.get<std::string>("impacts_xxh64", "")});
        std::size_t const number = manifest.shards.size() - 1;
        if (manifest.shards.back().vectors != detail::shard_name(number, "safetensors") ||
            manifest.shards.back().ids != detail::shard_name(number, "ids")) {
            throw object.refuse("shards named by their number", manifest.shards.back().vectors);   // nothing outside the folder
        }
    }
    return manifest;
}

inline void VectorManifest::write(std::filesystem::path const& folder) const {
    detail::Json list = detail::Json::array();
    for (VectorShard const& shard : shards) {
        list.push_back({{"vectors", shard.vectors},
                        {"ids", shard.ids},
                        {"texts", shard.texts},
                        {"tokens", shard.tokens},
                        {"vectors_xxh64", shard.vectors_xxh64},
                        {"ids_xxh64", shard.ids_xxh64}});
        if (impact_scale != 0) { list.back()["impacts_xxh64"] = shard.impacts_xxh64; }
    }
    detail::Json document{{"format", format},
                          {"version", model.kind == VectorKind::dense ? version : version_of_kinds},
                          {"complete", complete},
                          {"texts", texts()},
                          {"tokens", tokens()},
                          {"shard_texts", shard_texts},
                          {"model", detail::json_of(model)}};
    if (!vocabulary_xxh64.empty()) { document.update({{"vocabulary", vocabulary}, {"vocabulary_xxh64", vocabulary_xxh64}}); }
    if (impact_scale != 0) { document.update({{"impacts", impacts}, {"impact_scale", impact_scale}}); }
    document["shards"] = std::move(list);
    detail::write_file(folder / file, detail::json_document(document), detail::Existing::replace);
}

namespace detail {

/// A shard that is as the manifest says.
struct OpenShard {
    SafetensorsFile file;
    std::vector<std::string> ids = {};   ///< [texts]

    [[nodiscard]] TensorEntry const& rows() const { return file.at("embeddings"); }   ///< [texts or rows, D] fp32
    /// Of sparse vectors and vectors of tokens: where each text begins.                                        [texts + 1]
    [[nodiscard]] std::span<std::int64_t const> offsets() const { return values<std::int64_t>("offsets"); }
    /// \pre  `open_shard` has checked the tensor, whose data is aligned
    template <class T>
    [[nodiscard]] std::span<T const> values(char const* name) const {
        std::span<std::byte const> const bytes = file.at(name).bytes;
        return {reinterpret_cast<T const*>(bytes.data()), bytes.size() / sizeof(T)};
    }
};

/// Refuses a shard whose tensors are not those of its kind and number of texts.
inline void require_tensors(OpenShard const& shard, std::filesystem::path const& path, VectorModel const& model,
                            std::uint64_t texts) {
    auto const count = static_cast<std::int64_t>(shard.ids.size());
    bool fits = shard.ids.size() == texts;
    auto const require = [&](char const* name, ElementType type, std::vector<std::int64_t> const& shape) {
        TensorEntry const& entry = shard.file.at(name);
        bool const aligned = reinterpret_cast<std::uintptr_t>(entry.bytes.data()) % (bits_of(type) / 8) == 0;
        fits = fits && entry.type == type && entry.shape == shape && (aligned || model.kind == VectorKind::dense);
    };
    std::string what = " vectors of " + std::to_string(model.dimension) + " numbers of fp32 with as many ids";
    if (model.kind == VectorKind::dense) {
        require("embeddings", ElementType::f32, {count, model.dimension});
    } else {
        require("offsets", ElementType::i64, {count + 1});
        std::span<std::int64_t const> const offsets = fits ? shard.offsets() : std::span<std::int64_t const>();
        for (std::size_t i = 0; i < offsets.size(); ++i) { fits = fits && offsets[i] >= (i == 0 ? 0 : offsets[i - 1]); }
        fits = fits && offsets.front() == 0;
        std::int64_t const rows = fits ? offsets.back() : 0;
        if (model.kind == VectorKind::sparse) {
            require("ids", ElementType::i32, {rows});
            require("weights", ElementType::f32, {rows});
            what = " sparse vectors with as many ids";
        } else {
            require("embeddings", ElementType::f32, {rows, model.dimension});
            what = " texts with ids and vectors of their tokens";
        }
    }
    if (fits) { return; }
    throw InputError(Diagnostic{.file = path.string(),
                                .expected = std::to_string(texts) + what,
                                .found = "another number",
                                .hint = "Encode again: the manifest and its files do not fit."});
}

/// \throws InputError  as `check_shard`; tensors or ids of another number than the manifest's
inline OpenShard open_shard(std::filesystem::path const& folder, VectorManifest const& manifest, VectorShard const& shard) {
    check_shard(folder, shard, manifest.model);
    OpenShard opened{.file = SafetensorsFile::open(folder / shard.vectors)};
    LineReader lines(folder / shard.ids);
    for (std::string_view line; lines.next(line);) {
        if (line.empty()) {
            throw InputError(Diagnostic{.file = (folder / shard.ids).string(),
                                        .line = lines.line(),
                                        .expected = "an id in each line",
                                        .found = "an empty one",
                                        .hint = "Encode again: every text has an id."});
        }
        opened.ids.emplace_back(line);
    }
    require_tensors(opened, folder / shard.vectors, manifest.model, shard.texts);
    return opened;
}

/// The manifest of a folder that was finished.
/// \throws InputError  a folder of another kind, or an unfinished one
inline VectorManifest finished_manifest(std::filesystem::path const& folder, VectorKind kind) {
    VectorManifest manifest = VectorManifest::read(folder);
    require_kind(folder / VectorManifest::file, manifest.model.kind, kind);
    if (!manifest.complete) {
        throw InputError(Diagnostic{.file = (folder / VectorManifest::file).string(),
                                    .expected = "vectors of a whole corpus",
                                    .found = "an unfinished run",
                                    .hint = "Finish it by `bmae encode --resume` with the options that it began with."});
    }
    return manifest;
}

struct OpenFolder {
    VectorManifest manifest = {};
    std::vector<OpenShard> shards = {};
};

/// All shards of a folder, checked before there is memory for their rows.
/// \throws InputError  as `finished_manifest` and `open_shard`
inline OpenFolder open_folder(std::filesystem::path const& folder, VectorKind kind) {
    OpenFolder open{.manifest = finished_manifest(folder, kind)};
    for (VectorShard const& shard : open.manifest.shards) { open.shards.push_back(open_shard(folder, open.manifest, shard)); }
    return open;
}

}  // namespace detail

}  // namespace bmae
