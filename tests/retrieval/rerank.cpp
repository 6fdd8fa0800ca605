// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include <bmae/retrieval/rerank.hpp>

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "files.hpp"
#include "run_of.hpp"

BOOST_AUTO_TEST_SUITE(rerank)

namespace {

BOOST_AUTO_TEST_CASE(the_first_hits_come_by_their_new_scores_and_the_others_keep_their_order_behind) {
    bmae::Run const run = test::run_of({{"c", 1}, {"a", 9}, {"b", 9}, {"d", -4}, {"e", 0}});
    auto const hits = bmae::best_first(run, 0);
    std::string order;
    for (bmae::Hit const& hit : hits) { order += run.document(hit.document); }
    BOOST_TEST(order == "abced");   // equal scores keep the order of the run
    std::vector<float> const scores{-2.5F, 3, -2.5F};
    auto const again = bmae::reranked(hits, scores);
    std::string text;
    for (bmae::Hit const& hit : again) {
        text += std::string(run.document(hit.document)) + ' ' + std::to_string(hit.score).substr(0, 4) + ' ';
    }
    BOOST_TEST(text == "b 3.00 a -2.5 c -2.5 e -3.5 d -4.5 ");
    BOOST_TEST(bmae::reranked(hits, {}).front().score == -1.0F);
    BOOST_TEST(test::contains(test::refusal([&] { bmae::reranked(std::span(hits).first(2), scores); }), "3 for 2"));
}

BOOST_AUTO_TEST_CASE(a_teacher_scores_the_relevant_documents_and_the_first_hits) {
    bmae::Run const run = test::run_of({{"a", 3}, {"b", 2}, {"c", 1}}, "q1");
    bmae::Qrels qrels;
    qrels.add("q1", "b", 1);
    qrels.add("q1", "x", 2);
    qrels.add("q1", "y", 0);   // judged not relevant
    qrels.add("q2", "z", 1);   // without hits
    qrels.add("q3", "y", 0);
    bmae::Run const candidates = bmae::teacher_candidates(run, qrels, 2);
    std::string text;
    for (std::size_t q = 0; q < candidates.size(); ++q) {
        text += std::string(candidates.query(q)) + ':';
        for (bmae::Hit const& hit : bmae::best_first(candidates, q)) { text += candidates.document(hit.document); }
        text += ' ';
    }
    BOOST_TEST(text == "q1:bxa q2:z ");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
