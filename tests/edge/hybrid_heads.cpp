// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/edge/hybrid_heads.hpp>

#include <string>

#include <ATen/ops/randn.h>
#include <boost/test/unit_test.hpp>

#include "../io/support.hpp"

BOOST_AUTO_TEST_SUITE(hybrid_heads)

using namespace bmae;
using io_test::contains;
using io_test::refusal;

BOOST_AUTO_TEST_CASE(files_round_trip) {
    io_test::Scratch const scratch;
    NamedTensors const heads{{"shared.sparse_linear.weight", at::randn({1, 6})},
                             {"shared.sparse_linear.bias", at::randn({1})},
                             {"shared.colbert_linear.weight", at::randn({6, 6})},
                             {"shared.colbert_linear.bias", at::randn({6})}};
    BOOST_TEST(!holds_hybrid_heads(scratch.path()));
    save_hybrid_heads(scratch.path(), heads);
    BOOST_TEST(holds_hybrid_heads(scratch.path()));
    NamedTensors const read = load_hybrid_heads(scratch.path());
    BOOST_TEST(read.size() == heads.size());
    for (auto const& [name, tensor] : heads) { BOOST_TEST(read.at(name).equal(tensor), name); }
}

BOOST_AUTO_TEST_CASE(other_shapes_are_refused) {
    io_test::Scratch const scratch;
    save_torch_tensors(scratch / "sparse_linear.pt", {{"weight", at::randn({1, 6})}, {"bias", at::randn({1})}});
    save_torch_tensors(scratch / "colbert_linear.pt", {{"weight", at::randn({4, 6})}, {"bias", at::randn({4})}});
    BOOST_TEST(contains(refusal([&] { static_cast<void>(load_hybrid_heads(scratch.path())); }), "weight [H, H]"));
    BOOST_TEST(contains(refusal([&] { save_hybrid_heads(scratch / "none", {}); }), "shared.sparse_linear.weight"));
}

BOOST_AUTO_TEST_SUITE_END()
