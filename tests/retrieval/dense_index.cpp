// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <bmae/detail/files.hpp>
#include <bmae/retrieval/dense_index.hpp>
#include <bmae/retrieval/dense_index_builder.hpp>
#include <bmae/retrieval/dense_rows.hpp>
#include <bmae/retrieval/exact_index.hpp>
#include <bmae/values/draw.hpp>

#include "indexes.hpp"

BOOST_AUTO_TEST_SUITE(dense_index)

namespace {

using test::contains;
using test::refusal;
using test::same;

using bmae::DenseIndex;
using bmae::RowType;
using bmae::VectorSimilarity;

constexpr std::size_t width = 40;   // no multiple of the lanes

/// Values from -1 to 1; in steps of 1/4 where `coarse`, so that ties are many.
std::vector<float> invented(std::size_t rows, std::uint64_t seed, bool coarse = false) {
    bmae::Draw draw({.seed = seed});
    std::vector<float> values(rows * width);
    for (float& value : values) {
        value = coarse ? static_cast<float>(draw.below(9)) / 4 - 1 : static_cast<float>(2 * draw.uniform() - 1);
    }
    return values;
}

std::vector<std::string> ids_of(std::size_t count) {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < count; ++i) { ids.push_back("d" + std::to_string((i * 7919) % count)); }   // not in order
    return ids;
}

void build(std::filesystem::path const& folder, std::vector<float> const& values, bmae::DenseIndexOptions options = {}) {
    bmae::DenseIndexBuilder builder(folder, width, options);
    auto const ids = ids_of(values.size() / width);
    for (std::size_t i = 0; i < ids.size(); ++i) { builder.add(ids[i], std::span(values).subspan(i * width, width)); }
    builder.commit();
}

at::Tensor tensor_of(std::vector<float>& values) {
    return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size() / width), static_cast<std::int64_t>(width)},
                         at::kFloat)
        .clone();
}

}  // namespace

BOOST_AUTO_TEST_CASE(exact_rows_give_the_run_of_the_index_in_memory) {
    test::ScratchFolder const scratch;
    auto queries = invented(7, 2, true);
    for (bool const coarse : {false, true}) {
        auto values = invented(1500, 1, coarse);
        for (VectorSimilarity const similarity :
             {VectorSimilarity::dot, VectorSimilarity::cosine, VectorSimilarity::euclidean, VectorSimilarity::manhattan}) {
            for (RowType const type : {RowType::fp32, RowType::bf16}) {
                if (type == RowType::bf16 && similarity == VectorSimilarity::cosine) { continue; }   // in memory of fp32 rows
                auto const folder =
                    scratch.path() / (std::to_string(coarse) + std::string(to_string(similarity)) + std::string(to_string(type)));
                build(folder, values, {.rows = type, .similarity = similarity});
                bmae::ExactIndex const memory(tensor_of(values).to(type == RowType::bf16 ? at::kBFloat16 : at::kFloat),
                                              ids_of(1500), {.similarity = similarity});
                DenseIndex const disk = DenseIndex::open(folder, bmae::Verify::full, {.threads = 2});
                BOOST_TEST(disk.size() == 1500U);
                BOOST_TEST((disk.similarity() == similarity));
                BOOST_TEST((disk.rows() == type));
                for (std::size_t const k : {1U, 100U, 5000U}) {
                    BOOST_TEST(same(disk.search({queries, width}, k), memory.search(tensor_of(queries), k)));
                }
                auto one = std::vector<float>(queries.begin(), queries.begin() + width);
                BOOST_TEST(same(disk.search({one, width}, 9), memory.search(tensor_of(one), 9)));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(coarse_rows_with_all_candidates_give_the_run_of_their_finer_rows) {
    test::ScratchFolder const scratch;
    auto values = invented(800, 3);
    auto const queries = invented(5, 4);
    build(scratch.path() / "far", values, {.similarity = VectorSimilarity::euclidean});
    build(scratch.path() / "coarse-far", values,
          {.rows = RowType::int8, .finer_rows = RowType::fp32, .similarity = VectorSimilarity::euclidean});
    DenseIndex const coarse_far = DenseIndex::open(scratch.path() / "coarse-far", bmae::Verify::quick, {.rescore = 800});
    BOOST_TEST(
        same(coarse_far.search({queries, width}, 50), DenseIndex::open(scratch.path() / "far").search({queries, width}, 50)));
    for (RowType const finer : {RowType::fp32, RowType::bf16}) {
        build(scratch.path() / to_string(finer), values, {.rows = finer});
        DenseIndex const exact = DenseIndex::open(scratch.path() / to_string(finer));
        for (RowType const coarse : {RowType::int8, RowType::binary}) {
            auto const folder = scratch.path() / (std::string(to_string(coarse)) + std::string(to_string(finer)));
            build(folder, values, {.rows = coarse, .finer_rows = finer});
            DenseIndex const all = DenseIndex::open(folder, bmae::Verify::full, {.rescore = 800});
            BOOST_TEST((all.finer_rows() == finer));
            BOOST_TEST(same(all.search({queries, width}, 20), exact.search({queries, width}, 20)));
            DenseIndex const usual = DenseIndex::open(folder);
            auto const found = usual.find({queries, width}, 10);
            auto const wanted = exact.find({queries, width}, 10);
            std::size_t right = 0;
            for (std::size_t q = 0; q < 5; ++q) {
                for (bmae::Hit const& hit : found[q]) { right += std::ranges::count(wanted[q], hit) == 1 ? 1 : 0; }
            }
            BOOST_TEST(right >= (coarse == RowType::int8 ? 50U : 40U));   // of 50; a hit has the finer score
            DenseIndex const few = DenseIndex::open(folder, bmae::Verify::quick, {.rescore = 5});
            BOOST_TEST(
                contains(refusal([&] { static_cast<void>(few.find({queries, width}, 10)); }), "at least as many candidates"));
        }
    }
}

BOOST_AUTO_TEST_CASE(coarse_rows_alone_score_by_what_they_hold) {
    test::ScratchFolder const scratch;
    auto values = invented(300, 5);
    auto const query = invented(1, 6);
    build(scratch.path() / "int8", values, {.rows = RowType::int8});
    build(scratch.path() / "binary", values, {.rows = RowType::binary});
    auto const bytes = DenseIndex::open(scratch.path() / "int8").find({query, width}, 300)[0];
    auto const bits = DenseIndex::open(scratch.path() / "binary").find({query, width}, 300)[0];
    BOOST_REQUIRE(bytes.size() == 300U);
    BOOST_REQUIRE(bits.size() == 300U);
    for (bmae::Hit const& hit : bytes) {
        float const* const row = values.data() + hit.document * width;
        BOOST_TEST(std::abs(hit.score - std::inner_product(query.begin(), query.end(), row, 0.0F)) < .05F);
    }
    for (bmae::Hit const& hit : bits) {
        int expected = 0;
        for (std::size_t i = 0; i < width; ++i) { expected += (values[hit.document * width + i] > 0) == (query[i] > 0) ? 1 : -1; }
        BOOST_TEST(hit.score == static_cast<float>(expected));
    }
}

BOOST_AUTO_TEST_CASE(rows_are_rounded_as_elsewhere) {
    auto values = invented(20, 7);
    auto const half = tensor_of(values).to(at::kBFloat16).to(at::kFloat);
    std::vector<std::int8_t> bytes(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        auto const bits = static_cast<std::uint32_t>(bmae::detail::to_half_bits(values[i])) << 16;
        BOOST_TEST(std::bit_cast<float>(bits) == half.const_data_ptr<float>()[i]);
    }
    float const scale = bmae::detail::to_bytes(values.data(), values.size(), bytes.data());
    for (std::size_t i = 0; i < values.size(); ++i) { BOOST_TEST(std::abs(scale * bytes[i] - values[i]) <= scale * .5001F); }
    std::vector<float> const zeros(16);
    BOOST_TEST(bmae::detail::to_bytes(zeros.data(), 16, bytes.data()) == 1.0F);
    BOOST_TEST((bmae::row_type_from("int8") == RowType::int8));
    BOOST_TEST(!bmae::row_type_from("int4"));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_and_leaves_nothing) {
    test::ScratchFolder const scratch;
    auto const folder = scratch.path() / "index";
    auto values = invented(3, 8);
    BOOST_TEST(contains(refusal([&] { build(folder, {}); }), "at least one document"));
    BOOST_TEST(contains(refusal([&] { build(folder, values, {.finer_rows = RowType::fp32}); }), "finer rows"));
    BOOST_TEST(
        contains(refusal([&] { build(folder, values, {.rows = RowType::int8, .finer_rows = RowType::binary}); }), "finer rows"));
    BOOST_TEST(
        contains(refusal([&] { build(folder, values, {.rows = RowType::binary, .similarity = VectorSimilarity::manhattan}); }),
                 "binary rows"));
    values[width + 1] = std::numeric_limits<float>::quiet_NaN();
    BOOST_TEST(contains(refusal([&] { build(folder, values); }), "id '" + ids_of(3)[1] + "'"));
    BOOST_TEST(std::filesystem::is_empty(scratch.path()));
    build(folder, invented(3, 9));
    DenseIndex const index = DenseIndex::open(folder);
    BOOST_TEST(contains(refusal([&] { static_cast<void>(index.find({values, 20}, 1)); }), "queries of 40 values"));
    BOOST_TEST(contains(refusal([&] { static_cast<void>(index.find({values, width}, 1)); }), "nan or infinity in query 1"));
    BOOST_TEST(index.find({{}, width}, 1).empty());
    BOOST_TEST(index.find({invented(1, 1), width}, 0)[0].empty());
}

BOOST_AUTO_TEST_CASE(damage_is_named_by_its_file_and_never_reads_outside) {
    test::ScratchFolder const scratch;
    auto const whole = scratch.path() / "whole";
    build(whole, invented(60, 10), {.rows = RowType::int8, .finer_rows = RowType::bf16});
    auto const queries = invented(2, 11);
    test::check_damage(whole, 40, [&](std::filesystem::path const& folder, bmae::Verify verify) {
        static_cast<void>(DenseIndex::open(folder, verify).search({queries, width}, 20));
    });
}

BOOST_AUTO_TEST_SUITE_END()
