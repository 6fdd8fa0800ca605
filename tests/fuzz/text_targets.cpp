// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Tokenizers and their files, dictionaries of words.
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/maskers/word_dictionary.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/retrieval/analyzer.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/byte_level_bpe.hpp>
#include <bmae/text/sentence_splitter.hpp>
#include <bmae/text/unigram.hpp>
#include <bmae/text/word_pattern.hpp>
#include <bmae/text/wordpiece.hpp>

#include "targets.hpp"

namespace fuzz {

namespace {

constexpr std::string_view sample =
    "The harbor's ABC, caf\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97 aa bb  ab [MASK] </s> <extra> 12\n\xff x";

bmae::WordPiece small_wordpiece() {
    return bmae::WordPiece(std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "harbor",   "a",
                                                    "b",     "c",     "##a",   "##b",   "##c",    "un",  "##believ", "##able",
                                                    "caf",   "##e",   ",",     "'",     "s",      "x",   "12"});
}

std::string wordpiece_file(char const* name) {
    static std::filesystem::path const folder = [] {
        std::filesystem::path const path = scratch() / "wordpiece";
        small_wordpiece().save(path);
        return path;
    }();
    return bytes_of(folder / name);
}

std::string const bpe_json =
    R"({"version":"1.0","added_tokens":[{"id":8,"content":"<|end|>","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false}],)"
    R"("normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},)"
    R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|end|>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],)"
    R"("pair":[],"special_tokens":{"<|end|>":{"id":"<|end|>","ids":[8],"tokens":["<|end|>"]}}},"decoder":{"type":"ByteLevel"},)"
    R"("model":{"type":"BPE","dropout":null,"unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,)"
    R"("vocab":{"a":0,"b":1,"c":2,"h":3,"ab":4,"aa":5,"x":6,"e":7,"<|end|>":8},"merges":[["a","b"],"a a"]}})";

std::string const unigram_json =
    R"({"version":"1.0","added_tokens":[{"id":1,"content":"</s>","special":true},{"id":8,"content":"<extra>","special":true}],)"
    R"("normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "},{"type":"Strip"}]},)"
    R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always"}]},)"
    R"("post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],)"
    R"("special_tokens":{"</s>":{"id":"</s>","ids":[1],"tokens":["</s>"]}}},"decoder":{"type":"Metaspace"},)"
    R"("model":{"type":"Unigram","unk_id":2,"vocab":[["<pad>",0],["</s>",0],["<unk>",0],["\u2581",-2],["a",-3],["b",-3],["ab",-4],["\u2581a",-3.5],["<extra>",-9]]}})";

/// WordPiece behind expressions.
std::string pattern_json() {
    std::string json = wordpiece_file("tokenizer.json");
    auto const set = [&](std::string const& key, std::string const& value) {
        std::size_t const begin = json.find('{', json.find('"' + key + '"'));
        json.replace(begin, json.find('}', begin) + 1 - begin, value);
    };
    set("normalizer", R"({"type":"Replace","pattern":{"Regex":"\\s+|[.!]{2,}"},"content":" "})");
    set("pre_tokenizer",
        R"json({"type":"Split","pattern":{"Regex":"(?i:'s|'ll)| ?\\p{L}+|\\d{1,3}|[^\\s\\w]+?|\\s+(?!\\S)"},)json"
        R"json("behavior":"MergedWithPrevious","invert":true})json");
    return json;
}

/// An expression, and its matches in a text.
void read_pattern(std::string_view input) {
    bmae::WordPattern const pattern{std::string(input)};
    std::string const text = bmae::detail::well_formed(sample) + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    std::size_t end = 0;
    pattern.for_each_match(text, [&](std::size_t from, std::size_t to) {
        if (from < end || to <= from || to > text.size()) { throw std::logic_error("a match out of order"); }
        end = to;
    });
}

/// Everything that a tokenizer says of a text.
template <class T>
void use(T const& tokenizer) {
    auto const ids = tokenizer.encode(sample);
    static_cast<void>(tokenizer.decode(ids));
    static_cast<void>(tokenizer.fingerprint());
}

void read_tokenizer_json(std::string_view input) { use(bmae::AnyTokenizer::from_file(put("tokenizer/tokenizer.json", input))); }

/// A folder of BERT whose file `name` is the input.
void read_folder(std::string const& name, std::string_view input) {
    for (char const* const file : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
        put(std::string("folder/") + file, wordpiece_file(file));
    }
    put("folder/" + name, input);
    use(bmae::AnyTokenizer::from_file(scratch() / "folder"));
}

void read_vocabulary(std::string_view input) { use(bmae::WordPiece::from_file(put("vocab.txt", input))); }

void read_pair_of_files(std::string_view vocabulary, std::string_view merges) {
    put("pair/vocab.json", vocabulary);
    put("pair/merges.txt", merges);
    use(bmae::ByteLevelBpe::from_file(scratch() / "pair"));
}

/// Any text, through every tokenizer, splitter and analyzer.
void read_text(std::string_view input) {
    static bmae::WordPiece const wordpiece = small_wordpiece();
    static bmae::ByteLevelBpe const bpe = bmae::ByteLevelBpe::from_file(put("text/bpe.json", bpe_json));
    static bmae::Unigram const unigram = bmae::Unigram::from_file(put("text/unigram.json", unigram_json));
    std::vector<bmae::TokenId> ids;
    std::vector<bmae::ByteSpan> offsets;
    wordpiece.encode_into(input, ids, offsets);
    static_cast<void>(wordpiece.decode(wordpiece.encode(input)));
    static_cast<void>(bpe.decode(bpe.encode(input)));
    static_cast<void>(unigram.decode(unigram.encode(input)));
    static_cast<void>(bmae::SentenceSplitter().split(input));
    static_cast<void>(bmae::Analyzer({.stemming = bmae::Stemming::english})(input));
}

void read_dictionary(std::string_view input) {
    static bmae::WordPiece const wordpiece = small_wordpiece();
    static_cast<void>(bmae::read_word_dictionary(put("words.json", input), wordpiece).size());
}

void read_weights(std::string_view input) { static_cast<void>(bmae::WordWeights::load(put("words.weights", input)).size()); }

std::string weights_seed() {
    std::vector<std::vector<bmae::TokenId>> const texts{{5, 6, 7}, {8, 10, 9}};
    std::filesystem::path const path = scratch() / "seed.weights";
    if (!std::filesystem::exists(path)) {
        bmae::WordWeights::count(
            texts.size(), [&](std::size_t i) { return std::span<bmae::TokenId const>(texts[i]); }, small_wordpiece().traits())
            .save(path);
    }
    return bytes_of(path);
}

}  // namespace

std::vector<Target> text_targets() {
    static std::string const merges = "#version: 0.2\na b\na a\n";
    static std::string const vocabulary = R"({"a": 0, "b": 1, "ab": 2, "aa": 3, "x": 4, "<|endoftext|>": 5})";
    return {
        {"tokenizer_json", read_tokenizer_json, {wordpiece_file("tokenizer.json"), bpe_json, unigram_json, pattern_json()}},
        {"tokenizer_config",
         [](std::string_view input) { read_folder("tokenizer_config.json", input); },
         {wordpiece_file("tokenizer_config.json")}},
        {"special_tokens_map",
         [](std::string_view input) { read_folder("special_tokens_map.json", input); },
         {wordpiece_file("special_tokens_map.json"),
          R"({"mask_token": {"content": "[MASK]", "lstrip": false}, "unk_token": "[UNK]"})"}},
        {"word_pattern",
         read_pattern,
         {R"('s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", R"((?i:'s|'ll)|(?>a++|[^\w\s-]{2,5}?)|\d{,3}x|(ab)*c)"}},
        {"vocab_txt", read_vocabulary, {wordpiece_file("vocab.txt")}},
        {"vocab_json", [](std::string_view input) { read_pair_of_files(input, merges); }, {vocabulary}},
        {"merges_txt", [](std::string_view input) { read_pair_of_files(vocabulary, input); }, {merges}},
        {"text", read_text, {std::string(sample), "Dr. Smith went home. \"Yes!\" he said.\n\nA new one: 3.5 of them (etc.)."}},
        {"word_dictionary", read_dictionary, {R"({"the": 3, "un##believ##able": 2, "harbor": 1})"}},
        {"word_weights", read_weights, {weights_seed()}},
    };
}

}  // namespace fuzz
