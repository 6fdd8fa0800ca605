// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BERT, RoBERTa and their relatives as a stored family.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <bmae/encoders/bert.hpp>
#include <bmae/encoders/bert_config_json.hpp>
#include <bmae/encoders/bert_folder.hpp>
#include <bmae/encoders/hf_folder.hpp>
#include <bmae/encoders/stored_family.hpp>
#include <bmae/io/json_file.hpp>
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
    static bool stores_head(std::filesystem::path const& folder) { return read_hf_folder(folder, Loading::mapped).has_head(); }
    static void save(std::filesystem::path const& folder, BertEncoder const& encoder, bool with_head,
                     WriteMore const& write_more) {
        write_hf_folder(folder, to_hf_bert(encoder, with_head), write_more);
    }
    static BertConfig read_config(std::filesystem::path const& file) { return read_bert_config(file); }
    static std::string config_text(BertConfig const& config, bool with_head) {
        return to_json(config, class_name(config.model_type, with_head ? "ForMaskedLM" : "Model"));
    }
    static std::string_view title(BertConfig const& config) { return bmae::title(config.model_type); }
    static void set_dropout(BertConfig& config, double rate) {
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = rate;
    }
    /// A copy that reads texts of up to `positions` tokens: the rows of its table, again and again (Beltagy et al.: Longformer, arXiv
    /// 2004.05150, section 5; the length of BGE-M3, arXiv 2402.03216, which does not say how its rows begin). Repeated rows keep what
    /// layers know of neighboring positions, but at the seams, and the results of texts that fitted before.
    static BertEncoder with_positions(BertEncoder const& encoder, std::int64_t positions) {
        BertConfig config = encoder.config();
        std::int64_t const first = config.first_position();
        std::int64_t const known = config.usable_positions();
        detail::Json extra = detail::parse_json(config.extra_json, "extra_json");
        extra["bmae_positions_repeated_from"] = known;
        config.extra_json = extra.dump();
        config.max_position_embeddings = first + positions;
        NamedTensors values;
        BertEncoder source = encoder;   // shares the tensors; visiting requires a mutable one
        source.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) { values[name] = value.detach(); });
        BertEncoder longer(std::move(config), 0, [](std::string const&) { return false; });
        at::NoGradGuard const no_gradients;
        longer.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
            at::Tensor const& old = values.at(name);
            bool const is_table = value.sizes() != old.sizes();
            std::int64_t const kept = is_table ? first : value.size(0);
            value.narrow(0, 0, kept).copy_(old.narrow(0, 0, kept));
            for (std::int64_t begin = 0; is_table && begin < positions; begin += known) {
                std::int64_t const size = std::min(known, positions - begin);
                value.narrow(0, first + begin, size).copy_(old.narrow(0, first, size));
            }
        });
        return longer;
    }
    static constexpr bool pools_by_config = false;
    static ScoreNames score_names(BertConfig const& config) { return bert_score_names(config.model_type); }
    static std::pair<BertEncoder, NamedTensors> load_classifier(std::filesystem::path const& folder) {
        HfBert files = read_hf_folder(folder, Loading::mapped);
        return {make_bert(files), std::move(files.aside)};
    }
    static void save_classifier(std::filesystem::path const& folder, BertEncoder const& encoder, NamedTensors head,
                                std::string extra_json, WriteMore const& write_more) {
        HfBert files = to_hf_bert(encoder, /*with_head=*/false);
        files.aside = std::move(head);
        files.config.extra_json = std::move(extra_json);
        write_hf_folder(folder, std::move(files), write_more);
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
static_assert(ClassifierFamily<BertFamily>);

}  // namespace bmae
