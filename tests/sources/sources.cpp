// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/sources: what each reads, and that an absent text is empty.
#include <cmath>
#include <cstddef>
#include <numeric>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/model/view.hpp>
#include <bmae/sources/continuation.hpp>
#include <bmae/sources/crop.hpp>
#include <bmae/sources/halves.hpp>
#include <bmae/sources/neighbors.hpp>
#include <bmae/sources/pair.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/queries.hpp>
#include <bmae/sources/title_and_body.hpp>

using namespace bmae;
using Ids = std::vector<TokenId>;

namespace {

constexpr TokenId sep = 3;
TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = sep, .mask = 4}, std::vector<std::uint8_t>(100, 0));

template <class S>
Ids read(S const& source, Example const& example, std::uint64_t seed = 0) {
    Draw draw({.seed = seed});
    Ids const text = source.read(example, traits, draw);
    Draw again({.seed = seed});
    BOOST_TEST(text == source.read(example, traits, again), boost::test_tools::per_element());
    return text;
}

void equal(Ids const& found, Ids const& expected) { BOOST_TEST(found == expected, boost::test_tools::per_element()); }

}  // namespace

BOOST_AUTO_TEST_CASE(absent_texts_are_empty) {
    using All = std::tuple<Passage, FirstHalf, SecondHalf, NextPassage, PreviousPassage, NearbyPassage, Queries, Continuation,
                           RandomCrop, SentenceCrop>;
    std::set<std::string_view> names;
    std::apply([&]<class... S>(S const&... source) { ((equal(read(source, {}), {}), names.insert(S::name)), ...); }, All{});
    BOOST_TEST(names.size() == std::tuple_size_v<All>);
}

BOOST_AUTO_TEST_CASE(a_source_that_chooses_for_each_view_says_so) {
    using All = std::tuple<Passage, FirstHalf, SecondHalf, NextPassage, PreviousPassage, NearbyPassage, Queries, Continuation,
                           RandomCrop, SentenceCrop, PairedText, OpposedText, TitleAndBody>;
    Ids text(40), other = {90, 91};
    std::iota(text.begin(), text.end(), 10);
    std::vector<std::uint32_t> const ends = {10, 20, 30, 40};
    std::span<TokenId const> const whole = text;
    Example const example{.passage = whole.subspan(10, 20),
                          .sentence_ends = ends,
                          .document = whole,
                          .passage_offset = 10,
                          .previous = whole.first(10),
                          .next = whole.last(10),
                          .queries = {other, other},
                          .continuation = other};
    auto const check = [&]<class S>(S const& source) {
        std::set<Ids> texts;
        for (std::uint64_t seed = 0; seed < 50; ++seed) { texts.insert(read(source, example, seed)); }
        BOOST_CHECK_MESSAGE((texts.size() > 1) == detail::draws_per_view<S>, S::name);
    };
    std::apply([&](auto const&... source) { (check(source), ...); }, All{});
}

BOOST_AUTO_TEST_CASE(halves_split_at_half_the_length) {
    Ids const even = {10, 11, 12, 13}, odd = {10, 11, 12, 13, 14}, one = {10};
    equal(read(Passage{}, {.passage = odd}), odd);
    equal(read(FirstHalf{}, {.passage = even}), {10, 11});
    equal(read(SecondHalf{}, {.passage = even}), {12, 13});
    equal(read(FirstHalf{}, {.passage = odd}), {10, 11});
    equal(read(SecondHalf{}, {.passage = odd}), {12, 13, 14});
    equal(read(FirstHalf{}, {.passage = one}), {});
    equal(read(SecondHalf{}, {.passage = one}), one);
}

BOOST_AUTO_TEST_CASE(neighbors) {
    Ids const before = {10}, after = {20, 21};
    equal(read(PreviousPassage{}, {.previous = before, .next = after}), before);
    equal(read(NextPassage{}, {.previous = before, .next = after}), after);
    int next = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        equal(read(NearbyPassage{}, {.previous = before}, seed), before);
        equal(read(NearbyPassage{}, {.next = after}, seed), after);
        next += read(NearbyPassage{}, {.previous = before, .next = after}, seed) == after ? 1 : 0;
    }
    BOOST_TEST(std::abs(next - 200) < 50);
}

BOOST_AUTO_TEST_CASE(queries_are_joined_by_separators) {
    Ids const a = {10, 11}, b = {20}, none = {};
    Example const example{.queries = {a, b, a}};
    equal(read(Queries{}, example), {10, 11, sep, 20, sep, 10, 11, sep});
    equal(read(Queries{.trailing_separator = false}, example), {10, 11, sep, 20, sep, 10, 11});
    equal(read(Queries{.maximum = 1}, example), {10, 11, sep});
    equal(read(Queries{.trailing_separator = false, .maximum = 2}, example), {10, 11, sep, 20});
    equal(read(Queries{.maximum = 9}, Example{.queries = {b}}), {20, sep});
    equal(read(Queries{.trailing_separator = false}, Example{.queries = {none}}), {});
    TokenTraits const bare({}, std::vector<std::uint8_t>(100, 0));
    Draw draw({});
    BOOST_CHECK_THROW(Queries{}.read(example, bare, draw), InputError);
    equal(Queries{.trailing_separator = false, .maximum = 1}.read(example, bare, draw), a);
}

BOOST_AUTO_TEST_CASE(continuation_stands_alone_unless_told_otherwise) {
    Ids const passage = {10, 11}, written = {20};
    equal(read(Continuation{}, {.passage = passage, .continuation = written}), written);
    equal(read(Continuation{}, {.passage = passage}), {});
    equal(read(Continuation{.passage_if_absent = true}, {.passage = passage}), passage);
    equal(read(Continuation{.passage_if_absent = true}, {.passage = passage, .continuation = written}), written);
}

BOOST_AUTO_TEST_CASE(random_crop_is_a_run_between_the_two_shares) {
    Ids passage(100);
    std::iota(passage.begin(), passage.end(), 0);
    double mean = 0;
    std::set<TokenId> starts;
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        Ids const crop = read(RandomCrop{}, {.passage = passage}, seed);
        BOOST_TEST(crop.size() >= 5U);
        BOOST_TEST(crop.size() <= 50U);
        BOOST_TEST(crop.back() - crop.front() + 1 == static_cast<TokenId>(crop.size()));
        mean += static_cast<double>(crop.size()) / 2000;
        starts.insert(crop.front());
    }
    BOOST_TEST(std::abs(mean - 27) < 1.5);
    BOOST_TEST(starts.size() > 85U);
    Ids const one = {7};
    equal(read(RandomCrop{}, {.passage = one}), one);   // never empty
    equal(read(RandomCrop{.minimum_share = 1, .maximum_share = 1}, {.passage = passage}), passage);
    Draw draw({});
    BOOST_CHECK_THROW((RandomCrop{.minimum_share = .6}.read({.passage = passage}, traits, draw)), InputError);
}

BOOST_AUTO_TEST_CASE(sentence_crop_keeps_sentence_bounds) {
    Ids const document = {10, 11, 20, 30, 31, 32};
    std::vector<std::uint32_t> const ends = {2, 3, 6};
    Example const example{.sentence_ends = ends, .document = document};
    std::set<Ids> single, runs;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        single.insert(read(SentenceCrop{}, example, seed));
        runs.insert(read(SentenceCrop{.sentences = 2}, example, seed));
    }
    BOOST_TEST((single == std::set<Ids>{{10, 11}, {20}, {30, 31, 32}}));
    BOOST_TEST((runs == std::set<Ids>{{10, 11, 20}, {20, 30, 31, 32}}));
    equal(read(SentenceCrop{.sentences = 9}, example), document);
    Draw draw({});
    BOOST_CHECK_THROW(SentenceCrop{}.read({.document = document}, traits, draw), InputError);
    BOOST_CHECK_THROW(SentenceCrop{.sentences = 0}.read(example, traits, draw), InputError);
}
