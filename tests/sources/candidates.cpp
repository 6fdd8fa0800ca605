// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The texts of a training query: groups, their draws, cuts and token types.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/concepts/pair_source.hpp>
#include <bmae/corruptors/deletion.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/model/view.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/sources/query.hpp>

BOOST_AUTO_TEST_SUITE(candidates)

namespace {

using namespace bmae;

TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(100, 0));

/// Text i is {10 + i, 30 + i, 50 + i}; two relevant texts, three negatives, scores for all but negative 7.
struct Data {
    std::vector<TokenId> tokens;
    std::vector<std::uint64_t> ends;
    std::vector<TokenId> query{90, 91, 92, 93};
    std::vector<std::uint32_t> positives{1, 2};
    std::vector<std::uint32_t> negatives{5, 6, 7};
    std::vector<float> positive_scores{3.F, 4.F};
    std::vector<float> negative_scores{1.F, .5F, std::numeric_limits<float>::quiet_NaN()};

    Data() {
        for (TokenId i = 0; i < 9; ++i) {
            tokens.insert(tokens.end(), {10 + i, 30 + i, 50 + i});
            ends.push_back(tokens.size());
        }
    }
    [[nodiscard]] PairExample example() const {
        return {.id = 0,
                .query = query,
                .positives = positives,
                .negatives = negatives,
                .positive_scores = positive_scores,
                .negative_scores = negative_scores,
                .texts = {tokens, ends}};
    }
};

Draw draw_of(std::uint64_t epoch) { return Draw({.seed = 3, .epoch = epoch}); }

}  // namespace

BOOST_AUTO_TEST_CASE(a_group_is_a_relevant_text_and_negatives_drawn_anew_in_each_epoch) {
    static_assert(GroupSource<Candidates> && GroupSource<QueryWithCandidate> && PairTextSource<Query>);
    Data const data;
    Candidates const source{.group = {.passages = 3}, .max_length = 32};
    std::set<std::int64_t> positives;
    std::set<std::int64_t> negatives;
    for (std::uint64_t epoch = 0; epoch < 40; ++epoch) {
        auto const group = source.read_group(data.example(), traits, 512, draw_of(epoch));
        BOOST_REQUIRE_EQUAL(group.size(), 3U);
        positives.insert(group[0].id);
        BOOST_CHECK(group[1].id != group[2].id);
        for (std::size_t n : {std::size_t{1}, std::size_t{2}}) { negatives.insert(group[n].id); }
        BOOST_CHECK_EQUAL(group[0].score, group[0].id == 1 ? 3.F : 4.F);
        auto const id = static_cast<TokenId>(group[1].id);
        BOOST_CHECK((group[1].text.input_ids == std::vector<TokenId>{2, 10 + id, 30 + id, 50 + id, 3}));
        BOOST_CHECK_EQUAL(std::isnan(group[1].score), group[1].id == 7);
        auto const again = source.read_group(data.example(), traits, 512, draw_of(epoch));
        BOOST_CHECK_EQUAL(again[1].id, group[1].id);
    }
    BOOST_CHECK((positives == std::set<std::int64_t>{1, 2}));
    BOOST_CHECK((negatives == std::set<std::int64_t>{5, 6, 7}));
}

BOOST_AUTO_TEST_CASE(a_short_list_is_filled_with_other_texts_or_refused) {
    Data const data;
    Candidates source{.group = {.passages = 7}, .max_length = 32};
    for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
        auto const group = source.read_group(data.example(), traits, 512, draw_of(epoch));
        std::set<std::int64_t> ids;
        for (auto const& text : group) { ids.insert(text.id); }
        BOOST_CHECK_EQUAL(ids.size(), 7U);   // no text twice, and one relevant text alone
        BOOST_CHECK_EQUAL(ids.contains(1) + ids.contains(2), 1);
    }
    source.group.random_negatives = false;
    BOOST_CHECK_EXCEPTION(source.read_group(data.example(), traits, 512, draw_of(0)), InputError, [](InputError const& e) {
        return std::string(e.what()).find("6 negatives of query 0, found 3") != std::string::npos;
    });
    source.group = {.passages = 9};   // nine texts, two of them relevant: eight negatives are not there
    BOOST_CHECK_THROW(source.read_group(data.example(), traits, 512, draw_of(0)), InputError);
    source.group = {.passages = 2, .depth = 1};
    for (std::uint64_t epoch = 0; epoch < 10; ++epoch) {
        BOOST_CHECK_EQUAL(source.read_group(data.example(), traits, 512, draw_of(epoch))[1].id, 5);   // the hardest alone
    }
}

/// Twelve texts: 0 is relevant and scores 5, 1 ... 10 are negatives that score 9, 8, ... 0.
struct Ranked {
    std::vector<TokenId> tokens;
    std::vector<std::uint64_t> ends;
    std::vector<TokenId> query{90};
    std::vector<std::uint32_t> positives{0};
    std::vector<std::uint32_t> negatives;
    std::vector<float> positive_scores{5.F};
    std::vector<float> negative_scores;

    Ranked() {
        for (TokenId i = 0; i < 12; ++i) {
            tokens.push_back(10 + i);
            ends.push_back(tokens.size());
        }
        for (std::uint32_t n = 1; n <= 10; ++n) {
            negatives.push_back(n);
            negative_scores.push_back(static_cast<float>(10 - n));
        }
    }
    [[nodiscard]] PairExample example(std::uint64_t epoch, std::uint64_t seed = 3) const {
        return detail::at_epoch({.id = 4,
                                 .query = query,
                                 .positives = positives,
                                 .negatives = negatives,
                                 .positive_scores = positive_scores,
                                 .negative_scores = negative_scores,
                                 .texts = {tokens, ends}},
                                {.seed = seed, .epoch = epoch});
    }
    [[nodiscard]] std::vector<std::int64_t> chosen(GroupOptions const& options, std::uint64_t epoch,
                                                   std::uint64_t seed = 3) const {
        std::vector<std::int64_t> ids;
        for (auto const& text : detail::choose_group(example(epoch, seed), options, Draw({.seed = seed, .epoch = epoch}))) {
            ids.push_back(text.id);
            bool const scored = text.id >= 1 && text.id <= 10;
            if (scored) { BOOST_TEST(text.score == static_cast<float>(10 - text.id)); }   // a score goes with its text
        }
        ids.erase(ids.begin());
        return ids;
    }
};

BOOST_AUTO_TEST_CASE(a_slice_advances_by_epochs_through_the_list_or_through_one_shuffle_of_it) {
    Ranked const all;
    GroupOptions options{.passages = 4, .sampling = NegativeChoice::modulo};
    BOOST_TEST((all.chosen(options, 0, 0) == std::vector<std::int64_t>{1, 2, 3}));
    BOOST_TEST((all.chosen(options, 1, 0) == std::vector<std::int64_t>{4, 5, 6}));
    BOOST_TEST((all.chosen(options, 3, 0) == std::vector<std::int64_t>{10, 1, 2}));   // round the end
    BOOST_TEST((all.chosen(options, 0, 1) == std::vector<std::int64_t>{4, 5, 6}));    // the seed is where it begins
    options.skip = 2;
    options.depth = 7;   // negatives 3 ... 7
    BOOST_TEST((all.chosen(options, 1, 0) == std::vector<std::int64_t>{6, 7, 3}));
    options = {.passages = 3, .sampling = NegativeChoice::shuffled};
    std::vector<std::int64_t> order;
    for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
        for (std::int64_t const id : all.chosen(options, epoch)) { order.push_back(id); }
    }
    std::set<std::int64_t> const different(order.begin(), order.end());
    BOOST_TEST(different.size() == 10U);   // five epochs read each of the ten once
    BOOST_TEST(!std::ranges::is_sorted(order));
    BOOST_TEST((all.chosen(options, 5) == all.chosen(options, 0)));
    BOOST_TEST((all.chosen(options, 0, 8) != all.chosen(options, 0)));
}

BOOST_AUTO_TEST_CASE(a_window_of_ranks_bounds_every_choice) {
    Ranked const all;
    for (auto const sampling :
         {NegativeChoice::random, NegativeChoice::modulo, NegativeChoice::shuffled, NegativeChoice::ambiguous}) {
        GroupOptions options{.passages = 4, .depth = 6, .skip = 2, .sampling = sampling};
        std::set<std::int64_t> seen;
        for (std::uint64_t epoch = 0; epoch < 40; ++epoch) {
            auto const ids = all.chosen(options, epoch);
            BOOST_TEST((ids == all.chosen(options, epoch)));   // a function of its key
            BOOST_TEST((std::set<std::int64_t>(ids.begin(), ids.end()).size() == 3U));
            seen.insert(ids.begin(), ids.end());
        }
        BOOST_TEST((seen == std::set<std::int64_t>{3, 4, 5, 6}));
        options.skip = 6;
        BOOST_CHECK_THROW(static_cast<void>(all.chosen(options, 0)), InputError);
        options.depth = 0;
        options.skip = 20;   // none is left of this list
        options.random_negatives = false;
        BOOST_CHECK_THROW(static_cast<void>(all.chosen(options, 0)), InputError);
    }
}

BOOST_AUTO_TEST_CASE(ambiguous_negatives_are_drawn_by_their_distance_from_the_score_of_the_positive) {
    Ranked all;
    GroupOptions options{.passages = 2, .sampling = NegativeChoice::ambiguous, .ambiguity_a = .3, .ambiguity_b = -1};
    double total = 0;
    std::vector<double> weight(11, 0);
    for (std::size_t n = 1; n <= 10; ++n) {
        double const error = (10. - static_cast<double>(n)) - 5 + 1;
        weight[n] = std::exp(-.3 * error * error);
        total += weight[n];
    }
    constexpr std::uint64_t draws = 20000;
    std::vector<double> count(11, 0);
    for (std::uint64_t epoch = 0; epoch < draws; ++epoch) { count[static_cast<std::size_t>(all.chosen(options, epoch)[0])] += 1; }
    for (std::size_t n = 1; n <= 10; ++n) { BOOST_CHECK_SMALL(count[n] / draws - weight[n] / total, .012); }   // 3.5 deviations
    options.ambiguity_a = 1e6;   // every weight but one underflows
    options.passages = 4;
    std::vector<std::int64_t> nearest = all.chosen(options, 0);
    BOOST_TEST(nearest[0] == 6);
    std::ranges::sort(nearest);
    BOOST_TEST((nearest == std::vector<std::int64_t>{5, 6, 7}));
    options.ambiguity_a = 0;   // uniform
    std::set<std::int64_t> seen;
    for (std::uint64_t epoch = 0; epoch < 60; ++epoch) { seen.insert(all.chosen(options, epoch)[0]); }
    BOOST_TEST(seen.size() == 10U);
    options.ambiguity_a = -1;
    BOOST_CHECK_THROW(static_cast<void>(all.chosen(options, 0)), InputError);
    options.ambiguity_a = 1;
    all.negative_scores.clear();
    BOOST_CHECK_EXCEPTION(static_cast<void>(all.chosen(options, 0)), InputError, [](InputError const& e) {
        return std::string(e.what()).find("--teacher-scores") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(negatives_without_a_score_are_the_last_choice_and_a_positive_without_one_makes_all_alike) {
    Ranked all;
    GroupOptions const options{.passages = 10, .sampling = NegativeChoice::ambiguous};
    all.negative_scores[4] = std::numeric_limits<float>::quiet_NaN();
    for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
        std::vector<std::int64_t> ids;
        for (auto const& text : detail::choose_group(all.example(epoch), options, Draw({.epoch = epoch}))) {
            ids.push_back(text.id);
        }
        BOOST_TEST((std::ranges::find(ids, 5) == ids.end()));   // nine of ten are scored
    }
    all.positive_scores[0] = std::numeric_limits<float>::quiet_NaN();
    std::set<std::int64_t> first;
    for (std::uint64_t epoch = 0; epoch < 100; ++epoch) {
        first.insert(detail::choose_group(all.example(epoch), {.passages = 2, .sampling = NegativeChoice::ambiguous},
                                          Draw({.epoch = epoch}))[1]
                         .id);
    }
    BOOST_TEST(first.size() == 10U);
}

BOOST_AUTO_TEST_CASE(a_query_without_a_relevant_text_is_refused) {
    Data const data;
    PairExample example = data.example();
    example.positives = {};
    BOOST_CHECK_THROW(Candidates{}.read_group(example, traits, 512, draw_of(0)), InputError);
    Draw own({.seed = 8});
    BOOST_CHECK_THROW(RelevantText{}.read(example, traits, own, draw_of(0)), InputError);
}

BOOST_AUTO_TEST_CASE(a_pair_has_token_types_and_only_its_passage_is_cut) {
    Data const data;
    QueryWithCandidate const source{.group = {.passages = 2}, .query_length = 3, .max_length = 8};
    auto const group = source.read_group(data.example(), traits, 512, draw_of(1));
    auto const id = static_cast<TokenId>(group[0].id);
    BOOST_CHECK((group[0].text.input_ids == std::vector<TokenId>{2, 90, 91, 92, 3, 10 + id, 30 + id, 3}));
    BOOST_CHECK((group[0].text.types == std::vector<std::uint8_t>{0, 0, 0, 0, 0, 1, 1, 1}));
    MaskedText const tight = QueryWithCandidate::pair_text(data.query, data.query, traits.special(), 32, 5);
    BOOST_CHECK((tight.input_ids == std::vector<TokenId>{2, 90, 91, 3, 3}));   // not even the query has room
    MaskedText const none = QueryWithCandidate::pair_text({}, {}, traits.special(), 32, 512);
    BOOST_CHECK((none.input_ids == std::vector<TokenId>{2, 3, 3}));
}

BOOST_AUTO_TEST_CASE(a_pair_of_roberta_has_two_separators_and_no_types) {
    Data const data;
    QueryWithCandidate const source{
        .group = {.passages = 2}, .query_length = 3, .max_length = 9, .form = {.separators = 2, .token_types = false}};
    auto const group = source.read_group(data.example(), traits, 512, draw_of(1));
    auto const id = static_cast<TokenId>(group[0].id);
    BOOST_CHECK((group[0].text.input_ids == std::vector<TokenId>{2, 90, 91, 92, 3, 3, 10 + id, 30 + id, 3}));
    BOOST_CHECK(group[0].text.types.empty());
    MaskedText const tight = QueryWithCandidate::pair_text(data.query, data.query, traits.special(), 32, 5, source.form);
    BOOST_CHECK((tight.input_ids == std::vector<TokenId>{2, 90, 3, 3, 3}));
}

BOOST_AUTO_TEST_CASE(views_of_one_query_agree_on_its_relevant_text) {
    Data const data;
    for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
        Draw own({.seed = 8});
        auto const text = RelevantText{}.read(data.example(), traits, own, draw_of(epoch));
        auto const group = Candidates{.group = {.passages = 2}}.read_group(data.example(), traits, 512, draw_of(epoch));
        BOOST_CHECK_EQUAL(text.at(0), 10 + group[0].id);
    }
}

BOOST_AUTO_TEST_CASE(a_view_reads_a_group_or_one_text_by_one_call) {
    Data const data;
    ViewDraws const draws{.own = draw_of(1), .shared = draw_of(2)};
    View<Candidates, NoMasker> const group{.source = {.group = {.passages = 3}, .max_length = 32}};
    auto const texts = group.assemble(data.example(), traits, {.max_length = 32}, draws);
    auto const expected = group.source.read_group(data.example(), traits, 32, draws.shared);
    BOOST_REQUIRE(texts.size() == 3U && expected.size() == 3U);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        BOOST_TEST((texts[i].text.input_ids == expected[i].text.input_ids && texts[i].id == expected[i].id));
        BOOST_TEST((texts[i].text.flags == MaskFlags(texts[i].text.input_ids.size(), 0)));
    }
    View<Query, NoMasker> const single;
    auto const one = single.assemble({.query = data.query, .positives = data.positives}, traits, {.max_length = 32}, draws);
    BOOST_REQUIRE(one.size() == 1U);
    BOOST_TEST((one.front().text.input_ids == std::vector<TokenId>{2, 90, 91, 92, 93, 3}));
    BOOST_TEST(one.front().id == -1);
}

BOOST_AUTO_TEST_CASE(a_corruptor_of_a_group_without_a_masker_is_obeyed) {
    Data const data;
    ViewDraws const draws{.own = draw_of(1), .shared = draw_of(2)};
    View<QueryWithCandidate, NoMasker, TokenDeletion> const view{.source = {.group = {.passages = 3}}, .corruptor = {.rate = 1}};
    for (auto const& [text, id, score] : view.assemble(data.example(), traits, {.max_length = 32}, draws)) {
        BOOST_TEST(text.input_ids.size() == 4U);   // three specials, and the one token that a deletion leaves
        BOOST_TEST(text.types.size() == text.input_ids.size());
        BOOST_TEST((text.types.front() == 0 && text.types.back() == 1));
    }
}

BOOST_AUTO_TEST_SUITE_END()
