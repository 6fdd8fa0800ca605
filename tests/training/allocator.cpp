// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/training/allocator.hpp>

#include <cstddef>
#include <cstdlib>

#include <boost/test/unit_test.hpp>

#include <bmae/training/trainer.hpp>

#include "toy_objective.hpp"

BOOST_AUTO_TEST_SUITE(allocator)

namespace {

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)   // whose own allocator stands in place of glibc's

/// Whether glibc maps a block that is larger than any threshold of its own choice.
bool maps_large_blocks() {
    auto const before = mallinfo2().hblks;
    void* const volatile block = std::malloc(std::size_t{64} << 20);
    bool const mapped = mallinfo2().hblks > before;
    std::free(block);
    return mapped;
}

// The first test of this program, since what it checks lasts until the process ends.
BOOST_AUTO_TEST_CASE(the_process_keeps_its_allocator_until_a_program_asks) {
    BOOST_TEST(maps_large_blocks());
    bmae::test::ToyObjective toy;
    bmae::Trainer(toy, {.steps = 2, .batch = {.examples = 5}, .loader_threads = 0}).fit();
    BOOST_TEST(maps_large_blocks());
    BOOST_TEST(bmae::keep_freed_memory());
    BOOST_TEST(bmae::keep_freed_memory());
    BOOST_TEST(!maps_large_blocks());
}

BOOST_AUTO_TEST_SUITE_END()

#endif

}  // namespace
