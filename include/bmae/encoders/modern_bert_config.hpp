// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The options of a ModernBERT encoder, by the names of its config.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <bmae/encoders/activation_names.hpp>
#include <bmae/encoders/config_checks.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// Shape and rates of a ModernBERT encoder (Warner et al., arXiv 2412.13663). Defaults are ModernBERT-base.
struct ModernBertConfig {
    std::int64_t vocab_size = 50368;   ///< V
    std::int64_t hidden_size = 768;    ///< H
    std::int64_t num_hidden_layers = 22;
    std::int64_t num_attention_heads = 12;         ///< divides hidden_size into heads of an even width
    std::int64_t intermediate_size = 1152;         ///< I: the first product of the feed-forward block has 2I columns
    std::string hidden_activation = "gelu";        ///< of the gated feed-forward block: gelu, gelu_new ... or relu
    std::string classifier_activation = "gelu";    ///< of the language-model head
    std::int64_t max_position_embeddings = 8192;   ///< tokens of the longest text
    std::int64_t global_attn_every_n_layers = 3;   ///< layers 0, n, 2n ... read the whole text, the others a window
    std::vector<bool> local_layers = {};           ///< [layers] which layers have a window, in place of the number; or empty
    std::int64_t local_attention = 128;            ///< window: a row reads the columns with |i - j| <= local_attention / 2
    double global_rope_theta = 160000;             ///< base of the rotary phases of global layers
    double local_rope_theta = 10000;               ///< ... of those with a window
    double embedding_dropout = 0;
    double attention_dropout = 0;   ///< of the weights, and between attention and residual
    double mlp_dropout = 0;         ///< within the feed-forward block, before its last product
    double norm_eps = 1e-5;
    double initializer_range = 0.02;          ///< standard deviation of new weights
    double initializer_cutoff_factor = 2.0;   ///< new weights lie within so many deviations
    std::int64_t pad_token_id = 50283;        ///< -1 where the vocabulary has none
    bool tie_word_embeddings = true;          ///< the head is tied to the word embedding
    std::string extra_json = "{}";            ///< other keys of config.json: kept and written back

    /// 22 layers of 768, 149 M parameters.
    static ModernBertConfig base() { return {}; }
    /// 28 layers of 1024, 395 M parameters.
    static ModernBertConfig large() {
        ModernBertConfig config;
        config.hidden_size = 1024;
        config.num_hidden_layers = 28;
        config.num_attention_heads = 16;
        config.intermediate_size = 2624;
        return config;
    }

    /// Layer i reads a window alone.
    [[nodiscard]] bool is_local(std::int64_t i) const {
        return local_layers.empty() ? i % global_attn_every_n_layers != 0 : local_layers.at(static_cast<std::size_t>(i));
    }
    /// Half-width of the window.
    [[nodiscard]] std::int64_t reach() const noexcept { return local_attention / 2; }

    /// The shape from which decoders, heads and bottlenecks are built. Its inner dropout is `mlp_dropout`.
    [[nodiscard]] Shape shape() const {
        return {.width = hidden_size,
                .vocabulary = vocab_size,
                .embedding_width = hidden_size,
                .positions = max_position_embeddings,
                .layers = num_hidden_layers,
                .heads = num_attention_heads,
                .inner_width = intermediate_size,
                .activation = activation_named(hidden_activation, "hidden_activation"),
                .head_activation = activation_named(classifier_activation, "classifier_activation"),
                .norm_epsilon = norm_eps,
                .initial_deviation = initializer_range,
                .hidden_dropout = mlp_dropout,
                .attention_dropout = attention_dropout,
                .attention_output_dropout = attention_dropout,
                .rotary_base = global_rope_theta,
                .initial_cutoff = initializer_cutoff_factor,
                .score_head = ScoreHead::norm};
    }

    /// Refuses options that do not describe a model.
    /// \param file  name of the source in messages
    void validate(std::string const& file = {}) const {
        detail::ConfigChecks const check(file);
        check.sizes(*this, 2);
        check.within("global_attn_every_n_layers", global_attn_every_n_layers, 1, 10'000);
        check.within("local_attention", local_attention, 2, 10'000'000);
        check.within("pad_token_id", pad_token_id, -1, vocab_size - 1);
        check.even_heads(hidden_size, num_attention_heads);
        if (!local_layers.empty() && local_layers.size() != static_cast<std::size_t>(num_hidden_layers)) {
            check.refuse("layer_types of num_hidden_layers, " + std::to_string(num_hidden_layers),
                         std::to_string(local_layers.size()));
        }
        check.number("global_rope_theta", global_rope_theta, 1, 1e12);
        check.number("local_rope_theta", local_rope_theta, 1, 1e12);
        check.number("embedding_dropout", embedding_dropout, 0, 1);
        check.number("attention_dropout", attention_dropout, 0, 1);
        check.number("mlp_dropout", mlp_dropout, 0, 1);
        check.number("norm_eps", norm_eps, 0, 1);
        check.number("initializer_range", initializer_range, 0, 1'000);
        check.number("initializer_cutoff_factor", initializer_cutoff_factor, 0.01, 1'000);
        static_cast<void>(activation_named(hidden_activation, "hidden_activation", file));
        static_cast<void>(activation_named(classifier_activation, "classifier_activation", file));
    }

    friend bool operator==(ModernBertConfig const&, ModernBertConfig const&) = default;
};

}  // namespace bmae
