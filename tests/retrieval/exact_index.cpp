// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <bmae/retrieval/exact_index.hpp>
#include <bmae/retrieval/similarity.hpp>
#include <bmae/values/draw.hpp>

#include "files.hpp"

BOOST_AUTO_TEST_SUITE(exact_index)

namespace {

/// Values from -1 to 1; in steps of 1/4 where `coarse`, so that sums are exact and ties many.
at::Tensor invented(std::int64_t rows, std::int64_t width, std::uint64_t seed, bool coarse) {
    bmae::Draw draw({.seed = seed});
    at::Tensor const tensor = at::empty({rows, width}, at::kFloat);
    auto* const values = tensor.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < rows * width; ++i) {
        values[i] = coarse ? static_cast<float>(draw.below(9)) / 4 - 1 : static_cast<float>(2 * draw.uniform() - 1);
    }
    return tensor;
}

std::vector<std::string> ids_of(std::size_t count) {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < count; ++i) { ids.push_back("d" + std::to_string((i * 7919) % count)); }   // not in order
    return ids;
}

bool same(bmae::Run const& a, bmae::Run const& b) {
    if (a.size() != b.size()) { return false; }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!std::ranges::equal(a.hits(i), b.hits(i))) { return false; }
    }
    return true;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_index_owns_its_vectors_whatever_their_width) {
    for (std::int64_t const width : {5, 16, 32}) {
        for (at::ScalarType const type : {at::kFloat, at::kBFloat16}) {
            at::Tensor const vectors = invented(50, width, 1, true).to(type);
            at::Tensor const queries = invented(3, width, 2, true);
            bmae::ExactIndex const index(vectors, ids_of(50));
            bmae::Run const before = index.search(queries, 10);
            vectors.zero_();
            BOOST_TEST(same(index.search(queries, 10), before), width << ' ' << c10::toString(type));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_tensor_that_is_handed_over_is_not_copied) {
    at::Tensor const values = invented(50, 16, 1, true);
    at::Tensor const queries = invented(3, 16, 2, true);
    bool released = false;
    {
        at::Tensor mine = at::from_blob(values.mutable_data_ptr<float>(), {50, 16}, [&](void*) { released = true; }, at::kFloat);
        bmae::ExactIndex const index(std::move(mine), ids_of(50));
        BOOST_TEST(!released);   // a copy would have let it go
        BOOST_TEST(same(index.search(queries, 10), bmae::ExactIndex(values, ids_of(50)).search(queries, 10)));
    }
    BOOST_TEST(released);
    bmae::ExactIndex const borrowed(at::from_blob(values.mutable_data_ptr<float>(), {50, 16}, at::kFloat), ids_of(50));
    bmae::Run const before = borrowed.search(queries, 10);
    values.zero_();   // the memory that was borrowed
    BOOST_TEST(same(borrowed.search(queries, 10), before));
}

BOOST_AUTO_TEST_CASE(pitfall_25_equals_sorting_all_products_with_ties_by_id) {
    for (std::int64_t const width : {1, 5, 16, 33, 64}) {
        auto const vectors = invented(701, width, 1, true);
        auto const queries = invented(7, width, 2, true);
        auto const ids = ids_of(701);
        auto const products = at::matmul(queries, vectors.t()).contiguous();
        auto const run = bmae::ExactIndex(vectors, ids).search(queries, 100);
        BOOST_REQUIRE_EQUAL(run.size(), 7U);
        for (std::size_t q = 0; q < 7; ++q) {
            std::vector<std::pair<float, std::string>> expected;
            for (std::size_t i = 0; i < 701; ++i) {
                expected.emplace_back(-products.const_data_ptr<float>()[q * 701 + i], ids[i]);
            }
            std::sort(expected.begin(), expected.end());
            for (std::size_t i = 0; i < 100; ++i) {
                BOOST_REQUIRE_EQUAL(run.hits(q)[i].score, -expected[i].first);
                BOOST_REQUIRE_EQUAL(run.document(run.hits(q)[i].document), expected[i].second);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(every_similarity_ranks_as_all_its_scores_sorted) {
    for (bmae::VectorSimilarity const similarity : {bmae::VectorSimilarity::cosine, bmae::VectorSimilarity::dot,
                                                    bmae::VectorSimilarity::euclidean, bmae::VectorSimilarity::manhattan}) {
        for (at::ScalarType const type : {at::kFloat, at::kBFloat16}) {
            for (std::int64_t const width : {5, 32}) {
                at::Tensor const vectors = invented(701, width, 1, true).to(type);
                at::Tensor const queries = invented(9, width, 2, true);
                auto const ids = ids_of(701);
                at::Tensor const scores = bmae::similarity_scores(queries, vectors.to(at::kFloat), similarity);
                bmae::ExactIndex const index(vectors, ids, {.similarity = similarity, .threads = 2});
                auto const run = index.search(queries, 60);
                for (std::size_t q = 0; q < 9; ++q) {
                    for (std::size_t i = 0; i < 60; ++i) {
                        bmae::Hit const hit = run.hits(q)[i];
                        BOOST_REQUIRE_SMALL(
                            static_cast<double>(hit.score) - scores[static_cast<std::int64_t>(q)][hit.document].item<double>(),
                            2e-5);
                        if (i == 0) { continue; }
                        bmae::Hit const before = run.hits(q)[i - 1];
                        BOOST_REQUIRE(before.score > hit.score ||
                                      (before.score == hit.score && run.document(before.document) < run.document(hit.document)));
                    }
                    at::Tensor const row = scores[static_cast<std::int64_t>(q)];
                    BOOST_REQUIRE_LE((row > run.hits(q)[59].score + 2e-5).sum().item<std::int64_t>(), 60);
                    std::int64_t const place = static_cast<std::int64_t>(q);
                    BOOST_REQUIRE(std::ranges::equal(index.search(queries.narrow(0, place, 1), 60).hits(0), run.hits(q)));
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_vector_is_at_distance_nothing_from_itself) {
    at::Tensor const vectors = invented(20, 33, 5, false) * 1e-4 + 100;   // |q|^2 - 2 q.d + |d|^2 would be noise
    auto const run = bmae::ExactIndex(vectors, ids_of(20), {.similarity = bmae::VectorSimilarity::euclidean}).search(vectors, 20);
    for (std::size_t q = 0; q < 20; ++q) {
        BOOST_TEST(run.hits(q)[0].document == q);
        BOOST_TEST(run.hits(q)[0].score == 0.0F);
        BOOST_TEST(!std::signbit(run.hits(q)[0].score));
        BOOST_TEST(run.hits(q)[1].score < 0.0F);
    }
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_threads_blocks_or_company) {
    auto const vectors = invented(5000, 100, 3, false);
    auto const queries = invented(23, 100, 4, false);
    auto const ids = ids_of(5000);
    auto const run = bmae::ExactIndex(vectors, ids, {.threads = 1}).search(queries, 50);
    BOOST_TEST(same(run, bmae::ExactIndex(vectors, ids, {.threads = 3}).search(queries, 50)));
    BOOST_TEST(same(run, bmae::ExactIndex(vectors, ids, {.query_block = 5, .threads = 2}).search(queries, 50)));
    bmae::ExactIndex const index(vectors, ids);
    for (std::int64_t q = 0; q < 23; ++q) {
        BOOST_TEST(std::ranges::equal(index.search(queries.narrow(0, q, 1), 50).hits(0), run.hits(static_cast<std::size_t>(q))));
    }
}

BOOST_AUTO_TEST_CASE(every_kernel_gives_nearly_the_same) {
    auto const vectors = invented(37, 48, 5, false);
    auto const queries = invented(4, 48, 6, false);
    std::vector<float> plain(4 * 37), chosen(4 * 37);
    bmae::detail::PlainRowKernels::score(queries.const_data_ptr<float>(), 4, vectors.const_data_ptr<float>(), 37, 48,
                                         plain.data(), 37);
    bmae::detail::choose_dot_block()(queries.const_data_ptr<float>(), 4, vectors.const_data_ptr<float>(), 37, 48, chosen.data(),
                                     37);
    for (std::size_t i = 0; i < plain.size(); ++i) { BOOST_TEST(std::abs(plain[i] - chosen[i]) < 1e-5F); }
}

BOOST_AUTO_TEST_CASE(bf16_storage_is_widened_exactly) {
    auto const vectors = invented(300, 40, 7, false).to(at::kBFloat16);
    auto const queries = invented(5, 40, 8, false);
    auto const ids = ids_of(300);
    bmae::ExactIndex const half(vectors, ids);
    bmae::ExactIndex const single(vectors.to(at::kFloat), ids);
    BOOST_TEST(same(half.search(queries, 20), single.search(queries, 20)));
    auto const one = queries.narrow(0, 0, 1);   // converted while it is read
    BOOST_TEST(same(half.search(one, 20), single.search(one, 20)));
}

BOOST_AUTO_TEST_CASE(cosines_are_of_unit_vectors) {
    auto const vectors = invented(50, 8, 9, false);
    auto const run = bmae::ExactIndex(vectors, ids_of(50), {.normalize = true}).search(vectors.mul(3), 1);
    for (std::size_t q = 0; q < 50; ++q) {
        BOOST_TEST(run.hits(q)[0].document == q);
        BOOST_TEST(std::abs(run.hits(q)[0].score - 1) < 1e-6F);
    }
}

BOOST_AUTO_TEST_CASE(edges) {
    auto const vectors = invented(3, 4, 10, false);
    bmae::ExactIndex const index(vectors, {"a", "b", "c"});
    BOOST_TEST(index.search(vectors, 1000).hits(2).size() == 3U);
    BOOST_TEST(index.search(vectors, 0).hits(0).empty());
    BOOST_TEST(index.search(at::zeros({0, 4}), 5).size() == 0U);
    BOOST_TEST(index.search(at::zeros({1, 4}), 2).document(index.search(at::zeros({1, 4}), 2).hits(0)[0].document) == "a");
    BOOST_TEST(bmae::ExactIndex(at::zeros({0, 4}), {}).search(vectors, 5).hits(0).empty());
    BOOST_TEST(index.search(vectors, 1, {"x", "y", "z"}).query(2) == "z");
}

BOOST_AUTO_TEST_CASE(bad_input_is_named) {
    using test::contains;
    using test::refusal;
    auto const vectors = invented(3, 4, 11, false);
    auto broken = vectors.clone();
    broken.mutable_data_ptr<float>()[6] = std::numeric_limits<float>::quiet_NaN();
    BOOST_TEST(contains(refusal([&] { bmae::ExactIndex(broken, {"a", "b", "c"}); }), "nan or infinity in row 1, id 'b'"));
    BOOST_TEST(contains(refusal([&] { bmae::ExactIndex(broken.to(at::kBFloat16), {"a", "b", "c"}); }), "id 'b'"));
    bmae::ExactIndex const index(vectors, {"a", "b", "c"});
    BOOST_TEST(contains(refusal([&] { (void)index.search(broken, 2, {"q", "r", "s"}); }), "query 'r'"));
    BOOST_TEST(contains(refusal([&] { (void)index.search(at::zeros({2, 5}), 2); }), "expected queries of 4 values"));
    BOOST_TEST(contains(refusal([&] { bmae::ExactIndex(vectors, {"a"}); }), "1 ids for 3 vectors"));
    BOOST_TEST(contains(refusal([&] { bmae::ExactIndex(at::zeros({3}), {"a", "b", "c"}); }), "1 dimensions of Float"));
    BOOST_TEST(contains(refusal([&] { bmae::ExactIndex(at::Tensor(), {}); }), "no tensor"));
}

BOOST_AUTO_TEST_SUITE_END()
