// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <bmae/evaluation/text_diagnosis.hpp>
#include <bmae/text/wordpiece.hpp>

BOOST_AUTO_TEST_SUITE(text_diagnosis)

namespace {

bool has(bmae::TextIssue issue, std::string_view text) { return bmae::detail::issues_of(text)[static_cast<std::size_t>(issue)]; }

constexpr char const* bread =
    "Bread is baked in an oven of clay that was heated since the early morning by a fire of oak and beech wood.";

}  // namespace

BOOST_AUTO_TEST_CASE(oddities_of_a_text) {
    using enum bmae::TextIssue;
    BOOST_TEST((has(empty, "") && has(empty, " \t\n") && has(empty, "\u00a0\u200b") && !has(empty, " a")));
    BOOST_TEST((has(control, "a\x01b") && has(control, "a\u0085") && !has(control, "a\tb\r\n")));
    BOOST_TEST((has(replacement, "caf\ufffd") && !has(replacement, "caf\u00e9")));
    BOOST_TEST((has(invisible, "a\u00adb") && has(invisible, "\ufeffa") && has(invisible, "a\u200bb") &&
                !has(invisible, "\u0646\u200c\u0647")));
    BOOST_TEST((has(mojibake, "caf\u00c3\u00a9") && has(mojibake, "it\u00e2\u20ac\u2122s") && has(mojibake, "\u00c2\u00a7 5") &&
                !has(mojibake, "\u00c3gua, \u00e2ge 5\u00a7")));
    BOOST_TEST((has(markup, "a <b>c</b>") && has(markup, "<a href=\"x\">") && has(markup, "&amp;") && has(markup, "&#39;") &&
                has(markup, "x<br/>")));
    BOOST_TEST((!has(markup, "a < b > c & d; 3<5>2") && !has(markup, "x <y") && !has(markup, "<")));
}

BOOST_AUTO_TEST_CASE(copies_near_copies_and_what_the_test_has_of_them) {
    for (unsigned const threads : {1U, 3U}) {
        bmae::TextDiagnoser diagnoser({.threads = threads});
        std::string const base = bread;
        diagnoser.add("a", base);
        diagnoser.add("b", "Ships lie in the harbour and wait for the tide that brings them out to sea with all of their crew.");
        diagnoser.add("c", "  " + base + "\n");
        diagnoser.add("d", "BREAD" + base.substr(5) + " Today.");
        diagnoser.add("e", "");
        diagnoser.add("t1", base, true);
        diagnoser.add("t2", base + " Yes.", true);
        diagnoser.add("t3", "Nothing of the kind was ever written anywhere else in this small and invented collection.", true);
        auto const found = diagnoser.finish();
        BOOST_TEST(found.texts == 8U);
        BOOST_TEST(found.held_out == 3U);
        BOOST_TEST(found.compared == 7U);
        BOOST_TEST(found.of(bmae::TextIssue::empty).count == 1U);
        BOOST_TEST(found.copies.groups == 1U);
        BOOST_TEST(found.copies.redundant == 2U);
        BOOST_TEST(found.copies.held_out == 1U);
        BOOST_TEST(found.copies.held_out_first == std::vector<std::string>{"t1"}, boost::test_tools::per_element());
        BOOST_TEST(found.near.groups == 1U);
        BOOST_TEST(found.near.first[0] == (std::vector<std::string>{"a", "d", "t2"}), boost::test_tools::per_element());
        BOOST_TEST(found.near.held_out == 1U);
        BOOST_TEST(found.languages.at("en") == 7U);
        BOOST_TEST(!found.has_tokens);
    }
}

BOOST_AUTO_TEST_CASE(copies_are_looked_for_among_the_first_texts) {
    bmae::TextDiagnoser diagnoser({.compared = 2});
    for (char const* const id : {"a", "b", "c"}) { diagnoser.add(id, bread); }
    auto const found = diagnoser.finish();
    BOOST_TEST(found.compared == 2U);
    BOOST_TEST(found.copies.redundant == 1U);
}

BOOST_AUTO_TEST_CASE(tokens_lengths_and_unknown_words) {
    bmae::WordPiece const tokenizer({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"});
    bmae::TextDiagnoser diagnoser({.tokenizer = tokenizer});
    diagnoser.add("1", "a b a");
    diagnoser.add("2", "a zzz \u2603 zzz");
    diagnoser.add("3", "");
    auto const found = diagnoser.finish();
    BOOST_TEST(found.tokens == 7U);
    BOOST_TEST(found.unknown == 3U);
    BOOST_TEST(found.unknown_words[0].first == "zzz");
    BOOST_TEST(found.unknown_words[0].second == 2U);
    BOOST_TEST(found.without_token == 1U);
    BOOST_TEST(found.length_of(1) == 6U);   // with [CLS] and [SEP]
    BOOST_TEST(found.length_of(.5) == 5U);
    BOOST_TEST(found.truncation(4).texts == 2U);
    BOOST_TEST(found.truncation(4).tokens == 3U);
    BOOST_TEST(found.truncation(6).texts == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
