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
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/sentence_transformer_keys.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/prompts.hpp>
#include <bmae/values/vector_similarity.hpp>

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

/// A layer normalization of the vector. Its weights are in `folder`/model.safetensors as norm.weight and norm.bias.
struct LayerNormLayout {
    std::int64_t width = 0;
    std::string folder = {};   ///< inside the whole; empty: named by its number

    friend bool operator==(LayerNormLayout const&, LayerNormLayout const&) = default;
};

/// The vector at length 1.
struct NormalizeLayout {
    friend bool operator==(NormalizeLayout const&, NormalizeLayout const&) = default;
};

/// A module after the pooling.
using ModuleLayout = std::variant<DenseLayout, LayerNormLayout, NormalizeLayout>;

/// The layout of a sentence encoder besides its transformer.
struct SentenceTransformerLayout {
    std::int64_t width = 0;   ///< H of the transformer
    std::vector<PoolingMode> pooling = {PoolingMode::cls};
    bool include_prompt = true;               ///< false: the tokens of the prompt are excluded from pooling
    std::vector<ModuleLayout> modules = {};   ///< in order, after the pooling
    std::int64_t truncate_dim = 0;            ///< the first numbers of a vector, behind all modules; 0: all
    std::int64_t max_seq_length = 512;        ///< tokens, [CLS] and [SEP] included
    std::int64_t query_length = 0;            ///< the same of queries, as `encode_query` of version 6 reads; 0: none of their own
    std::int64_t document_length = 0;         ///< the same of documents, as `encode_document` of version 6 reads
    bool do_lower_case = false;               ///< lower-case before tokenization
    std::string similarity = "cosine";        ///< cosine, dot, euclidean or manhattan
    std::map<std::string, std::string> prompts = {};   ///< name -> text put before the input
    std::optional<std::string> default_prompt = {};    ///< a name of `prompts`
    std::string transformer_folder = {};               ///< inside the whole; empty: the whole itself

    /// The vector has length 1.
    [[nodiscard]] bool unit_length() const {
        return truncate_dim == 0 && !modules.empty() && std::holds_alternative<NormalizeLayout>(modules.back());
    }
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
    require_known_keys(file, pooling_keys);
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
    require_known_keys(file, dense_keys);
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

/// The prompts of config_sentence_transformers.json. \throws InputError for a default prompt that is none of them
inline Prompts read_prompts(JsonObject const& object) {
    Prompts prompts{.standard = object.find<std::string>("default_prompt_name")};
    if (auto const texts = object.find<JsonObject>("prompts")) {
        for (auto const& [name, text] : texts->json().items()) { prompts.texts[name] = texts->require<std::string>(name); }
    }
    if (prompts.standard && !prompts.texts.contains(*prompts.standard)) {
        throw object.refuse("a default_prompt_name among the prompts", '"' + *prompts.standard + '"');
    }
    return prompts;
}

/// Similarity and prompts, which config_sentence_transformers.json holds where it is there.
inline void read_similarity(std::filesystem::path const& folder, SentenceTransformerLayout& layout) {
    auto const path = folder / "config_sentence_transformers.json";
    if (!std::filesystem::exists(path)) { return; }
    auto const object = JsonObject::read(path);
    require_known_keys(object, model_keys);
    layout.similarity = object.get<std::string>("similarity_fn_name", "cosine");
    Prompts prompts = read_prompts(object);
    layout.prompts = std::move(prompts.texts);
    layout.default_prompt = std::move(prompts.standard);
    if (object.has("truncate_dim") && !object.json().at("truncate_dim").is_null()) {
        layout.truncate_dim = object.require<std::int64_t>("truncate_dim");
        if (layout.truncate_dim < 1) { throw object.refuse("a truncate_dim of at least 1", std::to_string(layout.truncate_dim)); }
    }
    if (!vector_similarity_named(layout.similarity)) {
        throw object.refuse("similarity_fn_name cosine, dot, euclidean or manhattan", '"' + layout.similarity + '"');
    }
}

/// What sentence_bert_config.json says; all of it may be missing.
struct DeclaredLengths {
    std::optional<std::int64_t> longest = {};   ///< tokens of a text, special ones included
    std::int64_t query = 0;                     ///< the same of a query; 0: none of its own
    std::int64_t document = 0;                  ///< the same of a document
    bool do_lower_case = false;
};

/// \param keys         of that file in folders of the kind
/// \throws InputError  a key that is not obeyed, lengths below 2
inline DeclaredLengths declared_lengths(std::filesystem::path const& transformer, std::span<FolderKey const> keys) {
    DeclaredLengths lengths;
    auto const path = transformer / "sentence_bert_config.json";
    if (!std::filesystem::exists(path)) { return lengths; }
    auto const object = JsonObject::read(path);
    require_known_keys(object, keys);
    lengths.longest = object.find<std::int64_t>("max_seq_length");
    lengths.do_lower_case = object.get<bool>("do_lower_case", false);
    for (auto const& [key, length] :
         {std::pair{"query_length", &lengths.query}, std::pair{"document_length", &lengths.document}}) {
        auto const declared = object.find<std::int64_t>(key);
        if (!declared) { continue; }
        if (*declared < 2) { throw object.refuse("a " + std::string(key) + " of at least 2", std::to_string(*declared)); }
        *length = *declared;
    }
    return lengths;
}

/// The length of texts, which the transformer's folder holds.
inline void read_lengths(std::filesystem::path const& folder, SentenceTransformerLayout& layout) {
    auto const transformer = folder / layout.transformer_folder;
    DeclaredLengths const declared = declared_lengths(transformer, transformer_keys);
    layout.do_lower_case = declared.do_lower_case;
    layout.max_seq_length = read_max_length(transformer, declared.longest);
    layout.query_length = std::min(declared.query, layout.max_seq_length);
    layout.document_length = std::min(declared.document, layout.max_seq_length);
}

/// A line of modules.json.
struct FolderModule {
    std::string type = {};   ///< the Python class
    std::string path = {};   ///< inside the folder; empty: the folder itself
};

/// The lines of modules.json. \throws InputError  a file that is no array of modules, a path that leaves the folder
inline std::vector<FolderModule> list_modules(std::filesystem::path const& folder) {
    auto const path = folder / "modules.json";
    Json const list = parse_json(read_file(path, largest_config_file), path.string());
    if (!list.is_array()) {
        throw InputError(Diagnostic{.file = path.string(), .expected = "an array of modules", .found = kind_of(list)});
    }
    std::vector<FolderModule> modules;
    for (Json const& value : list) {
        JsonObject const module(value, path.string(), " of a module");
        require_known_keys(module, module_keys);
        modules.push_back({.type = module.require<std::string>("type"), .path = module.require<std::string>("path")});
        require_inside(module, modules.back().path);
    }
    return modules;
}

/// Writes modules.json for classes of sentence-transformers.
inline void write_modules(std::filesystem::path const& folder, std::vector<FolderModule> const& modules) {
    Json list = Json::array();
    for (auto const& [type, path] : modules) {
        std::size_t const number = list.size();
        list.push_back({{"idx", number}, {"name", std::to_string(number)}, {"path", path}, {"type", type}});
    }
    write_file(folder / "modules.json", json_document(list));
}

/// A module after the pooling; dropout is none.
inline void read_module(std::string const& kind, std::filesystem::path const& config, std::string const& path,
                        SentenceTransformerLayout& layout) {
    if (kind == "Dense") {
        layout.modules.emplace_back(read_dense(JsonObject::read(config), path));
    } else if (kind == "LayerNorm") {
        auto const file = JsonObject::read(config);
        require_known_keys(file, layer_norm_keys);
        layout.modules.emplace_back(LayerNormLayout{.width = file.require<std::int64_t>("dimension"), .folder = path});
    } else if (kind == "Normalize") {   // its folder may be missing: archives omit empty ones
        if (std::filesystem::exists(config)) { require_known_keys(JsonObject::read(config), normalize_keys); }
        layout.modules.emplace_back(NormalizeLayout{});
    } else if (std::filesystem::exists(config)) {
        require_known_keys(JsonObject::read(config), dropout_keys);
    }
}

/// Each module reads as many numbers as the one before it gives.
template <class Refuse>
void require_fitting_widths(SentenceTransformerLayout const& layout, Refuse const& refuse) {
    std::int64_t width = layout.width * static_cast<std::int64_t>(layout.pooling.size());
    for (ModuleLayout const& module : layout.modules) {
        if (auto const* const dense = std::get_if<DenseLayout>(&module)) {
            if (dense->in_features != width) {
                throw refuse("in_features " + std::to_string(width) + " of the module " + dense->folder,
                             std::to_string(dense->in_features), {});
            }
            width = dense->out_features;
        } else if (auto const* const norm = std::get_if<LayerNormLayout>(&module); norm != nullptr && norm->width != width) {
            throw refuse("the dimension " + std::to_string(width) + " of the module " + norm->folder, std::to_string(norm->width),
                         {});
        }
    }
}

/// The layout that a list of modules describes, without similarity and prompts.
/// \param listed_in  names the list in messages
/// \throws InputError  no pooling, a module of another kind or order, a class of another library
inline SentenceTransformerLayout read_module_list(std::filesystem::path const& folder, std::filesystem::path const& listed_in,
                                                  std::vector<FolderModule> const& modules) {
    auto const refuse = [&listed_in](std::string expected, std::string found, std::string hint = {}) {
        return InputError(Diagnostic{
            .file = listed_in.string(), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    SentenceTransformerLayout layout;
    std::vector<std::string> order;
    for (auto const& [type, path] : modules) {
        std::string const kind(stock_class(type));
        auto const config = folder / path / "config.json";
        bool const known = kind == "Transformer" || kind == "Pooling" || kind == "Dense" || kind == "LayerNorm" ||
                           kind == "Normalize" || kind == "Dropout";
        if (!known) {
            throw refuse("the modules Transformer, Pooling, Dense, LayerNorm, Normalize and Dropout", '"' + type + '"',
                         "Other modules are not supported.");
        }
        if (kind == "Transformer") {
            layout.transformer_folder = path;
        } else if (kind == "Pooling") {
            if (!std::filesystem::exists(config)) { throw refuse("the file " + path + "/config.json", "none", pooling_hint); }
            read_pooling(JsonObject::read(config), layout);
        } else {
            read_module(kind, config, path, layout);
        }
        order.push_back(kind);
    }
    if (std::ranges::find(order, "Pooling") == order.end()) { throw refuse("a Pooling module", "none", pooling_hint); }
    bool const in_order = order.size() >= 2 && order[0] == "Transformer" && order[1] == "Pooling" &&
                          std::ranges::count(order, "Transformer") == 1 && std::ranges::count(order, "Pooling") == 1;
    if (!in_order) { throw refuse("Transformer, Pooling, then the others, in this order", "another order"); }
    require_fitting_widths(layout, refuse);
    read_lengths(folder, layout);
    return layout;
}

}  // namespace detail

/// Reads the layout of a folder; the transformer in it and the weights of Dense modules are read by the caller. Of two encoders in one
/// folder: see io/sentence_router.hpp.
/// \throws InputError  no modules.json, no pooling, a module of another kind or order, a class of another library
inline SentenceTransformerLayout read_sentence_transformer(std::filesystem::path const& folder) {
    auto const modules_path = folder / "modules.json";
    if (!std::filesystem::exists(modules_path)) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "modules.json, which defines the pooling",
                                    .found = "none",
                                    .hint = "Pass --pooling (cls, mean ...) if this is the folder of a bare transformer."});
    }
    SentenceTransformerLayout layout = detail::read_module_list(folder, modules_path, detail::list_modules(folder));
    detail::read_similarity(folder, layout);
    return layout;
}

namespace detail {

/// The file of the Pooling module. Poolings in another order than that of the keys need the key of version 6.
inline Json pooling_json(SentenceTransformerLayout const& layout) {
    Json pooling = {{"word_embedding_dimension", layout.width}};
    if (std::ranges::is_sorted(layout.pooling)) {
        for (std::size_t i = 0; i < pooling_names.size(); ++i) {
            bool const on = std::ranges::find(layout.pooling, static_cast<PoolingMode>(i)) != layout.pooling.end();
            // Versions before 2.3 support only the first four keys and refuse others.
            if (i < 4 || on) { pooling[std::string(pooling_names[i].key)] = on; }
        }
    } else {
        Json modes = Json::array();
        for (PoolingMode const mode : layout.pooling) {
            modes.push_back(std::string(pooling_names[static_cast<std::size_t>(mode)].mode));
        }
        pooling = {{"embedding_dimension", layout.width}, {"pooling_mode", std::move(modes)}};
    }
    if (!layout.include_prompt) { pooling["include_prompt"] = false; }
    return pooling;
}

/// \throws InputError  a layout that no folder can hold
inline void require_writable(std::filesystem::path const& folder, SentenceTransformerLayout const& layout) {
    auto const refuse = [&folder](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = folder.string(), .expected = std::move(expected), .found = std::move(found)});
    };
    if (layout.width < 1) { throw refuse("a width of at least 1", std::to_string(layout.width)); }
    if (layout.max_seq_length < 2) { throw refuse("a max_seq_length of at least 2", std::to_string(layout.max_seq_length)); }
    if (layout.pooling.empty()) { throw refuse("a pooling mode", "none"); }
    auto sorted = layout.pooling;
    std::ranges::sort(sorted);
    if (std::ranges::adjacent_find(sorted) != sorted.end()) { throw refuse("pooling modes each once", "one twice"); }
    if (!layout.transformer_folder.empty()) {
        throw refuse("the transformer in the folder itself", '"' + layout.transformer_folder + '"');
    }
    if (!vector_similarity_named(layout.similarity)) {
        throw refuse("similarity cosine, dot, euclidean or manhattan", '"' + layout.similarity + '"');
    }
    if (layout.default_prompt && !layout.prompts.contains(*layout.default_prompt)) {
        throw refuse("a default prompt among the prompts", '"' + *layout.default_prompt + '"');
    }
}

/// What `write_module_files` wrote.
struct WrittenModules {
    std::vector<FolderModule> modules = {};                   ///< the transformer first
    std::vector<std::filesystem::path> weight_folders = {};   ///< for the weights of the modules that have some, in order
};

/// Writes the files of each module, and the lengths beside the transformer.
/// \param place  (number, class) -> the folder of a module inside the whole
template <class Place>
WrittenModules write_module_files(std::filesystem::path const& folder, SentenceTransformerLayout const& layout,
                                  Place const& place) {
    WrittenModules written;
    auto const add = [&](std::string const& kind) {
        written.modules.push_back({.type = "sentence_transformers.models." + kind, .path = place(written.modules.size(), kind)});
        return folder / written.modules.back().path;
    };
    auto const write = [](std::filesystem::path const& path, Json const& document) {
        create_folders(path.parent_path());
        write_file(path, json_document(document));
    };
    std::filesystem::path const transformer = add("Transformer");
    write(add("Pooling") / "config.json", pooling_json(layout));
    for (ModuleLayout const& module : layout.modules) {
        auto const* const dense = std::get_if<DenseLayout>(&module);
        auto const* const norm = std::get_if<LayerNormLayout>(&module);
        std::filesystem::path const path = add(dense != nullptr ? "Dense" : norm != nullptr ? "LayerNorm" : "Normalize");
        Json config = Json::object();   // of Normalize, too: archives would omit an empty folder
        if (norm != nullptr) { config["dimension"] = norm->width; }
        if (dense != nullptr) {
            config = {{"in_features", dense->in_features},
                      {"out_features", dense->out_features},
                      {"bias", dense->bias},
                      {"activation_function", dense->activation}};
        }
        write(path / "config.json", config);
        if (dense != nullptr || norm != nullptr) { written.weight_folders.push_back(path); }
    }
    Json lengths = {{"max_seq_length", layout.max_seq_length}, {"do_lower_case", layout.do_lower_case}};
    // versions before 6 refuse these keys
    if (layout.query_length != 0) { lengths["query_length"] = layout.query_length; }
    if (layout.document_length != 0) { lengths["document_length"] = layout.document_length; }
    write(transformer / "sentence_bert_config.json", lengths);
    return written;
}

/// Writes modules.json, and similarity and prompts of the layout.
inline void write_model_files(std::filesystem::path const& folder, std::vector<FolderModule> const& modules,
                              SentenceTransformerLayout const& layout) {
    write_modules(folder, modules);
    Json config = {{"__version__", {{"sentence_transformers", "3.0.0"}, {"transformers", "4.41.0"}, {"pytorch", "2.3.0"}}},
                   {"prompts", layout.prompts},
                   {"default_prompt_name", nullptr},
                   {"similarity_fn_name", layout.similarity}};
    if (layout.default_prompt) { config["default_prompt_name"] = *layout.default_prompt; }
    if (layout.truncate_dim != 0) { config["truncate_dim"] = layout.truncate_dim; }
    write_file(folder / "config_sentence_transformers.json", json_document(config));
}

}  // namespace detail

/// Writes the files of the layout into an existing folder without them; the transformer goes into the folder
/// itself. Returns the new folders for the weights of the modules that have some, in their order.
inline std::vector<std::filesystem::path> write_sentence_transformer_files(std::filesystem::path const& folder,
                                                                           SentenceTransformerLayout const& layout) {
    detail::require_writable(folder, layout);
    detail::WrittenModules written = detail::write_module_files(folder, layout, [](std::size_t number, std::string const& kind) {
        return number == 0 ? std::string() : std::to_string(number) + '_' + kind;
    });
    detail::write_model_files(folder, written.modules, layout);
    return std::move(written.weight_folders);
}

}  // namespace bmae
