// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// How a refusal reads, token traits, row masks, and the version number.
#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/values/error.hpp>
#include <bmae/values/example.hpp>
#include <bmae/values/tokens.hpp>
#include <bmae/values/visibility.hpp>
#include <bmae/version.hpp>

BOOST_AUTO_TEST_SUITE(values)

using namespace bmae;

static_assert(std::is_base_of_v<Error, InputError> && std::is_base_of_v<Error, RunError>);
static_assert(!std::is_base_of_v<InputError, RunError>,
              "who catches one kind must not catch the other: they end a program differently");

BOOST_AUTO_TEST_CASE(a_diagnostic_in_one_sentence) {
    Diagnostic diagnostic{.file = {}, .expected = "a number", .found = "\"x\""};
    BOOST_TEST(to_string(diagnostic) == "expected a number, found \"x\".");
    diagnostic.hint = "Write for example 1.";
    BOOST_TEST(to_string(diagnostic) == "expected a number, found \"x\". Write for example 1.");
    diagnostic.file = "a/b.json";
    BOOST_TEST(to_string(diagnostic) == "a/b.json: expected a number, found \"x\". Write for example 1.");
    diagnostic.line = 12;
    BOOST_TEST(to_string(diagnostic) == "a/b.json:12: expected a number, found \"x\". Write for example 1.");
    try {
        throw InputError(diagnostic);
    } catch (Error const& error) {
        BOOST_TEST(error.what() == to_string(diagnostic));
        auto const* const input = dynamic_cast<InputError const*>(&error);
        BOOST_REQUIRE(input != nullptr);
        BOOST_TEST(input->diagnostic().file == "a/b.json");
        BOOST_TEST(input->diagnostic().line == 12U);
        BOOST_TEST(input->diagnostic().hint == "Write for example 1.");
    }
}

BOOST_AUTO_TEST_CASE(traits_are_by_id) {
    TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, {0, 0, 0, 0, 0, 0, 1, 0});
    BOOST_TEST(traits.size() == 8U);
    for (TokenId id = 0; id < 5; ++id) { BOOST_TEST(traits.is_special(id)); }
    for (TokenId const id : {5, 6, 7, 8, -1, 1'000'000}) {
        BOOST_TEST(!traits.is_special(id));
    }   // ids beyond the vocabulary, too
    BOOST_TEST(traits.continues_word(6));
    for (TokenId const id : {0, 5, 7, 8, -1}) { BOOST_TEST(!traits.continues_word(id)); }
    TokenTraits const without({.cls = 2, .sep = 99},
                              std::vector<std::uint8_t>(4, 0));   // no [PAD]; [SEP] is no id of the vocabulary
    BOOST_TEST(!without.is_special(0));
    BOOST_TEST(without.is_special(2));
    BOOST_TEST(!without.is_special(99));
    BOOST_TEST((without.special() == SpecialIds{.cls = 2, .sep = 99}));
    BOOST_TEST(TokenTraits().size() == 0U);

    std::vector<TokenId> const ids = {2, 5, 6, 3};
    TokenSpan const text(ids, traits);
    BOOST_TEST(text.size() == 4U);
    BOOST_TEST(text[2] == 6);
    BOOST_TEST(text.is_special(0));
    BOOST_TEST(!text.is_special(1));
    BOOST_TEST(text.continues_word(2));
    BOOST_TEST(std::ranges::equal(text, ids));
    BOOST_TEST(&text.traits() == &traits);
}

BOOST_AUTO_TEST_CASE(rows_read_what_their_bits_say_but_themselves) {
    constexpr std::uint32_t length = 70;   // two words of bits
    Visibility visibility{.length = length, .row = std::vector<std::uint16_t>(length, 0), .bits = {0, 0, 0, 0}};
    BOOST_TEST(visibility.words() == 2U);
    BOOST_TEST(visibility.pool() == 2U);
    visibility.row[69] = 1;
    visibility.bits[0] = 1ULL << 5;                   // entry 0: column 5
    visibility.bits[3] = (1ULL << 1) | (1ULL << 5);   // entry 1: columns 65 and 69
    for (std::size_t i = 0; i < length; ++i) {
        for (std::size_t j = 0; j < length; ++j) {
            bool const bit = i == 69 ? j == 65 || j == 69 : j == 5;
            BOOST_TEST_REQUIRE(visibility.allows(i, j) == (bit && i != j));
        }
    }
    visibility.reads_itself = true;
    BOOST_TEST(visibility.allows(5, 5));
    BOOST_TEST(visibility.allows(69, 69));
    BOOST_TEST(!visibility.allows(4, 4));
    BOOST_TEST(Visibility{}.pool() == 0U);
    BOOST_TEST(MaskedText{}.visibility.length == 0U);   // every row reads every column
    BOOST_TEST(ignored_label < 0);                      // no id
}

BOOST_AUTO_TEST_CASE(a_version_has_three_numbers) {
    BOOST_TEST(std::ranges::count(version, '.') == 2);
    BOOST_TEST((version.find_first_not_of("0123456789.") == std::string_view::npos));
}

BOOST_AUTO_TEST_SUITE_END()
