// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Folders of the Python library transformers for any encoder whose class says how its files are named.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <bmae/detail/files.hpp>
#include <bmae/encoders/hf_folder.hpp>
#include <bmae/encoders/stored_tensors.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How the folders of one class of encoders are named. "Here" is this library, "in a file" model.safetensors.
///
/// - `F::EncoderType`; `F::title`: "ModernBERT"; `F::class_name`: before Model, ForMaskedLM ... in transformers: "ModernBert".
/// - `F::read_config(path)`: the encoder's `Options`; `to_json(options, class, element type)` writes them.
/// - `F::words`: the word embeddings here; `F::head`: names here of the language-model head begin so; `F::head_bias`: the tensor without
///   which there is none; `F::head_example`: one of its names in a file, for messages.
/// - `F::copies`: pairs of names here: a tensor of the head that files may store again, and the one that it must equal.
/// - `F::of_classifier`: names here that belong to a classifier where a folder has no language-model head.
/// - `F::canonical(name)`: the name here of one in a file; `F::file_name(name, bare)` the reverse, `bare`: of a model without head;
///   `F::is_aside(name)`: not read here, but kept and written back.
template <class F>
concept EncoderFiles = requires(std::string_view name, std::filesystem::path const& path) {
    typename F::EncoderType::Options;
    { F::read_config(path) } -> std::same_as<typename F::EncoderType::Options>;
    { F::canonical(name) } -> std::same_as<std::string>;
    { F::file_name(name, true) } -> std::same_as<std::string>;
    { F::is_aside(name) } -> std::same_as<bool>;
    { F::title } -> std::convertible_to<std::string_view>;
    { F::class_name } -> std::convertible_to<std::string_view>;
    { F::words } -> std::convertible_to<std::string_view>;
    { F::head } -> std::convertible_to<std::string_view>;
    { F::head_bias } -> std::convertible_to<std::string_view>;
    { F::head_example } -> std::convertible_to<std::string_view>;
    F::copies;
    F::of_classifier;
};

/// A model as stored in a folder.
template <EncoderFiles F>
struct StoredEncoder {
    typename F::EncoderType::Options config = {};
    NamedTensors tensors = {};   ///< under this library's names, in the types of the file
    NamedTensors aside = {};     ///< pooler and classifier: not used here, written back

    /// True where the folder has the language-model head.
    [[nodiscard]] bool has_head() const { return tensors.contains(std::string(F::head_bias)); }
};

namespace detail {

/// Refuses a set of tensors that is not exactly the model of the config, or not finite; one message lists all errors.
template <EncoderFiles F>
void check_encoder_tensors(StoredEncoder<F> const& model, std::string const& file) {
    bool const with_head = std::ranges::any_of(model.tensors, [](auto const& pair) { return pair.first.starts_with(F::head); });
    typename F::EncoderType encoder(model.config, 0, [](std::string const&) { return false; });   // shapes alone
    NamedTensors shapes;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (with_head || !name.starts_with(F::head)) { shapes.emplace(name, value); }
    });
    check_stored_tensors(
        model.tensors, shapes, [&](std::string const& name) { return F::file_name(name, !with_head); },
        "the tensors of " + std::string(F::title) + " with " + std::to_string(model.config.num_hidden_layers) + " layers of " +
            std::to_string(model.config.hidden_size),
        file);
}

/// Removes the head's copies of other tensors. \throws InputError  where one is a tensor of its own
template <EncoderFiles F>
void merge_copies(StoredEncoder<F>& model, std::string const& file) {
    auto const refuse = [&](std::string_view copy) {
        throw InputError(Diagnostic{.file = file,
                                    .expected = "a language-model head tied to the word embeddings",
                                    .found = F::file_name(copy, false) + ", a matrix of its own",
                                    .hint = "Remove the head from the folder; a new tied one is then initialized."});
    };
    if constexpr (requires { model.config.tie_word_embeddings; }) {
        bool const stores_head = model.has_head() || model.tensors.contains(std::string(F::copies.front().first));
        if (stores_head && !model.config.tie_word_embeddings) { refuse(F::copies.front().first); }
    }
    for (auto const& [copy, original] : F::copies) {
        auto const found = model.tensors.find(copy);
        if (found == model.tensors.end()) { continue; }
        auto const other = model.tensors.find(original);
        if (other != model.tensors.end() && !found->second.equal(other->second)) { refuse(copy); }
        model.tensors.erase(found);
    }
}

/// Reads a folder of the class's Model, ForMaskedLM or a classifier.
/// \throws InputError  a pickle, another architecture, tensors that are missing, unexpected, of a wrong shape or with a number that
///                     is not finite, all by name
template <EncoderFiles F>
StoredEncoder<F> read_encoder_folder(std::filesystem::path const& folder, Loading loading) {
    StoredEncoder<F> model{.config = F::read_config(folder / "config.json")};
    for (auto& [name, tensor] : load_hf_tensors(folder, loading)) {
        std::string canonical = F::canonical(name);
        if (!(F::is_aside(canonical) ? model.aside : model.tensors).emplace(canonical, std::move(tensor)).second) {
            throw InputError(
                Diagnostic{.file = folder.string(), .expected = "each tensor once", .found = canonical + " under two names"});
        }
    }
    if (!model.has_head()) {
        for (std::string_view const name : F::of_classifier) {
            if (auto node = model.tensors.extract(std::string(name))) { model.aside.insert(std::move(node)); }
        }
    }
    merge_copies(model, folder.string());
    check_encoder_tensors(model, folder.string());
    return model;
}

/// An encoder with the weights of a loaded folder.
/// \param seed  of a new language-model head where the files have none
template <EncoderFiles F>
typename F::EncoderType make_encoder(StoredEncoder<F> const& files, std::uint64_t seed) {
    typename F::EncoderType encoder(files.config, seed, [&](std::string const& name) { return !files.tensors.contains(name); });
    at::NoGradGuard const no_gradients;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (auto const at = files.tensors.find(name); at != files.tensors.end()) { value.copy_(at->second); }
    });
    return encoder;
}

/// The tensors that a folder stores for this encoder, in fp32.
template <EncoderFiles F>
StoredEncoder<F> to_stored(typename F::EncoderType const& encoder, bool with_head) {
    StoredEncoder<F> files{.config = encoder.config()};
    typename F::EncoderType copy = encoder;   // shares the tensors; visiting requires a mutable one
    copy.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (with_head || !name.starts_with(F::head)) { files.tensors[name] = value.detach().to(at::kCPU, at::kFloat); }
    });
    return files;
}

/// Writes config.json and model.safetensors into an existing folder without them.
template <EncoderFiles F>
void write_encoder_files(std::filesystem::path const& folder, StoredEncoder<F> model) {
    merge_copies(model, folder.string());
    check_encoder_tensors(model, folder.string());
    bool const classifies = std::ranges::any_of(model.aside, [](auto const& pair) { return !pair.first.starts_with("pooler."); });
    bool const bare = !model.has_head() && !classifies;
    NamedTensors named;
    for (NamedTensors const* const part : {&model.tensors, &model.aside}) {
        for (auto const& [name, tensor] : *part) { named.emplace(F::file_name(name, bare), tensor); }
    }
    std::string const element = python_element_name(model.tensors.find(F::words)->second, folder);
    std::string const kind = model.has_head() ? "ForMaskedLM" : bare ? "Model" : "ForSequenceClassification";
    write_file(folder / "config.json", to_json(model.config, std::string(F::class_name) + kind, element));
    save_tensors(folder / "model.safetensors", named, {{"format", "pt"}});
}

}  // namespace detail

}  // namespace bmae
