// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// ModernBERT's layer: two streams against one, windows, gradients against finite differences, and how new layers are drawn.
#include <cmath>
#include <string>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/gated_layer.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(gated_layers)

namespace {
using namespace bmae;
using namespace oracle;

Shape const shape{.width = 16,
                  .layers = 8,
                  .heads = 2,
                  .inner_width = 12,
                  .norm_epsilon = 1e-5,
                  .initial_deviation = .2,
                  .rotary_base = 10000,
                  .initial_cutoff = 2};

/// Texts of 9 and 5 tokens.
PackedInput input() {
    PackedInput made{.positions = at::cat({at::arange(0, 9, at::kLong), at::arange(0, 5, at::kLong)})};
    made.offsets = {0, 9, 14};
    return made;
}

GatedStack stack(std::int64_t count, at::ScalarType type = at::kFloat) {
    GatedStack made(count, shape);
    initialize_gated(made, "s", 1, shape);
    made.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) { value = value.to(type); });
    return made;
}
}  // namespace

BOOST_AUTO_TEST_CASE(one_stream_is_two_equal_ones) {
    GatedStack const made = stack(1);
    ForwardContext context;
    at::Tensor const rows = normal({14, 16}, 1).to(at::kFloat);
    at::Tensor const one = made(rows, input(), nullptr, context);
    at::Tensor const two = made.read(rows, rows.clone(), input(), nullptr, context);
    BOOST_TEST((one - two).abs().max().item<double>() <= 1e-5);
}

// A row of a layer with a window of 2 sees two rows on either side, of its own text; its phases are those of the local base.
BOOST_AUTO_TEST_CASE(a_window_hides_what_is_beyond_it) {
    GatedStack made = stack(1);
    made.local_base = 500;
    made.layer[0].window = 2;
    ForwardContext context;
    at::Tensor const rows = normal({14, 16}, 1).to(at::kFloat);
    at::Tensor const before = made(rows, input(), nullptr, context);
    for (std::int64_t j = 0; j < 14; ++j) {
        at::Tensor changed = rows.clone();
        changed[j] += normal({16}, 7).to(at::kFloat);   // a shift alone would be normalized away
        at::Tensor const after = made(changed, input(), nullptr, context);
        for (std::int64_t i = 0; i < 14; ++i) {
            bool const same_text = (i < 9) == (j < 9);
            BOOST_CHECK_EQUAL((after[i] - before[i]).abs().max().item<double>() > 0, same_text && std::abs(i - j) <= 2);
        }
    }
    made.local_base = 10000;
    BOOST_TEST((made(rows, input(), nullptr, context) - before).abs().max().item<double>() > 1e-4);
}

// The kernels in fp32 against LibTorch's operators in double, whose gradients are checked against finite differences.
BOOST_AUTO_TEST_CASE(gradients) {
    auto const run_in = [&](at::ScalarType type) {
        GatedStack made = stack(2, type);
        made.local_base = 100;
        made.layer[1].window = 2;
        Tensors leaves{normal({14, 16}, 1).to(type).requires_grad_(), normal({14, 16}, 2).to(type).requires_grad_()};
        made.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) {
            value = value.detach().clone().requires_grad_();
            leaves.push_back(value);
        });
        ForwardContext context{.training = true, .seed = 3};
        at::Tensor const direction = normal({14, 16}, 9).to(type);
        (made.read(leaves[0], leaves[1], input(), nullptr, context) * direction).sum().backward();
        (made(leaves[0], input(), nullptr, context) * direction).sum().backward();
        Tensors found;
        for (at::Tensor const& leaf : leaves) { found.push_back(leaf.grad().to(at::kDouble)); }
        return found;
    };
    Tensors const exact = run_in(at::kDouble), found = run_in(at::kFloat);
    for (std::size_t i = 0; i < exact.size(); ++i) {
        double const scale = std::max(1e-2, exact[i].abs().max().item<double>());
        BOOST_TEST((found[i] - exact[i]).abs().max().item<double>() <= 2e-5 * scale, "gradient " << i);
    }
    GatedStack const made = stack(1, at::kDouble);
    at::Tensor const direction = normal({14, 16}, 9);
    auto const value = [&](at::Tensor const& rows) {
        ForwardContext context;
        return (made(rows, input(), nullptr, context) * direction).sum();
    };
    at::Tensor const rows = normal({14, 16}, 1).requires_grad_();
    value(rows).backward();
    at::Tensor const step = normal({14, 16}, 4) * 1e-5;
    double const slope = (value(rows.detach() + step) - value(rows.detach() - step)).item<double>() / 2;
    BOOST_CHECK_CLOSE(slope, (rows.grad() * step).sum().item<double>(), .01);
}

// Dropout sits on the weights, behind the attention and within the gated block; training alone has it.
BOOST_AUTO_TEST_CASE(each_dropout_is_obeyed) {
    at::Tensor const rows = normal({14, 16}, 1).to(at::kFloat);
    ForwardContext quiet;
    at::Tensor const without = stack(1)(rows, input(), nullptr, quiet);
    for (auto const member :
         {&GatedLayer::attention_dropout, &GatedLayer::attention_output_dropout, &GatedLayer::inner_dropout}) {
        GatedStack made = stack(1);
        made.layer[0].*member = .5;
        ForwardContext still, training{.training = true, .seed = 3};
        BOOST_CHECK(made(rows, input(), nullptr, still).equal(without));
        BOOST_CHECK(!made(rows, input(), nullptr, training).equal(without));
    }
}

BOOST_AUTO_TEST_CASE(what_writes_into_the_residual_starts_smaller) {
    Shape wide = shape;
    wide.width = wide.inner_width = 128;
    GatedStack made(1, wide);
    initialize_gated(made, "s", 1, wide);
    double const cut = .8796;   // deviation of a normal distribution cut at 2
    BOOST_CHECK_CLOSE(made.layer[0].qkv.weight.std().item<double>(), .2 * cut, 2);
    BOOST_CHECK_CLOSE(made.layer[0].wide.weight.std().item<double>(), .2 * cut, 2);
    BOOST_CHECK_CLOSE(made.layer[0].narrow.weight.std().item<double>(), .2 * cut / 4, 3);   // sqrt(2 x 8 layers)
    BOOST_CHECK_CLOSE(made.layer[0].attention_output.weight.std().item<double>(), .2 * cut / 4, 3);
    BOOST_TEST((made.final_norm.weight - 1).abs().max().item<double>() == 0);
    BOOST_CHECK_THROW(GatedStack(-1, wide), InputError);
}

BOOST_AUTO_TEST_SUITE_END()
