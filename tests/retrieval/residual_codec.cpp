// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include <bmae/retrieval/residual_codec.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/values/draw.hpp>

#include "files.hpp"

BOOST_AUTO_TEST_SUITE(residual_codec)

namespace {

using bmae::CompressedRows;
using bmae::ResidualCodec;

constexpr std::size_t dimension = 12;

/// Unit vectors around a few directions.
std::vector<float> random_rows(std::size_t count, std::uint64_t seed) {
    bmae::Draw draw({.seed = seed});
    std::vector<std::vector<double>> directions(5, std::vector<double>(dimension));
    for (auto& direction : directions) {
        for (double& value : direction) { value = draw.uniform() - .5; }
    }
    std::vector<float> rows;
    for (std::size_t i = 0; i < count; ++i) {
        std::vector<double> row(dimension);
        double square = 0;
        for (std::size_t d = 0; d < dimension; ++d) {
            row[d] = directions[i % directions.size()][d] + .4 * (draw.uniform() - .5);
            square += row[d] * row[d];
        }
        for (double const value : row) { rows.push_back(static_cast<float>(value / std::sqrt(square))); }
    }
    return rows;
}

double product(std::span<float const> a, std::span<float const> b) {
    double sum = 0;
    for (std::size_t d = 0; d < a.size(); ++d) { sum += static_cast<double>(a[d]) * static_cast<double>(b[d]); }
    return sum;
}

std::span<float const> row_of(std::span<float const> rows, std::size_t i) { return rows.subspan(i * dimension, dimension); }

std::vector<float> restored(ResidualCodec const& codec, CompressedRows const& packed) {
    std::vector<float> rows(packed.size() * codec.dimension());
    codec.decompress(packed, 0, packed.size(), rows);
    return rows;
}

BOOST_AUTO_TEST_CASE(each_vector_is_its_nearest_centroid_and_the_buckets_of_its_residual) {
    std::vector<float> const rows = random_rows(500, 1);
    for (unsigned const bits : {1U, 2U, 4U, 8U}) {
        ResidualCodec const codec = ResidualCodec::train(rows, dimension, {.bits = bits, .centroids = 7});
        BOOST_REQUIRE(codec.centroid_count() == 7U);
        std::vector<float> residuals;
        CompressedRows const packed = codec.compress(rows);
        std::vector<float> const back = restored(codec, packed);
        BOOST_TEST(packed.bytes() == 500 * (4 + (dimension * bits + 7) / 8));
        for (std::size_t i = 0; i < 500; ++i) {
            auto const row = row_of(rows, i);
            double best = -2;
            for (std::size_t k = 0; k < 7; ++k) { best = std::max(best, product(row, row_of(codec.centroids(), k))); }
            auto const center = row_of(codec.centroids(), packed.centroids[i]);
            BOOST_TEST(product(row, center) == best, boost::test_tools::tolerance(1e-6));
            std::vector<double> expected;
            double square = 0;
            for (std::size_t d = 0; d < dimension; ++d) {
                float const residual = row[d] - center[d];
                residuals.push_back(residual);
                auto const bucket = std::count_if(codec.cutoffs().begin(), codec.cutoffs().end(),
                                                  [&](float cutoff) { return cutoff < residual; });
                std::size_t const bit = d * bits;
                unsigned const byte = packed.codes[i * codec.row_bytes() + bit / 8];
                unsigned const code = (byte >> (bit % 8)) & ((1U << bits) - 1);
                BOOST_TEST(code == static_cast<unsigned>(bucket));
                expected.push_back(static_cast<double>(center[d]) + static_cast<double>(codec.values()[code]));
                square += expected.back() * expected.back();
            }
            for (std::size_t d = 0; d < dimension; ++d) {
                BOOST_TEST(std::abs(static_cast<double>(row_of(back, i)[d]) - expected[d] / std::sqrt(square)) < 1e-6);
            }
        }
        std::sort(residuals.begin(), residuals.end());   // all rows were read for the quantiles
        for (std::size_t j = 1; j <= codec.cutoffs().size(); ++j) {
            double const place =
                static_cast<double>(j) / static_cast<double>(1U << bits) * static_cast<double>(residuals.size() - 1);
            auto const low = static_cast<std::size_t>(place);
            BOOST_TEST(codec.cutoffs()[j - 1] >= residuals[low]);
            BOOST_TEST(codec.cutoffs()[j - 1] <= residuals[std::min(low + 1, residuals.size() - 1)]);
        }
    }
}

BOOST_AUTO_TEST_CASE(more_bits_are_closer_and_threads_change_nothing) {
    std::vector<float> const rows = random_rows(3000, 2);
    double before = 0;
    for (unsigned const bits : {1U, 2U, 4U, 8U}) {
        ResidualCodec const codec = ResidualCodec::train(rows, dimension, {.bits = bits, .centroids = 16, .threads = 1});
        CompressedRows const packed = codec.compress(rows);
        std::vector<float> const back = restored(codec, packed);
        double mean = 0;
        for (std::size_t i = 0; i < 3000; ++i) { mean += product(row_of(rows, i), row_of(back, i)) / 3000; }
        BOOST_TEST(mean > before);
        before = mean;
        ResidualCodec const threaded = ResidualCodec::train(rows, dimension, {.bits = bits, .centroids = 16, .threads = 3});
        BOOST_TEST(std::ranges::equal(threaded.centroids(), codec.centroids()));
        BOOST_TEST(threaded.compress(rows).codes == packed.codes);
    }
    BOOST_TEST(before > .9999);
}

BOOST_AUTO_TEST_CASE(centroids_are_the_directions_of_separate_groups) {
    std::vector<float> rows;
    for (int i = 0; i < 40; ++i) {
        float const angle = (i % 2 == 0 ? 0.F : 1.5F) + .01F * static_cast<float>(i / 2 % 5 - 2);
        rows.insert(rows.end(), {std::cos(angle), std::sin(angle)});
    }
    ResidualCodec const codec = ResidualCodec::train(rows, 2, {.bits = 1, .centroids = 2});
    std::vector<float> found;
    for (std::size_t k = 0; k < 2; ++k) { found.push_back(std::atan2(codec.centroids()[2 * k + 1], codec.centroids()[2 * k])); }
    std::ranges::sort(found);
    BOOST_TEST(std::abs(found[0]) < 1e-4F);
    BOOST_TEST(std::abs(found[1] - 1.5F) < 1e-4F);
}

BOOST_AUTO_TEST_CASE(the_number_of_centroids_follows_the_rows_and_parts_are_joined) {
    std::vector<float> const rows = random_rows(100, 3);
    BOOST_TEST(ResidualCodec::train(rows, dimension).centroid_count() == 100U);   // 128 of 160, but no more than rows
    BOOST_TEST(ResidualCodec::train(rows, dimension, {.rows = 25}).centroid_count() == 64U);
    ResidualCodec const codec = ResidualCodec::train(rows, dimension, {.bits = 4, .centroids = 100, .iterations = 0});
    std::vector<float> const back = restored(codec, codec.compress(rows));   // each row is a centroid: nothing is left
    for (std::size_t i = 0; i < rows.size(); ++i) { BOOST_TEST(std::abs(rows[i] - back[i]) < 1e-6F); }
    CompressedRows parts = codec.compress(std::span(rows).first(40 * dimension));
    parts.append(codec.compress(std::span(rows).subspan(40 * dimension)));
    BOOST_TEST(parts.codes == codec.compress(rows).codes);
    BOOST_TEST(parts.centroids == codec.compress(rows).centroids);
    std::vector<float> some(2 * dimension);
    codec.decompress(parts, 50, 52, some);
    BOOST_TEST(std::ranges::equal(some, std::span(back).subspan(50 * dimension, 2 * dimension)));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_compressed_is_refused) {
    std::vector<float> const rows = random_rows(4, 4);
    auto const refused = [](std::span<float const> given, std::size_t width, unsigned bits) {
        return test::refusal([&] { static_cast<void>(ResidualCodec::train(given, width, {.bits = bits})); });
    };
    BOOST_TEST(test::contains(refused(rows, dimension, 3), "1, 2, 4 or 8 bits"));
    BOOST_TEST(test::contains(refused({}, dimension, 2), "one or more vectors"));
    BOOST_TEST(test::contains(refused(rows, 7, 2), "of 7 numbers"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
