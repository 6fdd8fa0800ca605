// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// NomicBERT as a stored family.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/folders.hpp>
#include <bmae/encoders/nomic_bert.hpp>
#include <bmae/encoders/nomic_bert_config_json.hpp>
#include <bmae/encoders/nomic_bert_folder.hpp>
#include <bmae/encoders/stored_family.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How NomicBERT is stored. See `StoredFamily`.
struct NomicBertFamily {
    using EncoderType = NomicBertEncoder;

    static std::vector<std::string_view> model_types() { return {"nomic_bert"}; }
    static NomicBertEncoder load(std::filesystem::path const& folder, TokenHead head, std::uint64_t seed) {
        HfNomicBert const files = read_nomic_bert_folder(folder, Loading::mapped);
        require_head(files, head, folder.string(), "Name a folder saved by NomicBertForMaskedLM.");
        return make_nomic_bert(files, seed);
    }
    static void save(std::filesystem::path const& folder, NomicBertEncoder const& encoder, bool with_head,
                     WriteMore const& write_more) {
        write(folder, to_hf_nomic_bert(encoder, with_head), write_more);
    }
    static constexpr bool pools_by_config = false;
    static ScoreNames score_names(NomicBertConfig const&) {
        return {{"pooler.dense", "pooler.dense"}, {"classifier", "classifier"}};
    }
    static std::pair<NomicBertEncoder, NamedTensors> load_classifier(std::filesystem::path const& folder) {
        HfNomicBert files = read_nomic_bert_folder(folder, Loading::mapped);
        return {make_nomic_bert(files), std::move(files.aside)};
    }
    static void save_classifier(std::filesystem::path const& folder, NomicBertEncoder const& encoder, NamedTensors head,
                                std::string extra_json, WriteMore const& write_more) {
        HfNomicBert files = to_hf_nomic_bert(encoder, /*with_head=*/false);
        files.aside = std::move(head);
        files.config.extra_json = std::move(extra_json);
        write(folder, std::move(files), write_more);
    }
    static NomicBertConfig read_config(std::filesystem::path const& file) { return read_nomic_bert_config(file); }
    static std::string config_text(NomicBertConfig const& config, bool with_head) {
        return to_json(config, with_head ? "NomicBertForMaskedLM" : "NomicBertModel");
    }
    static nlohmann::ordered_json description(NomicBertConfig const& config) {
        return {{"vocab_size", config.vocab_size},
                {"hidden_size", config.hidden_size},
                {"num_hidden_layers", config.num_hidden_layers},
                {"num_attention_heads", config.num_attention_heads},
                {"intermediate_size", config.intermediate_size},
                {"max_position_embeddings", config.max_position_embeddings},
                {"type_vocab_size", config.type_vocab_size},
                {"layer_norm_eps", config.layer_norm_eps},
                {"hidden_act", "silu"},
                {"model_type", "nomic_bert"},
                {"pad_token_id", config.pad_token_id},
                {"rope_theta", config.rope_theta}};
    }
    static std::string_view title(NomicBertConfig const&) { return "NomicBERT"; }
    static void set_dropout(NomicBertConfig& config, double rate) {
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = rate;
    }
    static NomicBertEncoder from_parameters(NomicBertConfig config, NamedTensors const& parameters, TokenHead head,
                                            std::string const& file) {
        HfNomicBert files{.config = std::move(config)};
        for (auto const& [name, tensor] : parameters) {   // decoders and the like are skipped
            if (name.starts_with("encoder.") || name.starts_with("cls.predictions.")) { files.tensors.emplace(name, tensor); }
        }
        detail::check_nomic_bert_tensors(files, file);
        require_head(files, head, file, "Pre-train a generator: --preset mlm.");
        return make_nomic_bert(files);
    }

private:
    static void write(std::filesystem::path const& folder, HfNomicBert files, WriteMore const& write_more) {
        detail::AtomicFolder output(folder);
        write_nomic_bert_files(output.partial(), std::move(files));
        write_more(output.partial());
        output.commit();
    }
    static void require_head(HfNomicBert const& files, TokenHead head, std::string const& file, char const* hint) {
        if (head == TokenHead::optional || files.has_head()) { return; }
        throw InputError(Diagnostic{.file = file,
                                    .expected = "a language-model head (cls.predictions.transform.dense.weight ...)",
                                    .found = "none",
                                    .hint = hint});
    }
};
static_assert(ClassifierFamily<NomicBertFamily>);

}  // namespace bmae
