// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Judgments by answer strings; random texts are compared with Python's in tests/parity/metrics_parity.py.
#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/evaluation/answers.hpp>
#include <bmae/evaluation/evaluator.hpp>

#include "../retrieval/files.hpp"
#include "../retrieval/run_of.hpp"

BOOST_AUTO_TEST_SUITE(answers)

BOOST_AUTO_TEST_CASE(whole_tokens_in_order_without_case_and_accents_decomposed) {
    auto const finds = [](std::string const& answer, std::string_view text) {
        return bmae::AnswerMatcher({answer}).matches(text);
    };
    BOOST_TEST(finds("New York", "He lives in new  york."));
    BOOST_TEST(!finds("New York", "New Yorkers"));
    BOOST_TEST(!finds("New York", "York, New"));
    BOOST_TEST(!finds("New York", "New, York"));   // the comma is a token
    BOOST_TEST(finds("U.S.", "in the u . s ."));   // and so is each full stop
    BOOST_TEST(!finds("14", "1492"));
    BOOST_TEST(finds("caf\u00e9", "CAFE\u0301"));                                // composed and decomposed
    BOOST_TEST(!finds("cafe", "caf\u00e9"));                                     // an accent is part of the token
    BOOST_TEST(finds("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2"));   // final sigma
    BOOST_TEST(finds("$5", "costs $ 5"));
    BOOST_TEST(test::contains(test::refusal([] { bmae::AnswerMatcher({" \n"}); }), "drop it"));
}

BOOST_AUTO_TEST_CASE(success_over_them_is_the_accuracy_of_the_first_passages) {
    auto const run = test::run_of({{"a", 3.0F}, {"b", 2.0F}, {"c", 1.0F}});
    auto const passage_of = [](std::string_view id) -> std::optional<bmae::AnswerPassage> {
        if (id == "a") { return bmae::AnswerPassage{"Paris", "A city."}; }
        if (id == "b") { return bmae::AnswerPassage{"France", "Its capital is Paris."}; }
        return id == "c" ? std::optional(bmae::AnswerPassage{}) : std::nullopt;
    };
    std::vector<bmae::QuestionAnswers> const questions = {{"q", {"Lyon", "paris"}}, {"lost", {"x"}}};
    auto const success = [&](bmae::AnswerOptions const& options, std::size_t k) {
        auto const qrels = bmae::judge_by_answers(run, questions, passage_of, options);
        return bmae::evaluate(qrels, run, {.missing = bmae::MissingQuery::zero}, bmae::Success{k}).means[0];
    };
    BOOST_TEST(success({}, 1) == 0);
    BOOST_TEST(success({}, 2) == .5);
    BOOST_TEST(success({.titles = true}, 1) == .5);
    BOOST_TEST(success({.depth = 1}, 2) == 0);
    auto const refused = [&](std::vector<bmae::QuestionAnswers> const& wrong) {
        return test::refusal([&] { bmae::judge_by_answers(run, wrong, [](auto) { return std::nullopt; }); });
    };
    BOOST_TEST(test::contains(refused({{"q", {}}}), "an answer per question"));
    BOOST_TEST(test::contains(refused({{"r", {"x"}}, {"r", {"y"}}}), "'r' again"));
    BOOST_TEST(test::contains(refused({{"q", {"x"}}}), "no document 'a'"));
}

BOOST_AUTO_TEST_SUITE_END()
