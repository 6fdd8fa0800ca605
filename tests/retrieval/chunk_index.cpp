// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
// Documents by their best chunks, against all scores.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

#include <bmae/retrieval/chunk_index.hpp>
#include <bmae/values/draw.hpp>

BOOST_AUTO_TEST_SUITE(chunk_index)

namespace {
using namespace bmae;

/// Values from -1 to 1 in steps of 1/4: sums are exact and ties many.
at::Tensor coarse(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
    Draw draw({.seed = seed});
    at::Tensor const tensor = at::empty({rows, width}, at::kFloat);
    auto* const values = tensor.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < rows * width; ++i) { values[i] = static_cast<float>(draw.below(9)) / 4 - 1; }
    return tensor;
}

/// Documents of a query by best score, then by id.
std::vector<std::pair<std::string, float>> by_hand(at::Tensor const& scores, std::vector<std::int64_t> const& offsets,
                                                   std::vector<std::string> const& ids) {
    std::vector<std::pair<std::string, float>> documents;
    for (std::size_t n = 0; n < ids.size(); ++n) {
        documents.emplace_back(ids[n], scores.narrow(0, offsets[n], offsets[n + 1] - offsets[n]).max().item<float>());
    }
    std::ranges::sort(
        documents, [](auto const& a, auto const& b) { return a.second != b.second ? a.second > b.second : a.first < b.first; });
    return documents;
}
}  // namespace

BOOST_AUTO_TEST_CASE(documents_are_ranked_by_their_best_chunks) {
    Draw draw({.seed = 5});
    std::vector<std::int64_t> offsets{0};
    std::vector<std::string> ids;
    for (int n = 0; n < 40; ++n) {   // one document of 200 chunks takes all the first places of some queries
        ids.push_back("d" + std::to_string(n * 7 % 40));
        offsets.push_back(offsets.back() + (n == 3 ? 200 : 1 + static_cast<std::int64_t>(draw.below(4))));
    }
    at::Tensor const rows = coarse(offsets.back(), 6, 1);
    at::Tensor const queries = coarse(9, 6, 2);
    ChunkIndex const index(rows.clone(), offsets, ids);
    BOOST_TEST(index.size() == 40U);
    BOOST_TEST(index.chunks() == static_cast<std::size_t>(offsets.back()));
    at::Tensor const scores = at::matmul(queries, rows.t());
    for (std::size_t const k : {1U, 3U, 17U, 40U, 100U}) {
        Run const run = index.search(queries, k);
        BOOST_REQUIRE_EQUAL(run.size(), 9U);
        for (std::size_t q = 0; q < run.size(); ++q) {
            BOOST_CHECK_EQUAL(run.query(q), std::to_string(q));
            auto const wanted = by_hand(scores[static_cast<std::int64_t>(q)], offsets, ids);
            BOOST_REQUIRE_EQUAL(run.hits(q).size(), std::min<std::size_t>(k, 40));
            for (std::size_t i = 0; i < run.hits(q).size(); ++i) {
                BOOST_CHECK_EQUAL(run.document(run.hits(q)[i].document), wanted[i].first);
                BOOST_CHECK_EQUAL(run.hits(q)[i].score, wanted[i].second);
            }
        }
    }
    BOOST_CHECK_EQUAL(index.search(queries.narrow(0, 0, 1), 2, {"first"}).query(0), "first");
}

BOOST_AUTO_TEST_CASE(equal_scores_are_ordered_by_document) {
    at::Tensor const rows = at::ones({4, 2}, at::kFloat);   // d10 sorts behind d1, whatever follows in the names of chunks
    Run const run = ChunkIndex(rows, {0, 2, 4}, {"d10", "d1"}).search(at::ones({1, 2}, at::kFloat), 2);
    BOOST_CHECK_EQUAL(run.document(run.hits(0)[0].document), "d1");
}

BOOST_AUTO_TEST_CASE(offsets_that_do_not_fit_are_refused) {
    at::Tensor const rows = coarse(3, 2, 1);
    BOOST_CHECK_THROW(ChunkIndex(rows, {0, 3}, {"a", "b"}), InputError);
    BOOST_CHECK_THROW(ChunkIndex(rows, {0, 1, 1, 3}, {"a", "b", "c"}), InputError);
    BOOST_CHECK_THROW(ChunkIndex(rows, {0, 1, 2}, {"a", "b"}), InputError);
    BOOST_CHECK_NO_THROW(ChunkIndex(rows, {0, 1, 3}, {"a", "b"}));
}

BOOST_AUTO_TEST_SUITE_END()
