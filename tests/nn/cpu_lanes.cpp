// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Vectors of every width: sums, the exponential, the normal distribution, bf16 and dropout factors on every instruction set.
#include <bit>
#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/nn/cpu_lanes.hpp>
#include <bmae/nn/cpu_rows.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(cpu_lanes)

namespace {
using namespace bmae;
using namespace oracle;

template <class Each>
void on_every_level(Each const& each) {
    Settings const settings;
    for (auto const level : {detail::LaneLevel::plain, detail::LaneLevel::avx2, detail::LaneLevel::avx512}) {
        if (level > settings.level) { continue; }
        detail::lane_level() = level;
        each();
    }
}

std::vector<float> exponentials(std::vector<float> const& x) {
    std::vector<float> y(x.size());
    detail::with_lanes([&](auto level) __attribute__((always_inline)) {
        detail::along(level, static_cast<std::int64_t>(x.size()),
                      [&](auto read, auto write, std::int64_t)
                          __attribute__((always_inline)) { write(y.data(), detail::exponential(read(x.data()))); });
    });
    return y;
}
}  // namespace

BOOST_AUTO_TEST_CASE(exponential_is_near_to_that_of_the_standard_library) {
    on_every_level([] {
        std::vector<float> x;
        for (float value = -87.25F; value < 88; value += .0371F) { x.push_back(value); }
        std::vector<float> const y = exponentials(x);
        for (std::size_t i = 0; i < x.size(); ++i) {
            double const expected = std::exp(static_cast<double>(x[i]));
            BOOST_REQUIRE_LE(std::abs(y[i] - expected), 2e-7 * expected);
        }
    });
}

BOOST_AUTO_TEST_CASE(exponential_of_no_number_is_none_and_far_below_zero_it_is_zero) {
    on_every_level([] {
        std::vector<float> x;
        for (std::uint32_t payload = 0; payload < (1U << 23); payload += 0x1234) {   // a NaN may carry any bits
            for (std::uint32_t const sign : {0U, 0x80000000U}) {
                x.push_back(std::bit_cast<float>(sign | 0x7f800000U | (payload + 1)));
            }
        }
        for (float const y : exponentials(x)) { BOOST_REQUIRE(std::isnan(y)); }
        for (float const y : exponentials({-87.4F, -88, -1e4F, -3e38F, -std::numeric_limits<float>::infinity()})) {
            BOOST_CHECK_EQUAL(y, 0.0F);
        }
        for (float const y : exponentials({0.0F, -0.0F, 1e-40F, -1e-40F})) { BOOST_CHECK_EQUAL(y, 1.0F); }
    });
}

BOOST_AUTO_TEST_CASE(a_vector_is_as_wide_as_the_registers_of_its_level) {
    using enum detail::LaneLevel;
    BOOST_CHECK_EQUAL(detail::LaneConstant<avx512>::lanes, 16);
    BOOST_CHECK_EQUAL(detail::LaneConstant<avx2>::lanes, 8);
    BOOST_CHECK_EQUAL(detail::LaneConstant<plain>::lanes, 4);
    on_every_level([] {
        detail::with_lanes([&](auto level) __attribute__((always_inline)) {
            using Level = decltype(level);
            using Vector = detail::FloatsOf<Level>;
            static_assert(sizeof(Vector) == 4 * Level::lanes);
            std::vector<float> x(static_cast<std::size_t>(Level::lanes));
            for (std::size_t i = 0; i < x.size(); ++i) { x[i] = static_cast<float>((i * 7) % x.size()); }   // a permutation
            auto const v = detail::load<Vector>(x.data());
            BOOST_CHECK_EQUAL(detail::sum(v), static_cast<float>(Level::lanes * (Level::lanes - 1) / 2));
            BOOST_CHECK_EQUAL(detail::largest(v), static_cast<float>(Level::lanes - 1));
            x[0] = 1e8F;   // halves are added first, so this and its opposite leave nothing else out
            x[x.size() / 2] = -1e8F;
            BOOST_CHECK_EQUAL(detail::sum(detail::load<Vector>(x.data())), static_cast<float>([&] {
                                  float rest = 0;
                                  for (std::size_t i = 1; i < x.size(); ++i) { rest += i == x.size() / 2 ? 0 : x[i]; }
                                  return rest;
                              }()));
            auto const places = detail::counting<typename Level::Bits, std::uint32_t>();
            for (int i = 0; i < Level::lanes; ++i) { BOOST_CHECK_EQUAL(places[i], static_cast<std::uint32_t>(i)); }
        });
    });
}

BOOST_AUTO_TEST_CASE(bf16_rounds_as_libtorch_does) {
    on_every_level([] {
        std::vector<float> x{1.0F, 1.00390625F, 1.01171875F, -3.4e38F, 3.4e38F, 1e-40F, -0.0F, NAN, INFINITY, -INFINITY, 0.1F};
        std::vector<std::uint16_t> y(x.size());
        detail::with_lanes([&](auto level) __attribute__((always_inline)) {
            detail::along(level, static_cast<std::int64_t>(x.size()),
                          [&](auto read, auto write, std::int64_t)
                              __attribute__((always_inline)) { write(y.data(), read(x.data())); });
        });
        for (std::size_t i = 0; i < x.size(); ++i) { BOOST_CHECK_EQUAL(y[i], c10::BFloat16(x[i]).x); }
    });
}

BOOST_AUTO_TEST_CASE(dropout_factors_are_the_hash_on_every_processor) {
    auto const site = detail::DropoutSite::make(.1, 12345);
    on_every_level([&] {
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
            detail::mask_elements(site, begin, begin + 1101, part.data() + begin);
            BOOST_CHECK(std::equal(part.begin() + begin, part.begin() + begin + 1101, factors.begin() + begin));
            BOOST_CHECK(begin == 0 || part[static_cast<std::size_t>(begin) - 1] == -1.0F);
            BOOST_CHECK_EQUAL(part[static_cast<std::size_t>(begin) + 1101], -1.0F);
        }
    });
}

BOOST_AUTO_TEST_SUITE_END()
