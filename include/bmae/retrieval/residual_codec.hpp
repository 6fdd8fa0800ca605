// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Vectors of unit length in 1, 2, 4 or 8 bits per dimension: the nearest of some centroids, and what is left by quantiles. Free of
/// LibTorch.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <bmae/detail/parallel.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

struct ResidualCodecOptions {
    unsigned bits = 2;   ///< of a dimension: 1, 2, 4 or 8
    std::size_t centroids =
        0;   ///< K, at most the vectors of training; 0: the highest power of two up to 16 sqrt(`rows`), as ColBERTv2
    std::size_t rows = 0;         ///< that will be compressed; 0: as many as are trained with
    std::size_t iterations = 4;   ///< of k-means; ColBERT's code: 4
    unsigned threads = 0;         ///< 0: one per processor; results do not depend on it
};

/// Compressed vectors.
struct CompressedRows {
    std::vector<std::uint32_t> centroids = {};   ///< [N] the nearest centroid of each
    std::vector<std::uint8_t> codes = {};   ///< [N, ceil(D bits / 8)] the buckets of its residual, the first in the lowest bits

    [[nodiscard]] std::size_t size() const noexcept { return centroids.size(); }   ///< N
    [[nodiscard]] std::size_t bytes() const noexcept { return centroids.size() * sizeof(std::uint32_t) + codes.size(); }
    void append(CompressedRows const& more) {
        centroids.insert(centroids.end(), more.centroids.begin(), more.centroids.end());
        codes.insert(codes.end(), more.codes.begin(), more.codes.end());
    }
};

/// Residual compression of ColBERTv2 (Santhanam et al., arXiv 2112.01488, section 3.3, and its released code): a vector is the number of
/// its nearest centroid and, per dimension, the bucket of its residual; 2^bits buckets hold equally many residuals of training, and each
/// stands for its median. Unlike the released code k-means compares by products from the start, as vectors are compared later, and begins
/// with evenly spaced vectors: the same input has the same result, whatever the number of threads.
class ResidualCodec {
public:
    /// Whether a dimension can have so many bits.
    [[nodiscard]] static constexpr bool has_bits(unsigned bits) noexcept {
        return bits == 1 || bits == 2 || bits == 4 || bits == 8;
    }

    /// \param rows  [N, D] of unit length, in memory one behind the other; k-means reads at most 32 per centroid, the quantiles 65,536 of
    ///              them, evenly spaced
    /// \throws InputError  no rows, a number that is no multiple of D, other bits
    [[nodiscard]] static ResidualCodec train(std::span<float const> rows, std::size_t dimension,
                                             ResidualCodecOptions const& options = {}) {
        if (!has_bits(options.bits)) { throw refuse("1, 2, 4 or 8 bits of a dimension", std::to_string(options.bits)); }
        if (dimension == 0 || rows.empty() || rows.size() % dimension != 0) {
            throw refuse("one or more vectors of " + std::to_string(dimension) + " numbers",
                         std::to_string(rows.size()) + " numbers");
        }
        ResidualCodec codec(dimension, options);
        codec.cluster(rows, centroid_count(rows.size() / dimension, options), options.iterations);
        codec.take_quantiles(evenly(rows, dimension, 65'536));
        return codec;
    }

    /// \param rows  [N, D]
    [[nodiscard]] CompressedRows compress(std::span<float const> rows) const {
        CompressedRows packed{.centroids = nearest(rows)};
        std::size_t const width = row_bytes();
        packed.codes.resize(packed.size() * width);
        detail::parallel_for(packed.size(), 1024, threads_, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                for (std::size_t d = 0; d < dimension_; ++d) {
                    float const residual = rows[i * dimension_ + d] - centroid(packed.centroids[i])[d];
                    std::size_t const bit = d * bits_;
                    std::uint8_t& code = packed.codes[i * width + bit / 8];
                    code = static_cast<std::uint8_t>(code | bucket_of(residual) << (bit % 8));
                }
            }
        });
        return packed;
    }

    /// Vectors `first` .. `end` - 1 as they are compared: of unit length.
    /// \param output  [end - first, D]
    void decompress(CompressedRows const& packed, std::size_t first, std::size_t end, std::span<float> output) const {
        std::size_t const width = row_bytes();
        unsigned const mask = (1U << bits_) - 1;
        detail::parallel_for(end - first, 1024, threads_, [&](std::size_t begin, std::size_t last) {
            for (std::size_t i = begin; i < last; ++i) {
                std::span<float> const row = output.subspan(i * dimension_, dimension_);
                std::span<float const> const center = centroid(packed.centroids[first + i]);
                double square = 0;
                for (std::size_t d = 0; d < dimension_; ++d) {
                    std::size_t const bit = d * bits_;
                    unsigned const codes = packed.codes[(first + i) * width + bit / 8];
                    row[d] = center[d] + values_[(codes >> (bit % 8)) & mask];
                    square += static_cast<double>(row[d]) * static_cast<double>(row[d]);
                }
                scale_to_unit(row, square);
            }
        });
    }

    [[nodiscard]] std::size_t dimension() const noexcept { return dimension_; }   ///< D
    [[nodiscard]] unsigned bits() const noexcept { return bits_; }
    [[nodiscard]] std::size_t centroid_count() const noexcept { return centroids_.size() / dimension_; }   ///< K
    [[nodiscard]] std::span<float const> centroids() const noexcept { return centroids_; }   ///< [K, D] of unit length
    [[nodiscard]] std::span<float const> cutoffs() const noexcept { return cutoffs_; }       ///< [2^bits - 1] between buckets
    [[nodiscard]] std::span<float const> values() const noexcept { return values_; }         ///< [2^bits] that buckets stand for
    [[nodiscard]] std::size_t row_bytes() const noexcept { return (dimension_ * bits_ + 7) / 8; }   ///< of the codes of a vector

private:
    using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

    ResidualCodec(std::size_t dimension, ResidualCodecOptions const& options)
        : dimension_(dimension), bits_(options.bits), threads_(options.threads) {}

    static InputError refuse(std::string expected, std::string found) {
        return InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found)});
    }

    static std::size_t centroid_count(std::size_t trained, ResidualCodecOptions const& options) {
        std::size_t const rows = options.rows == 0 ? trained : options.rows;
        std::size_t count = options.centroids;
        if (count == 0) {
            for (count = 1; static_cast<double>(2 * count) <= 16 * std::sqrt(static_cast<double>(rows)); count *= 2) {}
        }
        return std::min(count, trained);
    }

    /// At most `most` rows, evenly spaced.
    static std::vector<float> evenly(std::span<float const> rows, std::size_t dimension, std::size_t most) {
        std::size_t const all = rows.size() / dimension;
        std::size_t const count = std::min(all, most);
        std::vector<float> chosen;
        chosen.reserve(count * dimension);
        for (std::size_t i = 0; i < count; ++i) {
            auto const row = rows.subspan(i * all / count * dimension, dimension);
            chosen.insert(chosen.end(), row.begin(), row.end());
        }
        return chosen;
    }

    static void scale_to_unit(std::span<float> row, double square) {
        if (!(square > 0)) { return; }
        auto const scale = static_cast<float>(1 / std::sqrt(square));
        for (float& value : row) { value *= scale; }
    }

    [[nodiscard]] std::span<float const> centroid(std::size_t number) const {
        return std::span(centroids_).subspan(number * dimension_, dimension_);
    }

    /// Spherical k-means; a centroid without vectors stays where it is.
    void cluster(std::span<float const> rows, std::size_t count, std::size_t iterations) {
        centroids_ = evenly(rows, dimension_, count);
        std::vector<float> const sample = evenly(rows, dimension_, 32 * count);
        for (std::size_t iteration = 0; iteration < iterations; ++iteration) {
            std::vector<std::uint32_t> const places = nearest(sample);
            std::vector<double> sums(centroids_.size(), 0.0);
            for (std::size_t i = 0; i < places.size(); ++i) {
                for (std::size_t d = 0; d < dimension_; ++d) {
                    sums[places[i] * dimension_ + d] += static_cast<double>(sample[i * dimension_ + d]);
                }
            }
            for (std::size_t k = 0; k < count; ++k) {
                std::span<double const> const sum = std::span(sums).subspan(k * dimension_, dimension_);
                double square = 0;
                for (double const value : sum) { square += value * value; }
                if (!(square > 0)) { continue; }
                for (std::size_t d = 0; d < dimension_; ++d) {
                    centroids_[k * dimension_ + d] = static_cast<float>(sum[d] / std::sqrt(square));
                }
            }
        }
    }

    /// The centroid with the highest product; of equal ones the first.
    [[nodiscard]] std::vector<std::uint32_t> nearest(std::span<float const> rows) const {
        std::vector<std::uint32_t> places(rows.size() / dimension_);
        auto const width = static_cast<Eigen::Index>(dimension_);
        Eigen::Map<Rows const> const centers(centroids_.data(), static_cast<Eigen::Index>(centroid_count()), width);
        detail::parallel_for(places.size(), 256, threads_, [&](std::size_t begin, std::size_t end) {
            Eigen::Map<Rows const> const block(rows.data() + begin * dimension_, static_cast<Eigen::Index>(end - begin), width);
            Rows const products = block * centers.transpose();
            for (std::size_t i = begin; i < end; ++i) {
                float const* const row = products.data() + (i - begin) * centroid_count();
                places[i] = static_cast<std::uint32_t>(std::max_element(row, row + centroid_count()) - row);
            }
        });
        return places;
    }

    void take_quantiles(std::vector<float> rows) {
        std::vector<std::uint32_t> const places = nearest(rows);
        for (std::size_t i = 0; i < rows.size(); ++i) { rows[i] -= centroid(places[i / dimension_])[i % dimension_]; }
        std::sort(rows.begin(), rows.end());
        std::size_t const buckets = std::size_t{1} << bits_;
        for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
            double const share = static_cast<double>(bucket) / static_cast<double>(buckets);
            if (bucket != 0) { cutoffs_.push_back(quantile(rows, share)); }
            values_.push_back(quantile(rows, share + .5 / static_cast<double>(buckets)));
        }
    }

    /// Between the two nearest values in proportion, as numpy's and LibTorch's.
    static float quantile(std::vector<float> const& sorted, double share) {
        double const place = share * static_cast<double>(sorted.size() - 1);
        auto const low = static_cast<std::size_t>(place);
        std::size_t const high = std::min(low + 1, sorted.size() - 1);
        double const part = place - static_cast<double>(low);
        return static_cast<float>(static_cast<double>(sorted[low]) * (1 - part) + static_cast<double>(sorted[high]) * part);
    }

    [[nodiscard]] unsigned bucket_of(float residual) const {
        return static_cast<unsigned>(std::lower_bound(cutoffs_.begin(), cutoffs_.end(), residual) - cutoffs_.begin());
    }

    std::size_t dimension_;
    unsigned bits_;
    unsigned threads_;
    std::vector<float> centroids_ = {};
    std::vector<float> cutoffs_ = {};
    std::vector<float> values_ = {};
};

}  // namespace bmae
