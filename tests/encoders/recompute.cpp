// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Layers that are computed again in the backward pass: the same bits of outputs and gradients, of every family.
#include <bmae/nn/recompute.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/encoders/nomic_bert.hpp>

BOOST_AUTO_TEST_SUITE(recompute)

namespace {

using namespace bmae;

BertConfig bert() {
    BertConfig config;
    config.vocab_size = 40;
    config.hidden_size = 16;
    config.num_hidden_layers = 3;
    config.num_attention_heads = 2;
    config.intermediate_size = 24;
    config.max_position_embeddings = 40;
    return config;   // with dropout .1
}

std::vector<AnyEncoder> families() {
    return {BertEncoder(bert(), 3),
            ModernBertEncoder({.vocab_size = 40,
                               .hidden_size = 16,
                               .num_hidden_layers = 3,
                               .num_attention_heads = 2,
                               .intermediate_size = 24,
                               .max_position_embeddings = 40,
                               .local_attention = 8,
                               .embedding_dropout = .1,
                               .attention_dropout = .1,
                               .mlp_dropout = .1,
                               .pad_token_id = 0},
                              3),
            NomicBertEncoder({.vocab_size = 40,
                              .hidden_size = 16,
                              .num_hidden_layers = 3,
                              .num_attention_heads = 2,
                              .intermediate_size = 24,
                              .max_position_embeddings = 40,
                              .hidden_dropout_prob = .1,
                              .attention_probs_dropout_prob = .1},
                             3)};
}

struct Run {
    at::Tensor hidden = {};
    std::vector<at::Tensor> layers = {};
    std::map<std::string, at::Tensor> gradients = {};
    std::uint64_t sites = 0;
};

/// One forward and backward run, with the first `frozen` layers and the embeddings without a gradient.
Run run(AnyEncoder& encoder, bool recompute, bool frozen, bool keep_layers = false) {
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, auto) {
        bool const rests = frozen && (name.find("embedding") != name.npos || name.find("emb_ln") != name.npos ||
                                      name.find("layer.0.") != name.npos || name.find("layers.0.") != name.npos);
        value.set_requires_grad(!rests);
        value.mutable_grad().reset();
    });
    PackedView view;
    for (std::size_t const length : {5, 1, 20}) {
        std::vector<TokenId> text;
        for (std::size_t i = 0; i < length; ++i) { text.push_back(static_cast<TokenId>(3 + (7 * i + length) % 36)); }
        view.append_input(text);
    }
    Run made;
    ForwardContext context{.training = true, .seed = 11, .recompute = recompute};
    {
        PackedInput const input = to_tensors(view, at::kCPU);   // gone before the backward pass
        Encoded const encoded = encoder.encode(input, context, keep_layers);
        made.hidden = encoded.hidden;
        made.layers = encoded.layers;
    }
    at::Tensor loss = made.hidden.square().select(1, 3).sum() + made.hidden.select(1, 0).sum();
    for (at::Tensor const& layer : made.layers) { loss = loss + layer.pow(3).mean(); }
    loss.backward();
    made.sites = context.next_site;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, auto) {
        if (value.grad().defined()) { made.gradients.emplace(name, value.grad().clone()); }
    });
    return made;
}

void check_equal(Run const& again, Run const& kept) {
    BOOST_CHECK(at::equal(again.hidden, kept.hidden));
    BOOST_CHECK_EQUAL(again.sites, kept.sites);
    BOOST_REQUIRE_EQUAL(again.gradients.size(), kept.gradients.size());
    for (auto const& [name, gradient] : kept.gradients) {
        BOOST_CHECK_MESSAGE(at::equal(again.gradients.at(name), gradient), name);
    }
}

BOOST_AUTO_TEST_CASE(outputs_and_gradients_are_the_same_bits) {
    for (AnyEncoder& encoder : families()) {
        BOOST_TEST_CONTEXT(encoder.held_name()) {
            Run const kept = run(encoder, false, false);
            BOOST_CHECK_GT(kept.gradients.size(), 15U);
            check_equal(run(encoder, true, false), kept);
            Run const again = run(encoder, true, false, /*keep_layers=*/true);   // whose sums come in another order
            for (auto const& [name, gradient] : run(encoder, false, false, true).gradients) {
                double const scale = gradient.abs().max().item<double>();
                BOOST_CHECK_SMALL((again.gradients.at(name) - gradient).abs().max().item<double>(), 1e-6 * std::max(1.0, scale));
            }
            BOOST_CHECK_EQUAL(again.layers.size(), 4U);
        }
    }
}

BOOST_AUTO_TEST_CASE(frozen_layers_below_hand_on_no_gradient) {
    for (AnyEncoder& encoder : families()) {
        BOOST_TEST_CONTEXT(encoder.held_name()) {
            Run const kept = run(encoder, false, true);
            check_equal(run(encoder, true, true), kept);
            BOOST_CHECK_LT(kept.gradients.size(), run(encoder, false, false).gradients.size());
        }
    }
}

BOOST_AUTO_TEST_CASE(nothing_is_recomputed_without_a_graph_or_outside_of_training) {
    AnyEncoder encoder = families().front();
    PackedView view;
    view.append_input(std::vector<TokenId>{4, 5, 6});
    PackedInput const input = to_tensors(view, at::kCPU);
    for (bool const training : {false, true}) {
        c10::AutoGradMode const no_grad(false);
        ForwardContext plain{.training = training, .seed = 2};
        ForwardContext again{.training = training, .seed = 2, .recompute = true};
        at::Tensor const hidden = encoder.encode(input, again).hidden;
        BOOST_CHECK(at::equal(hidden, encoder.encode(input, plain).hidden));
        BOOST_CHECK(!hidden.requires_grad());
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
