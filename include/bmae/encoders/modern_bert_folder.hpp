// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ModernBERT to and from the folders of the Python library transformers.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/encoders/described_folder.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/encoders/modern_bert_config_json.hpp>
#include <bmae/io/tensor_folder.hpp>

namespace bmae {

/// How the files of ModernBERT are named. See `EncoderFiles`.
struct ModernBertFiles {
    using EncoderType = ModernBertEncoder;

    static constexpr std::string_view title = "ModernBERT";
    static constexpr std::string_view class_name = "ModernBert";
    static constexpr std::string_view words = "encoder.embeddings.tok_embeddings.weight";
    static constexpr std::string_view head = "head.";
    static constexpr std::string_view head_bias = "head.bias";
    static constexpr std::string_view head_example = "head.dense.weight";
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 1> copies{{{"head.decoder.weight", words}}};
    /// A classifier has the dense layer and the norm of a head, and no output bias: they are not a language-model head.
    static constexpr std::array<std::string_view, 2> of_classifier{"head.dense.weight", "head.norm.weight"};

    static ModernBertConfig read_config(std::filesystem::path const& file) { return read_modern_bert_config(file); }

    /// `encoder.` for `model.`, which a bare model leaves out; `head.bias` for `decoder.bias`.
    static std::string canonical(std::string_view name) {
        if (name == "decoder.bias" || name == "decoder.weight") {
            return "head." + std::string(name == "decoder.bias" ? "bias" : name);
        }
        if (name.starts_with("head.") || name.starts_with("classifier.")) { return std::string(name); }
        if (name.starts_with("model.")) { name.remove_prefix(std::string_view("model.").size()); }
        return "encoder." + std::string(name);
    }
    static std::string file_name(std::string_view name, bool bare) {
        if (name == head_bias || name == copies.front().first) {
            return "decoder." + std::string(name.substr(name.rfind('.') + 1));
        }
        constexpr std::string_view body = "encoder.";
        if (!name.starts_with(body)) { return std::string(name); }
        return (bare ? "" : "model.") + std::string(name.substr(body.size()));
    }
    static bool is_aside(std::string_view name) { return name.starts_with("classifier."); }
};
static_assert(EncoderFiles<ModernBertFiles>);

/// A ModernBERT model as stored in a folder.
using HfModernBert = StoredEncoder<ModernBertFiles>;

/// Reads a folder of ModernBertModel, ModernBertForMaskedLM or a classifier.
/// \throws InputError  see `detail::read_encoder_folder`
inline HfModernBert read_modern_bert_folder(std::filesystem::path const& folder, Loading loading = Loading::copy) {
    return detail::read_encoder_folder<ModernBertFiles>(folder, loading);
}

/// An encoder with the weights of a loaded folder.
/// \param seed  of a new language-model head where the files have none
inline ModernBertEncoder make_modern_bert(HfModernBert const& files, std::uint64_t seed = 0) {
    return detail::make_encoder(files, seed);
}

/// Reads a folder with config.json and model.safetensors. Errors: see `read_modern_bert_folder`.
inline ModernBertEncoder load_modern_bert(std::filesystem::path const& folder, std::uint64_t seed = 0) {
    return make_modern_bert(read_modern_bert_folder(folder, Loading::mapped), seed);
}

/// The tensors that a folder stores for this encoder, in fp32.
inline HfModernBert to_hf_modern_bert(ModernBertEncoder const& encoder, bool with_head = true) {
    return detail::to_stored<ModernBertFiles>(encoder, with_head);
}

/// Writes config.json and model.safetensors into an existing folder without them.
inline void write_modern_bert_files(std::filesystem::path const& folder, HfModernBert model) {
    detail::write_encoder_files(folder, std::move(model));
}

}  // namespace bmae
