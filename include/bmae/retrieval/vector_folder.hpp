// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Vectors of a corpus of any size: a folder of shards with a manifest, written in bounded memory and resumable.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
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
#include <bmae/retrieval/vector_manifest.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

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

/// Checksum of the parameters of an encoder and its pooling; of two encoders that of both, whichever reads.
inline std::string weights_of(std::vector<SentenceEncoder::Tower> const& towers) {
    Xxh64 both;
    std::string one;
    for (auto const& [model, pooling] : towers) {
        Xxh64 hash;
        hash.update(to_hex(model.fingerprint()));
        for (SentenceStep const& step : pooling.steps()) {
            if (!std::holds_alternative<UnitLengthStep>(step)) { hash_step(hash, step); }   // that is `normalize`
        }
        for (auto const& [name, tensor] : pooling.tensors()) { hash_tensor(hash, tensor); }
        one = to_hex(hash.digest());
        both.update(one);
    }
    return towers.size() == 1 ? one : to_hex(both.digest());
}

}  // namespace detail

/// What makes the vectors of an encoder.
/// \param encoder    as it encodes texts of the role: `for_queries()` of queries
/// \param precision  of its arithmetic
/// \param role       document or query
[[nodiscard]] inline VectorModel describe_vectors(SentenceEncoder const& encoder, std::string precision,
                                                  std::string role = "document") {
    return {.weights = detail::weights_of(encoder.towers()),
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

/// What a folder of sparse vectors has beside its shards.
struct SparseFolderParts {
    std::vector<std::string> vocabulary = {};   ///< the terms by their ids
    std::uint64_t impact_scale = 0;             ///< see `VectorManifest`
};

/// Writes a folder of vectors shard by shard. What a killed run has finished is kept: the same run, resumed, ends with the same bytes.
class VectorFolderWriter {
public:
    /// \param shard_texts  texts of a shard, at least 1
    /// \param parts        of sparse vectors
    /// \param resume       continue an unfinished folder; without it the folder must be new or empty
    /// \throws InputError  a folder that is not empty, or one of another model or shard size, which both are named; damaged shards
    /// \throws InUseError  another program is writing there
    VectorFolderWriter(std::filesystem::path folder, VectorModel model, std::uint64_t shard_texts, bool resume,
                       SparseFolderParts const& parts = {})
        : folder_(std::move(folder)) {
        bool const begun = std::filesystem::exists(folder_ / VectorManifest::file);
        if (begun && !resume) {
            throw InputError(Diagnostic{.file = folder_.string(),
                                        .expected = "a new folder",
                                        .found = "vectors of an earlier run",
                                        .hint = "Continue that run by --resume, choose another name or remove it yourself."});
        }
        if (!begun) {
            if (resume) { remove_unbegun(); }
            detail::require_empty_or_new_folder(folder_);
            detail::create_folders(folder_);
        }
        lock();
        manifest_ = {.model = std::move(model), .shard_texts = shard_texts, .impact_scale = parts.impact_scale};
        remove_remains(folder_);
        std::string vocabulary;
        if (!parts.vocabulary.empty()) {
            vocabulary = detail::Json(parts.vocabulary).dump() + '\n';
            manifest_.vocabulary_xxh64 = detail::to_hex(detail::xxh64(vocabulary));
        }
        if (begun) {
            continue_from(VectorManifest::read(folder_));
        } else {
            manifest_.write(folder_);
        }
        if (!vocabulary.empty()) {
            detail::write_file(folder_ / VectorManifest::vocabulary, vocabulary, detail::Existing::replace);
        }
        if (manifest_.impact_scale != 0) {
            detail::create_folders(folder_ / VectorManifest::impacts);
            remove_remains(folder_ / VectorManifest::impacts);
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
        append({{"embeddings", rows}}, static_cast<std::uint64_t>(rows.size(0)), ids, tokens);
    }
    /// \param tensors  those of the model's kind: see `VectorShard`
    /// \param impacts  JSON Lines, where the folder has impacts
    void append(NamedTensors const& tensors, std::uint64_t texts, std::string const& ids, std::uint64_t tokens,
                std::string const& impacts = {}) {
        std::size_t const number = manifest_.shards.size();
        VectorShard shard{.vectors = detail::shard_name(number, "safetensors"),
                          .ids = detail::shard_name(number, "ids"),
                          .texts = texts,
                          .tokens = tokens,
                          .ids_xxh64 = detail::to_hex(detail::xxh64(ids))};
        // Files that a killed run left without an entry in the manifest are replaced.
        detail::write_file(folder_ / shard.ids, ids, detail::Existing::replace);
        if (manifest_.impact_scale != 0) {
            detail::write_file(folder_ / VectorManifest::impacts / detail::shard_name(number, "jsonl"), impacts,
                               detail::Existing::replace);
            shard.impacts_xxh64 = detail::to_hex(detail::xxh64(impacts));
        }
        save_tensors(folder_ / shard.vectors, tensors,
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

    /// What a run that was killed before its first manifest was complete has left.
    void remove_unbegun() {
        if (!std::filesystem::is_directory(folder_)) { return; }
        lock();
        std::string const unfinished = '.' + std::string(VectorManifest::file) + ".tmp-";
        for (auto const& entry : std::filesystem::directory_iterator(folder_)) {
            std::string const name = entry.path().filename().string();
            if (name.starts_with(unfinished) && detail::AtomicFile::is_remains(name)) { std::filesystem::remove(entry.path()); }
        }
    }

    /// Unfinished files of a killed program, which nobody else writes while the lock is held.
    static void remove_remains(std::filesystem::path const& folder) {
        for (auto const& entry : std::filesystem::directory_iterator(folder)) {
            std::string const name = entry.path().filename().string();
            if (detail::AtomicFile::is_remains(name)) { std::filesystem::remove(entry.path()); }
        }
    }

    void continue_from(VectorManifest before) {
        if (before.model != manifest_.model || before.shard_texts != manifest_.shard_texts ||
            before.impact_scale != manifest_.impact_scale || before.vocabulary_xxh64 != manifest_.vocabulary_xxh64) {
            auto const text = [](VectorManifest const& manifest) {
                return to_string(manifest.model) + ", shards of " + std::to_string(manifest.shard_texts) +
                       (manifest.impact_scale == 0 ? "" : ", impacts of scale " + std::to_string(manifest.impact_scale));
            };
            throw InputError(Diagnostic{.file = (folder_ / VectorManifest::file).string(),
                                        .expected = "the model and the options of the run that is resumed: " + text(before),
                                        .found = text(manifest_),
                                        .hint = "Resume with those, or encode into another folder."});
        }
        manifest_ = std::move(before);
        for (std::size_t number = 0; number < manifest_.shards.size(); ++number) {
            VectorShard const& shard = manifest_.shards[number];
            detail::check_shard(folder_, shard, manifest_.model);
            if (manifest_.impact_scale == 0) { continue; }
            detail::check_file(folder_ / VectorManifest::impacts / detail::shard_name(number, "jsonl"), shard.impacts_xxh64);
        }
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

/// All shards of a folder of dense vectors, in one tensor.
/// \throws InputError  an unfinished folder, a shard that is missing, damaged or of another model; vectors of another kind
[[nodiscard]] inline StoredVectors read_vector_folder(std::filesystem::path const& folder) {
    auto [manifest, shards] = detail::open_folder(folder, VectorKind::dense);
    std::int64_t count = 0;
    for (detail::OpenShard const& shard : shards) { count += static_cast<std::int64_t>(shard.ids.size()); }
    StoredVectors all{.rows = at::empty({count, manifest.model.dimension}, at::kFloat), .model = manifest.model};
    std::int64_t place = 0;
    for (detail::OpenShard& shard : shards) {
        at::Tensor const rows = to_tensor(shard.file, shard.rows(), Loading::mapped);
        all.rows.narrow(0, place, rows.size(0)).copy_(rows);
        place += rows.size(0);
        std::ranges::move(shard.ids, std::back_inserter(all.ids));
    }
    return all;
}

}  // namespace bmae
