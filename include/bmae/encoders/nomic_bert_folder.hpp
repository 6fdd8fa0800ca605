// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// NomicBERT to and from the folders of the Python library transformers.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/encoders/described_folder.hpp>
#include <bmae/encoders/nomic_bert.hpp>
#include <bmae/encoders/nomic_bert_config_json.hpp>
#include <bmae/io/tensor_folder.hpp>

namespace bmae {

/// How the files of NomicBERT are named. See `EncoderFiles`.
struct NomicBertFiles {
    using EncoderType = NomicBertEncoder;

    static constexpr std::string_view title = "NomicBERT";
    static constexpr std::string_view class_name = "NomicBert";
    static constexpr std::string_view words = "encoder.embeddings.word_embeddings.weight";
    static constexpr std::string_view head = "cls.";
    static constexpr std::string_view head_bias = "cls.predictions.bias";
    static constexpr std::string_view head_example = "cls.predictions.transform.dense.weight";
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> copies{
        {{"cls.predictions.decoder.weight", words}, {"cls.predictions.decoder.bias", head_bias}}};
    static constexpr std::array<std::string_view, 0> of_classifier{};

    static NomicBertConfig read_config(std::filesystem::path const& file) { return read_nomic_bert_config(file); }

    /// `encoder.` before embeddings too, without the `nomic_bert.` of a model with a head.
    static std::string canonical(std::string_view name) {
        constexpr std::string_view prefix = "nomic_bert.";
        if (name.starts_with(prefix)) { name.remove_prefix(prefix.size()); }
        bool const before = name.starts_with("embeddings.") || name.starts_with("emb_ln.");
        return (before ? "encoder." : "") + std::string(name);
    }
    static std::string file_name(std::string_view name, bool bare) {
        if (name.starts_with("cls.") || name.starts_with("classifier.")) { return std::string(name); }
        constexpr std::string_view body = "encoder.";
        if (name.starts_with(body) && !name.starts_with("encoder.layers.")) { name.remove_prefix(body.size()); }
        return (bare ? "" : "nomic_bert.") + std::string(name);
    }
    static bool is_aside(std::string_view name) { return name.starts_with("classifier.") || name.starts_with("pooler."); }
};
static_assert(EncoderFiles<NomicBertFiles>);

/// A NomicBERT model as stored in a folder.
using HfNomicBert = StoredEncoder<NomicBertFiles>;

/// Reads a folder of NomicBertModel, NomicBertForMaskedLM or a classifier.
/// \throws InputError  see `detail::read_encoder_folder`
inline HfNomicBert read_nomic_bert_folder(std::filesystem::path const& folder, Loading loading = Loading::copy) {
    return detail::read_encoder_folder<NomicBertFiles>(folder, loading);
}

/// An encoder with the weights of a loaded folder.
/// \param seed  of a new language-model head where the files have none
inline NomicBertEncoder make_nomic_bert(HfNomicBert const& files, std::uint64_t seed = 0) {
    return detail::make_encoder(files, seed);
}

/// Reads a folder with config.json and model.safetensors. Errors: see `read_nomic_bert_folder`.
inline NomicBertEncoder load_nomic_bert(std::filesystem::path const& folder, std::uint64_t seed = 0) {
    return make_nomic_bert(read_nomic_bert_folder(folder, Loading::mapped), seed);
}

/// The tensors that a folder stores for this encoder, in fp32.
inline HfNomicBert to_hf_nomic_bert(NomicBertEncoder const& encoder, bool with_head = true) {
    return detail::to_stored<NomicBertFiles>(encoder, with_head);
}

/// Writes config.json and model.safetensors into an existing folder without them.
inline void write_nomic_bert_files(std::filesystem::path const& folder, HfNomicBert model) {
    detail::write_encoder_files(folder, std::move(model));
}

}  // namespace bmae
