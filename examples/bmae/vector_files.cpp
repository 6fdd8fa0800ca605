// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Vectors that `encode` wrote, read without LibTorch.
#include "vector_files.hpp"

#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/retrieval/vector_manifest.hpp>

namespace bmae::program {

namespace {

InputError refusal(Path const& file, std::string expected, std::string found) {
    return InputError(Diagnostic{.file = file.string(),
                                 .expected = std::move(expected),
                                 .found = std::move(found),
                                 .hint = "Keep the files as `bmae encode` wrote them, or encode again."});
}

/// The tensor `embeddings` of a file. \throws InputError  where it is not [N, D] of fp32
TensorEntry const& embeddings_of(SafetensorsFile const& file) {
    TensorEntry const& rows = file.at("embeddings");
    if (rows.type != ElementType::f32 || rows.shape.size() != 2) {
        throw refusal(file.name(), "the tensor \"embeddings\" of fp32 [texts, dimension]",
                      std::string(to_string(rows.type)) + ' ' + shape_text(rows.shape));
    }
    if (file.find("chunk_offsets") != nullptr) {
        throw InputError(
            Diagnostic{.file = file.name(),
                       .expected = "one vector per text",
                       .found = "vectors of chunks",
                       .hint = "Run `bmae encode` without --chunks; `bmae search --embeddings` takes them as they are."});
    }
    return rows;
}

/// Rows with their ids. \throws InputError  other numbers of both, or another dimension
void use_rows(TensorEntry const& rows, Path const& vectors, Path const& ids, std::size_t dimension,
              std::function<void(std::string_view, std::span<float const>)> const& use) {
    auto const count = static_cast<std::size_t>(rows.shape[0]);
    if (static_cast<std::size_t>(rows.shape[1]) != dimension) {
        throw refusal(vectors, "vectors of " + std::to_string(dimension) + " numbers", std::to_string(rows.shape[1]));
    }
    std::vector<float> row(dimension);
    detail::LineReader lines(ids);
    std::size_t place = 0;
    for (std::string_view line; lines.next(line); ++place) {
        if (place == count) { break; }
        std::memcpy(row.data(), rows.bytes.data() + place * dimension * sizeof(float), dimension * sizeof(float));
        use(line, row);
    }
    std::string_view more;
    if (place != count || lines.next(more)) {
        throw refusal(ids, "as many ids as vectors, " + std::to_string(count), "another number");
    }
}

void require_checksum(Path const& file, std::string const& expected) {
    std::string const found = detail::to_hex(detail::xxh64(detail::FileMap(file).bytes()));
    if (found != expected) { throw refusal(file, "the checksum " + expected, found); }
}

void read_folder(Path const& folder, std::function<void(VectorSource const&)> const& begin,
                 std::function<void(std::string_view, std::span<float const>)> const& use) {
    VectorManifest const manifest = detail::finished_manifest(folder, VectorKind::dense);
    auto const dimension = static_cast<std::size_t>(manifest.model.dimension);
    begin({.dimension = dimension, .model = detail::json_of(manifest.model)});
    for (VectorShard const& shard : manifest.shards) {
        detail::OpenShard const opened = detail::open_shard(folder, manifest, shard);
        use_rows(opened.rows(), folder / shard.vectors, folder / shard.ids, dimension, use);
    }
}

void read_file(Path const& path, std::function<void(VectorSource const&)> const& begin,
               std::function<void(std::string_view, std::span<float const>)> const& use) {
    auto const file = SafetensorsFile::open(path);
    TensorEntry const& rows = embeddings_of(file);
    Path const ids = Path(path).replace_extension(".ids");
    auto const checksum = file.metadata().find("ids_xxh64");
    if (checksum != file.metadata().end()) { require_checksum(ids, checksum->second); }
    auto const dimension = static_cast<std::size_t>(rows.shape[1]);
    VectorSource source{.dimension = dimension};
    if (auto const model = file.metadata().find("model"); model != file.metadata().end()) {
        Json const parsed = detail::parse_json_or_nothing<Json>(model->second);
        if (parsed.is_object()) { source.model = parsed; }
    }
    begin(source);
    use_rows(rows, path, ids, dimension, use);
}

}  // namespace

void for_each_vector(Path const& path, std::function<void(VectorSource const&)> const& begin,
                     std::function<void(std::string_view id, std::span<float const> values)> const& use) {
    std::filesystem::is_directory(path) ? read_folder(path, begin, use) : read_file(path, begin, use);
}

}  // namespace bmae::program
