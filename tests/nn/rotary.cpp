// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Rotary positions against a plain computation by complex numbers, and what they are for: scores depend on distances alone.
#include <cmath>
#include <complex>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/rotary.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(rotary)

namespace {
using namespace bmae;
using namespace oracle;

/// The product's parts turned by complex multiplication, in LibTorch's operations and double precision.
at::Tensor by_operators(at::Tensor const& product, std::int64_t heads, std::int64_t parts, std::int64_t turned,
                        RotaryPhases const& p) {
    std::int64_t const rows = product.size(0), width = product.size(1) / parts;
    Tensors results;
    for (std::int64_t part = 0; part < parts; ++part) {
        at::Tensor const x = product.narrow(1, part * width, width);
        if (part >= turned) {
            results.push_back(x);
            continue;
        }
        at::Tensor const pairs = x.reshape({rows, heads, 2, width / heads / 2});
        at::Tensor const a = pairs.select(2, 0), b = pairs.select(2, 1);
        at::Tensor const c = p.cosine.to(x.scalar_type()).unsqueeze(1), s = p.sine.to(x.scalar_type()).unsqueeze(1);
        results.push_back(at::stack({a * c - b * s, a * s + b * c}, 2).reshape({rows, width}));
    }
    return at::cat(results, 1);
}
}  // namespace

BOOST_AUTO_TEST_CASE(each_plane_turns_at_its_own_speed) {
    at::Tensor const positions = at::arange(0, 50, at::kLong);
    RotaryPhases const phases = rotary_phases(positions, 8, 10000);
    for (std::int64_t t = 0; t < 50; ++t) {
        for (std::int64_t i = 0; i < 4; ++i) {
            auto const point = std::polar(1.0, static_cast<double>(t) * std::pow(10000.0, -2.0 * static_cast<double>(i) / 8));
            BOOST_CHECK_SMALL(phases.cosine[t][i].item<double>() - point.real(), 1e-5);
            BOOST_CHECK_SMALL(phases.sine[t][i].item<double>() - point.imag(), 1e-5);
        }
    }
}

// Widths of half a head below, at and above the vectors of the kernels; the gradient turns back.
BOOST_AUTO_TEST_CASE(parts_and_their_gradients) {
    struct Case {
        std::int64_t rows, heads, head_width, parts, turned;
    };
    for (Case const& c :
         {Case{1, 1, 2, 1, 1}, {7, 2, 10, 3, 2}, {40, 3, 32, 3, 2}, {5, 2, 64, 2, 1}, {0, 2, 4, 3, 2}, {19, 4, 42, 1, 0}}) {
        RotaryPhases const phases = rotary_phases(at::arange(3, 3 + c.rows, at::kLong), c.head_width, 10000);
        check(
            "rotary", {normal({c.rows, c.parts * c.heads * c.head_width}, 1)},
            [&](Tensors const& x) { return at::cat(rotated_parts(x[0], phases, c.heads, c.parts, c.turned), 1); },
            [&](Tensors const& x) { return by_operators(x[0], c.heads, c.parts, c.turned, phases); });
    }
}

BOOST_AUTO_TEST_CASE(scores_depend_on_the_distance_alone) {
    at::Tensor const query = normal({1, 16}, 1), key = normal({1, 16}, 2);
    auto const score = [&](std::int64_t q, std::int64_t k) {
        auto const turned = [&](at::Tensor const& x, std::int64_t at) {
            return rotated_parts(x, rotary_phases(at::arange(at, at + 1, at::kLong), 8, 10000), 2, 1, 1)[0];
        };
        return (turned(query, q) * turned(key, k)).sum().item<double>();
    };
    BOOST_CHECK_SMALL(score(3, 1) - score(103, 101), 1e-4);
    BOOST_CHECK_SMALL(score(0, 0) - (query * key).sum().item<double>(), 1e-6);
    BOOST_CHECK_GT(std::abs(score(3, 1) - score(1, 3)), 1e-3);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
    at::Tensor const positions = at::arange(0, 4, at::kLong);
    BOOST_TEST(refusal([&] { rotary_phases(positions, 7, 10000); }).find("even width") != std::string::npos);
    BOOST_TEST(refusal([&] { rotary_phases(positions, 8, 0); }).find("base above 0") != std::string::npos);
    RotaryPhases const phases = rotary_phases(positions, 8, 10000);
    for (std::vector<std::int64_t> const& shape : {std::vector<std::int64_t>{3, 48}, {4, 47}, {4, 24}, {4, 96}}) {
        BOOST_TEST(refusal([&] { rotated_parts(at::zeros(shape), phases, 2, 3, 2); }).find("phases") != std::string::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()
