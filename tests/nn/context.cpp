// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Keys of dropout sites.
#include <cstdint>
#include <set>

#include <boost/test/unit_test.hpp>

#include <bmae/nn/context.hpp>

BOOST_AUTO_TEST_SUITE(context)

BOOST_AUTO_TEST_CASE(each_site_of_each_step_has_a_key_of_its_own_and_always_the_same) {
    std::set<std::uint64_t> keys;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        bmae::ForwardContext first{.training = true, .seed = seed};
        bmae::ForwardContext again{.training = true, .seed = seed};
        for (int site = 0; site < 50; ++site) {
            std::uint64_t const key = first.next_key();
            BOOST_REQUIRE_EQUAL(key, again.next_key());
            keys.insert(key);
        }
    }
    BOOST_CHECK_EQUAL(keys.size(), 2500);
}

BOOST_AUTO_TEST_SUITE_END()
