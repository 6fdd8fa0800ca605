// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The dropout of the GPU kernel, run on the host: the bits of the CPU's masks.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/kernels/cuda/keyed_dropout.cuh>
#include <bmae/nn/cpu_rows.hpp>

BOOST_AUTO_TEST_SUITE(keyed_dropout)

namespace {
using namespace bmae::detail;

cuda::DropoutNumbers numbers_of(DropoutSite const& site) {
    return {.key = site.key, .threshold = site.threshold, .keep = site.keep};
}

/// Numbers of every kind: small, large, infinite, NaN.
std::vector<float> numbers(std::size_t count) {
    std::vector<float> all;
    for (std::size_t i = 0; i < count; ++i) {
        auto const bits = static_cast<std::uint32_t>(bmae::detail::mix64(i) >> 32);
        all.push_back(std::bit_cast<float>(bits));
    }
    return all;
}
}  // namespace

BOOST_AUTO_TEST_CASE(factors_are_those_of_the_cpu) {
    for (double const p : {.1, .5, .999}) {
        for (std::uint64_t const key : {0ULL, 7ULL, 0xfffffffffffffffeULL}) {   // the last one wraps
            DropoutSite const site = DropoutSite::make(p, key);
            std::vector<float> expected(1003);
            mask_elements(site, 0, 1003, expected.data());
            std::vector<float> found;
            for (std::int64_t i = 0; i < 1003; ++i) { found.push_back(cuda::dropout_factor(numbers_of(site), i)); }
            BOOST_TEST(found == expected, boost::test_tools::per_element());
        }
    }
}

BOOST_AUTO_TEST_CASE(groups_of_four_give_what_the_rows_give) {
    for (std::int64_t const count : {1, 4, 5, 1003}) {
        DropoutSite const site = DropoutSite::make(.3, 11);
        std::vector<float> const x = numbers(static_cast<std::size_t>(count));
        std::vector<float> expected(x.size());
        drop_elements(site, 0, count, x.data(), expected.data());
        std::vector<float> found(x.size());
        for (std::int64_t group = 0; 4 * group < count; ++group) {
            cuda::drop_group(numbers_of(site), group, count, x.data(), found.data());
        }
        for (std::size_t i = 0; i < x.size(); ++i) {
            BOOST_TEST((std::bit_cast<std::uint32_t>(found[i]) == std::bit_cast<std::uint32_t>(expected[i]) ||
                        (std::isnan(found[i]) && std::isnan(expected[i]))));
        }
    }
}

BOOST_AUTO_TEST_CASE(bf16_is_rounded_as_by_the_rows) {
    std::vector<float> const values = numbers(4096);
    std::vector<Bf16> x;
    std::vector<cuda::HalfBits> mine;
    for (float const value : values) {
        x.push_back(static_cast<Bf16>(std::bit_cast<std::uint32_t>(value) >> 16));
        mine.push_back({x.back()});
    }
    DropoutSite const site = DropoutSite::make(.1, 3);
    std::vector<Bf16> expected(x.size());
    drop_elements(site, 0, 4096, x.data(), expected.data());
    std::vector<cuda::HalfBits> found(x.size());
    for (std::int64_t group = 0; group < 1024; ++group) {
        cuda::drop_group(numbers_of(site), group, 4096, mine.data(), found.data());
    }
    for (std::size_t i = 0; i < x.size(); ++i) { BOOST_TEST(found[i].bits == expected[i]); }
}

BOOST_AUTO_TEST_SUITE_END()
