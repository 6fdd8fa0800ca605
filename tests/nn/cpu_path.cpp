// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// How tensors reach the kernels, and in which blocks rows are summed.
#include <cstdint>
#include <vector>

#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/cpu_path.hpp>

#include "oracle.hpp"

namespace {
using namespace bmae;
using namespace oracle;
}  // namespace

BOOST_AUTO_TEST_SUITE(cpu_path)

BOOST_AUTO_TEST_CASE(kernels_take_one_number_format_on_wide_registers) {
    Settings const settings;
    at::Tensor const single = at::zeros({1}, at::kFloat);
    at::Tensor const half = at::zeros({1}, at::kBFloat16);
    bool const wide = settings.level == detail::LaneLevel::avx512;
    BOOST_CHECK_EQUAL(detail::has_row_kernels(single, single), wide);
    BOOST_CHECK_EQUAL(detail::has_row_kernels(half), wide);
    BOOST_CHECK(!detail::has_row_kernels(single, half));
    BOOST_CHECK(!detail::has_row_kernels(at::zeros({1}, at::kDouble)));
    detail::lane_level() = detail::LaneLevel::avx2;
    BOOST_CHECK(!detail::has_row_kernels(single));
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
