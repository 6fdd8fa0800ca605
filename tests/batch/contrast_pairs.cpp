// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/batch/contrast_pairs.hpp and include/bmae/batch/pair_list.hpp.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/batch/contrast_pairs.hpp>
#include <bmae/batch/pair_list.hpp>

namespace {

using namespace bmae;
using Numbers = std::vector<std::int64_t>;

/// One text per example, of so many tokens; 2 is an absent one.
PackedView texts_of(std::vector<std::size_t> const& lengths) {
    PackedView view;
    for (std::size_t const length : lengths) {
        std::vector<TokenId> const ids(length, 9);
        view.append({.original_ids = ids, .input_ids = ids});
    }
    return view;
}

/// Two queries; the texts 10, 11, 12 of the first and 20, 10, 21 of the second one: the latter's own list has the former's text.
struct Groups {
    PackedView queries = texts_of({5, 6});
    PackedView texts;

    explicit Groups(std::size_t third_length = 5) {
        auto const text = [](std::int64_t id, std::size_t length) {
            std::vector<TokenId> const ids(length, 9);
            return CandidateText{.text = {.original_ids = ids, .input_ids = ids}, .id = id};
        };
        texts.append_group({text(10, 5), text(11, 5), text(12, third_length)}, {10, 21});
        texts.append_group({text(20, 5), text(10, 5), text(21, 5)}, {20});
    }
    [[nodiscard]] PairList pairs(PairRules const& rules) const {
        std::vector<PackedView const*> const views{&queries, &texts};
        return batch_pairs(views, rules);
    }
};

void equal(Numbers const& found, Numbers const& expected) { BOOST_TEST(found == expected, boost::test_tools::per_element()); }

}  // namespace

BOOST_AUTO_TEST_CASE(both_texts_of_a_pair_must_be_there) {
    PackedView const first = texts_of({5, 2, 4, 9});
    PackedView const second = texts_of({6, 3, 2, 5});
    std::vector<PackedView const*> const views{&first, &second};
    PairList const pairs = present_pairs(views);
    equal(pairs.rows, {0, 4, 3, 7});
    equal(pairs.absent, {1, 6});
    equal(pairs.side(0), {0, 3});
    equal(pairs.side(1, 4), {0, 3});
    equal(pairs.excluded_cells(4, 4), {0, 2, 1, 2});   // row 6 is column 2; row 1 is of another pass
    BOOST_TEST(pairs.unpaired(4) == 2);
    PairList const within = batch_pairs(views);
    equal(within.rows, pairs.rows);
    equal(within.excluded, {});
}

BOOST_AUTO_TEST_CASE(every_row_is_an_anchor_and_not_its_own_candidate) {
    PackedView const first = texts_of({5, 4});
    PackedView const second = texts_of({6, 3});
    std::vector<PackedView const*> const views{&first, &second};
    PairList const pairs = batch_pairs(views, {.candidates = CandidateScope::all_rows});
    equal(pairs.rows, {0, 2, 1, 3, 2, 0, 3, 1});
    equal(pairs.excluded_cells(0, 4), {0, 0, 1, 1, 2, 2, 3, 3});
    BOOST_TEST(pairs.unpaired(2) == 0);
}

BOOST_AUTO_TEST_CASE(one_candidate_makes_no_pair) {
    PackedView const first = texts_of({5});
    PackedView const second = texts_of({6});
    std::vector<PackedView const*> const views{&first, &second};
    BOOST_TEST(batch_pairs(views).empty());
    BOOST_TEST(batch_pairs(views, {.candidates = CandidateScope::all_rows}).size() == 2U);
    std::vector<PackedView const*> const three{&first, &second, &second};
    BOOST_TEST(batch_pairs(three).size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_relevant_to_an_equal_query_is_no_negative) {
    PackedView queries;
    PackedView texts;
    for (TokenId const word : {10, 11, 10}) {   // the first and the last query are equal, under two ids
        std::vector<TokenId> const ids{2, word, 3};
        queries.append(MaskedText{.original_ids = ids, .input_ids = ids});
    }
    std::int64_t id = 20;
    for (int example = 0; example < 3; ++example, ++id) {
        std::vector<TokenId> const ids{2, static_cast<TokenId>(id), 3};
        texts.append_group({{.text = MaskedText{.original_ids = ids, .input_ids = ids}, .id = id}}, {id});
    }
    std::vector<PackedView const*> const views{&queries, &texts};
    equal(batch_pairs(views).excluded, {0, 5, 2, 3});   // each other's relevant text
    equal(batch_pairs(views, {.mask_false_negatives = false}).excluded, {});
}

BOOST_AUTO_TEST_CASE(relevant_texts_of_others_are_excluded) {
    equal(Groups().pairs({}).rows, {0, 2, 1, 5});
    equal(Groups().pairs({}).excluded, {0, 6, 0, 7});   // 10 again, in the other group, and 21
    equal(Groups().pairs({.mask_false_negatives = false}).excluded, {});
    equal(Groups().pairs({}).own_negatives, {});
    equal(Groups().pairs({.own_negatives = true}).own_negatives, {0, 3, 0, 4, 1, 6, 1, 7});
}

BOOST_AUTO_TEST_CASE(a_group_is_a_span) {
    PairList const pairs = Groups(2).pairs({.candidates = CandidateScope::own_group, .mask_false_negatives = false});
    equal(pairs.spans, {2, 5, 5, 8});
    equal(pairs.absent, {4});
    equal(pairs.excluded_cells(2, 6), {0, 2, 0, 3, 0, 4, 0, 5, 1, 2, 1, 0, 1, 1, 1, 2});   // the absent text, then other groups
}

BOOST_AUTO_TEST_CASE(a_third_pass_brings_own_negatives) {
    PackedView const first = texts_of({5, 2, 4});
    std::vector<PackedView const*> const views{&first, &first, &first};
    PairList const pairs = batch_pairs(views, {.own_negatives = true});
    equal(pairs.rows, {0, 3, 2, 5});
    equal(PairList::cells(pairs.own_negatives, 3), {0, 3, 1, 5});
}

namespace {

/// Groups with a teacher's scores.
Groups scored(std::vector<float> const& scores) {
    Groups groups;
    groups.texts.scores = scores;
    return groups;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_teacher_says_which_negatives_are_too_near_to_the_positive) {
    PairRules rules{.mask_false_negatives = false, .mask = MarginMask::teacher, .margin = 1};
    Groups const groups = scored({3, 2.5F, 1, -4, -5.5F, -3});
    equal(groups.pairs(rules).excluded, {0, 3, 1, 7});   // 2.5 >= 3 - 1, and -3 >= -4 - 1; -5.5 is below
    rules.mask = MarginMask::teacher_relative;           // 3 - 3 and, right below 0, -4 - 4
    equal(groups.pairs(rules).excluded, {0, 3, 0, 4, 1, 6, 1, 7});
    rules.margin = 0;
    equal(groups.pairs(rules).excluded, {1, 7});
    rules.margin = -.2;   // only clearly above the positive
    equal(groups.pairs(rules).excluded, {1, 7});
    rules.margin = -.3;
    equal(groups.pairs(rules).excluded, {});
    rules.mask = MarginMask::score;   // of the model: not the collator's
    equal(groups.pairs(rules).excluded, {});
}

BOOST_AUTO_TEST_CASE(a_text_without_a_score_stays_and_a_group_keeps_its_lowest_negative) {
    float const none = std::numeric_limits<float>::quiet_NaN();
    PairRules rules{.mask_false_negatives = false, .mask = MarginMask::teacher, .margin = 100};
    equal(scored({3, none, 1, none, 9, 9}).pairs(rules).excluded, {0, 4});   // without a score of the positive nothing is said
    rules.candidates = CandidateScope::own_group;
    equal(scored({3, 2, 1, 0, 1, 2}).pairs(rules).excluded, {0, 3, 1, 7});   // 1 of the first, 1 of the second group are left
    rules.candidates = CandidateScope::other_passes;
    equal(Groups().pairs(rules).excluded, {});
    BOOST_CHECK_THROW(scored({}).pairs(rules), InputError);   // the view has no scores
}
