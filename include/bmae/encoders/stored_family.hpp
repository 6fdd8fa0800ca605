// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `StoredFamily`: how encoders of one class are written into folders and checkpoints, and read from them.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/encoder.hpp>
#include <bmae/io/tensors.hpp>

namespace bmae {

/// What to do with files that have no language-model head: a new one is initialized, or they are refused.
enum class TokenHead { optional, required };

/// Writes further files into an unfinished folder: tokenizer, pooling.
using WriteMore = std::function<void(std::filesystem::path const&)>;

/// How the encoders of one class are stored: static functions, so that a family is an entry of a list.
///
/// 1. `F::EncoderType`, with `config()`, which returns its `Options`; `F::model_types()`: the values of config.json's model_type.
/// 2. `F::load(folder, head, seed)` and `F::save(folder, encoder, with_head, write_more)`: a folder of transformers;
///    `F::stores_head(folder)`: whether it has a language-model head.
/// 3. `F::read_config(file)` and `F::config_text(options, with_head)`: config.json, as class ForMaskedLM or as the bare model.
/// 4. `F::from_parameters(options, parameters, head, file)`: an encoder with the parameters of a checkpoint, by the names of
///    `for_each_parameter`; other tensors are ignored, and one that is missing or of another shape is refused.
/// 5. `F::title(options)`: "BERT".
/// 6. `F::set_dropout(options, rate)`: all rates of dropout.
///
/// With classification heads, for rerankers (`ClassifierFamily`):
/// 7. `F::score_names(options)`: name of each part of the head here, below `shared.score`, and in a folder.
/// 8. `F::load_classifier(folder)`: the encoder, and the tensors beside it by their names in the folder;
///    `F::save_classifier(folder, encoder, head, extra_json, write_more)`: the reverse, with other keys of config.json.
/// 9. `F::pools_by_config`: config.json's classifier_pooling says what the head reads, cls or mean; else it is cls.
template <class F>
concept StoredFamily = Encoder<typename F::EncoderType> &&
                       requires(typename F::EncoderType const& encoder, typename F::EncoderType::Options options,
                                std::filesystem::path const& path, NamedTensors const& tensors, WriteMore const& more) {
                           { F::model_types() } -> std::same_as<std::vector<std::string_view>>;
                           { encoder.config() } -> std::convertible_to<typename F::EncoderType::Options const&>;
                           { F::load(path, TokenHead::optional, std::uint64_t{}) } -> std::same_as<typename F::EncoderType>;
                           F::save(path, encoder, true, more);
                           { F::stores_head(path) } -> std::same_as<bool>;
                           { F::read_config(path) } -> std::same_as<typename F::EncoderType::Options>;
                           { F::config_text(options, true) } -> std::same_as<std::string>;
                           {
                               F::from_parameters(options, tensors, TokenHead::optional, std::string())
                           } -> std::same_as<typename F::EncoderType>;
                           { F::title(options) } -> std::convertible_to<std::string_view>;
                           F::set_dropout(options, .1);
                       };

/// Names of the parts of a classification head: here, in a folder.
using ScoreNames = std::vector<std::pair<std::string_view, std::string_view>>;

template <class F>
concept ClassifierFamily =
    StoredFamily<F> && requires(typename F::EncoderType const& encoder, typename F::EncoderType::Options options,
                                std::filesystem::path const& path, NamedTensors tensors, WriteMore const& more) {
        { F::score_names(options) } -> std::same_as<ScoreNames>;
        { F::load_classifier(path) } -> std::same_as<std::pair<typename F::EncoderType, NamedTensors>>;
        F::save_classifier(path, encoder, tensors, std::string(), more);
        { F::pools_by_config } -> std::convertible_to<bool>;
    };

}  // namespace bmae
