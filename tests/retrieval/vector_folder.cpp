// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Tests of VectorModel of retrieval/vector_folder.hpp: when vectors can be compared, and that what made them comes back. Of whole
// models and folders: encoders/vector_folder.cpp, parity/cli_readers.py.
#include <bmae/retrieval/vector_folder.hpp>
#include <bmae/retrieval/vector_manifest.hpp>

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(vector_model)

namespace {

bmae::VectorModel const whole{.weights = "3f",
                              .tokenizer = "09",
                              .pooling = "mean",
                              .normalize = true,
                              .max_length = 256,
                              .precision = "bf16",
                              .dimension = 8,
                              .role = "query",
                              .prompt = "query: ",
                              .similarity = "cosine"};

}  // namespace

BOOST_AUTO_TEST_CASE(lengths_and_precisions_may_differ) {
    bmae::VectorModel other = whole;
    other.max_length = 512;
    other.precision = "fp32";
    BOOST_TEST(whole.matches(other));
    BOOST_TEST(!(whole == other));
    std::vector<bmae::VectorModel> others(6, whole);
    others[0].weights = "40";
    others[1].tokenizer = "0a";
    others[2].pooling = "cls";
    others[3].normalize = false;
    others[4].role = "document";
    others[5].prompt = "";
    for (bmae::VectorModel const& one : others) {
        BOOST_TEST(!whole.matches(one), to_string(one));
        BOOST_TEST(to_string(whole) != to_string(one));
    }
}

BOOST_AUTO_TEST_CASE(it_comes_back) {
    auto const json = bmae::detail::json_of(whole);
    BOOST_TEST((bmae::detail::vector_model_from(bmae::detail::JsonObject(json, "file")) == whole));
    auto before = json;   // as it was written at first
    for (char const* const key : {"role", "prompt", "similarity"}) { before.erase(key); }
    auto const read = bmae::detail::vector_model_from(bmae::detail::JsonObject(before, "file"));
    BOOST_TEST(read.role == "document");
    BOOST_TEST(to_string(read) == "weights 3f, tokenizer 09, pooling mean, normalized, 256 tokens, bf16");
}

BOOST_AUTO_TEST_SUITE_END()
