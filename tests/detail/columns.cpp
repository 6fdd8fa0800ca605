// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <bmae/detail/columns.hpp>

BOOST_AUTO_TEST_SUITE(columns)

BOOST_AUTO_TEST_CASE(parts_between_separators) {
    using Parts = std::vector<std::string_view>;
    auto const parts = [](std::string_view text) { return bmae::detail::split_at(text, ','); };
    BOOST_TEST(parts("a,b") == (Parts{"a", "b"}), boost::test_tools::per_element());
    BOOST_TEST(parts("") == Parts{""}, boost::test_tools::per_element());
    BOOST_TEST(parts(",a,") == (Parts{"", "a", ""}), boost::test_tools::per_element());
    BOOST_TEST(bmae::detail::split_at("a,b\tc", '\t') == (Parts{"a,b", "c"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
