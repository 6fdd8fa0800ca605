// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A program that uses the vector kernels compiles without a word from the compiler, whatever its level of optimization and without
// flags for its processor: see tests/CMakeLists.txt.
#include <cstdint>
#include <vector>

#include <bmae/nn/cpu_attention.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/cpu_winners.hpp>
#include <bmae/retrieval/exact_index_kernel.hpp>

template <class Real>
void use(Real* x, float* sums, std::int64_t const* winners) {
    using namespace bmae::detail;
    HeadAttention<Real> const head{.query = x, .key = x, .value = x, .length = 2, .width = 8, .stride = 8};
    head.forward(x, x);
    head.backward(x, x, x, x, x);
    NormRows<Real> const norm{.x = x, .scale = x, .shift = x, .width = 8};
    norm.forward(0, 1, x, sums, sums, x);
    norm.backward(0, 1, x, sums, sums, x, x, x, sums, sums, sums);
    gelu_rows(x, x, 8, 0, 1, x);
    gelu_rows_backward(x, x, x, 8, 0, 1, x, sums);
    drop_elements(DropoutSite::make(.1, 1), 0, 8, x, x);
    static_cast<void>(cross_entropy_row(x, x, 8, 1, sums, sums));
    WonWords<Real> const won{.rows = x, .weight = x, .winners = winners, .slopes = sums, .vocabulary = 1, .width = 8};
    won.weight_gradient(0, 1, x);
    won.rows_gradient(0, 0, 1, 0, x);
}

int main() {
    std::vector<float> x(200);
    std::vector<bmae::detail::Bf16> half(200);
    std::int64_t const winner = 0;
    use(x.data(), x.data() + 100, &winner);
    use(half.data(), x.data(), &winner);
    bmae::detail::add_and_zero(half.data(), x.data(), 20);
    bmae::detail::choose_dot_block()(x.data(), 1, x.data(), 1, 16, x.data(), 1);
}
