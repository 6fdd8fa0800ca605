// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The folder of a sentence encoder in the layout of the Python library sentence-transformers, without the model inside.
///
/// Written folders load in its versions 2 to 6: they use the old class names and keys. Folders of all these can be read, but
/// must define a pooling: without it a folder would silently be pooled in the wrong way.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Pooling modes. Several are concatenated in this order.
enum class PoolingMode { cls, max, mean, mean_sqrt_len, weighted_mean, last_token };

/// A linear layer after the pooling. Its weights are in `folder`/model.safetensors as linear.weight and linear.bias.
struct DenseLayout {
    std::int64_t in_features = 0;
    std::int64_t out_features = 0;
    bool bias = true;
    std::string activation = "torch.nn.modules.activation.Tanh";   ///< Python class: Identity, Tanh, ReLU, GELU ... of torch.nn
    std::string folder = {};                                       ///< inside the whole; empty: named by its number

    friend bool operator==(DenseLayout const&, DenseLayout const&) = default;
};

/// The layout of a sentence encoder besides its transformer.
struct SentenceTransformerLayout {
    std::int64_t width = 0;   ///< H of the transformer
    std::vector<PoolingMode> pooling = {PoolingMode::cls};
    bool include_prompt = true;            ///< false: the tokens of the prompt are excluded from pooling
    std::vector<DenseLayout> dense = {};   ///< in order, after the pooling
    bool normalize = false;                ///< the sentence vector has length 1
    std::int64_t max_seq_length = 512;     ///< tokens, [CLS] and [SEP] included
    std::int64_t query_length = 0;         ///< the same of queries, as `encode_query` of version 6 reads; 0: none of their own
    bool do_lower_case = false;            ///< lower-case before tokenization
    std::string similarity = "cosine";     ///< cosine, dot, euclidean or manhattan
    std::map<std::string, std::string> prompts = {};   ///< name -> text put before the input
    std::optional<std::string> default_prompt = {};    ///< a name of `prompts`
    std::string transformer_folder = {};               ///< inside the whole; empty: the whole itself

    friend bool operator==(SentenceTransformerLayout const&, SentenceTransformerLayout const&) = default;
};

namespace detail {

struct PoolingNames {
    std::string_view key;    ///< up to version 5
    std::string_view mode;   ///< from version 6
};

inline constexpr std::array<PoolingNames, 6> pooling_names{{{"pooling_mode_cls_token", "cls"},
                                                            {"pooling_mode_max_tokens", "max"},
                                                            {"pooling_mode_mean_tokens", "mean"},
                                                            {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
                                                            {"pooling_mode_weightedmean_tokens", "weightedmean"},
                                                            {"pooling_mode_lasttoken", "lasttoken"}}};

inline constexpr std::array<std::string_view, 4> similarity_names{"cosine", "dot", "euclidean", "manhattan"};

inline constexpr char const* pooling_hint =
    "Write 1_Pooling/config.json, such as {\"word_embedding_dimension\": 768, "
    "\"pooling_mode_cls_token\": true}, or pass --pooling.";

/// "Pooling" for every class of the library with that suffix; empty for another class.
inline std::string_view stock_class(std::string_view type) {
    auto const dot = type.rfind('.');
    return type.starts_with("sentence_transformers.") && dot != type.npos ? type.substr(dot + 1) : std::string_view();
}

/// A path within the folder.
inline void require_inside(JsonObject const& where, std::string const& path) {
    if (leaves_folder(path)) { throw where.refuse("a path inside the folder", '"' + path + '"'); }
}

inline constexpr std::int64_t largest_width = 1'000'000;   ///< as `BertConfig::validate` has it

inline void read_pooling(JsonObject const& file, SentenceTransformerLayout& layout) {
    layout.pooling.clear();
    layout.include_prompt = file.get<bool>("include_prompt", true);
    auto const width = file.find<std::int64_t>("embedding_dimension");
    layout.width = width ? *width : file.require<std::int64_t>("word_embedding_dimension", pooling_hint);
    std::vector<std::string> modes;
    bool declared = file.has("pooling_mode");
    if (declared) {
        modes = file.json().at("pooling_mode").is_string() ? std::vector{file.require<std::string>("pooling_mode")}
                                                           : file.require<std::vector<std::string>>("pooling_mode", pooling_hint);
    } else {
        for (auto const& [key, mode] : pooling_names) {
            auto const on = file.find<bool>(std::string(key));
            declared = declared || on.has_value();
            if (on.value_or(false)) { modes.emplace_back(mode); }
        }
    }
    for (std::string const& mode : modes) {
        auto const at =
            std::find_if(pooling_names.begin(), pooling_names.end(), [&mode](auto const& names) { return names.mode == mode; });
        if (at == pooling_names.end()) {
            throw file.refuse("a known pooling mode (cls, mean, max ...)", '"' + mode + '"', pooling_hint);
        }
        layout.pooling.push_back(static_cast<PoolingMode>(at - pooling_names.begin()));
    }
    if (layout.pooling.empty()) { throw file.refuse("a pooling mode", declared ? "none that is true" : "none", pooling_hint); }
    for (std::size_t i = 1; i < layout.pooling.size(); ++i) {
        auto const before = layout.pooling.begin() + static_cast<std::ptrdiff_t>(i);
        if (std::find(layout.pooling.begin(), before, *before) != before) {
            throw file.refuse("each pooling mode once", "one twice", pooling_hint);
        }
    }
    if (layout.width < 1 || layout.width > largest_width) {
        throw file.refuse("a width from 1 to 1000000", std::to_string(layout.width));
    }
}

inline DenseLayout read_dense(JsonObject const& file, std::string folder) {
    if (file.get<bool>("use_residual", false)) { throw file.refuse("a Dense module without residual", "\"use_residual\": true"); }
    for (char const* const key : {"module_input_name", "module_output_name"}) {
        if (auto const name = file.find<std::string>(key); name && *name != "sentence_embedding") {
            throw file.refuse('"' + std::string(key) + "\": \"sentence_embedding\"", '"' + *name + '"');
        }
    }
    DenseLayout dense{.in_features = file.require<std::int64_t>("in_features"),
                      .out_features = file.require<std::int64_t>("out_features"),
                      .bias = file.get<bool>("bias", true),
                      .activation = file.get<std::string>("activation_function", "torch.nn.modules.activation.Tanh"),
                      .folder = std::move(folder)};
    for (std::int64_t const size : {dense.in_features, dense.out_features}) {   // several poolings of the widest model
        if (size < 1 || size > 8 * largest_width) { throw file.refuse("sizes from 1 to 8000000", std::to_string(size)); }
    }
    if (!dense.activation.starts_with("torch.nn.")) {
        throw file.refuse("an activation of torch.nn", '"' + dense.activation + '"');
    }
    return dense;
}

/// The longest input: from sentence_bert_config.json up to version 5, the tokenizer's or the model's own limit otherwise.
inline std::int64_t read_max_length(std::filesystem::path const& transformer, std::optional<std::int64_t> declared) {
    auto const from = [&transformer](char const* file, char const* key) -> std::optional<std::int64_t> {
        if (!std::filesystem::exists(transformer / file)) { return std::nullopt; }
        auto const object = JsonObject::read(transformer / file);
        // "No limit" is written as 1e30, sometimes as an integer of thirty digits.
        if (!object.has(key) || (object.json().at(key).is_number() && object.json().at(key).template get<double>() > 1e9)) {
            return std::nullopt;
        }
        return object.find<std::int64_t>(key);
    };
    auto positions = from("config.json", "max_position_embeddings");
    if (positions && *positions < 1) {
        throw InputError(Diagnostic{.file = (transformer / "config.json").string(),
                                    .expected = "max_position_embeddings of at least 1",
                                    .found = std::to_string(*positions)});
    }
    if (positions) {
        auto const type = JsonObject::read(transformer / "config.json").get<std::string>("model_type", "");
        // RoBERTa's first token follows the padding's position.
        if (type == "roberta" || type == "xlm-roberta" || type == "camembert") {
            std::int64_t const padding = from("config.json", "pad_token_id").value_or(1);
            if (padding < 0) {
                throw InputError(Diagnostic{.file = (transformer / "config.json").string(),
                                            .expected = "a pad_token_id of at least 0",
                                            .found = std::to_string(padding)});
            }
            *positions -= padding + 1;   // both are at most 1e9
        }
    }
    if (!declared) { declared = from("tokenizer_config.json", "model_max_length"); }
    if (!declared) { declared = positions; }
    if (!declared) {
        throw InputError(Diagnostic{.file = (transformer / "sentence_bert_config.json").string(),
                                    .expected = "\"max_seq_length\"",
                                    .found = "none, nor a limit in tokenizer_config.json or config.json",
                                    .hint = "Write {\"max_seq_length\": 512} into that file."});
    }
    if (*declared < 2) {
        throw InputError(Diagnostic{.file = (transformer / "sentence_bert_config.json").string(),
                                    .expected = "a max_seq_length of at least 2",
                                    .found = std::to_string(*declared)});
    }
    std::int64_t const length = positions ? std::min(*declared, *positions) : *declared;
    if (length < 2) {
        throw InputError(Diagnostic{.file = (transformer / "config.json").string(),
                                    .expected = "positions for at least 2 tokens",
                                    .found = std::to_string(length)});
    }
    return length;
}

/// Similarity and prompts, which config_sentence_transformers.json holds where it is there.
inline void read_similarity(std::filesystem::path const& folder, SentenceTransformerLayout& layout) {
    auto const path = folder / "config_sentence_transformers.json";
    if (!std::filesystem::exists(path)) { return; }
    auto const object = JsonObject::read(path);
    layout.similarity = object.get<std::string>("similarity_fn_name", "cosine");
    layout.default_prompt = object.find<std::string>("default_prompt_name");
    if (auto const prompts = object.find<JsonObject>("prompts")) {
        for (auto const& [name, text] : prompts->json().items()) { layout.prompts[name] = prompts->require<std::string>(name); }
    }
    if (object.has("truncate_dim") && !object.json().at("truncate_dim").is_null()) {
        throw object.refuse("\"truncate_dim\": null", kind_of(object.json().at("truncate_dim")));
    }
    auto const& known = similarity_names;
    if (std::find(known.begin(), known.end(), layout.similarity) == known.end()) {
        throw object.refuse("similarity_fn_name cosine, dot, euclidean or manhattan", '"' + layout.similarity + '"');
    }
    if (layout.default_prompt && !layout.prompts.contains(*layout.default_prompt)) {
        throw object.refuse("a default_prompt_name among the prompts", '"' + *layout.default_prompt + '"');
    }
}

/// The length of texts, which the transformer's folder holds.
inline void read_lengths(std::filesystem::path const& folder, SentenceTransformerLayout& layout) {
    auto const transformer = folder / layout.transformer_folder;
    std::optional<std::int64_t> max_length;
    if (auto const path = transformer / "sentence_bert_config.json"; std::filesystem::exists(path)) {
        auto const object = JsonObject::read(path);
        max_length = object.find<std::int64_t>("max_seq_length");
        layout.do_lower_case = object.get<bool>("do_lower_case", false);
        if (object.has("query_length") && !object.json().at("query_length").is_null()) {
            layout.query_length = object.require<std::int64_t>("query_length");
            if (layout.query_length < 2) {
                throw object.refuse("a query_length of at least 2", std::to_string(layout.query_length));
            }
        }
    }
    layout.max_seq_length = read_max_length(transformer, max_length);
    layout.query_length = std::min(layout.query_length, layout.max_seq_length);
}

}  // namespace detail

/// Reads the layout of a folder; the transformer in it and the weights of Dense modules are read by the caller.
/// \throws InputError  no modules.json, no pooling, a module of another kind or order, a class of another library
inline SentenceTransformerLayout read_sentence_transformer(std::filesystem::path const& folder) {
    auto const modules_path = folder / "modules.json";
    if (!std::filesystem::exists(modules_path)) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "modules.json, which defines the pooling",
                                    .found = "none",
                                    .hint = "Pass --pooling (cls, mean ...) if this is the folder of a bare transformer."});
    }
    auto const modules = detail::parse_json(detail::read_file(modules_path, detail::largest_config_file), modules_path.string());
    auto const refuse = [&modules_path](std::string expected, std::string found, std::string hint = {}) {
        return InputError(Diagnostic{
            .file = modules_path.string(), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    if (!modules.is_array()) { throw refuse("an array of modules", detail::kind_of(modules)); }
    SentenceTransformerLayout layout;
    std::string order;   // one letter each: T P D N
    for (auto const& value : modules) {
        detail::JsonObject const module(value, modules_path.string(), " of a module");
        auto const type = module.require<std::string>("type");
        auto const path = module.require<std::string>("path");
        detail::require_inside(module, path);
        auto const kind = detail::stock_class(type);
        auto const config = folder / path / "config.json";
        if (kind == "Transformer") {
            layout.transformer_folder = path;
            order += 'T';
        } else if (kind == "Pooling") {
            if (!std::filesystem::exists(config)) {
                throw refuse("the file " + path + "/config.json", "none", detail::pooling_hint);
            }
            detail::read_pooling(detail::JsonObject::read(config), layout);
            order += 'P';
        } else if (kind == "Dense") {
            layout.dense.push_back(detail::read_dense(detail::JsonObject::read(config), path));
            order += 'D';
        } else if (kind == "Normalize") {   // its folder may be missing: archives omit empty ones
            if (std::filesystem::exists(config)) {
                auto const name = detail::JsonObject::read(config).get<std::string>("module_input_name", "sentence_embedding");
                if (name != "sentence_embedding") { throw refuse("Normalize of the sentence_embedding", '"' + name + '"'); }
            }
            layout.normalize = true;
            order += 'N';
        } else {
            throw refuse("the modules Transformer, Pooling, Dense and Normalize", '"' + type + '"',
                         "Other modules are not supported.");
        }
    }
    if (order.find('P') == order.npos) { throw refuse("a Pooling module", "none", detail::pooling_hint); }
    std::string const wanted = "TP" + std::string(layout.dense.size(), 'D') + (layout.normalize ? "N" : "");
    if (order != wanted) { throw refuse("Transformer, Pooling, Dense, Normalize, in this order", "another order"); }
    std::int64_t width = layout.width * static_cast<std::int64_t>(layout.pooling.size());
    for (auto const& dense : layout.dense) {
        if (dense.in_features != width) {
            throw refuse("in_features " + std::to_string(width) + " of the module " + dense.folder,
                         std::to_string(dense.in_features));
        }
        width = dense.out_features;
    }
    detail::read_lengths(folder, layout);
    detail::read_similarity(folder, layout);
    return layout;
}

/// Writes the files of the layout into an existing folder without them; the transformer goes into the folder
/// itself. Returns the new folders for the weights of the Dense modules.
inline std::vector<std::filesystem::path> write_sentence_transformer_files(std::filesystem::path const& folder,
                                                                           SentenceTransformerLayout const& layout) {
    using detail::Json;
    auto const refuse = [&folder](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = folder.string(), .expected = std::move(expected), .found = std::move(found)});
    };
    if (layout.width < 1) { throw refuse("a width of at least 1", std::to_string(layout.width)); }
    if (layout.max_seq_length < 2) { throw refuse("a max_seq_length of at least 2", std::to_string(layout.max_seq_length)); }
    if (layout.pooling.empty()) { throw refuse("a pooling mode", "none"); }
    if (std::adjacent_find(layout.pooling.begin(), layout.pooling.end(), std::greater_equal<>()) != layout.pooling.end()) {
        throw refuse("pooling modes each once, in the order cls, max, mean, mean_sqrt_len, weighted_mean, last_token",
                     "another order");
    }
    if (!layout.transformer_folder.empty()) {
        throw refuse("the transformer in the folder itself", '"' + layout.transformer_folder + '"');
    }
    if (std::find(detail::similarity_names.begin(), detail::similarity_names.end(), layout.similarity) ==
        detail::similarity_names.end()) {
        throw refuse("similarity cosine, dot, euclidean or manhattan", '"' + layout.similarity + '"');
    }
    if (layout.default_prompt && !layout.prompts.contains(*layout.default_prompt)) {
        throw refuse("a default prompt among the prompts", '"' + *layout.default_prompt + '"');
    }
    Json modules = Json::array();
    auto const add = [&modules](std::string const& kind, std::string const& path) {
        std::size_t const number = modules.size();
        modules.push_back({{"idx", number},
                           {"name", std::to_string(number)},
                           {"path", path},
                           {"type", "sentence_transformers.models." + kind}});
    };
    auto const write = [&folder](std::string const& path, Json const& document) {
        detail::create_folders((folder / path).parent_path());
        detail::write_file(folder / path, detail::json_document(document));
    };
    add("Transformer", "");
    add("Pooling", "1_Pooling");
    Json pooling = {{"word_embedding_dimension", layout.width}};
    for (std::size_t i = 0; i < detail::pooling_names.size(); ++i) {
        bool const on =
            std::find(layout.pooling.begin(), layout.pooling.end(), static_cast<PoolingMode>(i)) != layout.pooling.end();
        // Versions before 2.3 support only the first four keys and refuse others.
        if (i < 4 || on) { pooling[std::string(detail::pooling_names[i].key)] = on; }
    }
    if (!layout.include_prompt) { pooling["include_prompt"] = false; }
    write("1_Pooling/config.json", pooling);
    std::vector<std::filesystem::path> dense_folders;
    for (DenseLayout const& dense : layout.dense) {
        std::string const path = std::to_string(modules.size()) + "_Dense";
        add("Dense", path);
        write(path + "/config.json", {{"in_features", dense.in_features},
                                      {"out_features", dense.out_features},
                                      {"bias", dense.bias},
                                      {"activation_function", dense.activation}});
        dense_folders.push_back(folder / path);
    }
    if (layout.normalize) {
        std::string const path = std::to_string(modules.size()) + "_Normalize";
        add("Normalize", path);
        write(path + "/config.json", Json::object());   // archives would omit an empty folder
    }
    write("modules.json", modules);
    Json lengths = {{"max_seq_length", layout.max_seq_length}, {"do_lower_case", layout.do_lower_case}};
    if (layout.query_length != 0) { lengths["query_length"] = layout.query_length; }   // versions before 6 refuse the key
    write("sentence_bert_config.json", lengths);
    Json config = {{"__version__", {{"sentence_transformers", "3.0.0"}, {"transformers", "4.41.0"}, {"pytorch", "2.3.0"}}},
                   {"prompts", layout.prompts},
                   {"default_prompt_name", nullptr},
                   {"similarity_fn_name", layout.similarity}};
    if (layout.default_prompt) { config["default_prompt_name"] = *layout.default_prompt; }
    write("config_sentence_transformers.json", config);
    return dense_folders;
}

}  // namespace bmae
