// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The options of a NomicBERT encoder, by the names of its config.json.
#pragma once

#include <cstdint>
#include <string>

#include <bmae/encoders/config_checks.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// Shape and rates of a NomicBERT encoder (Nussbaum et al., arXiv 2402.01613). Defaults are nomic-bert-2048, the encoder of nomic-embed-text.
struct NomicBertConfig {
    std::int64_t vocab_size = 30528;   ///< V
    std::int64_t hidden_size = 768;    ///< H
    std::int64_t num_hidden_layers = 12;
    std::int64_t num_attention_heads = 12;         ///< divides hidden_size into heads of an even width
    std::int64_t intermediate_size = 3072;         ///< I
    std::int64_t max_position_embeddings = 2048;   ///< tokens of the longest text
    std::int64_t type_vocab_size = 2;              ///< token types
    double rope_theta = 1000;                      ///< base of the rotary phases
    double hidden_dropout_prob = 0;
    double attention_probs_dropout_prob = 0;
    double layer_norm_eps = 1e-12;
    double initializer_range = 0.02;   ///< standard deviation of new weights
    std::int64_t pad_token_id = 0;     ///< -1 where the vocabulary has none
    std::string extra_json = "{}";     ///< other keys of config.json: kept and written back

    /// 12 layers of 768, 137 M parameters.
    static NomicBertConfig base() { return {}; }

    /// The shape from which decoders, heads and bottlenecks are built. Their layers have gelu where this encoder has silu.
    [[nodiscard]] Shape shape() const {
        return {.width = hidden_size,
                .vocabulary = vocab_size,
                .embedding_width = hidden_size,
                .positions = max_position_embeddings,
                .layers = num_hidden_layers,
                .heads = num_attention_heads,
                .inner_width = intermediate_size,
                .token_types = type_vocab_size,
                .norm_epsilon = layer_norm_eps,
                .initial_deviation = initializer_range,
                .hidden_dropout = hidden_dropout_prob,
                .attention_dropout = attention_probs_dropout_prob,
                .attention_output_dropout = hidden_dropout_prob,
                .rotary_base = rope_theta};
    }

    /// Refuses options that do not describe a model.
    /// \param file  name of the source in messages
    void validate(std::string const& file = {}) const {
        detail::ConfigChecks const check(file);
        check.sizes(*this, 2);
        check.within("type_vocab_size", type_vocab_size, 1, 1'000);
        check.within("pad_token_id", pad_token_id, -1, vocab_size - 1);
        check.even_heads(hidden_size, num_attention_heads);
        check.number("rope_theta", rope_theta, 1, 1e12);
        check.number("hidden_dropout_prob", hidden_dropout_prob, 0, 1);
        check.number("attention_probs_dropout_prob", attention_probs_dropout_prob, 0, 1);
        check.number("layer_norm_eps", layer_norm_eps, 0, 1);
        check.number("initializer_range", initializer_range, 0, 1'000);
    }

    friend bool operator==(NomicBertConfig const&, NomicBertConfig const&) = default;
};

}  // namespace bmae
