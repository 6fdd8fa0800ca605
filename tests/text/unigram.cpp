// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Unigram tokenization on a vocabulary that is small enough to follow by hand. Equality with `tokenizers`:
// tests/parity/subword_parity.py.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <bmae/text/unigram.hpp>

BOOST_AUTO_TEST_SUITE(unigram)

namespace {

using bmae::TokenId;
using bmae::Unigram;
using bmae::UnigramDescription;
using Ids = std::vector<TokenId>;

std::string const marker = "\xe2\x96\x81";

UnigramDescription small() {
    return {.tokens = {"<pad>", "</s>", "<unk>", marker, "a", "b", "ab", marker + "a", "<extra>"},
            .scores = {0, 0, 0, -2, -3, -3, -4, -3.5},
            .added = {{.content = "</s>", .id = 1}, {.content = "<extra>", .id = 8}},
            .wrapping = {.before = {}, .after = {1}}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_best_path_wins) {
    Unigram const tokenizer(small());
    BOOST_TEST(tokenizer.encode("ab") == (Ids{3, 6}), boost::test_tools::per_element());   // -2-4 beats -3.5-3
    BOOST_TEST(tokenizer.encode("aa") == (Ids{7, 4}), boost::test_tools::per_element());   // -3.5-3 beats -2-3-3
    BOOST_TEST(tokenizer.encode(" a  b\n") == (Ids{7, 3, 5}), boost::test_tools::per_element());
    BOOST_TEST(tokenizer.encode("axyb") == (Ids{7, 2, 5}), boost::test_tools::per_element());   // x and y are one unknown token
    BOOST_TEST(tokenizer.encode("b<extra>b") == (Ids{3, 5, 8, 3, 5}), boost::test_tools::per_element());
    BOOST_TEST(tokenizer.encode("").empty());
    BOOST_TEST(tokenizer.encode(" \n").empty());
    BOOST_TEST(tokenizer.encode_with_specials("b") == (Ids{3, 5, 1}), boost::test_tools::per_element());
    BOOST_TEST(tokenizer.encode("a\xff") == (Ids{7, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(decoding) {
    Unigram const tokenizer(small());
    BOOST_TEST(tokenizer.decode(Ids{7, 4, 7, 5, 1}) == "aa ab");
    BOOST_TEST(tokenizer.decode(Ids{1, 7}) == "a");
    BOOST_TEST(tokenizer.decode(Ids{1, 7}, false) == "</s> a");
    BOOST_TEST(tokenizer.traits().continues_word(4));
    BOOST_TEST(!tokenizer.traits().continues_word(7));
    BOOST_TEST(!tokenizer.traits().continues_word(1));
    BOOST_TEST(tokenizer.traits().is_special(2));
}

// A text without spaces is not one word: no budget of a masker would fit it.
BOOST_AUTO_TEST_CASE(pieces_of_scripts_without_spaces_are_words) {
    UnigramDescription description = small();
    std::size_t const first = description.tokens.size();
    for (char const* const token :
         {"\u6f22\u5b57", "\u304b\u306a", "\u0e44\u0e17\u0e22", "\U0002070e", "\ud55c", "\u00e9t\u00e9"}) {
        description.tokens.emplace_back(token);
        description.scores.push_back(-5);
    }
    Unigram const tokenizer(description);
    std::vector<bool> continues;
    for (std::size_t i = first; i < description.tokens.size(); ++i) {
        continues.push_back(tokenizer.traits().continues_word(static_cast<TokenId>(i)));
    }
    BOOST_TEST(continues == (std::vector<bool>{false, false, false, false, true, true}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(metaspace_alone_keeps_every_space) {
    UnigramDescription description = small();
    description.split_whitespace = false;
    BOOST_TEST(Unigram(description).encode("a  b") == (Ids{7, 3, 3, 5}), boost::test_tools::per_element());
    description.prepend = bmae::PrependScheme::never;
    BOOST_TEST(Unigram(description).encode("a b") == (Ids{4, 3, 5}), boost::test_tools::per_element());
    BOOST_TEST(Unigram(description).decode(Ids{3, 5}) == " b");
    description.prepend = bmae::PrependScheme::first;
    BOOST_TEST(Unigram(description).encode("a<extra>a") == (Ids{7, 8, 4}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(normalizer_steps) {
    using Step = bmae::UnigramNormalizerStep;
    BOOST_TEST(bmae::normalize({.kind = Step::Kind::strip, .right = true}, " a \n") == " a");
    BOOST_TEST(bmae::normalize({.kind = Step::Kind::strip, .left = true, .right = true}, " \n") == "");
    BOOST_TEST(bmae::normalize({.kind = Step::Kind::join_spaces, .to = "_"}, "a b  c   ") == "a b_c_");
    BOOST_TEST(bmae::normalize({.kind = Step::Kind::replace, .from = "ab", .to = "c"}, "abab a") == "cc a");
    BOOST_TEST(bmae::normalize({.kind = Step::Kind::unicode_form, .form = bmae::UnicodeForm::kc},
                               "\xef\xac\x81"
                               "e\xcc\x81") == "fi\xc3\xa9");
    BOOST_TEST(bmae::detail::decode_base64("YmFzZTY0").value() == "base64");
    BOOST_TEST(bmae::detail::decode_base64("YQ==").value() == "a");
    BOOST_TEST(!bmae::detail::decode_base64("a b").has_value());
    BOOST_CHECK_THROW(bmae::detail::CharacterMapTrie(std::string("\x08\0\0\0abcd", 8)), bmae::InputError);
    BOOST_CHECK_THROW(bmae::detail::CharacterMapTrie(""), bmae::InputError);
    // Random units must never lead outside.
    std::string noise("\x40\0\0\0", 4);
    for (int i = 0; i < 80; ++i) { noise += static_cast<char>(i * 37 + 11); }
    bmae::detail::CharacterMapTrie const trie(noise);
    for (int c = 1; c < 256; ++c) { static_cast<void>(trie.find(std::string(4, static_cast<char>(c)))); }
}

BOOST_AUTO_TEST_CASE(bad_files_are_refused) {
    auto const path = std::filesystem::temp_directory_path() / ("bmae_unigram_" + std::to_string(::getpid()) + ".json");
    auto const refuses = [&](std::string const& text) {
        std::ofstream(path) << text;
        BOOST_CHECK_THROW(Unigram::from_file(path), bmae::InputError);
    };
    std::string const metaspace = R"("pre_tokenizer": {"type": "Metaspace"})";
    refuses("{}");
    refuses(R"({"model": {"type": "BPE"}})");
    refuses(R"({"model": {"type": "Unigram", "unk_id": null, "vocab": [["a", -1]]}, )" + metaspace + "}");
    refuses(R"({"model": {"type": "Unigram", "unk_id": 4, "vocab": [["a", -1]]}, )" + metaspace + "}");
    refuses(R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a"]]}, )" + metaspace + "}");
    refuses(R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", -1]]}, "pre_tokenizer": {"type": "Whitespace"}})");
    refuses(R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", -1]]}, "normalizer": {"type": "Unheard"}, )" +
            metaspace + "}");
    std::ofstream(path) << R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1]]}, )" + metaspace +
                               "}";
    BOOST_TEST(Unigram::from_file(path).encode("a").size() == 2U);
    std::filesystem::remove(path);
}

BOOST_AUTO_TEST_SUITE_END()
