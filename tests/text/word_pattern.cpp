// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/text/word_pattern.hpp>
#include <bmae/text/word_splitter.hpp>
#include <bmae/values/error.hpp>

BOOST_AUTO_TEST_SUITE(word_pattern)

namespace {

using Words = std::vector<std::string>;
using bmae::WordPattern;

Words matches(std::string const& expression, std::string_view text) {
    Words found;
    WordPattern(expression).for_each_match(text, [&](std::size_t begin, std::size_t end) {
        found.emplace_back(text.substr(begin, end - begin));
    });
    return found;
}

Words split(std::string const& expression, bmae::WordSplit::Behavior behavior, bool invert, std::string_view text) {
    std::vector<bmae::WordSplit> const splits{{.kind = bmae::WordSplit::Kind::expression,
                                               .behavior = behavior,
                                               .expression = WordPattern(expression),
                                               .invert = invert}};
    Words found;
    for (std::string_view const word : bmae::split_words(splits, text)) { found.emplace_back(word); }
    return found;
}

void check(Words const& found, Words const& expected) { BOOST_TEST(found == expected, boost::test_tools::per_element()); }

}  // namespace

BOOST_AUTO_TEST_CASE(literals_sets_and_classes) {
    check(matches("ab", "abab-b"), {"ab", "ab"});
    check(matches("[a-c]+", "xabcd"), {"abc"});
    check(matches("[^a-c]+", "xabcd"), {"x", "d"});
    check(matches("[-a\\]]+", "b-a]b"), {"-a]"});
    check(matches("a.", "a\nab"), {"ab"});
    check(matches("\\d+", "12\u0663x\u00b2"), {"12\u0663"});   // Arabic three is a digit, superscript two is none
    check(matches("\\p{N}+", "12\u0663x\u00b2"), {"12\u0663", "\u00b2"});
    check(matches("\\p{L}\\p{M}*", "e\u0301x"), {"e\u0301", "x"});
    check(matches("\\p{P}|\\p{S}", "a.b+c"), {".", "+"});
    check(matches("\\P{L}+", "ab12c"), {"12"});
    check(matches("\\s+", "a\u3000 b"), {"\u3000 "});
    check(matches("\\W", "a_b c"), {" "});
    check(matches("\u6f22|\u5b57", "x\u5b57\u6f22"), {"\u5b57", "\u6f22"});
}

BOOST_AUTO_TEST_CASE(alternatives_are_tried_in_their_order) {
    check(matches("a|ab", "ab"), {"a"});
    check(matches("(?:a|ab)c", "abc"), {"abc"});
    check(matches("(a|b)+c", "abac ab"), {"abac"});
}

BOOST_AUTO_TEST_CASE(repeats) {
    check(matches("a{2}", "aaaaa"), {"aa", "aa"});
    check(matches("a{1,3}", "aaaaa"), {"aaa", "aa"});
    check(matches("a{2,}", "a aaaa"), {"aaaa"});
    check(matches("xa{,2}", "xaaa"), {"xaa"});
    check(matches("a+?", "aaa"), {"a", "a", "a"});
    check(matches("a+?b", "aaab"), {"aaab"});
    check(matches("a++ab|b", "aaab"), {"b"});   // the possessive repeat leaves no a
    check(matches("(?>a+)b", "aaab"), {"aaab"});
}

BOOST_AUTO_TEST_CASE(lookahead) {
    check(matches("\\s+(?!\\S)|\\s", "a   b  "), {"  ", " ", "  "});
    check(matches("a(?=b)", "abaab"), {"a", "a"});
}

BOOST_AUTO_TEST_CASE(both_cases) {
    check(matches("(?i:'s|'ve)", "it'S I'Ve"), {"'S", "'Ve"});
    check(matches("(?i:s)s", "\u017fs"), {"\u017fs"});   // the long s folds to s
    check(matches("(?i:[^k])", "k\u212aKx"), {"x"});
}

BOOST_AUTO_TEST_CASE(expressions_of_known_tokenizers) {
    check(matches("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", "It's 12  of\n them!!"),
          {"It", "'s", " 12", " ", " of", "\n", " them", "!!"});
    check(
        matches(
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
            "|\\s+(?!\\S)|\\s+",
            "x'LL 12345 _y ...\n\n z"),
        {"x", "'LL", " ", "123", "45", " _", "y", " ...\n\n", " z"});
}

BOOST_AUTO_TEST_CASE(what_is_not_obeyed_is_refused) {
    for (char const* const expression : {"",         "a*",         "^a",      "a$",          "\\ba",
                                         "(?<=a)b",  "(?<n>a)",    "(a)\\1",  "(?i)a",       "[[:alpha:]]",
                                         "[a&&b]",   "[]",         "[b-a]",   "[\\d-x]",     "\\p{Lu}",
                                         "\\p{Han}", "\\x41",      "\\h",     "a**",         "a{2}?",
                                         "a{2}+",    "a{",         "{",       "*a",          "(a",
                                         "a)",       "(?:a*)*b",   "(?=a)+b", "(?i:\u00e9)", "(?i:ss)",
                                         "(?i:fi)",  "(?i:[a-z])", "a\\",     "[a",          "(((a{999}){999}){999})",
                                         "a\xff"}) {
        BOOST_TEST_CONTEXT(expression) {
            BOOST_CHECK_EXCEPTION(WordPattern(expression, "tokenizer.json"), bmae::InputError, [](bmae::InputError const& error) {
                return std::string(error.what()).find("tokenizer.json") != std::string::npos;
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(exponential_expressions_end) {
    BOOST_CHECK_THROW(matches("(?:a+)+b", std::string(60, 'a')), bmae::InputError);
    check(matches("a+b?", std::string(2'000'000, 'a')), {std::string(2'000'000, 'a')});
}

BOOST_AUTO_TEST_CASE(behaviors) {
    using Behavior = bmae::WordSplit::Behavior;
    std::string const text = "-a--b-";
    check(split("-", Behavior::removed, false, text), {"a", "b"});
    check(split("-", Behavior::removed, true, text), {"-", "-", "-", "-"});
    check(split("-", Behavior::isolated, false, text), {"-", "a", "-", "-", "b", "-"});
    check(split("-", Behavior::contiguous, false, text), {"-", "a", "--", "b", "-"});
    check(split("-", Behavior::merged_with_previous, false, text), {"-", "a-", "-", "b-"});
    check(split("-", Behavior::merged_with_next, false, text), {"-a", "-", "-b", "-"});
    check(split("\\w+|[^\\w\\s]+", Behavior::removed, true, "a_1 ..b"), {"a_1", "..", "b"});
    std::vector<bmae::WordSplit> const points{
        {.kind = bmae::WordSplit::Kind::punctuation, .behavior = Behavior::merged_with_previous}};
    BOOST_TEST(bmae::split_words(points, "a.b..").size() == 3);
}

BOOST_AUTO_TEST_SUITE_END()
