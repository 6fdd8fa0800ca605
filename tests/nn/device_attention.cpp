// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The padded form of a device's attention, run on a CPU, against `packed_attention`. Flash and efficient attention need a GPU:
// tests/gpu/run.sh.
#include <utility>
#include <vector>

#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/attention.hpp>
#include <bmae/nn/device_attention.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(device_attention)

namespace {
using namespace bmae;
using namespace oracle;

Operation on_a_device(PackedInput const& input, AttentionOptions const& options) {
    return [=](Tensors const& x) {
        return detail::DeviceAttention{input, options.heads, options.visibility, options.window, 0.0, 0}(x[0], x[1], x[2]);
    };
}
Operation here(PackedInput const& input, AttentionOptions const& options) {
    return [=](Tensors const& x) {
        ForwardContext context;
        return packed_attention(x[0], x[1], x[2], input, options, context);
    };
}
}  // namespace

BOOST_AUTO_TEST_CASE(padded_texts_attend_as_packed_ones) {
    using Case = std::pair<std::vector<std::int64_t>, std::int64_t>;
    for (auto const& [lengths, width] :
         {Case{{}, 8}, {{0, 0}, 8}, {{1}, 6}, {{7, 7, 0, 7, 1, 33}, 24}, {{5, 130}, 128}, {{16, 64}, 32}}) {
        PackedInput const input = packed(lengths);
        std::vector<Visibility> rows = masks(lengths);
        for (Visibility& text : rows) {
            if (text.length > 2) { text.row[2] = text.row[1]; }   // whose scores have a gradient on a CPU that reads nothing
        }
        Tensors const inputs{normal({input.tokens(), width}, 1), normal({input.tokens(), width}, 2),
                             normal({input.tokens(), width}, 3)};
        for (std::int64_t const window : {0, 3}) {
            for (bool const masked : {false, true}) {
                AttentionOptions const options{.heads = 2, .visibility = masked ? &rows : nullptr, .window = window};
                check("padded attention", inputs, on_a_device(input, options), here(input, options), false);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(dropout_of_the_weights_follows_its_key) {
    PackedInput const input = packed({5, 9});
    std::vector<Visibility> const rows = masks({5, 9});
    at::Tensor const x = normal({14, 8}, 1).to(at::kFloat);
    auto const read = [&](std::int64_t key) { return detail::DeviceAttention{input, 2, &rows, 0, .5, key}(x, x, x); };
    BOOST_TEST(at::equal(read(1), read(1)));
    BOOST_TEST(!at::equal(read(1), read(2)));
}

BOOST_AUTO_TEST_CASE(a_blind_row_averages_its_text) {
    PackedInput const input = packed({5});
    std::vector<Visibility> rows = masks({5});   // row 2 reads nothing
    at::Tensor const x = normal({5, 8}, 1).to(at::kFloat).requires_grad_();
    at::Tensor const v = normal({5, 8}, 2).to(at::kFloat).requires_grad_();
    at::Tensor const y = detail::DeviceAttention{input, 2, &rows, 0, 0.0, 0}(x, x.detach(), v);
    BOOST_TEST(at::allclose(y[2], v.mean(0)));
    y[2].sum().backward();
    BOOST_TEST(at::allclose(v.grad(), at::full({5, 8}, .2)));
    BOOST_TEST(at::equal(x.grad(), at::zeros_like(x)));
}

BOOST_AUTO_TEST_SUITE_END()
