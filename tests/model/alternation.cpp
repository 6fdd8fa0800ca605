// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Two towers trained in alternation: which one is frozen, what is cached, what the loss is.
#include <bmae/model/cached_contrast.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/presets/inverse_cloze.hpp>
#include <bmae/training/step_gradient.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(alternation)

namespace {

using namespace bmae;
using test::distance;
using test::Texts;

constexpr double temperature = .2;

/// LaPraDoR that alternates every two steps, with a cache of five vectors.
struct Turns {
    Texts texts{{12, 20, 9}};
    LaPraDoR model;
    HostBatch batch;

    explicit Turns(double dropout = 0, std::int64_t alternate = 2)
        : model(config(dropout), {.kept = 0, .temperature = temperature, .alternate = alternate, .cache = 5}),
          batch(model.collate(texts.examples, texts.traits, {.max_length = 24}, {.seed = 1})) {
        model.for_each_parameter([](std::string const& name, at::Tensor& value, bool) {   // a second encoder of its own mind
            if (name.starts_with("second.") && value.dim() == 2) { value.mul_(1.1).add_(.01); }
        });
        test::need_gradients(model);
    }
    static BertConfig config(double dropout) {
        BertConfig config = test::tiny(1);
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout;
        return config;
    }

    [[nodiscard]] double loss(std::uint64_t step, bool training = true) {
        ForwardContext context{.training = training, .seed = 10 + step, .step = step};
        ModelLoss const result = model.forward(batch, context, batch.term_labels);
        result.total.backward();
        if (training) { model.after_step(); }
        return result.total.item<double>();
    }
    [[nodiscard]] at::Tensor state(std::string const& wanted) {
        at::Tensor found;
        model.for_each_state([&](std::string const& name, at::Tensor& value) {
            if (name == wanted) { found = value.clone(); }
        });
        return found;
    }
    [[nodiscard]] std::int64_t cached() { return state("terms.0.cached")[0].item<std::int64_t>(); }
    /// Unit vectors of both passes, without dropout.
    [[nodiscard]] std::vector<at::Tensor> vectors() {
        ForwardContext plain;
        at::Tensor const rows = normalize_rows(model.represent(batch, plain).detach());
        return {rows.narrow(0, 0, 3), rows.narrow(0, 3, 3)};
    }
    /// Mean of -log softmax of each anchor's own key among all keys and the cache.
    [[nodiscard]] static double by_hand(at::Tensor const& anchors, at::Tensor const& keys, at::Tensor const& cache) {
        at::Tensor const scores = anchors.matmul(at::cat({keys, cache}).t()) / temperature;
        return at::log_softmax(scores, 1).diagonal().mean().neg().item<double>();
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(one_tower_learns_and_the_other_rests) {
    Turns turns;
    for (std::uint64_t step = 0; step < 8; ++step) {
        bool const second_rests = step / 2 % 2 == 0;
        BOOST_CHECK_EQUAL(turns.model.frozen(step), second_rests ? 2U : 1U);
        static_cast<void>(turns.loss(step));
        double moved = 0;
        turns.model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
            bool const second = name.starts_with("second.");
            BOOST_CHECK_EQUAL(turns.model.alternation(name), second ? 2U : 1U);
            double const sum = value.grad().defined() ? value.grad().abs().sum().item<double>() : 0;
            if (second == second_rests) {
                BOOST_CHECK_EQUAL(sum, 0);
            } else {
                moved += sum;
            }
            value.mutable_grad() = at::Tensor();
        });
        BOOST_CHECK_GT(moved, 0);
    }
    Turns both(0, 0);
    BOOST_CHECK_EQUAL(both.model.frozen(7), 0U);
    BOOST_CHECK_EQUAL(both.model.alternation("second.encoder.layer.0.output.dense.weight"), 0U);
    BOOST_CHECK(!both.state("terms.0.cache").defined());   // nothing more in a checkpoint
}

BOOST_AUTO_TEST_CASE(old_vectors_of_the_resting_tower_are_negatives) {
    Turns turns;
    std::vector<at::Tensor> const rows = turns.vectors();
    at::Tensor const none = rows[0].narrow(0, 0, 0);
    BOOST_CHECK_CLOSE(turns.loss(0), turns.by_hand(rows[0], rows[1], none), 1e-3);
    BOOST_CHECK_EQUAL(turns.cached(), 3);
    BOOST_CHECK_LE(distance(turns.state("terms.0.cache").narrow(0, 0, 3), rows[1]), 1e-5);
    BOOST_CHECK_CLOSE(turns.loss(1), turns.by_hand(rows[0], rows[1], rows[1]), 1e-3);
    BOOST_CHECK_EQUAL(turns.cached(), 5);   // full: the oldest goes
    at::Tensor const ring = at::cat({rows[1].narrow(0, 2, 1), rows[1].narrow(0, 1, 2), rows[1].narrow(0, 0, 2)});
    BOOST_CHECK_LE(distance(turns.state("terms.0.cache"), ring), 1e-5);
    BOOST_CHECK_CLOSE(turns.loss(2), turns.by_hand(rows[1], rows[0], none), 1e-3);   // changed: the cache starts anew
    BOOST_CHECK_EQUAL(turns.cached(), 3);
    BOOST_CHECK_LE(distance(turns.state("terms.0.cache").narrow(0, 0, 3), rows[0]), 1e-5);
    BOOST_CHECK_CLOSE(turns.loss(3), turns.by_hand(rows[1], rows[0], rows[0]), 1e-3);
    BOOST_CHECK_CLOSE(turns.loss(4), turns.by_hand(rows[0], rows[1], none), 1e-3);
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_has_no_place) {
    Turns turns;
    std::vector<at::Tensor> const rows = turns.vectors();
    CachedContrast term({.temperature = temperature, .similarity = Similarity::cosine, .cache = 5}, turns.model.encoder(), 1,
                        "t");
    auto const state = [&](std::string const& wanted) {
        at::Tensor found;
        term.for_each_state("t", [&](std::string const& name, at::Tensor& value) {
            if (name == wanted) { found = value.clone(); }
        });
        return found;
    };
    at::Tensor broken = rows[1].clone();
    broken[1].fill_(std::numeric_limits<float>::quiet_NaN());
    std::vector<PackedView const*> const views{&turns.batch.views[0], &turns.batch.views[1]};
    PairList const pairs = term.pairs(views);
    ForwardContext context{.training = true};
    auto const see = [&](at::Tensor const& keys) {
        std::vector<at::Tensor> const sentences{rows[0], keys};
        double const sum = term.sum({.sentences = sentences, .views = views, .pairs = pairs, .context = context, .frozen = 1})
                               .sum.item<double>();
        term.after_step();
        return sum;
    };
    BOOST_CHECK(!std::isfinite(see(broken)));
    BOOST_CHECK_EQUAL(state("t.cached")[0].item<std::int64_t>(), 2);
    at::Tensor const sound = at::cat({rows[1].narrow(0, 0, 1), rows[1].narrow(0, 2, 1)});
    BOOST_CHECK_LE(distance(state("t.cache").narrow(0, 0, 2), sound), 1e-5);
    BOOST_CHECK_CLOSE(see(rows[1]) / 3, turns.by_hand(rows[0], rows[1], sound), 1e-3);   // no zeros among the negatives
    BOOST_CHECK_EQUAL(state("t.cached")[0].item<std::int64_t>(), 5);
}

BOOST_AUTO_TEST_CASE(the_resting_tower_has_no_dropout) {
    Turns turns(.1);
    std::vector<at::Tensor> const rows = turns.vectors();
    static_cast<void>(turns.loss(0));
    BOOST_CHECK_LE(distance(turns.state("terms.0.cache").narrow(0, 0, 3), rows[1]), 1e-5);
    static_cast<void>(turns.loss(2));
    BOOST_CHECK_LE(distance(turns.state("terms.0.cache").narrow(0, 0, 3), rows[0]), 1e-5);
}

BOOST_AUTO_TEST_CASE(looking_moves_nothing) {
    Turns turns;
    Turns both(0, 0);
    static_cast<void>(turns.loss(0));
    at::Tensor const cache = turns.state("terms.0.cache");
    BOOST_CHECK_CLOSE(turns.loss(1, false), both.loss(1, false), 1e-4);
    BOOST_CHECK(turns.state("terms.0.cache").equal(cache));
    BOOST_CHECK_EQUAL(turns.cached(), 3);
}

BOOST_AUTO_TEST_CASE(what_was_cached_survives_a_checkpoint) {
    Turns turns;
    static_cast<void>(turns.loss(0));
    std::map<std::string, at::Tensor> saved;
    turns.model.for_each_state([&](std::string const& name, at::Tensor& value) { saved[name] = value.clone(); });
    BOOST_CHECK_EQUAL(saved.size(), 3U);
    double const next = turns.loss(1);
    Turns resumed;
    resumed.model.for_each_state([&](std::string const& name, at::Tensor& value) { value.copy_(saved.at(name)); });
    BOOST_CHECK_EQUAL(resumed.loss(1), next);
}

// A step that is left out takes nothing into the cache, and changes of turn do not empty it.
BOOST_AUTO_TEST_CASE(a_step_that_is_left_out_leaves_the_cache) {
    Turns turns;
    static_cast<void>(turns.loss(0));
    at::Tensor const cache = turns.state("terms.0.cache");
    at::Tensor const cached = turns.state("terms.0.cached");
    for (std::uint64_t const step : {1U, 2U}) {   // of the same turn, and of the other one
        ForwardContext context{.training = true, .seed = 10 + step, .step = step};
        static_cast<void>(turns.model.forward(turns.batch, context, turns.batch.term_labels));
        BOOST_CHECK(turns.state("terms.0.cache").equal(cache));
        BOOST_CHECK(turns.state("terms.0.cached").equal(cached));
    }
    static_cast<void>(turns.loss(1));
    BOOST_CHECK_EQUAL(turns.cached(), 5);   // three and three of five places; those of the steps left out are forgotten
    BOOST_CHECK_EQUAL(turns.state("terms.0.next").item<std::int64_t>(), 1);
}

BOOST_AUTO_TEST_CASE(a_vector_that_is_not_finite_is_not_kept) {
    detail::VectorQueue queue(at::ones({3, 2}));
    at::Tensor vectors = at::ones({2, 2}) * 7;
    vectors[0][1] = std::numeric_limits<float>::quiet_NaN();
    queue.push(vectors);
    BOOST_CHECK(queue.rows.equal(at::cat({at::ones({1, 2}), at::ones({1, 2}) * 7, at::ones({1, 2})})));
    BOOST_CHECK_EQUAL(queue.next.item<std::int64_t>(), 2);
}

BOOST_AUTO_TEST_CASE(turns_under_a_gradient_cache) {
    Turns turns(.1);
    std::vector<HostBatch> chunks;
    std::span<Example const> const all = turns.texts.examples;
    for (std::span<Example const> const part : {all.first(1), all.subspan(1)}) {
        chunks.push_back(turns.model.collate(part, turns.texts.traits, {.max_length = 24}, {.seed = 1}));
    }
    std::vector<TermDescription> const terms = turns.model.describe_terms();
    detail::ModelContrast<LaPraDoR> contrast(turns.model, terms);
    for (std::uint64_t const step : {0U, 1U, 2U}) {
        auto const context_of = [&](std::size_t m) {
            return ForwardContext{.training = true, .seed = m, .opens_step = m == 0, .step = step};
        };
        HostBatch const joint = contrast.join(chunks);
        std::map<std::string, at::Tensor> before;
        turns.model.for_each_state([&](std::string const& name, at::Tensor& value) { before[name] = value.clone(); });
        static_cast<void>(cached_gradient(contrast, joint, chunks, context_of, [] {}));
        std::vector<at::Tensor> const cached = test::take_gradients(turns.model);
        turns.model.after_step();
        BOOST_CHECK_EQUAL(turns.cached(), step == 1 ? 5 : 3);   // once, all texts of the step
        turns.model.for_each_state([&](std::string const& name, at::Tensor& value) { value.copy_(before.at(name)); });
        std::vector<at::Tensor> vectors;
        for (std::size_t m = 0; m < chunks.size(); ++m) {
            ForwardContext context = context_of(m);
            vectors.push_back(turns.model.represent(chunks[m], context));
        }
        ForwardContext context = context_of(2);
        turns.model.contrast(joint, chunks, vectors, context).total.backward();
        turns.model.after_step();
        std::vector<at::Tensor> const joined = test::take_gradients(turns.model);
        for (std::size_t i = 0; i < cached.size(); ++i) { BOOST_CHECK_LE(distance(cached[i], joined[i]), 2e-5); }
    }
}

BOOST_AUTO_TEST_CASE(one_encoder_cannot_take_turns) {
    InverseCloze::Options options;
    options.alternate = 5;
    BOOST_CHECK_THROW(InverseCloze(test::tiny(1), options), InputError);
    BOOST_CHECK_THROW(LaPraDoR(test::tiny(1), LaPraDoRHyperparameters{.alternate = -1}), InputError);
    BOOST_CHECK_THROW(LaPraDoR(test::tiny(1), LaPraDoRHyperparameters{.alternate = 1, .cache = -1}), InputError);
}

BOOST_AUTO_TEST_SUITE_END()
