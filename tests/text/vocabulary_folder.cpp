// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/text/merged_folder.hpp>
#include <bmae/text/vocabulary_change.hpp>
#include <bmae/text/vocabulary_folder.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/io/model_folder.hpp>

#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(vocabulary_folder)

namespace {

namespace fs = std::filesystem;
using bmae::ElementType;
using bmae::InputError;
using bmae::TensorEntry;
using bmae::TokenId;
using bmae::WordPiece;
using test::says;
using Ids = std::vector<TokenId>;

WordPiece small() {
    return WordPiece(std::vector<std::string>{"[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "car", "##dio", "##logy",
                                              "a", "##b", "heart"});
}

/// [rows, 2] numbers of which each says its row.
std::vector<float> table(std::size_t rows, float scale) {
    std::vector<float> numbers;
    for (std::size_t r = 0; r < rows; ++r) {
        numbers.insert(numbers.end(), {scale * static_cast<float>(r), -static_cast<float>(r)});
    }
    return numbers;
}

/// A folder of sentence-transformers: 14 rows for 12 tokens, a head with a bias, a Dense module, a file of another framework.
void write_folder(fs::path const& folder, float scale = 1, std::string const& extra = {}) {
    auto const words = table(14, scale), other = table(3, scale);
    std::vector<float> const bias{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    std::array<std::int64_t, 2> const positions{0, 1};
    std::vector<TensorEntry> const entries{
        {{"bert.embeddings.word_embeddings.weight", ElementType::f32, {14, 2}}, std::as_bytes(std::span(words))},
        {{"bert.embeddings.position_ids", ElementType::i64, {1, 2}}, std::as_bytes(std::span(positions))},
        {{"bert.embeddings.position_embeddings.weight", ElementType::f32, {3, 2}}, std::as_bytes(std::span(other))},
        {{"cls.predictions.bias", ElementType::f32, {14}}, std::as_bytes(std::span(bias))}};
    fs::create_directories(folder / "1_Pooling");
    fs::create_directories(folder / "2_Dense");
    bmae::write_safetensors(folder / "model.safetensors", entries);
    std::vector<TensorEntry> const dense{{{"linear.weight", ElementType::f32, {3, 2}}, std::as_bytes(std::span(other))}};
    bmae::write_safetensors(folder / "2_Dense" / "model.safetensors", dense);
    auto const put = [&](char const* name, std::string const& text) { bmae::detail::write_file(folder / name, text); };
    put("config.json",
        R"({"model_type": "bert", "vocab_size": 14, "hidden_size": 2, "pad_token_id": 0, "unk_token_id": 2)" + extra + "}");
    put("modules.json", R"([{"path": "", "type": "sentence_transformers.models.Transformer"},)"
                        R"({"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},)"
                        R"({"path": "2_Dense", "type": "sentence_transformers.models.Dense"}])");
    put("1_Pooling/config.json", R"({"word_embedding_dimension": 2})");
    put("tf_model.h5", "old");
    small().save(folder);
}

std::vector<float> numbers_of(fs::path const& folder, std::string const& name) {
    auto const file = bmae::SafetensorsFile::open(folder / "model.safetensors");
    auto const bytes = file.find(name)->bytes;
    std::vector<float> numbers(bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    return numbers;
}

}  // namespace

BOOST_AUTO_TEST_CASE(frequent_words_of_several_pieces_are_found) {
    bmae::CountedWords words(small());
    for (char const* const text : {"Cardio, cardio cardiology ab ab", "heart xyz xyz cardiology"}) { words.add(text); }
    BOOST_TEST(words.frequent_split_words(10) == (std::vector<std::string>{"ab", "cardio", "cardiology"}),
               boost::test_tools::per_element());
    BOOST_TEST(words.frequent_split_words(1) == (std::vector<std::string>{"ab"}), boost::test_tools::per_element());
    BOOST_TEST(words.frequent_split_words(10, 3).empty());
    auto const pieces = words.pieces();
    BOOST_TEST(pieces[6] == 4U);    // car
    BOOST_TEST(pieces[8] == 2U);    // ##logy
    BOOST_TEST(pieces[11] == 1U);   // heart
    BOOST_TEST(pieces[2] == 3U);    // [UNK]: xyz, xyz and the comma
}

BOOST_AUTO_TEST_CASE(words_are_appended_as_the_tokenizer_reads_them) {
    std::vector<std::string> const words{"Cardio", "cardiology", "heart", "two words", "xyz", "", "cardio"};
    auto const change = bmae::extended_vocabulary(small(), words);
    BOOST_TEST(change.tokens.size() == 14U);
    BOOST_TEST(change.tokens[12] == "cardio");
    BOOST_TEST(change.sources[12] == (Ids{6, 7}), boost::test_tools::per_element());
    BOOST_TEST(change.sources[13] == (Ids{6, 7, 8}), boost::test_tools::per_element());
    BOOST_TEST(change.known == (std::vector<std::string>{"heart", "cardio"}), boost::test_tools::per_element());
    BOOST_TEST(change.not_words == (std::vector<std::string>{"two words", ""}), boost::test_tools::per_element());
    BOOST_TEST(change.without_pieces == (std::vector<std::string>{"xyz"}), boost::test_tools::per_element());
    auto const changed = bmae::with_vocabulary(small(), change.tokens);
    BOOST_TEST(changed.encode("heart ab") == small().encode("heart ab"), boost::test_tools::per_element());
    BOOST_TEST(changed.encode("cardio") == (Ids{12}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(unused_pieces_go_and_counted_texts_stay_as_they_are) {
    bmae::CountedWords words(small());
    words.add("cardio [MASK]");
    auto const change = bmae::trimmed_vocabulary(small(), words.pieces());
    std::vector<std::string> const expected{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "car", "##dio", "a", "##b"};
    BOOST_TEST(change.tokens == expected, boost::test_tools::per_element());
    auto const changed = bmae::with_vocabulary(small(), change.tokens);
    BOOST_TEST(changed.decode(changed.encode("cardio")) == small().decode(small().encode("cardio")));
    BOOST_TEST(changed.encode("ab") == (Ids{7, 8}), boost::test_tools::per_element());   // single characters stay
}

BOOST_AUTO_TEST_CASE(weights_config_and_tokenizer_change_together) {
    test::Scratch const scratch;
    write_folder(scratch / "model");
    std::vector<std::string> const words{"cardio"};
    auto const report =
        bmae::write_with_vocabulary(scratch / "model", scratch / "more", small(), bmae::extended_vocabulary(small(), words));
    BOOST_TEST(report.tokens_after == 13U);
    BOOST_TEST(report.left_out == (std::vector<std::string>{"tf_model.h5"}), boost::test_tools::per_element());
    auto const rows = numbers_of(scratch / "more", "bert.embeddings.word_embeddings.weight");
    BOOST_TEST(rows.size() == 26U);   // the two rows beyond the tokenizer are gone
    BOOST_TEST(rows[24] == 6.5F);     // of car and ##dio
    BOOST_TEST(rows[22] == 11.0F);
    BOOST_TEST(numbers_of(scratch / "more", "cls.predictions.bias").back() == 6.5F);
    BOOST_TEST(numbers_of(scratch / "more", "bert.embeddings.position_embeddings.weight").size() == 6U);
    BOOST_TEST(fs::exists(scratch / "more" / "2_Dense" / "model.safetensors"));
    BOOST_TEST(fs::exists(scratch / "more" / "1_Pooling" / "config.json"));
    auto const config = bmae::detail::JsonObject::read(scratch / "more" / "config.json");
    BOOST_TEST(config.require<std::int64_t>("vocab_size") == 13);
    BOOST_TEST(WordPiece::from_file(scratch / "more").encode("cardio") == (Ids{12}), boost::test_tools::per_element());

    bmae::CountedWords counted(small());
    counted.add("heart");
    bmae::write_with_vocabulary(scratch / "model", scratch / "less", small(),
                                bmae::trimmed_vocabulary(small(), counted.pieces()));
    BOOST_TEST(bmae::detail::JsonObject::read(scratch / "less" / "config.json").require<std::int64_t>("unk_token_id") == 1);
    auto const kept = numbers_of(scratch / "less", "bert.embeddings.word_embeddings.weight");
    BOOST_TEST(kept.back() == -11.0F);   // heart
    BOOST_CHECK_EXCEPTION(bmae::write_with_vocabulary(scratch / "model", scratch / "less", small(), {}), bmae::Error,
                          [](auto const&) { return true; });
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_by_name) {
    test::Scratch const scratch;
    write_folder(scratch / "model");
    auto const same = bmae::extended_vocabulary(small(), {});
    std::vector<float> const numbers(28, 1);
    std::vector<TensorEntry> const unknown{
        {{"bert.embeddings.word_embeddings.weight", ElementType::f32, {14, 2}}, std::as_bytes(std::span(numbers))},
        {{"extra.table", ElementType::f32, {14, 2}}, std::as_bytes(std::span(numbers))}};
    bmae::write_safetensors(scratch / "model" / "model.safetensors", unknown, {}, bmae::Existing::replace);
    BOOST_CHECK_EXCEPTION(bmae::write_with_vocabulary(scratch / "model", scratch / "x", small(), same), InputError,
                          says("\"extra.table\" [14, 2]"));
    fs::rename(scratch / "model" / "model.safetensors", scratch / "model" / "pytorch_model.bin");
    BOOST_CHECK_EXCEPTION(bmae::write_with_vocabulary(scratch / "model", scratch / "x", small(), same), InputError,
                          says("a file of torch.save"));
    BOOST_TEST(!fs::exists(scratch / "x"));
    BOOST_CHECK_EXCEPTION(bmae::ModelFolder(scratch / "none"), InputError, says("no config.json"));
}

BOOST_AUTO_TEST_CASE(models_are_averaged_or_refused_by_what_differs) {
    test::Scratch const scratch;
    write_folder(scratch / "a");
    write_folder(scratch / "b", 3, R"(, "transformers_version": "9")");
    auto const merge = [&](char const* other, double weight, char const* output = "none") {
        std::vector<bmae::MergePart> const parts{{scratch / "a", .75}, {scratch / other, weight}};
        return bmae::merge_folders(parts, scratch / output);
    };
    auto const report = merge("b", .25, "mixed");
    BOOST_TEST(report.tensors == 4U);
    BOOST_TEST(report.equal_tensors == 1U);
    BOOST_TEST(numbers_of(scratch / "mixed", "bert.embeddings.word_embeddings.weight")[2] == 1.5F);   // .75 * 1 + .25 * 3
    BOOST_TEST(numbers_of(scratch / "mixed" / "2_Dense", "linear.weight")[2] == 1.5F);
    BOOST_TEST(fs::exists(scratch / "mixed" / "tokenizer.json"));
    BOOST_CHECK_EXCEPTION(merge("b", .5), InputError, says("weights whose sum is 1", "1.25"));
    write_folder(scratch / "c", 1, R"(, "hidden_act": "relu")");
    BOOST_CHECK_EXCEPTION(merge("c", .25), InputError, says("no \"hidden_act\"", "relu"));
    write_folder(scratch / "d");
    fs::remove(scratch / "d" / "tokenizer.json");
    bmae::detail::write_file(scratch / "d" / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", bmae::Existing::replace);
    BOOST_CHECK_EXCEPTION(merge("d", .25), InputError, says("the tokenizer of", "another one, of 5"));
    write_folder(scratch / "e");
    std::vector<float> const numbers(2, 1);
    std::vector<TensorEntry> const fewer{
        {{"bert.embeddings.word_embeddings.weight", ElementType::f32, {1, 2}}, std::as_bytes(std::span(numbers))}};
    bmae::write_safetensors(scratch / "e" / "model.safetensors", fewer, {}, bmae::Existing::replace);
    BOOST_CHECK_EXCEPTION(merge("e", .25), InputError, says("the tensor \"bert.embeddings.position_embeddings.weight\""));
    BOOST_TEST(!fs::exists(scratch / "none"));
}

BOOST_AUTO_TEST_SUITE_END()
