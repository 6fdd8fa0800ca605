// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The poorest encoders that still fill the role: what compiles and trains over these asks an encoder for nothing undocumented.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>

#include <bmae/concepts/encoder.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/transformer_layer.hpp>

namespace bmae_test {

/// Sizes of both.
struct PoorOptions {
    std::int64_t vocabulary = 60;
    std::int64_t width = 16;
    std::int64_t positions = 40;
};

/// The mean of the rows of each text, at each of its rows.                                                   [T, H] -> [T, H]
inline at::Tensor text_means(at::Tensor const& rows, bmae::PackedInput const& input) {
    at::Tensor const sums = at::zeros({input.texts(), rows.size(1)}, rows.options().requires_grad(false));
    at::Tensor const ones = at::zeros({input.texts()}, rows.options().requires_grad(false));
    at::Tensor const counts = ones.index_add(0, input.text_of_row, at::zeros({rows.size(0)}, ones.options()) + 1);
    return (sums.index_add(0, input.text_of_row, rows) / counts.unsqueeze(1)).index_select(0, input.text_of_row);
}

/// Word embeddings and the mean of the text: no head, no positions, no layers. An `Encoder` and nothing more.
class HeadlessEncoder {
public:
    using Options = PoorOptions;
    static constexpr std::string_view name = "headless";

    HeadlessEncoder(Options options, std::uint64_t seed) : options_(options) {
        embeddings.word = at::empty({options.vocabulary, options.width});
        bmae::initialize(*this, "", seed, bmae::Initialization::bert, shape().initial_deviation);
    }

    [[nodiscard]] bmae::Encoded encode(bmae::PackedInput const& input, bmae::ForwardContext& context, bool keep_layers) const {
        at::Tensor const rows = embeddings(input.input_ids, input.positions, context);
        bmae::Encoded encoded{.hidden = rows + text_means(rows, input)};
        if (keep_layers) { encoded.layers = {rows, encoded.hidden}; }
        return encoded;
    }
    [[nodiscard]] bmae::Shape shape() const {
        return {.width = options_.width,
                .vocabulary = options_.vocabulary,
                .embedding_width = options_.width,
                .positions = options_.positions,
                .layers = 1,
                .heads = 2,
                .inner_width = 2 * options_.width,
                .initial_deviation = .2};
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + "words", embeddings.word, true);
    }

    struct Table {
        at::Tensor word = {};   ///< [V, H]
        at::Tensor operator()(at::Tensor const& ids, at::Tensor const&, bmae::ForwardContext&) const {
            return word.index_select(0, ids);
        }
    } embeddings = {};

private:
    Options options_;
};
static_assert(bmae::Encoder<HeadlessEncoder>);
static_assert(!bmae::HasTokenHead<HeadlessEncoder> && !bmae::HasPositionTable<HeadlessEncoder> &&
              !bmae::EncodesRows<HeadlessEncoder>);

/// Embeddings, one linear map of each row beside the mean of its text, and a head: all that any part of the library requires,
/// each in its poorest form. It tells no token types apart and has no dropout.
class PoorEncoder {
public:
    using Options = PoorOptions;
    static constexpr std::string_view name = "poor";

    PoorEncoder(Options options, std::uint64_t seed) : options_(options) {
        embeddings.word = at::empty({options.vocabulary, options.width});
        embeddings.position = at::empty({options.positions, options.width});
        mix_ = at::empty({options.width, 2 * options.width});
        head.weight = at::empty({options.width, options.width});
        head.bias = at::empty({options.vocabulary});
        bmae::initialize(*this, "", seed, bmae::Initialization::bert, shape().initial_deviation);
    }

    [[nodiscard]] bmae::Encoded encode(bmae::PackedInput const& input, bmae::ForwardContext& context, bool keep_layers) const {
        return encode_rows(embeddings(input.input_ids, input.positions, context), input, context, keep_layers);
    }
    [[nodiscard]] bmae::Encoded encode_rows(at::Tensor rows, bmae::PackedInput const& input, bmae::ForwardContext&,
                                            bool keep_layers) const {
        at::Tensor const own = mix_.narrow(1, 0, options_.width);
        at::Tensor const others = mix_.narrow(1, options_.width, options_.width);
        bmae::Encoded encoded{.hidden = at::tanh(at::linear(rows, own) + at::linear(text_means(rows, input), others))};
        if (keep_layers) { encoded.layers = {rows, encoded.hidden}; }
        return encoded;
    }
    [[nodiscard]] bmae::Shape shape() const {
        return {.width = options_.width,
                .vocabulary = options_.vocabulary,
                .embedding_width = options_.width,
                .positions = options_.positions,
                .layers = 1,
                .heads = 2,
                .inner_width = 2 * options_.width,
                .initial_deviation = .2};
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        for_each_body_parameter(prefix + "body", visit);
        visit(prefix + "head.weight", head.weight, true);
        visit(prefix + "head.bias", head.bias, false);
    }
    template <class Visit>
    void for_each_body_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".words", embeddings.word, true);
        visit(prefix + ".positions", embeddings.position, true);
        visit(prefix + ".mix", mix_, true);
    }

    struct Tables {
        at::Tensor word = {};       ///< [V, H]
        at::Tensor position = {};   ///< [P, H]
        at::Tensor operator()(at::Tensor const& ids, at::Tensor const& positions, bmae::ForwardContext& context) const {
            return embed_vectors(word.index_select(0, ids), positions, context);
        }
        at::Tensor embed_vectors(at::Tensor const& vectors, at::Tensor const& positions, bmae::ForwardContext&) const {
            return vectors + position_rows(vectors, positions);
        }
        at::Tensor position_rows(at::Tensor const&, at::Tensor const& positions) const {
            return position.index_select(0, positions);
        }
    } embeddings = {};
    struct Head {
        at::Tensor weight = {};   ///< [H, H]
        at::Tensor bias = {};     ///< [V]
        at::Tensor transform(at::Tensor const& rows) const { return at::linear(rows, weight); }
    } head = {};

private:
    Options options_;
    at::Tensor mix_ = {};   ///< [H, 2 H]
};
static_assert(bmae::HasTokenHead<PoorEncoder> && bmae::HasPositionTable<PoorEncoder> && bmae::EncodesRows<PoorEncoder>);

/// The same with a stack of the library's layers in place of the linear map, for decoders that run them.
class LayeredPoorEncoder : public PoorEncoder {
public:
    LayeredPoorEncoder(Options options, std::uint64_t seed) : PoorEncoder(options, seed), layers(bmae::make_layers(1, shape())) {
        bmae::initialize(*this, "", seed, bmae::Initialization::bert, shape().initial_deviation);
    }

    [[nodiscard]] bmae::Encoded encode(bmae::PackedInput const& input, bmae::ForwardContext& context, bool keep_layers) const {
        at::Tensor const rows = embeddings(input.input_ids, input.positions, context);
        bmae::Encoded encoded{.hidden = layers[0](rows, rows, input, nullptr, context)};
        if (keep_layers) { encoded.layers = {rows, encoded.hidden}; }
        return encoded;
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        PoorEncoder::for_each_parameter(prefix, visit);
        bmae::for_each_parameter(layers, prefix + "body", visit);
    }

    bmae::LayerStack layers;
};
static_assert(bmae::Encoder<LayeredPoorEncoder>);

}  // namespace bmae_test
