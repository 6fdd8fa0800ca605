// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/sources/field.hpp on stores that keep fields, and on one that keeps none.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/edge/text_coverage.hpp>
#include <bmae/sources/field.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_builder.hpp>

#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(fields)

using namespace bmae;
using Ids = std::vector<TokenId>;

namespace {

/// One token per letter.
struct LetterTokenizer {
    TokenTraits known = TokenTraits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(200, 0));
    [[nodiscard]] Ids encode(std::string_view text) const {
        Ids ids;
        for (char const c : text) {
            if (c != ' ') { ids.push_back(c); }
        }
        return ids;
    }
    [[nodiscard]] TokenTraits const& traits() const { return known; }
    [[nodiscard]] std::string_view token(TokenId) const { return "letter"; }
};
LetterTokenizer const tokenizer;

template <class S>
Ids read(Example const& example) {
    Draw draw({});
    return S{}.read(example, tokenizer.traits(), draw);
}

void equal(Ids const& found, std::string_view expected) {
    BOOST_TEST(found == tokenizer.encode(expected), boost::test_tools::per_element());
}

using Summary = Field<"summary">;
using Decision = Field<"decision">;
static_assert(Summary::name == "field_summary" && Summary::key == "summary" && Summary::needs == Needs::field);

}  // namespace

BOOST_AUTO_TEST_CASE(fields_of_records_are_read_by_name) {
    test::Scratch const scratch;
    std::filesystem::path const file =
        scratch.file("cases.jsonl", R"({"_id": "a", "text": "abc\ndef\nghi", "decision": "yes", "summary": "short"}
{"_id": "b", "text": "jkl", "summary": null}
{"_id": "c", "text": "mno", "decision": "no"}
)");
    JsonlReader reader(file, {}, {"summary", "decision"});
    TokenStoreBuilder builder(scratch / "store", tokenizer,
                              {.passages = {.max_length = 5}, .fields = {"summary", "decision"}, .threads = 1});
    for (Record record; reader.next(record); record = {}) { builder.add(to_document(std::move(record))); }
    builder.finish();
    TokenStore const store = TokenStore::open(scratch / "store", Verify::full);
    BOOST_TEST(store.fields() == (std::vector<std::string>{"summary", "decision"}), boost::test_tools::per_element());
    BOOST_REQUIRE(store.size() == 5U);
    for (std::size_t i = 0; i < 3; ++i) {   // every passage of the document has them
        equal(read<Summary>(store.example(i, 100)), "short");
        equal(read<Decision>(store.example(i, 100)), "yes");
        equal(read<Decision>(store.example(i, 2)), "ye");
    }
    equal(read<Summary>(store.example(3, 100)), "");
    equal(read<Decision>(store.example(3, 100)), "");
    equal(read<Decision>(store.example(4, 100)), "no");
    equal(read<Field<"title">>(store.example(0, 100)), "");
    BOOST_TEST(store.example(0, 100).field("summary").data() == store.field_tokens(0, 0).data());   // no copy

    BOOST_TEST(text_coverage(store, Needs::field, 0, "summary").with == 1U);
    BOOST_TEST(text_coverage(store, Needs::field, 0, "decision").with == 2U);
    BOOST_TEST(require_texts(store, Needs::field, "the branch", 0, "summary").empty());
    BOOST_CHECK_EXCEPTION(require_texts(store, Needs::field, "the branch", 0, "title"), InputError,
                          test::says("the field 'title' of the documents, which the branch reads"));
}

BOOST_AUTO_TEST_CASE(a_store_without_fields_is_as_before) {
    test::Scratch const scratch;
    TokenStoreBuilder builder(scratch / "store", tokenizer, {.threads = 1});
    builder.add({.id = "a", .text = "abc"});
    builder.finish();
    TokenStore const store = TokenStore::open(scratch / "store", Verify::full);
    BOOST_TEST(store.fields().empty());
    BOOST_TEST(!std::filesystem::exists(scratch / "store" / "fields"));
    BOOST_TEST(detail::read_file(scratch / "store" / "manifest.json").find("fields") == std::string::npos);
    equal(read<Summary>(store.example(0, 100)), "");
}

BOOST_AUTO_TEST_CASE(fields_that_do_not_fit_are_refused) {
    test::Scratch const scratch;
    auto const make = [&](std::vector<std::string> names) {
        return TokenStoreBuilder(scratch / "store", tokenizer, {.fields = std::move(names), .threads = 1});
    };
    BOOST_CHECK_EXCEPTION(make({"a", "b", "a"}), InputError, test::says("'a' twice"));
    BOOST_CHECK_THROW(make({""}), InputError);
    TokenStoreWriter writer(scratch / "store", tokenizer.traits(), 0);
    writer.fields({"a", "b"});
    BOOST_CHECK_THROW(writer.add({.id = "d", .tokens = {5}, .sentence_ends = {1}, .fields = {{5}}}), InputError);
    BOOST_CHECK_THROW(writer.add({.id = "d", .tokens = {5}, .sentence_ends = {1}, .fields = {{5}, {500}}}), InputError);
    writer.add({.id = "d", .tokens = {5}, .sentence_ends = {1}});
    writer.finish();
    TokenStore const store = TokenStore::open(scratch / "store", Verify::full);
    BOOST_TEST(store.field_tokens(0, 1).empty());
    JsonlReader reader(scratch.file("bad.jsonl", R"({"text": "abc", "summary": ["x"]})"), {}, {"summary"});
    Record record;
    BOOST_CHECK_EXCEPTION(reader.next(record), InputError, test::says("a string as summary"));
}

BOOST_AUTO_TEST_SUITE_END()
