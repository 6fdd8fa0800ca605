// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The vectors of the tokens of a collection in memory.
#include "token_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include <ATen/ops/empty.h>

#include <bmae/retrieval/encode_run.hpp>

namespace bmae::program {

namespace {

std::span<float const> values_of(at::Tensor const& rows) {
    return {rows.const_data_ptr<float>(), static_cast<std::size_t>(rows.numel())};
}

/// Texts that k-means reads, of all of them: as ColBERTv2's code chooses, with 120 tokens each.
std::size_t sampled_texts(std::size_t all) {
    return std::min(all, static_cast<std::size_t>(std::ceil(16 * std::sqrt(120 * static_cast<double>(all)))));
}

/// Encodes some of `all` texts; the error of a vector that is not finite has the number of its text among all.
template <class Number>
MultiVectors encode_some(TokenRows::Encode const& encode, std::vector<std::string> const& texts, std::size_t all,
                         Number const& number_of) {
    try {
        return encode(texts);
    } catch (NonFiniteVector const& error) { throw NonFiniteVector(number_of(error.text()), all); }
}

}  // namespace

TokenRows::TokenRows(SearchOptions const& options, unsigned threads, MultiVectors vectors) {
    if (options.bits == 0 || vectors.rows.size(0) == 0) {
        offsets_ = std::move(vectors.offsets);
        rows_ = std::move(vectors.rows);
        return;
    }
    train(options, threads, vectors, static_cast<std::size_t>(vectors.rows.size(0)));
    append(vectors);
}

TokenRows::TokenRows(SearchOptions const& options, unsigned threads, std::vector<std::string> const& texts,
                     Encode const& encode) {
    std::size_t const sampled = sampled_texts(texts.size());
    if (options.bits == 0 || sampled == texts.size()) {
        *this = TokenRows(options, threads, encode(texts));
        return;
    }
    std::vector<std::string> sample;
    for (std::size_t i = 0; i < sampled; ++i) { sample.push_back(texts[i * texts.size() / sampled]); }
    {
        MultiVectors const vectors =
            encode_some(encode, sample, texts.size(), [&](std::size_t i) { return i * texts.size() / sampled; });
        double const each = static_cast<double>(vectors.rows.size(0)) / static_cast<double>(sampled);
        train(options, threads, vectors, static_cast<std::size_t>(each * static_cast<double>(texts.size())));
    }
    constexpr std::size_t part = 4096;
    for (std::size_t first = 0; first < texts.size(); first += part) {
        std::size_t const end = std::min(first + part, texts.size());
        std::vector<std::string> const some(texts.begin() + static_cast<std::ptrdiff_t>(first),
                                            texts.begin() + static_cast<std::ptrdiff_t>(end));
        append(encode_some(encode, some, texts.size(), [&](std::size_t i) { return first + i; }));
    }
}

MultiVectors TokenRows::part(std::size_t first, std::size_t end) const {
    MultiVectors part;
    std::int64_t const begin = offsets_[first];
    std::int64_t const count = offsets_[end] - begin;
    for (std::size_t i = first; i < end; ++i) { part.offsets.push_back(offsets_[i + 1] - begin); }
    if (!codec_) {
        part.rows = rows_.narrow(0, begin, count);
        return part;
    }
    part.rows = at::empty({count, static_cast<std::int64_t>(codec_->dimension())}, at::kFloat);
    codec_->decompress(packed_, static_cast<std::size_t>(begin), static_cast<std::size_t>(begin + count),
                       {part.rows.mutable_data_ptr<float>(), static_cast<std::size_t>(part.rows.numel())});
    return part;
}

Json TokenRows::facts() const {
    auto const rows = static_cast<std::uint64_t>(offsets_.back());
    if (!codec_) {
        auto const bytes = rows_.defined() ? static_cast<std::uint64_t>(rows_.numel()) * sizeof(float) : 0;
        return {{"rows", rows}, {"bytes", bytes}, {"bits", nullptr}, {"centroids", nullptr}, {"cosine", nullptr}};
    }
    std::uint64_t const shared =
        (codec_->centroids().size() + codec_->cutoffs().size() + codec_->values().size()) * sizeof(float);
    return {{"rows", rows},
            {"bytes", packed_.bytes() + shared},
            {"bits", codec_->bits()},
            {"centroids", codec_->centroid_count()},
            {"cosine", {{"mean", mean_cosine_}, {"least", least_cosine_}}}};
}

void TokenRows::train(SearchOptions const& options, unsigned threads, MultiVectors const& sample, std::size_t rows) {
    at::Tensor const values = sample.rows.contiguous();
    codec_ = ResidualCodec::train(values_of(values), static_cast<std::size_t>(values.size(1)),
                                  {.bits = options.bits, .centroids = options.centroids, .rows = rows, .threads = threads});
    measure(values_of(values));
    char text[200];
    std::snprintf(text, sizeof text,
                  "maxsim: %u bits of a dimension, %zu centroids: cosine to the vectors %.5f in the mean, %.5f at least",
                  codec_->bits(), codec_->centroid_count(), mean_cosine_, least_cosine_);
    say(text);
}

void TokenRows::append(MultiVectors const& vectors) {
    at::Tensor const rows = vectors.rows.contiguous();
    packed_.append(codec_->compress(values_of(rows)));
    std::int64_t const before = offsets_.back();
    for (std::size_t i = 1; i < vectors.offsets.size(); ++i) { offsets_.push_back(before + vectors.offsets[i]); }
}

/// By a few thousand vectors.
void TokenRows::measure(std::span<float const> rows) {
    std::size_t const width = codec_->dimension();
    std::size_t const all = rows.size() / width;
    std::size_t const count = std::min<std::size_t>(all, 4096);
    std::vector<float> some;
    for (std::size_t i = 0; i < count; ++i) {
        auto const row = rows.subspan(i * all / count * width, width);
        some.insert(some.end(), row.begin(), row.end());
    }
    std::vector<float> restored(some.size());
    codec_->decompress(codec_->compress(some), 0, count, restored);
    mean_cosine_ = 0;
    for (std::size_t i = 0; i < count; ++i) {
        double cosine = 0;
        for (std::size_t d = 0; d < width; ++d) {
            cosine += static_cast<double>(some[i * width + d]) * static_cast<double>(restored[i * width + d]);
        }
        mean_cosine_ += cosine / static_cast<double>(count);
        least_cosine_ = std::min(least_cosine_, cosine);
    }
}

}  // namespace bmae::program
