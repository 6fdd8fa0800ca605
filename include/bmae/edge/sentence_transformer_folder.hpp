// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sentence encoders to and from the folders of the Python library sentence-transformers.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/bottlenecks/sentence_bottleneck.hpp>
#include <bmae/edge/encoder_folders.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/io/sentence_router.hpp>
#include <bmae/io/sentence_transformer.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/vector_similarity.hpp>

namespace bmae {

namespace detail {

inline constexpr std::array<std::string_view, 6> pooling_mode_names{
    "cls", "max", "mean", "mean_sqrt_len", "weighted_mean", "last_token"};   ///< in the order of `PoolingMode`

/// A tensor of a module, fp32. \throws InputError where it is missing or of another shape
inline at::Tensor module_tensor(NamedTensors const& tensors, std::string const& name, std::vector<std::int64_t> const& shape,
                                std::filesystem::path const& folder) {
    auto const at = tensors.find(name);
    if (at == tensors.end() || at->second.sizes() != at::IntArrayRef(shape)) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = name + ' ' + shape_text(shape),
                                    .found = at == tensors.end() ? "none" : shape_text(at->second.sizes().vec())});
    }
    return at->second.to(at::kFloat);
}

/// A Dense module with its weights. \throws InputError for an activation that is not known, other tensors or shapes
inline DenseStep read_dense_step(DenseLayout const& layout, std::filesystem::path const& folder) {
    auto const activation = dense_activation_named(layout.activation);
    if (!activation) {
        std::string known;
        for (std::string_view const name : names_of(DenseActivation{})) {
            known += (known.empty() ? "" : ", ") + std::string(name);
        }
        throw InputError(Diagnostic{.file = (folder / layout.folder / "config.json").string(),
                                    .expected = "an activation_function of torch.nn: " + known,
                                    .found = '"' + layout.activation + '"',
                                    .hint = "With another activation the vectors would not be the model's."});
    }
    NamedTensors const tensors = load_all_tensors(folder / layout.folder, Loading::copy);
    auto const take = [&](std::string const& name, std::vector<std::int64_t> const& shape) {
        return module_tensor(tensors, name, shape, folder / layout.folder);
    };
    DenseStep step{.weight = take("linear.weight", {layout.out_features, layout.in_features}), .activation = *activation};
    if (layout.bias) { step.bias = take("linear.bias", {layout.out_features}); }
    return step;
}

/// A module after the pooling, with its weights.
inline SentenceStep read_step(ModuleLayout const& module, std::filesystem::path const& folder) {
    if (auto const* const dense = std::get_if<DenseLayout>(&module)) { return read_dense_step(*dense, folder); }
    if (auto const* const norm = std::get_if<LayerNormLayout>(&module)) {
        NamedTensors const tensors = load_all_tensors(folder / norm->folder, Loading::copy);
        auto const take = [&](char const* name) { return module_tensor(tensors, name, {norm->width}, folder / norm->folder); };
        return LayerNormStep{.weight = take("norm.weight"), .bias = take("norm.bias")};
    }
    return UnitLengthStep{};
}

/// The options that a layout describes. \throws InputError for a module that `SentenceEncoder` does not have
inline SentenceEncoderOptions sentence_options(SentenceTransformerLayout const& layout, std::filesystem::path const& folder) {
    std::string name;
    for (PoolingMode const mode : layout.pooling) {
        name += (name.empty() ? "" : "+") + std::string(pooling_mode_names[static_cast<std::size_t>(mode)]);
    }
    SentenceBottleneck pooling = SentenceBottleneck::named(name).value();   // the names are those of `named`
    bool const normalize = layout.unit_length();                            // the last module, which an option is for
    for (std::size_t m = 0; m + (normalize ? 1 : 0) < layout.modules.size(); ++m) {
        pooling = pooling.followed_by(read_step(layout.modules[m], folder));
    }
    if (layout.truncate_dim != 0) { pooling = pooling.followed_by(TruncateStep{.width = layout.truncate_dim}); }
    bool const own_documents = layout.document_length != 0;
    std::int64_t const query = layout.query_length != 0 ? layout.query_length : own_documents ? layout.max_seq_length : 0;
    return {.pooling = std::move(pooling),
            .normalize = normalize,
            .max_length = static_cast<std::size_t>(own_documents ? layout.document_length : layout.max_seq_length),
            .query_length = static_cast<std::size_t>(query),
            .similarity = vector_similarity_named(layout.similarity),
            .prompts = {.texts = layout.prompts, .standard = layout.default_prompt},
            .pools_prompt = layout.include_prompt};
}

/// The poolings of a bottleneck. \throws InputError where sentence-transformers has none of them
inline std::vector<PoolingMode> pooling_modes_of(BottleneckDescription const& made, std::string const& folder) {
    std::vector<PoolingMode> modes;
    bool known =
        made.projection.empty() || made.projection == "reduced" || made.projection == "tanh" || made.projection == "normalized";
    for (std::string_view rest = made.name; known && !rest.empty();) {
        std::string_view const part = rest.substr(0, rest.find('+'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        auto const found = std::ranges::find(pooling_mode_names, part);
        known = found != pooling_mode_names.end();
        modes.push_back(static_cast<PoolingMode>(found - pooling_mode_names.begin()));
    }
    if (!known || modes.empty()) {
        throw InputError(Diagnostic{.file = folder,
                                    .expected = "a pooling over the tokens, such as cls or mean, which sentence-transformers has",
                                    .found = made.projection.empty() ? made.name : made.name + " and " + made.projection,
                                    .hint =
                                        "It has no module for that: encode and search with bmae itself, or export with another "
                                        "pooling."});
    }
    return modes;
}

/// The layout of a module and its tensors, none of a Normalize.
inline std::pair<ModuleLayout, NamedTensors> module_of(SentenceStep const& step) {
    auto const stored = [](at::Tensor const& tensor) { return tensor.detach().to(at::kCPU, at::kFloat); };
    if (auto const* const dense = std::get_if<DenseStep>(&step)) {
        NamedTensors tensors{{"linear.weight", stored(dense->weight)}};
        if (dense->bias.defined()) { tensors["linear.bias"] = stored(dense->bias); }
        return {DenseLayout{.in_features = dense->weight.size(1),
                            .out_features = dense->weight.size(0),
                            .bias = dense->bias.defined(),
                            .activation = torch_class_of(dense->activation)},
                std::move(tensors)};
    }
    if (auto const* const norm = std::get_if<LayerNormStep>(&step)) {
        return {LayerNormLayout{.width = norm->weight.numel()},
                {{"norm.weight", stored(norm->weight)}, {"norm.bias", stored(norm->bias)}}};
    }
    return {NormalizeLayout{}, {}};
}

/// The poolings and modules that a bottleneck is written as. \throws InputError for one that they cannot express
/// \param normalize  length 1 behind it
/// \param weights    of the modules that have some
inline SentenceTransformerLayout layout_of(SentenceBottleneck const& bottleneck, bool normalize,
                                           std::vector<NamedTensors>& weights, std::string const& folder) {
    BottleneckDescription const& made = bottleneck.description();
    SentenceTransformerLayout layout{.pooling = pooling_modes_of(made, folder)};
    std::vector<SentenceStep> steps;
    if (!bottleneck.tensors().empty()) {   // reduced and tanh: one linear map
        DenseStep step{.activation = made.projection == "tanh" ? DenseActivation::tanh : DenseActivation::identity};
        for (auto const& [name, tensor] : bottleneck.tensors()) {
            (name.ends_with(".weight") ? step.weight : step.bias) = tensor;
        }
        steps.emplace_back(std::move(step));
    }
    if (made.projection == "normalized") { steps.emplace_back(UnitLengthStep{}); }
    steps.insert(steps.end(), bottleneck.steps().begin(), bottleneck.steps().end());
    bool const ends_at_length_one = !steps.empty() && std::holds_alternative<UnitLengthStep>(steps.back());
    if (normalize && !ends_at_length_one) { steps.emplace_back(UnitLengthStep{}); }
    for (std::size_t s = 0; s < steps.size(); ++s) {
        if (auto const* const cut = std::get_if<TruncateStep>(&steps[s])) {
            if (s + 1 != steps.size()) {
                throw InputError(Diagnostic{.file = folder,
                                            .expected = "truncate_dim behind all modules, as sentence-transformers applies it",
                                            .found = std::string(name_of_step(steps[s + 1])) + " behind it",
                                            .hint = "Leave --normalize out: cosines need no vectors of length 1."});
            }
            layout.truncate_dim = cut->width;
            continue;
        }
        auto [module, tensors] = module_of(steps[s]);
        layout.modules.push_back(std::move(module));
        if (!tensors.empty()) { weights.push_back(std::move(tensors)); }
    }
    return layout;
}

/// The layout that an encoder is written as, with its length limit alone.
/// \param pooling  of the encoder, which may be that of queries
/// \param weights  of the modules that have some
inline SentenceTransformerLayout layout_of(SentenceEncoderOptions const& options, SentenceBottleneck const& pooling,
                                           std::int64_t width, std::size_t max_length, std::vector<NamedTensors>& weights,
                                           std::string const& folder) {
    SentenceTransformerLayout layout = layout_of(pooling, options.normalize, weights, folder);
    layout.width = width;
    layout.max_seq_length = static_cast<std::int64_t>(max_length);
    layout.similarity =
        to_string(options.similarity.value_or(layout.unit_length() ? VectorSimilarity::cosine : options.ranks_by()));
    Prompts prompts = options.prompts;
    if (!prompts.are_empty()) { name_roles(prompts); }
    layout.prompts = std::move(prompts.texts);
    layout.default_prompt = std::move(prompts.standard);
    layout.include_prompt = options.pools_prompt;
    return layout;
}

inline void save_module_weights(std::vector<std::filesystem::path> const& folders, std::vector<NamedTensors> const& weights) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
        save_tensors(folders[i] / "model.safetensors", weights[i], {{"format", "pt"}});
    }
}

/// Reads a folder with an encoder of queries and one of documents; the arguments as of `load_sentence_encoder`.
/// \throws InputError  encoders with two tokenizers, too
inline SentenceEncoder load_sentence_router(std::filesystem::path const& folder, std::optional<SentenceBottleneck> const& pooling,
                                            std::optional<std::size_t> max_length) {
    RouterLayout const layout = read_sentence_router(folder);
    auto const place_of = [&](SentenceTransformerLayout const& one) { return folder / one.transformer_folder; };
    for (SentenceTransformerLayout const* const one : {&layout.query, &layout.document}) {
        require_lower_casing(place_of(*one), one->do_lower_case);
    }
    AnyTokenizer tokenizer = AnyTokenizer::from_file(place_of(layout.document));
    if (AnyTokenizer::from_file(place_of(layout.query)).fingerprint() != tokenizer.fingerprint()) {
        throw InputError(Diagnostic{.file = place_of(layout.query).string(),
                                    .expected = "the tokenizer of documents, as that of queries",
                                    .found = "another one",
                                    .hint = "Two encoders read texts by one tokenizer."});
    }
    SentenceEncoderOptions options = sentence_options(layout.document, folder);
    SentenceEncoderOptions queries = sentence_options(layout.query, folder);
    std::size_t const query_length = queries.query_length != 0 ? queries.query_length : queries.max_length;
    options.query_length = query_length != options.max_length ? query_length : 0;
    if (pooling) { options.pooling = queries.pooling = *pooling; }
    if (max_length) {
        options.max_length = *max_length;
        options.query_length = std::min(options.query_length, *max_length);
    }
    return SentenceEncoder(load_encoder(place_of(layout.document)), std::move(tokenizer), std::move(options))
        .with_query_encoder(load_encoder(place_of(layout.query)), std::move(queries.pooling));
}

/// Writes a folder with an encoder of queries and one of documents.
inline void save_sentence_router(SentenceEncoder const& sentences, std::filesystem::path const& folder) {
    SentenceEncoderOptions const& options = sentences.options();
    std::vector<SentenceEncoder::Tower> const towers = sentences.towers();   // documents, queries
    std::array<std::vector<NamedTensors>, 2> weights;                        // queries, documents
    auto const layout_for = [&](SentenceEncoder::Tower const& tower, std::size_t length, std::vector<NamedTensors>& tensors) {
        return layout_of(options, tower.pooling, tower.model.shape().width, length, tensors, folder.string());
    };
    std::size_t const query_length = options.query_length == 0 ? options.max_length : options.query_length;
    RouterLayout const layout{.query = layout_for(towers[1], query_length, weights[0]),
                              .document = layout_for(towers[0], options.max_length, weights[1])};
    AtomicFolder whole(folder);
    for (std::size_t r = 0; r < route_names.size(); ++r) {
        save_encoder(whole.partial() / route_folder(route_names[r], 0, "Transformer"), towers[1 - r].model.any_encoder(),
                     /*with_head=*/false,
                     [&](std::filesystem::path const& unfinished) { sentences.tokenizer().save(unfinished); });
    }
    std::array<RouteFolders, 2> const folders = write_sentence_router_files(whole.partial(), layout);
    for (std::size_t r = 0; r < folders.size(); ++r) { save_module_weights(folders[r].weights, weights[r]); }
    whole.commit();
}

}  // namespace detail

/// Reads the folder of a sentence encoder, of two of them (a Router), or that of a bare encoder where `pooling` is given.
/// \param pooling     overrides the folder's
/// \param max_length  likewise; tokens with [CLS] and [SEP]
/// \throws InputError  a folder without a pooling while `pooling` is absent, a module that is not supported, files
///                     that do not match
inline SentenceEncoder load_sentence_encoder(std::filesystem::path const& folder, std::optional<SentenceBottleneck> pooling = {},
                                             std::optional<std::size_t> max_length = {}) {
    if (is_router_folder(folder)) { return detail::load_sentence_router(folder, pooling, max_length); }
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

/// Writes a folder that sentence-transformers and `load_sentence_encoder` read: weights, tokenizer, pooling, modules behind it,
/// similarity, prompts, length limits; of two encoders a Router, which versions 5 and 6 read.
/// \param folder  must not exist, or be empty; appears when all of it is on the disk
/// \throws InputError  a non-empty folder, an encoder of a type without folders, a bottleneck that sentence-transformers has
///                     no module for, a full disk and the like
inline void save_sentence_transformer(SentenceEncoder const& sentences, std::filesystem::path const& folder) {
    if (sentences.has_query_encoder()) { return detail::save_sentence_router(sentences, folder); }
    AnyEncoder const encoder = sentences.model().any_encoder();
    SentenceEncoderOptions const& options = sentences.options();
    std::vector<NamedTensors> weights;
    std::size_t const longest = std::max(options.max_length, options.query_length);
    SentenceTransformerLayout layout =
        detail::layout_of(options, options.pooling, encoder.shape().width, longest, weights, folder.string());
    if (options.query_length < longest) { layout.query_length = static_cast<std::int64_t>(options.query_length); }
    if (options.max_length < longest) { layout.document_length = static_cast<std::int64_t>(options.max_length); }
    save_encoder(folder, encoder, /*with_head=*/false, [&](std::filesystem::path const& unfinished) {
        sentences.tokenizer().save(unfinished);
        detail::save_module_weights(write_sentence_transformer_files(unfinished, layout), weights);
    });
}

}  // namespace bmae
