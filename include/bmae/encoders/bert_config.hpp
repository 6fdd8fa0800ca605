// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The options of a BERT encoder and its relatives, by the names of BERT's config.json.
#pragma once

#include <cstdint>
#include <string>

#include <bmae/encoders/activation_names.hpp>
#include <bmae/encoders/config_checks.hpp>
#include <bmae/encoders/model_type.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// Shape and rates of a BERT encoder (Devlin et al., arXiv 1810.04805) or of a relative. Defaults are bert-base-uncased.
struct BertConfig {
    ModelType model_type = ModelType::bert;
    std::int64_t vocab_size = 30522;   ///< V
    std::int64_t hidden_size = 768;    ///< H
    std::int64_t embedding_size = 0;   ///< E, width of ELECTRA's embeddings and of its head; 0: as hidden_size
    std::int64_t num_hidden_layers = 12;
    std::int64_t num_attention_heads = 12;   ///< divides hidden_size
    std::int64_t intermediate_size = 3072;   ///< width between the two linear layers of a transformer layer
    std::string hidden_act = "gelu";         ///< gelu, gelu_new, gelu_pytorch_tanh, gelu_fast or relu
    double hidden_dropout_prob = 0.1;
    double attention_probs_dropout_prob = 0.1;
    std::int64_t max_position_embeddings = 512;   ///< P, rows of the position table; see `usable_positions`
    std::int64_t type_vocab_size = 2;             ///< segments; 0 in DistilBERT only, which has no such table
    double initializer_range = 0.02;              ///< standard deviation of new weights
    double layer_norm_eps = 1e-12;
    std::int64_t pad_token_id = 0;     ///< -1 where the vocabulary has none
    bool tie_word_embeddings = true;   ///< the head is tied to the word embedding
    std::string extra_json = "{}";     ///< other keys of config.json: kept and written back

    /// 12 layers of 768, 109 M parameters.
    static BertConfig base() { return {}; }
    /// 12 layers of 768, 125 M parameters: 512 tokens in 514 positions (Liu et al., arXiv 1907.11692).
    static BertConfig roberta_base() {
        BertConfig config{.model_type = ModelType::roberta, .vocab_size = 50265, .max_position_embeddings = 514};
        config.type_vocab_size = 1;
        config.layer_norm_eps = 1e-5;
        config.pad_token_id = 1;
        return config;
    }
    /// 12 layers of 768, 278 M parameters, 192 M of them embeddings of 250,002 pieces (Conneau et al., arXiv 1911.02116).
    static BertConfig xlm_roberta_base() {
        BertConfig config = roberta_base();
        config.model_type = ModelType::xlm_roberta;
        config.vocab_size = 250002;
        return config;
    }
    /// 12 layers of 768, 111 M parameters (Martin et al., arXiv 1911.03894).
    static BertConfig camembert_base() {
        BertConfig config = roberta_base();
        config.model_type = ModelType::camembert;
        config.vocab_size = 32005;
        return config;
    }
    /// 12 layers of 768, 109 M parameters: the discriminator, which has no language-model head of its own (arXiv 2003.10555).
    static BertConfig electra_base() { return {.model_type = ModelType::electra}; }
    /// 12 layers of 256 under embeddings of 768, 35 M parameters: the generator of `electra_base`, which SimLM samples from.
    static BertConfig electra_base_generator() {
        return {.model_type = ModelType::electra,
                .hidden_size = 256,
                .embedding_size = 768,
                .num_attention_heads = 4,
                .intermediate_size = 1024};
    }
    /// 6 layers of 768, 66 M parameters (Sanh et al., arXiv 1910.01108).
    static BertConfig distilbert_base() {
        return {.model_type = ModelType::distilbert, .num_hidden_layers = 6, .type_vocab_size = 0};
    }
    /// 4 layers of 512, 29 M parameters (Turc et al., arXiv 1908.08962, as the two below).
    static BertConfig small() { return of_size(4, 512); }
    /// 4 layers of 256, 11 M parameters.
    static BertConfig mini() { return of_size(4, 256); }
    /// 2 layers of 128, 4 M parameters.
    static BertConfig tiny() { return of_size(2, 128); }
    /// `layers` of `width`, with heads of 64 (one head where 64 does not divide the width) and four times the width inside.
    static BertConfig of_size(std::int64_t layers, std::int64_t width) {
        BertConfig config;
        config.num_hidden_layers = layers;
        config.hidden_size = width;
        config.num_attention_heads = width % 64 == 0 ? width / 64 : 1;
        config.intermediate_size = 4 * width;
        return config;
    }

    /// E, the width of the embeddings and of the rows that the head multiplies with them.
    [[nodiscard]] std::int64_t embedding_width() const noexcept { return embedding_size == 0 ? hidden_size : embedding_size; }
    /// Row of the position table for a text's first token. RoBERTa's rows up to the padding's are never read.
    [[nodiscard]] std::int64_t first_position() const noexcept { return is_roberta(model_type) ? pad_token_id + 1 : 0; }
    /// Longest text in tokens, [CLS] and [SEP] included.
    [[nodiscard]] std::int64_t usable_positions() const noexcept { return max_position_embeddings - first_position(); }
    /// Dropout between the attention and its residual: DistilBERT has none there.
    [[nodiscard]] double attention_output_dropout() const noexcept {
        return model_type == ModelType::distilbert ? 0.0 : hidden_dropout_prob;
    }
    /// The head's function: RoBERTa and ELECTRA use the exact gelu there for any `hidden_act`.
    [[nodiscard]] Activation head_activation() const {
        bool const fixed = is_roberta(model_type) || model_type == ModelType::electra;
        return fixed ? Activation::gelu : activation();
    }

    /// Which function `hidden_act` names.
    /// \throws InputError  for a name that is none of the five
    [[nodiscard]] Activation activation(std::string const& file = {}) const {
        return activation_named(hidden_act, "hidden_act", file);
    }

    /// The shape from which decoders, heads and bottlenecks are built.
    [[nodiscard]] Shape shape() const {
        return {.width = hidden_size,
                .vocabulary = vocab_size,
                .embedding_width = embedding_width(),
                .positions = usable_positions(),
                .layers = num_hidden_layers,
                .heads = num_attention_heads,
                .inner_width = intermediate_size,
                .token_types = type_vocab_size,
                .activation = activation(),
                .head_activation = head_activation(),
                .norm_epsilon = layer_norm_eps,
                .initial_deviation = initializer_range,
                .hidden_dropout = hidden_dropout_prob,
                .attention_dropout = attention_probs_dropout_prob,
                .attention_output_dropout = attention_output_dropout(),
                .score_head = score_head()};
    }
    /// Between the two maps of its classification head.
    [[nodiscard]] ScoreHead score_head() const noexcept {
        if (model_type == ModelType::electra) { return ScoreHead::gelu; }
        return model_type == ModelType::distilbert ? ScoreHead::relu : ScoreHead::tanh;
    }

    /// Refuses options that do not describe a model.
    /// \param file  name of the source in messages
    void validate(std::string const& file = {}) const {
        detail::ConfigChecks const check(file);
        check.sizes(*this, 1);
        bool const typed = model_type != ModelType::distilbert;
        check.within("type_vocab_size", type_vocab_size, typed ? 1 : 0, typed ? 1'000'000 : 0);
        check.within("pad_token_id", pad_token_id, is_roberta(model_type) ? 0 : -1, vocab_size - 1);
        check.within("embedding_size", embedding_size, 0, 1'000'000);
        if (embedding_width() != hidden_size && model_type != ModelType::electra) {
            check.refuse("an embedding_size of hidden_size or 0, as only ELECTRA projects its embeddings",
                         std::to_string(embedding_size));
        }
        if (!typed && layer_norm_eps != 1e-12) {
            check.refuse("a layer_norm_eps of 1e-12, which DistilBERT fixes", std::to_string(layer_norm_eps));
        }
        if (usable_positions() < 1) {
            check.refuse("a max_position_embeddings above " + std::to_string(first_position()) + ", the first position of " +
                             std::string(title(model_type)),
                         std::to_string(max_position_embeddings));
        }
        if (hidden_size % num_attention_heads != 0) {
            check.refuse("a hidden_size that num_attention_heads divides",
                         std::to_string(hidden_size) + " and " + std::to_string(num_attention_heads));
        }
        check.number("hidden_dropout_prob", hidden_dropout_prob, 0, 1);
        check.number("attention_probs_dropout_prob", attention_probs_dropout_prob, 0, 1);
        check.number("initializer_range", initializer_range, 0, 1'000);
        check.number("layer_norm_eps", layer_norm_eps, 0, 1);
        static_cast<void>(activation(file));
    }

    friend bool operator==(BertConfig const&, BertConfig const&) = default;
};

}  // namespace bmae
