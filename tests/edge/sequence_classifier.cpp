// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The numbers are compared with transformers in tests/parity/cli_glue.py.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>

#include <bmae/edge/cross_encoder_folder.hpp>
#include <bmae/edge/sequence_classifier.hpp>
#include <bmae/edge/sequence_classifier_folder.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/training/trainer.hpp>

#include "scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(sequence_classifier)

namespace {

bmae::WordPiece tokenizer() {
    return bmae::WordPiece({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "ship", "sea"});
}

bmae::AnyEncoder encoder() {
    bmae::BertConfig config = bmae::BertConfig::tiny();
    config.vocab_size = 9;
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0;
    return bmae::BertEncoder(config, 3);
}

bmae::ClassifiedTexts framed(std::vector<std::string> const& seconds = {}) {
    std::vector<std::string> const texts = {"red ship", "blue ship", "red sea", "blue sea"};
    return bmae::classified_texts(tokenizer(), encoder().shape(), texts, seconds, {1, 0, 1, 0}, 8);
}

}  // namespace

BOOST_AUTO_TEST_CASE(texts_and_pairs_are_framed) {
    auto const single = framed();
    BOOST_TEST(single.texts[0].input_ids == (std::vector<bmae::TokenId>{2, 5, 7, 3}), boost::test_tools::per_element());
    auto const pairs = framed({"sea", "sea", "ship", "ship"});
    BOOST_TEST(pairs.texts[0].input_ids == (std::vector<bmae::TokenId>{2, 5, 7, 3, 8, 3}), boost::test_tools::per_element());
    BOOST_TEST(pairs.texts[0].types == (std::vector<std::uint8_t>{0, 0, 0, 0, 1, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(it_learns_which_texts_are_red) {
    auto const texts = framed();
    bmae::SequenceClassifier model(encoder(), texts, tokenizer().traits().special(), {.task = "red"});
    auto const before = model.description();
    bmae::TrainerOptions options{.steps = 30, .learning_rate = 1e-3, .log_every = 0};
    options.batch = {.tokens = 0, .examples = 2};
    bmae::Trainer(model, options).fit();
    auto const outputs = model.predict(texts);
    BOOST_TEST((outputs.sizes() == at::IntArrayRef({4, 2})));
    auto const best = outputs.argmax(1);
    for (std::int64_t i = 0; i < 4; ++i) { BOOST_TEST(best[i].item<std::int64_t>() == (i % 2 == 0 ? 1 : 0)); }
    BOOST_TEST(model.description() == before);   // a resumed run is compared by it
}

BOOST_AUTO_TEST_CASE(a_loss_is_the_share_of_its_step) {
    bmae::SequenceClassifier model(encoder(), framed(), tokenizer().traits().special(), {.task = "red", .labels = 1});
    std::vector<std::size_t> const all = {0, 1, 2, 3}, half = {0, 1};
    std::vector<std::int64_t> const labels = {4};
    bmae::ForwardContext context;
    auto const whole = model.forward(model.collate(all, {}), context, labels);
    auto const part = model.forward(model.collate(half, {}), context, labels);
    auto const rest = model.forward(model.collate(std::vector<std::size_t>{2, 3}, {}), context, labels);
    BOOST_TEST(std::abs(whole.total.item<double>() - (part.total + rest.total).item<double>()) < 1e-6);
    BOOST_TEST(std::abs(whole.terms[0].loss.item<double>() - whole.total.item<double>()) < 1e-6);
    BOOST_TEST(!whole.terms[0].correct.defined());
}

BOOST_AUTO_TEST_CASE(a_folder_has_encoder_head_and_labels) {
    test::ScratchFolder const scratch;
    auto const texts = framed({"sea", "sea", "ship", "ship"});
    bmae::SequenceClassifier const model(encoder(), texts, tokenizer().traits().special(), {.task = "red", .max_length = 8});
    bmae::save_sequence_classifier(scratch / "named", model, tokenizer(), {"no", "yes"});
    auto const read = bmae::detail::load_classifier(scratch / "named");
    BOOST_TEST(bmae::detail::labels_of(read) == 2);
    bmae::SequenceClassifier again(read.encoder, texts, tokenizer().traits().special(), {.task = "red", .seed = 7});
    again.take_head(read.head, "named");
    BOOST_TEST((again.predict(texts) - model.predict(texts)).abs().max().item<double>() == 0);
    auto const config = bmae::detail::JsonObject::read(scratch / "named/config.json");
    BOOST_TEST(config.json().at("id2label").dump() == R"({"0":"no","1":"yes"})");
    BOOST_TEST(config.get<std::string>("problem_type", "") == "single_label_classification");
    BOOST_CHECK_THROW(bmae::load_cross_encoder(scratch / "named"), bmae::InputError);   // of two labels
    BOOST_CHECK_THROW(bmae::save_sequence_classifier(scratch / "one", model, tokenizer(), {"no"}), bmae::InputError);
    BOOST_CHECK_THROW(bmae::save_sequence_classifier(scratch / "same", model, tokenizer(), {"no", "no"}), bmae::InputError);
    bmae::save_sequence_classifier(scratch / "unnamed", model, tokenizer());
    auto const unnamed = bmae::detail::JsonObject::read(scratch / "unnamed/config.json");
    BOOST_TEST(unnamed.json().at("id2label").dump() == R"({"0":"LABEL_0","1":"LABEL_1"})");
}

BOOST_AUTO_TEST_CASE(a_regression_is_a_cross_encoder_too) {
    test::ScratchFolder const scratch;
    auto const texts = framed({"sea", "sea", "ship", "ship"});
    bmae::SequenceClassifier const model(encoder(), texts, tokenizer().traits().special(), {.labels = 1, .max_length = 8});
    bmae::save_sequence_classifier(scratch / "score", model, tokenizer(), {"score"});
    bmae::CrossEncoder const cross = bmae::load_cross_encoder(scratch / "score");
    BOOST_TEST(!cross.options().sigmoid);
    std::vector<std::string> const seconds = {"sea"};
    BOOST_TEST(std::abs((cross.score("red ship", seconds) - model.predict(texts).select(0, 0)).item<double>()) < 1e-6);
}

BOOST_AUTO_TEST_CASE(targets_beyond_the_labels_are_refused) {
    auto wrong = framed();
    wrong.targets[2] = 2;
    BOOST_CHECK_THROW(bmae::SequenceClassifier(encoder(), wrong, tokenizer().traits().special(), {}), bmae::InputError);
    wrong.targets[2] = .5F;
    BOOST_CHECK_THROW(bmae::SequenceClassifier(encoder(), wrong, tokenizer().traits().special(), {}), bmae::InputError);
    BOOST_CHECK_THROW(bmae::classified_texts(tokenizer(), encoder().shape(), {"red"}, {}, {}, 8), bmae::InputError);
    BOOST_CHECK_THROW(bmae::SequenceClassifier(encoder(), {}, tokenizer().traits().special(), {}), bmae::InputError);
}

BOOST_AUTO_TEST_SUITE_END()
