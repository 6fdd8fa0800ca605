// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A tokenizer chosen by its files, and stores that know which one made them.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/maskers/candidate_words.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_builder.hpp>

#include "scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(any_tokenizer)

namespace {

namespace fs = std::filesystem;
using namespace bmae;
using Ids = std::vector<TokenId>;

std::string const space = "\xc4\xa0";   // what GPT-2 writes for a space

/// RoBERTa's form: four special tokens, 256 bytes, some merges, <mask>.
ByteLevelBpeDescription roberta() {
    ByteLevelBpeDescription description{.tokens = {"<s>", "<pad>", "</s>", "<unk>"}};
    for (unsigned byte = 0; byte < 256; ++byte) {
        description.tokens.push_back(detail::ByteLetters::instance().letter(static_cast<unsigned char>(byte)));
    }
    for (char const* const token : {"lo", "low", "\xc4\xa0low", "er", "<mask>"}) { description.tokens.emplace_back(token); }
    description.merges = {{"l", "o"}, {"lo", "w"}, {space, "low"}, {"e", "r"}};
    description.added = {{.content = "<s>", .id = 0},
                         {.content = "<pad>", .id = 1},
                         {.content = "</s>", .id = 2},
                         {.content = "<unk>", .id = 3},
                         {.content = "<mask>", .id = 264, .lstrip = true}};
    description.wrapping = {.before = {0}, .after = {2}};
    description.special = {.pad = "<pad>", .unk = "<unk>", .cls = "<s>", .sep = "</s>", .mask = "<mask>"};
    description.model_max_length = 40;
    return description;
}

WordPiece words() { return WordPiece({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "low", "##er", "."}); }

UnigramDescription unigram() {
    return {.tokens = {"<pad>", "</s>", "<unk>", "\xe2\x96\x81", "a"},
            .scores = {0, 0, 0, -2, -3},
            .added = {{.content = "</s>", .id = 1}},
            .wrapping = {.before = {}, .after = {1}}};
}

void write(fs::path const& path, std::string const& text) { std::ofstream(path) << text; }

std::string message_of(auto const& call) {
    try {
        call();
    } catch (InputError const& error) { return error.what(); }
    return {};
}

bool has(std::string const& text, char const* part) { return text.find(part) != text.npos; }

}  // namespace

BOOST_AUTO_TEST_CASE(files_say_which_it_is) {
    test::ScratchFolder const scratch;
    words().save(scratch / "bert");
    ByteLevelBpe(roberta()).save(scratch / "roberta");
    AnyTokenizer const bert = AnyTokenizer::from_file(scratch / "bert");
    AnyTokenizer const bpe = AnyTokenizer::from_file(scratch / "roberta");
    BOOST_TEST(bert.kind() == "wordpiece");
    BOOST_TEST(bpe.kind() == "byte_level_bpe");
    BOOST_TEST((bert.as<WordPiece>() != nullptr && bert.as<ByteLevelBpe>() == nullptr));
    BOOST_TEST(AnyTokenizer::from_file(scratch / "bert" / "vocab.txt").kind() == "wordpiece");
    BOOST_TEST(AnyTokenizer::from_file(scratch / "roberta" / "tokenizer.json").kind() == "byte_level_bpe");
    BOOST_TEST(holds_tokenizer(scratch / "roberta"));
    BOOST_TEST(!holds_tokenizer(scratch.path()));

    fs::create_directories(scratch / "old");   // files that do not name the type of their model
    write(scratch / "old" / "tokenizer.json", R"({"model": {"vocab": [["<unk>", 0.0], ["a", -1.0]], "unk_id": 0},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "add_prefix_space": true}})");
    BOOST_TEST(AnyTokenizer::from_file(scratch / "old").kind() == "unigram");
    write(scratch / "old" / "tokenizer.json", R"({"model": {"type": "WordLevel", "vocab": {}}})");
    BOOST_TEST(has(message_of([&] { AnyTokenizer::from_file(scratch / "old"); }), "WordPiece, BPE or Unigram"));
    write(scratch / "old" / "tokenizer.json", "{}");
    BOOST_TEST(has(message_of([&] { AnyTokenizer::from_file(scratch / "old"); }), "an object at \"model\""));
    fs::remove(scratch / "old" / "tokenizer.json");
    BOOST_TEST(has(message_of([&] { AnyTokenizer::from_file(scratch / "old"); }), "none of them"));
    BOOST_CHECK_THROW(AnyTokenizer::from_file(scratch / "nothing"), InputError);
}

BOOST_AUTO_TEST_CASE(pairs_are_joined_as_the_post_processor_says) {
    BOOST_TEST((AnyTokenizer(words()).pair_form() == PairForm{.separators = 1, .token_types = true}));
    PairForm const two{.separators = 2, .token_types = false};
    test::ScratchFolder const scratch;
    ByteLevelBpe(roberta()).save(scratch / "roberta");
    BOOST_TEST((AnyTokenizer::from_file(scratch / "roberta").pair_form() == two));
    std::string const special = R"("special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, )"
                                R"("</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}})";
    auto const token = [](std::string const& name) { return R"({"SpecialToken": {"id": ")" + name + R"(", "type_id": 0}})"; };
    auto const text = [](std::string const& name, int type) {
        return R"({"Sequence": {"id": ")" + name + R"(", "type_id": )" + std::to_string(type) + "}}";
    };
    auto const form_of = [&](std::string const& processor) {
        write(scratch / "tokenizer.json", R"({"model": {"type": "Unigram", "vocab": [["<s>", 0.0], ["</s>", -1.0]], "unk_id": 0},
            "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "add_prefix_space": true}, "post_processor": )" +
                                              processor + "}");
        return AnyTokenizer::from_file(scratch / "tokenizer.json").pair_form();
    };
    auto const pair = [&](std::string const& between, int type, std::string const& end) {
        return form_of(R"({"type": "TemplateProcessing", "single": [)" + token("<s>") + ',' + text("A", 0) + ',' + token("</s>") +
                       R"(], "pair": [)" + token("<s>") + ',' + text("A", 0) + ',' + between + text("B", type) + end + "]," +
                       special + '}');
    };
    std::string const one = token("</s>") + ',';
    BOOST_TEST((pair(one + one, 0, ',' + token("</s>")) == two));
    BOOST_TEST((pair(one, 1, ',' + token("</s>")) == PairForm{}));
    BOOST_TEST((pair(one, 0, ',' + token("</s>")) == PairForm{.separators = 1, .token_types = false}));
    BOOST_TEST(!pair(one, 0, "").has_value());                                         // nothing behind the second text
    BOOST_TEST(!pair(one + token("<s>") + ',', 0, ',' + token("</s>")).has_value());   // T5-like marks between
    std::string const ends = R"("sep": ["</s>", 1], "cls": ["<s>", 0])";
    BOOST_TEST((form_of(R"({"type": "RobertaProcessing", )" + ends + '}') == two));
    BOOST_TEST((form_of(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "BertProcessing", )" + ends +
                        "}]}") == PairForm{}));
    BOOST_TEST(!form_of("null").has_value());
}

BOOST_AUTO_TEST_CASE(what_is_saved_is_read_again) {
    test::ScratchFolder const scratch;
    AnyTokenizer const made = ByteLevelBpe(roberta());
    made.save(scratch / "first");
    AnyTokenizer const read = AnyTokenizer::from_file(scratch / "first");
    read.save(scratch / "second");
    AnyTokenizer const again = AnyTokenizer::from_file(scratch / "second");
    for (AnyTokenizer const* const one : {&made, &read, &again}) {
        BOOST_TEST(one->encode("lower low <mask>") == (Ids{261, 263, 262, 264}), boost::test_tools::per_element());
        BOOST_TEST((one->traits().special() == SpecialIds{.pad = 1, .unk = 3, .cls = 0, .sep = 2, .mask = 264}));
        BOOST_TEST(one->fingerprint() == made.fingerprint());
        BOOST_TEST(one->decode(one->encode("lower low")) == "lower low");
        BOOST_TEST((one->wrapping().before == Ids{0} && one->wrapping().after == Ids{2}));
    }
    for (char const* const name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
        BOOST_TEST(detail::read_file(scratch / "first" / name) == detail::read_file(scratch / "second" / name));
    }
    BOOST_TEST(has(detail::read_file(scratch / "first" / "tokenizer_config.json"), "\"model_max_length\": 40"));
    BOOST_CHECK_THROW(made.save(scratch / "first"), InputError);   // nothing is written over
    // Without the folder's other files the special tokens are known by the names that such models use.
    BOOST_TEST((AnyTokenizer::from_file(scratch / "first" / "tokenizer.json").traits().special() == made.traits().special()));
    BOOST_TEST(has(message_of([&] { AnyTokenizer(Unigram(unigram())).save(scratch / "third"); }), "read from a tokenizer.json"));
}

// The oldest form of RoBERTa's folder: two files, and no word of the special tokens.
BOOST_AUTO_TEST_CASE(vocabulary_and_merges_are_enough) {
    test::ScratchFolder const scratch;
    ByteLevelBpeDescription const description = roberta();
    nlohmann::json vocabulary;
    for (std::size_t i = 0; i < description.tokens.size(); ++i) { vocabulary[description.tokens[i]] = i; }
    std::string merges = "#version: 0.2\n";
    for (auto const& [left, right] : description.merges) { merges += left + ' ' + right + '\n'; }
    write(scratch / "vocab.json", vocabulary.dump());
    write(scratch / "merges.txt", merges);
    AnyTokenizer const tokenizer = AnyTokenizer::from_file(scratch.path());
    BOOST_TEST((tokenizer.traits().special() == ByteLevelBpe(description).traits().special()));
    BOOST_TEST(tokenizer.encode("lower low <mask>") == (Ids{261, 263, 262, 264}), boost::test_tools::per_element());
    require_encoder_tokens(tokenizer, true);
    // What it is saved as is the same tokenizer.
    tokenizer.save(scratch / "saved");
    BOOST_TEST(AnyTokenizer::from_file(scratch / "saved").fingerprint() == tokenizer.fingerprint());
}

BOOST_AUTO_TEST_CASE(a_fingerprint_tells_merges_and_options_apart) {
    std::uint64_t const first = ByteLevelBpe(roberta()).fingerprint();
    ByteLevelBpeDescription other = roberta();
    std::swap(other.merges[0], other.merges[3]);
    BOOST_TEST(ByteLevelBpe(other).fingerprint() != first);
    other = roberta();
    other.add_prefix_space = true;
    BOOST_TEST(ByteLevelBpe(other).fingerprint() != first);
    UnigramDescription scored = unigram();
    std::uint64_t const before = Unigram(scored).fingerprint();
    scored.scores[4] = -1;
    BOOST_TEST(Unigram(scored).fingerprint() != before);
    UnigramDescription folded = unigram();
    folded.normalizer = {{.kind = UnigramNormalizerStep::Kind::unicode_form, .form = bmae::UnicodeForm::c}};
    std::uint64_t const one_form = Unigram(folded).fingerprint();
    folded.normalizer.front().form = bmae::UnicodeForm::d;
    BOOST_TEST(Unigram(folded).fingerprint() != one_form);
    WordPieceOptions cased;
    cased.normalizer.lower_case = false;
    BOOST_TEST(WordPiece(words().tokens(), cased).fingerprint() != words().fingerprint());
    cased = {};
    cased.normalizer.strip_accents = true;   // what lower-casing does anyway
    cased.model_max_length = 64;             // decides no id
    BOOST_TEST(WordPiece(words().tokens(), cased).fingerprint() == words().fingerprint());
    // A store of a WordPiece tokenizer knows it by the same number whichever class asks.
    BOOST_TEST(tokenizer_fingerprint(words()) == AnyTokenizer(words()).fingerprint());
}

BOOST_AUTO_TEST_CASE(ids_that_no_token_has_are_refused) {
    ByteLevelBpeDescription description = roberta();
    description.added.push_back({.content = "<x>"});   // without an id
    BOOST_TEST(has(message_of([&] { ByteLevelBpe{description}; }), "-1"));
    description = roberta();
    description.wrapping.before = {999999};
    BOOST_TEST(has(message_of([&] { ByteLevelBpe{description}; }), "999999"));
}

BOOST_AUTO_TEST_CASE(encoders_need_a_token_at_either_end) {
    require_encoder_tokens(words(), true);
    require_encoder_tokens(ByteLevelBpe(roberta()), true);
    BOOST_TEST(has(message_of([&] { require_encoder_tokens(Unigram(unigram()), false); }), "0 before and 1 behind"));
    ByteLevelBpeDescription bare = roberta();
    bare.wrapping = {};
    BOOST_TEST(has(message_of([&] { require_encoder_tokens(ByteLevelBpe(bare), false); }), "<s> and </s>"));
    ByteLevelBpeDescription maskless = roberta();
    maskless.special.mask = "<hole>";
    require_encoder_tokens(ByteLevelBpe(maskless), false);
    BOOST_TEST(has(message_of([&] { require_encoder_tokens(ByteLevelBpe(maskless), true, "the/place"); }), "no mask token"));
}

// A blank belongs to the word behind it: sentence by sentence, a text must give the tokens that it gives as a whole.
BOOST_AUTO_TEST_CASE(sentences_keep_the_blank_before_them) {
    test::ScratchFolder const scratch;
    AnyTokenizer const tokenizer = ByteLevelBpe(roberta());
    auto const by_stops = [](std::string_view paragraph) {
        std::vector<ByteSpan> spans;
        for (std::size_t begin = 0; begin < paragraph.size();) {
            begin = paragraph.find_first_not_of(' ', begin);
            if (begin == paragraph.npos) { break; }
            std::size_t const end = std::min(paragraph.find('.', begin), paragraph.size() - 1) + 1;
            spans.push_back({begin, end});
            begin = end;
        }
        return spans;
    };
    TokenStoreBuilder builder(scratch / "store", tokenizer, {.passages = {.max_length = 64}, .split = by_stops, .threads = 1});
    builder.add({.id = "one line", .text = "low lower.  low low. lower"});
    builder.add({.id = "two lines", .text = "low.\nlower"});
    builder.finish();
    TokenStore const store = TokenStore::open(scratch / "store", Verify::full);
    auto const tokens_of = [&](std::size_t document) {
        auto const tokens = store.document_tokens(document);
        return Ids(tokens.begin(), tokens.end());
    };
    BOOST_TEST(tokens_of(0) == tokenizer.encode("low lower.  low low. lower"), boost::test_tools::per_element());
    BOOST_TEST(tokens_of(1) == tokenizer.encode("low. lower"), boost::test_tools::per_element());
    BOOST_TEST(store.statistics().sentences == 5U);

    // Words as the tokenizer marks them: "low", "lower.", "  low" ...; the first token begins a word without a mark.
    Ids text{0};
    for (TokenId const id : tokenizer.encode("lower low. lower")) { text.push_back(id); }
    text.push_back(2);
    std::vector<std::string> found;
    detail::CandidateWords(TokenSpan(text, store.traits()), false).for_each([&](std::span<std::uint32_t const> positions) {
        std::string word;
        for (std::uint32_t const i : positions) { word += tokenizer.token(text[i]); }
        found.push_back(word);
    });
    BOOST_TEST(found == (std::vector<std::string>{"lower", space + "low.", space + "lower"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_store_knows_its_tokenizer) {
    test::ScratchFolder const scratch;
    AnyTokenizer const tokenizer = ByteLevelBpe(roberta());
    {
        TokenStoreWriter writer(scratch / "store", tokenizer, {.max_length = 8});
        writer.add({.id = "a", .tokens = {261}, .sentence_ends = {1}});
        writer.finish();
    }
    TokenStore const store = TokenStore::open(scratch / "store");
    BOOST_TEST(store.tokenizer_kind() == "byte_level_bpe");
    BOOST_TEST((store.traits().special() == tokenizer.traits().special()));
    store.require_tokenizer(tokenizer);
    std::string const message = message_of([&] { store.require_tokenizer(words(), "a/folder"); });
    BOOST_TEST(has(message, "the tokenizer of a/folder (wordpiece "));
    BOOST_TEST(has(message, "another (byte_level_bpe "));
}

BOOST_AUTO_TEST_SUITE_END()
