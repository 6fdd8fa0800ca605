// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/maskers/{row_visibility,weighted_row_visibility}.hpp against equation 7 and against plain loops.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/weighted_row_visibility.hpp>
#include <bmae/maskers/word_weights.hpp>

#include "invented_text.hpp"

using namespace bmae;
using namespace bmae_test;

namespace {

Visibility rows_of(RowVisibility const& masker, std::vector<TokenId> const& ids, std::uint64_t seed) {
    Draw draw({.seed = seed});
    return masker.draw(TokenSpan(ids, traits()), draw);
}

/// The L x L matrix as the published collator builds it from the same pool: copy the entry, clear the diagonal.
std::vector<std::uint8_t> brute_force(Visibility const& rows) {
    std::size_t const length = rows.length;
    std::vector<std::uint8_t> matrix;
    for (std::size_t i = 0; i < length; ++i) {
        for (std::size_t j = 0; j < length; ++j) {
            std::size_t const word = rows.row[i] * ((length + 63) / 64) + j / 64;
            matrix.push_back(static_cast<std::uint8_t>((rows.bits[word] >> (j % 64)) & 1U));
        }
        matrix[i * length + i] = 0;
    }
    return matrix;
}

/// Mean share of the content tokens that a content row reads, as retromae.md counts it: the row's own token is in the divisor.
double readable_share(RowVisibility const& masker, std::size_t length, int texts) {
    Draw draw({.seed = 21, .example = length});
    double share = 0;
    for (int k = 0; k < texts; ++k) {
        Visibility const rows = rows_of(masker, text(length, draw, 0, 0), static_cast<std::uint64_t>(k));
        std::size_t seen = 0;
        for (std::size_t i = 1; i + 1 < length; ++i) {
            for (std::size_t j = 1; j + 1 < length; ++j) { seen += rows.allows(i, j) ? 1U : 0U; }
        }
        share += static_cast<double>(seen) / static_cast<double>((length - 2) * (length - 2));
    }
    return share / texts;
}

}  // namespace

BOOST_AUTO_TEST_CASE(pitfall_11_columns_and_diagonal_obey_equation_7) {
    Draw draw({.seed = 5});
    for (RowSampler const sampler : {RowSampler::pooled, RowSampler::per_row, RowSampler::bernoulli}) {
        for (double const rate : {0.0, .3, .5, .9, 1.0}) {
            for (std::size_t const length : {1UL, 2UL, 3UL, 8UL, 63UL, 64UL, 65UL, 150UL, 300UL, 513UL}) {
                std::vector<TokenId> const ids = text(length, draw);
                Visibility const rows = rows_of({.rate = rate, .sampler = sampler}, ids, length);
                BOOST_TEST_REQUIRE(rows.length == length);
                BOOST_TEST_REQUIRE(rows.row.size() == length);
                BOOST_TEST_REQUIRE(rows.bits.size() == rows.pool() * rows.words());
                BOOST_TEST(rows.pool() == (sampler == RowSampler::pooled ? std::min<std::size_t>(length, 256) : length));
                std::vector<std::uint8_t> const matrix = brute_force(rows);
                bool ok = true, equal = true;
                for (std::size_t i = 0; i < length; ++i) {
                    ok = ok && !rows.allows(i, i);
                    ok = ok && rows.allows(i, 0) == (i != 0);                     // the sentence vector
                    ok = ok && rows.allows(i, length - 1) == (i != length - 1);   // [SEP]
                    for (std::size_t j = 0; j < length; ++j) {
                        equal = equal && rows.allows(i, j) == (matrix[i * length + j] != 0);
                    }
                }
                BOOST_TEST(ok);
                BOOST_TEST(equal);
                if (length % 64 != 0) {   // no bit beyond the text: attention kernels may read whole words
                    for (std::size_t k = rows.words() - 1; k < rows.bits.size(); k += rows.words()) {
                        BOOST_TEST((rows.bits[k] >> (length % 64)) == 0U);
                    }
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(texts_without_content_work) {
    BOOST_TEST(rows_of({}, {}, 1).pool() == 0U);
    std::vector<std::vector<TokenId>> const texts = {{cls}, {cls, sep}, {cls, unk, sep}, {cls, sep, sep, sep}};
    for (std::vector<TokenId> const& ids : texts) {
        Visibility const rows = rows_of({}, ids, 1);
        BOOST_TEST(rows.length == ids.size());
        BOOST_TEST(!rows.allows(0, 0));
    }
    std::vector<TokenId> const long_text(70000, 10);
    BOOST_CHECK_THROW(rows_of({.pool_cap = 100000}, long_text, 1), InputError);
    BOOST_CHECK_THROW(rows_of({.pool_cap = 0}, {cls, 10, sep}, 1), InputError);
    BOOST_CHECK_THROW(rows_of({.rate = 2}, {cls, 10, sep}, 1), InputError);
}

BOOST_AUTO_TEST_CASE(each_entry_is_a_whole_word_draw_of_the_exact_budget) {
    Draw draw({.seed = 8});
    for (std::size_t const length : {20UL, 100UL, 128UL, 512UL}) {
        std::vector<TokenId> const ids = text(length, draw, .25, 0);
        Visibility const rows = rows_of({}, ids, length);
        std::set<std::vector<std::uint8_t>> different;
        std::size_t short_of_budget = 0;
        for (std::size_t entry = 0; entry < rows.pool(); ++entry) {
            std::vector<std::uint8_t> readable(length);
            std::size_t hidden = 0;
            for (std::size_t j = 0; j < length; ++j) {
                readable[j] = static_cast<std::uint8_t>((rows.bits[entry * rows.words() + j / 64] >> (j % 64)) & 1U);
                hidden += readable[j] == 0 ? 1U : 0U;
                if (j > 1 && j + 1 < length && traits().continues_word(ids[j])) { BOOST_TEST(readable[j] == readable[j - 1]); }
            }
            BOOST_TEST(hidden <= detail::mask_budget(length, .5, 1, 512));
            short_of_budget += hidden < detail::mask_budget(length, .5, 1, 512) ? 1U : 0U;
            different.insert(readable);
        }
        BOOST_TEST(short_of_budget <= rows.pool() / 4);
        BOOST_TEST(different.size() + 2 >= rows.pool());
    }
}

BOOST_AUTO_TEST_CASE(rows_pick_pool_entries_with_replacement) {
    Draw draw({.seed = 15});
    std::vector<double> used(256, 0);
    double distinct = 0;
    int const texts = 200;
    for (int k = 0; k < texts; ++k) {
        Visibility const rows = rows_of({}, text(512, draw), static_cast<std::uint64_t>(k));
        for (std::uint16_t const entry : rows.row) { used[entry] += 1; }
        distinct += static_cast<double>(std::set<std::uint16_t>(rows.row.begin(), rows.row.end()).size());
    }
    double const mean = 512.0 * texts / 256;
    double chi = 0;
    for (double const n : used) { chi += (n - mean) * (n - mean) / mean; }
    BOOST_TEST(std::abs(chi - 255) < 5 * std::sqrt(2 * 255.0));
    double const expected = 256 * (1 - std::pow(1 - 1.0 / 256, 512));   // 221.5 of 256 entries in use
    BOOST_TEST(std::abs(distinct / texts - expected) < 1.5);
}

BOOST_AUTO_TEST_CASE(readable_share_of_short_and_long_texts) {
    std::puts("  readable share of the content at rate .5");
    std::printf("  %6s %8s %8s %8s %10s\n", "L", "expected", "pooled", "per row", "bernoulli");
    for (std::size_t const length : {8UL, 32UL, 150UL, 512UL}) {
        double const content = static_cast<double>(length - 2);
        double const hidden = static_cast<double>(detail::mask_budget(length, .5, 1, 512));
        double const expected = (1 - hidden / content) * (1 - 1 / content);
        int const texts = length < 100 ? 2000 : 30;
        double const pooled = readable_share({}, length, texts);
        double const per_row = readable_share({.sampler = RowSampler::per_row}, length, texts);
        double const coins = readable_share({.sampler = RowSampler::bernoulli}, length, texts);
        std::printf("  %6zu %8.3f %8.3f %8.3f %10.3f\n", length, expected, pooled, per_row, coins);
        BOOST_TEST(std::abs(pooled - expected) < .006);
        BOOST_TEST(std::abs(per_row - expected) < .006);
        BOOST_TEST(std::abs(coins - .5 * (1 - 1 / content)) < .006);
    }
    BOOST_TEST(std::abs(readable_share({.rate = .3, .sampler = RowSampler::bernoulli}, 150, 30) - .7 * 147 / 148) < .006);
}

// The fast draw must have the distribution of the plain one: all masks of a small text, counted under both.
BOOST_AUTO_TEST_CASE(bits_and_walk_give_the_same_distribution) {
    std::vector<std::vector<TokenId>> const texts = {
        {cls, 10, 900, 11, 12, 901, 902, 13, 14, sep},
        {cls, 10, 11, 12, 13, 14, 15, sep},
        {cls, 10, 900, 901, 902, 11, 903, 12, 904, sep},
        {cls, 10, 900, 11, 901, 12, 902, sep},   // odd budgets cannot be met
    };
    for (std::vector<TokenId> const& ids : texts) {
        for (std::size_t budget = 1; budget + 2 < ids.size(); ++budget) {
            TokenSpan const span(ids, traits());
            Draw draw({.seed = budget});
            detail::SmallDraw small(draw);
            detail::CandidateWords walk(span, false);
            detail::WordBits bits(span, false, budget);
            std::map<std::uint64_t, std::pair<double, double>> masks;
            int const draws = 40000;
            for (int k = 0; k < draws; ++k) {
                std::uint64_t plain = 0, fast = 0;
                walk.sample(budget, small, [&](std::size_t i) { plain |= std::uint64_t{1} << i; });
                bits.sample(draw, small, std::span(&fast, 1));
                masks[plain].first += 1;
                masks[fast].second += 1;
            }
            double chi = 0;
            for (auto const& [mask_bits, counts] : masks) {
                double const sum = counts.first + counts.second;
                chi += (counts.first - counts.second) * (counts.first - counts.second) / sum;
            }
            auto const freedom = static_cast<double>(masks.size()) - 1;
            BOOST_TEST(chi < freedom + 5 * std::sqrt(2 * freedom) + 1e-9,
                       "budget " << budget << ": chi square " << chi << " at " << freedom << " degrees of freedom");
        }
    }
}

BOOST_AUTO_TEST_CASE(weighted_rows_hide_rare_words_more_often) {
    Draw draw({.seed = 8});
    std::vector<std::vector<TokenId>> corpus;   // ids below 20 are in every text, those above in one each
    for (TokenId t = 0; t < 50; ++t) {
        std::vector<TokenId>& ids = corpus.emplace_back();
        for (TokenId id = 10; id < 20; ++id) { ids.push_back(id); }
        for (TokenId k = 0; k < 10; ++k) { ids.push_back(100 + 10 * t + k); }
    }
    WeightedRowVisibility masker{.rate = .4};
    std::vector<TokenId> ids = {cls};
    ids.insert(ids.end(), corpus[7].begin(), corpus[7].end());
    ids.push_back(sep);
    TokenSpan const span(ids, traits());
    BOOST_CHECK_THROW(static_cast<void>(masker.draw(span, draw)), InputError);   // no counts
    masker.learn(std::make_shared<WordWeights const>(WordWeights::of(corpus, traits(), 1)));
    BOOST_TEST(!masker.needs_words());
    std::vector<double> hidden(ids.size(), 0);
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Draw own({.seed = seed}), again({.seed = seed});
        Visibility const rows = masker.draw(span, own);
        BOOST_TEST(rows.bits == masker.draw(span, again).bits, boost::test_tools::per_element());
        BOOST_TEST_REQUIRE(rows.pool() == ids.size());
        BOOST_TEST_REQUIRE(rows.row.size() == ids.size());
        for (std::size_t k = 0; k < rows.pool(); ++k) {
            std::size_t count = 0;
            for (std::size_t j = 0; j < ids.size(); ++j) {
                bool const is_hidden = ((rows.bits[k * rows.words() + j / 64] >> (j % 64)) & 1U) == 0;
                hidden[j] += is_hidden ? 1 : 0;
                count += is_hidden ? 1 : 0;
            }
            BOOST_TEST(count == 9U);   // .4 of 22
        }
        for (std::size_t i = 0; i < ids.size(); ++i) { BOOST_TEST(!rows.allows(i, i)); }
    }
    BOOST_TEST(hidden.front() == 0);
    BOOST_TEST(hidden.back() == 0);
    for (std::size_t j = 1; j <= 10; ++j) { BOOST_TEST(hidden[j] < .02 * hidden[j + 10]); }
    BOOST_CHECK_THROW(static_cast<void>(WeightedRowVisibility{.pool_cap = 0, .weights = masker.weights}.draw(span, draw)),
                      InputError);
    std::vector<TokenId> const none;
    BOOST_TEST(masker.draw(TokenSpan(none, traits()), draw).row.empty());
}
