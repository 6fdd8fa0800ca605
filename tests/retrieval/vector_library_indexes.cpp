// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Adapters to faiss and hnswlib: over stand-ins that have the members of those libraries, and over hnswlib itself where it is installed.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include <bmae/concepts/index.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/faiss_index.hpp>
#include <bmae/retrieval/hnswlib_index.hpp>
#include <bmae/retrieval/impact_index.hpp>
#include <bmae/retrieval/lexical_index.hpp>
#include <bmae/values/draw.hpp>

#if __has_include(<hnswlib/hnswlib.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wall"
#include <hnswlib/hnswlib.h>

BOOST_AUTO_TEST_SUITE(vector_library_indexes)

#pragma GCC diagnostic pop
#endif

namespace {

using Texts = std::vector<std::string>;
static_assert(bmae::Index<bmae::Bm25Index, Texts>);
static_assert(bmae::Index<bmae::LexicalIndex, Texts>);
static_assert(bmae::Index<bmae::ImpactIndex, bmae::SparseVectors>);
static_assert(bmae::Index<bmae::DenseIndex, bmae::VectorRows>);
static_assert(bmae::explain_index<bmae::LexicalIndex, Texts>());
static_assert(!bmae::Index<bmae::LexicalIndex, bmae::VectorRows>);

constexpr std::size_t width = 8;

std::vector<float> invented(std::size_t rows, std::uint64_t seed) {
    bmae::Draw draw({.seed = seed});
    std::vector<float> values(rows * width);
    for (float& value : values) { value = static_cast<float>(draw.below(9)) / 4 - 1; }
    return values;
}

/// As faiss::IndexFlat: all vectors, and -1 behind the last one.
struct StandIn {
    int d = width;
    std::int64_t ntotal = 0;
    int metric_type = 0;
    std::vector<float> values = {};

    [[nodiscard]] float score(float const* query, std::int64_t row) const {
        float sum = 0;
        for (std::size_t i = 0; i < width; ++i) {
            float const value = values[static_cast<std::size_t>(row) * width + i];
            sum += metric_type == 0 ? query[i] * value : (query[i] - value) * (query[i] - value);
        }
        return sum;
    }
    void search(std::int64_t count, float const* queries, std::int64_t k, float* scores, std::int64_t* labels) const {
        for (std::int64_t q = 0; q < count; ++q) {
            float const* const query = queries + q * d;
            std::vector<std::int64_t> rows;
            for (std::int64_t n = 0; n < ntotal - 1; ++n) { rows.push_back(n); }   // as a graph, it misses one
            std::ranges::stable_sort(rows, [&](auto a, auto b) {
                return metric_type == 0 ? score(query, a) > score(query, b) : score(query, a) < score(query, b);
            });
            for (std::int64_t i = 0; i < k; ++i) {
                auto const place = static_cast<std::size_t>(i);
                labels[q * k + i] = place < rows.size() ? rows[place] : -1;
                scores[q * k + i] = place < rows.size() ? score(query, rows[place]) : 0;
            }
        }
    }
};
using Faiss = bmae::FaissIndex<StandIn>;
static_assert(bmae::Index<Faiss, bmae::VectorRows>);

struct Graph {
    StandIn rows;
    [[nodiscard]] std::priority_queue<std::pair<float, std::size_t>> searchKnn(void const* query, std::size_t k) const {
        std::priority_queue<std::pair<float, std::size_t>> queue;
        for (std::int64_t n = 0; n < rows.ntotal; ++n) {
            queue.emplace(1 - rows.score(static_cast<float const*>(query), n), static_cast<std::size_t>(n));
            if (queue.size() > k) { queue.pop(); }
        }
        return queue;
    }
};
using Hnswlib = bmae::HnswlibIndex<Graph>;
static_assert(bmae::Index<Hnswlib, bmae::VectorRows>);

void check_order(bmae::Run const& run) {
    for (std::size_t q = 0; q < run.size(); ++q) {
        auto const hits = run.hits(q);
        for (std::size_t i = 1; i < hits.size(); ++i) {
            BOOST_TEST(
                (hits[i - 1].score > hits[i].score ||
                 (hits[i - 1].score == hits[i].score && run.document(hits[i - 1].document) < run.document(hits[i].document))));
        }
    }
}

std::vector<std::string> const ids = {"e", "b", "d", "a", "c"};

}  // namespace

BOOST_AUTO_TEST_CASE(scores_of_faiss_are_larger_where_vectors_are_closer) {
    auto const queries = invented(3, 2);
    for (int const metric : {0, 1}) {
        auto const index = std::make_shared<StandIn const>(StandIn{.ntotal = 5, .metric_type = metric, .values = invented(5, 1)});
        Faiss const adapter(index, ids);
        BOOST_TEST(adapter.size() == 5U);
        bmae::Run const run = adapter.search({queries, width}, 9, {"x", "y", "z"});
        BOOST_TEST(run.size() == 3U);
        BOOST_TEST(run.query(2) == "z");
        check_order(run);
        for (std::size_t q = 0; q < 3; ++q) {
            BOOST_TEST(run.hits(q).size() == 4U);   // -1 is no hit
            for (bmae::Hit const& hit : run.hits(q)) {
                float const score = index->score(queries.data() + q * width, hit.document);
                BOOST_TEST(hit.score == (metric == 0 ? score : -score));
            }
        }
        BOOST_CHECK_THROW(static_cast<void>(adapter.search({queries, 4}, 1)), bmae::InputError);
        BOOST_CHECK_THROW(Faiss(index, {"a"}), bmae::InputError);
    }
    auto const other = std::make_shared<StandIn const>(StandIn{.ntotal = 5, .metric_type = 23, .values = invented(5, 1)});
    BOOST_CHECK_THROW(Faiss(other, ids), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(a_graph_gives_inner_products) {
    auto const graph = std::make_shared<Graph const>(Graph{{.ntotal = 5, .values = invented(5, 1)}});
    Hnswlib const adapter(graph, width, ids, {.threads = 2});
    auto const queries = invented(4, 3);
    bmae::Run const run = adapter.search({queries, width}, 3);
    check_order(run);
    for (std::size_t q = 0; q < 4; ++q) {
        BOOST_TEST(run.hits(q).size() == 3U);
        for (bmae::Hit const& hit : run.hits(q)) {
            BOOST_TEST(std::abs(hit.score - graph->rows.score(queries.data() + q * width, hit.document)) < 1e-6F);
        }
    }
    BOOST_TEST(adapter.search({queries, width}, 0).hit_count() == 0U);
    BOOST_CHECK_THROW(static_cast<void>(Hnswlib(graph, width, {"a"}).search({queries, width}, 1)), bmae::InputError);
}

#if __has_include(<hnswlib/hnswlib.h>)
BOOST_AUTO_TEST_CASE(hnswlib_itself_finds_what_an_exact_search_finds) {
    auto const values = invented(200, 4);
    auto const queries = invented(5, 5);
    hnswlib::InnerProductSpace space(width);
    auto const graph = std::make_shared<hnswlib::HierarchicalNSW<float>>(&space, 200, 16, 200);
    std::vector<std::string> names;
    for (std::size_t n = 0; n < 200; ++n) {
        graph->addPoint(values.data() + n * width, n);
        names.push_back("d" + std::to_string(n));
    }
    graph->setEf(200);
    bmae::HnswlibIndex<hnswlib::HierarchicalNSW<float>> const adapter(graph, width, names, {.threads = 1});
    static_assert(bmae::Index<decltype(adapter), bmae::VectorRows>);
    bmae::Run const run = adapter.search({queries, width}, 1);
    StandIn const exact{.ntotal = 200, .values = values};
    for (std::size_t q = 0; q < 5; ++q) {
        float best = -100;
        for (std::int64_t n = 0; n < 200; ++n) { best = std::max(best, exact.score(queries.data() + q * width, n)); }
        BOOST_TEST(std::abs(run.hits(q)[0].score - best) < 1e-5F);
    }
}
#endif

BOOST_AUTO_TEST_SUITE_END()
