// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/corruptors/{deletion,word_deletion,replacement,shuffle}.hpp.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corruptors/deletion.hpp>
#include <bmae/corruptors/replacement.hpp>
#include <bmae/corruptors/shuffle.hpp>
#include <bmae/corruptors/word_deletion.hpp>

using namespace bmae;

namespace {

constexpr TokenId pad = 0, unk = 1, cls = 2, sep = 3, mask = 4;
TokenTraits const traits({.pad = pad, .unk = unk, .cls = cls, .sep = sep, .mask = mask}, std::vector<std::uint8_t>(1000, 0));

/// [CLS], `content` different tokens, [SEP]; every vector says which token it belongs to.
MaskedText numbered(std::size_t content) {
    MaskedText text;
    text.original_ids.resize(content + 2);
    std::iota(text.original_ids.begin() + 1, text.original_ids.end() - 1, 10);
    text.original_ids.front() = cls;
    text.original_ids.back() = sep;
    text.input_ids = text.labels = text.original_ids;
    for (TokenId const id : text.original_ids) { text.flags.push_back(static_cast<std::uint8_t>(id % 2)); }
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(token_corruptors)

BOOST_AUTO_TEST_CASE(word_deletion_takes_whole_words_and_leaves_one) {
    std::vector<std::uint8_t> continues(1000, 0);
    for (TokenId id = 10; id < 1000; ++id) {
        continues[static_cast<std::size_t>(id)] = id % 3 == 0 ? 0 : 1;
    }   // 12 13 14, 15 ...
    TokenTraits const pieces({.pad = pad, .unk = unk, .cls = cls, .sep = sep, .mask = mask}, continues);
    double kept = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        MaskedText text = numbered(602);   // 10 and 11 are one word, 12 to 611 two hundred others
        Draw draw({.seed = seed});
        WordDeletion{}.corrupt(text, pieces, draw);
        BOOST_TEST(text.input_ids == text.original_ids, boost::test_tools::per_element());
        BOOST_TEST(text.labels == text.original_ids, boost::test_tools::per_element());
        BOOST_TEST_REQUIRE(text.flags.size() == text.original_ids.size());
        for (std::size_t i = 0; i < text.flags.size(); ++i) { BOOST_TEST(text.flags[i] == text.original_ids[i] % 2); }
        BOOST_TEST(text.original_ids.front() == cls);
        BOOST_TEST(text.original_ids.back() == sep);
        std::map<TokenId, int> words;   // tokens left of each word
        for (std::size_t i = 1; i + 1 < text.original_ids.size(); ++i) { ++words[text.original_ids[i] / 3]; }
        for (auto const& [word, tokens] : words) { BOOST_TEST(tokens == (word == 3 ? 2 : 3)); }
        kept += static_cast<double>(words.size()) / (201. * 400);
        for (std::size_t const content : {0U, 2U, 5U}) {   // none, one and two words
            MaskedText all = numbered(content);
            WordDeletion{.rate = 1}.corrupt(all, pieces, draw);
            BOOST_TEST((content == 0 ? all.original_ids.size() == 2 : all.original_ids.size() > 2));
        }
    }
    BOOST_TEST(std::abs(kept - .4) < .01);
    MaskedText text = numbered(5);
    Draw draw({});
    BOOST_CHECK_THROW(WordDeletion{.rate = 1.5}.corrupt(text, pieces, draw), InputError);
    text.visibility.length = 7;
    BOOST_CHECK_THROW(WordDeletion{}.corrupt(text, pieces, draw), InputError);
}

BOOST_AUTO_TEST_CASE(deletion_edits_all_vectors_alike) {
    double deleted = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        MaskedText text = numbered(500), again = text;
        Draw draw({.seed = seed}), same({.seed = seed});
        TokenDeletion{}.corrupt(text, traits, draw);
        TokenDeletion{}.corrupt(again, traits, same);
        BOOST_TEST(text.original_ids == again.original_ids, boost::test_tools::per_element());
        BOOST_TEST(text.input_ids == text.original_ids, boost::test_tools::per_element());
        BOOST_TEST(text.labels == text.original_ids, boost::test_tools::per_element());
        BOOST_TEST_REQUIRE(text.flags.size() == text.original_ids.size());
        for (std::size_t i = 0; i < text.flags.size(); ++i) { BOOST_TEST(text.flags[i] == text.original_ids[i] % 2); }
        BOOST_TEST(text.original_ids.front() == cls);
        BOOST_TEST(text.original_ids.back() == sep);
        BOOST_TEST(std::ranges::is_sorted(text.original_ids.begin() + 1, text.original_ids.end() - 1));
        deleted += 502 - static_cast<double>(text.original_ids.size());
    }
    BOOST_TEST(std::abs(deleted / (400 * 500) - .1) < .0034);   // 5 sigma of 2e5 coins
}

// Deletion may empty a text.
BOOST_AUTO_TEST_CASE(pitfall_28_deletion_leaves_a_token) {
    std::set<TokenId> survivors;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        MaskedText text = numbered(5);
        text.labels.clear();   // not assigned yet
        Draw draw({.seed = seed});
        TokenDeletion{.rate = 1}.corrupt(text, traits, draw);
        BOOST_TEST_REQUIRE(text.original_ids.size() == 3U);
        BOOST_TEST(text.labels.empty());
        survivors.insert(text.original_ids[1]);
        MaskedText one = numbered(1), none = numbered(0);
        TokenDeletion{.rate = .9}.corrupt(one, traits, draw);
        TokenDeletion{.rate = .9}.corrupt(none, traits, draw);
        BOOST_TEST(one.original_ids.size() == 3U);
        BOOST_TEST(none.original_ids.size() == 2U);
        MaskedText all = numbered(5);
        TokenDeletion{.rate = 0}.corrupt(all, traits, draw);
        BOOST_TEST(all.original_ids.size() == 7U);
    }
    BOOST_TEST(survivors.size() == 5U);
}

BOOST_AUTO_TEST_CASE(a_shuffle_moves_tokens_among_their_places) {
    double moved = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        MaskedText text = numbered(500), again = text;
        text.original_ids[100] = text.input_ids[100] = again.original_ids[100] = again.input_ids[100] = unk;
        MaskedText const before = text;
        Draw draw({.seed = seed}), same({.seed = seed});
        TokenShuffle{.rate = .2}.corrupt(text, traits, draw);
        TokenShuffle{.rate = .2}.corrupt(again, traits, same);
        BOOST_TEST(text.input_ids == again.input_ids, boost::test_tools::per_element());
        BOOST_TEST(text.original_ids == before.original_ids, boost::test_tools::per_element());
        BOOST_TEST(text.flags == before.flags, boost::test_tools::per_element());
        BOOST_TEST(text.labels == before.labels, boost::test_tools::per_element());
        BOOST_TEST(std::ranges::is_permutation(text.input_ids, before.input_ids));
        for (std::size_t const i : {0UL, 100UL, 501UL}) { BOOST_TEST(text.input_ids[i] == before.input_ids[i]); }
        for (std::size_t i = 0; i < 502; ++i) { moved += text.input_ids[i] != before.input_ids[i] ? 1 : 0; }
    }
    // Of k picked tokens k - 1 leave their place on average: 499 * .2 - 1.
    BOOST_TEST(std::abs(moved / 400 - 98.8) < 2.5);   // 5 sigma
    MaskedText still = numbered(50), none = numbered(0);
    MaskedText const before = still;
    Draw draw({.seed = 1});
    TokenShuffle{.rate = 0}.corrupt(still, traits, draw);
    BOOST_TEST(still.input_ids == before.input_ids, boost::test_tools::per_element());
    TokenShuffle{.rate = 1}.corrupt(none, traits, draw);
    BOOST_TEST(none.input_ids.size() == 2U);
    BOOST_CHECK_THROW((TokenShuffle{.rate = 1.5}.corrupt(still, traits, draw)), InputError);
    BOOST_CHECK_THROW((TokenShuffle{.rate = std::numeric_limits<double>::quiet_NaN()}.corrupt(still, traits, draw)), InputError);
}

// Every order of three comes equally often.
BOOST_AUTO_TEST_CASE(a_shuffle_is_uniform) {
    std::map<std::vector<TokenId>, int> orders;
    for (std::uint64_t seed = 0; seed < 6000; ++seed) {
        MaskedText text = numbered(3);
        Draw draw({.seed = seed});
        TokenShuffle{.rate = 1}.corrupt(text, traits, draw);
        ++orders[text.input_ids];
    }
    BOOST_TEST(orders.size() == 6U);
    for (auto const& [order, count] : orders) { BOOST_TEST(std::abs(count - 1000) < 150); }
}

BOOST_AUTO_TEST_CASE(deletion_refuses_what_it_cannot_edit) {
    MaskedText text = numbered(5);
    Draw draw({});
    for (double const rate : {-.1, 10.0, std::numeric_limits<double>::quiet_NaN()}) {
        BOOST_CHECK_THROW(TokenDeletion{.rate = rate}.corrupt(text, traits, draw), InputError);
    }
    text.visibility.length = 7;
    BOOST_CHECK_THROW(TokenDeletion{}.corrupt(text, traits, draw), InputError);
}

BOOST_AUTO_TEST_CASE(replacement_is_uniform_over_what_is_not_special) {
    std::vector<double> drawn(1000, 0);
    double replaced = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        MaskedText text = numbered(500);
        text.original_ids[7] = text.input_ids[7] = unk;
        text.flags[7] = 1;
        MaskedText const before = text;
        Draw draw({.seed = seed});
        TokenReplacement{}.corrupt(text, traits, draw);
        BOOST_TEST(text.original_ids == before.original_ids, boost::test_tools::per_element());
        BOOST_TEST(text.flags[7] == 0);
        for (std::size_t i = 0; i < text.flags.size(); ++i) {
            if (text.flags[i] == 0) {
                BOOST_TEST(text.input_ids[i] == before.input_ids[i]);
                continue;
            }
            BOOST_TEST(!traits.is_special(text.input_ids[i]));
            drawn[static_cast<std::size_t>(text.input_ids[i])] += 1;
            replaced += 1;
        }
    }
    double chi = 0, mean = replaced / 995;
    for (std::size_t id = 5; id < drawn.size(); ++id) { chi += std::pow(drawn[id] - mean, 2) / mean; }
    BOOST_TEST(std::abs(chi - 994) < 5 * std::sqrt(2 * 994.0));
    TokenTraits const bare({.pad = 0, .unk = 1}, std::vector<std::uint8_t>(2, 0));
    MaskedText text{.original_ids = {5}, .input_ids = {5}, .labels = {}, .flags = {1}, .visibility = {}};
    Draw draw({});
    BOOST_CHECK_THROW(TokenReplacement{}.corrupt(text, bare, draw), InputError);
}

BOOST_AUTO_TEST_SUITE_END()
