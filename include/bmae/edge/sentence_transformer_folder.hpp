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

#include <bmae/bottlenecks/sentence_bottleneck.hpp>
#include <bmae/edge/encoder_folders.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/io/sentence_transformer.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

inline constexpr char const* tanh_class = "torch.nn.modules.activation.Tanh";
inline constexpr char const* no_activation_class = "torch.nn.modules.linear.Identity";

/// A Dense module with its weights. \throws InputError for another activation, other tensors or shapes
inline DenseStep read_dense_step(DenseLayout const& layout, std::filesystem::path const& folder) {
    std::filesystem::path const file = folder / layout.folder;
    bool const tanh = layout.activation.ends_with(".Tanh");
    if (!tanh && !layout.activation.ends_with(".Identity")) {
        throw InputError(Diagnostic{.file = (folder / layout.folder / "config.json").string(),
                                    .expected = "the activation Tanh or Identity",
                                    .found = '"' + layout.activation + '"',
                                    .hint = "With another activation the vectors would not be the model's."});
    }
    NamedTensors const tensors = load_all_tensors(folder / layout.folder, Loading::copy);
    auto const take = [&](std::string const& name, std::vector<std::int64_t> const& shape) {
        auto const at = tensors.find(name);
        if (at == tensors.end() || at->second.sizes() != at::IntArrayRef(shape)) {
            throw InputError(Diagnostic{.file = file.string(),
                                        .expected = name + ' ' + shape_text(shape),
                                        .found = at == tensors.end() ? "none" : shape_text(at->second.sizes().vec())});
        }
        return at->second.to(at::kFloat);
    };
    DenseStep step{.weight = take("linear.weight", {layout.out_features, layout.in_features}), .tanh = tanh};
    if (layout.bias) { step.bias = take("linear.bias", {layout.out_features}); }
    return step;
}

/// The options that a layout describes. \throws InputError for a module that `SentenceEncoder` does not have
inline SentenceEncoderOptions sentence_options(SentenceTransformerLayout const& layout, std::filesystem::path const& folder) {
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        return InputError(Diagnostic{
            .file = folder.string(), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    std::string name;
    for (PoolingMode const mode : layout.pooling) {
        name += name.empty() ? "" : "+";
        name += mode == PoolingMode::cls ? "cls" : mode == PoolingMode::mean ? "mean" : "another";
    }
    auto pooling = SentenceBottleneck::named(name);
    if (!pooling) {
        throw refuse("the pooling cls, mean or both", "another pooling, or several",
                     "With another pooling the vectors would not be the model's.");
    }
    for (DenseLayout const& dense : layout.dense) { pooling = pooling->then(read_dense_step(dense, folder)); }
    if (layout.default_prompt) {
        throw refuse("no default prompt", '"' + *layout.default_prompt + '"',
                     "Prepend the prompt to the texts yourself and remove default_prompt_name.");
    }
    return {.pooling = *std::move(pooling),
            .normalize = layout.normalize,
            .max_length = static_cast<std::size_t>(layout.max_seq_length),
            .query_length = static_cast<std::size_t>(layout.query_length)};
}

/// The poolings and Dense modules that a bottleneck is written as. \throws InputError for one that they cannot express
inline SentenceTransformerLayout layout_of(SentenceBottleneck const& bottleneck, std::vector<DenseStep>& steps,
                                           std::string const& folder) {
    BottleneckDescription const& made = bottleneck.description();
    SentenceTransformerLayout layout{.pooling = {}};
    if (made.name == "cls") { layout.pooling = {PoolingMode::cls}; }
    if (made.name == "mean") { layout.pooling = {PoolingMode::mean}; }
    if (made.name == "cls+mean") { layout.pooling = {PoolingMode::cls, PoolingMode::mean}; }
    bool const known =
        made.projection.empty() || made.projection == "reduced" || made.projection == "tanh" || made.projection == "normalized";
    if (layout.pooling.empty() || !known) {
        throw InputError(Diagnostic{.file = folder,
                                    .expected = "the pooling cls or mean, which sentence-transformers has",
                                    .found = layout.pooling.empty() ? made.name : made.name + " and " + made.projection,
                                    .hint =
                                        "It has no module for that: encode and search with bmae itself, or export with another "
                                        "pooling."});
    }
    if (!bottleneck.tensors().empty()) {   // reduced and tanh: one linear map
        DenseStep step{.tanh = made.projection == "tanh"};
        for (auto const& [name, tensor] : bottleneck.tensors()) {
            (name.ends_with(".weight") ? step.weight : step.bias) = tensor;
        }
        steps.push_back(std::move(step));
    }
    steps.insert(steps.end(), bottleneck.dense().begin(), bottleneck.dense().end());
    for (DenseStep const& step : steps) {
        layout.dense.push_back({.in_features = step.weight.size(1),
                                .out_features = step.weight.size(0),
                                .bias = step.bias.defined(),
                                .activation = step.tanh ? tanh_class : no_activation_class});
    }
    layout.normalize = bottleneck.unit_length() || made.projection == "normalized";
    return layout;
}

}  // namespace detail

/// Reads the folder of a sentence encoder, or that of a bare encoder where `pooling` is given.
/// \param pooling     overrides the folder's
/// \param max_length  likewise; tokens with [CLS] and [SEP]
/// \throws InputError  a folder without a pooling while `pooling` is absent, a module that is not supported, files
///                     that do not match
inline SentenceEncoder load_sentence_encoder(std::filesystem::path const& folder, std::optional<SentenceBottleneck> pooling = {},
                                             std::optional<std::size_t> max_length = {}) {
    std::filesystem::path transformer = folder;
    SentenceEncoderOptions options;
    bool const laid_out = std::filesystem::exists(folder / "modules.json");
    if (laid_out || !pooling) {
        SentenceTransformerLayout const layout = read_sentence_transformer(folder);   // names what is missing
        options = detail::sentence_options(layout, folder);
        transformer = layout.transformer_folder.empty() ? folder : folder / layout.transformer_folder;
        detail::require_lower_casing(transformer, layout.do_lower_case);
    }
    AnyEncoder encoder = load_encoder(transformer);
    if (!laid_out) {
        options.max_length = std::min<std::size_t>(options.max_length, static_cast<std::size_t>(encoder.shape().positions));
    }
    if (pooling) { options.pooling = *std::move(pooling); }
    if (max_length) {
        options.max_length = *max_length;
        options.query_length = std::min(options.query_length, *max_length);
    }
    return {std::move(encoder), AnyTokenizer::from_file(transformer), std::move(options)};
}

/// Writes a folder that sentence-transformers and `load_sentence_encoder` read: weights, tokenizer, pooling, linear maps, length
/// limit.
/// \param folder  must not exist, or be empty; appears when all of it is on the disk
/// \throws InputError  a non-empty folder, an encoder of a type without folders, a bottleneck that sentence-transformers has
///                     no module for, a full disk and the like
inline void save_sentence_transformer(SentenceEncoder const& sentences, std::filesystem::path const& folder) {
    AnyEncoder const encoder = sentences.model().any_encoder();
    SentenceEncoderOptions const& options = sentences.options();
    std::vector<DenseStep> steps;
    SentenceTransformerLayout layout = detail::layout_of(options.pooling, steps, folder.string());
    layout.width = encoder.shape().width;
    layout.normalize = layout.normalize || options.normalize;
    layout.max_seq_length = static_cast<std::int64_t>(options.max_length);
    layout.query_length = static_cast<std::int64_t>(options.query_length);
    layout.similarity = layout.normalize ? "cosine" : "dot";
    save_encoder(folder, encoder, /*with_head=*/false, [&](std::filesystem::path const& unfinished) {
        sentences.tokenizer().save(unfinished);
        auto const folders = write_sentence_transformer_files(unfinished, layout);
        for (std::size_t i = 0; i < steps.size(); ++i) {
            NamedTensors tensors{{"linear.weight", steps[i].weight.detach().to(at::kCPU, at::kFloat)}};
            if (steps[i].bias.defined()) { tensors["linear.bias"] = steps[i].bias.detach().to(at::kCPU, at::kFloat); }
            save_tensors(folders[i] / "model.safetensors", tensors, {{"format", "pt"}});
        }
    });
}

}  // namespace bmae
