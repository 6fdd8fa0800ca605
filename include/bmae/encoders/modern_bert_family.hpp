// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ModernBERT as a stored family.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/folders.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/encoders/modern_bert_config_json.hpp>
#include <bmae/encoders/modern_bert_folder.hpp>
#include <bmae/encoders/stored_family.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How ModernBERT is stored. See `StoredFamily`.
struct ModernBertFamily {
    using EncoderType = ModernBertEncoder;

    static std::vector<std::string_view> model_types() { return {"modernbert"}; }
    static ModernBertEncoder load(std::filesystem::path const& folder, TokenHead head, std::uint64_t seed) {
        HfModernBert const files = read_modern_bert_folder(folder, Loading::mapped);
        require_head(files, head, folder.string(), "Name a folder saved by ModernBertForMaskedLM.");
        return make_modern_bert(files, seed);
    }
    static void save(std::filesystem::path const& folder, ModernBertEncoder const& encoder, bool with_head,
                     WriteMore const& write_more) {
        write(folder, to_hf_modern_bert(encoder, with_head), write_more);
    }
    static constexpr bool pools_by_config = true;
    static ScoreNames score_names(ModernBertConfig const&) {
        return {{"pooler.dense", "head.dense"}, {"pooler.norm", "head.norm"}, {"classifier", "classifier"}};
    }
    static std::pair<ModernBertEncoder, NamedTensors> load_classifier(std::filesystem::path const& folder) {
        HfModernBert files = read_modern_bert_folder(folder, Loading::mapped);
        return {make_modern_bert(files), std::move(files.aside)};
    }
    static void save_classifier(std::filesystem::path const& folder, ModernBertEncoder const& encoder, NamedTensors head,
                                std::string extra_json, WriteMore const& write_more) {
        HfModernBert files = to_hf_modern_bert(encoder, /*with_head=*/false);
        files.aside = std::move(head);
        files.config.extra_json = std::move(extra_json);
        write(folder, std::move(files), write_more);
    }
    static ModernBertConfig read_config(std::filesystem::path const& file) { return read_modern_bert_config(file); }
    static std::string config_text(ModernBertConfig const& config, bool with_head) {
        return to_json(config, with_head ? "ModernBertForMaskedLM" : "ModernBertModel");
    }
    static nlohmann::ordered_json description(ModernBertConfig const& config) {
        nlohmann::ordered_json layers = nlohmann::ordered_json::array();
        for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) { layers.push_back(config.is_local(i) ? "local" : "global"); }
        return {{"vocab_size", config.vocab_size},
                {"hidden_size", config.hidden_size},
                {"num_hidden_layers", config.num_hidden_layers},
                {"num_attention_heads", config.num_attention_heads},
                {"intermediate_size", config.intermediate_size},
                {"max_position_embeddings", config.max_position_embeddings},
                {"layer_norm_eps", config.norm_eps},
                {"hidden_act", config.hidden_activation},
                {"head_act", config.classifier_activation},
                {"model_type", "modernbert"},
                {"pad_token_id", config.pad_token_id},
                {"layers", std::move(layers)},
                {"local_attention", config.local_attention},
                {"global_rope_theta", config.global_rope_theta},
                {"local_rope_theta", config.local_rope_theta},
                {"embedding_dropout", config.embedding_dropout}};
    }
    static std::string_view title(ModernBertConfig const&) { return "ModernBERT"; }
    static void set_dropout(ModernBertConfig& config, double rate) {
        config.embedding_dropout = config.attention_dropout = config.mlp_dropout = rate;
    }
    static ModernBertEncoder from_parameters(ModernBertConfig config, NamedTensors const& parameters, TokenHead head,
                                             std::string const& file) {
        HfModernBert files{.config = std::move(config)};
        for (auto const& [name, tensor] : parameters) {   // decoders and the like are skipped
            if (name.starts_with("encoder.") || name.starts_with("head.")) { files.tensors.emplace(name, tensor); }
        }
        detail::check_modern_bert_tensors(files, file);
        require_head(files, head, file, "Pre-train a generator: --preset mlm.");
        return make_modern_bert(files);
    }

private:
    static void write(std::filesystem::path const& folder, HfModernBert files, WriteMore const& write_more) {
        detail::AtomicFolder output(folder);
        write_modern_bert_files(output.partial(), std::move(files));
        write_more(output.partial());
        output.commit();
    }
    static void require_head(HfModernBert const& files, TokenHead head, std::string const& file, char const* hint) {
        if (head == TokenHead::optional || files.has_head()) { return; }
        throw InputError(
            Diagnostic{.file = file, .expected = "a language-model head (head.dense.weight ...)", .found = "none", .hint = hint});
    }
};
static_assert(ClassifierFamily<ModernBertFamily>);

}  // namespace bmae
