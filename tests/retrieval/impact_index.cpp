// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include <bmae/retrieval/impact_index.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/retrieval/postings.hpp>
#include <bmae/values/draw.hpp>

#include "files.hpp"

BOOST_AUTO_TEST_SUITE(impact_index)

namespace {

using bmae::ImpactIndex;
using bmae::Run;
using bmae::SparseVectors;

std::vector<std::string> numbered(char const* name, std::size_t count) {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < count; ++i) { ids.push_back(name + std::to_string(i)); }
    return ids;
}

/// Rows in which a share of the weights is above 0.
std::vector<std::vector<float>> random_rows(std::size_t count, std::size_t terms, double share, std::uint64_t seed) {
    std::vector<std::vector<float>> rows(count, std::vector<float>(terms));
    bmae::Draw draw({.seed = seed});
    for (auto& row : rows) {
        for (float& weight : row) { weight = draw.chance(share) ? static_cast<float>(draw.uniform() * 3) : 0.0F; }
    }
    return rows;
}

SparseVectors sparse(std::vector<std::vector<float>> const& rows) {
    SparseVectors vectors;
    for (auto const& row : rows) { vectors.add(row); }
    return vectors;
}

BOOST_AUTO_TEST_CASE(scores_are_the_dot_products_of_all_texts_that_share_a_term) {
    constexpr std::size_t terms = 90;
    auto const texts = random_rows(300, terms, .04, 1);
    auto const queries = random_rows(20, terms, .08, 2);
    for (unsigned const threads : {1U, 3U}) {
        ImpactIndex const index(sparse(texts), numbered("d", texts.size()), terms, threads);
        Run const run = index.search(sparse(queries), 25, numbered("q", queries.size()));
        BOOST_REQUIRE(run.size() == queries.size());
        for (std::size_t q = 0; q < queries.size(); ++q) {
            std::vector<std::pair<double, std::size_t>> expected;
            for (std::size_t d = 0; d < texts.size(); ++d) {
                double score = 0;
                for (std::size_t t = 0; t < terms; ++t) {
                    score += static_cast<double>(queries[q][t]) * static_cast<double>(texts[d][t]);
                }
                if (score > 0) { expected.emplace_back(-score, d); }
            }
            std::sort(expected.begin(), expected.end());
            expected.resize(std::min<std::size_t>(expected.size(), 25));
            BOOST_REQUIRE(run.hits(q).size() == expected.size());
            for (std::size_t i = 0; i < expected.size(); ++i) {
                BOOST_TEST(static_cast<double>(run.hits(q)[i].score) == -expected[i].first, boost::test_tools::tolerance(1e-5));
                BOOST_TEST(run.hits(q)[i].document == expected[i].second);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(equal_scores_keep_the_order_of_the_texts_and_a_query_without_terms_has_no_hit) {
    SparseVectors const texts = sparse({{0, 1, 0}, {0, 1, 2}, {0, 1, 0}, {0, 0, 0}});
    ImpactIndex const index(texts, {"z", "y", "a", "b"}, 3);
    BOOST_TEST(index.size() == 4U);
    BOOST_TEST(index.posting_count() == 4U);
    Run const run = index.search(sparse({{5, 1, 0}, {0, 0, 0}}), 10, {"one", "two"});
    BOOST_REQUIRE(run.hits(0).size() == 3U);
    BOOST_TEST(run.document(run.hits(0)[0].document) == "z");
    BOOST_TEST(run.document(run.hits(0)[2].document) == "a");
    BOOST_TEST(run.hits(1).empty());
}

BOOST_AUTO_TEST_CASE(what_is_no_sparse_vector_of_the_index_is_refused) {
    SparseVectors vectors;
    for (float const wrong : {-1.0F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        BOOST_TEST(test::contains(test::refusal([&] { vectors.add(std::vector<float>{0, wrong}); }), "of term 1"));
    }
    SparseVectors const one = sparse({{1, 1}});
    BOOST_TEST(test::contains(test::refusal([&] { ImpactIndex(one, {"a", "b"}, 2); }), "2 ids for 1 texts"));
    BOOST_TEST(test::contains(test::refusal([&] { ImpactIndex(one, {"a"}, 1); }), "terms below 1"));
    ImpactIndex const index(one, {"a"}, 2);
    BOOST_TEST(
        test::contains(test::refusal([&] { static_cast<void>(index.search(sparse({{0, 0, 1}}), 3, {"q"})); }), "terms below 2"));
    BOOST_TEST(test::contains(test::refusal([&] { static_cast<void>(index.search(one, 3, {})); }), "0 ids for 1 queries"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
