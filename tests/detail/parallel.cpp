// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/detail/parallel.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(parallel)

BOOST_AUTO_TEST_CASE(every_index_once) {
    for (unsigned const threads : {0U, 1U, 2U, 5U}) {
        for (std::size_t const count : {0U, 1U, 6U, 7U, 8U, 1000U}) {
            std::vector<int> seen(count, 0);   // every index belongs to one range, so no two threads meet
            std::atomic<bool> small{true};
            bmae::detail::parallel_for(count, 7, threads, [&](std::size_t begin, std::size_t end) {
                if (end - begin > 7) { small = false; }
                for (; begin < end; ++begin) { ++seen[begin]; }
            });
            BOOST_TEST(small);
            BOOST_TEST((seen == std::vector<int>(count, 1)));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_failing_range_stops_the_others) {
    std::atomic<int> ranges{0};
    BOOST_CHECK_THROW(bmae::detail::parallel_for(100'000, 1, 3,
                                                 [&](std::size_t begin, std::size_t) {
                                                     ++ranges;
                                                     if (begin == 10) { throw std::runtime_error("no"); }
                                                     std::this_thread::yield();
                                                 }),
                      std::runtime_error);
    BOOST_TEST(ranges < 100'000);
}

BOOST_AUTO_TEST_CASE(the_pipeline_keeps_the_order) {
    using Pipeline = bmae::detail::OrderedPipeline<std::unique_ptr<int>, std::unique_ptr<int>>;   // items need only move
    for (unsigned const threads : {1U, 2U, 4U}) {
        for (std::size_t const capacity : {0U, 1U, 3U}) {
            std::vector<int> out;
            Pipeline pipeline(
                threads, capacity,
                [](std::unique_ptr<int>&& item) {
                    if (*item % 37 == 0) { std::this_thread::sleep_for(std::chrono::microseconds(200)); }
                    *item *= 2;
                    return std::move(item);
                },
                [&](std::unique_ptr<int>&& item) { out.push_back(*item); });
            for (int i = 0; i < 1000; ++i) { pipeline.push(std::make_unique<int>(i)); }
            pipeline.finish();
            BOOST_REQUIRE(out.size() == 1000U);
            for (int i = 0; i < 1000; ++i) { BOOST_REQUIRE(out[static_cast<std::size_t>(i)] == 2 * i); }
        }
    }
}

BOOST_AUTO_TEST_CASE(failures_come_in_order_and_end_the_pipeline) {
    using Pipeline = bmae::detail::OrderedPipeline<int, int>;
    for (unsigned const threads : {1U, 3U}) {
        std::vector<int> out;
        Pipeline pipeline(
            threads, 0,
            [](int&& item) {
                if (item >= 50) { throw std::runtime_error(std::to_string(item)); }
                return item;
            },
            [&](int&& item) { out.push_back(item); });
        auto const all = [&] {
            for (int i = 0; i < 200; ++i) { pipeline.push(i); }
            pipeline.finish();
        };
        BOOST_CHECK_EXCEPTION(all(), std::runtime_error,
                              [](auto const& error) { return std::string_view(error.what()) == "50"; });
        BOOST_TEST(out.size() == 50U);
        BOOST_CHECK_THROW(pipeline.push(1), std::logic_error);
    }
    Pipeline failing(2, 0, [](int&& item) { return item; }, [](int&&) { throw std::runtime_error("consumer"); });
    BOOST_CHECK_THROW(
        {
            failing.push(1);
            failing.finish();
        },
        std::runtime_error);
}

BOOST_AUTO_TEST_CASE(a_pipeline_may_be_dropped_half_way) {
    std::atomic<int> worked{0};
    {
        bmae::detail::OrderedPipeline<int, int> pipeline(
            3, 8,
            [&](int&& item) {
                ++worked;
                return item;
            },
            [](int&&) {});
        for (int i = 0; i < 20; ++i) { pipeline.push(i); }
    }
    BOOST_TEST(worked <= 20);
}

BOOST_AUTO_TEST_SUITE_END()
