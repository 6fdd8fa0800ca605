// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/detail/files.hpp>
#include <bmae/detail/text_file.hpp>

#include <csignal>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bmae/detail/hash.hpp>

#include <boost/test/unit_test.hpp>

#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(files)

namespace {

namespace fs = std::filesystem;
using bmae::InputError;
using bmae::RunError;
using test::says;

std::vector<std::string> lines_of(fs::path const& path, bmae::detail::LineOptions options = {}) {
    bmae::detail::LineReader reader(path, options);
    std::vector<std::string> lines;
    for (std::string_view line; reader.next(line);) { lines.emplace_back(line); }
    BOOST_TEST(reader.line() == lines.size());
    return lines;
}

std::ptrdiff_t entries(fs::path const& folder) { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); }

}  // namespace

BOOST_AUTO_TEST_CASE(lines_of_plain_and_packed_files_are_equal) {
    test::Scratch const scratch;
    std::string const text =
        "\xef\xbb\xbf"
        "first\r\n\n  third \nlast";
    std::vector<std::string> const expected{"first", "", "  third ", "last"};
    BOOST_TEST(lines_of(scratch.file("a.txt", text)) == expected, boost::test_tools::per_element());
    BOOST_TEST(lines_of(scratch.file("a.txt.gz", text)) == expected, boost::test_tools::per_element());
    fs::copy(scratch / "a.txt.gz", scratch / "packed without the name");
    BOOST_TEST(lines_of(scratch / "packed without the name") == expected, boost::test_tools::per_element());
    BOOST_TEST(lines_of(scratch.file("ended", text + '\n')) == expected, boost::test_tools::per_element());
    BOOST_TEST(lines_of(scratch.file("empty", "")).empty());
    BOOST_TEST(lines_of(scratch.file("mark alone", "\xef\xbb\xbf")).empty());
    BOOST_TEST(lines_of(scratch.file("empty.gz", "")).empty());
}

BOOST_AUTO_TEST_CASE(lines_longer_than_every_buffer) {
    test::Scratch const scratch;
    std::string big(10'000'000, 'x');
    for (std::size_t i = 0; i < big.size(); ++i) {   // packed to half: a line of a few packed bytes is refused below
        big[i] = static_cast<char>('a' + (bmae::detail::xxh64(std::as_bytes(std::span(&i, 1))) & 15U));
    }
    for (char const* name : {"big", "big.gz"}) {
        auto const lines = lines_of(scratch.file(name, "a\n" + big + "\r\nb"));
        BOOST_REQUIRE(lines.size() == 3U);
        BOOST_TEST((lines[1] == big));
        BOOST_TEST(lines[2] == "b");
    }
    bmae::detail::LineReader reader(scratch / "big", {.max_bytes = 1'000'000});
    std::string_view line;
    BOOST_TEST(reader.next(line));
    BOOST_CHECK_EXCEPTION(reader.next(line), InputError, says("big:2:", "at most 1000000 bytes"));
    BOOST_TEST(reader.next(line));   // the reader stepped over it
    BOOST_TEST(line == "b");
    BOOST_TEST(reader.line() == 3U);
    BOOST_TEST(!reader.next(line));
    for (std::size_t const size : {262'143U, 262'144U, 262'145U}) {   // around the size of the buffer
        auto const lines = lines_of(scratch.file("edge", std::string(size, 'y') + "\nz\n"));
        BOOST_REQUIRE(lines.size() == 2U);
        BOOST_TEST(lines[0].size() == size);
        BOOST_TEST(lines[1] == "z");
    }
}

BOOST_AUTO_TEST_CASE(a_few_packed_bytes_are_no_line_of_many_megabytes) {
    test::Scratch const scratch;
    fs::path const path = scratch.file("bomb.gz", "a\n" + std::string(10'000'000, 'x') + "\nb\n" + std::string(8'000'000, 'y'));
    bmae::detail::LineReader reader(path);
    BOOST_TEST(reader.most_bytes() == std::size_t{8} << 20);
    std::string_view line;
    BOOST_TEST(reader.next(line));
    BOOST_CHECK_EXCEPTION(reader.next(line), InputError, says("bomb.gz:2:", "at most 8388608 bytes"));
    BOOST_TEST(reader.next(line));
    BOOST_TEST(line == "b");
    BOOST_TEST(reader.next(line));
    BOOST_TEST(bmae::detail::LineReader(scratch.file("plain", "a")).most_bytes() == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_line_at_the_limit_is_read) {
    test::Scratch const scratch;
    BOOST_TEST(lines_of(scratch.file("a", "12345\n"), {.max_bytes = 5}).size() == 1U);
    BOOST_CHECK_THROW(lines_of(scratch.file("a", "123456"), {.max_bytes = 5}), InputError);
}

BOOST_AUTO_TEST_CASE(damaged_and_foreign_files_are_named) {
    test::Scratch const scratch;
    std::string text;
    for (int i = 0; i < 100'000; ++i) { text += std::to_string(i * 7919) + '\n'; }
    std::string const packed = bmae::detail::read_file(scratch.file("a.gz", text));
    for (std::size_t const size :
         {std::size_t{1}, std::size_t{5}, std::size_t{20}, packed.size() / 2, packed.size() - 9, packed.size() - 1}) {
        fs::path const cut = scratch.file("cut", packed.substr(0, size));
        fs::rename(cut, scratch / "cut.gz");
        BOOST_CHECK_THROW(lines_of(scratch / "cut.gz"), InputError);
    }
    BOOST_CHECK_EXCEPTION(lines_of(scratch / "cut.gz"), InputError, says("cut.gz", "truncated"));
    for (std::size_t at = 20; at < packed.size();
         at += packed.size() / 50) {   // the checksum at the end catches what inflate does not
        std::string bad = packed;
        bad[at] = static_cast<char>(bad[at] ^ 16);
        BOOST_CHECK_THROW(lines_of(scratch.file("bad", bad)), InputError);
    }
    BOOST_CHECK_EXCEPTION(lines_of(scratch.file("nul", std::string("a\nb\0c\n", 6))), InputError, says("nul:2:", "NUL"));
    BOOST_TEST(lines_of(scratch / "nul", {.allow_nul = true}).size() == 2U);
    BOOST_CHECK_EXCEPTION(lines_of(scratch.file("wide",
                                                "\xff\xfe"
                                                "a")),
                          InputError, says("UTF-16", "iconv"));
    BOOST_CHECK_EXCEPTION(lines_of(scratch / "missing"), InputError, says("missing", "nothing of that name"));
    BOOST_CHECK_EXCEPTION(lines_of(scratch.path()), InputError, says("a folder"));
    BOOST_CHECK_EXCEPTION(lines_of(scratch / "nul" / "x"), InputError, says("a file, not a folder"));
    fs::rename(scratch.file("plain", "text"), scratch / "plain.gz");
    BOOST_CHECK_EXCEPTION(lines_of(scratch / "plain.gz"), InputError, says("another format"));
}

BOOST_AUTO_TEST_CASE(maps) {
    test::Scratch const scratch;
    bmae::detail::FileMap map(scratch.file("a", "abcdefgh!"));
    BOOST_TEST(map.text() == "abcdefgh!");
    BOOST_TEST(map.as<std::uint32_t>().size() == 2U);
    bmae::detail::FileMap const moved = std::move(map);
    BOOST_TEST(moved.size() == 9U);
    BOOST_TEST(bmae::detail::FileMap(scratch.file("empty", "")).size() == 0U);
    BOOST_CHECK_THROW(bmae::detail::FileMap(scratch / "missing"), InputError);
    BOOST_CHECK_THROW(bmae::detail::FileMap(scratch.path()), InputError);
    for (fs::path const& path : {fs::path("/dev/zero"), scratch / "pipe"}) {   // neither is waited for
        if (path.filename() == "pipe") { BOOST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0); }
        for (auto const& read : {std::function<void()>([&] { bmae::detail::FileMap const mapped(path); }),
                                 std::function<void()>([&] { static_cast<void>(bmae::detail::read_file(path)); })}) {
            BOOST_CHECK_EXCEPTION(read(), InputError, says("expected a regular file, found a pipe or a device"));
        }
    }
    auto const pointer = scratch.file("vocab.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    BOOST_CHECK_EXCEPTION(bmae::detail::FileMap{pointer}, InputError, says("found a git-lfs pointer to it. Run `git lfs pull`"));
    BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::detail::read_file(pointer)), InputError, says("a git-lfs pointer"));
    for (auto const& [path, leaves] :
         {std::pair("a/b", false), std::pair("../a", true), std::pair("a/../../b", true), std::pair("/a", true)}) {
        BOOST_TEST(bmae::detail::leaves_folder(path) == leaves);
    }
    BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::detail::read_file(scratch / "a", 8)), InputError, says("at most 8 bytes"));
}

BOOST_AUTO_TEST_CASE(a_file_is_whole_or_absent) {
    test::Scratch const scratch;
    fs::path const path = scratch / "out";
    {
        bmae::detail::AtomicFile file(path);
        file.write("half");
        BOOST_TEST(!fs::exists(path));
    }
    BOOST_TEST(entries(scratch.path()) == 0);
    std::string const big(1'000'000, 'z');
    {
        bmae::detail::AtomicFile file(path);
        file.write("a");
        file.write(big);
        std::vector<std::int32_t> const numbers{1, 2};
        file.write_values(std::span<std::int32_t const>(numbers));
        BOOST_TEST(file.size() == 1'000'009U);
        file.commit();
        BOOST_CHECK_THROW(file.write(big), RunError);
    }
    BOOST_TEST(fs::file_size(path) == 1'000'009U);
    BOOST_CHECK_EXCEPTION(bmae::detail::write_file(path, "x"), InputError, says("Nothing is overwritten"));
    bmae::detail::write_file(path, "y", bmae::detail::Existing::replace);
    BOOST_TEST(bmae::detail::read_file(path) == "y");
    BOOST_TEST(entries(scratch.path()) == 1);
    BOOST_CHECK_EXCEPTION(bmae::detail::write_file(scratch / "no" / "out", "x"), InputError, says("no/out", "Check the path"));
    BOOST_CHECK_EXCEPTION(bmae::detail::write_file(path / "out", "x"), InputError, says("a file, not a folder"));
    BOOST_CHECK_THROW(bmae::detail::write_file(scratch.path(), "x", bmae::detail::Existing::replace), InputError);
    BOOST_CHECK_THROW(bmae::detail::write_file("/dev/full", "x", bmae::detail::Existing::replace), InputError);
    BOOST_CHECK_EXCEPTION(bmae::detail::write_file(scratch / std::string(300, 'n'), "x"), InputError, says("shorter name"));
}

BOOST_AUTO_TEST_CASE(unfinished_files_are_told_by_their_names) {
    using bmae::detail::AtomicFile;
    test::Scratch const scratch;
    AtomicFile const file(scratch / "run.json");
    for (auto const& entry : fs::directory_iterator(scratch.path())) {
        BOOST_TEST(AtomicFile::is_remains(entry.path().filename().string()));
    }
    for (char const* const name : {"", ".", "run.json", "run.json.tmp-1-2", ".tmp-1-2", ".a.tmp-", ".a.tmp-1", ".a.tmp--1",
                                   ".a.tmp-1-", ".a.tmp-1-2x", ".a.tmp-x-2"}) {
        BOOST_TEST(!AtomicFile::is_remains(name), name);
    }
}

BOOST_AUTO_TEST_CASE(a_name_taken_meanwhile_is_not_written_over) {
    test::Scratch const scratch;
    bmae::detail::AtomicFile file(scratch / "out");
    file.write("mine");
    scratch.file("out", "theirs");
    BOOST_CHECK_THROW(file.commit(), InputError);
    file.discard();
    BOOST_TEST(bmae::detail::read_file(scratch / "out") == "theirs");
    BOOST_TEST(entries(scratch.path()) == 1);
}

BOOST_AUTO_TEST_CASE(a_full_disk_keeps_the_old_file) {
    test::Scratch const scratch;
    scratch.file("out", "old");
    pid_t const child = ::fork();   // the limit must not touch the test program
    if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        rlimit const limit{10'000, 10'000};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        int result = 1;
        try {
            bmae::detail::write_file(scratch / "out", std::string(1'000'000, 'x'), bmae::detail::Existing::replace);
        } catch (InputError const& error) { result = says("trying to write", "ulimit -f")(error) ? 42 : 2; } catch (...) {
            result = 3;
        }
        ::_exit(result);
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST((WIFEXITED(status) && WEXITSTATUS(status) == 42));
    BOOST_TEST(bmae::detail::read_file(scratch / "out") == "old");
    BOOST_TEST(entries(scratch.path()) == 1);
}

// A path that cannot be written is an error of the input; a disk that fails is one of the run.
BOOST_AUTO_TEST_CASE(a_place_that_takes_nothing_is_told_from_a_disk_that_breaks) {
    auto const fails = [](int code) { bmae::detail::fail_to_write("x", "write", code); };
    BOOST_CHECK_EXCEPTION(fails(ENOSPC), InputError, says("x: expected a place", "trying to write. The disk is full"));
    for (int const code : {EDQUOT, EFBIG, EROFS, EACCES, EPERM, ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG, ELOOP}) {
        BOOST_CHECK_EXCEPTION(fails(code), InputError, says("x: ", std::generic_category().message(code)));
    }
    for (int const code : {EIO, ENOMEM, EMFILE, ENFILE, EPIPE, EBADF}) {
        BOOST_CHECK_EXCEPTION(fails(code), RunError, says("x: cannot write", std::generic_category().message(code)));
    }
}

BOOST_AUTO_TEST_CASE(output_folders) {
    test::Scratch const scratch;
    bmae::detail::require_empty_or_new_folder(scratch / "a" / "b");
    bmae::detail::require_empty_or_new_folder(scratch / "a" / "b");
    BOOST_CHECK_EXCEPTION(bmae::detail::require_empty_or_new_folder(scratch / "a"), InputError, says("holds 'b'"));
    scratch.file("file", "");
    BOOST_CHECK_THROW(bmae::detail::require_empty_or_new_folder(scratch / "file"), InputError);
    BOOST_CHECK_EXCEPTION(bmae::detail::require_empty_or_new_folder(scratch / "file" / "x"), InputError,
                          says("a file, not a folder"));
    BOOST_CHECK_THROW(bmae::detail::require_empty_or_new_folder("/proc/bmae"), InputError);
    {
        BOOST_TEST(bmae::detail::without_slash("a/b/") == "a/b");
        BOOST_TEST(bmae::detail::without_slash("a") == "a");
        BOOST_TEST(bmae::detail::without_slash("") == "");
        bmae::detail::AtomicFolder folder((scratch / "new").string() + '/');
        bmae::detail::write_file(folder.partial() / "x", "1");
        BOOST_TEST(!fs::exists(scratch / "new"));
        folder.commit();
    }
    BOOST_TEST(entries(scratch / "new") == 1);
    BOOST_TEST(!fs::exists(scratch / "new.partial"));
    {
        bmae::detail::AtomicFolder folder(scratch / "taken");
        scratch.file("taken/theirs", "x");
        BOOST_CHECK_THROW(folder.commit(), InputError);
    }
    BOOST_TEST(bmae::detail::read_file(scratch / "taken" / "theirs") == "x");
    BOOST_TEST(!fs::exists(scratch / "taken.partial"));
}

BOOST_AUTO_TEST_CASE(a_folder_is_replaced_as_a_whole) {
    test::Scratch const scratch;
    scratch.file("first/a", "1");
    bmae::detail::replace_folder(scratch / "first", scratch / "name");
    BOOST_TEST(bmae::detail::read_file(scratch / "name" / "a") == "1");
    scratch.file("second/b", "2");
    bmae::detail::replace_folder(scratch / "second", scratch / "name");
    BOOST_TEST(bmae::detail::read_file(scratch / "name" / "b") == "2");
    BOOST_TEST(entries(scratch / "name") == 1);
    BOOST_TEST(entries(scratch / "") == 1);
    scratch.file("file", "theirs");
    scratch.file("third/c", "3");
    BOOST_CHECK_THROW(bmae::detail::replace_folder(scratch / "third", scratch / "file"), InputError);
    BOOST_TEST(bmae::detail::read_file(scratch / "file") == "theirs");
}

BOOST_AUTO_TEST_CASE(a_text_file_is_packed_by_its_name) {
    test::Scratch const scratch;
    std::string text;
    for (int line = 0; line < 200000; ++line) { text += std::to_string(line) + " and more\n"; }
    for (char const* const name : {"plain", "packed.gz"}) {
        bmae::detail::TextFile file(scratch / name);
        file.write(std::string_view(text).substr(0, 10));
        file.write(std::string_view(text).substr(10));
        BOOST_TEST(!fs::exists(scratch / name));
        file.commit();
    }
    BOOST_TEST(bmae::detail::read_file(scratch / "plain") == text);
    BOOST_TEST((lines_of(scratch / "packed.gz") == lines_of(scratch / "plain")));
    BOOST_TEST(fs::file_size(scratch / "packed.gz") * 3 < text.size());
    { bmae::detail::TextFile const empty(scratch / "never.gz"); }
    BOOST_TEST(!fs::exists(scratch / "never.gz"));
    bmae::detail::TextFile(scratch / "empty.gz").commit();
    BOOST_TEST(lines_of(scratch / "empty.gz").empty());
}

BOOST_AUTO_TEST_SUITE_END()
