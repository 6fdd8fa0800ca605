// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Sparse vectors and vectors of tokens in folders: written, resumed, read, and refused where they are of another kind or damaged. Of
// whole models: parity/cli_sparse_tokens.py.
#include <bmae/retrieval/sparse_token_folder.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ops/arange.h>
#include <boost/test/unit_test.hpp>

#include "../scratch_folder.hpp"
#include "files.hpp"

BOOST_AUTO_TEST_SUITE(sparse_token_folder)

namespace {

using namespace bmae;
namespace fs = std::filesystem;

VectorModel model_of(VectorKind kind, std::int64_t dimension) {
    return {.weights = "aa",
            .tokenizer = "cc",
            .pooling = "lexical",
            .max_length = 64,
            .precision = "fp32",
            .dimension = dimension,
            .kind = kind};
}

SparseVectors sparse(std::vector<std::vector<float>> const& rows) {
    SparseVectors vectors;
    for (auto const& row : rows) { vectors.add(row); }
    return vectors;
}

MultiVectors tokens(std::int64_t first, std::vector<std::int64_t> offsets) {
    return {.rows = at::arange(first * 3, (first + offsets.back()) * 3, at::kFloat).view({offsets.back(), 3}),
            .offsets = offsets};
}

std::vector<std::string> const terms{"[PAD]", "bread", "##\"s", "oven"};
SparseVectors const first = sparse({{0, 1.234F, 0, .005F}, {0, 0, 0, 0}});
SparseVectors const second = sparse({{0, 0, 2.5F, 0}});

void write_sparse(fs::path const& folder, std::uint64_t scale = 100) {
    VectorFolderWriter writer(folder, model_of(VectorKind::sparse, 4), 2, false, {.vocabulary = terms, .impact_scale = scale});
    writer.append(shard_tensors(first), 2, "a\nb\n", 10, impact_lines(first, "a\nb\n", terms, scale));
    writer.append(shard_tensors(second), 1, "c\n", 4, impact_lines(second, "c\n", terms, scale));
    writer.finish();
}

BOOST_AUTO_TEST_CASE(weights_come_back_and_a_resumed_folder_has_the_same_bytes) {
    test::ScratchFolder const scratch;
    fs::path const whole = scratch.path() / "whole";
    write_sparse(whole);
    StoredSparseVectors const stored = read_sparse_folder(whole);
    BOOST_TEST(stored.ids == (std::vector<std::string>{"a", "b", "c"}));
    BOOST_TEST(stored.vectors.begins == (std::vector<std::size_t>{0, 2, 2, 3}));
    BOOST_TEST(stored.vectors[0][0].term == 1U);
    BOOST_TEST(stored.vectors[0][0].weight == 1.234F);
    BOOST_TEST(stored.vectors[2][0].term == 2U);
    BOOST_TEST((stored.model == model_of(VectorKind::sparse, 4)));
    BOOST_TEST(detail::read_file(whole / "vocabulary.json") == "[\"[PAD]\",\"bread\",\"##\\\"s\",\"oven\"]\n");

    fs::path const killed = scratch.path() / "killed";
    {
        VectorFolderWriter writer(killed, model_of(VectorKind::sparse, 4), 2, false, {.vocabulary = terms, .impact_scale = 100});
        writer.append(shard_tensors(first), 2, "a\nb\n", 10, impact_lines(first, "a\nb\n", terms, 100));
    }
    detail::write_file(killed / "impacts" / ".00001.jsonl.tmp-7-0", "half of it");
    auto const resume = [&](SparseFolderParts const& parts) {
        return VectorFolderWriter(killed, model_of(VectorKind::sparse, 4), 2, true, parts);
    };
    std::vector<std::string> others = terms;
    others.back() = "stove";
    BOOST_TEST(test::contains(test::refusal([&] { resume({.vocabulary = terms}); }), "impacts of scale 100"));
    BOOST_TEST(!test::refusal([&] { resume({.vocabulary = others, .impact_scale = 100}); }).empty());
    VectorFolderWriter writer = resume({.vocabulary = terms, .impact_scale = 100});
    writer.confirm("a\nb\n");
    writer.append(shard_tensors(second), 1, "c\n", 4, impact_lines(second, "c\n", terms, 100));
    writer.finish();
    for (auto const& entry : fs::recursive_directory_iterator(whole)) {
        if (!entry.is_regular_file()) { continue; }
        fs::path const name = fs::relative(entry.path(), whole);
        BOOST_TEST(detail::read_file(entry.path()) == detail::read_file(killed / name), name.string());
    }
    BOOST_TEST(!fs::exists(killed / "impacts" / ".00001.jsonl.tmp-7-0"));
}

BOOST_AUTO_TEST_CASE(impacts_are_rounded_weights_without_zeros) {
    BOOST_TEST(impact_lines(first, "a\nb\n", terms, 100) ==
               "{\"id\": \"a\", \"contents\": \"\", \"vector\": {\"bread\": 123}}\n"
               "{\"id\": \"b\", \"contents\": \"\", \"vector\": {}}\n");
    BOOST_TEST(impact_lines(first, "a\nb\n", terms, 1000).find("\"bread\": 1234, \"oven\": 5") != std::string::npos);
    BOOST_TEST(impact_lines(second, "c\n", terms, 1).find("{\"##\\\"s\": 2}") != std::string::npos);   // 2.5: to the even one
}

BOOST_AUTO_TEST_CASE(vectors_of_tokens_come_back) {
    test::ScratchFolder const scratch;
    fs::path const folder = scratch.path() / "tokens";
    VectorFolderWriter writer(folder, model_of(VectorKind::tokens, 3), 2, false);
    writer.append(shard_tensors(tokens(0, {0, 2, 3})), 2, "a\nb\n", 3);
    writer.append(shard_tensors(tokens(3, {0, 4})), 1, "c\n", 4);
    writer.finish();
    StoredTokenVectors const stored = read_token_folder(folder);
    BOOST_TEST(stored.ids == (std::vector<std::string>{"a", "b", "c"}));
    BOOST_TEST(stored.vectors.offsets == (std::vector<std::int64_t>{0, 2, 3, 7}));
    BOOST_TEST((stored.vectors.rows == tokens(0, {0, 7}).rows).all().item<bool>());
    BOOST_TEST(test::contains(test::refusal([&] { static_cast<void>(read_vector_folder(folder)); }), "vectors of tokens"));
    BOOST_TEST(test::contains(test::refusal([&] { static_cast<void>(read_sparse_folder(folder)); }), "--method maxsim"));
}

BOOST_AUTO_TEST_CASE(damaged_folders_are_refused) {
    test::ScratchFolder const scratch;
    auto const refused = [&](char const* name, NamedTensors const& tensors, std::uint64_t texts) {
        fs::path const folder = scratch.path() / name;
        VectorFolderWriter writer(folder, model_of(VectorKind::sparse, 4), 2, false);
        writer.append(tensors, texts, "a\nb\n", 10);
        writer.finish();
        return !test::refusal([&] { static_cast<void>(read_sparse_folder(folder)); }).empty();
    };
    BOOST_TEST(!refused("sound", shard_tensors(first), 2));
    BOOST_TEST(refused("texts", shard_tensors(first), 1));
    BOOST_TEST(refused("none", {{"embeddings", at::arange(8, at::kFloat).view({2, 4})}}, 2));
    NamedTensors changed = shard_tensors(first);
    changed["offsets"] = detail::int64_tensor(std::vector<std::int64_t>{0, 2, 1}, at::kCPU);
    BOOST_TEST(refused("offsets", changed, 2));
    changed["offsets"] = detail::int64_tensor(std::vector<std::int64_t>{1, 2, 2}, at::kCPU);
    BOOST_TEST(refused("begin", changed, 2));
    changed = shard_tensors(first);
    changed["ids"] = at::arange(3, 5, at::kInt);   // 4 is no term
    BOOST_TEST(refused("terms", changed, 2));
    changed["ids"] = at::arange(-1, 1, at::kInt);
    BOOST_TEST(refused("below", changed, 2));
    changed = shard_tensors(first);
    changed["weights"] = at::arange(0, 2, at::kFloat);   // 0 is no weight
    BOOST_TEST(refused("weights", changed, 2));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
