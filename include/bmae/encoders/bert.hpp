// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BERT and its relatives, of any size, over packed rows.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/encoders/bert_config.hpp>
#include <bmae/nn/embeddings.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/language_model_head.hpp>
#include <bmae/nn/packed_layers.hpp>
#include <bmae/nn/recompute.hpp>
#include <bmae/nn/transformer_layer.hpp>

namespace bmae {

/// BERT (Devlin et al., arXiv 1810.04805): post-LN layers, exact GELU, learned positions, language-model head tied to the
/// word embeddings. Parameter names are those of Hugging Face's BertForMaskedLM below `encoder.` and `cls.predictions.`.
///
/// RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA and DistilBERT are the same network with other settings: see BertConfig::model_type: where positions
/// begin, the width of the embeddings, whether there are token types, one dropout. Parameter names do not change.
class BertEncoder {
public:
    using Options = BertConfig;
    static constexpr std::string_view name = "bert";

    explicit BertEncoder(BertConfig config, std::uint64_t seed = 0)
        : BertEncoder(std::move(config), seed, [](std::string const&) { return true; }) {}

    /// \param drawn  whether a parameter, by its name, is to be initialized; the others hold anything until they are loaded
    template <std::predicate<std::string const&> Drawn>
    BertEncoder(BertConfig config, std::uint64_t seed, Drawn const& drawn)
        : embeddings(config.shape(), config.first_position()),
          layers(make_layers(config.num_hidden_layers, config.shape())),
          head(config.shape()),
          config_(std::move(config)) {
        config_.validate();
        initialize(*this, "", seed, Initialization::bert, config_.initializer_range, drawn);
    }

    /// \param keep_layers  also return the output of every layer
    [[nodiscard]] Encoded encode(PackedInput const& input, ForwardContext& context, bool keep_layers = false) const {
        return encode_rows(embeddings(input.input_ids, input.positions, context, input.token_types), input, context, keep_layers);
    }

    /// The layers on given rows in place of embeddings.                                                           [T, H]
    [[nodiscard]] Encoded encode_rows(at::Tensor rows, PackedInput const& input, ForwardContext& context,
                                      bool keep_layers = false) const {
        if (!context.training && detail::runs_packed(layers, rows)) {
            return detail::run_packed(layers, rows, input.offsets, keep_layers);
        }
        Encoded encoded{.hidden = std::move(rows)};
        if (keep_layers) { encoded.layers.push_back(encoded.hidden); }
        LayerRuns const run(input, context);
        for (TransformerLayer const& layer : layers) {
            encoded.hidden = run(layer, encoded.hidden, [](auto const& each, auto const& given, auto const& read, auto& keys) {
                return each(given, given, read, nullptr, keys);
            });
            if (keep_layers) { encoded.layers.push_back(encoded.hidden); }
        }
        return encoded;
    }

    /// The hidden state of the first token of each text: with packed weights the last layer runs for these alone.     [B, H]
    [[nodiscard]] at::Tensor encode_first(PackedInput const& input, ForwardContext& context) const {
        at::Tensor const rows = embeddings(input.input_ids, input.positions, context, input.token_types);
        if (!context.training && detail::runs_packed(layers, rows)) {
            return detail::run_packed(layers, rows, input.offsets, /*keep_layers=*/false, /*first_only=*/true).hidden;
        }
        return encode_rows(rows, input, context).hidden.index_select(0, input.first_rows);
    }

    [[nodiscard]] BertConfig const& config() const noexcept { return config_; }
    /// What a run records of the encoder, to tell two apart: JSON.
    [[nodiscard]] std::string description() const;
    [[nodiscard]] Shape shape() const { return config_.shape(); }

    /// \param prefix  put before every name: empty for the encoder of a model, "query." for a second tower
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        for_each_body_parameter(prefix + "encoder", visit);
        head.for_each_parameter(prefix + "cls.predictions", visit);
    }
    /// All but the language-model head, without the prefix `encoder`.
    template <class Visit>
    void for_each_body_parameter(std::string const& prefix, Visit&& visit) {
        embeddings.for_each_parameter(prefix + ".embeddings", visit);
        bmae::for_each_parameter(layers, prefix, visit);
    }

    /// The linear maps of the body, to pack them for inference.
    template <class Visit>
    void for_each_linear(Visit&& visit) {
        if (embeddings.projection.weight.defined()) { visit(embeddings.projection); }
        for (TransformerLayer& layer : layers) { layer.for_each_linear(visit); }
    }

    Embeddings embeddings;
    LayerStack layers;
    LanguageModelHead head;

private:
    BertConfig config_;
};

static_assert(HasTokenHead<BertEncoder> && HasPositionTable<BertEncoder> && EncodesRows<BertEncoder>);

/// For compositions that read as in the paper: build it from `BertConfig::roberta_base()` or from a folder.
using RobertaEncoder = BertEncoder;
/// As above, from `BertConfig::xlm_roberta_base()`.
using XlmRobertaEncoder = BertEncoder;
/// As above, from `BertConfig::camembert_base()`.
using CamembertEncoder = BertEncoder;
/// As above, from `BertConfig::electra_base()` or `electra_base_generator()`.
using ElectraEncoder = BertEncoder;
/// As above, from `BertConfig::distilbert_base()`.
using DistilBertEncoder = BertEncoder;

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <bmae/encoders/bert_config_json.hpp>

namespace bmae {

BMAE_INLINE std::string BertEncoder::description() const { return config_json(config_).dump(); }

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
