// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Rows by number: LibTorch's look-up, checked, with sums in fp32.
#include <ATen/ops/embedding.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/gather_rows.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(gather_rows_)

namespace {
using namespace bmae;
using namespace oracle;
}  // namespace

BOOST_AUTO_TEST_CASE(values_and_gradients_are_those_of_embedding) {
    for (std::int64_t const count : {0, 1, 300}) {
        at::Tensor const numbers =
            at::randint(9, {count}, at::make_generator<at::CPUGeneratorImpl>(8), at::TensorOptions(at::kLong));
        auto const found = [&](Tensors const& x) { return gather_rows(x[0], numbers, "rows"); };
        auto const expected = [&](Tensors const& x) { return at::embedding(x[0], numbers); };
        check("rows", {normal({12, 5}, 1)}, found, expected);
        if (count > 0) { check_special("rows", {normal({12, 5}, 1)}, found, expected); }
    }
}

BOOST_AUTO_TEST_CASE(many_equal_terms_in_bf16_do_not_stall) {
    at::Tensor const table = at::ones({3, 2}, at::kBFloat16).requires_grad_();
    gather_rows(table, at::full({5000}, 1, at::kLong), "rows").sum().backward();
    BOOST_CHECK_CLOSE(table.grad()[1][1].item<double>(), 5000.0, .5);
    BOOST_CHECK_EQUAL(table.grad()[0][0].item<double>(), 0.0);
}

BOOST_AUTO_TEST_CASE(numbers_out_of_range_are_refused) {
    at::Tensor const table = at::ones({3, 2}, at::kFloat);
    auto const refused = [&](std::int64_t number) {
        at::Tensor const numbers = at::zeros({4}, at::kLong);
        numbers[2] = number;
        return refusal([&] { gather_rows(table, numbers, "token ids"); });
    };
    BOOST_CHECK_EQUAL(refused(2), "");
    BOOST_CHECK(refused(3).starts_with("expected token ids from 0 to 2, found 3 at index 2."));
    BOOST_CHECK(refused(-1).starts_with("expected token ids from 0 to 2, found -1 at index 2."));
}

BOOST_AUTO_TEST_SUITE_END()
