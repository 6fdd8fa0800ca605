// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// NomicBERT to and from the folders of the Python library transformers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <bmae/detail/files.hpp>
#include <bmae/encoders/hf_folder.hpp>
#include <bmae/encoders/nomic_bert.hpp>
#include <bmae/encoders/nomic_bert_config_json.hpp>
#include <bmae/encoders/stored_tensors.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A NomicBERT model as stored in a folder.
struct HfNomicBert {
    NomicBertConfig config = {};
    NamedTensors tensors = {};   ///< under this library's names, in the types of the file
    NamedTensors aside = {};     ///< pooler and classifier: not used here, written back

    /// True where the folder has the language-model head.
    [[nodiscard]] bool has_head() const { return tensors.contains("cls.predictions.bias"); }
};

namespace detail {

inline constexpr std::string_view nomic_bert_words = "encoder.embeddings.word_embeddings.weight";

/// This library's name for a name in a file: `encoder.` before embeddings too, without the `nomic_bert.` of a model with a head.
inline std::string canonical_nomic_bert_name(std::string_view name) {
    constexpr std::string_view prefix = "nomic_bert.";
    if (name.starts_with(prefix)) { name.remove_prefix(prefix.size()); }
    bool const before = name.starts_with("embeddings.") || name.starts_with("emb_ln.");
    return (before ? "encoder." : "") + std::string(name);
}

/// The name in a file. \param bare  of a NomicBertModel, without a head
inline std::string nomic_bert_file_name(std::string_view name, bool bare) {
    if (name.starts_with("cls.") || name.starts_with("classifier.")) { return std::string(name); }
    constexpr std::string_view body = "encoder.";
    if (name.starts_with(body) && !name.starts_with("encoder.layers.")) { name.remove_prefix(body.size()); }
    return (bare ? "" : "nomic_bert.") + std::string(name);
}

/// Refuses a set of tensors that is not exactly the model of the config, or not finite; one message lists all errors.
inline void check_nomic_bert_tensors(HfNomicBert const& model, std::string const& file) {
    bool const with_head = std::ranges::any_of(model.tensors, [](auto const& pair) { return pair.first.starts_with("cls."); });
    NomicBertEncoder encoder(model.config, 0, [](std::string const&) { return false; });
    NamedTensors shapes;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (with_head || !name.starts_with("cls.")) { shapes.emplace(name, value); }
    });
    check_stored_tensors(
        model.tensors, shapes, [&](std::string const& name) { return nomic_bert_file_name(name, !with_head); },
        "the tensors of NomicBERT with " + std::to_string(model.config.num_hidden_layers) + " layers of " +
            std::to_string(model.config.hidden_size),
        file);
}

/// Removes the head's copies of the word embeddings and of its bias. \throws InputError  where they are others
inline void merge_tied(HfNomicBert& model, std::string const& file) {
    for (auto const& [copy, original] :
         {std::pair<std::string_view, std::string_view>{"cls.predictions.decoder.weight", nomic_bert_words},
          {"cls.predictions.decoder.bias", "cls.predictions.bias"}}) {
        auto const found = model.tensors.find(copy);
        if (found == model.tensors.end()) { continue; }
        auto const other = model.tensors.find(original);
        if (other != model.tensors.end() && !found->second.equal(other->second)) {
            throw InputError(Diagnostic{.file = file,
                                        .expected = "a language-model head tied to the word embeddings",
                                        .found = std::string(copy) + ", a tensor of its own",
                                        .hint = "Remove the head from the folder; a new tied one is then initialized."});
        }
        model.tensors.erase(found);
    }
}

}  // namespace detail

/// Reads a folder of NomicBertModel, NomicBertForMaskedLM or a classifier.
/// \throws InputError  a pickle, another architecture, tensors that are missing, unexpected, of a wrong shape or with a number that
///                     is not finite, all by name
inline HfNomicBert read_nomic_bert_folder(std::filesystem::path const& folder, Loading loading = Loading::copy) {
    HfNomicBert model{.config = read_nomic_bert_config(folder / "config.json")};
    for (auto& [name, tensor] : detail::load_hf_tensors(folder, loading)) {
        std::string canonical = detail::canonical_nomic_bert_name(name);
        bool const is_side = canonical.starts_with("classifier.") || canonical.starts_with("pooler.");
        if (!(is_side ? model.aside : model.tensors).emplace(canonical, std::move(tensor)).second) {
            throw InputError(
                Diagnostic{.file = folder.string(), .expected = "each tensor once", .found = canonical + " under two names"});
        }
    }
    detail::merge_tied(model, folder.string());
    detail::check_nomic_bert_tensors(model, folder.string());
    return model;
}

/// An encoder with the weights of a loaded folder.
/// \param seed  of a new language-model head where the files have none
inline NomicBertEncoder make_nomic_bert(HfNomicBert const& files, std::uint64_t seed = 0) {
    NomicBertEncoder encoder(files.config, seed, [&](std::string const& name) { return !files.tensors.contains(name); });
    at::NoGradGuard const no_gradients;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (auto const at = files.tensors.find(name); at != files.tensors.end()) { value.copy_(at->second); }
    });
    return encoder;
}

/// Reads a folder with config.json and model.safetensors. Errors: see `read_nomic_bert_folder`.
inline NomicBertEncoder load_nomic_bert(std::filesystem::path const& folder, std::uint64_t seed = 0) {
    return make_nomic_bert(read_nomic_bert_folder(folder, Loading::mapped), seed);
}

/// The tensors that a folder stores for this encoder, in fp32.
inline HfNomicBert to_hf_nomic_bert(NomicBertEncoder const& encoder, bool with_head = true) {
    HfNomicBert files{.config = encoder.config()};
    NomicBertEncoder copy = encoder;   // shares the tensors; visiting requires a mutable one
    copy.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (with_head || !name.starts_with("cls.")) { files.tensors[name] = value.detach().to(at::kCPU, at::kFloat); }
    });
    return files;
}

/// Writes config.json and model.safetensors into an existing folder without them.
inline void write_nomic_bert_files(std::filesystem::path const& folder, HfNomicBert model) {
    detail::merge_tied(model, folder.string());
    detail::check_nomic_bert_tensors(model, folder.string());
    bool const classifier = !model.has_head() && model.aside.contains("classifier.weight");
    bool const bare = !model.has_head() && !classifier;
    NamedTensors named;
    for (NamedTensors const* const part : {&model.tensors, &model.aside}) {
        for (auto const& [name, tensor] : *part) { named.emplace(detail::nomic_bert_file_name(name, bare), tensor); }
    }
    std::string const element = detail::python_element_name(model.tensors.find(detail::nomic_bert_words)->second, folder);
    std::string const kind = bare ? "Model" : classifier ? "ForSequenceClassification" : "ForMaskedLM";
    detail::write_file(folder / "config.json", to_json(model.config, "NomicBert" + kind, element));
    save_tensors(folder / "model.safetensors", named, {{"format", "pt"}});
}

}  // namespace bmae
