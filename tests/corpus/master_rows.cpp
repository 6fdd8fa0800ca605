// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/corpus/master_rows.hpp: rows to a token store and back.
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corpus/master_rows.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/text/token_store.hpp>

#include <corpus/scratch.hpp>
#include <corpus/summary.hpp>

BOOST_AUTO_TEST_SUITE(master_rows)

namespace {

using namespace bmae;
using Ids = std::vector<TokenId>;
using test::says;
using test::skipping;

TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(100, 0));
void equal(std::span<TokenId const> found, Ids const& expected) {
    BOOST_TEST(Ids(found.begin(), found.end()) == expected, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_CASE(rows_become_a_store) {
    test::Scratch const scratch;
    auto const file =
        scratch.file("rows.jsonl", R"({"text": [10, 11, 3, 20, 21, 22], "queries": [[30], [], [31, 32]], "next": [[40, 41]]})"
                                   "\n"
                                   "\n"
                                   R"({"text": [50], "queries": [], "next": [[]], "other": {"key": 1}})"
                                   "\n"
                                   R"({"text": [60, 61]})"
                                   "\n"
                                   R"({"text": []})"
                                   "\n");
    MasterRowReader reader(file, traits);
    TokenStoreWriter writer(scratch / "store", traits, 7, {.max_length = 128, .blocks = Blocks::whole_document});
    for (MasterRow row; reader.next(row);) { writer.add(to_tokenized_document(std::move(row), traits)); }
    MasterRow more;
    BOOST_TEST(!reader.next(more));
    BOOST_TEST(reader.report().records == 4U);
    TokenStoreStatistics const counts = writer.finish();
    BOOST_TEST(counts.documents == 3U);
    BOOST_TEST(counts.empty_documents == 1U);
    BOOST_TEST(counts.continuations == 1U);
    TokenStore const store = TokenStore::open(scratch / "store", Verify::full);
    Example const first = store.example(0, 126);
    equal(first.passage, {10, 11, 3, 20, 21, 22});
    BOOST_TEST(first.sentence_ends.size() == 2U);   // title and body
    BOOST_TEST(first.sentence_ends[0] == 3U);
    BOOST_TEST_REQUIRE(first.queries.size() == 2U);
    equal(first.queries[1], {31, 32});
    equal(first.continuation, {40, 41});   // pitfall 4: `next` is the continuation
    BOOST_TEST(first.next.empty());        // and no neighbor
    equal(store.example(1, 126).continuation, {});
    equal(store.example(2, 126).passage, {60, 61});
    BOOST_TEST(store.document_id(0).ends_with("rows.jsonl:1"));
    BOOST_TEST(store.document_id(1).ends_with("rows.jsonl:3"));
}

BOOST_AUTO_TEST_CASE(rows_read_back_as_they_were_written) {
    test::Scratch const scratch;
    MasterRow const row{.text = {10, 3, 11}, .queries = {{20}, {21, 22}}, .continuation = {30}};
    MasterRowWriter writer(scratch / "rows.jsonl");
    writer.add(row);
    writer.add({.text = {12}});
    writer.commit();
    BOOST_TEST(detail::read_file(scratch / "rows.jsonl") ==
               "{\"text\":[10,3,11],\"queries\":[[20],[21,22]],\"next\":[[30]]}\n{\"text\":[12],\"queries\":[],\"next\":[[]]}\n");
    MasterRowReader reader(scratch / "rows.jsonl", traits);
    MasterRow read;
    BOOST_TEST(reader.next(read));
    equal(read.text, row.text);
    BOOST_TEST_REQUIRE(read.queries.size() == 2U);
    equal(read.queries[1], row.queries[1]);
    equal(read.continuation, row.continuation);
    BOOST_TEST(reader.next(read));
    BOOST_TEST(read.continuation.empty());
    BOOST_TEST(!reader.next(read));
    BOOST_CHECK_THROW(MasterRowWriter(scratch / "rows.jsonl"), InputError);
}

BOOST_AUTO_TEST_CASE(faults_name_file_and_line) {
    test::Scratch const scratch;
    auto const refused = [&](std::string const& row, auto... parts) {
        auto const file = scratch.file("bad.jsonl", "{\"text\": [10]}\n" + row + "\n{\"text\": [11]}\n");
        MasterRow read;
        MasterRowReader strict(file, traits);
        BOOST_TEST(strict.next(read));
        BOOST_CHECK_EXCEPTION(strict.next(read), InputError, says("bad.jsonl:2", parts...));
        MasterRowReader lenient(file, traits, skipping);
        std::size_t rows = 0;
        while (lenient.next(read)) { ++rows; }
        BOOST_TEST(rows == 2U);
        BOOST_TEST(lenient.report().skipped == 1U);
    };
    refused(R"({"text": [10, 100]})", "below 100 under 'text'", "100", "tokenizer");
    refused(R"({"text": [10, -1]})", "-1");
    refused(R"({"text": [10, 1.5]})", "1.5");
    refused(R"({"text": [10], "queries": [[11], 12]})", "under 'queries'", "number");
    refused(R"({"text": [10], "queries": [["a"]]})", "under 'queries'");
    refused(R"({"text": [10], "next": [12]})", "under 'next'");
    refused(R"({"text": [10], "next": "words"})", "under 'next'", "string");
    refused(R"({"text": "words"})", "string", "jsonl");
    refused(R"({"contents": [10]})", "'text'");
    refused(R"({"text": [2, 10, 3]})", "[CLS]");
    refused(R"([10])", "a JSON array");
    refused(R"({"text": [10)", "not JSON");
    BOOST_CHECK_THROW(MasterRowReader(scratch / "absent", traits), InputError);
}

BOOST_AUTO_TEST_CASE(a_second_continuation_is_told) {
    test::Scratch const scratch;
    MasterRowReader reader(scratch.file("rows.jsonl", R"({"text": [10], "next": [[20], [21]]})"), traits);
    MasterRow row;
    BOOST_TEST(reader.next(row));
    equal(row.continuation, {20});
    BOOST_TEST(reader.report().warnings == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
