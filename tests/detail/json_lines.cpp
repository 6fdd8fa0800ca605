// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/detail/json_lines.hpp>

#include <string>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(json_lines)

BOOST_AUTO_TEST_CASE(of_keys_and_elements) {
    bmae::detail::JsonLines const lines(
        "\n{\n \"a\": 1,\n \"b\": {\"c\": [\n  \"x\",\n  {\"d\": \"{\\\"e\\\": [\"}\n ]},\n \"f\": []\n}\n");
    BOOST_TEST(lines.of("") == 2U);
    BOOST_TEST(lines.of("/a") == 3U);
    BOOST_TEST(lines.of("/b") == 4U);
    BOOST_TEST(lines.of("/b/c") == 4U);
    BOOST_TEST(lines.of("/b/c/0") == 5U);
    BOOST_TEST(lines.of("/b/c/1") == 6U);
    BOOST_TEST(lines.of("/b/c/1/d") == 6U);
    BOOST_TEST(lines.of("/f") == 8U);
}

BOOST_AUTO_TEST_CASE(of_the_nearest_ancestor_where_a_value_is_absent) {
    bmae::detail::JsonLines const lines("{\n\"a\": {\n\"b\": 1}}");
    BOOST_TEST(lines.of("/a/c/d") == 2U);
    BOOST_TEST(lines.of("/e") == 1U);
}

BOOST_AUTO_TEST_CASE(of_long_paths_and_many_values_their_ancestors) {
    std::string const key(1'000'000, 'k');   // a path for each element would take a hundred gigabytes
    std::string text = "{\n\"" + key + "\": [";
    for (int i = 0; i < 100'000; ++i) { text += "[],"; }
    text += "1],\n\"b\": [";
    for (int i = 0; i < 100'000; ++i) { text += "\n[],"; }
    bmae::detail::JsonLines const lines(text + "1]}");
    BOOST_TEST(lines.of('/' + key + "/5") == 1U);
    BOOST_TEST(lines.of("/b") == 3U);
    BOOST_TEST(lines.of("/b/7") == 11U);
    BOOST_TEST(lines.of("/b/99999") == 3U);
}

BOOST_AUTO_TEST_CASE(of_what_is_no_json) {
    for (std::string const text : {"", "]]}", "{\"a", "\"\\", "[,,", "}{\"a\":"}) {
        BOOST_TEST(bmae::detail::JsonLines(text).of("/a") >= 1U, text);
    }
}

BOOST_AUTO_TEST_SUITE_END()
