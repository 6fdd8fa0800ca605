// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/text/pair_store.hpp>

#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/text/pair_store_writer.hpp>
#include <bmae/text/token_store_builder.hpp>

#include "../blank_tokenizer.hpp"
#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(pair_store)

namespace {

namespace fs = std::filesystem;
using Scratch = test::ScratchFolder;
using test::BlankTokenizer;
using Numbers = std::vector<std::uint32_t>;
using Ids = std::vector<bmae::TokenId>;

constexpr float none = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<T> copy(std::span<T const> values) {
    return {values.begin(), values.end()};
}

/// A store that has everything: four texts of which one comes twice, three queries, scores for some pairs.
bmae::PairStoreStatistics build_rich(fs::path const& folder) {
    BlankTokenizer const tokenizer;
    bmae::PairStoreWriter writer(folder, tokenizer);
    writer.source("a test");
    std::uint32_t const a = writer.add_text("a", tokenizer.encode("alpha beta"));
    std::uint32_t const b = writer.add_text("b", tokenizer.encode("beta gamma delta"));
    std::uint32_t const again = writer.add_text("c", tokenizer.encode("alpha beta"));
    std::uint32_t const d = writer.add_text("d\xc3\xa4", tokenizer.encode("delta"));
    std::uint32_t const nameless = writer.add_text("", tokenizer.encode("epsilon"));
    BOOST_TEST(again == a);
    BOOST_TEST(writer.add_text("e", {}) == bmae::PairStoreWriter::no_text);
    writer.add({.id = "q1",
                .tokens = tokenizer.encode("what is alpha"),
                .positives = {a, b},
                .negatives = {nameless, d},
                .positive_scores = {2.5F, none},
                .negative_scores = {none, -1}});
    writer.add({.id = "q2", .tokens = tokenizer.encode("what"), .positives = {d}});
    writer.add({.id = "", .tokens = tokenizer.encode("is beta"), .positives = {b}, .negatives = {a, d}});
    return writer.finish();
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

auto says(std::string part) {
    return [part = std::move(part)](bmae::Error const& error) {
        bool const found = std::string_view(error.what()).find(part) != std::string_view::npos;
        if (!found) { BOOST_TEST_MESSAGE("the message was: " << error.what()); }
        return found;
    };
}

/// Writes a file of the store anew, with the size and checksum that fit it: what only the check of every number can find.
void forge(fs::path const& folder, std::string const& name, std::string const& content) {
    replace_file(folder / name, content);
    auto manifest = bmae::detail::pair_format::manifest_from(bmae::detail::read_file(folder / "manifest.json"), "manifest.json");
    manifest.files[name] = {content.size(), bmae::detail::xxh64(content)};
    replace_file(folder / "manifest.json", bmae::detail::pair_format::to_text(manifest));
}

/// The same with one element of type T changed.
template <class T>
void forge_element(fs::path const& folder, std::string const& name, std::size_t place, T value) {
    std::string content = bmae::detail::read_file(folder / name);
    std::memcpy(content.data() + place * sizeof(T), &value, sizeof value);
    forge(folder, name, content);
}

}  // namespace

BOOST_AUTO_TEST_CASE(prompts_are_kept_and_absent_where_there_are_none) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    for (bool const prompted : {false, true}) {
        fs::path const folder = scratch / (prompted ? "prompted" : "plain");
        bmae::PairStoreWriter writer(folder, tokenizer);
        if (prompted) { writer.prompts("query: ", ""); }
        writer.add(
            {.id = "q", .tokens = tokenizer.encode("what"), .positives = {writer.add_text("a", tokenizer.encode("alpha"))}});
        writer.finish();
        auto const store = bmae::PairStore::open(folder, bmae::Verify::full);
        BOOST_TEST(store.query_prompt() == (prompted ? "query: " : ""));
        BOOST_TEST(store.document_prompt() == "");
        bool const told = bmae::detail::read_file(folder / "manifest.json").find("\"prompts\"") != std::string::npos;
        BOOST_TEST(told == prompted);
    }
}

BOOST_AUTO_TEST_CASE(what_goes_in_comes_out) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    bmae::PairStoreStatistics const counts = build_rich(scratch / "store");
    for (bmae::Verify const verify : {bmae::Verify::quick, bmae::Verify::full}) {
        auto const opened = bmae::PairStore::open(scratch / "store", verify);
        BOOST_TEST((opened.statistics() == counts));
        BOOST_TEST(opened.size() == 3U);
        BOOST_TEST(opened.texts() == 4U);
        BOOST_TEST(opened.source() == "a test");
        BOOST_TEST(opened.query_id(0) == "q1");
        BOOST_TEST(opened.query_id(2) == "");
        BOOST_TEST(opened.text_id(0) == "a");
        BOOST_TEST(opened.text_id(2) == "d\xc3\xa4");
        BOOST_TEST(opened.text_id(3) == "");
        BOOST_TEST(opened.query_length(0) == 3U);
        BOOST_TEST(opened.has_teacher_scores());
        BOOST_TEST(opened.traits().special().cls == 2);
        bmae::PairExample const first = opened.example(0);
        BOOST_TEST(first.id == 0U);
        BOOST_TEST((copy(first.query) == tokenizer.encode("what is alpha")));
        BOOST_TEST((copy(first.positives) == Numbers{0, 1}));
        BOOST_TEST((copy(first.negatives) == Numbers{3, 2}));
        BOOST_REQUIRE(first.positive_scores.size() == 2U);
        BOOST_TEST(first.positive_scores[0] == 2.5F);
        BOOST_TEST(std::isnan(first.positive_scores[1]));
        BOOST_REQUIRE(first.negative_scores.size() == 2U);
        BOOST_TEST(std::isnan(first.negative_scores[0]));
        BOOST_TEST(first.negative_scores[1] == -1.0F);
        BOOST_TEST(first.texts.size() == 4U);
        BOOST_TEST((copy(first.texts[0]) == tokenizer.encode("alpha beta")));
        BOOST_TEST((copy(first.texts[3]) == tokenizer.encode("epsilon")));
        BOOST_CHECK_THROW(static_cast<void>(first.texts[4]), bmae::InputError);
        bmae::PairExample const second = opened.example(1);
        BOOST_TEST(second.negatives.empty());
        BOOST_REQUIRE(second.positive_scores.size() == 1U);   // of a query that the teacher did not see
        BOOST_TEST(std::isnan(second.positive_scores[0]));
        BOOST_TEST((copy(opened.example(2).negatives) == Numbers{0, 2}));
        BOOST_TEST((copy(second.texts[second.positives[0]]) == tokenizer.encode("delta")));
        BOOST_CHECK_EXCEPTION(static_cast<void>(opened.example(3)), bmae::InputError, says("a query below 3, found 3"));
        BOOST_CHECK_EXCEPTION(static_cast<void>(opened.text_id(4)), bmae::InputError, says("a text below 4, found 4"));
        opened.require_tokenizer(tokenizer);
        BOOST_CHECK_EXCEPTION(opened.require_tokenizer(BlankTokenizer(999), "there"), bmae::InputError,
                              says("the tokenizer of there"));
    }
    BOOST_TEST(counts.positives == 4U);
    BOOST_TEST(counts.negatives == 4U);
    BOOST_TEST(counts.scores == 2U);
    BOOST_TEST(counts.queries_with_scores == 1U);
    BOOST_TEST(counts.queries_without_negatives == 1U);
    BOOST_TEST(counts.equal_texts == 1U);
    BOOST_TEST(counts.empty_texts == 1U);
    BOOST_TEST(counts.query_tokens == 6U);
    BOOST_TEST(counts.text_tokens == 7U);
    BOOST_TEST(counts.longest_query == 3U);
    BOOST_TEST(counts.longest_text == 3U);
}

BOOST_AUTO_TEST_CASE(sources_and_the_kind_of_labels_are_kept_where_they_are_told) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    bmae::PairStoreWriter writer(scratch / "store", tokenizer);
    writer.keep_sources();
    writer.labels(bmae::PairLabels::similarity);
    std::uint32_t const a = writer.add_text("", tokenizer.encode("alpha beta"));
    std::uint32_t const b = writer.add_text("", tokenizer.encode("gamma"));
    writer.add({.id = "1", .tokens = tokenizer.encode("alpha"), .positives = {a}, .positive_scores = {4.5F}, .source = 2});
    writer.add({.id = "2", .tokens = tokenizer.encode("beta"), .positives = {b}, .positive_scores = {0}, .source = 0});
    writer.finish();
    auto const store = bmae::PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_TEST(store.has_sources());
    BOOST_TEST(store.has_similarities());
    BOOST_TEST(store.source_of(0) == 2U);
    BOOST_TEST(store.source_of(1) == 0U);
    BOOST_TEST(store.example(0).positive_scores[0] == 4.5F);
    BOOST_CHECK_EXCEPTION(static_cast<void>(store.source_of(2)), bmae::InputError, says("a query below 2, found 2"));
    forge(scratch / "store", "query_sources", "short");
    BOOST_CHECK_EXCEPTION(bmae::PairStore::open(scratch / "store"), bmae::InputError, says("query_sources"));
    build_rich(scratch / "plain");
    auto const plain = bmae::PairStore::open(scratch / "plain");
    BOOST_TEST(!plain.has_sources());
    BOOST_TEST(!plain.has_similarities());
    BOOST_TEST(!fs::exists(scratch / "plain" / "query_sources"));
    BOOST_CHECK_EXCEPTION(static_cast<void>(plain.source_of(0)), bmae::InputError, says("--keep-sources"));
}

BOOST_AUTO_TEST_CASE(a_store_of_scored_pairs_has_one_text_of_each_query) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    bmae::PairStoreWriter writer(scratch / "store", tokenizer);
    writer.labels(bmae::PairLabels::similarity);
    std::uint32_t const a = writer.add_text("", tokenizer.encode("alpha beta"));
    std::uint32_t const b = writer.add_text("", tokenizer.encode("gamma"));
    writer.add({.id = "1", .tokens = tokenizer.encode("alpha"), .positives = {a, b}, .positive_scores = {4.5F, 1}});
    writer.finish();
    BOOST_CHECK_EXCEPTION(bmae::PairStore::open(scratch / "store", bmae::Verify::full), bmae::InputError,
                          says("one text of each query"));
}

BOOST_AUTO_TEST_CASE(a_moved_store_keeps_what_it_handed_out) {
    Scratch const scratch;
    build_rich(scratch / "store");
    auto store = bmae::PairStore::open(scratch / "store");
    bmae::PairExample const example = store.example(0);
    bmae::PairStore const moved = std::move(store);
    BOOST_TEST(moved.example(0).query.data() == example.query.data());
    BOOST_TEST(moved.example(0).texts[0].data() == example.texts[0].data());
}

BOOST_AUTO_TEST_CASE(without_a_teacher_there_are_no_scores) {
    Scratch const scratch;
    bmae::PairStoreWriter writer(scratch / "store", BlankTokenizer().traits(), 7);
    writer.add_text("a", Ids{5});
    writer.add({.id = "q", .tokens = {6}, .positives = {0}, .positive_scores = {none}});
    writer.finish();
    auto const store = bmae::PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_TEST(!store.has_teacher_scores());
    BOOST_TEST(store.example(0).positive_scores.empty());
    BOOST_TEST(!fs::exists(scratch / "store" / "positive_scores"));
    BOOST_TEST(store.fingerprint() == 7U);
}

BOOST_AUTO_TEST_CASE(what_comes_twice_or_contradicts_is_left_out_and_counted) {
    Scratch const scratch;
    bmae::PairStoreWriter writer(scratch / "store", BlankTokenizer().traits(), 0);
    for (bmae::TokenId id = 10; id < 15; ++id) { writer.add_text({}, Ids{id}); }
    writer.add({.id = "q",
                .tokens = {6},
                .positives = {1, 0, 1},
                .negatives = {4, 1, 3, 4, 0, 2},
                .positive_scores = {none, 2, 1},   // the second place of text 1 has the score that the first lacks
                .negative_scores = {5, 9, 4, 6, 9, none}});
    writer.add({.id = "nothing", .tokens = {6}});
    writer.add({.id = "empty", .positives = {1}});
    writer.add({.id = "next", .tokens = {7}, .positives = {4}, .negatives = {1, 0}});   // what one query had, another may have
    bmae::PairStoreStatistics const counts = writer.finish();
    BOOST_TEST(counts.queries == 2U);
    BOOST_TEST(counts.repeated_positives == 1U);
    BOOST_TEST(counts.repeated_negatives == 1U);
    BOOST_TEST(counts.relevant_negatives == 2U);
    BOOST_TEST(counts.queries_without_positives == 1U);
    BOOST_TEST(counts.empty_queries == 1U);
    auto const store = bmae::PairStore::open(scratch / "store", bmae::Verify::full);
    bmae::PairExample const example = store.example(0);
    BOOST_TEST((copy(example.positives) == Numbers{1, 0}));
    BOOST_TEST((copy(example.positive_scores) == std::vector<float>{1, 2}));
    BOOST_TEST((copy(example.negatives) == Numbers{4, 3, 2}));
    BOOST_TEST(example.negative_scores[0] == 5.0F);
    BOOST_TEST(example.negative_scores[1] == 4.0F);
    BOOST_TEST((copy(store.example(1).negatives) == Numbers{1, 0}));
}

BOOST_AUTO_TEST_CASE(many_texts_are_numbered_and_found_again) {
    Scratch const scratch;
    bmae::PairStoreWriter writer(scratch / "store", BlankTokenizer(100'000).traits(), 0);
    auto const text = [](std::uint32_t i) {   // some share a beginning, some are the beginning of others
        Ids ids(1 + i % 40, 7);
        ids.back() = static_cast<bmae::TokenId>(8 + i);
        return ids;
    };
    for (int round = 0; round < 2; ++round) {   // 120,000 tokens and more leave the buffer: some are read back from the disk
        for (std::uint32_t i = 0; i < 20'000; ++i) { BOOST_REQUIRE(writer.add_text(std::to_string(i), text(i)) == i); }
    }
    writer.add({.id = "q", .tokens = {6}, .positives = {19'999}, .negatives = {0}});
    BOOST_TEST(writer.finish().equal_texts == 20'000U);
    auto const store = bmae::PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_TEST(store.texts() == 20'000U);
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        BOOST_REQUIRE((copy(store.all_texts()[i]) == text(i)));
        BOOST_REQUIRE(store.text_id(i) == std::to_string(i));
    }
}

BOOST_AUTO_TEST_CASE(the_content_hash_tells_contents_apart_and_nothing_else) {
    Scratch const scratch;
    auto const hash_of = [&](std::string const& name, std::string const& source, bmae::TokenId token, std::uint64_t fingerprint) {
        bmae::PairStoreWriter writer(scratch / name, BlankTokenizer().traits(), fingerprint);
        writer.source(source);
        writer.add_text("a", Ids{5});
        writer.add({.id = "q", .tokens = {token}, .positives = {0}});
        writer.finish();
        return bmae::PairStore::open(scratch / name).content_hash();
    };
    std::uint64_t const first = hash_of("1", "here", 6, 1);
    BOOST_TEST(hash_of("2", "there", 6, 1) == first);
    BOOST_TEST(hash_of("3", "here", 7, 1) != first);
    BOOST_TEST(hash_of("4", "here", 6, 2) != first);
}

BOOST_AUTO_TEST_CASE(every_flip_and_every_cut_is_found) {
    Scratch const scratch;
    fs::path const folder = scratch / "store";
    build_rich(folder);
    auto const good = contents(folder);
    BOOST_TEST(good.size() == 13U);
    for (auto const& [name, content] : good) {
        fs::path const path = folder / name;
        auto const names_it = [&](bmae::InputError const& error) {
            std::string_view const message = error.what();
            return message.find(name) != std::string_view::npos || message.find("manifest.json") != std::string_view::npos;
        };
        for (std::size_t at = 0; at < content.size(); ++at) {
            std::string bad = content;
            bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
            replace_file(path, bad);
            BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::PairStore::open(folder, bmae::Verify::full)), bmae::InputError,
                                  names_it);
            try {   // a quick look may miss it, but must not read outside the files
                auto const store = bmae::PairStore::open(folder);
                for (std::size_t i = 0; i < store.size(); ++i) {
                    bmae::PairExample const example = store.example(i);
                    for (std::uint32_t const number : example.positives) { static_cast<void>(example.texts[number]); }
                    static_cast<void>(store.query_id(i));
                }
                for (std::size_t i = 0; i < store.texts(); ++i) { static_cast<void>(store.text_id(i)); }
            } catch (bmae::InputError const&) {}
            if (at == 200 && name == "continues_word") { break; }   // 1000 equal bytes: the first ones will do
        }
        for (std::size_t const size : {std::size_t{0}, content.size() / 2, content.size() - 1}) {
            if (content.empty() || size >= content.size()) { continue; }
            replace_file(path, content.substr(0, size));
            BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::PairStore::open(folder)), bmae::InputError, names_it);
        }
        replace_file(path, content + 'x');
        BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::PairStore::open(folder)), bmae::InputError, names_it);
        fs::remove(path);
        BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::PairStore::open(folder)), bmae::InputError, names_it);
        replace_file(path, content);
    }
    static_cast<void>(bmae::PairStore::open(folder, bmae::Verify::full));
}

// Files whose checksums are right, as a faulty writer would leave them.
BOOST_AUTO_TEST_CASE(wrong_numbers_behind_right_checksums_are_found) {
    Scratch const scratch;
    std::size_t count = 0;
    auto const check = [&](auto change, std::string const& file, std::string const& message) {
        fs::path const folder = scratch / std::to_string(count++);
        build_rich(folder);
        change(folder);
        static_cast<void>(bmae::PairStore::open(folder));
        BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::PairStore::open(folder, bmae::Verify::full)), bmae::InputError,
                              says((folder / file).string() + ": expected"));
        BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::PairStore::open(folder, bmae::Verify::full)), bmae::InputError,
                              says(message));
    };
    auto const element = [](std::string const& name, std::size_t place, auto value) {
        return [=](fs::path const& folder) { forge_element(folder, name, place, value); };
    };
    check(element("texts", 2, std::int32_t{1000}), "texts", "ids below 1000, found 1000");
    check(element("queries", 0, std::int32_t{-1}), "queries", "ids below 1000, found -1");
    check(element("positives", 1, std::uint32_t{4}), "positives", "numbers of texts below 4, found 4");
    check(element("positives", 1, std::uint32_t{0}), "positives", "every text once per query, found 0 again");
    check(element("negatives", 0, std::uint32_t{1}), "negatives", "every text once per query, found 1 again");
    check(element("text_ends", 1, std::uint64_t{2}), "text_ends", "found 2 after 2");
    check(element("text_ends", 3, std::uint64_t{8}), "text_ends", "up to 7");
    check(element("text_id_ends", 3, std::uint64_t{3}), "text_id_ends", "found 3 after 5");
    check(element("negative_scores", 0, std::numeric_limits<float>::infinity()), "negative_scores", "an infinite one");
    check(element("negative_scores", 0, 1.0F), "manifest.json", "3 scores");
    check(element("query_rows", 4, std::uint64_t{4}), "query_rows", "a query with a token");   // the token of row 1
    check(element("query_rows", 12, std::uint64_t{5}), "query_rows", "cover the data");        // the last end
}

BOOST_AUTO_TEST_CASE(stores_of_another_kind_or_version_are_told_apart) {
    Scratch const scratch;
    build_rich(scratch / "pairs");
    BlankTokenizer const tokenizer;
    {
        bmae::TokenStoreBuilder builder(scratch / "tokens", tokenizer);
        builder.add({.id = "d", .text = "a b"});
        builder.finish();
    }
    BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::PairStore::open(scratch / "tokens")), bmae::InputError,
                          says("expected the manifest of a pair store, found that of a 'bmae token store'"));
    fs::path const manifest = scratch / "pairs" / "manifest.json";
    std::string text = bmae::detail::read_file(manifest);
    text.replace(text.find("\"version\": 1"), 12, "\"version\": 9");
    replace_file(manifest, text);
    BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::PairStore::open(scratch / "pairs")), bmae::InputError, says("found version 9"));
    BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::PairStore::open(scratch.path())), bmae::InputError,
                          says("a folder without manifest.json"));
    BOOST_CHECK_THROW(static_cast<void>(bmae::PairStore::open(scratch / "nothing")), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(nothing_is_written_over_and_nothing_is_left_half_done) {
    Scratch const scratch;
    BlankTokenizer const tokenizer;
    {
        bmae::PairStoreWriter writer(scratch / "dropped", tokenizer);
        writer.add_text("a", Ids{5});
        writer.add({.id = "q", .tokens = {6}, .positives = {0}});
    }
    {
        bmae::PairStoreWriter writer(scratch / "void", tokenizer);
        writer.add_text("a", Ids{5});
        writer.add({.id = "q", .tokens = {6}});
        BOOST_CHECK_EXCEPTION(writer.finish(), bmae::InputError, says("1 queries without a relevant text"));
    }
    BOOST_TEST(fs::is_empty(scratch.path()));
    build_rich(scratch / "store");
    auto const before = contents(scratch / "store");
    BOOST_CHECK_EXCEPTION(bmae::PairStoreWriter(scratch / "store", tokenizer), bmae::InputError, says("folder that holds"));
    BOOST_TEST((contents(scratch / "store") == before));
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_reported_and_leaves_nothing) {
    Scratch const scratch;
    for (rlim_t const limit : {rlim_t{0}, rlim_t{4096}, rlim_t{100'000}, rlim_t{1'000'000}}) {
        pid_t const child = ::fork();   // the limit must not touch the test program
        if (child == 0) {
            std::signal(SIGXFSZ, SIG_IGN);
            rlimit const value{limit, limit};
            ::setrlimit(RLIMIT_FSIZE, &value);
            int result = 1;
            try {
                bmae::PairStoreWriter writer(scratch / "store", BlankTokenizer(100'000).traits(), 0);
                for (bmae::TokenId i = 0; i < 20'000; ++i) { writer.add_text("text", Ids(20, i + 5)); }
                for (std::uint32_t i = 0; i < 20'000; ++i) { writer.add({.id = "query", .tokens = Ids(9, 6), .positives = {i}}); }
                writer.finish();
            } catch (bmae::InputError const& error) {
                result = says("ulimit -f")(error) && says("store")(error) ? 42 : 2;
            } catch (...) { result = 3; }
            ::_exit(result);
        }
        int status = 0;
        BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
        BOOST_TEST((WIFEXITED(status) && WEXITSTATUS(status) == 42));
        BOOST_TEST(fs::is_empty(scratch.path()));
    }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_by_name) {
    Scratch const scratch;
    bmae::PairStoreWriter writer(scratch / "store", BlankTokenizer().traits(), 0);
    BOOST_CHECK_EXCEPTION(writer.add_text("t", Ids{5, 1000}), bmae::InputError, says("text 't': expected token ids"));
    BOOST_CHECK_EXCEPTION(writer.add_text("t", Ids{-1}), bmae::InputError, says("found -1"));
    writer.add_text("t", Ids{5});
    auto const refuses = [&](bmae::PairQuery query, std::string const& message) {
        query.id = "q";
        BOOST_CHECK_EXCEPTION(writer.add(query), bmae::InputError, says("query 'q': expected " + message));
    };
    refuses({.id = {}, .tokens = {1000}, .positives = {0}}, "token ids");
    refuses({.id = {}, .tokens = {6}, .positives = {1}}, "numbers of texts below 1, found 1");
    refuses({.id = {}, .tokens = {6}, .positives = {0}, .negatives = {bmae::PairStoreWriter::no_text}}, "numbers of texts");
    refuses({.id = {}, .tokens = {6}, .positives = {0}, .positive_scores = {1, 2}}, "1 scores, one for each text, found 2");
    refuses({.id = {}, .tokens = {6}, .positives = {0}, .positive_scores = {std::numeric_limits<float>::infinity()}},
            "finite scores");
    BOOST_TEST(writer.statistics().queries == 0U);
}

BOOST_AUTO_TEST_CASE(packed_texts_check_what_they_are_asked_for) {
    Ids const tokens{5, 6, 7};
    std::vector<std::uint64_t> ends{2, 3};
    bmae::PackedTexts const texts(tokens, ends);
    BOOST_TEST(texts.size() == 2U);
    BOOST_TEST((copy(texts[0]) == Ids{5, 6}));
    BOOST_TEST((copy(texts[1]) == Ids{7}));
    BOOST_CHECK_EXCEPTION(static_cast<void>(texts[2]), bmae::InputError, says("a text below 2, found 2"));
    ends[1] = 4;
    BOOST_CHECK_EXCEPTION(static_cast<void>(texts[1]), bmae::InputError, says("text 1 from 2 to 4"));
    ends[1] = 1;
    BOOST_CHECK_THROW(static_cast<void>(texts[1]), bmae::InputError);
    BOOST_TEST(bmae::PackedTexts().empty());
}

BOOST_AUTO_TEST_SUITE_END()
