// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoders of sparse vectors to and from the folders of sentence-transformers' SparseEncoder: a masked language model and
/// SpladePooling.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/edge/encoder_folders.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/retrieval/sparse_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/option.hpp>

namespace bmae {

/// What a trained model says of its lexical bottleneck.
/// \param values  of `AnyModel::option_values()`
/// \param path    of the bottleneck: "passes.1.bottleneck" is that of texts
inline LexicalBottleneck::Options lexical_options(std::vector<std::pair<std::string, OptionValue>> const& values,
                                                  std::string const& path) {
    LexicalBottleneck::Options options;
    options.for_each_option([&](std::string const& name, bool& flag, char const*) {
        for (auto const& [key, value] : values) {
            if (key == path + '.' + name) { flag = std::get<bool>(value); }
        }
    });
    return options;
}

/// Writes a folder that sentence-transformers' SparseEncoder (from version 5) and `load_sparse_encoder` read.
/// \param folder   must not exist, or be empty; appears when all of it is on the disk
/// \param encoder  with its language-model head, which is part of the folder
/// \throws InputError  a bottleneck that leaves rows out or is not saturated, which SpladePooling cannot have; a folder that is
///                     not empty
inline void save_sparse_encoder(std::filesystem::path const& folder, AnyEncoder const& encoder, AnyTokenizer const& tokenizer,
                                SparseEncoderOptions const& options) {
    auto const& lexical = options.lexical;
    if (!lexical.saturated || !lexical.first_row_counts || !lexical.separator_counts) {
        throw InputError(Diagnostic{
            .file = folder.string(),
            .expected = "a lexical bottleneck with saturated, first_row_counts and separator_counts, as SpladePooling has it",
            .found = !lexical.saturated          ? "saturated = false"
                     : !lexical.first_row_counts ? "first_row_counts = false"
                                                 : "separator_counts = false",
            .hint = "The preset splade trains that; other bottlenecks can be used from their checkpoints only."});
    }
    SparseEncoder const checked(encoder, tokenizer, options);   // refuses what could not be loaded again
    save_encoder(folder, encoder, /*with_head=*/true, [&](std::filesystem::path const& unfinished) {
        detail::save_tokenizer(tokenizer, unfinished, options.max_length);
        std::string const package = "sentence_transformers.sparse_encoder.models.";
        detail::write_modules(unfinished, {{package + "MLMTransformer", ""}, {package + "SpladePooling", "1_SpladePooling"}});
        detail::write_json(unfinished / "1_SpladePooling" / "config.json",
                           {{"pooling_strategy", "max"},
                            {"activation_function", "relu"},
                            {"word_embedding_dimension", encoder.shape().vocabulary}});
        detail::Json lengths{{"max_seq_length", options.max_length}, {"do_lower_case", false}};
        if (options.query_length != 0) {
            lengths["query_length"] = options.query_length;
        }   // `encode_query` of version 6 reads it
        detail::write_json(unfinished / "sentence_bert_config.json", lengths);
        detail::write_json(unfinished / "config_sentence_transformers.json",
                           detail::sentence_transformers_json("SparseEncoder", "dot", options.prompts));
    });
}

/// The same for an encoder that was loaded or built.
inline void save_sparse_encoder(std::filesystem::path const& folder, SparseEncoder const& sparse) {
    save_sparse_encoder(folder, sparse.model().any_encoder(), sparse.tokenizer(), sparse.options());
}

/// Reads the folder of a SparseEncoder, or that of a bare masked language model, as SPLADE's authors published theirs.
/// \param max_length  overrides the folder's; tokens with [CLS] and [SEP]
/// \throws InputError  another pooling, modules beside it, a similarity other than dot, a folder without a language-model head,
///                     files that do not match
inline SparseEncoder load_sparse_encoder(std::filesystem::path const& folder, std::optional<std::size_t> max_length = {}) {
    std::filesystem::path transformer = folder;
    if (std::filesystem::exists(folder / "modules.json")) {
        auto const modules = detail::read_modules(folder, {"Transformer", "SpladePooling"}, {}, "an encoder of sparse vectors");
        if (!modules[0].path.empty()) { transformer = folder / modules[0].path; }
        auto const pooling = detail::JsonObject::read(folder / modules[1].path / "config.json");
        detail::require_known_keys(pooling, detail::splade_keys);
    }
    SparseEncoderOptions options;
    if (auto const path = folder / "config_sentence_transformers.json"; std::filesystem::exists(path)) {
        auto const object = detail::JsonObject::read(path);
        detail::require_known_keys(object, detail::sparse_model_keys);
        options.prompts = detail::read_prompts(object);
    }
    std::size_t const longest = max_length ? *max_length : detail::folder_max_length(transformer);
    std::size_t const documents =
        static_cast<std::size_t>(detail::declared_lengths(transformer, detail::other_transformer_keys).document);
    options.max_length = documents != 0 ? std::min(documents, longest) : longest;
    options.query_length = std::min(detail::folder_query_length(transformer), longest);
    if (options.query_length == 0 && documents != 0) { options.query_length = longest; }
    return {load_encoder(transformer, 0, TokenHead::required), AnyTokenizer::from_file(transformer), options};
}

}  // namespace bmae
