// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// GPT-2 (Radford et al., 2019) for generation: pre-LN layers, cached keys and values. No gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <bmae/generation/generate.hpp>
#include <bmae/generation/named_weights.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/nn/activation.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// The options of config.json that define a GPT-2.
struct Gpt2Config {
    std::int64_t vocab_size = 50257;   ///< V
    std::int64_t positions = 1024;     ///< P
    std::int64_t width = 768;          ///< H
    std::int64_t layers = 12;
    std::int64_t heads = 12;
    std::int64_t inner = 3072;   ///< width between the two linear maps of a layer
    Activation activation = Activation::gelu_tanh;
    double epsilon = 1e-5;
    bool scale = true;             ///< scores of attention are divided by the root of a head's width
    bool scale_by_layer = false;   ///< and by the index of the layer, from 1
};

/// \throws InputError  another architecture, options that do not match
inline Gpt2Config read_gpt2_config(std::filesystem::path const& path) {
    auto const file = detail::JsonObject::read(path);
    if (auto const type = file.require<std::string>("model_type"); type != "gpt2") {
        throw file.refuse("\"model_type\": \"gpt2\"", '"' + type + '"', "GPT-2 and T5 are supported for generation.");
    }
    if (file.get("add_cross_attention", false)) { throw file.refuse("\"add_cross_attention\": false", "true"); }
    Gpt2Config config{.vocab_size = detail::positive(file, "vocab_size"),
                      .positions = detail::positive(file, "n_positions"),
                      .width = detail::positive(file, "n_embd"),
                      .layers = detail::positive(file, "n_layer", {}, detail::most_layers),
                      .heads = detail::positive(file, "n_head"),
                      .activation = detail::activation_of(file, file.get<std::string>("activation_function", "gelu_new")),
                      .epsilon = file.get("layer_norm_epsilon", 1e-5),
                      .scale = file.get("scale_attn_weights", true),
                      .scale_by_layer = file.get("scale_attn_by_inverse_layer_idx", false)};
    config.inner = detail::positive(file, "n_inner", 4 * config.width, 400'000'000);
    if (config.width % config.heads != 0) {
        throw file.refuse("\"n_head\" that divides \"n_embd\"",
                          std::to_string(config.heads) + " and " + std::to_string(config.width));
    }
    return config;
}

/// The rows of a GPT-2 between two steps.                                    legend: R rows, A heads, D width of a head, C room
struct Gpt2State {
    at::Tensor scores = {};              ///< [R, V] logits of the next token
    std::vector<at::Tensor> keys = {};   ///< per layer [R, A, C, D]; row r holds lengths[r] of them
    std::vector<at::Tensor> values = {};
    std::vector<std::int64_t> lengths = {};   ///< [R] tokens so far
    std::int64_t samples = 1;
};

/// A GPT-2 with its weights. Copies share them; const members may run in several threads.
class Gpt2 {
public:
    /// Reads config.json and the weights of a folder, under the names with or without "transformer.".
    /// \throws InputError  files that are missing, another architecture, tensors that do not fit
    static Gpt2 load(std::filesystem::path const& folder, at::Device device = at::kCPU) {
        auto opened = detail::open_model(folder, read_gpt2_config, {"transformer."}, device);
        auto const& config = opened.config;
        detail::NamedWeights& weights = opened.weights;
        std::int64_t const h = config.width;
        Gpt2 model(config, device);
        auto const norm = [&](std::string const& name) {
            LayerNorm made;
            made.weight = weights.take(name + ".weight", {h});
            made.bias = weights.take(name + ".bias", {h});
            made.epsilon = config.epsilon;
            return made;
        };
        auto const map = [&](std::string const& name, std::int64_t in, std::int64_t out) {
            Linear made;
            at::Tensor const stored = weights.take(name + ".weight", {in, out});   // GPT-2 stores its matrices transposed
            if (stored.defined()) { made.weight = stored.t(); }
            made.bias = weights.take(name + ".bias", {out});
            return made;
        };
        model.words_ = weights.take("wte.weight", {config.vocab_size, h});
        model.positions_ = weights.take("wpe.weight", {config.positions, h});
        model.last_ = norm("ln_f");
        model.head_ = opened.take_head(model.words_);
        for (std::int64_t i = 0; i < config.layers; ++i) {
            std::string const name = "h." + std::to_string(i) + '.';
            model.layers_.push_back({norm(name + "ln_1"), map(name + "attn.c_attn", h, 3 * h), map(name + "attn.c_proj", h, h),
                                     norm(name + "ln_2"), map(name + "mlp.c_fc", h, config.inner),
                                     map(name + "mlp.c_proj", config.inner, h)});
        }
        weights.check();
        return model;
    }

    [[nodiscard]] Gpt2Config const& config() const noexcept { return config_; }

    /// Reads the prompts. See `LanguageModel`.
    /// \throws InputError  an empty prompt, one that leaves no position, an id that is not in the vocabulary
    [[nodiscard]] Gpt2State start(std::span<Prompt const> prompts, std::int64_t samples, std::int64_t room) const {
        at::NoGradGuard const no_gradients;
        auto const count = static_cast<std::int64_t>(prompts.size());
        Gpt2State state{.samples = samples};
        std::int64_t longest = 0;
        for (Prompt const& prompt : prompts) {
            auto const length = static_cast<std::int64_t>(prompt.ids.size());
            if (length == 0 || length + room > config_.positions) {
                throw InputError(Diagnostic{
                    .file = {},
                    .expected =
                        "prompts of 1 to " + std::to_string(std::max<std::int64_t>(0, config_.positions - room)) + " tokens",
                    .found = "one of " + std::to_string(length),
                    .hint = "The model has " + std::to_string(config_.positions) + " positions: shorten prompt or output."});
            }
            longest = std::max(longest, length);
            state.lengths.push_back(length);
        }
        at::Tensor ids = at::zeros({count, longest}, at::kLong);   // positions after a prompt are masked by causality
        auto* const rows = ids.mutable_data_ptr<std::int64_t>();
        for (std::int64_t i = 0; i < count; ++i) {
            auto const& prompt = prompts[static_cast<std::size_t>(i)].ids;
            detail::require_known(prompt, config_.vocab_size);
            std::copy(prompt.begin(), prompt.end(), rows + i * longest);
        }
        std::int64_t const width = config_.width / config_.heads;
        for (std::int64_t i = 0; i < config_.layers; ++i) {
            for (auto* const cache : {&state.keys, &state.values}) {
                cache->push_back(
                    at::zeros({count, config_.heads, longest + room, width}, at::TensorOptions(at::kFloat).device(device_)));
            }
        }
        at::Tensor x = at::embedding(words_, ids.to(device_)) + positions_.narrow(0, 0, longest);   // [N, L, H]
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            auto const [query, key, value] = project(layers_[i], x);
            state.keys[i].narrow(2, 0, longest).copy_(key);
            state.values[i].narrow(2, 0, longest).copy_(value);
            x = finish(layers_[i], x, at::scaled_dot_product_attention(query, key, value, {}, 0.0, true, attention_scale(i)));
        }
        at::Tensor const ends =
            at::tensor(state.lengths, at::kLong).to(device_).view({-1, 1, 1}).expand({-1, 1, config_.width}) - 1;
        state.scores = scores(x.gather(1, ends));
        if (samples > 1) { repeat(state, samples); }
        return state;
    }

    /// Appends one token to each row.                                                                                tokens: [R]
    void step(Gpt2State& state, std::span<TokenId const> tokens) const {
        at::NoGradGuard const no_gradients;
        detail::require_known(tokens, config_.vocab_size);
        auto const rows = static_cast<std::int64_t>(tokens.size());
        at::Tensor const ids = at::tensor(std::vector<std::int64_t>(tokens.begin(), tokens.end()), at::kLong).to(device_);
        at::Tensor const places = at::tensor(state.lengths, at::kLong).to(device_);   // [R] positions of the new keys
        auto const [least, most] = std::minmax_element(state.lengths.begin(), state.lengths.end());
        std::int64_t const seen = *most + 1;
        at::Tensor mask;
        if (*least != *most) {
            at::Tensor const hidden = at::arange(seen, places.options()).unsqueeze(0) > places.unsqueeze(1);   // [R, seen]
            mask = at::zeros({rows, 1, 1, seen}, words_.options()).masked_fill_(hidden.view({rows, 1, 1, seen}), -INFINITY);
        }
        std::int64_t const width = config_.width / config_.heads;
        at::Tensor const slots = places.view({-1, 1, 1, 1}).expand({rows, config_.heads, 1, width});
        at::Tensor x = (at::embedding(words_, ids) + at::embedding(positions_, places)).unsqueeze(1);   // [R, 1, H]
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            auto const [query, key, value] = project(layers_[i], x);
            if (mask.defined()) {
                state.keys[i].scatter_(2, slots, key);
                state.values[i].scatter_(2, slots, value);
            } else {
                state.keys[i].narrow(2, *most, 1).copy_(key);
                state.values[i].narrow(2, *most, 1).copy_(value);
            }
            std::optional<at::Tensor> const hides = mask.defined() ? std::optional(mask) : std::nullopt;
            x = finish(
                layers_[i], x,
                at::scaled_dot_product_attention(query, state.keys[i].narrow(2, 0, seen), state.values[i].narrow(2, 0, seen),
                                                 hides, 0.0, false, attention_scale(i)));
        }
        for (std::int64_t& length : state.lengths) { ++length; }
        state.scores = scores(x);
    }

    /// Drops the rows of all prompts but these.
    void keep(Gpt2State& state, std::span<std::int64_t const> prompts) const {
        at::NoGradGuard const no_gradients;
        std::vector<std::int64_t> rows;
        std::vector<std::int64_t> lengths;
        for (std::int64_t const prompt : prompts) {
            for (std::int64_t sample = 0; sample < state.samples; ++sample) {
                rows.push_back(prompt * state.samples + sample);
                lengths.push_back(state.lengths[static_cast<std::size_t>(rows.back())]);
            }
        }
        at::Tensor const index = at::tensor(rows, at::kLong).to(device_);
        for (auto* const cache : {&state.keys, &state.values}) {
            for (at::Tensor& layer : *cache) { layer = layer.index_select(0, index); }
        }
        state.scores = state.scores.index_select(0, index);
        state.lengths = std::move(lengths);
    }

private:
    struct Layer {
        LayerNorm first;
        Linear attention;   // H to 3H: queries, keys, values
        Linear output;
        LayerNorm second;
        Linear wider;
        Linear narrower;
    };
    struct Projected {
        at::Tensor query;   // [R, A, L, D]
        at::Tensor key;
        at::Tensor value;
    };

    Gpt2(Gpt2Config const& config, at::Device device) : config_(config), device_(device) {}

    [[nodiscard]] Projected project(Layer const& layer, at::Tensor const& x) const {
        at::Tensor const all = layer.attention(layer.first(x))
                                   .view({x.size(0), x.size(1), 3, config_.heads, config_.width / config_.heads})
                                   .permute({2, 0, 3, 1, 4});
        return {all.select(0, 0), all.select(0, 1), all.select(0, 2)};
    }
    /// The layer after attention.                                          x: [R, L, H], attended: [R, A, L, D] -> [R, L, H]
    [[nodiscard]] at::Tensor finish(Layer const& layer, at::Tensor const& x, at::Tensor const& attended) const {
        at::Tensor const middle = x + layer.output(attended.transpose(1, 2).reshape(x.sizes()));
        return middle + layer.narrower(activate(layer.wider(layer.second(middle)), config_.activation));
    }
    [[nodiscard]] double attention_scale(std::size_t layer) const {
        double const scale =
            config_.scale ? 1 / std::sqrt(static_cast<double>(config_.width) / static_cast<double>(config_.heads)) : 1;
        return config_.scale_by_layer ? scale / static_cast<double>(layer + 1) : scale;
    }
    [[nodiscard]] at::Tensor scores(at::Tensor const& x) const {   // [R, 1, H] -> [R, V]
        return at::linear(last_(x).squeeze(1), head_);
    }
    void repeat(Gpt2State& state, std::int64_t samples) const {
        for (auto* const cache : {&state.keys, &state.values}) {
            for (at::Tensor& layer : *cache) { layer = layer.repeat_interleave(samples, 0); }
        }
        state.scores = state.scores.repeat_interleave(samples, 0);
        std::vector<std::int64_t> lengths;
        for (std::int64_t const length : state.lengths) {
            lengths.insert(lengths.end(), static_cast<std::size_t>(samples), length);
        }
        state.lengths = std::move(lengths);
    }
    Gpt2Config config_;
    at::Device device_;
    at::Tensor words_;       // [V, H]
    at::Tensor positions_;   // [P, H]
    at::Tensor head_;        // [V, H]
    LayerNorm last_;
    std::vector<Layer> layers_;
};

static_assert(LanguageModel<Gpt2>);

}  // namespace bmae
