// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A retriever with several vectors per text: its loss and gradients against loops over pairs of vectors, and what it refuses.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/attention_vectors.hpp>
#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/reduced.hpp>
#include <bmae/edge/composed_objective.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/vector_set_contrast.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/sources/query.hpp>

#include "pairs.hpp"

BOOST_AUTO_TEST_SUITE(vector_set_contrast)

namespace {

using namespace bmae;

/// K vectors of the query and of each text, compared as sets.
template <class B>
using ManyVectors = Model<BertEncoder,
    Pass<View<Query>, B>,
    Pass<View<Candidates>, B>,
    VectorSetContrast>;

template <class B>
std::shared_ptr<ManyVectors<B>> made(double temperature) {
    typename ManyVectors<B>::Options options;
    std::get<0>(options.terms).temperature = temperature;
    std::get<0>(options.passes).view.source.max_length = 8;
    std::get<1>(options.passes).view.source.max_length = 8;
    std::get<1>(options.passes).view.source.group.passages = 2;
    if constexpr (requires { std::get<0>(options.passes).bottleneck.width; }) {
        std::get<0>(options.passes).bottleneck.width = std::get<1>(options.passes).bottleneck.width = 10;
    }
    return std::make_shared<ManyVectors<B>>(BertEncoder(test::pair_config(), 4), options, 1);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_loss_equals_loops_over_vectors) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto const model = made<AttentionVectors>(.5);
    ComposedObjective<ManyVectors<AttentionVectors>, PairStore> objective(model, pairs.store(), {.max_length = 40}, "test");
    std::vector<std::size_t> const examples{0, 1, 2};
    HostBatch const batch = objective.collate(examples, {.seed = 1});
    std::map<std::string, at::Tensor> parameters;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, auto) { parameters[name] = value; });
    BOOST_REQUIRE(parameters.contains("shared.codes.weight"));
    auto const gradients_of = [&](at::Tensor const& loss) {
        std::map<std::string, at::Tensor> gradients;
        for (auto& [name, value] : parameters) { value.mutable_grad() = at::Tensor(); }
        loss.backward();
        for (auto const& [name, value] : parameters) {
            gradients[name] = value.grad().defined() ? value.grad().clone() : at::zeros(value.sizes());
        }
        return gradients;
    };
    for (auto& [name, value] : parameters) { value.requires_grad_(true); }
    ForwardContext context;
    at::Tensor const loss = objective.forward(batch, context, batch.term_labels).total;
    auto const gradients = gradients_of(loss);

    at::Tensor const rows = objective.step_contrast().represent(batch, context);   // [3 + 6, K H]
    auto const score = [&](std::int64_t query, std::int64_t text) {
        at::Tensor total = at::zeros({});
        for (at::Tensor const& mine : rows[query].split(test::pair_config().hidden_size)) {
            std::vector<at::Tensor> products;
            for (at::Tensor const& other : rows[3 + text].split(test::pair_config().hidden_size)) {
                products.push_back((mine * other).sum());
            }
            total = total + at::stack(products).max();
        }
        return total / .5;
    };
    at::Tensor expected = at::zeros({});
    for (std::int64_t q = 0; q < 3; ++q) {
        std::vector<at::Tensor> scores;
        for (std::int64_t text = 0; text < 6; ++text) {
            auto const id = batch.views[1].text_ids[static_cast<std::size_t>(text)];
            auto const& relevant = batch.views[1].relevant[static_cast<std::size_t>(q)];
            bool const known = std::ranges::find(relevant, id) != relevant.end();
            if (!known || text == 2 * q) { scores.push_back(score(q, text)); }
        }
        expected = expected + (at::logsumexp(at::stack(scores), {0}) - score(q, 2 * q)) / 3;
    }
    BOOST_CHECK_CLOSE(loss.item<double>(), expected.item<double>(), 1e-3);
    BOOST_REQUIRE(rows.requires_grad());
    auto const others = gradients_of(expected);
    for (auto const& [name, gradient] : gradients) {
        double const error = (gradient - others.at(name)).norm().item<double>();
        BOOST_TEST(error <= 1e-4 * gradient.norm().item<double>() + 1e-6, name << " differs by " << error);
    }
    BOOST_TEST(gradients.at("shared.codes.weight").norm().item<double>() > 0);
}

BOOST_AUTO_TEST_CASE(distances_are_refused) {
    BertEncoder const encoder(test::pair_config(), 4);
    BOOST_CHECK_NO_THROW(VectorSetContrast({.similarity = Similarity::cosine}, encoder, 1, "terms.0"));
    BOOST_CHECK_EXCEPTION(VectorSetContrast({.similarity = Similarity::euclidean}, encoder, 1, "terms.0"), InputError,
                          [](InputError const& e) { return std::string(e.what()).find("found euclidean") != std::string::npos; });
}

BOOST_AUTO_TEST_CASE(vectors_of_another_width_are_refused) {
    using Narrow = Reduced<ClsBottleneck>;
    test::TestPairs const pairs = test::TestPairs::small();
    auto const model = made<Narrow>(.5);
    ComposedObjective<ManyVectors<Narrow>, PairStore> objective(model, pairs.store(), {.max_length = 40}, "test");
    std::vector<std::size_t> const examples{0, 1};
    HostBatch const batch = objective.collate(examples, {.seed = 1});
    ForwardContext context;
    BOOST_CHECK_EXCEPTION(objective.forward(batch, context, batch.term_labels), InputError, [](InputError const& e) {
        return std::string(e.what()).find("vectors whose width is a multiple of") != std::string::npos;
    });
}

BOOST_AUTO_TEST_SUITE_END()
