// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Where grapheme clusters end. Against HuggingFace's: parity/subword_parity.py.
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/text/graphemes.hpp>

BOOST_AUTO_TEST_SUITE(graphemes)

namespace {

std::vector<std::size_t> sizes(std::string_view text) {
    std::vector<std::size_t> found;
    while (!text.empty()) {
        found.push_back(bmae::detail::first_grapheme(text));
        text.remove_prefix(found.back());
    }
    return found;
}

using Sizes = std::vector<std::size_t>;

}  // namespace

BOOST_AUTO_TEST_CASE(marks_belong_to_their_letters) {
    BOOST_TEST(sizes("ab") == (Sizes{1, 1}), boost::test_tools::per_element());
    BOOST_TEST(sizes("e\xcc\x81x") == (Sizes{3, 1}), boost::test_tools::per_element());
    BOOST_TEST(sizes("e\xe1\xab\x90x") == (Sizes{4, 1}), boost::test_tools::per_element());   // U+1AD0, of Unicode 17
    BOOST_TEST(sizes("\r\n\n\xcc\x81") == (Sizes{2, 1, 2}), boost::test_tools::per_element());
    BOOST_TEST(sizes("").empty());
}

BOOST_AUTO_TEST_CASE(sequences_are_one_cluster) {
    BOOST_TEST(sizes("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab\xed\x95\x9c") == (Sizes{9, 3}), boost::test_tools::per_element());
    BOOST_TEST(sizes("\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7\xe0\xa4\x95") == (Sizes{9, 3}), boost::test_tools::per_element());
    std::string const family = "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9";
    BOOST_TEST(sizes(family + family) == (Sizes{11, 11}), boost::test_tools::per_element());
    std::string const flag = "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa";
    BOOST_TEST(sizes(flag + flag + "a") == (Sizes{8, 8, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
