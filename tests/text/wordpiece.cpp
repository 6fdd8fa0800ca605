// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/detail/lines.hpp>
#include <bmae/text/vocabulary.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/draw.hpp>

BOOST_AUTO_TEST_SUITE(wordpiece)

namespace {

using Ids = std::vector<bmae::TokenId>;
namespace fs = std::filesystem;

fs::path data() {
    char const* const folder = std::getenv("BMAE_DATA");
    return folder != nullptr ? fs::path(folder) : fs::path("../shared/data");
}

bool has_data() {
    if (fs::exists(data() / "vocab/bert-base-uncased/vocab.txt")) { return true; }
    BOOST_TEST_MESSAGE("skipped: BMAE_DATA does not name a folder with vocab/bert-base-uncased");
    return false;
}

bmae::WordPiece const& uncased() {
    static bmae::WordPiece const tokenizer = bmae::WordPiece::from_file(data() / "vocab/bert-base-uncased/vocab.txt");
    return tokenizer;
}

//                             0        1        2        3        4         5    6      7       8      9    10   11    12      13
bmae::WordPiece small(bmae::WordPieceOptions options = {}) {
    return bmae::WordPiece({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##a", "##ff", "##able", "a", "b", ".", "\u4f60",
                            "e", "A", "\u00e9"},
                           std::move(options));
}

void check_ids(Ids const& found, Ids const& expected) {
    BOOST_CHECK_EQUAL_COLLECTIONS(found.begin(), found.end(), expected.begin(), expected.end());
}

std::string random_text(bmae::Draw& draw) {
    static std::vector<std::string> const parts{"un",
                                                "a",
                                                "A",
                                                "ff",
                                                "able",
                                                " ",
                                                ".",
                                                "\xc3\xa9",
                                                "e\xcc\x81",
                                                "\xe4\xbd\xa0",
                                                "[MASK]",
                                                "[",
                                                "\xff",
                                                "\xe2\x80",
                                                std::string(1, '\0'),
                                                "\xc2\x85",
                                                "\xf0\x9f\x98\x80",
                                                "the",
                                                "ing",
                                                std::string(40, 'a'),
                                                "\xe2\x80\x99",
                                                "\t"};
    std::string text;
    for (auto left = draw.below(14); left > 0; --left) { text += parts[draw.below(parts.size())]; }
    return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(longest_piece_first) {
    bmae::WordPiece const tokenizer = small();
    check_ids(tokenizer.encode("unaffable a."), {5, 6, 7, 8, 9, 11});
    check_ids(tokenizer.encode("UNAFFABLE"), {5, 6, 7, 8});
    check_ids(tokenizer.encode("unknown a"), {1, 9});
    check_ids(tokenizer.encode(""), {});
    check_ids(tokenizer.encode(" \t\n\r\xc2\xa0"), {});
    check_ids(tokenizer.encode("a\xe4\xbd\xa0"
                               "b"),
              {9, 12, 10});
}

BOOST_AUTO_TEST_CASE(words_have_at_most_a_hundred_characters_not_bytes) {
    bmae::WordPiece const tokenizer = small();
    BOOST_CHECK_EQUAL(tokenizer.encode(std::string(100, 'a')).size(), 100U);
    check_ids(tokenizer.encode(std::string(101, 'a')), {1});
    std::string accents;
    for (int i = 0; i < 100; ++i) { accents += "\xc3\xa1"; }
    BOOST_CHECK_EQUAL(tokenizer.encode(accents).size(), 100U);
    check_ids(tokenizer.encode(accents + 'a'), {1});
}

BOOST_AUTO_TEST_CASE(options_of_the_normalizer) {
    check_ids(small().encode("\xc3\x89"), {13});
    check_ids(small({.normalizer = {.lower_case = false}}).encode("A a \xc3\xa9"), {14, 9, 15});
    check_ids(small({.normalizer = {.lower_case = false, .strip_accents = true}}).encode("A \xc3\xa9"), {14, 13});
    check_ids(small({.normalizer = {.strip_accents = false}}).encode("A \xc3\x89"), {9, 15});
    check_ids(small({.normalizer = {.split_chinese = false}}).encode("a\xe4\xbd\xa0"), {1});
    check_ids(small().encode(std::string("a\0 \x01"
                                         "b\xef\xbf\xbd",
                                         8)),
              {9, 10});
}

BOOST_AUTO_TEST_CASE(special_tokens_in_the_text) {
    bmae::WordPiece const tokenizer = small();
    check_ids(tokenizer.encode("a[MASK]b [SEP][CLS]"), {9, 4, 10, 3, 2});
    check_ids(tokenizer.encode("[mask]"), {1, 1, 1});
    check_ids(tokenizer.encode("[[MASK]"), {1, 4});
    check_ids(small({.extra_special = {"un"}}).encode("bun b"), {10, 5, 10});
}

BOOST_AUTO_TEST_CASE(extra_special_tokens_match_longest_first) {
    bmae::WordPiece const tokenizer({"[UNK]", "[CLS]", "[SEP]", "<a>", "<a>>", "a"}, {.extra_special = {"<a>", "<a>>"}});
    check_ids(tokenizer.encode("a<a>>a<a>"), {5, 4, 5, 3});
    BOOST_CHECK_EQUAL(tokenizer.traits().special().mask, -1);
}

BOOST_AUTO_TEST_CASE(traits_and_tokens) {
    bmae::WordPiece const tokenizer = small();
    BOOST_CHECK(tokenizer.traits().is_special(4) && !tokenizer.traits().is_special(5));
    BOOST_CHECK(tokenizer.traits().continues_word(6) && !tokenizer.traits().continues_word(9));
    BOOST_CHECK_EQUAL(tokenizer.token(8), "##able");
    BOOST_CHECK(tokenizer.id("##able") == 8 && !tokenizer.id("nothing"));
    BOOST_CHECK_THROW(static_cast<void>(tokenizer.token(99)), bmae::InputError);
    BOOST_CHECK_THROW(static_cast<void>(tokenizer.token(-1)), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(ill_formed_utf8_by_policy) {
    check_ids(small().encode("a\xff"
                             "b"),
              small().encode("a\xef\xbf\xbd"
                             "b"));
    check_ids(small({.normalizer = {.clean_text = false}}).encode("a \xff"), {9, 1});
    bmae::WordPiece const strict = small({.normalizer = {.invalid_utf8 = bmae::InvalidUtf8::reject}});
    check_ids(strict.encode("a b"), {9, 10});
    for (std::string const bad : {"a \xff", "\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "ab\xe2\x80"}) {
        BOOST_CHECK_THROW(static_cast<void>(strict.encode(bad)), bmae::InputError);
        BOOST_CHECK_THROW(static_cast<void>(strict.encode_with_specials(bad)), bmae::InputError);
    }
}

BOOST_AUTO_TEST_CASE(pairs_offsets_and_truncation) {
    bmae::WordPiece const tokenizer = small();
    bmae::Encoding const encoding = tokenizer.encode_pair("un\xc3\xa1 b", "a.");
    check_ids(encoding.ids, {2, 5, 6, 10, 3, 9, 11, 3});
    BOOST_CHECK((encoding.token_types == std::vector<std::uint8_t>{0, 0, 0, 0, 0, 1, 1, 1}));
    BOOST_CHECK((encoding.special_mask == std::vector<std::uint8_t>{1, 0, 0, 0, 1, 0, 0, 1}));
    BOOST_CHECK(
        (encoding.offsets == std::vector<bmae::ByteSpan>{{0, 0}, {0, 2}, {2, 4}, {5, 6}, {0, 0}, {0, 1}, {1, 2}, {0, 0}}));
    check_ids(tokenizer.encode_with_specials("a b a b", {.max_length = 4}).ids, {2, 9, 10, 3});
    check_ids(tokenizer.encode_pair("a a a a", "b b", {.max_length = 6}).ids, {2, 9, 9, 3, 10, 3});
    check_ids(tokenizer.encode_pair("a a a a", "b b", {.max_length = 7, .truncation = bmae::Truncation::only_first}).ids,
              {2, 9, 9, 3, 10, 10, 3});
    check_ids(tokenizer.encode_pair("a", "b b b", {.max_length = 5, .truncation = bmae::Truncation::only_second}).ids,
              {2, 9, 3, 10, 3});
    BOOST_CHECK_THROW(tokenizer.encode_pair("a", "b b b", {.max_length = 5, .truncation = bmae::Truncation::only_first}),
                      bmae::InputError);
    BOOST_CHECK_THROW(tokenizer.encode_with_specials("a", {.max_length = 1}), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(fast_and_plain_ways_agree_and_offsets_are_ordered) {
    bmae::Draw draw({.seed = 3});
    bmae::WordPiece const tokenizer = has_data() ? uncased() : small();
    for (int round = 0; round < 20000; ++round) {
        std::string const text = random_text(draw);
        Ids plain;
        std::vector<bmae::ByteSpan> offsets;
        tokenizer.encode_into(text, plain, offsets);
        Ids const fast = tokenizer.encode(text);
        BOOST_REQUIRE_EQUAL_COLLECTIONS(fast.begin(), fast.end(), plain.begin(), plain.end());
        std::size_t last = 0;
        for (bmae::ByteSpan const span : offsets) {
            BOOST_REQUIRE(span.begin < span.end && span.end <= text.size() && span.begin >= last);
            last = span.begin;
        }
    }
}

BOOST_AUTO_TEST_CASE(random_bytes_are_never_trouble) {
    bmae::Draw draw({.seed = 4});
    bmae::WordPiece const tokenizer = small();
    for (int round = 0; round < 20000; ++round) {
        std::string bytes(draw.below(80), ' ');
        for (char& c : bytes) { c = static_cast<char>(draw.below(256)); }
        Ids plain;
        std::vector<bmae::ByteSpan> offsets;
        tokenizer.encode_into(bytes, plain, offsets);
        BOOST_REQUIRE(tokenizer.encode(bytes) == plain);
    }
}

BOOST_AUTO_TEST_CASE(threads_and_several_tokenizers_share_nothing) {
    std::vector<bmae::WordPiece> tokenizers;
    for (int i = 0; i < 6; ++i) {
        std::vector<std::string> tokens(static_cast<std::size_t>(i), "");
        for (std::size_t k = 0; k < tokens.size(); ++k) { tokens[k] = "[unused" + std::to_string(k) + ']'; }
        tokens.insert(tokens.end(), {"[UNK]", "[CLS]", "[SEP]", "a", "b"});
        tokenizers.emplace_back(std::move(tokens));
    }
    std::vector<int> wrong(3, 0);
    std::vector<std::thread> threads;
    for (int& errors : wrong) {
        threads.emplace_back([&errors, &tokenizers] {
            for (int round = 0; round < 2000; ++round) {
                for (int i = 0; i < 6; ++i) {
                    Ids const ids = tokenizers[static_cast<std::size_t>(i)].encode("a b x");
                    errors += ids == Ids{i + 3, i + 4, i} ? 0 : 1;
                }
            }
        });
    }
    for (std::thread& thread : threads) { thread.join(); }
    for (int const errors : wrong) { BOOST_CHECK_EQUAL(errors, 0); }
}

BOOST_AUTO_TEST_CASE(long_words_of_marks_take_linear_time) {
    bmae::WordPiece const tokenizer = small();
    for (std::string const unit :
         {"a", "\xc4\xb0", "\xe3\x80\xae\xea\xa5\x93", "\xcc\x81", "\xed\x95\x9c", "[", "[MASK", "\xff"}) {
        std::string text;
        while (text.size() < 1000000) { text += unit; }
        Ids ids;
        std::vector<bmae::ByteSpan> offsets;
        tokenizer.encode_into(text, ids, offsets);
        BOOST_CHECK(tokenizer.encode(text) == ids);   // quadratic work would not return
    }
}

BOOST_AUTO_TEST_CASE(decoding) {
    bmae::WordPiece const tokenizer = small();
    BOOST_CHECK_EQUAL(tokenizer.decode(Ids{2, 5, 6, 7, 8, 9, 11, 3}), "unaffable a.");
    BOOST_CHECK_EQUAL(tokenizer.decode(Ids{2, 9, 3}, false), "[CLS] a [SEP]");
    BOOST_CHECK_THROW(tokenizer.decode(Ids{1000}), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(questions_with_published_ids) {
    if (!has_data()) { return; }
    bmae::detail::LineReader reader(data() / "tokenizer_fixtures/squad_dev_questions.bert-base-uncased.jsonl.gz");
    std::size_t count = 0;
    std::size_t differing = 0;
    for (std::string_view line; reader.next(line); ++count) {
        auto const row = nlohmann::json::parse(line);
        differing += uncased().encode(row.at("original").get<std::string>()) == row.at("ids").get<Ids>() ? 0 : 1;
    }
    BOOST_CHECK_EQUAL(count, 5285U);
    BOOST_CHECK_EQUAL(differing, 0U);
}

BOOST_AUTO_TEST_CASE(edge_cases_with_published_ids) {
    if (!has_data()) { return; }
    std::ifstream file(data() / "tokenizer_fixtures/tokenizer_tests.json");
    auto const cases = nlohmann::json::parse(file);
    for (auto const& row : cases.at("bert-base-uncased")) {
        auto const text = row.at("input").get<std::string>();
        bmae::Encoding const encoding = uncased().encode_with_specials(text);
        check_ids(encoding.ids, row.at("encoded").at("input_ids").get<Ids>());
    }
    std::ifstream french(data() / "tokenizer_fixtures/bert_uncased_encoded.json");
    auto const row = nlohmann::json::parse(french);
    check_ids(uncased().encode_with_specials(row.at("text").get<std::string>()).ids, row.at("token_ids").get<Ids>());
}

BOOST_AUTO_TEST_SUITE_END()
