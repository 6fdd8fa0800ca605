// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/detail/json_text.hpp>

#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(json_text)

namespace {

using bmae::InputError;
using bmae::detail::parse_json_or_nothing;
using bmae::detail::parse_json_text;
using nlohmann::json;
using test::says;

json parse(std::string const& text) { return parse_json_text<json>(text, "x.json"); }

std::string nested(int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

}  // namespace

BOOST_AUTO_TEST_CASE(outlines_count_what_is_outside_of_quotes) {
    auto const outline = bmae::detail::outline_of_json(R"({"a:[{": "\\", "b": {"c": ["\":]", 1]}})");
    BOOST_TEST(outline.depth == 3);
    BOOST_TEST(outline.members == 3U);
    BOOST_TEST(bmae::detail::outline_of_json("\"\\").depth == 0);   // an open text that ends in a backslash
    BOOST_TEST(bmae::detail::count_members(parse(R"({"a": [{"b": 1}, {"b": 2}], "c": {}})")) == 4U);
}

BOOST_AUTO_TEST_CASE(every_document_is_bounded_and_has_each_key_once) {
    BOOST_TEST(parse(nested(64)).is_array());
    std::vector<std::pair<std::string, std::string>> const wrong{
        {nested(65), "x.json: expected at most 64 levels of JSON, found 65"},
        {nested(200'000), "expected at most 64 levels of JSON, found 200000"},
        {R"({"a": 1, "b": {"c": 1, "c": 2}})", "expected each key once, found \"c\" twice"},
        {std::string("{}\0x", 4), "found a NUL at byte 2"},
        {"{\n\"a\": }", "x.json:2: expected JSON, found an error at byte"},
        {"", "found an empty file"}};
    for (auto const& [text, message] : wrong) {
        BOOST_CHECK_EXCEPTION(static_cast<void>(parse(text)), InputError, says(message));
        BOOST_TEST(parse_json_or_nothing<json>(text).is_discarded());
    }
    BOOST_TEST(parse_json_or_nothing<json>(R"({"a": 1})").at("a") == 1);
    BOOST_TEST(bmae::detail::kind_of_json(json::parse(nested(60))) == "an array");
    BOOST_TEST(bmae::detail::kind_of_json(json("abc")) == "the text \"abc\"");
}

BOOST_AUTO_TEST_SUITE_END()
