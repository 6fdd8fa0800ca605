// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// How tensors reach the kernels, and in which blocks rows are summed.
#include <cstddef>
#include <cstdint>
#include <vector>

#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/cpu_path.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(cpu_path)

namespace {
using namespace bmae;
using namespace oracle;
}  // namespace

BOOST_AUTO_TEST_CASE(kernels_are_called_with_the_number_format_of_the_tensor) {
    if (!detail::has_lanes) { return; }
    std::size_t size = 0;
    auto const note = [&]<class Real>(Real) { size = sizeof(Real); };
    detail::with_real(at::zeros({1}, at::kFloat), note);
    BOOST_CHECK_EQUAL(size, sizeof(float));
    detail::with_real(at::zeros({1}, at::kBFloat16), note);
    BOOST_CHECK_EQUAL(size, sizeof(detail::Bf16));
}

BOOST_AUTO_TEST_CASE(blocks_cover_all_rows_once) {
    for (std::int64_t const rows : {0, 1, 16, 17, 1023, 5000}) {
        detail::RowBlocks const blocks(rows);
        std::vector<int> seen(static_cast<std::size_t>(rows), 0);
        blocks.run([&](std::int64_t block, std::int64_t first, std::int64_t end) {
            BOOST_CHECK(block >= 0 && block < blocks.count());
            for (std::int64_t i = first; i < end; ++i) { ++seen[static_cast<std::size_t>(i)]; }
        });
        BOOST_CHECK(seen == std::vector<int>(seen.size(), 1));
        BOOST_CHECK(blocks.partial(2, 3).sizes() == at::IntArrayRef({2, blocks.count(), 3}));
    }
}

BOOST_AUTO_TEST_SUITE_END()
