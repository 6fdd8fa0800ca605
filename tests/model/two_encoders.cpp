// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// An encoder of queries and one of passages: names, start, loss and gradient beside those of one encoder of both.
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/model/two_encoders.hpp>
#include <bmae/presets/retriever.hpp>

#include "pairs.hpp"

BOOST_AUTO_TEST_SUITE(two_encoders)

namespace {

using namespace bmae;

RetrieverHyperparameters plain() { return {.passages = 2, .query_length = 8, .passage_length = 8, .temperature = .5}; }

template <class M>
ComposedObjective<M, PairStore> objective_of(PairStore const& pairs) {
    auto model = std::make_shared<M>(BertEncoder(test::pair_config(), 4), PresetHyperparameters<M>::options(plain()), 1);
    return ComposedObjective<M, PairStore>(std::move(model), pairs, {.max_length = 40}, "test");
}

/// The loss, and the gradient of every parameter that has one.
template <class Objective>
std::pair<double, std::map<std::string, at::Tensor>> step_of(Objective& objective) {
    std::vector<std::size_t> const examples{0, 1, 2};
    HostBatch const batch = objective.collate(examples, {.seed = 1});
    objective.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
    ForwardContext context;
    at::Tensor const loss = objective.forward(batch, context, batch.term_labels).total;
    loss.backward();
    std::map<std::string, at::Tensor> gradients;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (value.grad().defined()) { gradients[name] = value.grad().clone(); }
    });
    return {loss.item<double>(), std::move(gradients)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(both_start_as_the_given_one_and_have_names_of_their_own) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto objective = objective_of<TwoEncoders<Retriever>>(pairs.store());
    std::map<std::string, at::Tensor> parameters;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) { parameters[name] = value; });
    std::size_t seconds = 0;
    for (auto const& [name, value] : parameters) {
        if (name.starts_with("second.")) { continue; }
        BOOST_TEST_REQUIRE(parameters.contains("second." + name));
        BOOST_TEST(value.equal(parameters.at("second." + name)));
        BOOST_TEST(!value.is_same(parameters.at("second." + name)));
        ++seconds;
    }
    BOOST_TEST(parameters.size() == 2 * seconds);
    BOOST_TEST(objective.passes()[0].encoder == "tied");
    BOOST_TEST(objective.passes()[1].encoder == "second");
    BOOST_TEST(objective.second_encoder().has_value());
    BOOST_TEST(objective.composition().find("second pass(candidates") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_gradient_of_one_encoder_is_the_sum_of_both) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto one = objective_of<Retriever>(pairs.store());
    auto two = objective_of<TwoEncoders<Retriever>>(pairs.store());
    auto const [loss, gradients] = step_of(one);
    auto const [same_loss, parts] = step_of(two);
    BOOST_TEST(loss == same_loss);
    BOOST_TEST(parts.size() == 2 * gradients.size());
    for (auto const& [name, gradient] : gradients) {
        at::Tensor const sum = parts.at(name) + parts.at("second." + name);
        BOOST_TEST((sum - gradient).abs().max().item<double>() < 1e-5, name);
        BOOST_TEST(parts.at(name).abs().max().item<double>() >= 0);
    }
}

BOOST_AUTO_TEST_CASE(hyperparameters_are_those_of_the_preset) {
    auto const one = PresetHyperparameters<Retriever>::options(plain());
    auto const two = PresetHyperparameters<TwoEncoders<Retriever>>::options(plain());
    BOOST_TEST(std::get<1>(two.passes).view.source.max_length == std::get<1>(one.passes).view.source.max_length);
    BOOST_TEST(std::get<0>(two.terms).temperature == .5);
    static_assert(
        std::is_same_v<PresetHyperparameters<TwoEncoders<RetrieverDistilled>>::type, RetrieverDistilledHyperparameters>);
}

BOOST_AUTO_TEST_SUITE_END()
