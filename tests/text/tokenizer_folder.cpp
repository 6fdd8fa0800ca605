// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Added tokens and contradicting files. Against transformers, in every layout: parity/tokenizer_folders.py.
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/text/added_token_finder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/normalizer_files.hpp>
#include <bmae/text/tokenizer_folder.hpp>
#include <bmae/text/tokenizer_json.hpp>
#include <bmae/text/tokenizer_warning.hpp>
#include <bmae/text/word_splitter.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/draw.hpp>

#include "scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(tokenizer_folder)

namespace {

using bmae::TokenId;
using bmae::WordPiece;
using Ids = std::vector<TokenId>;

std::string const vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nco\n##vid\n##s\nThe\n";

void put(std::filesystem::path const& path, std::string const& content) { std::ofstream(path) << content; }

/// Collects what is warned of.
struct Warnings {
    Warnings() : before(bmae::tokenizer_warnings()) {
        bmae::tokenizer_warnings() = [this](std::string const& message) { said += message + '\n'; };
    }
    ~Warnings() { bmae::tokenizer_warnings() = before; }
    [[nodiscard]] bool say(std::string const& part) const { return said.find(part) != std::string::npos; }

    std::string said = {};
    std::function<void(std::string const&)> before;
};

std::vector<std::string> words(std::vector<bmae::WordSplit> const& splits, std::string_view text) {
    std::vector<std::string> result;
    for (std::string_view const word : bmae::split_words(splits, text)) { result.emplace_back(word); }
    return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(added_tokens_are_read_in_three_layouts) {
    std::string const covid =
        R"({"content": "covid", "single_word": true, "lstrip": false, "rstrip": false, "normalized": true, "special": false})";
    std::string const entity =
        R"({"content": "[E]", "single_word": false, "lstrip": true, "rstrip": true, "normalized": false, "special": true})";
    test::ScratchFolder const folder;
    for (std::string const name : {"decoder", "json", "old"}) {
        std::filesystem::create_directory(folder / name);
        put(folder / name / "vocab.txt", vocabulary);
        put(folder / name / "config.json", R"({"model_type": "bert"})");
    }
    put(folder / "decoder" / "tokenizer_config.json",
        R"({"do_lower_case": true, "added_tokens_decoder": {"10": )" + covid + R"(, "11": )" + entity + "}}");
    WordPiece const decoder = WordPiece::from_file(folder / "decoder");
    Ids const expected{5, 10, 11, 5, 6, 7, 8};
    std::string const text = "The Covid [E] the covids";
    BOOST_TEST(decoder.encode(text) == expected, boost::test_tools::per_element());
    BOOST_TEST(decoder.size() == 12U);
    BOOST_TEST(decoder.encode("xcovid") == (Ids{1}), boost::test_tools::per_element());   // the new word is no piece of others

    decoder.save(folder / "saved");
    BOOST_TEST(WordPiece::from_file(folder / "saved").encode(text) == expected, boost::test_tools::per_element());
    BOOST_TEST(WordPiece::from_file(folder / "saved").fingerprint() == decoder.fingerprint());
    std::filesystem::copy_file(folder / "saved" / "tokenizer.json", folder / "json" / "tokenizer.json");
    put(folder / "json" / "tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
    BOOST_TEST(WordPiece::from_file(folder / "json").encode(text) == expected, boost::test_tools::per_element());
    BOOST_TEST(WordPiece::from_file(folder / "saved" / "tokenizer.json").encode(text) == expected,
               boost::test_tools::per_element());

    put(folder / "old" / "added_tokens.json", R"({"[E]": 11, "covid": 10})");
    put(folder / "old" / "special_tokens_map.json", R"({"additional_special_tokens": ["[E]"]})");
    WordPiece const old = WordPiece::from_file(folder / "old");
    BOOST_TEST(old.encode("the COVID [e] covids") == (Ids{5, 10, 11, 10, 1}), boost::test_tools::per_element());
    std::vector<bmae::ByteSpan> offsets;
    Ids ids;
    BOOST_CHECK_THROW(old.encode_into("a", ids, offsets), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(contradicting_files_are_read_as_transformers_does_and_both_are_named) {
    test::ScratchFolder const folder;
    put(folder / "vocab.txt", vocabulary);
    put(folder / "config.json", R"({"model_type": "bert"})");
    WordPiece::from_file(folder / "vocab.txt").save(folder / "out");
    std::filesystem::copy_file(folder / "config.json", folder / "out" / "config.json");
    std::filesystem::remove(folder / "out" / "tokenizer_config.json");
    put(folder / "out" / "tokenizer_config.json", R"({"do_lower_case": false})");
    Warnings const warnings;
    BOOST_TEST(WordPiece::from_file(folder / "out").encode("The the") == (Ids{9, 5}), boost::test_tools::per_element());
    BOOST_TEST(warnings.say("out/tokenizer_config.json"));
    BOOST_TEST(warnings.say("out/tokenizer.json"));
    put(folder / "out" / "vocab.txt", vocabulary + "more\n");
    BOOST_TEST(WordPiece::from_file(folder / "out").size() == 10U);
    BOOST_TEST(warnings.say("out/vocab.txt and"));
    put(folder / "out" / "tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false})");
    BOOST_TEST(WordPiece::from_file(folder / "out").encode("The the") == (Ids{5, 5}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_longest_added_token_is_found_and_of_equal_ones_the_first) {
    bmae::Draw draw({.seed = 5});
    auto const letters = [&](std::size_t least) {
        std::string text;
        for (std::size_t n = least + draw.below(6); n != 0; --n) { text += static_cast<char>('a' + draw.below(2)); }
        return text;
    };
    for (int round = 0; round < 200; ++round) {
        std::vector<std::string> tokens;
        bmae::detail::AddedTokenFinder finder;
        for (std::size_t n = draw.below(8); n != 0; --n) {
            tokens.push_back(letters(1));
            finder.add({.content = tokens.back(), .id = static_cast<TokenId>(tokens.size() - 1)});
        }
        std::string const text = letters(20);
        Ids found, expected;   // -1: text between tokens
        finder.split(
            text, [&](TokenId id, std::size_t, std::size_t) { found.push_back(id); },
            [&](std::size_t, std::size_t) { found.push_back(-1); });
        for (std::size_t at = 0; at < text.size();) {
            std::size_t best = tokens.size();
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                bool const fits = std::string_view(text).substr(at).starts_with(tokens[i]);
                if (fits && (best == tokens.size() || tokens[i].size() > tokens[best].size())) { best = i; }
            }
            if (best == tokens.size()) {
                if (expected.empty() || expected.back() != -1) { expected.push_back(-1); }
                ++at;
            } else {
                expected.push_back(static_cast<TokenId>(best));
                at += tokens[best].size();
            }
        }
        BOOST_TEST(found == expected, boost::test_tools::per_element());
    }
    bmae::detail::AddedTokenFinder many;   // 2 s where each token is compared at each place
    for (int i = 0; i < 20'000; ++i) { many.add({.content = "<<" + std::to_string(i) + '>', .id = i}); }
    std::size_t places = 0;
    many.split(
        std::string(50'000, '<') + "<<777>", [&](TokenId id, std::size_t, std::size_t) { places += id == 777 ? 1U : 100U; },
        [](std::size_t, std::size_t) {});
    BOOST_TEST(places == 1U);
}

BOOST_AUTO_TEST_CASE(a_cased_vocabulary_alone_is_said_to_look_cased) {
    test::ScratchFolder const folder;
    put(folder / "vocab.txt", vocabulary + "Cat\nDog\nSat\n");
    Warnings const warnings;
    WordPiece const lower = WordPiece::from_file(folder / "vocab.txt");
    BOOST_TEST(warnings.say("looks cased"));
    WordPiece const cased = WordPiece::from_file(folder / "vocab.txt", {.normalizer = {.lower_case = false}});
    BOOST_TEST(cased.encode("Cat") == (Ids{10}), boost::test_tools::per_element());
    BOOST_TEST(lower.encode("Cat") == (Ids{1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_vocabulary_of_another_class_is_refused) {
    test::ScratchFolder const folder;
    put(folder / "vocab.txt", vocabulary);
    put(folder / "tokenizer_config.json", R"({"tokenizer_class": "BertJapaneseTokenizer"})");
    BOOST_CHECK_THROW(WordPiece::from_file(folder.path()), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(words_under_splits) {
    using Kind = bmae::WordSplit::Kind;
    using Behavior = bmae::WordSplit::Behavior;
    using Words = std::vector<std::string>;
    BOOST_TEST(words({{.kind = Kind::space}}, " a  b.c ") == (Words{"a", "b.c"}), boost::test_tools::per_element());
    BOOST_TEST(words({{.kind = Kind::word}}, "a_1 ..b") == (Words{"a_1", "..", "b"}), boost::test_tools::per_element());
    BOOST_TEST(words({{.kind = Kind::punctuation, .behavior = Behavior::isolated}}, "a..b") == (Words{"a", ".", ".", "b"}),
               boost::test_tools::per_element());
    BOOST_TEST(words({{.kind = Kind::punctuation, .behavior = Behavior::contiguous}}, "a..b") == (Words{"a", "..", "b"}),
               boost::test_tools::per_element());
    BOOST_TEST(words({{.kind = Kind::digits, .behavior = Behavior::isolated}}, "a12") == (Words{"a", "1", "2"}),
               boost::test_tools::per_element());
    BOOST_TEST(words({{.kind = Kind::text, .behavior = Behavior::removed, .pattern = "--"}}, "a--b") == (Words{"a", "b"}),
               boost::test_tools::per_element());
    BOOST_TEST(words({{.kind = Kind::space}}, "").empty());
}

BOOST_AUTO_TEST_SUITE_END()
