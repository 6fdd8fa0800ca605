// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A small network and invented texts with everything that a source may read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/encoders/bert_config.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/example.hpp>

namespace test {

using bmae::TokenId;

inline constexpr std::int64_t vocabulary = 60;   ///< ids 0 to 4 are special, 45 and up continue a word

inline bmae::BertConfig tiny(std::int64_t layers = 2) {
    bmae::BertConfig config = bmae::BertConfig::of_size(layers, 16);
    config.vocab_size = vocabulary;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 40;
    config.initializer_range = .2;   // large weights, so that a fault is loud
    return config;
}

inline std::vector<TokenId> invented(std::size_t length, std::uint64_t seed) {
    bmae::Draw draw({.seed = 9, .epoch = 0, .example = seed, .slot = 0});
    std::vector<TokenId> text;
    for (std::size_t i = 0; i < length; ++i) { text.push_back(static_cast<TokenId>(5 + draw.below(vocabulary - 5))); }
    return text;
}

/// Examples of the given lengths. Each is the first passage of a document of four sentences; `complete` ones also have two
/// queries, a continuation and a next passage.
struct Texts {
    struct Source {
        std::vector<TokenId> document;
        std::vector<std::uint32_t> ends;
        std::vector<std::vector<TokenId>> queries;
        std::vector<TokenId> continuation;
    };

    bmae::TokenTraits traits = [] {
        std::vector<std::uint8_t> continues(vocabulary, 0);
        for (std::size_t id = 45; id < continues.size(); ++id) { continues[id] = 1; }
        return bmae::TokenTraits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, continues);
    }();
    std::vector<Source> sources;
    std::vector<bmae::Example> examples;

    explicit Texts(std::vector<std::size_t> const& lengths, bool complete = true) {
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            Source& source = sources.emplace_back();
            std::size_t const rest = complete ? 14 : 0;
            source.document = invented(lengths[i] + rest, 10 * i);
            for (std::size_t k = 1; k <= 4; ++k) {
                auto const end = static_cast<std::uint32_t>(source.document.size() * k / 4);
                if (end != (source.ends.empty() ? 0 : source.ends.back())) { source.ends.push_back(end); }
            }
            if (complete) {
                source.queries = {invented(4, 10 * i + 1), invented(6, 10 * i + 2)};
                source.continuation = invented(9, 10 * i + 3);
            }
        }
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            std::span<TokenId const> const document = sources[i].document;
            bmae::Example& example = examples.emplace_back();
            example.id = i;
            example.passage = document.first(lengths[i]);
            example.next = document.subspan(lengths[i]);
            example.document = document;
            example.sentence_ends = sources[i].ends;
            for (std::vector<TokenId> const& query : sources[i].queries) { example.queries.emplace_back(query); }
            example.continuation = sources[i].continuation;
        }
    }
    Texts(Texts const&) = delete;
    Texts& operator=(Texts const&) = delete;
};

template <class Module>
void need_gradients(Module& module) {
    module.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
}

/// Gradients of all parameters, which have none afterwards; zeros where there is none.
template <class Model>
std::vector<at::Tensor> take_gradients(Model& model) {
    std::vector<at::Tensor> gradients;
    model.for_each_parameter([&](std::string const&, at::Tensor& value, bool) {
        gradients.push_back(value.grad().defined() ? value.grad().clone() : value.detach() * 0);
        value.mutable_grad() = at::Tensor();
    });
    return gradients;
}

/// Largest difference of two tensors; 0 for empty ones.
inline double distance(at::Tensor const& a, at::Tensor const& b) {
    return a.numel() == 0 ? 0 : (a - b).abs().max().item<double>();
}

/// Gives word counts to the maskers that want them.
template <class Model>
void know_words(Model& model, Texts const& texts) {
    std::vector<std::vector<TokenId>> documents;
    for (Texts::Source const& source : texts.sources) { documents.push_back(source.document); }
    auto const words = std::make_shared<bmae::WordWeights const>(bmae::WordWeights::of(documents, texts.traits, 1));
    model.for_each_view([&]<class ViewT>(ViewT& view, auto const&, std::size_t) {
        if constexpr (bmae::LearnsWords<typename ViewT::Masker>) { view.masker.learn(words); }
    });
}

}  // namespace test
