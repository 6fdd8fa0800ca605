// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BERT, RoBERTa and their relatives as a stored family.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/encoders/bert.hpp>
#include <bmae/encoders/bert_config_json.hpp>
#include <bmae/encoders/bert_folder.hpp>
#include <bmae/encoders/hf_folder.hpp>
#include <bmae/encoders/stored_family.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How BERT, RoBERTa and their relatives are stored. See `StoredFamily`.
struct BertFamily {
    using EncoderType = BertEncoder;

    static std::vector<std::string_view> model_types() {
        std::vector<std::string_view> names;
        for (ModelType const type : bmae::model_types) { names.push_back(to_string(type)); }
        return names;
    }
    static BertEncoder load(std::filesystem::path const& folder, TokenHead head, std::uint64_t seed) {
        return head == TokenHead::required ? load_masked_language_model(folder) : load_bert(folder, seed);
    }
    static void save(std::filesystem::path const& folder, BertEncoder const& encoder, bool with_head,
                     WriteMore const& write_more) {
        write_hf_folder(folder, to_hf_bert(encoder, with_head), write_more);
    }
    static BertConfig read_config(std::filesystem::path const& file) { return read_bert_config(file); }
    static std::string config_text(BertConfig const& config, bool with_head) {
        return to_json(config, class_name(config.model_type, with_head ? "ForMaskedLM" : "Model"));
    }
    static nlohmann::ordered_json description(BertConfig const& config) { return config_json(config); }
    static std::string_view title(BertConfig const& config) { return bmae::title(config.model_type); }
    static void set_dropout(BertConfig& config, double rate) {
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = rate;
    }
    static BertEncoder from_parameters(BertConfig config, NamedTensors const& parameters, TokenHead head,
                                       std::string const& file) {
        HfBert files{.config = std::move(config)};
        for (auto const& [name, tensor] : parameters) {
            bool const part = name.starts_with("encoder.") || name.starts_with(bert_head_prefix);
            if (part) { files.tensors.emplace(detail::folder_name(name), tensor); }   // decoders and the like are skipped
        }
        detail::check_bert_tensors(files, file);
        if (head == TokenHead::required && !files.has_head()) {
            throw InputError(Diagnostic{.file = file,
                                        .expected = "a checkpoint with a language-model head",
                                        .found = "none",
                                        .hint = "Pre-train a generator: --preset mlm."});
        }
        return make_bert(files);
    }
};
static_assert(StoredFamily<BertFamily>);

}  // namespace bmae
