// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Every family as a sentence encoder, saved and loaded as a sentence-transformers folder.
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/concatenated.hpp>
#include <bmae/bottlenecks/projected.hpp>
#include <bmae/bottlenecks/reduced.hpp>
#include <bmae/edge/sentence_transformer_folder.hpp>
#include <bmae/encoders/bert_folder.hpp>
#include <bmae/io/sentence_transformer.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/retrieval/exact_index.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>

#include "../parity_folder.hpp"

BOOST_AUTO_TEST_SUITE(sentences_of_families)

namespace {

using namespace bmae;

std::filesystem::path const golden = test::parity_folder() / "golden";

WordPiece sixty_words() {
    std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int i = 5; i < 60; ++i) { tokens.push_back("w" + std::to_string(i)); }
    return WordPiece(std::move(tokens));
}

}  // namespace

BOOST_AUTO_TEST_CASE(vectors_survive_a_folder_and_lengths_fit_the_positions) {
    for (std::string const name : {"roberta", "electra", "distilbert"}) {
        NamedTensors const expected = load_tensors(golden / (name + ".safetensors"));
        BertEncoder const encoder = load_bert(golden / ("tiny_" + name));
        SentenceEncoder const sentences(encoder, sixty_words(), {.max_length = 40});
        std::string message;   // RoBERTa has 42 positions, of which a text can use 40
        try {
            static_cast<void>(SentenceEncoder(encoder, sixty_words(), {.max_length = 41}));
        } catch (InputError const& error) { message = error.what(); }
        BOOST_CHECK_MESSAGE(message.find("2 to 40 tokens") != message.npos, name << ": " << message);

        std::filesystem::path const folder = std::filesystem::temp_directory_path() / ("bmae-test-sentences-" + name);
        std::filesystem::remove_all(folder);
        save_sentence_transformer(sentences, folder);
        SentenceEncoder const loaded = load_sentence_encoder(folder);
        std::filesystem::remove_all(folder);
        BOOST_TEST(loaded.options().max_length == 40U);
        BOOST_TEST((loaded.model().encoder<BertEncoder>()->config().model_type == encoder.config().model_type));
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

// What training compared by is what the index compares by after a folder: dot products of plain vectors, or cosines.
BOOST_AUTO_TEST_CASE(pitfall_19_a_saved_encoder_is_compared_as_it_was_trained) {
    BertEncoder const encoder = load_bert(golden / "tiny_electra");
    std::vector<std::string> const texts{"w7 w8 w9", "w20", "w30 w31 w7 w7 w12"};
    std::filesystem::path const folder = std::filesystem::temp_directory_path() / "bmae-test-pitfall-19";
    for (SentenceBottleneck const& pooling : {SentenceBottleneck(ClsBottleneck{}), SentenceBottleneck(MeanBottleneck{})}) {
        at::Tensor const plain = SentenceEncoder(encoder, sixty_words(), {.pooling = pooling, .max_length = 40}).encode(texts);
        for (bool const cosine : {false, true}) {
            std::filesystem::remove_all(folder);
            save_sentence_transformer(
                SentenceEncoder(encoder, sixty_words(), {.pooling = pooling, .normalize = cosine, .max_length = 40}), folder);
            BOOST_TEST(read_sentence_transformer(folder).similarity == (cosine ? "cosine" : "dot"));
            SentenceEncoder const loaded = load_sentence_encoder(folder);
            BOOST_TEST(loaded.options().normalize == cosine);
            BOOST_TEST(to_string(loaded.options().pooling) == to_string(pooling));
            at::Tensor const vectors = loaded.encode(texts);
            Run const run = ExactIndex(vectors, {"0", "1", "2"}).search(vectors, 3);
            for (std::size_t q = 0; q < 3; ++q) {
                for (Hit const& hit : run.hits(q)) {
                    at::Tensor const a = plain[static_cast<std::int64_t>(q)];
                    at::Tensor const b = plain[static_cast<std::int64_t>(hit.document)];
                    double expected = (a * b).sum().item<double>();
                    if (cosine) { expected /= std::sqrt((a * a).sum().item<double>() * (b * b).sum().item<double>()); }
                    BOOST_CHECK_SMALL(static_cast<double>(hit.score) - expected, 1e-4);
                }
            }
        }
    }
    std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(a_vector_that_is_not_finite_names_its_text) {
    BertEncoder const encoder = load_bert(golden / "tiny_electra");
    SentenceEncoder const sentences(encoder, sixty_words(), {.pooling = ClsBottleneck{}, .max_length = 40});
    std::vector<std::string> texts(70, "w7 w8 w9");
    static_cast<void>(sentences.encode(texts));
    texts[41] = "w7 w20";
    texts[66] = "w9 w9 w20 w9";   // longer, so read earlier
    at::NoGradGuard const no_gradients;
    encoder.embeddings.word[20][3] = std::nan("");
    std::string message;
    try {
        static_cast<void>(sentences.encode(texts, {.batch_tokens = 30}));
    } catch (InputError const& error) { message = error.what(); }
    BOOST_CHECK_MESSAGE(message.find("text 67 of 70") != message.npos, message);
    message.clear();
    try {
        static_cast<void>(sentences.encode(texts));
    } catch (InputError const& error) { message = error.what(); }
    BOOST_CHECK_MESSAGE(message.find("text 42 of 70") != message.npos, message);
}

BOOST_AUTO_TEST_CASE(a_pooling_of_two_layers_encodes_and_is_not_exported) {
    BertEncoder const encoder = load_bert(golden / "tiny_roberta");
    std::vector<std::vector<TokenId>> const texts{{2, 9, 10, 3}, {2, 11, 3}};
    SentenceEncoder const first_last(encoder, sixty_words(), {.pooling = FirstLastBottleneck{}, .max_length = 40});
    at::Tensor const rows = first_last.encode_ids(texts);
    PackedView view;
    view.append({.original_ids = texts[0], .input_ids = texts[0]});
    PackedInput const input = to_tensors(view);
    ForwardContext context;
    at::NoGradGuard const no_gradients;
    Encoded const encoded = encoder.encode(input, context, true);
    at::Tensor const by_hand = (encoded.layers[1] + encoded.layers.back()).mean(0) / 2;
    BOOST_CHECK_LE((rows[0] - by_hand).abs().max().item<double>(), 1e-5);
    std::filesystem::path const folder = std::filesystem::temp_directory_path() / "bmae-test-first-last";
    std::string message;
    try {
        save_sentence_transformer(first_last, folder);
    } catch (InputError const& error) { message = error.what(); }
    BOOST_CHECK_MESSAGE(message.find("found first_last") != message.npos, message);
    BOOST_CHECK(!std::filesystem::exists(folder));
}

BOOST_AUTO_TEST_CASE(linear_maps_and_length_one_go_into_the_folder_and_come_back) {
    BertEncoder const encoder = load_bert(golden / "tiny_electra");
    std::vector<std::string> const texts{"w7 w8 w9", "w20", "w30 w31 w7 w7 w12"};
    std::filesystem::path const folder = std::filesystem::temp_directory_path() / "bmae-test-linear-maps";
    Reduced<MeanBottleneck> const reduced({.width = 5}, encoder, 3, {});
    Projected<ClsBottleneck, TanhProjection> const projected({}, encoder, 4, {});
    at::Tensor const last = at::arange(15, at::kFloat).view({3, 5}).sin();
    std::vector<SentenceBottleneck> const made{
        {reduced, encoder},
        {projected, encoder},
        Normalized<MeanBottleneck>{},
        Concatenated<ClsBottleneck, MeanBottleneck>{},
        SentenceBottleneck(reduced, encoder).then({.weight = last, .activation = DenseActivation::tanh})};
    std::vector<std::int64_t> const widths{5, 16, 16, 32, 3};
    std::vector<std::string> const names{"mean+reduced", "cls+tanh", "mean+normalized", "cls+mean", "mean+reduced+dense"};
    std::vector<std::string> const read{"mean+dense", "cls+dense", "mean", "cls+mean", "mean+dense+dense"};
    for (std::size_t i = 0; i < made.size(); ++i) {
        SentenceEncoder const sentences(encoder, sixty_words(), {.pooling = made[i], .max_length = 40});
        at::Tensor const expected = sentences.encode(texts);
        BOOST_TEST(expected.size(1) == widths[i]);
        std::filesystem::remove_all(folder);
        save_sentence_transformer(sentences, folder);
        SentenceEncoder const loaded = load_sentence_encoder(folder);
        BOOST_TEST(to_string(made[i]) == names[i]);
        BOOST_TEST(to_string(loaded.options().pooling) == read[i]);
        BOOST_TEST(loaded.options().normalize == (names[i] == "mean+normalized"));
        at::Tensor const found = loaded.encode(texts);
        BOOST_REQUIRE(found.sizes() == expected.sizes());
        BOOST_CHECK_LE((found - expected).abs().max().item<double>(), 1e-6);
    }
    std::filesystem::remove_all(folder);
    std::string message;
    try {
        static_cast<void>(SentenceBottleneck(reduced, encoder).then({.weight = last}).then({.weight = last}));
    } catch (InputError const& error) { message = error.what(); }
    BOOST_CHECK_MESSAGE(message.find("a linear map") != message.npos, message);
}

BOOST_AUTO_TEST_CASE(similarity_prompts_and_the_chain_go_into_the_folder_and_come_back) {
    BertEncoder const encoder = load_bert(golden / "tiny_electra");
    std::vector<std::string> const texts{"w7 w8 w9", "w20", "w30 w31 w7 w7 w12"};
    std::filesystem::path const folder = std::filesystem::temp_directory_path() / "bmae-test-chain";
    std::int64_t const width = 2 * encoder.shape().width;
    SentenceBottleneck const chain =
        SentenceBottleneck::named("weighted_mean+max")
            ->followed_by(LayerNormStep{.weight = at::arange(width, at::kFloat), .bias = at::ones({width})})
            .then({.weight = at::arange(5 * width, at::kFloat).view({5, width}).sin(), .activation = DenseActivation::softsign})
            .followed_by(UnitLengthStep{})
            .followed_by(TruncateStep{.width = 4});
    SentenceEncoderOptions const options{.pooling = chain,
                                         .max_length = 12,
                                         .query_length = 20,
                                         .similarity = VectorSimilarity::manhattan,
                                         .prompts = {.texts = {{"query", "w40 "}, {"passage", "w41 w42 "}}},
                                         .pools_prompt = false};
    SentenceEncoder const sentences(encoder, sixty_words(), options);
    std::filesystem::remove_all(folder);
    save_sentence_transformer(sentences, folder);
    SentenceEncoder const loaded = load_sentence_encoder(folder);
    BOOST_TEST(loaded.encode(texts).equal(sentences.encode(texts)));
    BOOST_TEST(loaded.encode_queries(texts).equal(sentences.encode_queries(texts)));
    BOOST_TEST(!loaded.encode_queries(texts).equal(loaded.encode(texts)));
    BOOST_TEST(loaded.options().max_length == 12U);
    BOOST_TEST(loaded.options().query_length == 20U);
    BOOST_CHECK(loaded.options().ranks_by() == VectorSimilarity::manhattan);
    BOOST_TEST(loaded.prompt() == "w41 w42 ");
    BOOST_TEST(loaded.options().prompts.texts.at("document") == "w41 w42 ");   // under the name that version 6 reads
    BOOST_TEST(!loaded.options().pools_prompt);
    BOOST_TEST(to_string(loaded.options().pooling) == to_string(chain));
    // The prompt is read before the text: the same ids as one text, other rows pooled.
    BOOST_TEST(loaded.tokenize("w7") == loaded.with_prompt("").tokenize("w41 w42 w7"), boost::test_tools::per_element());
    BOOST_TEST(!loaded.encode("w7").equal(loaded.with_prompt("").encode("w41 w42 w7")));
    SentenceEncoderOptions pooled = options;
    pooled.pools_prompt = true;
    SentenceEncoder const whole(encoder, sixty_words(), pooled);
    BOOST_TEST(whole.encode("w7").equal(whole.with_prompt("").encode("w41 w42 w7")));
    std::filesystem::remove_all(folder);
    SentenceEncoderOptions at_length_one = options;
    at_length_one.normalize = true;
    std::string message;
    try {
        save_sentence_transformer(SentenceEncoder(encoder, sixty_words(), at_length_one), folder);
    } catch (InputError const& error) { message = error.what(); }
    BOOST_CHECK_MESSAGE(message.find("truncate_dim behind all modules") != message.npos, message);
}

// A checkpoint says the name of the bottleneck and of what stands behind it; its weights lie beside those of the encoder.
BOOST_AUTO_TEST_CASE(a_description_and_tensors_give_the_bottleneck_back) {
    BertEncoder const encoder = load_bert(golden / "tiny_electra");
    Reduced<MeanBottleneck> const reduced({.width = 5}, encoder, 3, {});
    SentenceBottleneck const whole(reduced, encoder);
    std::vector<std::string> const texts{"w7 w8 w9", "w20"};
    auto const encode = [&](SentenceBottleneck const& bottleneck) {
        return SentenceEncoder(encoder, sixty_words(), {.pooling = bottleneck, .max_length = 40}).encode(texts);
    };
    auto const rebuilt = SentenceBottleneck::of(whole.description(), whole.tensors());
    BOOST_REQUIRE(rebuilt);
    BOOST_CHECK_LE((encode(*rebuilt) - encode(whole)).abs().max().item<double>(), 1e-6);
    auto const plain = SentenceBottleneck::of({.name = "mean", .projection = "batch_norm"}, {});   // serves training alone
    BOOST_CHECK(encode(*plain).equal(encode(MeanBottleneck{})));
    auto const unit = SentenceBottleneck::of({.name = "mean", .projection = "stop_gradient+normalized"}, {});
    BOOST_CHECK(encode(*unit).equal(normalize_rows(encode(MeanBottleneck{}))));
    BOOST_CHECK(!SentenceBottleneck::of({.name = "lexicon"}, {}));
    std::string message;
    try {
        static_cast<void>(SentenceBottleneck::of({.name = "cls", .projection = "reduced"}, {}));
    } catch (InputError const& error) { message = error.what(); }
    BOOST_CHECK_MESSAGE(message.find("shared.reduction.weight") != message.npos, message);
}

BOOST_AUTO_TEST_CASE(how_a_corpus_is_run_changes_no_vector_and_is_reported) {
    SentenceEncoder const encoder(load_bert(golden / "tiny_electra"), sixty_words(),
                                  {.pooling = MeanBottleneck{}, .max_length = 40});
    std::vector<std::string> const texts{"w7 w8 w9", "w20", "w30 w31 w7 w7 w12", "", "w40 w41"};
    at::Tensor const whole = encoder.encode(texts);
    std::vector<std::size_t> reports;
    EncodeRun const run{.batch_tokens = 8, .threads = 1, .on_progress = [&](std::size_t count, std::size_t total) {
                            BOOST_TEST(total == texts.size());
                            reports.push_back(count);
                        }};
    BOOST_CHECK_LE((encoder.encode(texts, run) - whole).abs().max().item<double>(), 1e-5);
    BOOST_TEST(reports.front() == 0U);
    BOOST_TEST(reports.back() == texts.size());
    BOOST_TEST(reports.size() >= 4U);   // 7, 5, 4, 3 and 2 tokens in batches of 8
    reports.clear();
    EncodeRun by_texts = run;   // its budget of tokens is then not read
    by_texts.batch_texts = 2;
    BOOST_CHECK_LE((encoder.encode(texts, by_texts) - whole).abs().max().item<double>(), 1e-5);
    BOOST_TEST(reports == (std::vector<std::size_t>{0, 2, 4, 5}), boost::test_tools::per_element());
    for (std::int64_t i = 0; i < whole.size(0); ++i) {
        at::Tensor const alone = encoder.encode(texts[static_cast<std::size_t>(i)]);
        BOOST_CHECK_LE((alone[0] - whole[i]).abs().max().item<double>(), 1e-5);
    }
    BOOST_TEST(encoder.encode(std::vector<std::string>()).size(0) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
