// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The newcomer's program: parts of one's own in every slot, trained, saved, loaded, searched and measured.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/edge/pretrain.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/parameters.hpp>
#include <bmae/retrieval/encode.hpp>
#include <bmae/retrieval/exact_index.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/text/token_store_builder.hpp>
#include <bmae/text/vocabulary_builder.hpp>

#include "../model/invented_store.hpp"
#include "../scratch_folder.hpp"
#include "parts.hpp"

namespace {

using namespace newcomer;

/// passage --every third--> convolution --attention pooling--> one by one <--every third-- the passage backwards
using Mine = bmae::Model<Convolution,
    bmae::Pass<bmae::View<bmae::Passage, EveryThird, CopyLeft>, AttentionPooling,
        bmae::MaskedLanguageModel,
        bmae::Branch<bmae::View<Backwards, EveryThird, CopyLeft>, OneByOne, RareTokens>>>;

std::vector<std::string> invented_texts() {
    std::vector<std::string> texts;
    bmae::Draw draw({.seed = 4});
    for (int d = 0; d < 24; ++d) {
        std::string& text = texts.emplace_back();
        for (int word = 1; word <= 16; ++word) {
            text += std::string(1, static_cast<char>('a' + draw.below(6))) + static_cast<char>('k' + draw.below(6)) + " ";
        }
    }
    return texts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(newcomer_program)

BOOST_AUTO_TEST_CASE(own_parts_are_trained_saved_loaded_searched_and_measured) {
    test::ScratchFolder const scratch;
    std::vector<std::string> const texts = invented_texts();
    std::vector<std::string> ids;
    bmae::VocabularyBuilder vocabulary({.min_frequency = 1});
    for (std::string const& text : texts) { vocabulary.add(text); }
    bmae::WordPiece const tokenizer = vocabulary.build_tokenizer();
    bmae::TokenStoreBuilder builder(scratch / "corpus", tokenizer, {.passages = {.max_length = 36}});
    for (std::string const& text : texts) {
        ids.push_back("d" + std::to_string(ids.size()));
        builder.add({.id = ids.back(), .text = text});
    }
    builder.finish();
    bmae::TokenStore const corpus = bmae::TokenStore::open(scratch / "corpus");

    Convolution::Options const sizes{.vocabulary = static_cast<std::int64_t>(tokenizer.size())};
    Mine model(sizes);
    at::Tensor const untrained = bmae::encode(model, tokenizer, texts);
    std::vector<double> losses;
    bmae::TrainerOptions options{.steps = 20,
                                 .batch = {.examples = 8},
                                 .learning_rate = 3e-2,
                                 .output = scratch / "run",
                                 .log_every = 5,
                                 .loader_threads = 0};
    bmae::pretrain(model, corpus, options, {.on_log = [&](bmae::LogReport const& report) { losses.push_back(report.loss); }},
                   {.log = nullptr});
    BOOST_REQUIRE_EQUAL(losses.size(), 4U);
    BOOST_TEST(losses.back() < losses.front());

    at::Tensor const vectors = bmae::encode(model, tokenizer, texts);
    BOOST_TEST(vectors.size(0) == 24);
    BOOST_TEST(vectors.size(1) == 16);
    BOOST_TEST(!vectors.equal(untrained));

    Mine loaded(sizes, Mine::Options(), 77);
    bmae::load_parameters(loaded, scratch / "run/step-20");
    BOOST_TEST(bmae::encode(loaded, tokenizer, texts).equal(vectors));

    options.resume = true;
    Mine resumed(sizes, Mine::Options(), 77);
    bmae::pretrain(resumed, corpus, options, {}, {.log = nullptr});   // there is nothing left to do
    BOOST_TEST(bmae::encode(resumed, tokenizer, texts).equal(vectors));
    Mine longer({.vocabulary = sizes.vocabulary, .positions = 65});   // the same tensors, another encoder
    BOOST_CHECK_THROW(bmae::pretrain(longer, corpus, options, {}, {.log = nullptr}), bmae::InputError);

    bmae::ExactIndex const index(vectors, ids, {.normalize = true});
    bmae::Run const run = index.search(bmae::encode(loaded, tokenizer, texts), 5, ids);
    bmae::Qrels judged;
    for (std::string const& id : ids) { judged.add(id, id, 1); }   // a text finds itself
    bmae::Report const report = bmae::evaluate(judged, run, {.profile = {.drop_query_itself = false}}, Success{1}, Success{5});
    BOOST_TEST(report.means.at(0) == 1);
    BOOST_TEST(report.means.at(1) == 1);
}

// A custom encoder is trained and inspected as any other; folders of other libraries have no place for it.
BOOST_AUTO_TEST_CASE(a_custom_encoder_has_no_folder_of_another_library) {
    test::ScratchFolder const scratch;
    bmae::TokenStore const corpus = test::invented_store(scratch / "corpus");
    auto const model =
        std::make_shared<Mine>(Convolution::Options{.vocabulary = static_cast<std::int64_t>(corpus.traits().size())});
    bmae::ComposedObjective<Mine> objective(model, corpus, {.max_length = 20}, "mine");
    bmae::AnyEncoder const encoder = objective.encoder();
    BOOST_TEST(encoder.as<Convolution>() != nullptr);
    try {
        bmae::save_encoder(scratch / "folder", encoder);
        BOOST_ERROR("a convolution was taken for BERT");
    } catch (bmae::InputError const& error) { BOOST_TEST(error.diagnostic().found == "the encoder convolution"); }
    std::vector<std::size_t> const examples{0, 1};
    objective.dump_step(objective.collate(examples, {.seed = 1}), scratch / "step.safetensors");
    BOOST_TEST(bmae::load_tensors(scratch / "step.safetensors").contains("passes.0.bottleneck.query"));
}

BOOST_AUTO_TEST_SUITE_END()
