// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <bmae/training/checkpoint.hpp>
#include <bmae/training/checkpoint_store.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <boost/test/unit_test.hpp>

#include <bmae/training/train_log.hpp>
#include <bmae/training/train_state.hpp>
#include <bmae/values/draw.hpp>

#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(checkpoint_store)

namespace {

namespace fs = std::filesystem;
using bmae::CheckpointStore;
using Scratch = test::MemoryFolder;

void write_some(fs::path const& folder) {
    fs::create_directory(folder / "tokenizer");
    std::ofstream(folder / "weights.bin") << std::string(300, 'w');
    std::ofstream(folder / "tokenizer" / "vocab.txt") << "[PAD]\n[UNK]\n";
}

BOOST_AUTO_TEST_CASE(the_last_ones_stay) {
    Scratch scratch;
    CheckpointStore store(scratch.path() / "a" / "b", 3);
    BOOST_TEST(!store.recover().has_value());
    for (std::uint64_t step = 5; step <= 30; step += 5) { store.save(step, write_some); }
    auto const all = bmae::list_checkpoints(store.root());
    BOOST_TEST(all.size() == 3U);
    BOOST_TEST(all.front().step == 30U);
    BOOST_TEST(all.back().step == 20U);
    BOOST_TEST(store.recover()->step == 30U);
    BOOST_TEST(bmae::detail::read_file(store.root() / "latest") == "step-30\n");
}

BOOST_AUTO_TEST_CASE(only_exact_names_are_checkpoints) {
    for (char const* name : {"step-", "step-x", "step-1x", "step-007", "step--1", "step-1.tmp", "step-1.damaged", "latest",
                             "step-99999999999999999999999"}) {
        BOOST_TEST(!bmae::detail::step_of(name).has_value());
    }
    BOOST_TEST(bmae::detail::step_of("step-0").value() == 0U);
    BOOST_TEST(bmae::detail::step_of("step-120").value() == 120U);
}

BOOST_AUTO_TEST_CASE(no_mutation_of_any_file_is_accepted) {
    Scratch scratch;
    CheckpointStore store(scratch.path());
    fs::path const folder = store.save(7, write_some).path;
    bmae::Draw draw({.seed = 11});
    int refused = 0;
    std::vector<std::string> const files{"manifest.json", "weights.bin", "tokenizer/vocab.txt"};
    for (std::string const& name : files) {
        std::string const whole = bmae::detail::read_file(folder / name);
        auto const put = [&](std::string const& bytes) { std::ofstream(folder / name, std::ios::binary) << bytes; };
        auto const try_out = [&](std::string const& bytes) {
            put(bytes);
            bool const seen = !bmae::explain_damage(folder).empty();
            BOOST_REQUIRE(seen);
            ++refused;
        };
        for (std::size_t length = 0; length < whole.size(); ++length) { try_out(whole.substr(0, length)); }
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (int bit = 0; bit < 8; bit += name == "manifest.json" ? 1 : 3) {
                std::string bytes = whole;
                bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
                try_out(bytes);
            }
        }
        for (int i = 0; i < 200; ++i) {   // a page of zeros, a doubled end, random bytes
            std::string bytes = whole;
            std::size_t const at = draw.below(whole.size());
            if (i % 3 == 0) { bytes.replace(at, std::string::npos, whole.size() - at, '\0'); }
            if (i % 3 == 1) { bytes += whole.substr(at); }
            if (i % 3 == 2) { bytes[at] = static_cast<char>(bytes[at] + 1 + static_cast<int>(draw.below(255))); }
            try_out(bytes);
        }
        fs::remove(folder / name);
        BOOST_TEST(!bmae::explain_damage(folder).empty());
        put(whole);
        BOOST_TEST(bmae::explain_damage(folder) == "");
    }
    BOOST_TEST_MESSAGE(refused << " mutations refused");
    fs::rename(folder, scratch.path() / "step-8");   // a checkpoint under another's name
    BOOST_TEST(bmae::explain_damage(scratch.path() / "step-8") == "manifest.json belongs to step 7");
}

BOOST_AUTO_TEST_CASE(a_manifest_names_regular_files_of_its_folder) {
    Scratch scratch;
    CheckpointStore store(scratch.path());
    fs::path const folder = store.save(7, write_some).path;
    BOOST_REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    fs::create_symlink("/dev/zero", folder / "zeros");
    auto const damage = [&](nlohmann::ordered_json const& files) {   // the manifest's own checksum is right
        nlohmann::ordered_json const content{{"format", "bmae checkpoint 1"}, {"step", 7}, {"files", files}};
        std::ofstream(folder / "manifest.json", std::ios::binary) << bmae::detail::manifest_text(content);
        return bmae::explain_damage(folder);
    };
    nlohmann::ordered_json const entry{{"size", 1}, {"xxh64", "0"}};
    BOOST_TEST(damage({{"../x", entry}}) == "manifest.json names ../x, outside of the folder");
    BOOST_TEST(damage({{"/dev/zero", entry}}) == "manifest.json names /dev/zero, outside of the folder");
    BOOST_TEST(damage({{"zeros", entry}}).find("a pipe or a device") != std::string::npos);
    BOOST_TEST(damage({{"pipe", entry}}).find("a pipe or a device") != std::string::npos);
    BOOST_TEST(damage(nlohmann::ordered_json::object()) == "manifest.json names no files");
    std::ofstream(folder / "manifest.json") << std::string(200'000, '[');
    BOOST_TEST(bmae::explain_damage(folder) == "manifest.json is damaged");
}

BOOST_AUTO_TEST_CASE(damaged_ones_are_set_aside_and_the_one_before_is_used) {
    Scratch scratch;
    CheckpointStore store(scratch.path(), 0);
    for (std::uint64_t step = 1; step <= 3; ++step) { store.save(step, write_some); }
    std::ofstream(scratch.path() / "step-3" / "weights.bin") << "x";
    fs::remove(scratch.path() / "step-2" / "manifest.json");
    std::vector<std::string> warnings;
    auto const found = store.recover([&](std::string const& text) { warnings.push_back(text); });
    BOOST_TEST(found->step == 1U);
    BOOST_TEST(warnings.size() == 2U);
    BOOST_TEST(fs::exists(scratch.path() / "step-3.damaged"));
    store.save(3, write_some);
    std::ofstream(scratch.path() / "step-3" / "weights.bin") << "y";
    BOOST_TEST(store.recover()->step == 1U);
    BOOST_TEST(fs::exists(scratch.path() / "step-3.damaged-2"));
    std::ofstream(scratch.path() / "step-1" / "weights.bin") << "z";
    BOOST_CHECK_THROW(store.recover(), bmae::RunError);   // never from scratch without an error
    BOOST_TEST(fs::exists(scratch.path() / "step-1"));
}

BOOST_AUTO_TEST_CASE(a_failed_save_leaves_nothing_and_loses_nothing) {
    Scratch scratch;
    CheckpointStore store(scratch.path());
    store.save(1, write_some);
    BOOST_CHECK_THROW(store.save(2,
                                 [](fs::path const& folder) {
                                     write_some(folder);
                                     throw bmae::RunError("the disk is full");
                                 }),
                      bmae::RunError);
    BOOST_TEST(!fs::exists(scratch.path() / "step-2.tmp"));
    BOOST_TEST(store.recover()->step == 1U);
}

BOOST_AUTO_TEST_CASE(leftovers_are_removed_but_nothing_else) {
    Scratch scratch;
    fs::create_directories(scratch.path() / "step-4.tmp" / "deep");
    fs::create_directories(scratch.path() / "notes.tmp");
    char const* const remains[] = {".latest.tmp-17-3", ".log.jsonl.tmp-17-4", ".run.json.tmp-17-5", ".figures.json.tmp-17-6"};
    char const* const others[] = {".latest.tmp", ".notes.tmp-today", ".notes.tmp-17", "notes.tmp-17-5", ".notes.tmp-17-5.old"};
    for (char const* name : remains) { std::ofstream(scratch.path() / name) << "x"; }
    for (char const* name : others) { std::ofstream(scratch.path() / name) << "x"; }
    CheckpointStore const store(scratch.path());
    BOOST_TEST(!fs::exists(scratch.path() / "step-4.tmp"));
    for (char const* name : remains) { BOOST_TEST(!fs::exists(scratch.path() / name), name); }
    BOOST_TEST(fs::exists(scratch.path() / "notes.tmp"));
    for (char const* name : others) { BOOST_TEST(fs::exists(scratch.path() / name), name); }
}

BOOST_AUTO_TEST_CASE(one_writer_at_a_time) {
    Scratch scratch;
    {
        CheckpointStore const store(scratch.path());
        BOOST_CHECK_THROW(CheckpointStore(scratch.path()), bmae::InUseError);
    }
    BOOST_CHECK_NO_THROW(CheckpointStore(scratch.path()));
    BOOST_CHECK_THROW(bmae::newest_checkpoint(scratch.path()), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(the_log_keeps_every_step_once) {
    Scratch scratch;
    fs::path const path = scratch.path() / "log.jsonl";
    {
        bmae::TrainLog log(path, 0);
        for (std::uint64_t step = 10; step <= 40; step += 10) {
            log.append({.step = step, .terms = {{.name = "a", .accuracy = .5}}});
        }
        log.sync();
    }
    std::ofstream(path, std::ios::app) << R"({"step":50,"lo)";   // a torn line
    bmae::TrainLog log(path, 20);
    log.append({.step = 30});
    std::vector<std::uint64_t> steps;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) { steps.push_back(nlohmann::json::parse(line)["step"]); }
    BOOST_TEST(steps == (std::vector<std::uint64_t>{10, 20, 30}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
