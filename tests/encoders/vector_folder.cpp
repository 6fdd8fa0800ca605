// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A folder of vectors: written, resumed, read, and refused where it is of another model or damaged.
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <boost/test/unit_test.hpp>

#include <bmae/retrieval/vector_folder.hpp>

#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(vector_folder)

namespace {
using namespace bmae;
namespace fs = std::filesystem;

VectorModel model_of(std::string weights) {
    return {.weights = std::move(weights),
            .tokenizer = "cc",
            .pooling = "mean",
            .normalize = true,
            .max_length = 64,
            .precision = "fp32",
            .dimension = 3};
}

at::Tensor rows_from(std::int64_t first, std::int64_t count) {
    return at::arange(first * 3, (first + count) * 3, at::kFloat).view({count, 3});
}

/// What it throws, or nothing.
template <class Body>
std::string refusal(Body const& body) {
    try {
        body();
    } catch (InputError const& error) { return error.what(); }
    return {};
}

void check_says(std::string const& message, std::string const& words) {
    BOOST_CHECK_MESSAGE(message.find(words) != message.npos, '"' << message << "\" does not say \"" << words << '"');
}

void write_two_shards(fs::path const& folder) {
    VectorFolderWriter writer(folder, model_of("aa"), 2, false);
    writer.append(rows_from(0, 2), "a\nb\n", 10);
    writer.append(rows_from(2, 1), "c\n", 4);
    writer.finish();
}
}  // namespace

BOOST_AUTO_TEST_CASE(shards_are_read_as_one_and_a_resumed_run_has_the_same_bytes) {
    test::ScratchFolder const scratch;
    fs::path const whole = scratch.path() / "whole";
    write_two_shards(whole);
    StoredVectors const vectors = read_vector_folder(whole);
    BOOST_TEST((vectors.rows == rows_from(0, 3)).all().item<bool>());
    BOOST_TEST(vectors.ids == (std::vector<std::string>{"a", "b", "c"}));
    BOOST_TEST((vectors.model == model_of("aa")));

    fs::path const killed = scratch.path() / "killed";
    {
        VectorFolderWriter writer(killed, model_of("aa"), 2, false);
        writer.append(rows_from(0, 2), "a\nb\n", 10);
    }
    detail::write_file(killed / "00001.ids", "remains\n");   // of a shard that was being written
    detail::write_file(killed / ".00001.safetensors.tmp-7-0", "half of it");
    check_says(refusal([&] { static_cast<void>(read_vector_folder(killed)); }), "an unfinished run");
    check_says(refusal([&] { VectorFolderWriter(killed, model_of("aa"), 2, false); }), "vectors of an earlier run");
    VectorFolderWriter resumed(killed, model_of("aa"), 2, true);
    BOOST_TEST(resumed.has_unconfirmed());
    check_says(refusal([&] { resumed.finish(); }), "fewer texts");
    check_says(refusal([&] { resumed.confirm("a\nx\n"); }), "the ids of the same input");
    resumed.confirm("a\nb\n");
    resumed.append(rows_from(2, 1), "c\n", 4);
    resumed.finish();
    BOOST_TEST(!fs::exists(killed / ".00001.safetensors.tmp-7-0"));
    for (char const* const name : {"manifest.json", "00000.safetensors", "00000.ids", "00001.safetensors", "00001.ids"}) {
        BOOST_TEST(detail::read_file(whole / name) == detail::read_file(killed / name), name);
    }
}

BOOST_AUTO_TEST_CASE(a_run_that_was_killed_before_its_first_manifest_is_resumed) {
    test::ScratchFolder const scratch;
    fs::path const whole = scratch.path() / "whole";
    fs::path const killed = scratch.path() / "killed";
    write_two_shards(whole);
    fs::create_directories(killed);
    detail::write_file(killed / ".manifest.json.tmp-7-0", "{");
    check_says(refusal([&] { VectorFolderWriter(killed, model_of("aa"), 2, false); }), "empty output folder");
    detail::write_file(killed / "mine", "");
    check_says(refusal([&] { VectorFolderWriter(killed, model_of("aa"), 2, true); }), "mine");
    fs::remove(killed / "mine");
    VectorFolderWriter resumed(killed, model_of("aa"), 2, true);
    resumed.append(rows_from(0, 2), "a\nb\n", 10);
    resumed.append(rows_from(2, 1), "c\n", 4);
    resumed.finish();
    BOOST_TEST(detail::read_file(whole / "manifest.json") == detail::read_file(killed / "manifest.json"));
    BOOST_TEST(!fs::exists(killed / ".manifest.json.tmp-7-0"));
}

BOOST_AUTO_TEST_CASE(another_model_is_refused_and_both_are_named) {
    test::ScratchFolder const scratch;
    fs::path const folder = scratch.path() / "vectors";
    write_two_shards(folder);
    std::string const resumed = refusal([&] { VectorFolderWriter(folder, model_of("bb"), 2, true); });
    check_says(resumed, "weights aa");
    check_says(resumed, "weights bb");
    check_says(refusal([&] { VectorFolderWriter(folder, model_of("aa"), 5, true); }), "shards of 5");

    fs::path const other = scratch.path() / "other";
    VectorFolderWriter writer(other, model_of("bb"), 2, false);
    writer.append(rows_from(0, 2), "a\nb\n", 10);
    fs::copy_file(other / "00000.safetensors", folder / "00000.safetensors", fs::copy_options::overwrite_existing);
    std::string const mixed = refusal([&] { static_cast<void>(read_vector_folder(folder)); });
    check_says(mixed, "00000.safetensors");
    check_says(mixed, "weights aa");
    check_says(mixed, "weights bb");
    BOOST_TEST(!model_of("aa").matches(model_of("bb")));
    VectorModel shorter = model_of("aa");
    shorter.max_length = 8;
    shorter.precision = "int8";
    BOOST_TEST(model_of("aa").matches(shorter));
}

BOOST_AUTO_TEST_CASE(damage_is_found) {
    test::ScratchFolder const scratch;
    for (int const kind : {0, 1, 2, 3}) {
        fs::path const folder = scratch.path() / std::to_string(kind);
        write_two_shards(folder);
        if (kind == 0) { detail::write_file(folder / "00001.ids", "d\n", detail::Existing::replace); }
        if (kind == 1) { fs::remove(folder / "00001.safetensors"); }
        if (kind == 2) {
            std::string bytes = detail::read_file(folder / "00000.safetensors");
            bytes.back() = static_cast<char>(bytes.back() ^ 1);
            detail::write_file(folder / "00000.safetensors", bytes, detail::Existing::replace);
        }
        if (kind == 3) {
            std::string text = detail::read_file(folder / "manifest.json");
            text.replace(text.find("00001.ids"), 9, "../x00.id");
            detail::write_file(folder / "manifest.json", text, detail::Existing::replace);
        }
        BOOST_TEST(!refusal([&] { static_cast<void>(read_vector_folder(folder)); }).empty());
        BOOST_TEST(!refusal([&] { VectorFolderWriter(folder, model_of("aa"), 2, true); }).empty());
    }
}

BOOST_AUTO_TEST_SUITE_END()
