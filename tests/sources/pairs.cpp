// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The columns of pairs and triplets, and two different sentences of a document.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/sources/pair.hpp>
#include <bmae/sources/sentence_pair.hpp>

BOOST_AUTO_TEST_SUITE(pairs)

namespace {

using namespace bmae;
using Ids = std::vector<TokenId>;

TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(100, 0));

template <class Source, class... Shared>
Ids read(Source const& source, Example const& example, std::uint64_t seed, Shared const&... shared) {
    Draw draw({.seed = seed});
    return source.read(example, traits, draw, shared...);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_first_and_the_second_of_the_queries) {
    Ids const passage = {9}, entailment = {10, 11}, contradiction = {20};
    Example const triplet{.passage = passage, .queries = {entailment, contradiction, passage}};
    BOOST_TEST(read(PairedText{}, triplet, 0) == entailment, boost::test_tools::per_element());
    BOOST_TEST(read(OpposedText{}, triplet, 0) == contradiction, boost::test_tools::per_element());
    Example const pair{.passage = passage, .queries = {entailment}};
    BOOST_TEST(read(PairedText{}, pair, 0) == entailment, boost::test_tools::per_element());
    BOOST_TEST(read(OpposedText{}, pair, 0).empty());   // absent, and nothing else in its place
    BOOST_TEST(read(PairedText{}, {.passage = passage}, 0).empty());
}

BOOST_AUTO_TEST_CASE(two_views_agree_on_two_different_sentences) {
    Ids const document = {10, 11, 20, 30, 31, 32};
    std::vector<std::uint32_t> const ends = {2, 3, 6};
    std::map<TokenId, Ids> const sentences = {{10, {10, 11}}, {20, {20}}, {30, {30, 31, 32}}};
    Example const example{.passage = document, .sentence_ends = ends, .document = document};
    std::map<std::pair<TokenId, TokenId>, std::size_t> drawn;
    for (std::uint64_t seed = 0; seed < 3000; ++seed) {
        Draw const shared({.seed = seed});
        Ids const first = read(FirstSentence{}, example, 1, shared), other = read(OtherSentence{}, example, 2, shared);
        BOOST_REQUIRE(!first.empty() && !other.empty());
        BOOST_REQUIRE((sentences.at(first[0]) == first && sentences.at(other[0]) == other));
        ++drawn[{first[0], other[0]}];
    }
    BOOST_TEST(drawn.size() == 6U);   // every ordered pair, none of a sentence with itself
    for (auto const& [pair, count] : drawn) {
        BOOST_TEST((pair.first != pair.second));
        BOOST_TEST(std::abs(static_cast<double>(count) - 500) < 5 * std::sqrt(3000. / 6 * 5 / 6));
    }
    std::vector<std::uint32_t> const one = {6};
    Example const single{.passage = document, .sentence_ends = one, .document = document};
    BOOST_TEST(read(FirstSentence{}, single, 1, Draw({})) == document, boost::test_tools::per_element());
    BOOST_TEST(read(OtherSentence{}, single, 1, Draw({})).empty());
}

BOOST_AUTO_TEST_SUITE_END()
