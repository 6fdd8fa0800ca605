// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/text/sentence_splitter.hpp>
#include <bmae/values/draw.hpp>

BOOST_AUTO_TEST_SUITE(sentence_splitter)

namespace {

std::vector<std::string> sentences(std::string const& text, bmae::SentenceSplitterOptions options = {}) {
    std::vector<std::string> found;
    for (bmae::ByteSpan const span : bmae::SentenceSplitter(std::move(options)).split(text)) {
        found.push_back(text.substr(span.begin, span.end - span.begin));
    }
    return found;
}

using List = std::vector<std::string>;

void check(std::string const& text, List const& expected) {
    List const found = sentences(text);
    BOOST_CHECK_EQUAL_COLLECTIONS(found.begin(), found.end(), expected.begin(), expected.end());
}

}  // namespace

BOOST_AUTO_TEST_CASE(plain_sentences) {
    check("", {});
    check(" \n\n ", {});
    check("One. Two! Three? Four", {"One.", "Two!", "Three?", "Four"});
    check("  Space around.   And between.  ", {"Space around.", "And between."});
    check("What?! Really...", {"What?!", "Really..."});
}

BOOST_AUTO_TEST_CASE(stops_that_end_nothing) {
    check("Mr. Smith met Dr. Jones. They talked.", {"Mr. Smith met Dr. Jones.", "They talked."});
    check("Pi is 3.14 or so. Visit www.example.org now.", {"Pi is 3.14 or so.", "Visit www.example.org now."});
    check("J. R. R. Tolkien wrote it. He was born in 1892.", {"J. R. R. Tolkien wrote it.", "He was born in 1892."});
    check("Use tools, e.g. Hammers, i.e. Heavy ones.", {"Use tools, e.g. Hammers, i.e. Heavy ones."});
    check("See Fig. 3 and No. 7. Then stop.", {"See Fig. 3 and No. 7.", "Then stop."});
    check("1. Introduction follows. 2. Methods too.", {"1. Introduction follows.", "2. Methods too."});
    check("Wait... what is it? Nothing.", {"Wait... what is it?", "Nothing."});
    check("... And then. [...] So.", {"... And then.", "[...] So."});
    check("\u2026and then he left\u2026 She stayed.", {"\u2026and then he left\u2026", "She stayed."});
}

BOOST_AUTO_TEST_CASE(full_stops_of_other_scripts) {
    check("\u6211\u5728\u5317\u4eac\u3002\u4f60\u5462\uff1f\uff01\u597d",
          {"\u6211\u5728\u5317\u4eac\u3002", "\u4f60\u5462\uff1f\uff01", "\u597d"});
    check("\u300c\u306f\u3044\u3002\u300d\u3068\u8a00\u3046\u3002\u3000\u7d42\u308f\u308a\u3002",
          {"\u300c\u306f\u3044\u3002\u300d\u3068\u8a00\u3046\u3002", "\u7d42\u308f\u308a\u3002"});
    check("\u300c\u306f\u3044\u3002\u300d\u300c\u3044\u3044\u3048\u3002\u300d",
          {"\u300c\u306f\u3044\u3002\u300d", "\u300c\u3044\u3044\u3048\u3002\u300d"});
    check("\u092f\u0939 \u0939\u0948\u0964 \u0935\u0939 \u0939\u0948\u0965\nEnd.",
          {"\u092f\u0939 \u0939\u0948\u0964", "\u0935\u0939 \u0939\u0948\u0965", "End."});
    check("\u6587\u3002\n\n\u6587", {"\u6587\u3002", "\u6587"});
}

BOOST_AUTO_TEST_CASE(abbreviations_that_may_end) {
    check("He lives in the U.S. He likes it.", {"He lives in the U.S.", "He likes it."});
    check("The U.S. Senate met.", {"The U.S. Senate met."});
    check("Apples, pears, etc. The rest is gone.", {"Apples, pears, etc.", "The rest is gone."});
    check("It began at 5 p.m. on Monday.", {"It began at 5 p.m. on Monday."});
    check("Acme Inc. Chairman Bob spoke.", {"Acme Inc. Chairman Bob spoke."});
    check("Did you? No. Never.", {"Did you?", "No.", "Never."});
    check("So did I. We left.", {"So did I.", "We left."});
}

BOOST_AUTO_TEST_CASE(quotes_and_brackets) {
    check("\"Stop!\" he said. \"Why?\" She ran.", {"\"Stop!\" he said.", "\"Why?\"", "She ran."});
    check("He said \u201cgo.\u201d Then he went.", {"He said \u201cgo.\u201d", "Then he went."});
    check("It works (I think.) Good. [See below.] \u201cYes.\u201d",
          {"It works (I think.)", "Good.", "[See below.]", "\u201cYes.\u201d"});
}

BOOST_AUTO_TEST_CASE(line_ends) {
    check("A title\n\nThe text goes\non here. End", {"A title", "The text goes\non here.", "End"});
    check("A title\r\n\r\nText", {"A title", "Text"});
    List const found = sentences("one\ntwo\n", {.newline_ends = true});
    List const expected{"one", "two"};
    BOOST_CHECK_EQUAL_COLLECTIONS(found.begin(), found.end(), expected.begin(), expected.end());
}

BOOST_AUTO_TEST_CASE(random_text_loses_no_byte) {
    bmae::Draw draw({.seed = 7});
    std::string const alphabet = "aB. !?\n\"')1\xc3\xa9\xe2\x80\xa6\xff";
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        for (auto left = draw.below(60); left > 0; --left) { text += alphabet[draw.below(alphabet.size())]; }
        std::size_t at = 0;
        auto const is_space = [](char c) { return c == ' ' || c == '\n'; };
        auto const only_space = [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) { BOOST_REQUIRE(is_space(text[i])); }
        };
        for (bmae::ByteSpan const span : bmae::SentenceSplitter().split(text)) {
            BOOST_REQUIRE(span.begin >= at && span.begin < span.end && span.end <= text.size());
            BOOST_REQUIRE(!is_space(text[span.begin]) && !is_space(text[span.end - 1]));
            only_space(at, span.begin);
            at = span.end;
        }
        only_space(at, text.size());
    }
}

BOOST_AUTO_TEST_CASE(long_text_of_marks_takes_linear_time) {
    for (std::string const unit : {".", ". ", "a.", "\n", "'. ", "( ", "a. (\"'"}) {
        std::string text;
        while (text.size() < 4000000) { text += unit; }
        BOOST_CHECK(bmae::SentenceSplitter().split(text).size() <= text.size());   // quadratic work would not return
    }
}

BOOST_AUTO_TEST_SUITE_END()
