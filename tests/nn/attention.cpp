// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Attention over packed texts against softmax(Q K^T / sqrt(d)) V of each text.
#include <cmath>
#include <utility>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/attention.hpp>

#include "oracle.hpp"

namespace {
using namespace bmae;
using namespace oracle;

/// [L, L] what is added to the scores of text `b`.
at::Tensor added_mask(AttentionOptions const& options, std::size_t b, std::int64_t length) {
    std::vector<double> mask(static_cast<std::size_t>(length * length), 0.0);
    for (std::int64_t i = 0; i < length; ++i) {
        for (std::int64_t j = 0; j < length; ++j) {
            double& cell = mask[static_cast<std::size_t>(i * length + j)];
            if (options.visibility != nullptr &&
                !(*options.visibility)[b].allows(static_cast<std::size_t>(i), static_cast<std::size_t>(j))) {
                cell = -1e300;   // a row of these alone is an average
            }
            if (options.window > 0 && std::abs(i - j) > options.window) { cell = -infinite; }
        }
    }
    return at::tensor(mask).view({length, length});
}

/// In LibTorch's operations, text by text.
Operation textbook(PackedInput const& input, AttentionOptions const& options) {
    std::int64_t const heads = options.heads;
    return [=](Tensors const& x) {
        std::vector<at::Tensor> texts{x[0].narrow(0, 0, 0)};
        for (std::size_t b = 0; b + 1 < input.offsets.size(); ++b) {
            std::int64_t const length = input.offsets[b + 1] - input.offsets[b];
            if (length == 0) { continue; }
            auto const split = [&](at::Tensor const& rows) {
                return rows.narrow(0, input.offsets[b], length).view({length, heads, -1}).transpose(0, 1);   // [heads, L, d]
            };
            at::Tensor const q = split(x[0]);
            at::Tensor const scores = at::matmul(q, split(x[1]).transpose(1, 2)) / std::sqrt(static_cast<double>(q.size(2)));
            at::Tensor const mask = added_mask(options, b, length).to(scores.scalar_type());
            texts.push_back(at::matmul(at::softmax(scores + mask, -1), split(x[2])).transpose(0, 1).reshape({length, -1}));
        }
        return at::cat(texts);
    };
}

Operation packed_operation(PackedInput const& input, AttentionOptions const& options) {
    return [=](Tensors const& x) {
        ForwardContext context{.training = true, .seed = 7};
        return packed_attention(x[0], x[1], x[2], input, options, context);
    };
}

Tensors projections(std::int64_t tokens, std::int64_t width) {
    return {normal({tokens, width}, 1), normal({tokens, width}, 2), normal({tokens, width}, 3)};
}
}  // namespace

BOOST_AUTO_TEST_SUITE(attention)

BOOST_AUTO_TEST_CASE(attention_over_texts_of_any_length) {
    using Case = std::pair<std::vector<std::int64_t>, std::int64_t>;
    for (auto const& [lengths, width] :
         {Case{{}, 8}, {{0, 0}, 8}, {{1}, 6}, {{7, 7, 0, 7, 1, 33}, 24}, {{5, 130}, 128}, {{16, 64}, 32}}) {
        PackedInput const input = packed(lengths);
        std::vector<Visibility> const rows = masks(lengths);
        Tensors const inputs = projections(input.offsets.back(), width);
        for (std::int64_t const window : {0, 1, 2, 5, 16, 40, 500}) {
            AttentionOptions const plain{.heads = 2, .window = window};
            AttentionOptions const masked{.heads = 2, .visibility = &rows, .window = window};
            check("attention", inputs, packed_operation(input, plain), textbook(input, plain));
            check("masked attention", inputs, packed_operation(input, masked), textbook(input, masked));
            for (AttentionOptions options : {plain, masked}) {
                options.dropout = .2;
                check("attention with dropout", inputs, packed_operation(input, options));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_come_through) {
    using Case = std::pair<std::vector<std::int64_t>, std::int64_t>;
    for (auto const& [lengths, width] : {Case{{1}, 6}, {{4, 1}, 10}, {{18}, 34}}) {
        PackedInput const input = packed(lengths);
        std::vector<Visibility> const rows = masks(lengths);
        Tensors inputs = projections(input.offsets.back(), width);
        auto const plain = packed_operation(input, {.heads = 2});
        auto const masked = packed_operation(input, {.heads = 2, .visibility = &rows});
        check_special("attention", inputs, plain, textbook(input, {.heads = 2}));
        check_special("masked attention", inputs, masked, masked);
        inputs.push_back(normal({input.offsets.back(), width}, 4));   // and in the gradient
        check_special(
            "attention's gradient", inputs, [&](Tensors const& x) { return plain(x) * x[3]; },
            [&](Tensors const& x) { return textbook(input, {.heads = 2})(x) * x[3]; });
    }
}

BOOST_AUTO_TEST_CASE(arguments_that_do_not_fit_are_refused) {
    at::Tensor const rows = normal({5, 8}, 1).to(at::kFloat);
    auto const refused = [&](at::Tensor const& keys, std::vector<std::int64_t> const& offsets, std::int64_t heads,
                             std::vector<Visibility> const* visibility, std::int64_t window = 0) {
        ForwardContext context;
        AttentionOptions const options{.heads = heads, .visibility = visibility, .window = window};
        PackedInput input;
        input.offsets = offsets;
        return refusal([&] { packed_attention(rows, keys, rows, input, options, context); });
    };
    std::vector<Visibility> const three = masks({3});
    BOOST_CHECK_EQUAL(refused(rows, {0, 3, 5}, 2, nullptr), "");
    BOOST_CHECK_NE(refused(rows.narrow(0, 0, 4), {0, 3, 5}, 2, nullptr).find("[5, 8], [4, 8]"), std::string::npos);
    BOOST_CHECK_NE(refused(rows, {0, 3, 6}, 2, nullptr).find("ascending offsets from 0 to 5"), std::string::npos);
    BOOST_CHECK_NE(refused(rows, {0, 4, 3, 5}, 2, nullptr).find("ascending offsets"), std::string::npos);
    BOOST_CHECK_NE(refused(rows, {0, 3, 5}, 3, nullptr).find("divides the 8 columns, found 3"), std::string::npos);
    BOOST_CHECK_NE(refused(rows, {0, 3, 5}, 2, &three).find("text 1, found no mask"), std::string::npos);
    BOOST_CHECK_NE(refused(rows, {0, 2, 5}, 2, &three).find("2 rows for text 0, found 3 rows"), std::string::npos);
    BOOST_CHECK_NE(refused(rows, {0, 3, 5}, 2, nullptr, -1).find("or 0 for none, found -1"), std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
