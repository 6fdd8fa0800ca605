// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include <bmae/corpus/near_duplicates.hpp>

BOOST_AUTO_TEST_SUITE(near_duplicates)

namespace {

using Set = std::vector<std::uint64_t>;

/// `size` numbers, the first `shared` of which depend on `base` alone.
Set numbers(std::uint64_t base, std::uint64_t own, std::size_t size, std::size_t shared) {
    std::mt19937_64 common(base), other(own);
    Set set;
    for (std::size_t i = 0; i < size; ++i) { set.push_back(i < shared ? common() : other()); }
    return set;
}

double jaccard(Set const& a, Set const& b) {
    std::set<std::uint64_t> const first(a.begin(), a.end()), second(b.begin(), b.end());
    std::size_t const both =
        static_cast<std::size_t>(std::count_if(first.begin(), first.end(), [&](auto x) { return second.contains(x); }));
    return static_cast<double>(both) / static_cast<double>(first.size() + second.size() - both);
}

}  // namespace

BOOST_AUTO_TEST_CASE(shingles_are_terms_in_a_row) {
    Set const terms = {1, 2, 3, 4};
    BOOST_TEST(bmae::shingles_of(terms, 3).size() == 2U);
    BOOST_TEST(bmae::shingles_of(terms, 1).size() == 4U);
    BOOST_TEST(bmae::shingles_of(terms, 9).size() == 1U);
    BOOST_TEST(bmae::shingles_of({}, 3).empty());
    Set const turned = {4, 3, 2, 1};
    BOOST_TEST(bmae::shingles_of(terms, 2)[0] != bmae::shingles_of(turned, 2)[2]);   // the order counts
}

BOOST_AUTO_TEST_CASE(equal_bytes_estimate_the_jaccard_similarity) {
    double squares = 0;
    std::size_t count = 0;
    for (std::size_t shared = 0; shared <= 200; shared += 10) {
        Set const a = numbers(shared, 7, 200, shared), b = numbers(shared, 8, 200, shared);
        double const error = bmae::MinHash(a).similarity(bmae::MinHash(b)) - jaccard(a, b);
        squares += error * error;
        ++count;
    }
    BOOST_TEST(std::sqrt(squares / static_cast<double>(count)) < .05);
    Set const a = numbers(1, 1, 50, 50), shuffled(a.rbegin(), a.rend());
    BOOST_TEST(bmae::MinHash(a).similarity(bmae::MinHash(shuffled)) == 1);
}

BOOST_AUTO_TEST_CASE(near_copies_are_found_among_many_texts) {
    bmae::NearDuplicates near(.8);
    constexpr std::size_t texts = 2000, copies = 100;
    for (std::size_t i = 0; i < texts; ++i) { near.add(bmae::MinHash(numbers(i, i + 10'000, 100, 100))); }
    for (std::size_t i = 0; i < copies; ++i) { near.add(bmae::MinHash(numbers(i, i + 20'000, 100, 96))); }   // similarity .92
    for (std::size_t i = 0; i < copies; ++i) { near.add(bmae::MinHash(numbers(500 + i, i + 30'000, 100, 60))); }   // .43
    auto const groups = near.groups();
    BOOST_TEST(groups.size() == copies);
    for (std::size_t i = 0; i < groups.size(); ++i) {
        BOOST_TEST(groups[i].members ==
                       (std::vector<std::uint32_t>{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(texts + i)}),
                   boost::test_tools::per_element());
        BOOST_TEST(std::abs(groups[i].similarity - .92) < .15);
    }
}

BOOST_AUTO_TEST_CASE(a_bucket_of_boilerplate_is_one_group) {
    bmae::NearDuplicates near(.8);
    Set const same = numbers(3, 3, 40, 40);
    for (std::size_t i = 0; i < 20'000; ++i) { near.add(bmae::MinHash(same)); }   // quadratic time would take minutes
    auto const groups = near.groups();
    BOOST_REQUIRE(groups.size() == 1U);
    BOOST_TEST(groups[0].members.size() == 20'000U);
    BOOST_TEST(bmae::NearDuplicates().groups().empty());
}

BOOST_AUTO_TEST_SUITE_END()
