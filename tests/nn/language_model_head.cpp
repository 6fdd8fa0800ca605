// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The masked-language-model head against LibTorch's operators.
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/language_model_head.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(language_model_head)

BOOST_AUTO_TEST_CASE(logits_of_a_tied_table) {
    using namespace oracle;
    for (std::int64_t const rows : {0, 1, 9}) {
        check(
            "head",
            {normal({rows, 8}, 1), normal({6, 8}, 2), normal({6}, 3), normal({6}, 4), normal({6}, 5), normal({30, 6}, 6),
             normal({30}, 7)},
            [](Tensors const& x) {
                bmae::LanguageModelHead head;
                head.dense.weight = x[1];
                head.dense.bias = x[2];
                head.norm.weight = x[3];
                head.norm.bias = x[4];
                head.bias = x[6];
                return head.logits(x[0], x[5]);
            },
            [](Tensors const& x) {
                return at::linear(at::layer_norm(at::gelu(at::linear(x[0], x[1], x[2])), {6}, x[3], x[4], 1e-12), x[5], x[6]);
            },
            /*same_on_all_threads=*/false);
    }
}

BOOST_AUTO_TEST_SUITE_END()
