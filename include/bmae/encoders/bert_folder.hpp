// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoders to and from the folders of the Python library transformers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <bmae/encoders/bert.hpp>
#include <bmae/encoders/hf_folder.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// The encoder calls its embeddings `encoder.embeddings`, files call them `embeddings`; so too `embeddings_project`.
inline std::string folder_name(std::string const& name) {
    constexpr std::string_view embeddings = "encoder.embeddings";
    return name.starts_with(embeddings) ? name.substr(std::string_view("encoder.").size()) : name;
}

}  // namespace detail

/// An encoder with the weights of a loaded folder.
/// \param seed  of a new language-model head where the files have none
/// Throws InputError for a head that is not tied to the word embeddings.
inline BertEncoder make_bert(HfBert const& files, std::uint64_t seed = 0) {
    if (files.has_head() && !files.config.tie_word_embeddings) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a language-model head tied to the word embeddings",
                                    .found = "a matrix of its own",
                                    .hint = "Remove the head from the folder; a new tied one is then initialized."});
    }
    BertEncoder encoder(files.config, seed,
                        [&](std::string const& name) { return !files.tensors.contains(detail::folder_name(name)); });
    at::NoGradGuard const no_gradients;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        auto const at = files.tensors.find(detail::folder_name(name));
        if (at != files.tensors.end()) { value.copy_(at->second); }
    });
    return encoder;
}

/// Reads a folder with config.json and weights: BERT or any other `ModelType`. Errors: see `read_hf_folder`.
inline BertEncoder load_bert(std::filesystem::path const& folder, std::uint64_t seed = 0) {
    return make_bert(read_hf_folder(folder, Loading::mapped), seed);
}

/// The same where the head's own weights are needed: to sample tokens from a generator, to score a text.
/// Throws InputError for a folder without a head, as that of an ELECTRA discriminator, instead of initializing a new one.
inline BertEncoder load_masked_language_model(std::filesystem::path const& folder) {
    HfBert const files = read_hf_folder(folder, Loading::mapped);
    if (!files.has_head()) {
        ModelType const type = files.config.model_type;
        bool const discriminator = files.aside.contains("discriminator_predictions.dense.weight");
        std::string const wanted = bare_bert_name("cls.predictions.transform.dense.weight", type);
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "a language-model head (" + wanted + " ...)",
                                    .found = discriminator ? "the head of a discriminator" : "none",
                                    .hint = discriminator ? "Name the folder of the generator that was trained with it."
                                                          : "Name a folder saved by " + class_name(type, "ForMaskedLM") + '.'});
    }
    return make_bert(files);
}

/// The tensors that a folder stores for this encoder, in fp32.
inline HfBert to_hf_bert(BertEncoder const& encoder, bool with_head = true) {
    HfBert files{.config = encoder.config()};
    BertEncoder copy = encoder;   // shares the tensors; visiting requires a mutable one
    copy.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (with_head || !name.starts_with(bert_head_prefix)) {
            files.tensors[detail::folder_name(name)] = value.detach().to(at::kCPU, at::kFloat);
        }
    });
    return files;
}

}  // namespace bmae
