// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sentence encoders to and from the folders of the Python library sentence-transformers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <bmae/bottlenecks/pooling.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/encoders/bert_folder.hpp>
#include <bmae/io/hf_folder.hpp>
#include <bmae/io/sentence_transformer.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// The options that a layout stands for. \throws InputError for a module that `SentenceEncoder` does not have
inline SentenceEncoderOptions sentence_options(SentenceTransformerLayout const& layout, std::string const& folder) {
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        return InputError(
            Diagnostic{.file = folder, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    if (layout.pooling.size() != 1 ||
        (layout.pooling.front() != PoolingMode::cls && layout.pooling.front() != PoolingMode::mean)) {
        throw refuse("the pooling cls or mean", "another one, or several",
                     "Vectors of another pooling would not be the model's own.");
    }
    if (!layout.dense.empty()) {
        throw refuse("no Dense module after the pooling", std::to_string(layout.dense.size()),
                     "Vectors without it would not be the model's own.");
    }
    if (layout.default_prompt) {
        throw refuse("no default prompt", '"' + *layout.default_prompt + '"',
                     "Put the prompt before the texts yourself and remove default_prompt_name.");
    }
    return {.pooling = layout.pooling.front() == PoolingMode::cls ? Pooling::cls : Pooling::mean,
            .normalize = layout.normalize,
            .max_length = static_cast<std::size_t>(layout.max_seq_length)};
}

inline bool lower_cases(AnyTokenizer const& tokenizer) {
    auto const* const words = tokenizer.as<WordPiece>();
    return words != nullptr && words->options().normalizer.lower_case;
}

}  // namespace detail

/// Reads the folder of a sentence encoder, or that of a bare BERT where `pooling` says how its tokens become a sentence.
/// \param pooling     takes the place of what the folder says
/// \param max_length  likewise; tokens with [CLS] and [SEP]
/// \throws InputError  a folder that does not say how to pool while `pooling` is absent, a module that is not supported, files
///                     that do not belong together
inline SentenceEncoder load_sentence_encoder(std::filesystem::path const& folder, std::optional<Pooling> pooling = {},
                                             std::optional<std::size_t> max_length = {}) {
    std::filesystem::path transformer = folder;
    SentenceEncoderOptions options;
    bool const laid_out = std::filesystem::exists(folder / "modules.json");
    if (laid_out || !pooling) {
        SentenceTransformerLayout const layout =
            read_sentence_transformer(folder);   // says what is missing where nothing is laid out
        options = detail::sentence_options(layout, folder.string());
        transformer = layout.transformer_folder.empty() ? folder : folder / layout.transformer_folder;
        if (layout.do_lower_case && !detail::lower_cases(AnyTokenizer::from_file(transformer))) {
            throw InputError(Diagnostic{.file = (transformer / "sentence_bert_config.json").string(),
                                        .expected = "\"do_lower_case\": false",
                                        .found = "true, with a tokenizer that keeps capitals",
                                        .hint = "Use a lower-casing tokenizer."});
        }
    }
    BertEncoder encoder = load_bert(transformer);
    if (!laid_out) {
        options.max_length = std::min<std::size_t>(options.max_length, static_cast<std::size_t>(encoder.shape().positions));
    }
    if (pooling) { options.pooling = *pooling; }
    if (max_length) { options.max_length = *max_length; }
    return {std::move(encoder), AnyTokenizer::from_file(transformer), options};
}

/// Writes a folder that sentence-transformers and `load_sentence_encoder` read: weights, tokenizer, pooling, length limit.
/// \param folder  must not exist, or be empty; appears when all of it is on the disk
/// \throws InputError  a folder that holds something, a pooling that sentence-transformers has no module for, a full disk and
///                     the like
inline void save_sentence_transformer(SentenceEncoder const& encoder, std::filesystem::path const& folder) {
    SentenceEncoderOptions const& options = encoder.options();
    if (needs_layers(options.pooling)) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "the pooling cls or mean, which sentence-transformers has",
                                    .found = std::string(to_string(options.pooling)),
                                    .hint = "It has no module that reads several layers: encode and search with bmae itself, or "
                                            "export with another pooling."});
    }
    SentenceTransformerLayout const layout{.width = encoder.encoder().shape().width,
                                           .pooling = {options.pooling == Pooling::cls ? PoolingMode::cls : PoolingMode::mean},
                                           .normalize = options.normalize,
                                           .max_seq_length = static_cast<std::int64_t>(options.max_length),
                                           .similarity = options.normalize ? "cosine" : "dot"};
    write_hf_folder(folder, to_hf_bert(encoder.encoder(), /*with_head=*/false), [&](std::filesystem::path const& unfinished) {
        encoder.tokenizer().save(unfinished);
        write_sentence_transformer_files(unfinished, layout);
    });
}

}  // namespace bmae
