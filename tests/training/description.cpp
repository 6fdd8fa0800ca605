// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// What a resumed run is refused for: one key and both values.
#include <bmae/training/description.hpp>

#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/training/trainer_options.hpp>

BOOST_AUTO_TEST_SUITE(description)

namespace {

using bmae::first_difference;
using bmae::option_difference;
using bmae::TrainerOptions;

void differs(std::string const& then, std::string const& now, std::string const& key, std::string const& before,
             std::string const& after) {
    auto const found = first_difference(then, now);
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->key == key);
    BOOST_TEST(found->then == before);
    BOOST_TEST(found->now == after);
}

}  // namespace

BOOST_AUTO_TEST_CASE(equal_texts_have_no_difference) {
    BOOST_TEST(!first_difference(R"({"a":1,"b":[1,{"c":2}]})", R"({"a":1,"b":[1,{"c":2}]})").has_value());
    BOOST_TEST(!first_difference(R"({"a":1,"b":2})", R"({ "b": 2, "a": 1 })").has_value());   // the order of keys says nothing
}

BOOST_AUTO_TEST_CASE(the_key_that_differs_is_named_with_both_values) {
    differs(R"({"a":1,"b":2})", R"({"a":1,"b":3})", "b", "2", "3");
    differs(R"({"terms":[{"weight":1},{"weight":2}]})", R"({"terms":[{"weight":1},{"weight":0.5}]})", "terms.1.weight", "2",
            "0.5");
    differs(R"({"a":1,"old":"x"})", R"({"a":1})", "old", "\"x\"", "none");
    differs(R"({"a":1})", R"({"a":1,"young":true})", "young", "none", "true");
    differs(R"({"a":[1]})", R"({"a":[1,2]})", "a", "[1]", "[1,2]");
    differs("one", "two", "", "one", "two");
}

BOOST_AUTO_TEST_CASE(a_key_younger_than_the_checkpoint_is_not_compared) {
    std::string const now = R"({"preset":"x","corpus":"ab","dropout":{"hidden":0.1}})";
    auto const keys = bmae::newer_keys(now, R"({"preset":"x"})");
    BOOST_TEST(keys == (std::vector<std::string>{"corpus", "dropout"}), boost::test_tools::per_element());
    BOOST_TEST(bmae::newer_keys(now, now).empty());
    BOOST_TEST(bmae::newer_keys(now, "text").empty());
    BOOST_TEST(bmae::without_newer_keys(now, R"({"preset":"x"})") == R"({"preset":"x"})");
    // An option that had one value before it was one.
    std::string const chosen = R"({"numbers":{"passes.0.terms.1.decoder.layers":1,"passes.0.terms.1.decoder.family":"bert"}})";
    std::string const implied =
        R"({"numbers":{"passes.0.terms.1.decoder.layers":1,"passes.0.terms.1.decoder.family":"encoder"}})";
    std::string const before = R"({"numbers":{"passes.0.terms.1.decoder.layers":1}})";
    BOOST_TEST(bmae::without_newer_keys(implied, before) == before);
    BOOST_TEST(bmae::without_newer_keys(implied, chosen) == implied);
    BOOST_TEST(bmae::without_newer_keys(chosen, before) == chosen);
    std::string const pairs = R"({"numbers":{"passes.0.view.source.query_length":32}})";
    std::string const bert_pairs =
        R"({"numbers":{"passes.0.view.source.query_length":32,"passes.0.view.source.separators":1,"passes.0.view.source.token_types":true}})";
    std::string const roberta_pairs =
        R"({"numbers":{"passes.0.view.source.query_length":32,"passes.0.view.source.separators":2}})";
    BOOST_TEST(bmae::without_newer_keys(bert_pairs, pairs) == pairs);
    BOOST_TEST(bmae::without_newer_keys(roberta_pairs, pairs) == roberta_pairs);
    BOOST_TEST(bmae::without_newer_keys(now, now) == now);
    BOOST_TEST(bmae::without_newer_keys(R"({"young":1})", "{}") == R"({"young":1})");   // a key that every checkpoint has
}

BOOST_AUTO_TEST_CASE(an_option_younger_than_the_checkpoint_had_its_default) {
    TrainerOptions options{.steps = 1};
    auto old = bmae::deciding_options(options);
    BOOST_TEST(!option_difference(old, options).has_value());
    old.erase("gradient_cache");
    BOOST_TEST(!option_difference(old, options).has_value());
    options.gradient_cache = true;
    auto const found = option_difference(old, options);
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->key == "gradient_cache");
    BOOST_TEST(found->then == "false");
    BOOST_TEST(found->now == "true");
    options = {.steps = 1, .clip = .5};
    BOOST_TEST(option_difference(bmae::deciding_options({.steps = 1}), options)->key == "clip");
}

BOOST_AUTO_TEST_SUITE_END()
