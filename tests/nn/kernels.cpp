// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The table of operations and devices.
#include <cstddef>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/kernels.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(kernels)

namespace {
using namespace bmae;
using namespace oracle;
using detail::kernel_path;
using detail::LaneLevel;
using detail::Path;

at::Tensor of(at::ScalarType format, at::Device device = at::kCPU) {
    return at::empty({1}, at::TensorOptions().dtype(format).device(device));
}
}  // namespace

BOOST_AUTO_TEST_CASE(the_table_is_in_the_order_of_the_operations) {
    auto const& table = detail::kernel_choices();
    for (std::size_t i = 0; i < table.size(); ++i) { BOOST_TEST(static_cast<std::size_t>(table[i].operation) == i); }
}

BOOST_AUTO_TEST_CASE(row_kernels_start_at_the_level_of_the_table) {
    Settings const settings;
    for (detail::KernelChoice const& choice : detail::kernel_choices()) {
        for (LaneLevel const level : {LaneLevel::plain, LaneLevel::avx2, LaneLevel::avx512}) {
            detail::lane_level() = level;
            auto const expected = [&](LaneLevel from) { return level >= from ? Path::rows : Path::libtorch; };
            BOOST_CHECK(kernel_path(choice.operation, of(at::kFloat)) == expected(choice.single));
            BOOST_CHECK(kernel_path(choice.operation, of(at::kBFloat16), of(at::kBFloat16)) == expected(choice.half));
        }
    }
}

BOOST_AUTO_TEST_CASE(formats_that_no_kernel_knows_are_of_libtorch) {
    for (detail::KernelChoice const& choice : detail::kernel_choices()) {
        BOOST_CHECK(kernel_path(choice.operation, of(at::kDouble)) == Path::libtorch);
        BOOST_CHECK(kernel_path(choice.operation, of(at::kHalf)) == Path::libtorch);
        BOOST_CHECK(kernel_path(choice.operation, of(at::kFloat), of(at::kBFloat16)) == Path::libtorch);   // mixed
    }
}

BOOST_AUTO_TEST_CASE(another_device_than_a_cpu_has_no_row_kernels) {
    for (detail::KernelChoice const& choice : detail::kernel_choices()) {
        for (at::ScalarType const format : {at::kFloat, at::kBFloat16}) {
            BOOST_CHECK(kernel_path(choice.operation, of(format, at::kMeta)) == choice.elsewhere);
            BOOST_CHECK(choice.elsewhere != Path::rows);
        }
    }
    BOOST_CHECK(detail::is_on_host(of(at::kFloat)));
    BOOST_CHECK(!detail::is_on_host(of(at::kFloat, at::kMeta)));
    detail::stands_for_device() = true;
    bool const host = detail::is_on_host(of(at::kFloat));
    Path const path = kernel_path(detail::Operation::attention, of(at::kFloat));
    detail::stands_for_device() = false;
    BOOST_CHECK(!host);
    BOOST_CHECK(path == Path::device);
}

BOOST_AUTO_TEST_CASE(levels_have_names) {
    BOOST_CHECK(detail::level_of("plain") == LaneLevel::plain);
    BOOST_CHECK(detail::level_of("avx2") == LaneLevel::avx2);
    BOOST_CHECK(detail::level_of("avx512") == LaneLevel::avx512);
    BOOST_CHECK_NE(refusal([] { detail::level_of("neon"); }).find("avx512"), std::string::npos);
    BOOST_CHECK_NE(refusal([] { detail::level_of("neon"); }).find("neon"), std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
