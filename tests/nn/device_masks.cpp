// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// What a device makes by LibTorch's integer operators: the bits of the host.
#include <cstdint>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/causal_window.hpp>
#include <bmae/nn/device_masks.hpp>
#include <bmae/nn/dropout.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(device_masks)

namespace {
using namespace bmae;
using namespace oracle;

detail::PaddedTexts padded_texts(std::vector<std::int64_t> const& lengths, std::int64_t window, at::Device device = at::kCPU) {
    PackedInput const input = packed(lengths);
    detail::PaddedTexts texts{.texts = input.texts(), .tokens = input.tokens(), .length = 80, .window = window};
    texts.bounds = detail::sent<std::int32_t>(input.offsets, device);
    return texts;
}

/// The bias by the function of the GPU kernel.
at::Tensor by_kernel(detail::DeviceRowMasks const& masks, detail::PaddedTexts const& at) {
    detail::cuda::RowMasks const rows = masks.pointers(at);
    at::Tensor bias = at::empty({at.texts, at.length, at.length}, at::kFloat);
    float* out = bias.mutable_data_ptr<float>();
    for (std::int64_t b = 0; b < at.texts; ++b) {
        for (std::int64_t i = 0; i < at.length; ++i) {
            for (std::int64_t j = 0; j < at.length; ++j) { *out++ = detail::cuda::row_mask_bias(rows, b, i, j); }
        }
    }
    return bias;
}
}  // namespace

BOOST_AUTO_TEST_CASE(factors_have_the_bits_of_the_host) {
    for (std::int64_t const count : {0, 1, 4, 1003, 40000}) {
        for (std::uint64_t const key : {0ULL, 7ULL, 0xfffffffffffffffeULL}) {
            for (double const p : {.1, .5, .999}) {
                at::Tensor const like = at::empty({count}, at::kFloat);
                BOOST_TEST(at::equal(detail::keyed_factors(like, p, key), detail::dropout_mask(like, p, key)));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(dropout_has_the_bits_of_the_row_kernels) {
    for (at::ScalarType const format : {at::kFloat, at::kBFloat16}) {
        at::Tensor const x = normal({37, 19}, 1).to(format);
        at::Tensor const expected = [&] {
            Settings const settings;
            at::Tensor y = at::empty_like(x);
            detail::with_lanes([](auto) {});
            if (!detail::has_lanes) { return detail::device_dropout(x, .2, 9); }
            detail::with_real(x, [&]<class Real>(Real) {
                detail::drop_elements(detail::DropoutSite::make(.2, 9), 0, x.numel(), detail::read_from<Real>(x),
                                      detail::write_to<Real>(y));
            });
            return y;
        }();
        BOOST_TEST(at::equal(detail::device_dropout(x, .2, 9), expected));
    }
}

BOOST_AUTO_TEST_CASE(row_masks_have_the_bits_of_the_kernel) {
    std::vector<std::int64_t> const lengths{1, 80, 0, 65, 64};
    std::vector<Visibility> const some = masks(lengths);
    std::vector<Visibility> const causal = causal_windows(packed(lengths).offsets, 3);
    for (std::int64_t const window : {0, 7}) {
        detail::PaddedTexts const at = padded_texts(lengths, window);
        for (std::vector<Visibility> const* const visibility : {&some, &causal}) {
            detail::DeviceRowMasks const sent = detail::send_row_masks(*visibility, at);
            BOOST_TEST(sent.any_blind == (visibility == &some));
            at::Tensor const bias = detail::padded_bias_by_operators(sent, at, at::kFloat);
            BOOST_TEST(at::equal(bias, by_kernel(sent, at)));
            BOOST_TEST(bias.isfinite().any(2).all().item<bool>());   // no row without a column
        }
        at::Tensor const plain = by_kernel({}, at);
        BOOST_TEST(at::equal(detail::padded_bias_by_operators({}, at, at::kFloat).expand_as(plain), plain));
    }
}

BOOST_AUTO_TEST_CASE(blind_rows_are_found) {
    Visibility rows{.length = 3, .row = {0, 1, 2}, .bits = {1, 0, 4}};   // row 0 sees itself alone, row 2 too
    for (std::size_t i = 0; i < 3; ++i) { BOOST_TEST(detail::is_blind(rows, i, 0)); }
    rows.reads_itself = true;
    BOOST_TEST(!detail::is_blind(rows, 0, 0));
    BOOST_TEST(detail::is_blind(rows, 1, 0));
    rows.bits = {4, 1, 1};
    BOOST_TEST(!detail::is_blind(rows, 0, 0));
    BOOST_TEST(detail::is_blind(rows, 0, 1));   // its column is beyond the window
    BOOST_TEST(!detail::is_blind(rows, 1, 1));
}

BOOST_AUTO_TEST_CASE(places_of_rows_among_padded_ones) {
    at::Tensor const places = padded_texts({2, 0, 3, 1}, 0).places();
    BOOST_TEST(at::equal(places, detail::int64_tensor(std::vector{0, 1, 160, 161, 162, 240}, at::kCPU)));
}

BOOST_AUTO_TEST_SUITE_END()
