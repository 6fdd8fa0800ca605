// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The highest logit of each word over the rows of a text, against LibTorch's operators on whole logits.
#include <utility>
#include <vector>

#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/pooled_logits.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(pooled_logits)

namespace {
using namespace bmae;
using namespace oracle;

Operation pooled(std::vector<std::int64_t> const& offsets) {
    return [=](Tensors const& x) { return max_pooled_logits(x[0], x[1], x[2], offsets, 1, 1).to(x[0].scalar_type()); };
}
Operation pooled_by_libtorch(std::vector<std::int64_t> const& offsets) {
    return [=](Tensors const& x) {
        std::vector<at::Tensor> texts;
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
            std::int64_t const count = offsets[b + 1] - offsets[b] - 2;
            texts.push_back(count < 1 ? at::zeros({x[1].size(0)}, x[0].options())
                                      : std::get<0>(at::linear(x[0].narrow(0, offsets[b] + 1, count), x[1], x[2]).max(0)));
        }
        return at::stack(texts);
    };
}
}  // namespace

BOOST_AUTO_TEST_CASE(values_and_gradients) {
    for (auto const& [vocabulary, width] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {40, 17}, {200, 64}, {90, 100}}) {
        std::vector<std::int64_t> const offsets{0, 9, 11, 12, 40, 43};   // two texts without a row, one with one
        check("pooled", {normal({43, width}, 1), normal({vocabulary, width}, 2), normal({vocabulary}, 3)}, pooled(offsets),
              pooled_by_libtorch(offsets), /*same_on_all_threads=*/false);
    }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_come_through) {
    std::vector<std::int64_t> const offsets{0, 5, 8};
    Tensors const inputs{normal({8, 5}, 1), normal({18, 5}, 2), normal({18}, 3)};
    check_special("pooled", inputs, pooled(offsets), pooled(offsets));   // in double without kernels
    for (double const number : special) {   // a row without a word has no gradient of it, not 0 x NaN
        for (std::size_t const which : {0, 1, 2}) {
            Tensors changed = inputs;
            changed[which] = inputs[which].clone();
            changed[which].view({-1})[7] = number;
            Tensors const numbers = rounded(changed, at::kFloat);
            check_like("pooled",
                       pooled(offsets)({numbers[0].to(at::kFloat), numbers[1].to(at::kFloat), numbers[2].to(at::kFloat)}),
                       pooled_by_libtorch(offsets)(numbers), true, 2e-5);
        }
    }
}

BOOST_AUTO_TEST_CASE(no_texts) {
    at::Tensor const weight = at::ones({5, 4}, at::kFloat).requires_grad_();
    at::Tensor const found =
        max_pooled_logits(at::zeros({0, 4}, at::kFloat), weight, at::zeros({5}, at::kFloat), std::vector<std::int64_t>{0}, 1, 1);
    BOOST_CHECK(found.sizes() == at::IntArrayRef({0, 5}));
    found.sum().backward();
    BOOST_CHECK(at::equal(weight.grad(), at::zeros({5, 4}, at::kFloat)));
}

BOOST_AUTO_TEST_CASE(many_equal_terms_in_bf16_do_not_stall) {
    Settings const settings;
    for (auto const level : {settings.level, detail::LaneLevel::plain}) {   // with kernels and without
        detail::lane_level() = level;
        constexpr std::int64_t words = 1500;
        constexpr std::int64_t texts = 1200;
        std::vector<std::int64_t> offsets;
        for (std::int64_t b = 0; b <= texts; ++b) { offsets.push_back(b); }
        at::Tensor const rows = at::ones({texts, 2}, at::kBFloat16).requires_grad_();
        at::Tensor const weight = at::ones({words, 2}, at::kBFloat16).requires_grad_();
        at::Tensor const bias = at::zeros({words}, at::kBFloat16).requires_grad_();
        max_pooled_logits(rows, weight, bias, offsets, 0, 0).sum().backward();
        BOOST_CHECK_CLOSE(rows.grad()[0][0].item<double>(), 1.0 * words, .5);
        BOOST_CHECK_CLOSE(weight.grad()[words - 1][1].item<double>(), 1.0 * texts, .5);
        BOOST_CHECK_CLOSE(bias.grad()[0].item<double>(), 1.0 * texts, .5);
    }
}

BOOST_AUTO_TEST_SUITE_END()
