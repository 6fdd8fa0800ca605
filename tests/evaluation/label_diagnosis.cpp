// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <bmae/evaluation/label_diagnosis.hpp>

BOOST_AUTO_TEST_SUITE(label_diagnosis)

namespace {

bmae::Records records(std::vector<std::pair<std::string, std::string>> const& texts) {
    bmae::Records all;
    for (auto const& [id, text] : texts) { all.add({.id = id, .text = text}); }
    return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(labels_that_the_texts_speak_against) {
    auto const documents = records({{"d1", "Bread is baked in an oven"},
                                    {"d2", "Ships lie in the harbour"},
                                    {"d3", "Bread  is baked in an oven"},   // a copy of d1
                                    {"d4", "An oven for bread and cake"},
                                    {"d5", "Ships lie in the harbour"}});   // a copy of d2
    auto const queries =
        records({{"q1", "where is bread baked"}, {"q2", "what lies in a harbour"}, {"q3", "who sings"}, {"q4", "oven"}});
    bmae::Bm25Index const index(documents.texts(), documents.ids(), {.threads = 1});
    std::vector<bmae::JudgedPair> const pairs = {{"q1", "d1", 1}, {"q1", "d3", 0},   // contradicted
                                                 {"q2", "d2", 1},                    // d5 is not judged
                                                 {"q3", "d4", 1},                    // no common term
                                                 {"q4", "d2", 0}, {"q4", "lost", 1}};
    bmae::CopiesOfTexts const copies(documents);
    auto const found = bmae::diagnose_labels(documents, copies, queries, pairs, index, {.depth = 2});
    using Pair = std::pair<std::string, std::string>;
    BOOST_TEST(found.judgments == 6U);
    BOOST_TEST(found.queries == 4U);
    BOOST_TEST(found.positives == 3U);
    BOOST_TEST((found.contradicted.first == std::vector{Pair("q1", "d1")}));
    BOOST_TEST((found.unjudged_copies.first == std::vector{Pair("q2", "d5")}));
    BOOST_TEST((found.without_common_term.first == std::vector{Pair("q3", "d4")}));
    BOOST_TEST((found.without_document.first == std::vector{Pair("q4", "lost")}));
    BOOST_TEST((found.without_positive.first == std::vector<std::string>{"q4"}));
    BOOST_TEST(found.below_depth.count == 1U);   // of q3
    BOOST_TEST(found.below_nonrelevant.count == 0U);
    BOOST_TEST(found.noise() == 2. / 3);
    BOOST_TEST(bmae::LabelDiagnosis{}.noise() == 0);
    BOOST_CHECK_THROW(bmae::diagnose_labels(queries, copies, queries, pairs, index), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(copies_of_a_text) {
    bmae::Records documents = records({{"a", "Ships lie in the harbour"}, {"b", "Bread"}, {"c", "Ships  lie in the harbour "}});
    documents.add({.id = "d", .title = "Ships", .text = "lie in the harbour"});
    bmae::CopiesOfTexts const copies(documents);
    BOOST_TEST(copies.size() == 4U);
    BOOST_TEST(copies.of(2) == (std::vector<std::size_t>{0, 2, 3}), boost::test_tools::per_element());
    BOOST_TEST(copies.contains("Bread"));
    BOOST_TEST(!copies.contains("lie in the harbour"));   // without the title
}

BOOST_AUTO_TEST_CASE(relevant_documents_far_below_one_that_is_not) {
    auto const documents =
        records({{"d1", "bread bread bread"}, {"d2", "oven"}, {"d3", "cake of bread and much else that is long"}});
    auto const queries = records({{"q", "bread oven"}});
    bmae::Bm25Index const index(documents.texts(), documents.ids(), {.threads = 1});
    std::vector<bmae::JudgedPair> const pairs = {{"q", "d3", 2}, {"q", "d2", 0}};
    bmae::CopiesOfTexts const copies(documents);
    auto const found = bmae::diagnose_labels(documents, copies, queries, pairs, index, {.depth = 1});
    BOOST_TEST(found.below_nonrelevant.count == 1U);
    BOOST_TEST(found.suspects == 1U);
    BOOST_TEST(bmae::diagnose_labels(documents, copies, queries, pairs, index, {.depth = 3}).suspects == 0U);
}

BOOST_AUTO_TEST_CASE(what_training_and_test_share) {
    auto const queries = records({{"a", "where is bread baked in the old town of the north"},
                                  {"b", "ships"},
                                  {"c", "Where is bread baked in the old town of the north?"},
                                  {"d", "in the old town of the north where is bread baked"},
                                  {"e", "who sings at night"},
                                  {"f", ""}});
    auto const overlap =
        bmae::overlap_of_splits(queries, {{"a", "d1", 1}, {"b", "d2", 1}, {"f", "d9", 1}},
                                {{"b", "d3", 1}, {"c", "d1", 1}, {"c", "d4", 0}, {"d", "d1", 1}, {"e", "d2", 1}});
    BOOST_TEST(overlap.train_queries == 3U);
    BOOST_TEST(overlap.test_queries == 4U);
    BOOST_TEST(overlap.same_id.first == std::vector<std::string>{"b"}, boost::test_tools::per_element());
    BOOST_TEST(overlap.same_text.first == std::vector<std::string>{"c"}, boost::test_tools::per_element());
    BOOST_TEST(overlap.similar_text.first == std::vector<std::string>{"d"}, boost::test_tools::per_element());
    BOOST_TEST(overlap.same_pair.first == std::vector<std::string>{"c"}, boost::test_tools::per_element());
    BOOST_TEST(overlap.test_documents == 3U);
    BOOST_TEST(overlap.shared_documents == 2U);
}

BOOST_AUTO_TEST_SUITE_END()
