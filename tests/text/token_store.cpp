// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/text/token_store.hpp>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/text/token_store_builder.hpp>

#include "../blank_tokenizer.hpp"
#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(token_store)

namespace {

namespace fs = std::filesystem;
using Scratch = test::ScratchFolder;

using test::BlankTokenizer;

bmae::TokenStoreOptions with_length(std::size_t max_length, bmae::Blocks blocks = bmae::Blocks::whole_sentences) {
    return {.passages = {.max_length = max_length, .blocks = blocks}};
}

using Ranges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

/// A store that has everything: two documents with several passages, queries, a continuation, titles.
void build_rich(fs::path const& folder) {
    BlankTokenizer const tokenizer;
    bmae::TokenStoreOptions options = with_length(6);
    options.fields = {"summary", "author"};
    bmae::TokenStoreBuilder builder(folder, tokenizer, std::move(options));
    builder.add({.id = "first",
                 .title = "One",
                 .text = "a b c\nd e\nf g h i",
                 .queries = {"q r", "s", ""},
                 .continuation = "t u v w x",
                 .fields = {"y z", "j"}});
    builder.add({.id = "empty", .text = " \n\n"});
    builder.add({.id = "second", .text = "k l m n o p\nq"});
    builder.finish();
}

std::map<std::string, std::string> contents(fs::path const& folder) {
    std::map<std::string, std::string> files;
    for (auto const& entry : fs::directory_iterator(folder)) {
        files[entry.path().filename().string()] = bmae::detail::read_file(entry.path());
    }
    return files;
}

void replace_file(fs::path const& path, std::string const& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(content.data(), static_cast<std::streamsize>(content.size()));
}

bool names(bmae::Error const& error, std::string_view part) {
    return std::string_view(error.what()).find(part) != std::string_view::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(passages_hold_whole_sentences_and_never_overshoot) {
    std::vector<std::uint32_t> const ends{3, 5, 9};
    bmae::PassageOptions options{.max_length = 7};   // 5 content tokens
    BOOST_TEST((bmae::cut_passages(ends, options, 0) == Ranges{{0, 5}, {5, 9}}));
    options.max_length = 6;
    BOOST_TEST((bmae::cut_passages(ends, options, 0) == Ranges{{0, 3}, {3, 5}, {5, 9}}));
    options.max_length = 4;   // every sentence but one is longer than a passage
    BOOST_TEST((bmae::cut_passages(ends, options, 0) == Ranges{{0, 2}, {2, 3}, {3, 5}, {5, 7}, {7, 9}}));
    options.max_length = 100;
    BOOST_TEST((bmae::cut_passages(ends, options, 0) == Ranges{{0, 9}}));
    BOOST_TEST(bmae::cut_passages({}, options, 0).empty());
}

BOOST_AUTO_TEST_CASE(the_rest_of_a_split_sentence_starts_the_next_passage) {
    std::vector<std::uint32_t> const ends{7, 8};
    BOOST_TEST((bmae::cut_passages(ends, {.max_length = 7}, 0) == Ranges{{0, 5}, {5, 8}}));
}

BOOST_AUTO_TEST_CASE(the_released_layout_overshoots) {
    std::vector<std::uint32_t> const ends{3, 5, 9};
    bmae::PassageOptions options{.max_length = 6, .blocks = bmae::Blocks::as_released};   // until 4 are reached
    BOOST_TEST((bmae::cut_passages(ends, options, 0) == Ranges{{0, 5}, {5, 9}}));
    options.blocks = bmae::Blocks::whole_document;
    BOOST_TEST((bmae::cut_passages(ends, options, 0) == Ranges{{0, 9}}));
}

BOOST_AUTO_TEST_CASE(short_budgets_are_drawn_per_document_and_stay_in_range) {
    std::vector<std::uint32_t> ends;
    for (std::uint32_t i = 1; i <= 5000; ++i) { ends.push_back(i); }   // sentences of one token: budgets show exactly
    bmae::PassageOptions const options{.max_length = 12, .short_probability = 1, .seed = 3};
    std::set<std::uint32_t> lengths;
    Ranges const passages = bmae::cut_passages(ends, options, 7);
    for (std::size_t i = 0; i + 1 < passages.size(); ++i) { lengths.insert(passages[i].second - passages[i].first); }
    BOOST_TEST((lengths == std::set<std::uint32_t>{3, 4, 5, 6, 7, 8, 9, 10}));
    BOOST_TEST((bmae::cut_passages(ends, options, 7) == passages));
    BOOST_TEST((bmae::cut_passages(ends, options, 8) != passages));
}

BOOST_AUTO_TEST_CASE(what_goes_in_comes_out) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    build_rich(scratch / "store");
    for (bmae::Verify const verify : {bmae::Verify::quick, bmae::Verify::full}) {
        auto const store = bmae::TokenStore::open(scratch / "store", verify);
        BOOST_TEST(store.size() == 5U);   // abc | de | fghi ; klmn | op q
        BOOST_TEST(store.documents() == 2U);
        BOOST_TEST(store.document_id(0) == "first");
        BOOST_TEST(store.title(0) == "One");
        BOOST_TEST(store.document_id(1) == "second");
        BOOST_TEST(store.title(1) == "");
        bmae::Example const e = store.example(2, 4);
        auto const expect = [&](std::span<bmae::TokenId const> found, std::string_view text) {
            std::vector<bmae::TokenId> const ids = tokenizer.encode(text);
            BOOST_TEST(std::vector<bmae::TokenId>(found.begin(), found.end()) == ids, boost::test_tools::per_element());
        };
        BOOST_TEST(e.id == 2U);
        expect(e.passage, "f g h i");
        expect(e.document, "a b c d e f g h i");
        BOOST_TEST(e.passage_offset == 5U);
        expect(e.previous, "d e");
        BOOST_TEST(e.next.empty());   // the next passage belongs to another document
        BOOST_REQUIRE(e.queries.size() == 2U);
        expect(e.queries[0], "q r");
        expect(e.queries[1], "s");
        expect(e.continuation, "t u v w");
        BOOST_TEST(
            (std::vector<std::uint32_t>(e.sentence_ends.begin(), e.sentence_ends.end()) == std::vector<std::uint32_t>{3, 5, 9}));
        BOOST_TEST(store.example(1, 4).continuation.empty());
        expect(store.example(0, 2).passage, "a b");
        expect(store.example(0, 2).next, "d e");
        expect(store.example(3, std::size_t(-1)).passage, "k l m n");
        expect(store.example(4, 9).passage, "o p q");
        BOOST_TEST(store.example(4, 9).queries.empty());
        BOOST_TEST(store.passage_length(2) == 4U);
        BOOST_TEST(store.document_of(3) == 1U);
        BOOST_TEST(store.traits().special().cls == 2);
        BOOST_TEST(store.traits().size() == 1000U);
        bmae::TokenStoreStatistics const& counts = store.statistics();
        BOOST_TEST(counts.tokens == 16U);
        BOOST_TEST(counts.sentences == 5U);
        BOOST_TEST(counts.empty_documents == 1U);
        BOOST_TEST(counts.longest_passage == 4U);
        BOOST_TEST(counts.shortest_passage == 2U);
        BOOST_TEST(counts.queries == 2U);
        BOOST_TEST(counts.continuation_tokens == 5U);
        BOOST_CHECK_THROW(static_cast<void>(store.example(5, 4)), bmae::InputError);
        store.require_tokenizer(tokenizer);
        BOOST_CHECK_THROW(store.require_tokenizer(BlankTokenizer(999)), bmae::InputError);
    }
}

BOOST_AUTO_TEST_CASE(a_random_window_takes_every_place) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    bmae::TokenStoreBuilder builder(scratch / "store", tokenizer, with_length(4, bmae::Blocks::whole_document));
    builder.add({.id = "d", .text = "a b c d e"});
    builder.finish();
    auto const store = bmae::TokenStore::open(scratch / "store", bmae::Verify::full);
    std::set<std::size_t> starts;
    for (std::uint64_t epoch = 0; epoch < 200; ++epoch) {
        bmae::Draw draw({.epoch = epoch});
        bmae::Example const e = store.example(0, 3, draw);
        BOOST_REQUIRE(e.passage.size() == 3U);
        BOOST_REQUIRE(e.passage.data() == e.document.data() + e.passage_offset);
        starts.insert(e.passage_offset);
    }
    BOOST_TEST((starts == std::set<std::size_t>{0, 1, 2}));
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_changes_no_byte) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    bmae::SentenceSplit const at_stops = [](std::string_view paragraph) {
        std::vector<bmae::ByteSpan> sentences;
        for (std::size_t begin = 0; begin < paragraph.size();) {
            std::size_t const end = std::min(paragraph.find('.', begin), paragraph.size() - 1) + 1;
            sentences.push_back({begin, end});
            begin = end;
        }
        return sentences;
    };
    std::map<std::string, std::string> first;
    for (unsigned const threads : {1U, 2U, 4U}) {
        fs::path const folder = scratch / std::to_string(threads);
        std::uint64_t seen = 0;
        bmae::TokenStoreBuilder builder(
            folder, tokenizer,
            {.passages = {.max_length = 32, .short_probability = .1},
             .split = at_stops,
             .threads = threads,
             .progress = [&](bmae::TokenStoreProgress const& progress) { seen = progress.documents; }});
        bmae::Draw draw({.seed = 1});
        for (int i = 0; i < 3000; ++i) {
            std::string text;
            for (std::uint64_t words = draw.below(200); words != 0; --words) {
                text += "w" + std::to_string(draw.below(500)) + (draw.chance(.1) ? ". " : draw.chance(.05) ? "\n" : " ");
            }
            builder.add({.id = "d" + std::to_string(i), .text = std::move(text), .queries = {"q" + std::to_string(i)}});
        }
        auto const counts = builder.finish();
        BOOST_TEST(seen == counts.documents);
        if (first.empty()) { first = contents(folder); }
        BOOST_TEST((contents(folder) == first));
        auto const store = bmae::TokenStore::open(folder, bmae::Verify::full);
        for (std::size_t i = 0; i < store.size(); ++i) { BOOST_REQUIRE(store.passage_length(i) <= 30U); }
        BOOST_TEST(counts.passage_tokens == counts.tokens);
    }
}

BOOST_AUTO_TEST_CASE(a_line_is_a_sentence_only_where_that_is_said) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    auto const sentences = [&](char const* name, bmae::TokenStoreOptions options) {
        bmae::TokenStoreBuilder builder(scratch / name, tokenizer, std::move(options));
        builder.add({.id = "d", .text = "One two. Three four.\n \nFive. Six"});
        return builder.finish().sentences;
    };
    BOOST_TEST(sentences("default", {}) == 4U);
    BOOST_TEST(sentences("splitter", {.split = bmae::SentenceSplitter()}) == 4U);
    BOOST_TEST(sentences("lines", {.split = bmae::OneSentencePerLine{}}) == 2U);
    BOOST_CHECK_EXCEPTION(sentences("nothing", {.split = nullptr}), bmae::InputError,
                          [](bmae::Error const& error) { return names(error, "how lines become sentences"); });
    BOOST_TEST(!fs::exists(scratch / "nothing"));
}

BOOST_AUTO_TEST_CASE(every_flip_and_every_cut_is_found) {
    Scratch const scratch;
    build_rich(scratch / "store");
    auto const good = contents(scratch / "store");
    BOOST_TEST(good.size() == 13U);
    for (auto const& [name, content] : good) {
        fs::path const path = scratch / "store" / name;
        for (std::size_t at = 0; at < content.size(); ++at) {
            std::string bad = content;
            bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
            replace_file(path, bad);
            BOOST_CHECK_EXCEPTION(
                static_cast<void>(bmae::TokenStore::open(scratch / "store", bmae::Verify::full)), bmae::InputError,
                [&](bmae::InputError const& error) { return names(error, name) || names(error, "manifest.json"); });
            try {   // a quick look may miss it, but must not read outside the files
                auto const store = bmae::TokenStore::open(scratch / "store");
                for (std::size_t i = 0; i < store.size(); ++i) { static_cast<void>(store.example(i, 3)); }
            } catch (bmae::InputError const&) {}
            if (at == 200 && name == "continues_word") { break; }   // 1000 equal bytes: the first ones will do
        }
        for (std::size_t const size : {std::size_t{0}, content.size() / 2, content.size() - 1}) {
            if (content.empty() || size >= content.size()) { continue; }
            replace_file(path, content.substr(0, size));
            BOOST_CHECK_THROW(static_cast<void>(bmae::TokenStore::open(scratch / "store")), bmae::InputError);
        }
        replace_file(path, content + 'x');
        BOOST_CHECK_THROW(static_cast<void>(bmae::TokenStore::open(scratch / "store")), bmae::InputError);
        fs::remove(path);
        BOOST_CHECK_THROW(static_cast<void>(bmae::TokenStore::open(scratch / "store")), bmae::InputError);
        replace_file(path, content);
    }
    static_cast<void>(bmae::TokenStore::open(scratch / "store", bmae::Verify::full));
}

BOOST_AUTO_TEST_CASE(other_versions_and_other_folders_are_told_apart) {
    Scratch const scratch;
    build_rich(scratch / "store");
    fs::path const manifest = scratch / "store" / "manifest.json";
    std::string text = bmae::detail::read_file(manifest);
    text.replace(text.find("\"version\": 1"), 12, "\"version\": 2");
    replace_file(manifest, text);
    BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::TokenStore::open(scratch / "store")), bmae::InputError,
                          [](auto const& error) { return names(error, "found version 2"); });
    replace_file(manifest, "{}");
    BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::TokenStore::open(scratch / "store")), bmae::InputError,
                          [](auto const& error) { return names(error, "another JSON file"); });
    BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::TokenStore::open(scratch.path())), bmae::InputError,
                          [](auto const& error) { return names(error, "without manifest.json"); });
    BOOST_CHECK_THROW(static_cast<void>(bmae::TokenStore::open(scratch / "nothing")), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(nothing_is_written_over_and_nothing_is_left_half_done) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    auto const entries = [&] { return std::distance(fs::directory_iterator(scratch.path()), fs::directory_iterator()); };
    {
        bmae::TokenStoreBuilder builder(scratch / "dropped", tokenizer);
        builder.add({.id = "d", .text = "a b"});
    }
    BOOST_TEST(entries() == 0);
    build_rich(scratch / "store");
    auto const before = contents(scratch / "store");
    BOOST_CHECK_EXCEPTION(bmae::TokenStoreBuilder(scratch / "store", tokenizer), bmae::InputError,
                          [](auto const& error) { return names(error, "folder that holds"); });
    BOOST_TEST((contents(scratch / "store") == before));
    replace_file(scratch / "file", "x");
    BOOST_CHECK_THROW(bmae::TokenStoreBuilder(scratch / "file", tokenizer), bmae::InputError);
    BOOST_CHECK_THROW(bmae::TokenStoreBuilder(scratch / "file" / "store", tokenizer), bmae::InputError);   // as good as read-only
    fs::create_directory(scratch / "ready");
    build_rich(scratch / "ready");
    BOOST_TEST((contents(scratch / "ready") == before));
    {
        bmae::TokenStoreBuilder builder(scratch / "void", tokenizer);
        builder.add({.id = "d", .text = " "});
        BOOST_CHECK_THROW(builder.finish(), bmae::InputError);
    }
    BOOST_TEST(entries() == 3);
    BOOST_CHECK_THROW(bmae::TokenStoreBuilder(scratch / "x", tokenizer, with_length(2)), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(two_programs_cannot_fill_one_folder_and_a_killed_one_does_not_block_it) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    {
        bmae::TokenStoreBuilder builder(scratch / "store", tokenizer);
        BOOST_CHECK_EXCEPTION(bmae::TokenStoreBuilder(scratch / "store", tokenizer), bmae::InUseError,
                              [](auto const& error) { return names(error, "another program"); });
    }
    pid_t const child = ::fork();
    if (child == 0) {
        bmae::TokenStoreWriter writer(scratch / "store", tokenizer.traits(), 0);
        writer.add({.id = "d", .tokens = {5, 6}, .sentence_ends = {2}});
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(WIFSIGNALED(status));
    BOOST_TEST(fs::exists(scratch / "store.partial"));
    BOOST_TEST(!fs::exists(scratch / "store"));
    build_rich(scratch / "store");
    BOOST_TEST(!fs::exists(scratch / "store.partial"));
    static_cast<void>(bmae::TokenStore::open(scratch / "store", bmae::Verify::full));
    fs::create_directory(scratch / "mine.partial");   // somebody's own folder is not taken for a rest
    replace_file(scratch / "mine.partial" / "thesis", "x");
    BOOST_CHECK_THROW(bmae::TokenStoreBuilder(scratch / "mine", tokenizer), bmae::InputError);
    BOOST_TEST(fs::exists(scratch / "mine.partial" / "thesis"));
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_reported_and_leaves_nothing) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    for (rlim_t const limit : {rlim_t{0}, rlim_t{4096}, rlim_t{100'000}, rlim_t{1'000'000}}) {
        pid_t const child = ::fork();   // the limit must not touch the test program
        if (child == 0) {
            std::signal(SIGXFSZ, SIG_IGN);
            rlimit const value{limit, limit};
            ::setrlimit(RLIMIT_FSIZE, &value);
            int result = 1;
            try {
                bmae::TokenStoreBuilder builder(scratch / "store", tokenizer, {.threads = 2});
                std::string text;
                for (int i = 0; i < 400; ++i) { text += "word" + std::to_string(i) + ' '; }
                for (int i = 0; i < 2000; ++i) { builder.add({.id = std::to_string(i), .text = text}); }
                builder.finish();
            } catch (bmae::InputError const& error) {
                result = names(error, "ulimit -f") && names(error, "store") ? 42 : 2;
            } catch (...) { result = 3; }
            ::_exit(result);
        }
        int status = 0;
        BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
        BOOST_TEST((WIFEXITED(status) && WEXITSTATUS(status) == 42));
        BOOST_TEST(fs::is_empty(scratch.path()));
    }
}

BOOST_AUTO_TEST_CASE(failures_of_parts_reach_the_caller) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    for (unsigned const threads : {1U, 3U}) {
        bmae::TokenStoreBuilder builder(scratch / "store", tokenizer,
                                        {.split = [](std::string_view text) -> std::vector<bmae::ByteSpan> {
                                             if (text == "bad") { throw bmae::InputError("no sentence"); }
                                             return {{0, text.size()}};
                                         },
                                         .threads = threads});
        BOOST_CHECK_THROW(
            {
                for (int i = 0; i < 5000; ++i) { builder.add({.id = "d", .text = i == 700 ? "bad" : "good"}); }
                builder.finish();
            },
            bmae::InputError);
    }
    bmae::TokenStoreWriter writer(scratch / "store", tokenizer.traits(), 0);
    BOOST_CHECK_THROW(writer.add({.id = "d", .tokens = {5, 1000}, .sentence_ends = {2}}), bmae::InputError);
    BOOST_CHECK_THROW(writer.add({.id = "d", .tokens = {5, -1}, .sentence_ends = {2}}), bmae::InputError);
    BOOST_CHECK_THROW(writer.add({.id = "d", .tokens = {5, 6}, .sentence_ends = {1}}), bmae::InputError);
    BOOST_CHECK_THROW(writer.add({.id = "d", .tokens = {5, 6}, .sentence_ends = {1, 1, 2}}), bmae::InputError);
    BOOST_TEST(!fs::exists(scratch / "store"));
}

BOOST_AUTO_TEST_SUITE_END()
