// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// T5 (Raffel et al., arXiv 1910.10683) for generation: an encoder run once, a decoder with cached keys, values. No gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <bmae/generation/generate.hpp>
#include <bmae/generation/named_weights.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/nn/activation.hpp>
#include <bmae/nn/rms_norm.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// The options of config.json that define a T5.
struct T5Config {
    std::int64_t vocab_size = 32128;   ///< V
    std::int64_t width = 512;          ///< H
    std::int64_t head_width = 64;      ///< D; heads times D need not be H
    std::int64_t heads = 8;            ///< A
    std::int64_t inner = 2048;         ///< width between the linear maps of a layer
    std::int64_t encoder_layers = 6;
    std::int64_t decoder_layers = 6;
    std::int64_t buckets = 32;      ///< of distances between tokens
    std::int64_t farthest = 128;    ///< from this distance on all are one bucket
    std::int64_t positions = 512;   ///< tokens of an input in training; the model takes more
    bool gated = false;             ///< v1.1: gated feed-forward layers
    Activation activation = Activation::relu;
    double epsilon = 1e-6;
    bool scale_output = true;   ///< the last states are multiplied by H^-1/2: false in v1.1
    TokenId start_token = 0;    ///< start token of the decoder
};

/// \throws InputError  another architecture, options out of range
inline T5Config read_t5_config(std::filesystem::path const& path) {
    auto const file = detail::JsonObject::read(path);
    if (auto const type = file.require<std::string>("model_type"); type != "t5" && type != "mt5") {
        throw file.refuse("\"model_type\": \"t5\" or \"mt5\"", '"' + type + '"', "GPT-2 and T5 are supported for generation.");
    }
    T5Config config{
        .vocab_size = detail::positive(file, "vocab_size"),
        .width = detail::positive(file, "d_model"),
        .head_width = detail::positive(file, "d_kv"),
        .heads = detail::positive(file, "num_heads"),
        .inner = detail::positive(file, "d_ff"),
        .encoder_layers = detail::positive(file, "num_layers", {}, detail::most_layers),
        .decoder_layers = detail::positive(file, "num_decoder_layers", detail::positive(file, "num_layers"), detail::most_layers),
        .buckets = detail::positive(file, "relative_attention_num_buckets", 32),
        .farthest = detail::positive(file, "relative_attention_max_distance", 128),
        .positions = detail::positive(file, "n_positions", 512),
        .epsilon = file.get("layer_norm_epsilon", 1e-6),
        .start_token = file.get<TokenId>("decoder_start_token_id", 0)};
    auto const form = file.get<std::string>("feed_forward_proj", "relu");
    config.gated = form.starts_with("gated-");
    std::string const name = config.gated ? form.substr(6) : form;
    config.activation = detail::activation_of(file, form == "gated-gelu" ? "gelu_new" : name);
    // In files of v1.1 untied embeddings also mean that nothing is scaled.
    config.scale_output = file.get("scale_decoder_outputs", file.get("tie_word_embeddings", true));
    if (config.buckets < 4 || config.farthest <= config.buckets / 2 || config.decoder_layers < 1) {
        throw file.refuse("at least 4 buckets of distances, a larger maximum distance, a decoder", "other numbers");
    }
    if (config.start_token < 0 || config.start_token >= config.vocab_size) {
        throw file.refuse("\"decoder_start_token_id\" in the vocabulary", std::to_string(config.start_token));
    }
    return config;
}

/// The rows of a T5 between two steps.                     legend: N prompts, S samples of each, R = N S rows, L longest prompt, C room
struct T5State {
    at::Tensor scores = {};              ///< [R, V] logits of the next token
    std::vector<at::Tensor> keys = {};   ///< per layer of the decoder [R, A, C, D]; all rows hold `length` of them
    std::vector<at::Tensor> values = {};
    std::vector<at::Tensor> source_keys = {};   ///< per layer of the decoder [N, A, L, D], of the encoder's output
    std::vector<at::Tensor> source_values = {};
    at::Tensor source_mask = {};   ///< [N, 1, 1, L] 0 or -inf; undefined where all prompts have one length
    at::Tensor distances = {};     ///< [A, C] relative position bias by distance to the key
    std::int64_t length = 0;
    std::int64_t samples = 1;
};

/// A T5 with its weights. Copies share them; const members may run in several threads.
class T5 {
public:
    /// Reads config.json and the weights of a folder.
    /// \throws InputError  files that are missing, another architecture, tensors that do not fit
    static T5 load(std::filesystem::path const& folder, at::Device device = at::kCPU) {
        auto opened = detail::open_model(folder, read_t5_config, {}, device);
        auto const& config = opened.config;
        detail::NamedWeights& weights = opened.weights;
        std::int64_t const h = config.width;
        T5 model(config, device);
        bool const is_shared = weights.has("shared.weight") || !weights.has("encoder.embed_tokens.weight");
        model.words_ = weights.take(is_shared ? "shared.weight" : "encoder.embed_tokens.weight", {config.vocab_size, h});
        model.head_ = opened.take_head(model.words_);
        auto const attention = [&](std::string const& name) {
            std::int64_t const inner = config.heads * config.head_width;
            return Attention{weights.take(name + ".q.weight", {inner, h}), weights.take(name + ".k.weight", {inner, h}),
                             weights.take(name + ".v.weight", {inner, h}), weights.take(name + ".o.weight", {h, inner})};
        };
        auto const norm = [&](std::string const& name) {
            return RmsNorm{.weight = weights.take(name, {h}), .epsilon = config.epsilon};
        };
        auto const stack = [&](std::string const& name, std::int64_t count, bool decodes) {
            Stack made;
            for (std::int64_t i = 0; i < count; ++i) {
                std::string const block = name + ".block." + std::to_string(i) + ".layer.";
                Layer layer;
                layer.norm = norm(block + "0.layer_norm.weight");
                layer.attention = attention(block + "0.SelfAttention");
                if (decodes) {
                    layer.source_norm = norm(block + "1.layer_norm.weight");
                    layer.source_attention = attention(block + "1.EncDecAttention");
                }
                std::string const last = block + (decodes ? "2" : "1");
                layer.inner_norm = norm(last + ".layer_norm.weight");
                layer.wider = weights.take(last + (config.gated ? ".DenseReluDense.wi_0.weight" : ".DenseReluDense.wi.weight"),
                                           {config.inner, h});
                if (config.gated) { layer.gate = weights.take(last + ".DenseReluDense.wi_1.weight", {config.inner, h}); }
                layer.narrower = weights.take(last + ".DenseReluDense.wo.weight", {h, config.inner});
                made.layers.push_back(std::move(layer));
            }
            made.distances = weights.take(name + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                                          {config.buckets, config.heads});
            made.norm = norm(name + ".final_layer_norm.weight");
            return made;
        };
        model.encoder_ = stack("encoder", config.encoder_layers, false);
        model.decoder_ = stack("decoder", config.decoder_layers, true);
        weights.check();
        return model;
    }

    [[nodiscard]] T5Config const& config() const noexcept { return config_; }

    /// Reads the prompts. See `LanguageModel`. A prompt ends with `</s>`, which its tokenizer adds.
    /// \throws InputError  an empty prompt, an id that is not in the vocabulary
    [[nodiscard]] T5State start(std::span<Prompt const> prompts, std::int64_t samples, std::int64_t room) const {
        at::NoGradGuard const no_gradients;
        auto const count = static_cast<std::int64_t>(prompts.size());
        std::int64_t longest = 0;
        bool same = true;
        for (Prompt const& prompt : prompts) {
            if (prompt.ids.empty()) {
                throw InputError(Diagnostic{.file = {}, .expected = "prompts of at least one token", .found = "an empty one"});
            }
            detail::require_known(prompt.ids, config_.vocab_size);
            auto const length = static_cast<std::int64_t>(prompt.ids.size());
            same = same && (longest == 0 || longest == length);
            longest = std::max(longest, length);
        }
        at::Tensor ids = at::zeros({count, longest}, at::kLong);
        at::Tensor mask = at::zeros({count, 1, 1, longest}, at::kFloat);
        for (std::int64_t i = 0; i < count; ++i) {
            auto const& prompt = prompts[static_cast<std::size_t>(i)].ids;
            std::copy(prompt.begin(), prompt.end(), ids.mutable_data_ptr<std::int64_t>() + i * longest);
            std::fill(mask.mutable_data_ptr<float>() + i * longest + static_cast<std::int64_t>(prompt.size()),
                      mask.mutable_data_ptr<float>() + (i + 1) * longest, -INFINITY);
        }
        T5State state{.samples = samples};
        if (!same) { state.source_mask = mask.to(device_); }
        at::Tensor const source = encode(ids.to(device_), state.source_mask);
        auto const options = at::TensorOptions(at::kFloat).device(device_);
        for (Layer const& layer : decoder_.layers) {
            state.source_keys.push_back(split(at::linear(source, layer.source_attention.key)));
            state.source_values.push_back(split(at::linear(source, layer.source_attention.value)));
            for (auto* const cache : {&state.keys, &state.values}) {
                cache->push_back(at::zeros({count * samples, config_.heads, room + 1, config_.head_width}, options));
            }
        }
        at::Tensor const far = at::arange(room + 1, at::kLong);
        state.distances = at::embedding(decoder_.distances, bucket(far, config_.buckets).to(device_)).t().contiguous();
        advance(state, at::zeros({count * samples}, at::kLong).fill_(config_.start_token).to(device_));
        return state;
    }

    /// Appends one token to each row.                                                                                tokens: [R]
    void step(T5State& state, std::span<TokenId const> tokens) const {
        at::NoGradGuard const no_gradients;
        detail::require_known(tokens, config_.vocab_size);
        advance(state, at::tensor(std::vector<std::int64_t>(tokens.begin(), tokens.end()), at::kLong).to(device_));
    }

    /// Drops the rows of all prompts but these.
    void keep(T5State& state, std::span<std::int64_t const> prompts) const {
        at::NoGradGuard const no_gradients;
        std::vector<std::int64_t> rows;
        for (std::int64_t const prompt : prompts) {
            for (std::int64_t sample = 0; sample < state.samples; ++sample) { rows.push_back(prompt * state.samples + sample); }
        }
        at::Tensor const index = at::tensor(rows, at::kLong).to(device_);
        at::Tensor const source_index = at::tensor(prompts, at::kLong).to(device_);
        for (auto* const cache : {&state.keys, &state.values}) {
            for (at::Tensor& layer : *cache) { layer = layer.index_select(0, index); }
        }
        for (auto* const cache : {&state.source_keys, &state.source_values}) {
            for (at::Tensor& layer : *cache) { layer = layer.index_select(0, source_index); }
        }
        if (state.source_mask.defined()) { state.source_mask = state.source_mask.index_select(0, source_index); }
        state.scores = state.scores.index_select(0, index);
    }

private:
    struct Attention {
        at::Tensor query;    // [A D, H]
        at::Tensor key;      // [A D, H]
        at::Tensor value;    // [A D, H]
        at::Tensor output;   // [H, A D]
    };
    struct Layer {
        RmsNorm norm;
        Attention attention;
        RmsNorm source_norm;   // of the decoder alone, as the next
        Attention source_attention;
        RmsNorm inner_norm;
        at::Tensor wider;      // [inner, H]
        at::Tensor gate;       // [inner, H], v1.1 alone
        at::Tensor narrower;   // [H, inner]
    };
    struct Stack {
        std::vector<Layer> layers;
        at::Tensor distances;   // [buckets, A], shared by all layers
        RmsNorm norm;
    };

    T5(T5Config const& config, at::Device device) : config_(config), device_(device) {}

    /// The bucket of each distance >= 0: half of the buckets hold one distance each, the others grow logarithmically.
    [[nodiscard]] at::Tensor bucket(at::Tensor const& distance, std::int64_t buckets) const {
        std::int64_t const exact = buckets / 2;
        double const span = std::log(static_cast<double>(config_.farthest) / static_cast<double>(exact));
        at::Tensor const grown =
            (at::log(distance.to(at::kFloat) / exact) / span * (buckets - exact)).clamp_min(0).to(at::kLong) + exact;
        return at::where(distance < exact, distance, grown.clamp_max(buckets - 1));
    }

    [[nodiscard]] at::Tensor split(at::Tensor const& x) const {   // [N, L, A D] -> [N, A, L, D]
        return x.view({x.size(0), x.size(1), config_.heads, config_.head_width}).transpose(1, 2);
    }
    [[nodiscard]] static at::Tensor joined(at::Tensor const& x) {   // [N, A, L, D] -> [N, L, A D]
        return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
    }
    [[nodiscard]] static at::Tensor attend(at::Tensor const& query, at::Tensor const& key, at::Tensor const& value,
                                           at::Tensor const& added) {
        return at::scaled_dot_product_attention(query, key, value, added.defined() ? std::optional(added) : std::nullopt, 0.0,
                                                false, 1.0);
    }
    [[nodiscard]] at::Tensor inner(Layer const& layer, at::Tensor const& x) const {
        at::Tensor const y = layer.inner_norm(x);
        at::Tensor wide = activate(at::linear(y, layer.wider), config_.activation);
        if (layer.gate.defined()) { wide = wide * at::linear(y, layer.gate); }
        return x + at::linear(wide, layer.narrower);
    }

    /// \param mask  [N, 1, 1, L], or undefined
    /// \returns [N, L, H]
    [[nodiscard]] at::Tensor encode(at::Tensor const& ids, at::Tensor const& mask) const {
        std::int64_t const length = ids.size(1);
        at::Tensor const places = at::arange(length, at::kLong);
        at::Tensor const apart = places.unsqueeze(0) - places.unsqueeze(1);   // [L, L] key minus query
        at::Tensor const buckets = bucket(apart.abs(), config_.buckets / 2) + (apart > 0).to(at::kLong) * (config_.buckets / 2);
        at::Tensor added =
            at::embedding(encoder_.distances, buckets.to(device_)).permute({2, 0, 1}).unsqueeze(0).contiguous();   // [1, A, L, L]
        if (mask.defined()) { added = added + mask; }
        at::Tensor x = at::embedding(words_, ids);
        for (Layer const& layer : encoder_.layers) {
            at::Tensor const y = layer.norm(x);
            Attention const& a = layer.attention;
            x = x + at::linear(joined(attend(split(at::linear(y, a.query)), split(at::linear(y, a.key)),
                                             split(at::linear(y, a.value)), added)),
                               a.output);
            x = inner(layer, x);
        }
        return encoder_.norm(x);
    }

    /// Decodes one token of each row.                                                                    ids: [R]
    void advance(T5State& state, at::Tensor const& ids) const {
        std::int64_t const rows = ids.size(0);
        std::int64_t const prompts = rows / state.samples;
        std::int64_t const seen = state.length + 1;
        at::Tensor const added = state.distances.narrow(1, 0, seen).flip(1).view({1, config_.heads, 1, seen});
        at::Tensor x = at::embedding(words_, ids).unsqueeze(1);   // [R, 1, H]
        for (std::size_t i = 0; i < decoder_.layers.size(); ++i) {
            Layer const& layer = decoder_.layers[i];
            at::Tensor y = layer.norm(x);
            state.keys[i].narrow(2, state.length, 1).copy_(split(at::linear(y, layer.attention.key)));
            state.values[i].narrow(2, state.length, 1).copy_(split(at::linear(y, layer.attention.value)));
            at::Tensor const own = attend(split(at::linear(y, layer.attention.query)), state.keys[i].narrow(2, 0, seen),
                                          state.values[i].narrow(2, 0, seen), added);
            x = x + at::linear(joined(own), layer.attention.output);
            // The samples of a prompt share one set of keys, without copies.
            y = layer.source_norm(x).view({prompts, state.samples, config_.width});
            at::Tensor const read = attend(split(at::linear(y, layer.source_attention.query)), state.source_keys[i],
                                           state.source_values[i], state.source_mask);
            x = x + at::linear(joined(read), layer.source_attention.output).view(x.sizes());
            x = inner(layer, x);
        }
        ++state.length;
        x = decoder_.norm(x).squeeze(1);
        if (config_.scale_output) { x = x * (1 / std::sqrt(static_cast<double>(config_.width))); }
        state.scores = at::linear(x, head_);
    }

    T5Config config_;
    at::Device device_;
    at::Tensor words_;   // [V, H]
    at::Tensor head_;    // [V, H]
    Stack encoder_;
    Stack decoder_;
};

static_assert(LanguageModel<T5>);

}  // namespace bmae
