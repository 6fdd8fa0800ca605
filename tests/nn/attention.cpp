// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Attention over packed texts against softmax(Q K^T / sqrt(d)) V of each text.
#include <cmath>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <c10/util/StringUtil.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/attention.hpp>
#include <bmae/nn/causal_window.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(attention)

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

/// Restores the choice between stored and recomputed weights.
struct StoredRows {
    std::int64_t const before = detail::stored_attention_rows();
    explicit StoredRows(std::int64_t rows) { detail::stored_attention_rows() = rows; }
    StoredRows(StoredRows const&) = delete;
    ~StoredRows() { detail::stored_attention_rows() = before; }
};

constexpr std::uint64_t seed = 7;

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
            at::Tensor weights = at::softmax(scores + mask, -1);
            if (options.dropout > 0) {
                auto const key = static_cast<std::int64_t>(ForwardContext{.training = true, .seed = seed}.next_key());
                weights = weights * detail::dropout_mask(weights, options.dropout, detail::text_key(key, input.offsets[b]));
            }
            texts.push_back(at::matmul(weights, split(x[2])).transpose(0, 1).reshape({length, -1}));
        }
        return at::cat(texts);
    };
}

Operation packed_operation(PackedInput const& input, AttentionOptions const& options) {
    return [=](Tensors const& x) {
        ForwardContext context{.training = true, .seed = seed};
        return packed_attention(x[0], x[1], x[2], input, options, context);
    };
}

Tensors projections(std::int64_t tokens, std::int64_t width) {
    return {normal({tokens, width}, 1), normal({tokens, width}, 2), normal({tokens, width}, 3)};
}
/// All combinations of row masks, windows and dropout.
void check_options(std::vector<std::int64_t> const& lengths, std::int64_t width, std::vector<std::int64_t> const& windows) {
    PackedInput const input = packed(lengths);
    std::vector<Visibility> const rows = masks(lengths);
    Tensors const inputs = projections(input.offsets.back(), width);
    for (std::int64_t const window : windows) {
        for (auto const* const visibility : {static_cast<std::vector<Visibility> const*>(nullptr), &rows}) {
            for (double const rate : {0.0, .2}) {
                AttentionOptions const options{.heads = 2, .visibility = visibility, .dropout = rate, .window = window};
                check(c10::str("attention of ", lengths, visibility == nullptr ? "" : ", masked", ", window ", window,
                               ", dropout ", rate),
                      inputs, packed_operation(input, options), textbook(input, options),
                      detail::lane_level() == detail::LaneLevel::avx512);   // LibTorch's products of long texts depend on threads
            }
        }
    }
}
}  // namespace

BOOST_AUTO_TEST_CASE(attention_over_texts_of_any_length) {
    for (std::int64_t const stored : {0, 32, 512}) {   // recomputed, both in one batch, stored
        StoredRows const rows_stored(stored);
        check_options({}, 8, {0});
        check_options({0, 0}, 8, {0, 1});
        // The gradients of one row's scores are 0; of a recomputed one in bf16 the rounding of the output remains.
        if (stored != 0) { check_options({1}, 6, {0, 1}); }
        check_options({7, 7, 0, 7, 1, 33}, 24, {0, 1, 5, 40});
        check_options({5, 130}, 128, {0, 5, 40});
        check_options({16, 64}, 32, {0, 16});
    }
}

BOOST_AUTO_TEST_CASE(attention_in_the_operations_of_libtorch) {
    Settings const settings;
    detail::lane_level() = detail::LaneLevel::plain;
    for (std::int64_t const stored : {0, 512}) {
        StoredRows const rows_stored(stored);
        check_options({7, 7, 0, 7, 1, 33}, 24, {0, 5});
        check_options({5, 130}, 32, {0, 40});
    }
}

BOOST_AUTO_TEST_CASE(attention_over_long_texts) {
    Settings const settings;
    for (auto const level : {detail::LaneLevel::plain, settings.level}) {
        detail::lane_level() = level;
        check_options({601, 40}, 20, {0, 70});
    }
    check_options({300, 300}, 20, {3});   // a window that is narrow for texts of this length
}

BOOST_AUTO_TEST_CASE(causal_windows_of_long_texts) {   // whole tiles are hidden
    PackedInput const input = packed({601, 3});
    for (std::size_t const window : {std::size_t{2}, std::size_t{601}}) {
        std::vector<Visibility> const rows = causal_windows(input.offsets, window);
        for (double const rate : {0.0, .1}) {
            AttentionOptions const options{.heads = 2, .visibility = &rows, .dropout = rate};
            check("causal attention", projections(604, 16), packed_operation(input, options), textbook(input, options));
        }
    }
}

BOOST_AUTO_TEST_CASE(masks_may_be_gone_when_the_gradients_are_computed) {
    PackedInput const input = packed({40, 600});
    Tensors const inputs = projections(640, 16);
    for (bool const training : {true, false}) {
        auto const passing = [&](Tensors const& x) {
            ForwardContext context{.training = training, .seed = seed};
            auto const rows = std::make_unique<std::vector<Visibility> const>(masks({40, 600}));
            return packed_attention(x[0], x[1], x[2], input, {.heads = 2, .visibility = rows.get(), .dropout = .1}, context);
        };
        std::vector<Visibility> const rows = masks({40, 600});
        check("masks of one pass", inputs, passing,
              textbook(input, {.heads = 2, .visibility = &rows, .dropout = training ? .1 : 0}));
    }
}

BOOST_AUTO_TEST_CASE(without_gradients_the_output_is_the_same) {
    PackedInput const input = packed({40, 600});
    Tensors inputs;
    for (at::Tensor const& x : projections(640, 16)) { inputs.push_back(x.to(at::kFloat).requires_grad_()); }
    auto const operation = packed_operation(input, {.heads = 2, .dropout = .1});
    at::Tensor const kept = operation(inputs);
    c10::NoGradGuard const no_gradients;
    at::Tensor const alone = operation(inputs);
    BOOST_CHECK(kept.requires_grad() && !alone.requires_grad());
    BOOST_CHECK(at::equal(kept, alone));
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_come_through) {
    using Case = std::tuple<std::int64_t, std::vector<std::int64_t>, std::int64_t>;
    for (auto const& [stored, lengths, width] :
         {Case{512, {1}, 6}, {512, {4, 1}, 10}, {512, {18}, 34}, {0, {4, 1}, 10}, {0, {18}, 34}}) {
        StoredRows const rows_stored(stored);
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
