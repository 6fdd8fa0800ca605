// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// How fresh parameters are drawn, and the masked-language-model head against a plain computation.
#include <cmath>
#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <boost/test/unit_test.hpp>

#include <bmae/encoders/bert.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/language_model_head.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/nn/linear.hpp>

BOOST_AUTO_TEST_SUITE(parameters)

namespace {

using namespace bmae;

double largest(at::Tensor const& value) { return value.abs().max().item<double>(); }

}  // namespace

BOOST_AUTO_TEST_CASE(the_scheme_of_bert) {
    Linear dense(64, 128);
    initialize(dense, "a", 1, Initialization::bert, .5);
    BOOST_CHECK_SMALL(dense.weight.mean().item<double>(), 5 * .5 / std::sqrt(64. * 128));
    BOOST_CHECK_CLOSE(dense.weight.std().item<double>(), .5, 5);
    BOOST_TEST(largest(dense.bias) == 0);
    LayerNorm norm(16, 1e-12);
    initialize(norm, "a.LayerNorm", 1);
    BOOST_TEST(largest(norm.weight - 1) == 0);
    BOOST_TEST(largest(norm.bias) == 0);
}

BOOST_AUTO_TEST_CASE(the_scheme_of_the_fan_in) {
    Linear dense(64, 128);
    initialize(dense, "a", 1, Initialization::fan_in);
    double const bound = 1 / std::sqrt(64.);
    for (at::Tensor const& value : {dense.weight, dense.bias}) {
        BOOST_TEST(largest(value) <= bound);
        BOOST_TEST(largest(value) > bound * .9);
    }
    BOOST_CHECK_CLOSE(dense.weight.std().item<double>(), bound / std::sqrt(3.), 5);   // uniform
}

BOOST_AUTO_TEST_CASE(a_parameter_is_a_function_of_seed_and_name) {
    Linear a(8, 8), b(8, 8);
    initialize(a, "x", 1);
    initialize(b, "x", 1);
    BOOST_CHECK(a.weight.equal(b.weight));
    initialize(b, "y", 1);
    BOOST_CHECK(!a.weight.equal(b.weight));
    initialize(b, "x", 2);
    BOOST_CHECK(!a.weight.equal(b.weight));
    copy_parameters(a, b);
    BOOST_CHECK(a.weight.equal(b.weight));
    BOOST_CHECK(a.weight.data_ptr() != b.weight.data_ptr());   // a copy, not the same tensor
}

// logits = LayerNorm(gelu(x W^T + b)) E^T + c, in double precision.
BOOST_AUTO_TEST_CASE(the_head_by_hand) {
    BertConfig config = BertConfig::of_size(1, 8);
    config.vocab_size = 11;
    config.num_attention_heads = 2;
    config.initializer_range = .4;
    BertEncoder encoder(config, 3);
    LanguageModelHead& head = encoder.head;
    at::Generator generator = at::detail::createCPUGenerator(5);
    for (at::Tensor& value :
         {std::ref(head.bias), std::ref(head.dense.bias), std::ref(head.norm.weight), std::ref(head.norm.bias)}) {
        value.detach().normal_(0, 1, generator);
    }
    at::Tensor const rows = at::empty({4, 8}).normal_(0, 1, generator);
    at::Tensor const found = head.logits(rows, encoder.embeddings.word);
    BOOST_REQUIRE_EQUAL(found.size(1), 11);
    auto const at = [](at::Tensor const& matrix, std::int64_t i, std::int64_t j) { return matrix[i][j].item<double>(); };
    for (std::int64_t m = 0; m < 4; ++m) {
        double hidden[8], mean = 0, variance = 0;
        for (std::int64_t h = 0; h < 8; ++h) {
            double x = head.dense.bias[h].item<double>();
            for (std::int64_t k = 0; k < 8; ++k) { x += at(rows, m, k) * at(head.dense.weight, h, k); }
            mean += (hidden[h] = x / 2 * (1 + std::erf(x / std::sqrt(2.)))) / 8;
        }
        for (double const value : hidden) { variance += (value - mean) * (value - mean) / 8; }
        for (std::int64_t v = 0; v < 11; ++v) {
            double logit = head.bias[v].item<double>();
            for (std::int64_t h = 0; h < 8; ++h) {
                double const normed = (hidden[h] - mean) / std::sqrt(variance + 1e-12) * head.norm.weight[h].item<double>() +
                                      head.norm.bias[h].item<double>();
                logit += normed * at(encoder.embeddings.word, v, h);
            }
            BOOST_CHECK_SMALL(at(found, m, v) - logit, 1e-5);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
