// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>
#include <boost/test/unit_test.hpp>

#include <bmae/text/wordpiece.hpp>

BOOST_AUTO_TEST_SUITE(tokenizer_files)

namespace {

namespace fs = std::filesystem;

/// A folder that vanishes with the test.
struct Folder {
    Folder() : path(fs::temp_directory_path() / ("bmae-tokenizer-files-" + std::to_string(::getpid()))) {
        fs::remove_all(path);
        fs::create_directories(path);
    }
    ~Folder() { fs::remove_all(path); }

    fs::path write(std::string const& name, std::string const& content) const {
        std::ofstream(path / name, std::ios::binary) << content;
        return path / name;
    }
    fs::path path;
};

std::string const good = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n";

/// The message of the InputError that reading `path` throws.
std::string diagnostic(fs::path const& path) {
    try {
        bmae::WordPiece::from_file(path);
    } catch (bmae::InputError const& error) { return error.what(); }
    return "nothing thrown";
}

void check_diagnostic(fs::path const& path, std::string const& part) {
    std::string const found = diagnostic(path);
    BOOST_CHECK_MESSAGE(found.find(part) != std::string::npos, "'" << part << "' is not in: " << found);
}

}  // namespace

BOOST_AUTO_TEST_CASE(lines_of_a_vocabulary) {
    Folder const folder;
    bmae::WordPiece const plain = bmae::WordPiece::from_file(folder.write("plain.txt", good));
    BOOST_CHECK_EQUAL(plain.size(), 7U);
    std::string carriage = good;
    for (std::size_t at = carriage.find('\n'); at != std::string::npos; at = carriage.find('\n', at + 2)) {
        carriage.insert(at, "\r");
    }
    BOOST_CHECK(bmae::WordPiece::from_file(folder.write("crlf.txt", carriage)).tokens() == plain.tokens());
    BOOST_CHECK(bmae::WordPiece::from_file(folder.write("end.txt", good.substr(0, good.size() - 1))).tokens() == plain.tokens());
    bmae::WordPiece const odd = bmae::WordPiece::from_file(folder.write("odd.txt", good + "\xe2\x80\xa8\n \n\xc2\xa0\n"));
    BOOST_CHECK_EQUAL(odd.size(), 10U);
    BOOST_CHECK_EQUAL(odd.token(8), "");   // white space at the end of a line is none of a token's
    // Of a repeated line the last one is read, and a blank line is no token, as in transformers.
    bmae::WordPiece const twice = bmae::WordPiece::from_file(folder.write("twice.txt", good + "a\n\n"));
    BOOST_CHECK_EQUAL(twice.size(), 9U);
    BOOST_CHECK((twice.encode("a") == std::vector<bmae::TokenId>{7}));
}

BOOST_AUTO_TEST_CASE(bad_vocabularies_are_refused) {
    Folder const folder;
    check_diagnostic(folder.path / "missing.txt", "nothing of that name");
    check_diagnostic(folder.write("empty.txt", ""), "an empty file");
    check_diagnostic(folder.write("binary.txt", good + std::string("x\0y\n", 4)),
                     "binary.txt:8: expected UTF-8 text, one token per line, found a NUL byte");
    check_diagnostic(folder.write("latin1.txt", good + "caf\xe9\n"), "latin1.txt:8:");
    check_diagnostic(folder.write("gap.txt", "[PAD]\n[CLS]\n[SEP]\na\n"), "expected the token [UNK]");
    check_diagnostic(folder.write("gap2.txt", "[UNK]\n[CLS]\na\n"), "expected the token [SEP]");
    check_diagnostic(folder.path, "expected a tokenizer.json or a vocab.txt, found neither");
}

BOOST_AUTO_TEST_CASE(a_folder_with_a_vocabulary_and_a_config) {
    Folder const folder;
    folder.write("vocab.txt", "<pad>\n<unk>\n<cls>\n<sep>\n<mask>\nA\n\xc3\xa9\n");
    folder.write("tokenizer_config.json",
                 R"({"do_lower_case": false, "strip_accents": null, "tokenize_chinese_chars": false, "model_max_length": 1e30,
        "unk_token": "<unk>", "cls_token": "<cls>", "sep_token": {"content": "<sep>", "lstrip": false}})");
    folder.write("special_tokens_map.json", R"({"mask_token": "<mask>", "pad_token": {"content": "<pad>"}})");
    bmae::WordPiece const tokenizer = bmae::WordPiece::from_file(folder.path);
    BOOST_CHECK(!tokenizer.options().normalizer.lower_case && !tokenizer.options().normalizer.strip_accents &&
                !tokenizer.options().normalizer.split_chinese);
    BOOST_CHECK_EQUAL(tokenizer.options().model_max_length, 0U);
    BOOST_CHECK((tokenizer.traits().special() == bmae::SpecialIds{0, 1, 2, 3, 4}));
    BOOST_CHECK((tokenizer.encode("A \xc3\xa9<mask>") == std::vector<bmae::TokenId>{5, 6, 4}));
}

BOOST_AUTO_TEST_CASE(saved_and_read_again) {
    Folder const folder;
    bmae::WordPieceOptions const options{
        .normalizer = {.lower_case = false, .strip_accents = true, .clean_text = false, .split_chinese = false},
        .special = {.mask = "<mask>"},
        .extra_special = {"<q>"},
        .max_word_characters = 7,
        .model_max_length = 128};
    bmae::WordPiece const saved({"<q>", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "<mask>", "a", "##b", "\"", "\xc2\xb7"}, options);
    saved.save(folder.path / "out");
    bmae::WordPiece const read = bmae::WordPiece::from_file(folder.path / "out");
    BOOST_CHECK(read.tokens() == saved.tokens());
    BOOST_CHECK(read.options() == saved.options());
    BOOST_CHECK(read.encode("<q>ab<mask>\"") == saved.encode("<q>ab<mask>\""));
    BOOST_CHECK(bmae::WordPiece::from_file(folder.path / "out/vocab.txt", options).tokens() == saved.tokens());
    BOOST_CHECK_THROW(saved.save(folder.path / "out"), bmae::InputError);   // nothing is written over
    bmae::WordPiece const broken({"[UNK]", "[CLS]", "[SEP]", "a\nb"});
    BOOST_CHECK_THROW(broken.save(folder.path / "broken"), bmae::InputError);
    BOOST_CHECK(!fs::exists(folder.path / "broken"));
}

BOOST_AUTO_TEST_CASE(other_tokenizers_are_refused) {
    Folder const folder;
    bmae::WordPiece({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"}).save(folder.path / "out");
    std::ifstream file(folder.path / "out/tokenizer.json");
    nlohmann::json const right = nlohmann::json::parse(file);
    auto const with = [&](char const* pointer, nlohmann::json const& value) {
        nlohmann::json changed = right;
        changed[nlohmann::json::json_pointer(pointer)] = value;
        return folder.write("changed.json", changed.dump());
    };
    BOOST_CHECK_EQUAL(diagnostic(with("/padding", nullptr)), "nothing thrown");
    check_diagnostic(with("/model/type", "BPE"), "a model of type WordPiece");
    BOOST_CHECK_EQUAL(diagnostic(with("/normalizer", nullptr)), "nothing thrown");
    check_diagnostic(with("/normalizer/type", "Nmt"), "BertNormalizer");
    check_diagnostic(with("/normalizer/lowercase", 3), "\"lowercase\"");
    check_diagnostic(with("/pre_tokenizer/type", "UnicodeScripts"), "BertPreTokenizer");
    check_diagnostic(with("/post_processor", nullptr), "a post_processor");
    check_diagnostic(with("/post_processor/single", nlohmann::json::array()), "the template");
    check_diagnostic(with("/added_tokens/0/id", 3), "with its id in the vocabulary");
    check_diagnostic(with("/model/vocab/a", 77), "the ids 0 to 5, each once");
    check_diagnostic(with("/model/vocab/a", 0), "the ids 0 to 5, each once");
    check_diagnostic(with("/model/vocab/a", "x"), "the ids 0 to 5, each once");
    check_diagnostic(folder.write("broken.json", "{\n\"model\": "), "broken.json:2: expected JSON");
    check_diagnostic(folder.write("list.json", "[]"), "a JSON object");
    check_diagnostic(folder.write("empty.json", ""), "an empty file");
    check_diagnostic(folder.write("bare.json", "{}"), "\"model\"");
}

BOOST_AUTO_TEST_CASE(the_three_ways_to_the_same_tokenizer) {
    char const* const named = std::getenv("BMAE_DATA");
    fs::path const folder = (named != nullptr ? fs::path(named) : fs::path("../shared/data")) / "vocab/bert-base-uncased";
    if (!fs::exists(folder)) {
        BOOST_TEST_MESSAGE("skipped: BMAE_DATA does not name a folder with vocab/bert-base-uncased");
        return;
    }
    bmae::WordPiece const text = bmae::WordPiece::from_file(folder / "vocab.txt");
    bmae::WordPiece const json = bmae::WordPiece::from_file(folder / "tokenizer.json");
    bmae::WordPiece const both = bmae::WordPiece::from_file(folder);
    BOOST_CHECK_EQUAL(text.size(), 30522U);
    BOOST_CHECK(text.tokens() == json.tokens() && json.tokens() == both.tokens());
    BOOST_CHECK(text.options() == json.options() && json.options() == both.options());
    BOOST_CHECK((text.traits().special() == bmae::SpecialIds{0, 100, 101, 102, 103}));
}

BOOST_AUTO_TEST_SUITE_END()
