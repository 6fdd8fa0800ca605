// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Gradients of a maximum over rows, on every instruction set, against sums in double.
#include <cstdint>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/cpu_winners.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(cpu_winners)

namespace {
using namespace bmae;
using namespace oracle;
}  // namespace

BOOST_AUTO_TEST_CASE(sums_over_texts_and_over_words) {
    Settings const settings;
    for (auto const level : {detail::LaneLevel::plain, detail::LaneLevel::avx2, detail::LaneLevel::avx512}) {
        if (level > settings.level) { continue; }
        detail::lane_level() = level;
        for (std::int64_t const width : {1, 16, 67, 130}) {
            std::int64_t const vocabulary = 30;
            at::Tensor const rows = normal({9, width}, 1).to(at::kFloat);   // texts: rows 0 to 4, none, 4 to 9
            at::Tensor const weight = normal({vocabulary, width}, 2).to(at::kFloat);
            at::Tensor const slopes = normal({3, vocabulary}, 3).to(at::kFloat);
            at::Tensor const winners =
                at::randint(4, {3, vocabulary}, at::make_generator<at::CPUGeneratorImpl>(4), at::TensorOptions(at::kLong));
            winners[2].add_(4);
            std::vector<std::int64_t> const texts{0, 2};
            detail::WonWords<float> const won{.rows = rows.const_data_ptr<float>(),
                                              .weight = weight.const_data_ptr<float>(),
                                              .winners = winners.const_data_ptr<std::int64_t>(),
                                              .slopes = slopes.const_data_ptr<float>(),
                                              .texts = texts.data(),
                                              .count = 2,
                                              .vocabulary = vocabulary,
                                              .width = width};
            at::Tensor const of_weight = at::empty({vocabulary, width}, at::kFloat);
            won.weight_gradient(0, 7, of_weight.mutable_data_ptr<float>());
            won.weight_gradient(7, vocabulary, of_weight.mutable_data_ptr<float>());
            at::Tensor const of_rows = at::empty({9, width}, at::kFloat);
            for (std::int64_t column = 0; column < width; column += won.part) {
                won.rows_gradient(0, 0, 4, column, of_rows.mutable_data_ptr<float>());
                won.rows_gradient(2, 4, 9, column, of_rows.mutable_data_ptr<float>());
            }
            at::Tensor const wanted_weight = at::zeros({vocabulary, width}, at::kDouble);
            at::Tensor const wanted_rows = at::zeros({9, width}, at::kDouble);
            for (std::int64_t const b : texts) {
                for (std::int64_t v = 0; v < vocabulary; ++v) {
                    auto const winner = winners[b][v].item<std::int64_t>();
                    wanted_weight[v].add_(rows[winner].to(at::kDouble) * slopes[b][v].to(at::kDouble));
                    wanted_rows[winner].add_(weight[v].to(at::kDouble) * slopes[b][v].to(at::kDouble));
                }
            }
            check_like("weight", of_weight, wanted_weight, true, 1e-6);
            check_like("rows", of_rows, wanted_rows, true, 1e-6);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
