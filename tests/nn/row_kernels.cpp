// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The CPU kernels against compositions of LibTorch operations in double: values, gradients, odd sizes, bf16, threads.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/linear_cross_entropy.hpp>
#include <bmae/nn/transformer_layer.hpp>

namespace {

using namespace bmae;
using Tensors = std::vector<at::Tensor>;
using Operation = std::function<at::Tensor(Tensors const&)>;

/// Restores what a case changes.
struct Settings {
    detail::LaneLevel const level = detail::lane_level();
    int const threads = at::get_num_threads();
    Settings() = default;
    Settings(Settings const&) = delete;
    ~Settings() {
        detail::lane_level() = level;
        at::set_num_threads(threads);
    }
};

at::Tensor normal(std::vector<std::int64_t> const& shape, std::uint64_t seed, double scale = 1) {
    return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed), at::TensorOptions(at::kDouble)) * scale;
}

/// Result of `operation` and the gradients of its inputs under a fixed direction.
Tensors run(Operation const& operation, Tensors const& inputs, at::ScalarType type) {
    Tensors leaves;
    for (at::Tensor const& input : inputs) { leaves.push_back(input.to(type).detach().clone().requires_grad_()); }
    at::Tensor const result = operation(leaves);
    Tensors found{result.detach()};
    if (result.numel() != 0) { result.backward(normal(result.sizes().vec(), 99).to(result.scalar_type())); }
    for (at::Tensor const& leaf : leaves) { found.push_back(leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf)); }
    return found;
}

/// Compares the kernels in fp32 and bf16 with LibTorch in double, and one thread with two.
void check(std::string const& name, Tensors const& inputs, Operation const& operation) {
    Settings const settings;
    for (at::ScalarType const type : {at::kFloat, at::kBFloat16}) {
        Tensors rounded;
        for (at::Tensor const& input : inputs) { rounded.push_back(input.to(type).to(at::kDouble)); }
        Tensors const expected = run(operation, rounded, at::kDouble);
        Tensors const found = run(operation, rounded, type);
        at::set_num_threads(1);
        Tensors const alone = run(operation, rounded, type);
        at::set_num_threads(2);
        Tensors const together = run(operation, rounded, type);
        at::set_num_threads(settings.threads);
        double const tolerance = type == at::kFloat ? 2e-5 : 3e-2;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            if (expected[i].numel() == 0) { continue; }
            double const scale = std::max(1e-2, expected[i].abs().max().item<double>());
            double const error = (found[i].to(at::kDouble) - expected[i]).abs().max().item<double>() / scale;
            BOOST_CHECK_MESSAGE(error <= tolerance, name << ' ' << toString(type) << ": result " << i << " is off by " << error);
            BOOST_CHECK_MESSAGE(at::equal(alone[i], together[i]),
                                name << ' ' << toString(type) << ": result " << i << " depends on the threads");
        }
    }
}

PackedInput packed(std::vector<std::int64_t> const& lengths) {
    PackedInput input;
    input.offsets = {0};
    for (std::int64_t const length : lengths) { input.offsets.push_back(input.offsets.back() + length); }
    return input;
}

/// Row masks that let row i read column j where (i + j) % 3 != 0, and row 2 read nothing.
std::vector<Visibility> masks(std::vector<std::int64_t> const& lengths) {
    std::vector<Visibility> all;
    for (std::int64_t const length : lengths) {
        Visibility rows{.length = static_cast<std::uint32_t>(length)};
        rows.bits.resize(static_cast<std::size_t>(length) * rows.words());
        for (std::size_t i = 0; i < static_cast<std::size_t>(length); ++i) {
            rows.row.push_back(static_cast<std::uint16_t>(i));
            for (std::size_t j = 0; j < static_cast<std::size_t>(length) && i != 2; ++j) {
                if ((i + j) % 3 != 0) { rows.bits[i * rows.words() + j / 64] |= std::uint64_t{1} << (j % 64); }
            }
        }
        all.push_back(rows);
    }
    return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(row_kernels)

BOOST_AUTO_TEST_CASE(dropout_factors_are_the_hash_on_every_processor) {
    Settings const settings;
    auto const site = detail::DropoutSite::make(.1, 12345);
    for (auto const level : {detail::LaneLevel::plain, detail::LaneLevel::avx2, detail::LaneLevel::avx512}) {
        if (level > settings.level) { continue; }
        detail::lane_level() = level;
        std::vector<float> factors(3000);
        detail::mask_elements(site, 0, 3000, factors.data());
        std::size_t dropped = 0;
        for (std::uint64_t i = 0; i < factors.size(); ++i) {
            bool const drops = ((detail::mix64(site.key + i / 4) >> (16 * (i % 4))) & 0xffffU) < site.threshold;
            BOOST_REQUIRE_EQUAL(factors[i], drops ? 0.0F : site.keep);
            dropped += drops ? 1U : 0U;
        }
        BOOST_CHECK(dropped > 240 && dropped < 360);
        for (std::int64_t const begin : {0, 1, 2, 3, 33, 1022}) {   // a part is a part of the whole
            std::vector<float> part(factors.size(), -1.0F);
            detail::mask_elements(site, begin, begin + 1101, part.data());
            BOOST_CHECK(std::equal(part.begin() + begin, part.begin() + begin + 1101, factors.begin() + begin));
            BOOST_CHECK(begin == 0 || part[static_cast<std::size_t>(begin) - 1] == -1.0F);
            BOOST_CHECK_EQUAL(part[static_cast<std::size_t>(begin) + 1101], -1.0F);
        }
    }
}

BOOST_AUTO_TEST_CASE(dropout_of_any_shape) {
    for (std::int64_t const count : {1, 15, 1000, 40000}) {
        check("dropout", {normal({count}, 1)}, [](Tensors const& x) {
            ForwardContext context{.training = true, .seed = 5};
            return dropout(x[0], .1, context);
        });
    }
}

BOOST_AUTO_TEST_CASE(biased_gelu) {
    for (auto const& [rows, width] : {std::pair{1, 1}, {3, 17}, {200, 64}, {0, 8}}) {
        check("gelu", {normal({rows, width}, 1, 3), normal({width}, 2)},
              [](Tensors const& x) { return activate(x[0], x[1], Activation::gelu); });
    }
    check("relu", {normal({5, 7}, 1), normal({7}, 2)}, [](Tensors const& x) { return activate(x[0], x[1], Activation::relu); });
}

BOOST_AUTO_TEST_CASE(layer_norm_alone_and_after_a_block) {
    for (auto const& [rows, width] : {std::pair{1, 5}, {3, 16}, {70, 100}, {0, 8}}) {
        auto const norm = [](at::Tensor const& weight, at::Tensor const& bias) {
            LayerNorm layer;
            layer.weight = weight;
            layer.bias = bias;
            return layer;
        };
        check("norm", {normal({rows, width}, 1), normal({width}, 2), normal({width}, 3)},
              [&](Tensors const& x) { return norm(x[1], x[2])(x[0]); });
        for (double const rate : {0.0, .1}) {
            check(
                "block",
                {normal({rows, width}, 1), normal({width}, 2), normal({rows, width}, 3), normal({width}, 4), normal({width}, 5)},
                [&](Tensors const& x) {
                    ForwardContext context{.training = true, .seed = 6};
                    return norm(x[3], x[4]).after_block(x[0], x[1], x[2], rate, context);
                });
        }
    }
}

BOOST_AUTO_TEST_CASE(attention_over_texts_of_any_length) {
    using Case = std::pair<std::vector<std::int64_t>, std::int64_t>;
    for (auto const& [lengths, width] : {Case{{1}, 6}, {{7, 7, 0, 7, 1, 33}, 24}, {{5, 130}, 128}, {{16, 64}, 32}}) {
        PackedInput const input = packed(lengths);
        std::vector<Visibility> const rows = masks(lengths);
        std::int64_t const tokens = input.offsets.back();
        for (std::vector<Visibility> const* visibility : {static_cast<std::vector<Visibility> const*>(nullptr), &rows}) {
            for (double const rate : {0.0, .2}) {
                check("attention", {normal({tokens, width}, 1), normal({tokens, width}, 2), normal({tokens, width}, 3)},
                      [&](Tensors const& x) {
                          ForwardContext context{.training = true, .seed = 7};
                          return packed_attention(x[0], x[1], x[2], input, 2, visibility, rate, context);
                      });
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(cross_entropy_of_any_vocabulary) {
    for (auto const& [rows, vocabulary] : {std::pair<std::int64_t, std::int64_t>{0, 50}, {1, 3}, {37, 33}, {70, 1000}}) {
        at::Tensor const labels =
            at::randint(vocabulary, {rows}, at::make_generator<at::CPUGeneratorImpl>(8), at::TensorOptions(at::kLong));
        at::Tensor const weights = (normal({rows}, 9).abs() + .1).to(at::kFloat);
        check("cross-entropy", {normal({rows, 24}, 1), normal({vocabulary, 24}, 2), normal({vocabulary}, 3)},
              [&](Tensors const& x) { return linear_cross_entropy(x[0], x[1], x[2], labels, weights).total; });
    }
}

BOOST_AUTO_TEST_CASE(row_losses_and_right_predictions) {
    Settings const settings;
    at::Tensor const rows = normal({50, 16}, 1).to(at::kFloat);
    at::Tensor const weight = normal({70, 16}, 2).to(at::kFloat);
    at::Tensor const bias = normal({70}, 3).to(at::kFloat);
    at::Tensor const labels = at::randint(3, {50}, at::make_generator<at::CPUGeneratorImpl>(4), at::TensorOptions(at::kLong));
    at::Tensor const weights = (normal({50}, 5).abs() + .1).to(at::kFloat);
    RowLosses const fast = linear_cross_entropy(rows, weight, bias, labels, weights);
    detail::lane_level() = detail::LaneLevel::plain;
    RowLosses const plain = linear_cross_entropy(rows, weight, bias, labels, weights);
    BOOST_CHECK((fast.losses - plain.losses).abs().max().item<double>() < 1e-5);
    BOOST_CHECK(at::equal(fast.correct, plain.correct));
}

BOOST_AUTO_TEST_SUITE_END()
