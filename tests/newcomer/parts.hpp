// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Every part of a composition written by somebody who has read docs/concepts and nothing else: no base class, no registration,
/// no type of the library but those that the pages name.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>

#include <bmae/concepts/bottleneck.hpp>
#include <bmae/concepts/corruptor.hpp>
#include <bmae/concepts/decoder.hpp>
#include <bmae/concepts/encoder.hpp>
#include <bmae/concepts/masker.hpp>
#include <bmae/concepts/metric.hpp>
#include <bmae/concepts/text_source.hpp>
#include <bmae/concepts/token_loss.hpp>
#include <bmae/nn/initialize.hpp>

namespace newcomer {

/// Hides every third token, from a place that is drawn.
struct EveryThird {
    bmae::MaskFlags draw(bmae::TokenSpan text, bmae::Draw& draw) const {
        bmae::MaskFlags flags(text.size(), 0);
        for (std::size_t i = 1 + draw.below(3); i < text.size(); i += 3) { flags[i] = text.is_special(i) ? 0 : 1; }
        return flags;
    }
};
static_assert(bmae::Masker<EveryThird>);

/// A masked token becomes the one before it.
struct CopyLeft {
    void corrupt(bmae::MaskedText& text, bmae::TokenTraits const&, bmae::Draw&) const {
        for (std::size_t i = 1; i < text.input_ids.size(); ++i) {
            if (text.flags[i] != 0) { text.input_ids[i] = text.original_ids[i - 1]; }
        }
    }
};
static_assert(bmae::Corruptor<CopyLeft>);

/// The passage, read backwards.
struct Backwards {
    static constexpr std::string_view name = "backwards";
    std::vector<bmae::TokenId> read(bmae::Example const& example, bmae::TokenTraits const&, bmae::Draw&) const {
        return {example.passage.rbegin(), example.passage.rend()};
    }
};
static_assert(bmae::TextSource<Backwards>);

/// Hidden tokens count, but for a share of the vocabulary that is too common to teach anything.
struct RareTokens {
    std::int64_t first_id = 7;

    void label(bmae::MaskedText& text, bmae::TokenTraits const&) const {
        text.labels.assign(text.original_ids.size(), bmae::ignored_label);
        for (std::size_t i = 0; i < text.labels.size(); ++i) {
            if (text.flags[i] != 0 && text.original_ids[i] >= first_id) { text.labels[i] = text.original_ids[i]; }
        }
    }
    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("first_id", first_id, "smallest id that is to be recovered");
    }
};
static_assert(bmae::TokenLoss<RareTokens>);

/// Three neighboring tokens to one row, by a convolution over each text; the head maps a row back to the token embeddings.
class Convolution {
public:
    struct Options {
        std::int64_t vocabulary = 0;
        std::int64_t width = 16;
        std::int64_t positions = 64;
    };
    static constexpr std::string_view name = "convolution";

    Convolution(Options options, std::uint64_t seed) : options_(options) {
        embeddings.word = at::empty({options.vocabulary, options.width});
        kernel_ = at::empty({options.width, options.width, 3});
        shift_ = at::empty({options.width});
        head.weight = at::empty({options.width, options.width});
        head.bias = at::empty({options.vocabulary});
        bmae::initialize(*this, "", seed, bmae::Initialization::bert, .1);
    }

    bmae::Encoded encode(bmae::PackedInput const& input, bmae::ForwardContext& context, bool) const {
        at::Tensor const rows = embeddings(input.input_ids, input.positions, context);   // [T, H]
        std::vector<at::Tensor> texts;
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            at::Tensor const text = rows.narrow(0, input.offsets[b], input.offsets[b + 1] - input.offsets[b]);
            texts.push_back(at::conv1d(text.t().unsqueeze(0), kernel_, shift_, 1, 1)[0].t());
        }
        return {.hidden = at::tanh(rows + at::cat(texts))};
    }
    bmae::Shape shape() const {
        return {.width = options_.width,
                .vocabulary = options_.vocabulary,
                .embedding_width = options_.width,
                .positions = options_.positions,
                .layers = 1};
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + "words", embeddings.word, true);
        visit(prefix + "kernel", kernel_, true);
        visit(prefix + "shift", shift_, false);
        visit(prefix + "head.weight", head.weight, true);
        visit(prefix + "head.bias", head.bias, false);
    }

    struct Table {
        at::Tensor word = {};
        at::Tensor operator()(at::Tensor const& ids, at::Tensor const&, bmae::ForwardContext&) const {
            return word.index_select(0, ids);
        }
    } embeddings = {};
    struct Head {
        at::Tensor weight = {}, bias = {};
        at::Tensor transform(at::Tensor const& rows) const { return at::linear(rows, weight); }
    } head = {};

private:
    Options options_;
    at::Tensor kernel_ = {};   ///< [H, H, 3]
    at::Tensor shift_ = {};    ///< [H]
};
static_assert(bmae::HasTokenHead<Convolution>);

/// The mean of a text's rows, weighted by a softmax of their products with one learned query.
class AttentionPooling {
public:
    struct Options {
        double temperature = 1;
        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit("temperature", temperature, "divides the products");
        }
    };
    static constexpr std::string_view name = "attention_pooling";

    template <bmae::Encoder E>
    AttentionPooling(Options options, E const& encoder, std::uint64_t seed, std::string const& path)
        : options_(options), query_(at::empty({encoder.shape().width, 1})) {
        bmae::initialize(*this, path, seed, bmae::Initialization::bert, encoder.shape().initial_deviation);
    }
    template <bmae::Encoder E>
    at::Tensor pool(bmae::Encoded const& encoded, bmae::PackedInput const& input, E const&) const {
        std::vector<at::Tensor> vectors;
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            at::Tensor const text = encoded.hidden.narrow(0, input.offsets[b], input.offsets[b + 1] - input.offsets[b]);
            vectors.push_back((at::softmax(text.matmul(query_) / options_.temperature, 0) * text).sum(0, /*keepdim=*/true));
        }
        return at::cat(vectors);   // [B, H]
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".query", query_, true);
    }

private:
    Options options_;
    at::Tensor query_;   ///< [H, 1]
};
static_assert(bmae::BuiltBottleneck<AttentionPooling, Convolution>);

/// tanh(sentence A + the token's embedding): no row reads another one.
class OneByOne {
public:
    struct Options {};
    static constexpr std::string_view kind = "one_by_one";
    static constexpr bool reads_visibility = false;

    template <bmae::Encoder E>
    OneByOne(Options, E const& encoder, std::uint64_t seed, std::string const& path)
        : map_(at::empty({encoder.shape().width, encoder.shape().width})) {
        bmae::initialize(*this, path, seed, bmae::Initialization::bert, encoder.shape().initial_deviation);
    }
    template <bmae::Encoder E>
    at::Tensor decode(at::Tensor sentence, bmae::PackedInput const& view, E const& encoder, bmae::Encoded const&,
                      bmae::ForwardContext& context) const {
        at::Tensor const told = at::linear(sentence, map_).index_select(0, view.text_of_row);   // [T, H]
        return at::tanh(told + encoder.embeddings(view.input_ids, view.positions, context));
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".map", map_, true);
    }

private:
    at::Tensor map_;   ///< [H, H]
};
static_assert(bmae::DecoderOf<OneByOne, Convolution>);

/// 1 where a relevant document stands among the first k, else 0.
struct Success {
    std::size_t k = 1;
    std::string name() const { return "success@" + std::to_string(k); }
    double operator()(bmae::RankedGains const& ranked) const {
        auto const top = ranked.top(k);
        return std::any_of(top.begin(), top.end(), [&](std::int32_t gain) { return ranked.is_relevant(gain); }) ? 1 : 0;
    }
};
static_assert(bmae::Metric<Success>);

}  // namespace newcomer
