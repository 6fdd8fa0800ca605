// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A model's folder with another vocabulary: weights, tokenizer and config.json changed together.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/folders.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/model_folder.hpp>
#include <bmae/io/number_rows.hpp>
#include <bmae/text/vocabulary_change.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What was changed.
struct VocabularyFolderReport {
    std::size_t tokens_before = 0;
    std::size_t tokens_after = 0;
    std::uint64_t bytes_before = 0;   ///< of all tensors
    std::uint64_t bytes_after = 0;
    std::uint64_t parameters_before = 0;
    std::uint64_t parameters_after = 0;
    std::vector<std::string> tensors = {};    ///< names of those with other rows
    std::vector<std::string> left_out = {};   ///< files of other frameworks, which would not fit any more
};

namespace detail {

/// Tensors with a row, or a number, per token: word embeddings, the head's decoder and biases.
inline bool has_row_per_token(std::string_view name) {
    static constexpr std::array<std::string_view, 8> endings{"embeddings.word_embeddings.weight",
                                                             "predictions.decoder.weight",
                                                             "predictions.decoder.bias",
                                                             "predictions.bias",
                                                             "vocab_projector.weight",
                                                             "vocab_projector.bias",
                                                             "generator_lm_head.weight",
                                                             "generator_lm_head.bias"};
    return std::ranges::any_of(endings, [&](std::string_view ending) { return name.ends_with(ending); });
}

inline constexpr std::array<char const*, 7> ids_in_config{"pad_token_id", "bos_token_id",  "eos_token_id", "cls_token_id",
                                                          "sep_token_id", "mask_token_id", "unk_token_id"};

/// config.json with the size of the vocabulary and the new ids of special tokens.
inline Json config_with_vocabulary(JsonObject const& config, VocabularyChange const& change, std::size_t tokens_before) {
    std::map<TokenId, std::size_t> places;
    for (std::size_t i = 0; i < change.sources.size(); ++i) {
        if (change.sources[i].size() == 1) { places.emplace(change.sources[i].front(), i); }
    }
    Json document = config.json();
    document["vocab_size"] = change.tokens.size();
    for (char const* const key : ids_in_config) {
        auto const id = config.find<std::int64_t>(key);
        if (!id || *id < 0) { continue; }
        auto const place = static_cast<std::size_t>(*id) < tokens_before ? places.find(static_cast<TokenId>(*id)) : places.end();
        if (place == places.end()) {
            throw config.refuse("the id of a token that stays as \"" + std::string(key) + '"', std::to_string(*id));
        }
        document[key] = place->second;
    }
    return document;
}

/// The rows per token of a tensor in the folder. \throws InputError where it has another number than config.json says
inline bool is_changed(TensorEntry const& tensor, std::int64_t rows, JsonObject const& config) {
    if (!has_row_per_token(tensor.name)) {
        bool other_size = false;   // a model as narrow as its vocabulary: only in tests
        for (auto const& [key, value] : config.json().items()) {
            other_size = other_size || (key != "vocab_size" && value == rows);
        }
        bool const suspicious = !tensor.shape.empty() && tensor.shape.front() == rows && !other_size;
        if (!suspicious) { return false; }
        throw config.refuse("no tensor with a row per token but word embeddings and the head of masked language modeling",
                            '"' + tensor.name + "\" " + shape_text(tensor.shape), "Which rows it needs is not known.");
    }
    if (tensor.shape.empty() || tensor.shape.front() != rows || !is_averaged(tensor.type)) {
        throw config.refuse("numbers for each of " + std::to_string(rows) + " tokens as \"" + tensor.name + '"',
                            std::string(to_string(tensor.type)) + ' ' + shape_text(tensor.shape));
    }
    return true;
}

inline std::uint64_t elements_of(TensorInfo const& tensor) {
    std::uint64_t count = 1;
    for (auto const size : tensor.shape) { count *= static_cast<std::uint64_t>(size); }
    return count;
}

}  // namespace detail

/// Writes a copy of a folder of BERT, DistilBERT or ELECTRA, bare or of sentence-transformers, with another vocabulary.
/// \param tokenizer  that of the folder
/// \throws InputError  other families, pickled weights, a tensor that does not fit, an output that is not empty
inline VocabularyFolderReport write_with_vocabulary(std::filesystem::path const& folder, std::filesystem::path const& output,
                                                    WordPiece const& tokenizer, VocabularyChange const& change) {
    ModelFolder const model(folder);
    auto const config = detail::JsonObject::read(model.transformer() / "config.json");
    auto const rows = config.require<std::int64_t>("vocab_size");
    if (rows < static_cast<std::int64_t>(tokenizer.size())) {
        throw config.refuse("a vocab_size of at least " + std::to_string(tokenizer.size()) + ", the tokenizer's",
                            std::to_string(rows));
    }
    WordPiece const changed = with_vocabulary(tokenizer, change.tokens);
    detail::Json const document = detail::config_with_vocabulary(config, change, tokenizer.size());
    FolderTensors const tensors = FolderTensors::open(model.transformer());
    VocabularyFolderReport report{.tokens_before = tokenizer.size(), .tokens_after = change.tokens.size()};
    std::vector<TensorInfo> written;
    std::map<std::string, TensorEntry const*, std::less<>> by_name;
    for (TensorEntry const& tensor : tensors.entries()) {
        TensorInfo info = tensor;
        if (detail::is_changed(tensor, rows, config)) {
            info.shape.front() = static_cast<std::int64_t>(change.tokens.size());
            report.tensors.push_back(info.name);
        }
        report.bytes_before += tensor.bytes.size();
        report.parameters_before += detail::elements_of(tensor);
        report.parameters_after += detail::elements_of(info);
        report.bytes_after += detail::elements_of(info) * bits_of(info.type) / 8;
        by_name.emplace(info.name, &tensor);
        written.push_back(std::move(info));
    }
    if (report.tensors.empty()) { throw config.refuse("word embeddings among the weights", "none"); }
    detail::AtomicFolder target(output);
    std::string const place = model.modules().front();
    std::filesystem::path const transformer = target.partial() / place;
    std::set<std::string> own;
    for (char const* const name : {"config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json",
                                   "special_tokens_map.json", "added_tokens.json"}) {
        own.insert((std::filesystem::path(place) / name).lexically_normal().generic_string());
    }
    report.left_out = model.copy_others(target.partial(), own);
    detail::create_folders(transformer);
    changed.save(transformer);
    detail::write_file(transformer / "config.json", detail::json_document(document));
    std::vector<std::byte> bytes;
    write_model_tensors(transformer / "model.safetensors", written, [&](std::string const& name) -> std::span<std::byte const> {
        TensorEntry const& tensor = *by_name.find(name)->second;
        if (!detail::has_row_per_token(name)) { return tensor.bytes; }
        bytes = mean_rows<TokenId>(tensor.type, tensor.bytes, static_cast<std::size_t>(rows), change.sources);
        return bytes;
    });
    target.commit();
    return report;
}

}  // namespace bmae
