// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoders of token vectors to and from the folders of sentence-transformers' MultiVectorEncoder: a transformer and PyLate's Dense.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>

#include <bmae/bottlenecks/token_vectors.hpp>
#include <bmae/edge/encoder_folders.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/token_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

inline constexpr char const* token_projection = "shared.token_projection.weight";

/// The projection with trained weights, of their width.
inline TokenVectors token_vectors_of(AnyEncoder const& encoder, NamedTensors const& head, std::string const& file) {
    auto const at = head.find(token_projection);
    TokenVectors::Options options;
    if (at != head.end() && at->second.dim() == 2) { options.width = at->second.size(0); }
    TokenVectors vectors(options, encoder, 0, {});
    take_tensors(vectors, head, file);
    return vectors;
}

}  // namespace detail

/// Writes a folder that sentence-transformers' MultiVectorEncoder (from version 6) and `load_token_encoder` read: the transformer, a
/// Dense module without bias and activation, no skiplist, no query expansion, no markers.
/// \param folder  must not exist, or be empty; appears when all of it is on the disk
/// \param head    holds `shared.token_projection.weight` [D, H]; others are ignored
/// \throws InputError  a projection that is missing or of another shape, a folder that is not empty
inline void save_token_encoder(std::filesystem::path const& folder, AnyEncoder const& encoder, AnyTokenizer const& tokenizer,
                               NamedTensors const& head, TokenEncoderOptions const& options) {
    TokenEncoder const checked(encoder, detail::token_vectors_of(encoder, head, folder.string()), tokenizer, options);
    save_encoder(folder, encoder, /*with_head=*/false, [&](std::filesystem::path const& unfinished) {
        std::size_t const longest = std::max(options.query_length, options.document_length);
        detail::save_tokenizer(tokenizer, unfinished, longest);
        detail::write_modules(
            unfinished,
            {{"sentence_transformers.base.modules.transformer.Transformer", ""},
             {"sentence_transformers.base.modules.dense.Dense", "1_Dense"},
             {"sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask", "2_MultiVectorMask"},
             {"sentence_transformers.base.modules.normalize.Normalize", "3_Normalize"}});
        auto on_tokens = [](detail::Json document) {
            document["module_input_name"] = document["module_output_name"] = "token_embeddings";
            return document;
        };
        detail::write_json(unfinished / "1_Dense" / "config.json",
                           on_tokens({{"in_features", encoder.shape().width},
                                      {"out_features", checked.model().width()},
                                      {"bias", false},
                                      {"activation_function", "torch.nn.modules.linear.Identity"}}));
        save_tensors(unfinished / "1_Dense" / "model.safetensors",
                     {{"linear.weight", head.find(detail::token_projection)->second.detach().to(at::kCPU, at::kFloat)}},
                     {{"format", "pt"}});
        detail::write_json(
            unfinished / "2_MultiVectorMask" / "config.json",
            {{"skiplist_words", detail::Json::array()}, {"skiplist_tasks", {"document"}}, {"keep_only_token_ids", nullptr}});
        detail::write_json(unfinished / "3_Normalize" / "config.json", on_tokens(detail::Json::object()));
        detail::write_json(unfinished / "sentence_bert_config.json", {{"max_seq_length", longest},
                                                                      {"do_lower_case", false},
                                                                      {"query_length", options.query_length},
                                                                      {"document_length", options.document_length}});
        detail::write_json(unfinished / "config_sentence_transformers.json",
                           detail::sentence_transformers_json("MultiVectorEncoder", "maxsim"));
    });
}

/// The same for an encoder that was loaded or built.
inline void save_token_encoder(std::filesystem::path const& folder, TokenEncoder const& tokens) {
    save_token_encoder(folder, tokens.model().any_encoder(), tokens.tokenizer(), tokens.model().bottleneck_tensors(),
                       tokens.options());
}

/// Reads a folder of this form.
/// \throws InputError  a skiplist, query expansion, prompts or marker tokens, a Dense module with bias or activation, vectors that
///                     are not normalized, files that do not match
inline TokenEncoder load_token_encoder(std::filesystem::path const& folder) {
    std::string const what = "an encoder of token vectors";
    auto const modules =
        detail::read_modules(folder, {"Transformer", "Dense", "MultiVectorMask", "Normalize"}, {"MultiVectorMask"}, what);
    detail::require_no_prompts(folder, what);
    detail::require_similarity(folder, "maxsim", what);
    auto const is_set = [](detail::JsonObject const& object, char const* key) {
        return object.has(key) && !object.json().at(key).is_null() && !object.json().at(key).empty();
    };
    auto const refuse_key = [&](detail::JsonObject const& object, char const* key) {
        if (!is_set(object, key)) { return; }
        throw object.refuse("no \"" + std::string(key) + "\", of " + what, detail::kind_of(object.json().at(key)),
                            "Without it the scores would not be the model's.");
    };
    auto const dense = detail::JsonObject::read(folder / modules[1].path / "config.json");
    if (dense.get<bool>("bias", true) || dense.get<bool>("use_residual", false)) {
        throw dense.refuse("a Dense module without bias and residual", "another");
    }
    auto const activation = dense.get<std::string>("activation_function", "torch.nn.modules.activation.Tanh");
    if (!activation.ends_with(".Identity")) {
        throw dense.refuse("the activation torch.nn.modules.linear.Identity", '"' + activation + '"');
    }
    for (std::size_t m = 2; m < modules.size(); ++m) {
        auto const path = folder / modules[m].path / "config.json";
        if (modules[m].type == "MultiVectorMask" && std::filesystem::exists(path)) {
            auto const mask = detail::JsonObject::read(path);
            refuse_key(mask, "skiplist_words");
            refuse_key(mask, "keep_only_token_ids");
        } else if (modules[m].type == "Normalize") {
            auto const normalize = detail::JsonObject::read(path);
            auto const on = normalize.get<std::string>("module_input_name", "sentence_embedding");
            if (on != "token_embeddings") { throw normalize.refuse("Normalize of the token_embeddings", '"' + on + '"'); }
        }
    }
    std::filesystem::path const transformer = modules[0].path.empty() ? folder : folder / modules[0].path;
    std::size_t const longest = detail::folder_max_length(transformer);
    TokenEncoderOptions options{.query_length = longest, .document_length = longest};
    if (auto const path = transformer / "sentence_bert_config.json"; std::filesystem::exists(path)) {
        refuse_key(detail::JsonObject::read(path), "query_expansion");
        auto const declared = detail::declared_lengths(transformer, detail::other_transformer_keys);
        if (declared.query != 0) { options.query_length = std::min(longest, static_cast<std::size_t>(declared.query)); }
        if (declared.document != 0) { options.document_length = std::min(longest, static_cast<std::size_t>(declared.document)); }
    }
    NamedTensors const weights = detail::load_all_tensors(folder / modules[1].path, Loading::copy);
    auto const weight = weights.find("linear.weight");
    if (weight == weights.end() || weights.size() != 1) {
        throw InputError(Diagnostic{.file = (folder / modules[1].path).string(),
                                    .expected = "linear.weight alone",
                                    .found = weight == weights.end() ? "none" : "more tensors"});
    }
    AnyEncoder encoder = load_encoder(transformer);
    TokenVectors vectors = detail::token_vectors_of(encoder, {{detail::token_projection, weight->second}}, folder.string());
    return {std::move(encoder), std::move(vectors), AnyTokenizer::from_file(transformer), options};
}

}  // namespace bmae
