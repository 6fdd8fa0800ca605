// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Vectors of a corpus of any size: a folder of shards with a manifest, written in bounded memory and resumable.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <fcntl.h>
#include <sys/file.h>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/whole_files.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
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

/// What the encoder reads before each text; nothing where it has no prompts.
template <class E>
std::string prompt_of(E const& encoder) {
    if constexpr (requires { std::string(encoder.prompt()); }) {
        return encoder.prompt();
    } else {
        return {};
    }
}

/// The similarity by which the encoder's vectors are compared; nothing where it says none.
template <class E>
std::string similarity_of(E const& encoder) {
    if constexpr (requires { std::string(to_string(encoder.options().ranks_by())); }) {
        return std::string(to_string(encoder.options().ranks_by()));
    } else {
        return {};
    }
}

}  // namespace detail

/// What makes the vectors of an encoder.
/// \param encoder    as it encodes texts of the role: `for_queries()` of queries
/// \param precision  of its arithmetic
/// \param role       document or query
[[nodiscard]] inline VectorModel describe_vectors(SentenceEncoder const& encoder, std::string precision,
                                                  std::string role = "document") {
    detail::Xxh64 hash;
    hash.update(detail::to_hex(encoder.model().fingerprint()));
    for (SentenceStep const& step : encoder.options().pooling.steps()) {
        if (!std::holds_alternative<UnitLengthStep>(step)) { hash_step(hash, step); }   // that is `normalize`
    }
    for (auto const& [name, tensor] : encoder.options().pooling.tensors()) { detail::hash_tensor(hash, tensor); }
    return {.weights = detail::to_hex(hash.digest()),
            .tokenizer = detail::to_hex(encoder.tokenizer().fingerprint()),
            .pooling = to_string(encoder.options().pooling),
            .normalize = encoder.options().normalize || encoder.options().pooling.unit_length(),
            .max_length = encoder.options().max_length,
            .precision = std::move(precision),
            .dimension = encoder.model().width(),
            .role = std::move(role),
            .prompt = detail::prompt_of(encoder),
            .similarity = detail::similarity_of(encoder)};
}

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

/// Writes a folder of vectors shard by shard. What a killed run has finished is kept: the same run, resumed, ends with the same bytes.
class VectorFolderWriter {
public:
    /// \param shard_texts  texts of a shard, at least 1
    /// \param resume       continue an unfinished folder; without it the folder must be new or empty
    /// \throws InputError  a folder that is not empty, or one of another model or shard size, which both are named; damaged shards
    /// \throws InUseError  another program is writing there
    VectorFolderWriter(std::filesystem::path folder, VectorModel model, std::uint64_t shard_texts, bool resume)
        : folder_(std::move(folder)) {
        bool const begun = std::filesystem::exists(folder_ / VectorManifest::file);
        if (begun && !resume) {
            throw InputError(Diagnostic{.file = folder_.string(),
                                        .expected = "a new folder",
                                        .found = "vectors of an earlier run",
                                        .hint = "Continue that run by --resume, choose another name or remove it yourself."});
        }
        if (!begun) {
            detail::require_empty_or_new_folder(folder_);
            detail::create_folders(folder_);
        }
        lock();
        manifest_ = {.model = std::move(model), .shard_texts = shard_texts};
        remove_remains();
        if (begun) {
            continue_from(VectorManifest::read(folder_));
        } else {
            manifest_.write(folder_);
        }
    }

    [[nodiscard]] VectorManifest const& manifest() const noexcept { return manifest_; }
    /// Shards that an earlier run has finished and `confirm` has not seen.
    [[nodiscard]] bool has_unconfirmed() const noexcept { return confirmed_ < kept_; }
    /// The next finished shard; its ids are compared with those of the input, so that another input is noticed.
    /// \throws InputError  where they differ
    void confirm(std::string const& ids) {
        VectorShard const& shard = manifest_.shards[confirmed_];
        if (detail::to_hex(detail::xxh64(ids)) != shard.ids_xxh64) {
            throw InputError(Diagnostic{.file = (folder_ / shard.ids).string(),
                                        .expected = "the ids of the same input, read again",
                                        .found = "others",
                                        .hint = "Resume with the inputs that the run began with, in the same order."});
        }
        ++confirmed_;
    }

    /// \param rows  [texts, D] fp32
    /// \param ids   one per line
    void append(at::Tensor const& rows, std::string const& ids, std::uint64_t tokens) {
        std::size_t const number = manifest_.shards.size();
        VectorShard shard{.vectors = detail::shard_name(number, "safetensors"),
                          .ids = detail::shard_name(number, "ids"),
                          .texts = static_cast<std::uint64_t>(rows.size(0)),
                          .tokens = tokens,
                          .ids_xxh64 = detail::to_hex(detail::xxh64(ids))};
        // Files that a killed run left without an entry in the manifest are replaced.
        detail::write_file(folder_ / shard.ids, ids, detail::Existing::replace);
        save_tensors(folder_ / shard.vectors, {{"embeddings", rows}},
                     {{"format", "pt"}, {"ids_xxh64", shard.ids_xxh64}, {"model", to_string(manifest_.model)}},
                     detail::Existing::replace);
        shard.vectors_xxh64 = detail::checksum_of_file(folder_ / shard.vectors);
        manifest_.shards.push_back(std::move(shard));
        manifest_.write(folder_);
    }

    /// At the end of the input.
    void finish() {
        if (has_unconfirmed()) {
            throw InputError(Diagnostic{.file = folder_.string(),
                                        .expected = "the inputs that the run began with",
                                        .found = "fewer texts than it has finished",
                                        .hint = "Resume with the same inputs, in the same order."});
        }
        manifest_.complete = true;
        manifest_.write(folder_);
    }

private:
    void lock() {
        lock_ = detail::Descriptor(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!lock_.is_open()) { detail::fail_to_write(folder_, "open the folder", errno); }
        if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            throw InUseError(folder_.string() +
                             ": another program is writing there. Wait for it or choose another output folder.");
        }
    }

    /// Unfinished files of a killed program, which nobody else writes while the lock is held.
    void remove_remains() const {
        for (auto const& entry : std::filesystem::directory_iterator(folder_)) {
            std::string const name = entry.path().filename().string();
            if (name.starts_with('.') && name.find(".tmp-") != std::string::npos) { std::filesystem::remove(entry.path()); }
        }
    }

    void continue_from(VectorManifest before) {
        if (before.model != manifest_.model || before.shard_texts != manifest_.shard_texts) {
            auto const text = [](VectorManifest const& manifest) {
                return to_string(manifest.model) + ", shards of " + std::to_string(manifest.shard_texts);
            };
            throw InputError(Diagnostic{.file = (folder_ / VectorManifest::file).string(),
                                        .expected = "the model and the options of the run that is resumed: " + text(before),
                                        .found = text(manifest_),
                                        .hint = "Resume with those, or encode into another folder."});
        }
        manifest_ = std::move(before);
        for (VectorShard const& shard : manifest_.shards) { detail::check_shard(folder_, shard, manifest_.model); }
        kept_ = manifest_.shards.size();
    }

    std::filesystem::path folder_;
    detail::Descriptor lock_ = {};
    VectorManifest manifest_ = {};
    std::size_t kept_ = 0;
    std::size_t confirmed_ = 0;
};

/// Vectors with the ids of their texts.
struct StoredVectors {
    at::Tensor rows = {};                     ///< [N, D] fp32, or [C, D] of chunks
    std::vector<std::string> ids = {};        ///< [N]
    std::optional<VectorModel> model = {};    ///< nothing where the file does not name it
    std::vector<std::int64_t> offsets = {};   ///< [N+1] text n has the chunks offsets[n] .. offsets[n+1]; empty: a row per text
};

/// All shards of a folder, in one tensor.
/// \throws InputError  an unfinished folder, a shard that is missing, damaged or of another model
[[nodiscard]] inline StoredVectors read_vector_folder(std::filesystem::path const& folder) {
    VectorManifest const manifest = VectorManifest::read(folder);
    if (!manifest.complete) {
        throw InputError(Diagnostic{.file = (folder / VectorManifest::file).string(),
                                    .expected = "vectors of a whole corpus",
                                    .found = "an unfinished run",
                                    .hint = "Finish it by `bmae encode --resume` with the options that it began with."});
    }
    std::int64_t const dimension = manifest.model.dimension;
    StoredVectors all{.rows = at::empty({static_cast<std::int64_t>(manifest.texts()), dimension}, at::kFloat),
                      .model = manifest.model};
    std::int64_t place = 0;
    for (VectorShard const& shard : manifest.shards) {
        detail::check_shard(folder, shard, manifest.model);
        auto const file = SafetensorsFile::open(folder / shard.vectors);
        at::Tensor const rows = to_tensor(file, file.at("embeddings"), Loading::mapped);
        std::size_t const before = all.ids.size();
        detail::LineReader lines(folder / shard.ids);
        for (std::string_view line; lines.next(line);) { all.ids.emplace_back(line); }
        auto const count = static_cast<std::int64_t>(all.ids.size() - before);
        if (rows.dim() != 2 || rows.size(1) != dimension || rows.size(0) != count ||
            static_cast<std::uint64_t>(count) != shard.texts || place + count > all.rows.size(0)) {
            throw InputError(Diagnostic{.file = (folder / shard.vectors).string(),
                                        .expected = std::to_string(shard.texts) + " vectors of " + std::to_string(dimension) +
                                                    " numbers with as many ids",
                                        .found = "another number",
                                        .hint = "Encode again: the manifest and its files do not fit."});
        }
        all.rows.narrow(0, place, count).copy_(rows);
        place += count;
    }
    return all;
}

}  // namespace bmae
