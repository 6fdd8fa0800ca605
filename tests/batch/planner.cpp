// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/batch/permutation.hpp and planner.hpp: uniform orders, budgets, resuming anywhere.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/batch/planner.hpp>

using namespace bmae;

namespace {

std::vector<std::size_t> order(std::size_t size, std::uint64_t seed, std::uint64_t epoch = 0) {
    Permutation const permutation(size, seed, epoch);
    std::vector<std::size_t> places(size);
    for (std::size_t i = 0; i < size; ++i) { places[i] = permutation[i]; }
    return places;
}

std::size_t cost(std::size_t example) { return 5 + example * 37 % 120; }

std::vector<std::vector<std::size_t>> take(BatchPlanner& planner, std::size_t batches) {
    std::vector<std::vector<std::size_t>> taken;
    for (std::size_t k = 0; k < batches; ++k) { taken.push_back(planner.next().examples); }
    return taken;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_permutation_holds_every_example_once) {
    for (std::size_t const size : {1UL, 2UL, 3UL, 4UL, 5UL, 7UL, 64UL, 1000UL, 4097UL}) {
        for (std::uint64_t seed = 0; seed < 5; ++seed) {
            std::vector<std::size_t> places = order(size, seed);
            std::ranges::sort(places);
            bool all = true;
            for (std::size_t i = 0; i < size; ++i) { all = all && places[i] == i; }
            BOOST_TEST(all);
        }
    }
    BOOST_TEST(order(1000, 1) != order(1000, 2));
    BOOST_TEST(order(1000, 1, 0) != order(1000, 1, 1));
    BOOST_TEST(order(1000, 1) == order(1000, 1));
}

BOOST_AUTO_TEST_CASE(all_orders_are_equally_likely) {
    for (std::size_t const size : {2UL, 3UL, 4UL, 5UL}) {
        std::map<std::vector<std::size_t>, double> seen;
        double orders = 1;
        for (std::size_t k = 2; k <= size; ++k) { orders *= static_cast<double>(k); }
        double const draws = 400 * orders;
        for (std::uint64_t seed = 0; seed < static_cast<std::uint64_t>(draws); ++seed) { seen[order(size, seed)] += 1; }
        BOOST_TEST(static_cast<double>(seen.size()) == orders);
        double chi = 0;
        for (auto const& [places, count] : seen) { chi += (count - 400) * (count - 400) / 400; }
        BOOST_TEST(std::abs(chi - (orders - 1)) < 5 * std::sqrt(2 * (orders - 1)));
    }
    // Each example at each place, and each example behind each other one.
    std::size_t const size = 30;
    std::vector<double> at(size * size, 0), follows(size * size, 0);
    double const draws = 6000;
    for (std::uint64_t seed = 0; seed < 6000; ++seed) {
        std::vector<std::size_t> const places = order(size, seed);
        for (std::size_t i = 0; i < size; ++i) {
            at[i * size + places[i]] += 1;
            if (i != 0) { follows[places[i - 1] * size + places[i]] += 1; }
        }
    }
    double chi_at = 0, chi_follows = 0;
    double const mean = draws / size;   // 29 pairs over 30 x 29 places: the same mean
    for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < size; ++j) {
            chi_at += std::pow(at[i * size + j] - mean, 2) / mean;
            if (i != j) { chi_follows += std::pow(follows[i * size + j] - mean, 2) / mean; }
        }
    }
    BOOST_TEST(std::abs(chi_at - 29 * 29) < 5 * std::sqrt(2 * 29.0 * 29));
    BOOST_TEST(std::abs(chi_follows - 29 * 29) < 5 * std::sqrt(2 * 29.0 * 30));
}

BOOST_AUTO_TEST_CASE(batches_fill_the_budget_and_cover_each_epoch_once) {
    for (std::size_t const window : {0UL, 64UL, 100UL, 5000UL}) {
        for (bool const shuffle : {true, false}) {
            for (std::size_t const fixed : {0UL, 7UL}) {
                BatchOptions const options{.tokens = 300, .examples = fixed, .shuffle = shuffle, .sort_window = window};
                BatchPlanner planner(1000, cost, 3, options);
                for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
                    std::set<std::size_t> seen;
                    while (seen.size() < 1000) {
                        PlannedBatch const batch = planner.next();
                        BOOST_TEST_REQUIRE(!batch.examples.empty());
                        BOOST_TEST(batch.epoch == epoch);
                        std::size_t tokens = 0;
                        for (std::size_t const example : batch.examples) {
                            tokens += cost(example);
                            BOOST_TEST(seen.insert(example).second);
                        }
                        if (fixed == 0) {
                            BOOST_TEST(tokens <= 300U);
                        } else {
                            BOOST_TEST(batch.examples.size() <= 7U);
                        }
                        BOOST_TEST((batch.after == Cursor{epoch, seen.size()}));
                        BOOST_TEST((batch.after == planner.cursor()));
                    }
                }
            }
        }
    }
    BatchPlanner plain(10, cost, 1, {.examples = 4, .shuffle = false});
    BOOST_TEST((take(plain, 4) == std::vector<std::vector<std::size_t>>{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}, {0, 1, 2, 3}}));
    BatchPlanner large(3, [](std::size_t) { return 1000UL; }, 1, {.tokens = 10, .shuffle = false});
    BOOST_TEST((take(large, 3) == std::vector<std::vector<std::size_t>>{{0}, {1}, {2}}));   // too long: alone
}

BOOST_AUTO_TEST_CASE(sorting_puts_like_lengths_together_in_random_order) {
    BatchPlanner planner(4000, cost, 3, {.examples = 16, .sort_window = 1600});
    double spread = 0, ascending = 0;
    std::size_t last = 0;
    for (std::vector<std::size_t> const& batch : take(planner, 200)) {
        auto const [low, high] = std::ranges::minmax(batch, {}, cost);
        spread += static_cast<double>(cost(high) - cost(low)) / 200;
        ascending += cost(low) >= last ? 1.0 / 200 : 0;
        last = cost(low);
    }
    BOOST_TEST(spread < 3);
    BOOST_TEST(std::abs(ascending - .5) < .15);
}

BOOST_AUTO_TEST_CASE(a_cursor_continues_the_sequence_anywhere) {
    for (std::size_t const window : {0UL, 64UL}) {
        BatchOptions const options{.tokens = 300, .sort_window = window};
        BatchPlanner whole(500, cost, 3, options);
        for (int k = 0; k < 400; ++k) {
            Cursor const here = whole.cursor();
            BatchPlanner resumed(500, cost, 3, options);
            resumed.seek(here);
            PlannedBatch const expected = whole.next(), found = resumed.next();
            BOOST_TEST(found.examples == expected.examples);
            BOOST_TEST(found.epoch == expected.epoch);
            BOOST_TEST((found.after == expected.after));
        }
        BOOST_TEST(whole.cursor().epoch >= 2U);
        BOOST_CHECK_THROW(whole.seek({0, 501}), InputError);
        whole.seek({3, 500});
        BOOST_TEST(whole.next().epoch == 4U);
    }
    BatchPlanner sorted(500, cost, 3, {.examples = 10, .sort_window = 50});
    BOOST_CHECK_THROW(sorted.seek({0, 13}), InputError);   // inside a batch: the options were others
}

BOOST_AUTO_TEST_CASE(empty_corpora_and_sizes_are_refused) {
    BOOST_CHECK_THROW(BatchPlanner(0, cost, 1), InputError);
    BOOST_CHECK_THROW(BatchPlanner(5, cost, 1, {.tokens = 0}), InputError);
}

BOOST_AUTO_TEST_CASE(batches_of_one_source_hold_no_other_and_resume_anywhere) {
    constexpr std::size_t examples = 203;
    auto const source = [](std::size_t example) { return example % 7 == 0 ? std::size_t{2} : example % 2; };
    for (BatchOptions const& options :
         {BatchOptions{.examples = 8, .one_source = true}, BatchOptions{.tokens = 400, .one_source = true},
          BatchOptions{.examples = 8, .shuffle = false, .one_source = true},
          BatchOptions{.tokens = 400, .sort_window = 50, .one_source = true}}) {
        BatchPlanner planner(examples, cost, 5, options, source);
        std::vector<std::vector<std::size_t>> epochs[2];
        std::vector<Cursor> starts{planner.cursor()};
        while (true) {
            PlannedBatch const batch = planner.next();
            if (batch.epoch == 2) { break; }
            starts.push_back(batch.after);
            for (std::size_t const example : batch.examples) { BOOST_TEST(source(example) == source(batch.examples[0])); }
            epochs[batch.epoch].push_back(batch.examples);
        }
        for (auto const& batches : epochs) {
            std::set<std::size_t> all;
            for (auto const& batch : batches) { all.insert(batch.begin(), batch.end()); }
            BOOST_TEST(all.size() == examples);
        }
        if (options.shuffle) { BOOST_TEST((epochs[0] != epochs[1])); }
        // of 8 examples: only the last batch of each source is smaller
        if (options.examples != 0) {
            BOOST_TEST(std::ranges::count_if(epochs[0], [](auto const& batch) { return batch.size() < 8; }) <= 3);
        }
        std::size_t switches = 0;   // sources alternate where the batches are shuffled
        for (std::size_t k = 1; k < epochs[0].size(); ++k) {
            switches += source(epochs[0][k][0]) != source(epochs[0][k - 1][0]) ? 1 : 0;
        }
        if (options.shuffle) { BOOST_TEST(switches > 2U); }
        std::vector<std::vector<std::size_t>> whole = epochs[0];
        whole.insert(whole.end(), epochs[1].begin(), epochs[1].end());
        for (std::size_t k = 0; k < whole.size(); ++k) {
            BatchPlanner resumed(examples, cost, 5, options, source);
            resumed.seek(starts[k]);
            BOOST_TEST(resumed.next().examples == whole[k]);
        }
    }
    BOOST_CHECK_THROW(BatchPlanner(examples, cost, 5, {.one_source = true}), InputError);
}

BOOST_AUTO_TEST_CASE(one_source_of_a_single_source_has_the_batches_of_a_sorted_window) {
    auto const alone = [](std::size_t) { return std::size_t{0}; };
    BatchPlanner plain(200, cost, 9, {.tokens = 500, .sort_window = 64});
    BatchPlanner same(200, cost, 9, {.tokens = 500, .sort_window = 64, .one_source = true}, alone);
    BOOST_TEST((take(plain, 60) == take(same, 60)));
}
