// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// NomicBERT, of any size, over packed rows.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>

#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/encoders/nomic_bert_config.hpp>
#include <bmae/nn/attention.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/gather_rows.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/nn/recompute.hpp>
#include <bmae/nn/rotary.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// E(x) = Dropout(LayerNorm(word + type)); positions enter in the layers.
struct NomicBertEmbeddings {
    at::Tensor word = {};         ///< [V, H]
    at::Tensor token_type = {};   ///< [S, H]
    LayerNorm norm = {};
    double dropout_rate = 0;

    NomicBertEmbeddings() = default;
    explicit NomicBertEmbeddings(Shape const& shape)
        : word(at::empty({shape.vocabulary, shape.width})),
          token_type(at::empty({shape.token_types, shape.width})),
          norm(shape.width, shape.norm_epsilon),
          dropout_rate(shape.hidden_dropout) {}

    /// \param ids    [T]
    /// \param types  [T] token types, or undefined: all 0
    /// \returns [T, H]
    /// Throws InputError for ids and types that a table lacks.
    at::Tensor operator()(at::Tensor const& ids, at::Tensor const& positions, ForwardContext& context,
                          at::Tensor const& types = {}) const {
        return embed_vectors(gather_rows(word, ids, "token ids"), positions, context, types);
    }
    /// The same for given vectors in place of word embeddings.                                        [T, H] -> [T, H]
    at::Tensor embed_vectors(at::Tensor const& vectors, at::Tensor const&, ForwardContext& context,
                             at::Tensor const& types = {}) const {
        at::Tensor const added = types.defined() ? gather_rows(token_type, types, "token types") : token_type.select(0, 0);
        return dropout(norm(vectors + added), dropout_rate, context);
    }
    /// Zeros: nothing is added to a vector for its position, queries and keys are turned instead.    [T, H], positions [T] -> [T, H]
    at::Tensor position_rows(at::Tensor const& vectors, at::Tensor const& positions) const {
        return at::zeros({1, 1}, vectors.options().requires_grad(false)).expand({positions.size(0), vectors.size(1)});
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".embeddings.word_embeddings.weight", word, ParameterRole::weight);
        visit(prefix + ".embeddings.token_type_embeddings.weight", token_type, ParameterRole::weight);
        norm.for_each_parameter(prefix + ".emb_ln", visit);
    }
};

/// h = LayerNorm(x + Attention(x)), then LayerNorm(h + W_3 (W_1 h * silu(W_2 h))): BERT's layer without biases in its maps, with turned queries
/// and keys and SwiGLU (Shazeer: GLU Variants Improve Transformer, arXiv 2002.05202).
struct NomicBertLayer {
    Linear qkv = {};   ///< H -> 3H: queries, keys, values
    Linear attention_output = {};
    LayerNorm attention_norm = {};
    Linear up = {};     ///< H -> I, W_1
    Linear gate = {};   ///< H -> I, W_2
    Linear down = {};   ///< I -> H, W_3
    LayerNorm output_norm = {};
    std::int64_t heads = 1;
    double attention_dropout = 0;   ///< of the weights
    double hidden_dropout = 0;      ///< between each block and its residual

    NomicBertLayer() = default;
    explicit NomicBertLayer(Shape const& shape)
        : qkv(Linear::without_bias(shape.width, 3 * shape.width)),
          attention_output(Linear::without_bias(shape.width, shape.width)),
          attention_norm(shape.width, shape.norm_epsilon),
          up(Linear::without_bias(shape.width, shape.inner_width)),
          gate(Linear::without_bias(shape.width, shape.inner_width)),
          down(Linear::without_bias(shape.inner_width, shape.width)),
          output_norm(shape.width, shape.norm_epsilon),
          heads(shape.heads),
          attention_dropout(shape.attention_dropout),
          hidden_dropout(shape.hidden_dropout) {}

    /// \param rows    [T, H]
    /// \param phases  of the rows
    /// \returns [T, H]
    at::Tensor operator()(at::Tensor const& rows, PackedInput const& input, RotaryPhases const& phases,
                          ForwardContext& context) const {
        return transform(attend(rows, input, phases, context), context);
    }
    /// The first block.                                                                                    [T, H] -> [T, H]
    at::Tensor attend(at::Tensor const& rows, PackedInput const& input, RotaryPhases const& phases,
                      ForwardContext& context) const {
        std::vector<at::Tensor> const parts = rotated_parts(qkv(rows), phases, heads, 3, 2);   // queries, keys, values
        AttentionOptions const options{.heads = heads, .dropout = attention_dropout};
        at::Tensor const read = packed_attention(parts[0], parts[1], parts[2], input, options, context);
        return attention_norm(rows + dropout(attention_output(read), hidden_dropout, context));
    }
    /// The second block.                                                                                   [T, H] -> [T, H]
    at::Tensor transform(at::Tensor const& rows, ForwardContext& context) const {
        return output_norm(rows + dropout(down(up(rows) * at::silu(gate(rows))), hidden_dropout, context));
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        qkv.for_each_parameter(prefix + ".attn.Wqkv", visit);
        attention_output.for_each_parameter(prefix + ".attn.out_proj", visit);
        attention_norm.for_each_parameter(prefix + ".norm1", visit);
        up.for_each_parameter(prefix + ".mlp.fc11", visit);
        gate.for_each_parameter(prefix + ".mlp.fc12", visit);
        down.for_each_parameter(prefix + ".mlp.fc2", visit);
        output_norm.for_each_parameter(prefix + ".norm2", visit);
    }
    /// The linear maps, to pack them for inference.
    template <class Visit>
    void for_each_linear(Visit&& visit) {
        for (Linear* const map : {&qkv, &attention_output, &up, &gate, &down}) { visit(*map); }
    }
};

/// logits = LayerNorm(silu(x W + b)) E^T + c, with E the word embeddings and c the output bias.
struct NomicBertHead {
    Linear dense = {};
    LayerNorm norm = {};
    at::Tensor bias = {};   ///< [V]

    NomicBertHead() = default;
    explicit NomicBertHead(Shape const& shape)
        : dense(shape.width, shape.width), norm(shape.width, shape.norm_epsilon), bias(at::empty({shape.vocabulary})) {}

    /// The input of the embedding matrix.                                                       [M, H] -> [M, H]
    at::Tensor transform(at::Tensor const& rows) const { return norm(at::silu(dense(rows))); }

    /// \param word  [V, H] the encoder's word embeddings
    /// \returns [M, V]
    at::Tensor logits(at::Tensor const& rows, at::Tensor const& word) const {
        return detail::affine(transform(rows), word, bias);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        dense.for_each_parameter(prefix + ".transform.dense", visit);
        norm.for_each_parameter(prefix + ".transform.layer_norm", visit);
        visit(prefix + ".bias", bias, ParameterRole::bias);
    }
};

/// NomicBERT (Nussbaum et al., arXiv 2402.01613): BERT with rotary positions and SwiGLU, without biases in its layers. Parameter names are
/// those of the published files, with `encoder.` before embeddings and layers.
///
/// Its family reaches decoders through `Shape::rotary_base`: they have rotary layers of ModernBERT's kind, or with
/// `decoder.family=bert` BERT's.
class NomicBertEncoder {
public:
    using Options = NomicBertConfig;
    static constexpr std::string_view name = "nomic_bert";

    explicit NomicBertEncoder(NomicBertConfig config, std::uint64_t seed = 0)
        : NomicBertEncoder(std::move(config), seed, [](std::string const&) { return true; }) {}

    /// \param drawn  whether a parameter, by its name, is to be initialized; the others hold anything until they are loaded
    template <std::predicate<std::string const&> Drawn>
    NomicBertEncoder(NomicBertConfig config, std::uint64_t seed, Drawn const& drawn)
        : embeddings(checked(config).shape()), head(config.shape()), config_(std::move(config)) {
        for (std::int64_t i = 0; i < config_.num_hidden_layers; ++i) { rotary_layers.emplace_back(config_.shape()); }
        initialize(*this, "", seed, Initialization::bert, config_.initializer_range, drawn);
    }

    /// \param keep_layers  also return the output of every layer
    [[nodiscard]] Encoded encode(PackedInput const& input, ForwardContext& context, bool keep_layers = false) const {
        return encode_rows(embeddings(input.input_ids, input.positions, context, input.token_types), input, context, keep_layers);
    }

    /// The layers on given rows in place of embeddings.                                                           [T, H]
    /// Throws InputError for a text of more tokens than `max_position_embeddings`.
    [[nodiscard]] Encoded encode_rows(at::Tensor rows, PackedInput const& input, ForwardContext& context,
                                      bool keep_layers = false) const {
        RotaryPhases const phases = phases_of(input);
        Encoded encoded{.hidden = std::move(rows)};
        if (keep_layers) { encoded.layers.push_back(encoded.hidden); }
        LayerRuns const run(input, context);
        for (NomicBertLayer const& layer : rotary_layers) {
            encoded.hidden =
                run(layer, encoded.hidden, [phases](auto const& each, auto const& given, auto const& read, auto& keys) {
                    return each(given, read, phases, keys);
                });
            if (keep_layers) { encoded.layers.push_back(encoded.hidden); }
        }
        return encoded;
    }

    /// The hidden state of the first token of each text; the feed-forward block of the last layer runs for these alone.   [B, H]
    [[nodiscard]] at::Tensor encode_first(PackedInput const& input, ForwardContext& context) const {
        if (context.training) { return encode(input, context).hidden.index_select(0, input.first_rows); }
        RotaryPhases const phases = phases_of(input);
        at::Tensor rows = embeddings(input.input_ids, input.positions, context, input.token_types);
        for (NomicBertLayer const& layer : rotary_layers) {
            rows = layer.attend(rows, input, phases, context);
            if (&layer == &rotary_layers.back()) { rows = rows.index_select(0, input.first_rows); }
            rows = layer.transform(rows, context);
        }
        return rows;
    }

    [[nodiscard]] NomicBertConfig const& config() const noexcept { return config_; }
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
        embeddings.for_each_parameter(prefix, visit);
        for (std::size_t i = 0; i < rotary_layers.size(); ++i) {
            rotary_layers[i].for_each_parameter(prefix + ".layers." + std::to_string(i), visit);
        }
    }
    /// The linear maps of the body, to pack them for inference.
    template <class Visit>
    void for_each_linear(Visit&& visit) {
        for (NomicBertLayer& layer : rotary_layers) { layer.for_each_linear(visit); }
    }

    NomicBertEmbeddings embeddings;
    std::vector<NomicBertLayer> rotary_layers = {};
    NomicBertHead head;

private:
    static NomicBertConfig const& checked(NomicBertConfig const& config) {
        config.validate();
        return config;
    }

    [[nodiscard]] RotaryPhases phases_of(PackedInput const& input) const {
        std::int64_t longest = 0;
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            longest = std::max(longest, input.offsets[b + 1] - input.offsets[b]);
        }
        if (longest > config_.max_position_embeddings) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "texts of at most " + std::to_string(config_.max_position_embeddings) +
                                                    " tokens, max_position_embeddings",
                                        .found = std::to_string(longest),
                                        .hint = "Cut texts: the model was trained for no longer ones."});
        }
        return rotary_phases(input.positions, config_.hidden_size / config_.num_attention_heads, config_.rope_theta);
    }

    NomicBertConfig config_;
};

static_assert(HasTokenHead<NomicBertEncoder> && HasPositionTable<NomicBertEncoder> && EncodesRows<NomicBertEncoder>);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <bmae/encoders/nomic_bert_config_json.hpp>

namespace bmae {

BMAE_INLINE std::string NomicBertEncoder::description() const { return config_json(config_).dump(); }

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
