// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// One transformer layer against LibTorch's operators, text by text.
#include <cmath>
#include <string>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/transformer_layer.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(transformer_layer)

namespace {
using namespace bmae;
using namespace oracle;

constexpr std::int64_t width = 8;

/// A layer whose parameters are x[1], x[2] ... in the order of `for_each_parameter`.
TransformerLayer of(Tensors const& x) {
    TransformerLayer layer;
    layer.heads = 2;
    for (Linear* const map :
         {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.intermediate, &layer.output}) {
        map->bias = at::empty({0});   // a map without one has no such parameter
    }
    std::size_t next = 1;
    layer.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) { value = x[next++]; });
    layer.key.bias = layer.key.bias.detach();   // adds one number to all scores of a row: its gradient is rounding alone
    return layer;
}
Tensors parameters(std::int64_t tokens) {
    Tensors x{normal({tokens, width}, 1)};
    for (std::vector<std::int64_t> const& shape : {std::vector<std::int64_t>{8, 8},
                                                   {8},
                                                   {8, 8},
                                                   {8},
                                                   {8, 8},
                                                   {8},
                                                   {8, 8},
                                                   {8},
                                                   {8},
                                                   {8},
                                                   {12, 8},
                                                   {12},
                                                   {8, 12},
                                                   {8},
                                                   {8},
                                                   {8}}) {
        x.push_back(normal(shape, x.size() + 1, shape.size() == 2 ? .4 : 1));
    }
    return x;
}

at::Tensor attended(Tensors const& x, at::Tensor const& rows) {   // of one text
    auto const heads = [](at::Tensor const& t) { return t.view({t.size(0), 2, width / 2}).transpose(0, 1); };
    at::Tensor const q = heads(at::linear(rows, x[1], x[2]));
    at::Tensor const k = heads(at::linear(rows, x[3], x[4].detach()));
    at::Tensor const v = heads(at::linear(rows, x[5], x[6]));
    at::Tensor const weights = at::softmax(at::matmul(q, k.transpose(1, 2)) / std::sqrt(width / 2.0), -1);
    return at::linear(at::matmul(weights, v).transpose(0, 1).reshape({-1, width}), x[7], x[8]);
}
at::Tensor forward_block(Tensors const& x, at::Tensor const& rows) {
    return at::linear(at::gelu(at::linear(rows, x[11], x[12])), x[13], x[14]);
}
at::Tensor first_norm(Tensors const& x, at::Tensor const& rows) { return at::layer_norm(rows, {width}, x[9], x[10], 1e-12); }
at::Tensor second_norm(Tensors const& x, at::Tensor const& rows) { return at::layer_norm(rows, {width}, x[15], x[16], 1e-12); }

/// `one_text` over the texts of a batch.
template <class OneText>
Operation each(PackedInput const& input, OneText const& one_text) {
    return [&input, one_text](Tensors const& x) {
        std::vector<at::Tensor> texts{x[0].narrow(0, 0, 0)};
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            std::int64_t const length = input.offsets[b + 1] - input.offsets[b];
            if (length > 0) { texts.push_back(one_text(x, x[0].narrow(0, input.offsets[b], length))); }
        }
        return at::cat(texts);
    };
}
}  // namespace

BOOST_AUTO_TEST_CASE(post_norm_and_pre_norm) {
    for (std::vector<std::int64_t> const& lengths : {std::vector<std::int64_t>{}, {1}, {3, 0, 5, 5}}) {
        PackedInput const input = packed(lengths);
        check(
            "post-norm", parameters(input.offsets.back()),
            [&](Tensors const& x) {
                ForwardContext context;
                return of(x)(x[0], x[0], input, nullptr, context);
            },
            each(input,
                 [](Tensors const& x, at::Tensor const& rows) {
                     at::Tensor const middle = first_norm(x, rows + attended(x, rows));
                     return second_norm(x, middle + forward_block(x, middle));
                 }),
            false);
        check(
            "pre-norm", parameters(input.offsets.back()),
            [&](Tensors const& x) {
                ForwardContext context;
                return of(x).pre_norm(x[0], input, nullptr, context);
            },
            each(input,
                 [](Tensors const& x, at::Tensor const& rows) {
                     at::Tensor const middle = rows + attended(x, first_norm(x, rows));
                     return middle + forward_block(x, second_norm(x, middle));
                 }),
            false);
    }
}

BOOST_AUTO_TEST_CASE(one_nan_in_a_bias_reaches_every_row) {
    PackedInput const input = packed({4, 3});
    for (std::size_t const parameter : {2, 4, 6, 8, 10, 12, 14, 16}) {
        Tensors x;
        for (at::Tensor const& value : parameters(7)) { x.push_back(value.to(at::kFloat)); }
        x[parameter][1] = no_number;
        ForwardContext context;
        at::Tensor const rows = of(x)(x[0], x[0], input, nullptr, context);
        BOOST_CHECK_MESSAGE(rows.isnan().any(1).all().item<bool>(), "parameter " << parameter);
    }
}

BOOST_AUTO_TEST_CASE(layers_cannot_be_fewer_than_none) {
    BOOST_CHECK_NE(refusal([] { make_layers(-1, {}); }).find("at least 0 layers, found -1"), std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
