// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/generation/resumable_lines.hpp>

BOOST_AUTO_TEST_SUITE(resumable_lines)

namespace {

using bmae::ResumableLines;

struct Folder {
    std::filesystem::path path = std::filesystem::temp_directory_path() / ("bmae_lines_" + std::to_string(::getpid()));
    std::filesystem::path output = path / "rows.jsonl";
    std::filesystem::path partial = path / "rows.jsonl.partial";
    Folder() {
        std::filesystem::remove_all(path);
        std::filesystem::create_directories(path);
    }
    ~Folder() { std::filesystem::remove_all(path); }
};

auto const all = [](std::string_view) { return true; };

}  // namespace

BOOST_AUTO_TEST_CASE(a_run_without_a_break) {
    Folder const folder;
    {
        ResumableLines lines(folder.output, "s", false);
        BOOST_TEST(lines.keep_groups(2, all) == 0U);
        lines.append("a\nb\n");
        BOOST_TEST(!std::filesystem::exists(folder.output));
        lines.append("c\n");
        lines.commit();
    }
    BOOST_TEST(bmae::detail::read_file(folder.output) == "a\nb\nc\n");
    BOOST_TEST(!std::filesystem::exists(folder.partial));
    BOOST_TEST(!std::filesystem::exists(folder.path / "rows.jsonl.partial.json"));
    BOOST_CHECK_THROW(ResumableLines(folder.output, "s", false), bmae::InputError);
    BOOST_TEST(ResumableLines(folder.output, "other", true).is_complete());
}

BOOST_AUTO_TEST_CASE(what_a_killed_run_left_is_cut_to_whole_groups) {
    for (std::string const left : {"", "a\n", "a\nb\n", "a\nb\nc\n", "a\nb\nc\nd", "a\nb\nc\nd\n", "a\nb\nc\nd\ntor"}) {
        Folder const folder;
        { ResumableLines(folder.output, "s", false).append(left); }
        BOOST_CHECK_THROW(ResumableLines(folder.output, "s", false), bmae::InputError);
        BOOST_CHECK_THROW(ResumableLines(folder.output, "other", true), bmae::InputError);
        BOOST_TEST(bmae::detail::read_file(folder.partial) == left);
        ResumableLines lines(folder.output, "s", true);
        BOOST_CHECK_THROW(ResumableLines(folder.output, "s", true), bmae::InUseError);   // locked
        std::size_t const kept = lines.keep_groups(2, all);
        for (std::size_t i = kept; i < 6; i += 2) {
            lines.append(std::string("abcdef").substr(i, 1) + '\n' + std::string("abcdef").substr(i + 1, 1) + '\n');
        }
        lines.commit();
        BOOST_TEST(bmae::detail::read_file(folder.output) == "a\nb\nc\nd\ne\nf\n");
    }
}

BOOST_AUTO_TEST_CASE(lines_that_are_not_confirmed_go) {
    Folder const folder;
    { ResumableLines(folder.output, "s", false).append("a\nb\nx\n"); }
    ResumableLines lines(folder.output, "s", true);
    BOOST_TEST(lines.keep_groups(1, [](std::string_view line) { return line != "x"; }) == 2U);
    BOOST_TEST(bmae::detail::read_file(folder.partial) == "a\nb\n");
}

BOOST_AUTO_TEST_SUITE_END()
