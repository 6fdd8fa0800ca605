// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Every family as a sentence encoder, saved and loaded as a sentence-transformers folder.
#include <filesystem>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/encoders/bert_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/retrieval/sentence_transformer_folder.hpp>

namespace {

using namespace bmae;

std::filesystem::path const golden = std::filesystem::path(__FILE__).parent_path().parent_path() / "parity" / "golden";

WordPiece sixty_words() {
    std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int i = 5; i < 60; ++i) { tokens.push_back("w" + std::to_string(i)); }
    return WordPiece(std::move(tokens));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sentences_of_families)

BOOST_AUTO_TEST_CASE(vectors_survive_a_folder_and_lengths_fit_the_positions) {
    for (std::string const name : {"roberta", "electra", "distilbert"}) {
        NamedTensors const expected = load_tensors(golden / (name + ".safetensors"));
        BertEncoder const encoder = load_bert(golden / ("tiny_" + name));
        SentenceEncoder const sentences(encoder, sixty_words(), {.pooling = Pooling::cls, .max_length = 40});
        std::string message;   // RoBERTa has 42 positions, of which a text can use 40
        try {
            static_cast<void>(SentenceEncoder(encoder, sixty_words(), {.pooling = Pooling::cls, .max_length = 41}));
        } catch (InputError const& error) { message = error.what(); }
        BOOST_CHECK_MESSAGE(message.find("2 to 40 tokens") != message.npos, name << ": " << message);

        std::filesystem::path const folder = std::filesystem::temp_directory_path() / ("bmae-test-sentences-" + name);
        std::filesystem::remove_all(folder);
        save_sentence_transformer(sentences, folder);
        SentenceEncoder const loaded = load_sentence_encoder(folder);
        std::filesystem::remove_all(folder);
        BOOST_TEST(loaded.options().max_length == 40U);
        BOOST_TEST((loaded.encoder().config().model_type == encoder.config().model_type));
        std::vector<std::vector<TokenId>> texts;
        at::Tensor const offsets = expected.at("offsets");
        for (std::int64_t b = 0; b + 1 < offsets.numel(); ++b) {
            std::vector<TokenId>& text = texts.emplace_back();
            for (std::int64_t i = offsets[b].item<std::int64_t>(); i < offsets[b + 1].item<std::int64_t>(); ++i) {
                text.push_back(static_cast<TokenId>(expected.at("input_ids")[i].item<std::int64_t>()));
            }
        }
        at::Tensor const first_rows = expected.at("hidden.2").index_select(0, offsets.narrow(0, 0, offsets.numel() - 1));
        for (SentenceEncoder const* const one : {&sentences, &loaded}) {
            BOOST_CHECK_LE((one->encode_ids(texts) - first_rows).abs().max().item<double>(), 2e-5);
        }
        std::string long_text;
        for (int i = 0; i < 100; ++i) { long_text += "w7 "; }
        BOOST_TEST(loaded.encode(long_text).size(1) == 16);   // cut, not out of the table
    }
}

BOOST_AUTO_TEST_SUITE_END()
