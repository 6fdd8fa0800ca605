// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/batch/prefetcher.hpp: the same batches whatever the threads, errors, stopping, resuming.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/batch/prefetcher.hpp>
#include <bmae/corruptors/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>

#include "../maskers/invented_text.hpp"

using namespace bmae;
using namespace bmae_test;

namespace {

std::size_t cost(std::size_t example) { return 5 + example * 37 % 60; }

BatchPlanner planner(Cursor start = {}) {
    BatchPlanner value(200, cost, 3, {.tokens = 400});
    value.seek(start);
    return value;
}

/// Two views of invented texts: masked ids, and row masks.
HostBatch collate(std::span<std::size_t const> examples, DrawKey key) {
    HostBatch batch{.views = std::vector<PackedView>(2), .examples = {examples.begin(), examples.end()}, .epoch = key.epoch};
    for (std::size_t const example : examples) {
        Draw content({.seed = 99, .example = example});
        MaskedText text;
        text.original_ids = text.input_ids = bmae_test::text(cost(example), content);
        Draw draw({.seed = key.seed, .epoch = key.epoch, .example = example, .slot = 1});
        MaskedText rows = text;
        text.flags = WholeWordMasker{}.draw(TokenSpan(text.original_ids, traits()), draw);
        BertCorruptor{}.corrupt(text, traits(), draw);
        rows.visibility = RowVisibility{}.draw(TokenSpan(text.original_ids, traits()), draw);
        batch.views[0].append(text);
        batch.views[1].append(rows);
    }
    return batch;
}

/// Takes longer for some batches, so that threads finish out of order.
HostBatch uneven(std::span<std::size_t const> examples, DrawKey key) {
    if (examples.front() % 3 == 0) { std::this_thread::sleep_for(std::chrono::microseconds(500)); }
    return collate(examples, key);
}

void check_equal(HostBatch const& a, HostBatch const& b) {
    BOOST_TEST(a.examples == b.examples);
    BOOST_TEST(a.epoch == b.epoch);
    BOOST_TEST_REQUIRE(a.views.size() == b.views.size());
    for (std::size_t v = 0; v < a.views.size(); ++v) {
        BOOST_TEST((a.views[v].input_ids == b.views[v].input_ids));
        BOOST_TEST((a.views[v].flags == b.views[v].flags));
        BOOST_TEST((a.views[v].offsets == b.views[v].offsets));
        BOOST_TEST_REQUIRE(a.views[v].visibility.size() == b.views[v].visibility.size());
        for (std::size_t k = 0; k < a.views[v].visibility.size(); ++k) {
            BOOST_TEST((a.views[v].visibility[k].bits == b.views[v].visibility[k].bits));
            BOOST_TEST((a.views[v].visibility[k].row == b.views[v].visibility[k].row));
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(batches_do_not_depend_on_threads) {
    std::size_t const batches = 60;   // some three epochs
    Prefetcher inline_one(planner(), 7, uneven, {.threads = 0});
    std::vector<HostBatch> expected;
    std::vector<Cursor> cursors;
    for (std::size_t k = 0; k < batches; ++k) {
        expected.push_back(inline_one.next());
        cursors.push_back(inline_one.cursor());
    }
    BOOST_TEST(expected.back().epoch >= 2U);
    for (std::size_t const threads : {1UL, 2UL, 4UL}) {
        for (std::size_t const depth : {1UL, 2UL, 8UL}) {
            Prefetcher ahead(planner(), 7, uneven, {.threads = threads, .depth = depth});
            for (std::size_t k = 0; k < batches; ++k) {
                check_equal(ahead.next(), expected[k]);
                BOOST_TEST((ahead.cursor() == cursors[k]));   // of the consumed batch, not of what is built ahead
            }
        }
    }
    Prefetcher resumed(planner(cursors[20]), 7, uneven, {.threads = 2});
    BOOST_TEST((resumed.cursor() == cursors[20]));
    for (std::size_t k = 21; k < 40; ++k) { check_equal(resumed.next(), expected[k]); }
}

BOOST_AUTO_TEST_CASE(ranks_share_the_sequence) {
    Prefetcher whole(planner(), 7, collate, {.threads = 0});
    Prefetcher first(planner(), 7, collate, {.threads = 2, .rank = 0, .ranks = 3});
    Prefetcher third(planner(), 7, collate, {.threads = 0, .rank = 2, .ranks = 3});
    for (int k = 0; k < 20; ++k) {
        check_equal(first.next(), whole.next());
        static_cast<void>(whole.next());
        check_equal(third.next(), whole.next());
        BOOST_TEST((first.cursor() == whole.cursor()));
        BOOST_TEST((third.cursor() == whole.cursor()));
    }
    BOOST_CHECK_THROW(Prefetcher(planner(), 7, collate, {.rank = 1, .ranks = 1}), InputError);
    BOOST_CHECK_THROW(Prefetcher(planner(), 7, collate, {.threads = 1, .depth = 0}), InputError);
}

BOOST_AUTO_TEST_CASE(errors_reach_the_consumer_in_order) {
    for (std::size_t const threads : {0UL, 1UL, 4UL}) {
        std::atomic<int> calls{0};
        Prefetcher failing(planner(), 7,
                           [&](std::span<std::size_t const> examples, DrawKey key) {
                               ++calls;
                               if (std::ranges::find(examples, 117U) != examples.end()) {
                                   throw RunError("example 117 is broken");
                               }
                               return collate(examples, key);
                           },
                           {.threads = threads});
        Prefetcher sound(planner(), 7, collate, {.threads = 0});
        bool thrown = false;
        for (int k = 0; k < 100 && !thrown; ++k) {
            HostBatch const expected = sound.next();
            bool const broken = std::ranges::find(expected.examples, 117U) != expected.examples.end();
            try {
                check_equal(failing.next(), expected);
                BOOST_TEST(!broken);
            } catch (RunError const&) {
                BOOST_TEST(broken);
                thrown = true;
            }
        }
        BOOST_TEST(thrown);
        int const before = calls;
        BOOST_CHECK_THROW(failing.next(), RunError);   // and again, instead of going on without the batch
        BOOST_TEST(calls == before);
    }
    BatchPlanner bad(10, [](std::size_t) -> std::size_t { throw RunError("no cost"); }, 1);
    Prefetcher planning(std::move(bad), 7, collate, {.threads = 2});
    BOOST_CHECK_THROW(planning.next(), RunError);
}

BOOST_AUTO_TEST_CASE(the_queue_is_bounded_and_stops_cleanly) {
    std::atomic<std::size_t> built{0};
    auto const counting = [&](std::span<std::size_t const> examples, DrawKey key) {
        ++built;
        return collate(examples, key);
    };
    {
        Prefetcher ahead(planner(), 7, counting, {.threads = 4, .depth = 3});
        static_cast<void>(ahead.next());
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        BOOST_TEST(built <= 4U);   // one consumed and three ahead
        BOOST_TEST(ahead.waited() >= 0.0);
    }
    std::size_t const after = built;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    BOOST_TEST(built == after);
    for (int k = 0; k < 50; ++k) { Prefetcher idle(planner(), 7, counting, {.threads = 3}); }
}
