// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Tests of corpus/run_line.hpp. Whole files: retrieval/run.cpp.
#include <bmae/corpus/run_line.hpp>

#include <string>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(run_line)

BOOST_AUTO_TEST_CASE(columns_are_checked) {
    bmae::Diagnostic wrong;
    auto const read = bmae::detail::parse_run_line("q\tQ0  d 07 -1.5e0 tag ", wrong);
    BOOST_REQUIRE(read);
    BOOST_TEST(read->query == "q");
    BOOST_TEST(read->document == "d");
    BOOST_TEST(read->score == -1.5);
    for (std::string const line : {"", "q Q0 d 1 2", "q Q0 d 7 1 2.5 tag", "q Q0 d 7 8 1 2.5 tag"}) {
        BOOST_TEST(!bmae::detail::parse_run_line(line, wrong));
        BOOST_TEST(wrong.expected.starts_with("6 columns"), line);
    }
    BOOST_TEST(bmae::detail::parse_run_line("q Q0 d 1 2 tag and more", wrong).has_value());   // as for trec_eval
    for (std::string const rank : {"d", "1.0", "-", "+", "1e3", "0x1"}) {
        BOOST_TEST(!bmae::detail::parse_run_line("q Q0 d " + rank + " 2 tag", wrong));
        BOOST_TEST(wrong.expected.starts_with("a whole number as rank"), rank);
    }
    for (std::string const score : {"nan", "inf", "tag", "1,5", "1e39"}) {
        BOOST_TEST(!bmae::detail::parse_run_line("q Q0 d 1 " + score + " tag", wrong));
        BOOST_TEST(wrong.expected.starts_with("a finite score"), score);
    }
}

BOOST_AUTO_TEST_SUITE_END()
