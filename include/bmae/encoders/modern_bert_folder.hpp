// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ModernBERT to and from the folders of the Python library transformers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <bmae/encoders/hf_folder.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/encoders/modern_bert_config_json.hpp>
#include <bmae/encoders/stored_tensors.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A ModernBERT model as stored in a folder.
struct HfModernBert {
    ModernBertConfig config = {};
    NamedTensors tensors = {};   ///< under this library's names, in the types of the file
    NamedTensors aside = {};     ///< a classifier under its name in the file: not used here, written back

    /// True where the folder has the language-model head.
    [[nodiscard]] bool has_head() const { return tensors.contains("head.bias"); }
};

namespace detail {

inline constexpr std::string_view modern_bert_words = "encoder.embeddings.tok_embeddings.weight";
inline constexpr std::string_view modern_bert_decoder = "head.decoder.weight";   // tied: the words once more

/// This library's name for a name in a file: `encoder.` for `model.`, which a bare model leaves out; `head.bias` for `decoder.bias`.
inline std::string canonical_modern_bert_name(std::string_view name) {
    if (name == "decoder.bias" || name == "decoder.weight") {
        return "head." + std::string(name == "decoder.bias" ? "bias" : name);
    }
    if (name.starts_with("head.") || name.starts_with("classifier.")) { return std::string(name); }
    if (name.starts_with("model.")) { name.remove_prefix(std::string_view("model.").size()); }
    return "encoder." + std::string(name);
}

/// The name in a file. \param bare  of a ModernBertModel, without a head
inline std::string modern_bert_file_name(std::string_view name, bool bare) {
    if (name == "head.bias" || name == modern_bert_decoder) { return "decoder." + std::string(name.substr(name.rfind('.') + 1)); }
    constexpr std::string_view body = "encoder.";
    if (!name.starts_with(body)) { return std::string(name); }
    return (bare ? "" : "model.") + std::string(name.substr(body.size()));
}

/// The parameters of an encoder of this config, not initialized, by name: the shapes that a folder must have.
inline NamedTensors modern_bert_shapes(ModernBertConfig const& config, bool with_head) {
    ModernBertEncoder encoder(config, 0, [](std::string const&) { return false; });
    NamedTensors shapes;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (with_head || !name.starts_with("head.")) { shapes.emplace(name, value); }
    });
    return shapes;
}

/// Refuses a set of tensors that is not exactly the model of the config, or not finite; one message lists all errors.
inline void check_modern_bert_tensors(HfModernBert const& model, std::string const& file) {
    bool const with_head = std::ranges::any_of(model.tensors, [](auto const& pair) { return pair.first.starts_with("head."); });
    check_stored_tensors(
        model.tensors, modern_bert_shapes(model.config, with_head),
        [&](std::string const& name) { return modern_bert_file_name(name, !with_head); },
        "the tensors of ModernBERT with " + std::to_string(model.config.num_hidden_layers) + " layers of " +
            std::to_string(model.config.hidden_size),
        file);
}

/// Removes the head's copy of the word embeddings. \throws InputError  where it is another matrix
inline void merge_tied(HfModernBert& model, std::string const& file) {
    auto const decoder = model.tensors.find(modern_bert_decoder);
    auto const words = model.tensors.find(modern_bert_words);
    bool const has_head = model.has_head() || decoder != model.tensors.end();
    bool const own = !model.config.tie_word_embeddings ||
                     (decoder != model.tensors.end() && words != model.tensors.end() && !decoder->second.equal(words->second));
    if (has_head && own) {
        throw InputError(Diagnostic{.file = file,
                                    .expected = "a language-model head tied to the word embeddings",
                                    .found = "decoder.weight, a matrix of its own",
                                    .hint = "Remove the head from the folder; a new tied one is then initialized."});
    }
    if (decoder != model.tensors.end()) { model.tensors.erase(decoder); }
}

}  // namespace detail

/// Reads a folder of ModernBertModel, ModernBertForMaskedLM or a classifier.
/// \throws InputError  a pickle, another architecture, tensors that are missing, unexpected, of a wrong shape or with a number that
///                     is not finite, all by name
inline HfModernBert read_modern_bert_folder(std::filesystem::path const& folder, Loading loading = Loading::copy) {
    HfModernBert model{.config = read_modern_bert_config(folder / "config.json")};
    for (auto& [name, tensor] : detail::load_hf_tensors(folder, loading)) {
        bool const is_side = name.starts_with("classifier.");
        std::string canonical = detail::canonical_modern_bert_name(name);
        if (!(is_side ? model.aside : model.tensors).emplace(canonical, std::move(tensor)).second) {
            throw InputError(
                Diagnostic{.file = folder.string(), .expected = "each tensor once", .found = canonical + " under two names"});
        }
    }
    // A classifier has the dense layer and the norm of a head, and no output bias: they are not a language-model head.
    if (!model.has_head()) {
        for (char const* const part : {"head.dense.weight", "head.norm.weight"}) {
            if (auto node = model.tensors.extract(part)) { model.aside.insert(std::move(node)); }
        }
    }
    detail::merge_tied(model, folder.string());
    detail::check_modern_bert_tensors(model, folder.string());
    return model;
}

/// An encoder with the weights of a loaded folder.
/// \param seed  of a new language-model head where the files have none
inline ModernBertEncoder make_modern_bert(HfModernBert const& files, std::uint64_t seed = 0) {
    ModernBertEncoder encoder(files.config, seed, [&](std::string const& name) { return !files.tensors.contains(name); });
    at::NoGradGuard const no_gradients;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (auto const at = files.tensors.find(name); at != files.tensors.end()) { value.copy_(at->second); }
    });
    return encoder;
}

/// Reads a folder with config.json and model.safetensors. Errors: see `read_modern_bert_folder`.
inline ModernBertEncoder load_modern_bert(std::filesystem::path const& folder, std::uint64_t seed = 0) {
    return make_modern_bert(read_modern_bert_folder(folder, Loading::mapped), seed);
}

/// The tensors that a folder stores for this encoder, in fp32.
inline HfModernBert to_hf_modern_bert(ModernBertEncoder const& encoder, bool with_head = true) {
    HfModernBert files{.config = encoder.config()};
    ModernBertEncoder copy = encoder;   // shares the tensors; visiting requires a mutable one
    copy.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (with_head || !name.starts_with("head.")) { files.tensors[name] = value.detach().to(at::kCPU, at::kFloat); }
    });
    return files;
}

/// Writes config.json and model.safetensors into an existing folder without them.
inline void write_modern_bert_files(std::filesystem::path const& folder, HfModernBert model) {
    detail::merge_tied(model, folder.string());
    detail::check_modern_bert_tensors(model, folder.string());
    bool const classifier = !model.has_head() && !model.aside.empty();
    bool const bare = !model.has_head() && !classifier;
    NamedTensors named;
    for (NamedTensors const* const part : {&model.tensors, &model.aside}) {
        for (auto const& [name, tensor] : *part) { named.emplace(detail::modern_bert_file_name(name, bare), tensor); }
    }
    std::string const element = detail::python_element_name(model.tensors.find(detail::modern_bert_words)->second, folder);
    std::string const kind = bare ? "Model" : classifier ? "ForSequenceClassification" : "ForMaskedLM";
    detail::write_file(folder / "config.json", to_json(model.config, "ModernBert" + kind, element));
    save_tensors(folder / "model.safetensors", named, {{"format", "pt"}});
}

}  // namespace bmae
