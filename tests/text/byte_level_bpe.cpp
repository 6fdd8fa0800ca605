// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE on a vocabulary that is small enough to follow by hand. Equality with `tokenizers`:
// tests/parity/subword_parity.py.
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <bmae/text/added_tokens.hpp>
#include <bmae/text/byte_level_bpe.hpp>

BOOST_AUTO_TEST_SUITE(byte_level_bpe)

namespace {

using bmae::ByteLevelBpe;
using bmae::ByteLevelBpeDescription;
using bmae::TokenId;
using Ids = std::vector<TokenId>;

std::string const space = "\xc4\xa0";   // what GPT-2 writes for a space

/// All 256 bytes in their order, then l+o, lo+w, space+low, e+r, and an end of text.
ByteLevelBpeDescription lower() {
    ByteLevelBpeDescription description;
    for (unsigned byte = 0; byte < 256; ++byte) {
        description.tokens.push_back(bmae::detail::ByteLetters::instance().letter(static_cast<unsigned char>(byte)));
    }
    for (std::string const& token :
         {std::string("lo"), std::string("low"), space + "low", std::string("er"), std::string("<end>")}) {
        description.tokens.push_back(token);
    }
    description.merges = {{"l", "o"}, {"lo", "w"}, {space, "low"}, {"e", "r"}};
    description.added = {{.content = "<end>", .id = 260}};
    return description;
}

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> found;
    bmae::detail::split_as_gpt2(text,
                                [&](std::size_t begin, std::size_t end) { found.emplace_back(text.substr(begin, end - begin)); });
    return found;
}

std::filesystem::path scratch(std::string const& name) {
    auto const folder = std::filesystem::temp_directory_path() / ("bmae_bpe_" + std::to_string(::getpid()) + name);
    std::filesystem::create_directories(folder);
    return folder;
}

void write(std::filesystem::path const& path, std::string const& text) { std::ofstream(path) << text; }

}  // namespace

BOOST_AUTO_TEST_CASE(words_as_gpt2_cuts_them) {
    using Words = std::vector<std::string>;
    BOOST_TEST(words("we'll see, it's 42nd") == (Words{"we", "'ll", " see", ",", " it", "'s", " 42", "nd"}),
               boost::test_tools::per_element());
    BOOST_TEST(words("a  b") == (Words{"a", " ", " b"}), boost::test_tools::per_element());
    BOOST_TEST(words("a \n\n b ") == (Words{"a", " \n\n", " b", " "}), boost::test_tools::per_element());
    BOOST_TEST(words("a\tb") == (Words{"a", "\t", "b"}), boost::test_tools::per_element());
    BOOST_TEST(words("x 's") == (Words{"x", " '", "s"}), boost::test_tools::per_element());
    BOOST_TEST(
        words("\xc3\xa9t\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97!") == (Words{"\xc3\xa9t\xc3\xa9", " \xe6\xbc\xa2\xe5\xad\x97", "!"}),
        boost::test_tools::per_element());
    BOOST_TEST(words("").empty());
}

BOOST_AUTO_TEST_CASE(merges_and_traits) {
    ByteLevelBpe const tokenizer(lower());
    BOOST_TEST(tokenizer.encode("lower low") == (Ids{257, 259, 258}), boost::test_tools::per_element());
    BOOST_TEST(tokenizer.encode("lol<end>w") == (Ids{256, 'l', 260, 'w'}), boost::test_tools::per_element());
    BOOST_TEST(tokenizer.encode("").empty());
    BOOST_TEST(tokenizer.token(258) == space + "low");
    BOOST_TEST(tokenizer.traits().continues_word(257));
    BOOST_TEST(!tokenizer.traits().continues_word(258));
    BOOST_TEST(!tokenizer.traits().continues_word(260));
    BOOST_CHECK_THROW(static_cast<void>(tokenizer.token(261)), bmae::InputError);
    // Twice, so that the second comes from the cache of words.
    BOOST_TEST(tokenizer.encode("lower low") == (Ids{257, 259, 258}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(decoding_gives_the_text_back) {
    ByteLevelBpe const tokenizer(lower());
    for (std::string const text : {"lower  lows\n\tand 'quotes'", "\xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80", "", " "}) {
        BOOST_TEST(tokenizer.decode(tokenizer.encode(text)) == text);
    }
    BOOST_TEST(tokenizer.decode(Ids{257, 260}) == "low");
    BOOST_TEST(tokenizer.decode(Ids{257, 260}, false) == "low<end>");
    BOOST_TEST(tokenizer.decode(Ids{0xe6, 'a'}) ==
               "\xef\xbf\xbd"
               "a");   // half a character
    BOOST_TEST(tokenizer.decode(tokenizer.encode("a\xff"
                                                 "b")) ==
               "a\xef\xbf\xbd"
               "b");
}

// ModernBERT's: form C before anything is matched, added runs of blanks that begin words.
BOOST_AUTO_TEST_CASE(text_is_brought_into_form_c) {
    ByteLevelBpeDescription description = lower();
    description.tokens.push_back("   ");
    description.added.push_back({.content = "   ", .id = 261, .special = false, .normalized = true});
    description.tokens.push_back("e\xcc\x81");
    description.added.push_back({.content = "e\xcc\x81", .id = 262, .special = false, .normalized = true});
    ByteLevelBpe const plain(description);
    description.nfc = true;
    ByteLevelBpe const tokenizer(description);
    BOOST_TEST(tokenizer.encode("e\xcc\x81   l") == (Ids{262, 261, 'l'}), boost::test_tools::per_element());
    BOOST_TEST(tokenizer.encode("\xc3\xa9") == (Ids{262}), boost::test_tools::per_element());
    BOOST_TEST(plain.encode("\xc3\xa9") == (Ids{0xc3, 0xa9}), boost::test_tools::per_element());
    BOOST_TEST(tokenizer.fingerprint() != plain.fingerprint());
    BOOST_TEST(!tokenizer.traits().continues_word(261));
    std::filesystem::path const folder = scratch("nfc");
    tokenizer.save(folder);
    ByteLevelBpe const again = ByteLevelBpe::from_file(folder);
    std::filesystem::remove_all(folder);
    BOOST_TEST(again.fingerprint() == tokenizer.fingerprint());
    BOOST_TEST(again.encode("e\xcc\x81   l") == (Ids{262, 261, 'l'}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(options_change_the_ids) {
    ByteLevelBpeDescription prefixed = lower();
    prefixed.add_prefix_space = true;
    prefixed.wrapping = {.before = {1}, .after = {2}};
    ByteLevelBpe const tokenizer(prefixed);
    BOOST_TEST(tokenizer.encode("low") == Ids{258}, boost::test_tools::per_element());
    BOOST_TEST(tokenizer.encode(" low") == Ids{258}, boost::test_tools::per_element());
    BOOST_TEST(tokenizer.encode_with_specials("low") == (Ids{1, 258, 2}), boost::test_tools::per_element());
    BOOST_TEST(tokenizer.traits().special().cls == 1);
    BOOST_TEST(tokenizer.traits().special().sep == 2);

    ByteLevelBpeDescription stripping = lower();
    stripping.added[0].lstrip = true;
    BOOST_TEST(ByteLevelBpe(stripping).encode("l  <end> w") == (Ids{'l', 260, ' ', 'w'}), boost::test_tools::per_element());
    stripping.added[0].lstrip = false;
    stripping.added[0].rstrip = true;
    BOOST_TEST(ByteLevelBpe(stripping).encode("l <end>  w") == (Ids{'l', ' ', 260, 'w'}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(files) {
    auto const folder = scratch("files");
    write(folder / "vocab.json", R"({"l": 0, "o": 1, "w": 2, "lo": 3, "low": 4, "<|endoftext|>": 5})");
    write(folder / "merges.txt", "#version: 0.2\nl o\nlo w\n");
    ByteLevelBpe const tokenizer = ByteLevelBpe::from_file(folder);
    BOOST_TEST(tokenizer.encode("low<|endoftext|>lo") == (Ids{4, 5, 3}), boost::test_tools::per_element());
    BOOST_TEST(tokenizer.encode("lxw") == (Ids{0, 2}), boost::test_tools::per_element());   // as `tokenizers`: no token, no id
    write(folder / "merges.txt", "#version: 0.2\nl o w\n");
    BOOST_CHECK_EXCEPTION(ByteLevelBpe::from_file(folder), bmae::InputError,
                          [](auto const& error) { return error.diagnostic().line == 2; });
    write(folder / "merges.txt", "l x\n");
    BOOST_CHECK_THROW(ByteLevelBpe::from_file(folder), bmae::InputError);
    write(folder / "vocab.json", R"({"l": 0, "o": 7})");
    BOOST_CHECK_THROW(ByteLevelBpe::from_file(folder), bmae::InputError);
    write(folder / "tokenizer.json", R"({"model": {"type": "WordPiece"}})");
    BOOST_CHECK_THROW(ByteLevelBpe::from_file(folder), bmae::InputError);
    write(folder / "tokenizer.json",
          R"({"model": {"type": "BPE", "vocab": {"l": 0}, "merges": []}, "pre_tokenizer": {"type": "Whitespace"}})");
    BOOST_CHECK_THROW(ByteLevelBpe::from_file(folder), bmae::InputError);
    BOOST_CHECK_THROW(ByteLevelBpe::from_file(folder / "nothing"), bmae::InputError);
    std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_SUITE_END()
