// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The numbers of BM25, which indexes in memory and on disk share to the bit: weights of terms in documents, and the terms of a query.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/retrieval/analyzer.hpp>
#include <bmae/retrieval/postings.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

struct Bm25Options {
    double k1 = 0.9;   ///< saturation of term frequency (Anserini's default)
    double b = 0.4;    ///< degree of length normalization, 0 to 1
    AnalyzerOptions analyzer = {};
    bool quantize_lengths = false;   ///< store lengths in one byte as Lucene does: lengths from 40 lose precision
    unsigned threads = 0;            ///< for indexing and searching; 0: one per processor; results do not depend on it
};

namespace detail {

/// \throws InputError  k1 or b out of range
inline void check_bm25_options(Bm25Options const& options) {
    if (options.k1 >= 0 && options.b >= 0 && options.b <= 1 && std::isfinite(options.k1)) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "k1 >= 0 and b in 0..1",
                                .found = "k1 " + std::to_string(options.k1) + ", b " + std::to_string(options.b),
                                .hint = "Common values: k1 0.9 to 1.5, b 0.4 to 0.75."});
}

/// The weights of a collection: see Bm25Index.
class Bm25Weights {
public:
    /// \param lengths  terms of each document, with repetitions                                                       [N]
    Bm25Weights(Bm25Options const& options, std::span<std::uint32_t const> lengths)
        : options_(options), total_(static_cast<double>(lengths.size())) {
        double const sum = std::accumulate(lengths.begin(), lengths.end(), 0.0);
        mean_ = sum > 0 ? sum / total_ : 1.0;
    }

    /// \param with  documents that have the term
    [[nodiscard]] double idf(std::size_t with) const noexcept {
        auto const count = static_cast<double>(with);
        return std::log1p((total_ - count + 0.5) / (count + 0.5));
    }
    /// What a document's length adds to the frequency of a term.
    [[nodiscard]] double norm(std::uint32_t length) const noexcept {
        std::uint32_t const kept = options_.quantize_lengths ? quantized(length) : length;
        return options_.k1 * (1 - options_.b + options_.b * kept / mean_);
    }
    [[nodiscard]] static float score(double idf, std::uint32_t frequency, double norm) noexcept {
        return static_cast<float>(idf * frequency / (frequency + norm));
    }

private:
    /// Lucene's SmallFloat: lengths up to 39 exactly, above with 4 significant bits.
    static std::uint32_t quantized(std::uint32_t length) noexcept {
        constexpr std::uint32_t exact = 24;   // values below are kept: 8 bits hold 231 steps above them
        if (length < exact) { return length; }
        std::uint32_t const rest = length - exact;
        int const bits = std::bit_width(rest);
        return bits < 4 ? length : exact + ((rest >> (bits - 4)) << (bits - 4));
    }

    Bm25Options options_;
    double total_;
    double mean_ = 1;
};

/// The terms of a query that an index has, each once, with their frequencies in the query.
/// \param find  the number of a term, or nothing
template <class Find>
void read_query_terms(Analyzer const& analyzer, std::string_view query, std::string& buffer, std::vector<WeightedTerm>& terms,
                      Find&& find) {
    terms.clear();
    analyzer.for_each_word(query, buffer, [&](std::string_view word) {
        std::string const term = analyzer.term_of(word);
        std::optional<std::uint32_t> const number = term.empty() ? std::nullopt : find(std::string_view(term));
        if (!number) { return; }
        auto const known =
            std::find_if(terms.begin(), terms.end(), [&](WeightedTerm const& weighted) { return weighted.term == *number; });
        if (known != terms.end()) {
            known->weight += 1;
        } else {
            terms.push_back({*number, 1.0F});
        }
    });
}

}  // namespace detail

}  // namespace bmae
