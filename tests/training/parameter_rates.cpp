// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include <bmae/training/parameter_rates.hpp>

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/training/lora_options.hpp>
#include <bmae/training/optimizer_kind.hpp>
#include <bmae/values/error.hpp>

BOOST_AUTO_TEST_SUITE(parameter_rates)

namespace {

using bmae::ParameterRates;

std::vector<std::string> const names{"encoder.embeddings.word_embeddings.weight",
                                     "encoder.embeddings_project.weight",
                                     "encoder.layer.0.output.dense.weight",
                                     "encoder.layer.1.output.LayerNorm.bias",
                                     "encoder.layer.2.attention.self.query.weight",
                                     "lora.encoder.layer.2.attention.self.query.up",
                                     "second.encoder.layer.0.output.dense.weight",
                                     "passes.0.terms.1.decoder.layer.0.output.dense.weight",
                                     "cls.predictions.bias"};

/// One letter per parameter: f where it is frozen.
std::string frozen_by(std::vector<std::string> entries) {
    std::string text;
    for (auto const& rate : bmae::rates_of(names, {.frozen = std::move(entries)})) { text += rate.frozen ? 'f' : '-'; }
    return text;
}

std::string refusal(ParameterRates const& rates) {
    try {
        bmae::rates_of(names, rates);
    } catch (bmae::InputError const& error) { return error.what(); }
    return {};
}

bool contains(std::string const& text, std::string const& part) { return text.find(part) != text.npos; }

BOOST_AUTO_TEST_CASE(parts_are_frozen_by_place_and_by_name) {
    BOOST_TEST(frozen_by({}) == "---------");
    BOOST_TEST(frozen_by({"embeddings"}) == "ff-------");
    BOOST_TEST(frozen_by({"layers:1"}) == "--f---f--");   // of both encoders, and not of a decoder
    BOOST_TEST(frozen_by({"embeddings", "layers:2"}) == "ffff--f--");
    BOOST_TEST(frozen_by({"*.bias"}) == "---f----f");
    BOOST_TEST(frozen_by({"passes.*.dense.weight", "cls.predictions.bias"}) == "-------ff");
    BOOST_TEST(bmae::list_text({"embeddings", "layers:2"}) == "embeddings,layers:2");
}

BOOST_AUTO_TEST_CASE(stars_stand_for_any_characters) {
    BOOST_TEST(bmae::matches("a.b.c", "a.*.c"));
    BOOST_TEST(bmae::matches("a.b.c", "*"));
    BOOST_TEST(bmae::matches("aab", "a*ab"));
    BOOST_TEST(bmae::matches("abcbc", "a*bc"));
    BOOST_TEST(!bmae::matches("a.b.c", "a.*.d"));
    BOOST_TEST(!bmae::matches("a.b.c", "b.*"));
    BOOST_TEST(!bmae::matches("", "a"));
    BOOST_TEST(bmae::matches("", ""));
}

BOOST_AUTO_TEST_CASE(rates_fall_from_the_last_layer_to_the_embeddings) {
    std::vector<double> factors;
    for (auto const& rate : bmae::rates_of(names, {.layer_decay = .5})) { factors.push_back(rate.factor); }
    std::vector<double> const expected{.125, .125, .25, .5, 1, 1, .25, 1, 1};
    BOOST_TEST(factors == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_no_part_of_the_model_is_refused) {
    BOOST_TEST(contains(refusal({.frozen = {"layers:4"}}), "\"layers:4\", of a model with 3 layers"));
    BOOST_TEST(contains(refusal({.frozen = {"layer.*"}}), "\"layer.*\""));
    BOOST_TEST(contains(refusal({.frozen = {"layers:0"}}), "layers:N"));
    BOOST_TEST(contains(refusal({.frozen = {"layers:x"}}), "layers:N"));
    BOOST_TEST(contains(refusal({.frozen = {""}}), "found \"\""));
    BOOST_TEST(contains(refusal({.frozen = {"*"}}), "all of them frozen"));
    BOOST_TEST(contains(refusal({.layer_decay = 0}), "layer_decay"));
    BOOST_TEST(contains(refusal({.layer_decay = 1.5}), "layer_decay"));
    BOOST_CHECK_THROW(bmae::rates_of({"head.weight"}, {.layer_decay = .9}), bmae::InputError);   // no layers
}

BOOST_AUTO_TEST_CASE(other_options_of_memory_are_checked_as_well) {
    BOOST_TEST((bmae::optimizer_from("adafactor") == bmae::OptimizerKind::adafactor));
    BOOST_CHECK_THROW(bmae::optimizer_from("sgd"), bmae::InputError);
    BOOST_CHECK_NO_THROW(bmae::check(bmae::LoraOptions{.rank = 0, .targets = {}}));
    BOOST_CHECK_THROW(bmae::check(bmae::LoraOptions{.rank = 2, .targets = {}}), bmae::InputError);
    BOOST_CHECK_THROW(bmae::check(bmae::LoraOptions{.rank = 2, .alpha = 0}), bmae::InputError);
    BOOST_TEST((bmae::LoraOptions{.rank = 8, .alpha = 16}.scale()) == 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
