// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/corruptors: laws for all, shares over a million tokens for 80/10/10.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corruptors/bert.hpp>
#include <bmae/corruptors/mask_only.hpp>
#include <bmae/corruptors/none.hpp>

using namespace bmae;

namespace {

constexpr TokenId pad = 0, unk = 1, cls = 2, sep = 3, mask = 4;
TokenTraits const traits({.pad = pad, .unk = unk, .cls = cls, .sep = sep, .mask = mask}, std::vector<std::uint8_t>(1000, 0));

/// A text that arrives at a corruptor: [CLS] x ... [UNK] ... [SEP], every token flagged, specials too.
MaskedText flagged(std::size_t length, std::uint64_t seed) {
    Draw draw({.seed = seed});
    MaskedText text;
    for (std::size_t i = 0; i < length; ++i) {
        text.original_ids.push_back(i == 0            ? cls
                                    : i + 1 == length ? sep
                                    : i % 50 == 7     ? unk
                                                      : 5 + static_cast<TokenId>(draw.below(995)));
    }
    text.input_ids = text.original_ids;
    text.flags.assign(length, 1);
    return text;
}

template <class C>
void check_laws() {
    BOOST_TEST_CONTEXT("corruptor " << C::name) {
        for (std::size_t const length : {0UL, 1UL, 2UL, 3UL, 100UL}) {
            for (std::uint64_t seed = 0; seed < 50; ++seed) {
                MaskedText text = flagged(length, seed);
                for (std::size_t i = 0; i < length; i += 3) { text.flags[i] = 0; }
                MaskedText again = text, before = text;
                Draw draw({.seed = seed}), same({.seed = seed});
                C{}.corrupt(text, traits, draw);
                C{}.corrupt(again, traits, same);
                BOOST_TEST(text.input_ids == again.input_ids, boost::test_tools::per_element());
                BOOST_TEST(text.original_ids == before.original_ids, boost::test_tools::per_element());
                BOOST_TEST_REQUIRE(text.input_ids.size() == length);
                BOOST_TEST_REQUIRE(text.flags.size() == length);
                for (std::size_t i = 0; i < length; ++i) {
                    BOOST_TEST(text.flags[i] <= before.flags[i]);
                    if (text.flags[i] == 0) { BOOST_TEST(text.input_ids[i] == text.original_ids[i]); }
                }
            }
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_corruptor_keeps_the_laws) {
    std::apply([]<class... C>(C const&...) { (check_laws<C>(), ...); }, std::tuple<BertCorruptor, MaskOnly, NoCorruption>{});
}

BOOST_AUTO_TEST_CASE(specials_are_no_targets) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        MaskedText bert = flagged(200, seed), only = bert;
        Draw draw({.seed = seed});
        BertCorruptor{}.corrupt(bert, traits, draw);
        MaskOnly{}.corrupt(only, traits, draw);
        for (std::size_t i = 0; i < 200; ++i) {
            BOOST_TEST(bert.flags[i] == (traits.is_special(bert.original_ids[i]) ? 0 : 1));
            BOOST_TEST(only.flags[i] == bert.flags[i]);
            BOOST_TEST(only.input_ids[i] == (only.flags[i] != 0 ? mask : only.original_ids[i]));
        }
    }
}

BOOST_AUTO_TEST_CASE(eighty_ten_ten_over_a_million_tokens) {
    double masked = 0, random = 0, kept = 0, pairs_masked = 0, pairs = 0;
    std::vector<double> drawn(1000, 0);
    for (std::uint64_t k = 0; k < 2000; ++k) {
        MaskedText text = flagged(512, k);
        Draw draw({.seed = 1, .example = k});
        BertCorruptor{}.corrupt(text, traits, draw);
        for (std::size_t i = 0; i < 512; ++i) {
            if (text.flags[i] == 0) { continue; }
            if (text.input_ids[i] == text.original_ids[i]) {
                kept += 1;
            } else if (text.input_ids[i] == mask) {
                masked += 1;
            } else {
                random += 1;
                drawn[static_cast<std::size_t>(text.input_ids[i])] += 1;
            }
            if (text.flags[i - 1] != 0) {
                pairs += 1;
                pairs_masked += text.input_ids[i] == mask && text.input_ids[i - 1] == mask ? 1 : 0;
            }
        }
    }
    double const all = masked + random + kept;
    std::printf("  80/10/10 over %.0f flagged tokens: [MASK] %.4f, random %.4f, unchanged %.4f\n", all, masked / all,
                random / all, kept / all);
    // One random id in a thousand is the token itself and one is [MASK].
    BOOST_TEST(std::abs(masked / all - .8001) < .002);
    BOOST_TEST(std::abs(random / all - .0998) < .002);
    BOOST_TEST(std::abs(kept / all - .1001) < .002);
    BOOST_TEST(std::abs(pairs_masked / pairs - .64) < .004);   // token by token, not word by word
    double chi = 0, mean = random / 999;
    for (std::size_t id = 0; id < drawn.size(); ++id) {
        if (id != mask) { chi += std::pow(drawn[id] - mean, 2) / mean; }
    }
    BOOST_TEST(std::abs(chi - 998) < 5 * std::sqrt(2 * 998.0));   // the whole vocabulary, specials included
}

BOOST_AUTO_TEST_CASE(shares_are_options_and_bad_ones_are_refused) {
    MaskedText text = flagged(100, 1);
    Draw draw({});
    BertCorruptor{.mask_share = 1, .random_share = 0}.corrupt(text, traits, draw);
    for (std::size_t i = 0; i < 100; ++i) {
        if (text.flags[i] != 0) { BOOST_TEST(text.input_ids[i] == mask); }
    }
    BertCorruptor{.mask_share = .9, .random_share = .1}.corrupt(text, traits, draw);
    BOOST_CHECK_THROW((BertCorruptor{.mask_share = .9, .random_share = .2}.corrupt(text, traits, draw)), InputError);
    BOOST_CHECK_THROW((BertCorruptor{.mask_share = -.1}.corrupt(text, traits, draw)), InputError);
    TokenTraits const maskless({.unk = unk, .cls = cls, .sep = sep}, std::vector<std::uint8_t>(1000, 0));
    BOOST_CHECK_THROW(BertCorruptor{}.corrupt(text, maskless, draw), InputError);
    BOOST_CHECK_THROW(MaskOnly{}.corrupt(text, maskless, draw), InputError);
}
