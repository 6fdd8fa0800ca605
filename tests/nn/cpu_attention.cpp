// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Attention of one head over one text, on every instruction set, against the same in double.
#include <cmath>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/cpu_attention.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(cpu_attention)

namespace {
using namespace bmae;
using namespace oracle;

/// softmax(Q K^T / sqrt(d)) V of [L, d] fp32 matrices, and the gradients under the direction of `run`.
Tensors by_kernel(Tensors const& x) {
    std::int64_t const length = x[0].size(0);
    std::int64_t const width = x[0].size(1);
    Tensors single;
    for (at::Tensor const& input : x) { single.push_back(input.to(at::kFloat).contiguous()); }
    detail::HeadAttention<float> const head{.query = single[0].const_data_ptr<float>(),
                                            .key = single[1].const_data_ptr<float>(),
                                            .value = single[2].const_data_ptr<float>(),
                                            .length = length,
                                            .width = width,
                                            .stride = width,
                                            .scale = 1.0F / std::sqrt(static_cast<float>(width))};
    Tensors results;
    for (int i = 0; i < 4; ++i) { results.push_back(at::empty({length, width}, at::kFloat)); }
    std::vector<float> weights(static_cast<std::size_t>(length * length));
    head.forward(weights.data(), results[0].mutable_data_ptr<float>());
    at::Tensor const gradient = normal({length, width}, 99).to(at::kFloat);
    head.backward(weights.data(), gradient.const_data_ptr<float>(), results[1].mutable_data_ptr<float>(),
                  results[2].mutable_data_ptr<float>(), results[3].mutable_data_ptr<float>());
    return results;
}

at::Tensor textbook(Tensors const& x) {
    at::Tensor const scores = at::matmul(x[0], x[1].t()) / std::sqrt(static_cast<double>(x[0].size(1)));
    return at::matmul(at::softmax(scores, -1), x[2]);
}
}  // namespace

BOOST_AUTO_TEST_CASE(one_head_on_every_instruction_set) {
    Settings const settings;
    for (auto const level : {detail::LaneLevel::plain, detail::LaneLevel::avx2, detail::LaneLevel::avx512}) {
        if (level > settings.level) { continue; }
        detail::lane_level() = level;
        for (auto const& [length, width] : {std::pair{1, 1}, {1, 16}, {2, 3}, {17, 33}, {70, 64}}) {
            Tensors inputs{normal({length, width}, 1), normal({length, width}, 2), normal({length, width}, 3)};
            for (std::size_t which = 0; which < 4; ++which) {   // 3: no special number
                for (double const number : {no_number, infinite, -infinite}) {
                    Tensors changed = rounded(inputs, at::kFloat);
                    if (which < 3) { changed[which].view({-1})[changed[which].numel() / 2] = number; }
                    Tensors const found = by_kernel(changed);
                    Tensors const wanted = run(textbook, changed, at::kDouble);
                    for (std::size_t i = 0; i < 4; ++i) { check_like("one head", found[i], wanted[i], i == 0, 5e-5); }
                }
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
