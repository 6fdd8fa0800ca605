// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/sources/title_and_body.hpp on examples made by hand and on a store that was prepared with titles.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/edge/text_coverage.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/title_and_body.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_builder.hpp>

#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(title_and_body)

using namespace bmae;
using Ids = std::vector<TokenId>;

namespace {

constexpr TokenId sep = 3;
TokenTraits const letter_traits({.pad = 0, .unk = 1, .cls = 2, .sep = sep, .mask = 4}, std::vector<std::uint8_t>(200, 0));

template <class S>
Ids read(S const& source, Example const& example) {
    Draw draw({.seed = 1});
    return source.read(example, letter_traits, draw);
}

void equal(Ids const& found, Ids const& expected) { BOOST_TEST(found == expected, boost::test_tools::per_element()); }

/// One token per letter; '|' is [SEP], as the word "[SEP]" is to a real tokenizer.
struct LetterTokenizer {
    TokenTraits known = letter_traits;
    [[nodiscard]] Ids encode(std::string_view text) const {
        Ids ids;
        for (char const c : text) {
            if (c != ' ') { ids.push_back(c == '|' ? sep : static_cast<TokenId>(c)); }
        }
        return ids;
    }
    [[nodiscard]] TokenTraits const& traits() const { return known; }
    [[nodiscard]] std::string_view token(TokenId) const { return "letter"; }
};

Ids letters(std::string_view text) { return LetterTokenizer{}.encode(text); }

TokenStoreStatistics prepare(std::filesystem::path const& folder, std::vector<Record> const& records, TitleUse titles,
                             std::size_t max_length) {
    LetterTokenizer const tokenizer;
    TokenStoreBuilder builder(folder, tokenizer, {.passages = {.max_length = max_length}, .threads = 1});
    for (Record const& record : records) { builder.add(to_document(record, titles)); }
    return builder.finish();
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_title_stands_before_the_passage) {
    Ids const document = letters("TI|abcdef|gh");   // a second [SEP] belongs to the body
    std::span const all(document);
    TitleAndBody const source;
    equal(read(source, {.passage = all, .document = all}), document);
    equal(read(source, {.passage = all}), document);   // an example made by hand
    equal(read(source, {.passage = all.first(5), .document = all}), letters("TI|ab"));
    equal(read(source, {.passage = all.subspan(5, 3), .document = all, .passage_offset = 5}), letters("TI|cde"));
    // windows that begin or end within the title
    equal(read(source, {.passage = all.subspan(1, 4), .document = all, .passage_offset = 1}), letters("TI|ab"));
    equal(read(source, {.passage = all.subspan(2, 3), .document = all, .passage_offset = 2}), letters("TI|ab"));
    equal(read(source, {.passage = all.first(1), .document = all}), letters("TI"));
    equal(read(source, {.passage = all.first(3), .document = all}), letters("TI"));
    equal(read(TitleAndBody{.title_length = 1}, {.passage = all, .document = all}), letters("T|abcdef|gh"));
    equal(read(TitleAndBody{.title_length = 9}, {.passage = all, .document = all}), document);
}

BOOST_AUTO_TEST_CASE(without_a_part_the_other_stands_alone) {
    TitleAndBody const source;
    for (auto const& [text, expected] : {std::pair{"abc", "abc"}, {"|abc", "abc"}, {"TI|", "TI"}, {"|", ""}, {"", ""}}) {
        Ids const document = letters(text);
        equal(read(source, {.passage = document, .document = document}), letters(expected));
        equal(read(source, {.passage = document}), letters(expected));
    }
    equal(read(source, {}), {});
    Ids const text = letters("TI|abc");
    TokenTraits const bare({}, std::vector<std::uint8_t>(200, 0));   // no separator, so no title
    Draw draw({});
    equal(source.read({.passage = text}, bare, draw), text);
}

BOOST_AUTO_TEST_CASE(token_types_tell_the_parts_apart) {
    using Types = std::vector<std::uint8_t>;
    TitleAndBody const typed{.token_types = true};
    BOOST_TEST((typed.types_of(Ids{2, 'T', 'I', sep, 'a', 'b', sep}, letter_traits) == Types{0, 0, 0, 0, 1, 1, 1}));
    BOOST_TEST((typed.types_of(Ids{2, 'T', sep, 'a', sep, 'b', sep}, letter_traits) == Types{0, 0, 0, 1, 1, 1, 1}));
    BOOST_TEST((typed.types_of(Ids{2, 'a', 'b', sep}, letter_traits) == Types{0, 0, 0, 0}));   // one part: nothing to tell
    BOOST_TEST((typed.types_of(Ids{2, sep}, letter_traits) == Types{0, 0}));
    BOOST_TEST((typed.types_of(Ids{2, 'a'}, TokenTraits({}, Types(200, 0))) == Types{0, 0}));
    BOOST_TEST(TitleAndBody{}.types_of(Ids{2, 'T', sep, 'a', sep}, letter_traits).empty());
    // packed beside texts without any
    PackedView view;
    Ids const ids = {2, 'T', sep, 'a', sep};
    MaskedText const plain{.original_ids = ids, .input_ids = ids};
    view.append(plain);
    BOOST_TEST(view.token_types.empty());
    view.append(MaskedText{.original_ids = ids, .input_ids = ids, .types = typed.types_of(ids, letter_traits)});
    view.append(plain);
    BOOST_TEST((view.token_types == Types{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0}));
    PackedView joined;
    joined.append(plain);
    joined.append_all(view);
    joined.append(plain);
    BOOST_TEST(joined.token_types.size() == joined.tokens());
    BOOST_TEST((Types(joined.token_types.begin() + 5, joined.token_types.end() - 5) == view.token_types));
}

BOOST_AUTO_TEST_CASE(a_store_prepared_with_titles_as_sections) {
    test::Scratch const scratch;
    std::vector<Record> const records = {{.id = "1", .title = "TI", .text = "ab cd\nef"},
                                         {.id = "2", .text = "gh"},
                                         {.id = "3", .title = "NO", .text = " "},
                                         {.id = "4"}};
    TokenStoreStatistics const counts = prepare(scratch / "store", records, TitleUse::section, 8);
    BOOST_TEST(counts.documents == 3U);
    BOOST_TEST(counts.empty_documents == 1U);
    TokenStore const store = TokenStore::open(scratch / "store", Verify::full);
    equal(Ids(store.document_tokens(0).begin(), store.document_tokens(0).end()), letters("TI|abcdef"));
    BOOST_TEST(store.title(0) == "TI");
    BOOST_REQUIRE(store.size() == 4U);   // six tokens at most: title and "abcd" are seven
    std::vector<std::string> const expected = {"TI", "TI|abcdef", "gh", "NO"};
    for (std::size_t i = 0; i < store.size(); ++i) { equal(read(TitleAndBody{}, store.example(i, 6)), letters(expected[i])); }
    equal(read(Passage{}, store.example(1, 6)), letters("abcdef"));
    TitleCounts const titles = count_titles(store);
    BOOST_TEST(titles.documents == 3U);
    BOOST_TEST(titles.without_title == 1U);
    BOOST_TEST(titles.without_body == 1U);

    prepare(scratch / "names", records, TitleUse::name, 8);
    TokenStore const names = TokenStore::open(scratch / "names");
    BOOST_TEST(names.documents() == 2U);
    BOOST_TEST(count_titles(names).without_title == 2U);
    equal(read(TitleAndBody{}, names.example(0, 6)), letters("abcdef"));
}

BOOST_AUTO_TEST_CASE(a_store_without_titles_as_sections_is_refused) {
    test::Scratch const scratch;
    std::vector<Record> const records = {{.id = "1", .title = "TI", .text = "ab cd"}, {.id = "2", .title = "NO", .text = "ef"}};
    prepare(scratch / "sections", records, TitleUse::section, 20);
    BOOST_TEST(require_texts(TokenStore::open(scratch / "sections"), TitleAndBody::needs, "the branch").empty());
    for (TitleUse const use : {TitleUse::joined, TitleUse::name}) {
        prepare(scratch / std::string(to_string(use)), records, use, 20);
        TokenStore const store = TokenStore::open(scratch / std::string(to_string(use)));
        BOOST_TEST(text_coverage(store, TitleAndBody::needs).with == 0U);
        BOOST_CHECK_EXCEPTION(require_texts(store, TitleAndBody::needs, "the branch"), InputError, [](InputError const& error) {
            return error.diagnostic().expected == "documents that begin with their title and [SEP], which the branch reads" &&
                   error.diagnostic().found == "none in 2 documents" &&
                   error.diagnostic().hint.starts_with("bmae prepare --titles section");
        });
    }
}

BOOST_AUTO_TEST_CASE(separators_that_a_text_spells_out_do_not_end_its_title) {
    test::Scratch const scratch;
    std::vector<Record> const records = {{.id = "1", .title = "T|I", .text = "ab|cd"}, {.id = "2", .text = "ef|gh"}};
    prepare(scratch / "store", records, TitleUse::section, 20);
    TokenStore const store = TokenStore::open(scratch / "store");
    equal(Ids(store.document_tokens(0).begin(), store.document_tokens(0).end()), letters("TI|abcd"));
    BOOST_TEST(count_titles(store).without_title == 1U);
    prepare(scratch / "prefix", records, TitleUse::name, 20);   // elsewhere they stay
    TokenStore const plain = TokenStore::open(scratch / "prefix");
    equal(Ids(plain.document_tokens(1).begin(), plain.document_tokens(1).end()), letters("ef|gh"));
}

BOOST_AUTO_TEST_CASE(a_separator_is_needed_to_prepare_titles) {
    test::Scratch const scratch;
    LetterTokenizer const tokenizer{.known = TokenTraits({.unk = 1}, std::vector<std::uint8_t>(200, 0))};
    auto const build = [&] {
        TokenStoreBuilder builder(scratch / "store", tokenizer, {.threads = 1});
        builder.add({.id = "1", .title = "TI", .text = "ab", .title_in_tokens = true});
        builder.finish();
    };
    BOOST_CHECK_EXCEPTION(build(), InputError, test::says("separator token"));
}

BOOST_AUTO_TEST_SUITE_END()
