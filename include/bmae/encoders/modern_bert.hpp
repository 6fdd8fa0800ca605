// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ModernBERT, of any size, over packed rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/encoders/modern_bert_config.hpp>
#include <bmae/nn/activation.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/gated_layer.hpp>
#include <bmae/nn/gather_rows.hpp>
#include <bmae/nn/recompute.hpp>
#include <bmae/nn/truncated_normal.hpp>
#include <bmae/nn/unshifted_norm.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// E(x) = Dropout(LayerNorm(word)); positions enter in the layers.
struct ModernBertEmbeddings {
    at::Tensor word = {};   ///< [V, H]
    UnshiftedNorm norm = {};
    double dropout_rate = 0;

    ModernBertEmbeddings() = default;
    ModernBertEmbeddings(Shape const& shape, double dropout)
        : word(at::empty({shape.vocabulary, shape.width})), norm(shape.width, shape.norm_epsilon), dropout_rate(dropout) {}

    /// \param ids  [T]
    /// \returns [T, H]
    /// Throws InputError for ids that the table lacks.
    at::Tensor operator()(at::Tensor const& ids, at::Tensor const& positions, ForwardContext& context) const {
        return embed_vectors(gather_rows(word, ids, "token ids"), positions, context);
    }
    /// The same for given vectors in place of word embeddings.                                        [T, H] -> [T, H]
    at::Tensor embed_vectors(at::Tensor const& vectors, at::Tensor const&, ForwardContext& context) const {
        return dropout(norm(vectors), dropout_rate, context);
    }
    /// Zeros: nothing is added to a vector for its position, queries and keys are turned instead.    [T, H], positions [T] -> [T, H]
    at::Tensor position_rows(at::Tensor const& vectors, at::Tensor const& positions) const {
        return at::zeros({1, 1}, vectors.options().requires_grad(false)).expand({positions.size(0), vectors.size(1)});
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".tok_embeddings.weight", word, ParameterRole::weight);
        norm.for_each_parameter(prefix + ".norm", visit);
    }
};

/// logits = LayerNorm(gelu(x W)) E^T + c, with E the word embeddings and c the output bias.
struct ModernBertHead {
    at::Tensor dense = {};   ///< [H, H]
    UnshiftedNorm norm = {};
    Activation activation = Activation::gelu;
    at::Tensor bias = {};   ///< [V]

    ModernBertHead() = default;
    explicit ModernBertHead(Shape const& shape)
        : dense(at::empty({shape.width, shape.width})),
          norm(shape.width, shape.norm_epsilon),
          activation(shape.head_activation),
          bias(at::empty({shape.vocabulary})) {}

    /// The input of the embedding matrix.                                                       [M, H] -> [M, H]
    at::Tensor transform(at::Tensor const& rows) const { return norm(activate(detail::affine(rows, dense), activation)); }

    /// \param word  [V, H] the encoder's word embeddings
    /// \returns [M, V]
    at::Tensor logits(at::Tensor const& rows, at::Tensor const& word) const {
        return detail::affine(transform(rows), word, bias);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".dense.weight", dense, ParameterRole::weight);
        norm.for_each_parameter(prefix + ".norm", visit);
        visit(prefix + ".bias", bias, ParameterRole::bias);
    }
};

/// ModernBERT (Warner et al., arXiv 2412.13663): pre-norm layers without biases, rotary positions, gated feed-forward blocks, global
/// and local attention in turn. Parameter names are those of Hugging Face's ModernBertForMaskedLM with `encoder.` for `model.` and
/// `head.bias` for `decoder.bias`.
///
/// Its family reaches decoders through `Shape::rotary_base`: they have its layers, with global attention and rotary positions.
/// New weights are drawn as transformers draws them: N(0, s) cut at `initializer_cutoff_factor` s, with s = `initializer_range` for
/// embeddings, Wqkv and Wi, and s / sqrt(2 layers) for both Wo and the dense layer of the head.
class ModernBertEncoder {
public:
    using Options = ModernBertConfig;
    static constexpr std::string_view name = "modernbert";

    explicit ModernBertEncoder(ModernBertConfig config, std::uint64_t seed = 0)
        : ModernBertEncoder(std::move(config), seed, [](std::string const&) { return true; }) {}

    /// \param drawn  whether a parameter, by its name, is to be initialized; the others hold anything until they are loaded
    template <std::predicate<std::string const&> Drawn>
    ModernBertEncoder(ModernBertConfig config, std::uint64_t seed, Drawn const& drawn)
        : embeddings(checked(config).shape(), config.embedding_dropout),
          layers(config.num_hidden_layers, config.shape()),
          head(config.shape()),
          config_(std::move(config)) {
        layers.local_base = config_.local_rope_theta;
        layers.layer.front().attention_norm = {};   // the embeddings end with a norm
        for (std::size_t i = 0; i < layers.layer.size(); ++i) {
            if (config_.is_local(static_cast<std::int64_t>(i))) { layers.layer[i].window = config_.reach(); }
        }
        double const smaller = config_.initializer_range / std::sqrt(2.0 * static_cast<double>(config_.num_hidden_layers));
        for_each_parameter("", [&](std::string const& parameter, at::Tensor& value, ParameterRole role) {
            bool const is_small = value.is_same(head.dense) || layers.writes_residual(value);
            if (!drawn(parameter)) { return; }
            initialize_truncated(parameter, value, role, seed, is_small ? smaller : config_.initializer_range,
                                 config_.initializer_cutoff_factor);
        });
    }

    /// \param keep_layers  also return the output of every layer; that of the last is behind the last norm
    [[nodiscard]] Encoded encode(PackedInput const& input, ForwardContext& context, bool keep_layers = false) const {
        require_untyped(input);
        return encode_rows(embeddings(input.input_ids, input.positions, context), input, context, keep_layers);
    }

    /// The layers on given rows in place of embeddings.                                                           [T, H]
    /// Throws InputError for a text of more tokens than `max_position_embeddings`.
    [[nodiscard]] Encoded encode_rows(at::Tensor rows, PackedInput const& input, ForwardContext& context,
                                      bool keep_layers = false) const {
        require_lengths(input);
        GatedStack::Phases const phases = layers.phases(input.positions);
        Encoded encoded{.hidden = std::move(rows)};
        if (keep_layers) { encoded.layers.push_back(encoded.hidden); }
        LayerRuns const run(input, context);
        for (GatedLayer const& layer : layers.layer) {
            encoded.hidden = run(layer, encoded.hidden,
                                 [turned = phases.of(layer)](auto const& each, auto const& given, auto const& read, auto& keys) {
                                     return each(given, given, read, nullptr, turned, keys);
                                 });
            if (keep_layers) { encoded.layers.push_back(encoded.hidden); }
        }
        encoded.hidden = layers.final_norm(encoded.hidden);
        if (keep_layers) { encoded.layers.back() = encoded.hidden; }
        return encoded;
    }

    /// The hidden state of the first token of each text; the feed-forward block of the last layer runs for these alone.   [B, H]
    [[nodiscard]] at::Tensor encode_first(PackedInput const& input, ForwardContext& context) const {
        if (context.training) { return encode(input, context).hidden.index_select(0, input.first_rows); }
        require_untyped(input);
        require_lengths(input);
        GatedStack::Phases const phases = layers.phases(input.positions);
        at::Tensor rows = embeddings(input.input_ids, input.positions, context);
        for (GatedLayer const& layer : layers.layer) {
            rows = layer.attend(rows, rows, input, nullptr, phases.of(layer), context);
            if (&layer == &layers.layer.back()) { rows = rows.index_select(0, input.first_rows); }
            rows = layer.transform(rows, context);
        }
        return layers.final_norm(rows);
    }

    [[nodiscard]] ModernBertConfig const& config() const noexcept { return config_; }
    /// What a run records of the encoder, to tell two apart: JSON.
    [[nodiscard]] std::string description() const;
    [[nodiscard]] Shape shape() const { return config_.shape(); }
    /// The layers, which a decoder of this family may copy.
    [[nodiscard]] GatedStack const* gated_layers() const noexcept { return &layers; }

    /// \param prefix  put before every name: empty for the encoder of a model, "query." for a second tower
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        for_each_body_parameter(prefix + "encoder", visit);
        head.for_each_parameter(prefix + "head", visit);
    }
    /// All but the language-model head, without the prefix `encoder`.
    template <class Visit>
    void for_each_body_parameter(std::string const& prefix, Visit&& visit) {
        embeddings.for_each_parameter(prefix + ".embeddings", visit);
        layers.for_each_parameter(prefix, visit);
    }

    /// The linear maps of the body, to pack them for inference.
    template <class Visit>
    void for_each_linear(Visit&& visit) {
        for (GatedLayer& layer : layers.layer) { layer.for_each_linear(visit); }
    }

    ModernBertEmbeddings embeddings;
    GatedStack layers;
    ModernBertHead head;

private:
    static ModernBertConfig const& checked(ModernBertConfig const& config) {
        config.validate();
        return config;
    }

    void require_untyped(PackedInput const& input) const {
        if (!input.token_types.defined()) { return; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "an encoder with two token types, for pairs of texts or title and body",
                                    .found = "ModernBERT, which has none",
                                    .hint = "Read the texts without token types, or use BERT or ELECTRA."});
    }
    void require_lengths(PackedInput const& input) const {
        std::int64_t longest = 0;
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            longest = std::max(longest, input.offsets[b + 1] - input.offsets[b]);
        }
        if (longest <= config_.max_position_embeddings) { return; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "texts of at most " + std::to_string(config_.max_position_embeddings) +
                                                " tokens, max_position_embeddings",
                                    .found = std::to_string(longest),
                                    .hint = "Cut texts: the model was trained for no longer ones."});
    }

    ModernBertConfig config_;
};

static_assert(HasTokenHead<ModernBertEncoder> && HasPositionTable<ModernBertEncoder> && EncodesRows<ModernBertEncoder>);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <bmae/encoders/modern_bert_config_json.hpp>

namespace bmae {

BMAE_INLINE std::string ModernBertEncoder::description() const { return config_json(config_).dump(); }

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
