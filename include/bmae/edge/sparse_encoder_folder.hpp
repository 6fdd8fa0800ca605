// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoders of sparse vectors to and from the folders of sentence-transformers' SparseEncoder: a masked language model and
/// SpladePooling.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/detail/folders.hpp>
#include <bmae/edge/encoder_folders.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/lexical_files.hpp>
#include <bmae/io/sentence_router.hpp>
#include <bmae/io/sentence_transformer_keys.hpp>
#include <bmae/io/tensors.hpp>
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
    options.for_each_option([&](std::string const& name, auto& value, char const*) {
        for (auto const& [key, known] : values) {
            if (key == path + '.' + name) { value = std::get<std::remove_cvref_t<decltype(value)>>(known); }
        }
    });
    return options;
}

namespace detail {

inline std::string const sparse_package = "sentence_transformers.sparse_encoder.models.";

/// Folder names inside the whole: those of the routes in a folder whose queries are counted, else those of a plain folder.
struct SparsePlaces {
    std::filesystem::path transformer = {};
    std::filesystem::path pooling = {};
    std::filesystem::path query_weights = {};   ///< empty: queries are encoded
};

/// Where the modules of a SparseEncoder are. \throws InputError  other modules
inline SparsePlaces read_sparse_places(std::filesystem::path const& folder) {
    constexpr std::string_view what = "an encoder of sparse vectors";
    if (!is_router_folder(folder)) {
        auto const modules = read_modules(folder, {"Transformer", "SpladePooling"}, {}, what);
        return {.transformer = modules[0].path, .pooling = modules[1].path};
    }
    RouterModule const router = read_router(folder);
    auto const route = [&](std::string const& name, std::vector<std::string_view> const& wanted) {
        std::vector<FolderModule> list = router.modules_of(name);
        std::string expected = "the route " + name + " as";
        std::string found;
        for (std::string_view const kind : wanted) { expected += ' ' + std::string(kind); }
        for (FolderModule& one : list) {
            one.type = stock_class(std::string(one.type));
            if (one.type == "MLMTransformer") { one.type = "Transformer"; }
            found += (found.empty() ? "" : " ") + one.type;
        }
        bool const equal = router.behind.empty() && std::ranges::equal(list, wanted, {}, &FolderModule::type);
        if (!equal) {
            throw router.json.refuse(
                expected, router.behind.empty() ? found : found + " and modules behind the Router",
                "Queries are counted by a SparseStaticEmbedding, documents encoded: other routes are not supported.");
        }
        return list;
    };
    auto const query = route("query", {"SparseStaticEmbedding"});
    auto const document = route("document", {"Transformer", "SpladePooling"});
    return {.transformer = document[0].path, .pooling = document[1].path, .query_weights = query[0].path};
}

/// The weights of tokens in queries.                                                                                     [V]
inline at::Tensor read_query_weights(std::filesystem::path const& folder) {
    if (auto const file = folder / "config.json"; std::filesystem::exists(file)) {
        require_known_keys(JsonObject::read(file), static_embedding_keys);
    }
    NamedTensors const tensors = load_all_tensors(folder, Loading::copy);
    auto const found = tensors.find("weight");
    if (found == tensors.end() || found->second.dim() != 1) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "the tensor weight [V] of a SparseStaticEmbedding",
                                    .found = found == tensors.end() ? "none" : "another shape"});
    }
    return found->second.to(at::kFloat).contiguous();
}

/// The limit of queries with [CLS] and [SEP], which the module does not count; the highest number where there is none.
inline std::size_t counted_query_length(std::filesystem::path const& folder) {
    auto const config = JsonObject::read(folder / "tokenizer_config.json");
    auto const length = config.find<double>("model_max_length");   // "no limit" is written as 1e30
    if (!length || *length > 1e9) { return std::numeric_limits<std::size_t>::max(); }
    if (*length < 1) { throw config.refuse("a model_max_length of at least 1", std::to_string(*length)); }
    return static_cast<std::size_t>(*length) + 2;
}

/// The route of queries: weights, and a tokenizer without [CLS] and [SEP] in its length, as the module adds none.
inline void write_query_route(std::filesystem::path const& folder, AnyTokenizer const& tokenizer,
                              SparseEncoderOptions const& options) {
    std::filesystem::create_directory(folder);
    std::size_t const length = options.query_length != 0 ? options.query_length : options.max_length;
    save_tokenizer(tokenizer, folder, length - 2);
    write_json(folder / "config.json", {{"frozen", false}});
    save_tensors(folder / "model.safetensors", {{"weight", options.query_weights}}, {{"format", "pt"}});
}

inline void write_lexical(std::filesystem::path const& folder, SparseEncoderOptions const& options) {
    Json document{{"prompts", options.prompts.texts}};
    if (options.prompts.standard) { document["default_prompt_name"] = *options.prompts.standard; }
    LexicalBottleneck::Options lexical = options.lexical;
    lexical.for_each_option([&](std::string const& name, auto const& value, char const*) { document[name] = value; });
    write_json(folder / lexical_file, document);
}
inline void read_lexical(JsonObject const& object, SparseEncoderOptions& options) {
    options.lexical.for_each_option(
        [&]<class T>(std::string const& name, T& value, char const*) { value = object.require<std::remove_cvref_t<T>>(name); });
    options.prompts = read_prompts(object);
}

/// What is beside the weights of the encoder of a route or of a whole folder.
inline void write_sparse_transformer(std::filesystem::path const& folder, AnyTokenizer const& tokenizer,
                                     SparseEncoderOptions const& options) {
    save_tokenizer(tokenizer, folder, options.max_length);
    Json lengths{{"max_seq_length", options.max_length}, {"do_lower_case", false}};
    bool const own_queries = options.query_length != 0 && !options.query_weights.defined();
    if (own_queries) { lengths["query_length"] = options.query_length; }   // `encode_query` of version 6 reads it
    write_json(folder / "sentence_bert_config.json", lengths);
}

}  // namespace detail

/// Writes a folder that sentence-transformers' SparseEncoder (from version 5) and `load_sparse_encoder` read; where queries are counted,
/// with a Router. A bottleneck that leaves rows out has a folder that `load_sparse_encoder` alone reads.
/// \param folder   must not exist, or be empty; appears when all of it is on the disk
/// \param encoder  with its language-model head, which is part of the folder
/// \throws InputError  a bottleneck that is not saturated; counted queries beside one that leaves rows out, or with weights of another number
///                     than the encoder's vocabulary; a folder that is not empty
inline void save_sparse_encoder(std::filesystem::path const& folder, AnyEncoder const& encoder, AnyTokenizer const& tokenizer,
                                SparseEncoderOptions const& options) {
    auto const& lexical = options.lexical;
    bool const routed = options.query_weights.defined();
    bool const own = !lexical.first_row_counts || !lexical.separator_counts;
    if (!lexical.saturated || (own && routed)) {
        throw InputError(
            Diagnostic{.file = folder.string(),
                       .expected = routed ? "with counted queries a lexical bottleneck over all rows, as SpladePooling has it"
                                          : "saturated weights of terms, which are not below 0",
                       .found = !lexical.saturated          ? "saturated = false"
                                : !lexical.first_row_counts ? "first_row_counts = false"
                                                            : "separator_counts = false",
                       .hint = "The presets splade and splade-doc train that."});
    }
    SparseEncoder const checked(encoder, tokenizer, options);   // refuses what could not be loaded again
    using detail::Json;
    std::string const first = routed ? "document_0_MLMTransformer" : "";
    std::string const pooling = routed ? "document_1_SpladePooling" : "1_SpladePooling";
    std::string const queries = "query_0_SparseStaticEmbedding";
    auto const describe = [&](std::filesystem::path const& whole) {
        detail::write_json(whole / pooling / "config.json", {{"pooling_strategy", "max"},
                                                             {"activation_function", "relu"},
                                                             {"word_embedding_dimension", encoder.shape().vocabulary}});
        Json document = detail::sentence_transformers_json("SparseEncoder", "dot", options.prompts);
        if (lexical.terms != 0) { document["max_active_dims"] = lexical.terms; }
        detail::write_json(whole / "config_sentence_transformers.json", document);
    };
    if (!routed) {
        save_encoder(folder, encoder, /*with_head=*/true, [&](std::filesystem::path const& unfinished) {
            detail::write_sparse_transformer(unfinished, tokenizer, options);
            if (own) { return detail::write_lexical(unfinished, options); }
            detail::write_modules(unfinished, {{detail::sparse_package + "MLMTransformer", first},
                                               {detail::sparse_package + "SpladePooling", pooling}});
            describe(unfinished);
        });
        return;
    }
    detail::AtomicFolder whole(folder);
    save_encoder(whole.partial() / first, encoder, /*with_head=*/true, [&](std::filesystem::path const& unfinished) {
        detail::write_sparse_transformer(unfinished, tokenizer, options);
    });
    detail::write_query_route(whole.partial() / queries, tokenizer, options);
    detail::write_modules(whole.partial(), {{"sentence_transformers.models.Router", ""}});
    detail::write_json(whole.partial() / "router_config.json",
                       {{"types",
                         {{queries, detail::sparse_package + "SparseStaticEmbedding"},
                          {first, detail::sparse_package + "MLMTransformer"},
                          {pooling, detail::sparse_package + "SpladePooling"}}},
                        {"structure", {{"query", Json::array({queries})}, {"document", Json::array({first, pooling})}}},
                        {"parameters", {{"default_route", "document"}, {"allow_empty_key", true}}}});
    describe(whole.partial());
    whole.commit();
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
    SparseEncoderOptions options;
    std::filesystem::path queries;
    if (std::filesystem::exists(folder / "modules.json")) {
        detail::SparsePlaces const places = detail::read_sparse_places(folder);
        if (!places.transformer.empty()) { transformer = folder / places.transformer; }
        auto const pooling = detail::JsonObject::read(folder / places.pooling / "config.json");
        detail::require_known_keys(pooling, detail::splade_keys);
        if (!places.query_weights.empty()) {
            queries = folder / places.query_weights;
            options.query_weights = detail::read_query_weights(queries);
        }
    } else if (std::filesystem::exists(folder / detail::lexical_file)) {
        detail::read_lexical(detail::JsonObject::read(folder / detail::lexical_file), options);
    }
    if (auto const path = folder / "config_sentence_transformers.json"; std::filesystem::exists(path)) {
        auto const object = detail::JsonObject::read(path);
        detail::require_known_keys(object, detail::sparse_model_keys);
        options.prompts = detail::read_prompts(object);
        options.lexical.terms = object.get<std::size_t>("max_active_dims", 0);
    }
    std::size_t const longest = max_length ? *max_length : detail::folder_max_length(transformer);
    std::size_t const documents =
        static_cast<std::size_t>(detail::declared_lengths(transformer, detail::other_transformer_keys).document);
    options.max_length = documents != 0 ? std::min(documents, longest) : longest;
    options.query_length = std::min(detail::folder_query_length(transformer), longest);
    if (options.query_length == 0 && documents != 0) { options.query_length = longest; }
    AnyTokenizer tokenizer = AnyTokenizer::from_file(transformer);
    if (!queries.empty()) {
        if (AnyTokenizer::from_file(queries).fingerprint() != tokenizer.fingerprint()) {
            throw InputError(Diagnostic{.file = queries.string(),
                                        .expected = "the tokenizer of documents, as that of queries",
                                        .found = "another one",
                                        .hint = "Queries are tokens of the documents' vocabulary."});
        }
        options.query_length = std::min(detail::counted_query_length(queries), options.max_length);
    }
    return {load_encoder(transformer, 0, TokenHead::required), std::move(tokenizer), options};
}

}  // namespace bmae
