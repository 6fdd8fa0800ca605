// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The manifest of a folder of vectors: what made them, and its shards, each checked when it is opened. Free of LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
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

/// What determines the vector of a text.
struct VectorModel {
    std::string weights = {};     ///< checksum of the parameters of encoder and bottleneck
    std::string tokenizer = {};   ///< checksum
    std::string pooling = {};
    bool normalize = false;
    std::uint64_t max_length = 0;
    std::string precision = {};   ///< fp32, bf16 or int8
    std::int64_t dimension = 0;
    std::string role = "document";   ///< or query
    std::string prompt = {};         ///< read before every text
    std::string similarity = {};     ///< by which the model compares its vectors; empty: it does not say

    friend bool operator==(VectorModel const&, VectorModel const&) = default;
    /// Whether vectors of both can be compared: lengths and precisions may differ.
    [[nodiscard]] bool matches(VectorModel const& other) const {
        return weights == other.weights && tokenizer == other.tokenizer && pooling == other.pooling &&
               normalize == other.normalize && role == other.role && prompt == other.prompt;
    }
};

/// For messages: "weights 3f.., tokenizer 09.., pooling mean, normalized, 256 tokens, fp32". Role, prompt and similarity are named where
/// they are not the usual ones.
[[nodiscard]] inline std::string to_string(VectorModel const& model) {
    return "weights " + model.weights + ", tokenizer " + model.tokenizer + ", pooling " + model.pooling +
           (model.normalize ? ", normalized, " : ", not normalized, ") + std::to_string(model.max_length) + " tokens, " +
           model.precision + (model.role == "document" ? "" : ", role " + model.role) +
           (model.prompt.empty() ? "" : ", prompt \"" + model.prompt + '"') +
           (model.similarity.empty() ? "" : ", similarity " + model.similarity);
}

namespace detail {

/// The key "model" of a manifest, or of the metadata of a file.
inline Json json_of(VectorModel const& model) {
    return {{"weights", model.weights},       {"tokenizer", model.tokenizer},
            {"pooling", model.pooling},       {"normalize", model.normalize},
            {"max_length", model.max_length}, {"precision", model.precision},
            {"dimension", model.dimension},   {"role", model.role},
            {"prompt", model.prompt},         {"similarity", model.similarity}};
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
            .similarity = object.get<std::string>("similarity", "")};
}

}  // namespace detail

/// One pair of files.
struct VectorShard {
    std::string vectors = {};   ///< "00000.safetensors": the tensor `embeddings`                 [texts, D] fp32
    std::string ids = {};       ///< "00000.ids": one per line
    std::uint64_t texts = 0;
    std::uint64_t tokens = 0;
    std::string vectors_xxh64 = {};   ///< of the file
    std::string ids_xxh64 = {};       ///< of the file
};

/// manifest.json of a folder of vectors.
struct VectorManifest {
    static constexpr char const* file = "manifest.json";
    static constexpr char const* format = "bmae vectors";
    static constexpr int version = 1;

    VectorModel model = {};
    std::uint64_t shard_texts = 0;   ///< texts of every shard but the last
    bool complete = false;           ///< the end of the input was reached
    std::vector<VectorShard> shards = {};

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

/// Refuses a shard whose files are missing, damaged or of another model.
inline void check_shard(std::filesystem::path const& folder, VectorShard const& shard, VectorModel const& model) {
    auto const refuse = [](std::filesystem::path const& path, std::string expected, std::string found) {
        return InputError(Diagnostic{.file = path.string(),
                                     .expected = std::move(expected),
                                     .found = std::move(found),
                                     .hint = "Keep the folder as `bmae encode` wrote it, or encode into a new one."});
    };
    for (std::string const& name : {shard.vectors, shard.ids}) {
        if (!std::filesystem::exists(folder / name)) { throw refuse(folder / name, "a shard of the manifest", "no such file"); }
    }
    auto const file = SafetensorsFile::open(folder / shard.vectors);
    auto const made_by = file.metadata().find("model");
    if (made_by == file.metadata().end() || made_by->second != to_string(model)) {
        throw refuse(folder / shard.vectors, "vectors of the manifest's model, " + to_string(model),
                     made_by == file.metadata().end() ? "a file that names none" : made_by->second);
    }
    for (auto const& [name, sum] : {std::pair{shard.vectors, shard.vectors_xxh64}, std::pair{shard.ids, shard.ids_xxh64}}) {
        if (std::string const found = checksum_of_file(folder / name); found != sum) {
            throw refuse(folder / name, "the checksum " + sum + " of the manifest", found);
        }
    }
}

}  // namespace detail

inline VectorManifest VectorManifest::read(std::filesystem::path const& folder) {
    auto const object = detail::JsonObject::read(folder / file);
    if (object.get<std::string>("format", "") != format || object.get<int>("version", 0) != version) {
        throw object.refuse("\"format\": \"bmae vectors\" of version 1", "another file or version",
                            "Encode again with this version, or read the folder with the one that wrote it.");
    }
    auto const made_by = object.require<detail::JsonObject>("model");
    VectorManifest manifest{.model = detail::vector_model_from(made_by),
                            .shard_texts = object.require<std::uint64_t>("shard_texts"),
                            .complete = object.require<bool>("complete")};
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
                                   .ids_xxh64 = shard.require<std::string>("ids_xxh64")});
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
    }
    detail::Json const document{{"format", format},
                                {"version", version},
                                {"complete", complete},
                                {"texts", texts()},
                                {"tokens", tokens()},
                                {"shard_texts", shard_texts},
                                {"model", detail::json_of(model)},
                                {"shards", std::move(list)}};
    detail::write_file(folder / file, detail::json_document(document), detail::Existing::replace);
}

namespace detail {

/// A shard that is as the manifest says.
struct OpenShard {
    SafetensorsFile file;
    std::vector<std::string> ids = {};   ///< [texts]

    [[nodiscard]] TensorEntry const& rows() const { return file.at("embeddings"); }   ///< [texts, D] fp32
};

/// \throws InputError  as `check_shard`; rows or ids of another number than the manifest's
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
    TensorEntry const& rows = opened.rows();
    std::vector<std::int64_t> const shape{static_cast<std::int64_t>(opened.ids.size()), manifest.model.dimension};
    if (rows.type != ElementType::f32 || rows.shape != shape || opened.ids.size() != shard.texts) {
        throw InputError(Diagnostic{.file = (folder / shard.vectors).string(),
                                    .expected = std::to_string(shard.texts) + " vectors of " +
                                                std::to_string(manifest.model.dimension) + " numbers of fp32 with as many ids",
                                    .found = "another number",
                                    .hint = "Encode again: the manifest and its files do not fit."});
    }
    return opened;
}

}  // namespace detail

}  // namespace bmae
