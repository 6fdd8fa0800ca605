// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/batch/kept_texts.hpp.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/batch/kept_texts.hpp>

namespace {

using namespace bmae;
using Numbers = std::vector<std::int64_t>;

/// Groups of so many texts; text t has t % 3 + 2 tokens, all of them 10 + t, and token types 0 and 1.
PackedView groups_of(std::vector<std::size_t> const& sizes) {
    PackedView view;
    std::int64_t t = 0;
    for (std::size_t const size : sizes) {
        std::vector<CandidateText> texts;
        for (std::size_t i = 0; i < size; ++i, ++t) {
            std::vector<TokenId> const ids(static_cast<std::size_t>(t % 3 + 2), static_cast<TokenId>(10 + t));
            MaskedText text{.original_ids = ids, .input_ids = ids};
            text.types.assign(ids.size(), 1);
            text.types[0] = 0;
            texts.push_back({.text = text, .id = 100 + t, .score = static_cast<float>(t) / 2});
        }
        view.append_group(texts, {100 + t});
    }
    return view;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kept_texts)

BOOST_AUTO_TEST_CASE(a_view_of_some_texts_is_that_of_these_texts_alone) {
    PackedView const view = groups_of({3, 2, 3});
    Numbers const texts{0, 2, 6, 7};
    PackedView const kept = only_texts(view, texts);
    PackedView expected;
    for (auto const& group : {Numbers{0, 2}, Numbers{6, 7}}) {   // nothing is kept of the second group
        std::vector<CandidateText> chosen;
        for (std::int64_t const t : group) {
            std::vector<TokenId> const ids(static_cast<std::size_t>(t % 3 + 2), static_cast<TokenId>(10 + t));
            MaskedText text{.original_ids = ids, .input_ids = ids};
            text.types.assign(ids.size(), 1);
            text.types[0] = 0;
            chosen.push_back({.text = text, .id = 100 + t, .score = static_cast<float>(t) / 2});
        }
        expected.append_group(chosen, {group[0] == 0 ? 103 : 108});
    }
    BOOST_CHECK(kept.input_ids == expected.input_ids);
    BOOST_CHECK(kept.original_ids == expected.original_ids);
    BOOST_CHECK(kept.labels == expected.labels);
    BOOST_CHECK(kept.flags == expected.flags);
    BOOST_CHECK(kept.positions == expected.positions);
    BOOST_CHECK(kept.token_types == expected.token_types);
    BOOST_CHECK(kept.offsets == expected.offsets);
    BOOST_CHECK(kept.text_ids == expected.text_ids);
    BOOST_CHECK(kept.groups == expected.groups);
    BOOST_CHECK(kept.scores == expected.scores);
    BOOST_CHECK(kept.relevant == expected.relevant);
    Numbers const all{0, 1, 2, 3, 4, 5, 6, 7};
    BOOST_CHECK(only_texts(view, all).input_ids == view.input_ids);
    BOOST_CHECK(only_texts(view, all).groups == view.groups);
    PackedView const none = only_texts(view, Numbers());
    BOOST_CHECK_EQUAL(none.texts(), 0U);
    BOOST_CHECK_EQUAL(none.examples(), 0U);
}

BOOST_AUTO_TEST_CASE(a_view_without_groups_or_labels_stays_one) {
    PackedView view;
    view.append_input({2, 7, 3});
    view.append_input({2, 8, 9, 3});
    PackedView const kept = only_texts(view, Numbers{1});
    BOOST_CHECK((kept.input_ids == std::vector<TokenId>{2, 8, 9, 3}));
    BOOST_CHECK((kept.positions == std::vector<std::int32_t>{0, 1, 2, 3}));
    BOOST_CHECK((kept.offsets == Numbers{0, 4}));
    BOOST_CHECK(kept.groups.empty() && kept.labels.empty() && kept.token_types.empty() && kept.scores.empty());
}

BOOST_AUTO_TEST_CASE(the_positive_and_the_highest_negatives_of_each_group_are_kept_in_order) {
    PackedView const view = groups_of({4, 4, 2});
    std::vector<float> const scores{-9, 1, 3, 2, 5, 0, -1, -2, 0, 7};
    BOOST_CHECK((highest_texts(view, scores, 3) == Numbers{0, 2, 3, 4, 5, 6, 8, 9}));   // the last group has but two
    BOOST_CHECK((highest_texts(view, scores, 2) == Numbers{0, 2, 4, 5, 8, 9}));
    BOOST_CHECK((highest_texts(view, scores, 1) == Numbers{0, 4, 8}));
    BOOST_CHECK((highest_texts(view, scores, 4) == Numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

BOOST_AUTO_TEST_CASE(of_equal_scores_the_first_is_kept_and_of_nan_all) {
    PackedView const view = groups_of({5});
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    constexpr float inf = std::numeric_limits<float>::infinity();
    BOOST_CHECK((highest_texts(view, std::vector<float>{0, 1, 1, 1, 1}, 3) == Numbers{0, 1, 2}));
    BOOST_CHECK((highest_texts(view, std::vector<float>{0, 0, 1, 0, 1}, 4) == Numbers{0, 1, 2, 4}));
    BOOST_CHECK((highest_texts(view, std::vector<float>{nan, 2, inf, nan, nan}, 3) == Numbers{0, 3, 4}));
    BOOST_CHECK((highest_texts(view, std::vector<float>{0, -inf, -inf, -inf, -2}, 3) == Numbers{0, 1, 4}));
}

BOOST_AUTO_TEST_SUITE_END()
