// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Indexes on disk and folders of vectors.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/io/safetensors.hpp>
#include <bmae/retrieval/dense_index.hpp>
#include <bmae/retrieval/dense_index_builder.hpp>
#include <bmae/retrieval/lexical_index.hpp>
#include <bmae/retrieval/lexical_index_builder.hpp>
#include <bmae/retrieval/vector_manifest.hpp>

#include "stores.hpp"
#include "targets.hpp"

namespace fuzz {

namespace {

constexpr std::size_t dimension = 3;

Files const& lexical_files() {
    static Files const files = [] {
        bmae::LexicalIndexBuilder builder(scratch() / "bm25-seed", {.bm25 = {.threads = 1}, .store_texts = true});
        builder.add("d2", "A harbor with ships and more ships.");
        builder.add("d1", "The ship left the harbor.");
        builder.add("d3", "Mountains.");
        builder.commit();
        return files_of(scratch() / "bm25-seed");
    }();
    return files;
}

/// Rows of int8 with finer ones beside, so that there are all kinds of files.
Files const& dense_files() {
    static Files const files = [] {
        bmae::DenseIndexBuilder builder(scratch() / "dense-seed", dimension,
                                        {.rows = bmae::RowType::int8,
                                         .finer_rows = bmae::RowType::bf16,
                                         .similarity = bmae::VectorSimilarity::cosine,
                                         .store_texts = true,
                                         .model = {{"weights", "00"}}});
        builder.add("d2", std::array{1.0F, 0.5F, -1.0F}, "two");
        builder.add("d1", std::array{0.0F, 2.0F, 0.25F}, "one");
        builder.commit();
        return files_of(scratch() / "dense-seed");
    }();
    return files;
}

void use(bmae::IndexDocuments const& documents) {
    for (std::size_t row = 0; row < documents.size(); ++row) {
        static_cast<void>(documents.id(row));
        if (documents.has_texts()) { static_cast<void>(documents.text(row)); }
    }
}

void search_terms(std::filesystem::path const& folder) {
    auto const index = bmae::LexicalIndex::open(folder, bmae::Verify::quick, 1);
    static_cast<void>(index.search({"harbor ships mountains", "nothing", ""}, 2).hit_count());
    use(index.documents());
    static_cast<void>(bmae::LexicalIndex::open(folder, bmae::Verify::full, 1).size());
}

void search_vectors(std::filesystem::path const& folder) {
    auto const index = bmae::DenseIndex::open(folder, bmae::Verify::quick, {.threads = 1});
    std::vector<float> const queries(2 * index.dimension(), .5F);
    static_cast<void>(index.search({queries, index.dimension()}, 2).hit_count());
    use(index.documents());
    static_cast<void>(bmae::DenseIndex::open(folder, bmae::Verify::full, {.threads = 1}).size());
}

void read_lexical(std::string_view input) { search_terms(write_store("bm25", lexical_files(), input)); }
void read_lexical_manifest(std::string_view input) { search_terms(write_manifest("bm25-manifest", lexical_files(), input)); }
void read_dense(std::string_view input) { search_vectors(write_store("dense", dense_files(), input)); }
void read_dense_manifest(std::string_view input) { search_vectors(write_manifest("dense-manifest", dense_files(), input)); }

/// A folder of vectors with one shard of two texts.
Files one_shard(std::string const& name, bmae::VectorManifest manifest, std::vector<bmae::TensorEntry> const& entries) {
    std::filesystem::path const folder = scratch() / name;
    std::filesystem::create_directories(folder);
    bmae::write_safetensors(folder / "00000.safetensors", entries, {{"model", to_string(manifest.model)}},
                            bmae::Existing::replace);
    put(name + "/00000.ids", "a\nb\n");
    manifest.shards.push_back({.vectors = "00000.safetensors",
                               .ids = "00000.ids",
                               .texts = 2,
                               .tokens = 9,
                               .vectors_xxh64 = checksum_of(bytes_of(folder / "00000.safetensors")),
                               .ids_xxh64 = checksum_of("a\nb\n")});
    manifest.write(folder);
    return files_of(folder);
}

/// A folder of one shard of sparse vectors.
Files const& sparse_files() {
    static Files const files = [] {
        std::array<std::int64_t, 3> const offsets{0, 2, 3};
        std::array<std::int32_t, 3> const ids{0, 2, 1};
        std::array<float, 3> const weights{1, 2, 3};
        bmae::VectorManifest manifest{.model = {.weights = "00",
                                                .tokenizer = "11",
                                                .pooling = "lexical",
                                                .max_length = 16,
                                                .precision = "fp32",
                                                .dimension = dimension,
                                                .kind = bmae::VectorKind::sparse},
                                      .shard_texts = 2,
                                      .complete = true};
        std::vector<bmae::TensorEntry> const entries{
            {{"offsets", bmae::ElementType::i64, {3}}, std::as_bytes(std::span(offsets))},
            {{"ids", bmae::ElementType::i32, {3}}, std::as_bytes(std::span(ids))},
            {{"weights", bmae::ElementType::f32, {3}}, std::as_bytes(std::span(weights))}};
        return one_shard("sparse-seed", std::move(manifest), entries);
    }();
    return files;
}

Files const& vector_files() {
    static Files const files = [] {
        std::array<float, 2 * dimension> const rows{1, 2, 3, 4, 5, 6};
        bmae::VectorManifest manifest{.model = {.weights = "00",
                                                .tokenizer = "11",
                                                .pooling = "cls",
                                                .max_length = 16,
                                                .precision = "fp32",
                                                .dimension = dimension},
                                      .shard_texts = 2,
                                      .complete = true};
        std::vector<bmae::TensorEntry> const entries{
            {{"embeddings", bmae::ElementType::f32, {2, dimension}}, std::as_bytes(std::span(rows))}};
        return one_shard("vectors-seed", std::move(manifest), entries);
    }();
    return files;
}

void open_vectors(std::filesystem::path const& folder) {
    auto const manifest = bmae::VectorManifest::read(folder);
    static_cast<void>(manifest.texts() + manifest.tokens());
    for (bmae::VectorShard const& shard : manifest.shards) {
        auto const opened = bmae::detail::open_shard(folder, manifest, shard);
        if (manifest.model.kind != bmae::VectorKind::dense) {
            bool const sparse = manifest.model.kind == bmae::VectorKind::sparse;
            auto const values = opened.values<float>(sparse ? "weights" : "embeddings").size();
            auto const width = sparse ? 1 : static_cast<std::size_t>(manifest.model.dimension);
            if (opened.offsets().size() != opened.ids.size() + 1 ||
                static_cast<std::size_t>(opened.offsets().back()) * width != values) {
                throw std::logic_error("offsets that leave the values were let pass");
            }
            continue;
        }
        std::span<std::byte const> const bytes = opened.rows().bytes;
        if (bytes.size() != opened.ids.size() * static_cast<std::size_t>(manifest.model.dimension) * sizeof(float)) {
            throw std::logic_error("rows of another number than the ids were let pass");
        }
    }
}

void read_shards(Files files) {
    auto manifest = nlohmann::ordered_json::parse(files.at("manifest.json"));
    manifest["shards"][0]["vectors_xxh64"] = checksum_of(files.at("00000.safetensors"));
    manifest["shards"][0]["ids_xxh64"] = checksum_of(files.at("00000.ids"));
    files["manifest.json"] = manifest.dump();
    open_vectors(write_files("vectors", files));
}
void read_vectors(std::string_view input) { read_shards(with_replaced(vector_files(), input)); }
void read_sparse(std::string_view input) { read_shards(with_replaced(sparse_files(), input)); }
void read_vectors_manifest(std::string_view input) {
    Files files = vector_files();
    files["manifest.json"] = input;
    open_vectors(write_files("vectors-manifest", files));
}

void read_sparse_manifest(std::string_view input) {
    Files files = sparse_files();
    files["manifest.json"] = input;
    open_vectors(write_files("sparse-manifest", files));
}

}  // namespace

std::vector<Target> index_targets() {
    return {
        {"lexical_index", read_lexical, seeds_of(lexical_files())},
        {"lexical_index_manifest", read_lexical_manifest, {lexical_files().at("manifest.json")}},
        {"dense_index", read_dense, seeds_of(dense_files())},
        {"dense_index_manifest", read_dense_manifest, {dense_files().at("manifest.json")}},
        {"vector_folder", read_vectors, seeds_of(vector_files())},
        {"vector_folder_manifest", read_vectors_manifest, {vector_files().at("manifest.json")}},
        {"sparse_folder", read_sparse, seeds_of(sparse_files())},
        {"sparse_folder_manifest", read_sparse_manifest, {sparse_files().at("manifest.json")}},
    };
}

}  // namespace fuzz
