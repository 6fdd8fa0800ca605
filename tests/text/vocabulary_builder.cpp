// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/text/vocabulary_builder.hpp>
#include <bmae/values/draw.hpp>

BOOST_AUTO_TEST_SUITE(vocabulary_builder)

namespace {

using List = std::vector<std::string>;

/// The definition without any index: counts all pairs of all words before each merge.
List build_slowly(std::map<std::string, int> const& words, std::size_t size, int min_frequency) {
    List tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    std::map<std::string, bool> alphabet;
    std::vector<std::pair<List, int>> split;
    for (auto const& [word, count] : words) {
        List pieces;
        for (std::size_t i = 0; i < word.size(); ++i) {
            bool& continues = alphabet[word.substr(i, 1)];
            continues = continues || i > 0;
            pieces.push_back((i > 0 ? "##" : "") + word.substr(i, 1));
        }
        split.emplace_back(pieces, count);
    }
    for (auto const& [character, continues] : alphabet) { tokens.push_back(character); }
    for (auto const& [character, continues] : alphabet) {
        if (continues) { tokens.push_back("##" + character); }
    }
    auto const id = [&](std::string const& token) { return std::find(tokens.begin(), tokens.end(), token) - tokens.begin(); };
    while (tokens.size() < size) {
        std::map<std::pair<long, long>, int> counts;
        for (auto const& [pieces, count] : split) {
            for (std::size_t i = 0; i + 1 < pieces.size(); ++i) { counts[{id(pieces[i]), id(pieces[i + 1])}] += count; }
        }
        auto best = counts.begin();
        for (auto at = counts.begin(); at != counts.end(); ++at) {
            if (at->second > best->second) { best = at; }
        }
        if (counts.empty() || best->second < min_frequency) { break; }
        std::string const left = tokens[static_cast<std::size_t>(best->first.first)];
        std::string const right = tokens[static_cast<std::size_t>(best->first.second)];
        std::string const merged = left + right.substr(2);
        if (std::find(tokens.begin(), tokens.end(), merged) == tokens.end()) { tokens.push_back(merged); }
        for (auto& [pieces, count] : split) {
            List joined;
            for (std::size_t i = 0; i < pieces.size(); ++i) {
                bool const here = i + 1 < pieces.size() && pieces[i] == left && pieces[i + 1] == right;
                joined.push_back(here ? merged : pieces[i]);
                i += here ? 1 : 0;
            }
            pieces = joined;
        }
    }
    return tokens;
}

}  // namespace

BOOST_AUTO_TEST_CASE(merges_the_most_frequent_pair_and_breaks_ties_by_id) {
    bmae::VocabularyBuilder builder({.vocabulary_size = 14, .min_frequency = 1});
    builder.add("ab ab abc cab");
    List const expected{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c", "ab", "ca", "abc"};
    List const found = builder.build();
    BOOST_CHECK_EQUAL_COLLECTIONS(found.begin(), found.end(), expected.begin(), expected.end());
}

BOOST_AUTO_TEST_CASE(equals_the_slow_definition_on_random_words) {
    bmae::Draw draw({.seed = 11});
    for (int round = 0; round < 60; ++round) {
        std::map<std::string, int> words;
        std::string text;
        for (auto left = 1 + draw.below(30); left > 0; --left) {
            std::string word;
            for (auto letters = 1 + draw.below(8); letters > 0; --letters) { word += static_cast<char>('a' + draw.below(3)); }
            int const times = static_cast<int>(1 + draw.below(4));
            words[word] += times;
            for (int i = 0; i < times; ++i) { text += word + ' '; }
        }
        int const least = static_cast<int>(1 + draw.below(3));
        bmae::VocabularyBuilder builder({.vocabulary_size = 40, .min_frequency = static_cast<std::uint64_t>(least)});
        builder.add(text);
        List const found = builder.build();
        List const expected = build_slowly(words, 40, least);
        BOOST_REQUIRE_EQUAL_COLLECTIONS(found.begin(), found.end(), expected.begin(), expected.end());
    }
}

BOOST_AUTO_TEST_CASE(depends_on_counts_and_not_on_the_order_of_texts) {
    bmae::VocabularyBuilder forward({.vocabulary_size = 60});
    bmae::VocabularyBuilder backward({.vocabulary_size = 60});
    List const texts{"The cat sat on the mat.", "Caf\u00e9s, caf\u00e9s!", "A dog; a cat: \u4f60\u597d"};
    for (auto text = texts.begin(); text != texts.end(); ++text) { forward.add(*text); }
    for (auto text = texts.rbegin(); text != texts.rend(); ++text) { backward.add(*text); }
    BOOST_CHECK(forward.build() == backward.build());
}

BOOST_AUTO_TEST_CASE(the_tokenizer_covers_its_text) {
    bmae::VocabularyBuilder builder({.vocabulary_size = 50});
    std::string const text = "The Caf\u00e9 and the cat, the mat and the hat.";
    builder.add(text);
    bmae::WordPiece const tokenizer = builder.build_tokenizer();
    std::vector<bmae::TokenId> const ids = tokenizer.encode(text);
    BOOST_CHECK_EQUAL(std::count(ids.begin(), ids.end(), tokenizer.traits().special().unk), 0);
    BOOST_CHECK_EQUAL(tokenizer.decode(ids), "the cafe and the cat, the mat and the hat.");
    BOOST_CHECK_EQUAL(tokenizer.traits().special().mask, 4);
}

BOOST_AUTO_TEST_CASE(refuses_what_cannot_be_built) {
    BOOST_CHECK_THROW(bmae::VocabularyBuilder().build(), bmae::InputError);
    bmae::VocabularyBuilder small({.vocabulary_size = 8});
    small.add("abcdefgh");
    BOOST_CHECK_THROW(small.build(), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(rare_characters_leave_the_alphabet) {
    bmae::VocabularyBuilder builder({.vocabulary_size = 100, .min_frequency = 1, .max_alphabet = 2});
    builder.add("aa bb aa bb ab zz");
    List const tokens = builder.build();
    BOOST_CHECK(std::find(tokens.begin(), tokens.end(), "z") == tokens.end());
    BOOST_CHECK(std::find(tokens.begin(), tokens.end(), "aa") != tokens.end());
}

BOOST_AUTO_TEST_SUITE_END()
