// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The loss on held-out texts, and what of it rests on the sentence vector.
#include <bmae/training/held_out.hpp>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <boost/test/unit_test.hpp>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/presets/contriever.hpp>
#include <bmae/presets/masked_language_model.hpp>
#include <bmae/presets/retromae.hpp>

#include "../model/invented_store.hpp"
#include "../model/tiny.hpp"
#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(held_out)

namespace {

using namespace bmae;

template <class ModelT>
std::unique_ptr<ComposedObjective<ModelT>> objective_of(TokenStore const& corpus, std::uint64_t seed) {
    BertConfig config = ::test::tiny(1);
    config.vocab_size = static_cast<std::int64_t>(corpus.traits().size());
    auto const model = std::make_shared<ModelT>(config, typename PresetHyperparameters<ModelT>::type{}, seed);
    return std::make_unique<ComposedObjective<ModelT>>(model, corpus, ViewSettings{.max_length = 36}, "tested");
}

double value_of(Figures const& figures, std::string const& name) {
    for (auto const& [known, value] : figures) {
        if (known == name) { return value; }
    }
    return std::nan("");
}

BOOST_AUTO_TEST_CASE(the_gaps_are_those_of_a_forward_run) {
    ::test::ScratchFolder const scratch;
    TokenStore const corpus = ::test::invented_store(scratch.path() / "store");
    auto const trained = objective_of<RetroMae>(corpus, 1);
    auto const other = objective_of<RetroMae>(corpus, 2);
    HeldOut held_out(*other, *trained, {.texts = 7, .batch = {.tokens = 0, .examples = 4}, .seed = 5});
    BOOST_TEST(held_out.texts() == 7U);
    Figures const figures = held_out.measure();
    BOOST_TEST(figures.size() == 4U);
    BOOST_TEST((figures == held_out.measure()));   // the same masks each time
    std::vector<std::string> names;
    for (auto const& [name, value] : figures) { names.push_back(name); }
    BOOST_TEST(held_out.names() == names, boost::test_tools::per_element());

    at::NoGradGuard const no_gradients;
    auto const decoders = [&](SentenceAblation ablation) {
        double loss = 0, labels = 0;
        for (auto const& examples : {std::vector<std::size_t>{0, 1, 2, 3}, std::vector<std::size_t>{4, 5, 6}}) {
            HostBatch const batch = trained->collate(examples, {.seed = 5, .epoch = 0});
            ForwardContext context{.ablation = ablation};
            StepOutput const output = trained->forward(batch, context, batch.term_labels);
            loss += output.terms[1].loss.item<double>() * static_cast<double>(output.terms[1].labels);
            labels += static_cast<double>(output.terms[1].labels);
        }
        return loss / labels;
    };
    double const own = decoders(SentenceAblation::none);
    BOOST_TEST(std::abs(value_of(figures, "decoders") - own) < 1e-6);
    BOOST_TEST(std::abs(value_of(figures, "gap.shuffled") - (decoders(SentenceAblation::shuffled) - own)) < 1e-6);
    BOOST_TEST(std::abs(value_of(figures, "gap.zeroed") - (decoders(SentenceAblation::zeroed) - own)) < 1e-6);
    BOOST_TEST(value_of(figures, "gap.zeroed") != 0);
    BOOST_TEST(value_of(figures, "loss") > value_of(figures, "decoders"));

    trained->for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.mul_(1.5); });
    BOOST_TEST(value_of(held_out.measure(), "loss") != value_of(figures, "loss"));   // it reads the trained parameters
}

BOOST_AUTO_TEST_CASE(of_one_text_there_is_no_other_vector) {
    ::test::ScratchFolder const scratch;
    TokenStore const corpus = ::test::invented_store(scratch.path() / "store");
    auto const trained = objective_of<RetroMae>(corpus, 1);
    auto const other = objective_of<RetroMae>(corpus, 1);
    HeldOut ones(*other, *trained, {.texts = 3, .batch = {.tokens = 0, .examples = 1}});
    BOOST_TEST(std::isnan(value_of(ones.measure(), "gap.shuffled")));
    std::vector<std::string> const names{"loss", "decoders", "gap.zeroed"};
    BOOST_TEST(ones.names() == names, boost::test_tools::per_element());

    // Texts of batches that have others: the last of five is alone.
    HeldOut four(*other, *trained, {.texts = 4, .batch = {.tokens = 0, .examples = 4}});
    HeldOut five(*other, *trained, {.texts = 5, .batch = {.tokens = 0, .examples = 4}});
    Figures const figures = five.measure();
    BOOST_TEST(figures.size() == 4U);
    BOOST_TEST(value_of(figures, "gap.shuffled") == value_of(four.measure(), "gap.shuffled"));
    BOOST_TEST(value_of(figures, "gap.zeroed") != value_of(four.measure(), "gap.zeroed"));
}

BOOST_AUTO_TEST_CASE(without_decoders_there_is_the_loss_alone) {
    ::test::ScratchFolder const scratch;
    TokenStore const corpus = ::test::invented_store(scratch.path() / "store");
    auto const trained = objective_of<PlainMaskedLanguageModel>(corpus, 1);
    auto const other = objective_of<PlainMaskedLanguageModel>(corpus, 1);
    HeldOut held_out(*other, *trained, {});
    BOOST_TEST(held_out.measure().size() == 1U);
    BOOST_TEST(held_out.names().size() == 1U);
    auto const different = objective_of<RetroMae>(corpus, 1);
    BOOST_CHECK_THROW(HeldOut(*other, *different, {}), InputError);
    BOOST_CHECK_THROW(HeldOut(*different, *trained, {}), InputError);
    auto const queue = objective_of<Contriever>(corpus, 1);
    BOOST_CHECK_THROW(HeldOut(*queue, *queue, {}), InputError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
