// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// BERT's input embeddings against LibTorch's operators.
#include <string>

#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/embeddings.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(embeddings)

namespace {
using namespace bmae;
using namespace oracle;

/// x: word [20, 6], position [9, 6], type [2, 6], norm weight and bias [6], projection [8, 6] and bias [8].
Embeddings of(Tensors const& x, bool projects) {
    Embeddings embeddings;
    embeddings.word = x[0];
    embeddings.position = x[1];
    embeddings.token_type = x[2];
    embeddings.norm.weight = x[3];
    embeddings.norm.bias = x[4];
    embeddings.first_position = 2;
    if (projects) {
        embeddings.projection.weight = x[5];
        embeddings.projection.bias = x[6];
    }
    return embeddings;
}
Tensors tables() {
    return {normal({20, 6}, 1), normal({9, 6}, 2), normal({2, 6}, 3), normal({6}, 4),
            normal({6}, 5),     normal({8, 6}, 6), normal({8}, 7)};
}
at::Tensor drawn(std::int64_t high, std::int64_t count) {
    return at::randint(high, {count}, at::make_generator<at::CPUGeneratorImpl>(8), at::TensorOptions(at::kLong));
}
}  // namespace

BOOST_AUTO_TEST_CASE(sums_of_three_tables_normalized) {
    for (std::int64_t const count : {0, 1, 7}) {
        at::Tensor const ids = drawn(20, count);
        at::Tensor const positions = at::arange(count, at::kLong);
        for (bool const projects : {false, true}) {
            for (at::Tensor const& types : {at::Tensor(), drawn(2, count)}) {
                check(
                    "embeddings", tables(),
                    [&](Tensors const& x) {
                        ForwardContext context;
                        return of(x, projects)(ids, positions, context, types);
                    },
                    [&](Tensors const& x) {
                        at::Tensor const type = types.defined() ? types : at::zeros({count}, at::kLong);
                        at::Tensor const sum =
                            at::embedding(x[0], ids) + at::embedding(x[1], positions + 2) + at::embedding(x[2], type);
                        at::Tensor const rows = at::layer_norm(sum, {6}, x[3], x[4], 1e-12);
                        return projects ? at::linear(rows, x[5], x[6]) : rows;
                    });
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(what_a_table_lacks_is_refused) {
    Tensors x;
    for (at::Tensor const& table : tables()) { x.push_back(table.to(at::kFloat)); }
    Embeddings const embeddings = of(x, false);
    at::Tensor const three = at::arange(3, at::kLong);
    auto const refused = [&](at::Tensor const& ids, at::Tensor const& positions, at::Tensor const& types) {
        ForwardContext context;
        return refusal([&] { embeddings(ids, positions, context, types); });
    };
    BOOST_CHECK_EQUAL(refused(three, three, {}), "");
    BOOST_CHECK_NE(refused(three + 18, three, {}).find("token ids from 0 to 19, found 20 at index 2"), std::string::npos);
    BOOST_CHECK_NE(refused(three - 1, three, {}).find("found -1 at index 0"), std::string::npos);
    BOOST_CHECK_NE(refused(three, three + 5, {}).find("rows of the position table from 0 to 8, found 9"), std::string::npos);
    BOOST_CHECK_NE(refused(three, three, three).find("token types from 0 to 1, found 2"), std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
