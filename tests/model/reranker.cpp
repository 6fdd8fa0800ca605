// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The cross-encoder: its losses by hand, and the texts of a group that its own scores choose.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/kept_texts.hpp>
#include <bmae/bottlenecks/scored.hpp>
#include <bmae/edge/composed_objective.hpp>
#include <bmae/model/group_softmax.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/presets/reranker.hpp>
#include <bmae/presets/retriever.hpp>

#include "pairs.hpp"

BOOST_AUTO_TEST_SUITE(reranker)

namespace {

using namespace bmae;

template <class M>
using ObjectiveOf = ComposedObjective<M, PairStore>;

/// Seven texts; three queries of which each has five negatives.
test::TestPairs with_negatives() {
    return {7, {{{40}, {0}, {1, 2, 3, 4, 5}}, {{41, 31}, {1}, {0, 3, 4, 5, 6}}, {{42}, {2}, {6, 5, 4, 3, 1}}}};
}

RerankerHyperparameters sized(std::size_t passages, std::size_t forward = 0, GroupLoss loss = GroupLoss::softmax) {
    return {.passages = passages, .forward = forward, .loss = loss, .query_length = 4, .max_length = 12};
}

template <class M>
ObjectiveOf<M> objective_of(PairStore const& pairs, RerankerHyperparameters const& hyperparameters, double dropout = 0) {
    auto model =
        std::make_shared<M>(BertEncoder(test::pair_config(dropout), 4), PresetHyperparameters<M>::options(hyperparameters), 1);
    return ObjectiveOf<M>(std::move(model), pairs, {.max_length = 40}, "test");
}

using Gradients = std::map<std::string, at::Tensor>;

/// Loss and gradients of a step.
struct Learned {
    double loss;
    Gradients gradients;
    std::vector<TermOutput> terms;
};

Learned learn(Objective& objective, std::vector<HostBatch> const& micro, ForwardContext const& context) {
    std::vector<std::int64_t> labels(objective.terms(), 0);
    for (HostBatch const& batch : micro) {
        for (std::size_t t = 0; t < labels.size(); ++t) { labels[t] += batch.term_labels[t]; }
    }
    objective.for_each_parameter([](std::string const&, at::Tensor& value, bool) {
        value.mutable_grad() = at::Tensor();
        value.requires_grad_(true);
    });
    Learned learned{};
    for (HostBatch const& batch : micro) {
        ForwardContext own = context;
        StepOutput output = objective.forward(batch, own, labels);
        output.total.backward();
        learned.loss += output.total.item<double>();
        learned.terms = std::move(output.terms);
    }
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (value.grad().defined()) { learned.gradients[name] = value.grad().clone(); }
    });
    return learned;
}

void require_equal(Learned const& one, Learned const& other) {
    BOOST_CHECK_EQUAL(one.loss, other.loss);
    BOOST_REQUIRE_EQUAL(one.gradients.size(), other.gradients.size());
    for (auto const& [name, gradient] : one.gradients) {
        BOOST_CHECK_MESSAGE(gradient.equal(other.gradients.at(name)), name << " has another gradient");
    }
}

void require_close(Learned const& one, Learned const& other) {
    BOOST_CHECK_CLOSE(one.loss, other.loss, 1e-3);
    for (auto const& [name, gradient] : one.gradients) {
        BOOST_CHECK_SMALL((gradient - other.gradients.at(name)).abs().max().item<double>(), 1e-5);
    }
}

/// The scores of all texts of a view, without dropout.                                                                [B]
std::vector<float> scores_of(ObjectiveOf<Reranker>& objective, PackedView const& view) {
    Gradients head;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (name.starts_with("shared.score")) { head[name] = value.detach(); }
    });
    ForwardContext context;
    PackedInput const input = to_tensors(view);
    at::Tensor const cls = objective.encoder().encode(input, context).hidden.detach().index_select(0, input.first_rows);
    at::Tensor const pooled =
        at::linear(cls, head["shared.score.pooler.dense.weight"], head["shared.score.pooler.dense.bias"]).tanh();
    at::Tensor const scores =
        at::linear(pooled, head["shared.score.classifier.weight"], head["shared.score.classifier.bias"]).flatten().contiguous();
    return {scores.const_data_ptr<float>(), scores.const_data_ptr<float>() + scores.numel()};
}

/// The batch as if its views had held these texts alone.
HostBatch narrowed(HostBatch batch, std::span<std::int64_t const> texts) {
    for (PackedView& view : batch.views) { view = only_texts(view, texts); }
    return batch;
}

std::vector<std::size_t> const all{0, 1, 2};

/// Notes how many texts it reads at once, with a gradient and without one.
struct NotingEncoder : BertEncoder {
    using BertEncoder::BertEncoder;

    [[nodiscard]] Encoded encode(PackedInput const& input, ForwardContext& context, bool keep_layers = false) const {
        (c10::GradMode::is_enabled() ? trained : scored).push_back(input.texts());
        dropped = dropped || (context.training && !c10::GradMode::is_enabled());
        return BertEncoder::encode(input, context, keep_layers);
    }

    static inline std::vector<std::int64_t> trained = {};
    static inline std::vector<std::int64_t> scored = {};
    static inline bool dropped = false;   // texts were scored under dropout
};

auto says(std::string_view words) {
    return [words](InputError const& error) {
        bool const found = std::string(error.what()).find(words) != std::string::npos;
        BOOST_CHECK_MESSAGE(found, error.what());
        return found;
    };
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_loss_is_a_mean_over_queries) {
    test::TestPairs const pairs = with_negatives();
    auto plain = objective_of<Reranker>(pairs.store(), sized(3));
    HostBatch const batch = plain.collate(all, {.seed = 1});
    std::vector<float> const values = scores_of(plain, batch.views[0]);
    at::Tensor const scores = at::tensor(values).view({3, 3});
    at::Tensor labels = at::zeros({3, 3});
    labels.select(1, 0).fill_(1);
    at::Tensor const negatives = scores.narrow(1, 1, 2);
    std::map<GroupLoss, double> const expected{
        {GroupLoss::softmax, (at::logsumexp(scores, {1}) - scores.select(1, 0)).mean().item<double>()},
        {GroupLoss::pointwise, at::binary_cross_entropy_with_logits(scores, labels).item<double>()},
        {GroupLoss::margin, (negatives - scores.narrow(1, 0, 1) + 1).relu().mean().item<double>()}};
    double const correct = scores.argmax(1).eq(0).sum().item<double>();
    for (auto const& [loss, value] : expected) {
        auto objective = objective_of<Reranker>(pairs.store(), sized(3, 0, loss));
        Learned const whole = learn(objective, {batch}, {.training = true, .seed = 3});
        BOOST_CHECK_CLOSE(whole.loss, value, 1e-3);
        BOOST_CHECK_EQUAL(whole.terms.at(0).labels, 3);
        BOOST_CHECK_EQUAL(whole.terms.at(0).correct.item<double>(), correct);
        // micro-batches of one and of two queries
        std::vector<HostBatch> const micro{objective.collate(std::vector<std::size_t>{0}, {.seed = 1}),
                                           objective.collate(std::vector<std::size_t>{1, 2}, {.seed = 1})};
        require_close(whole, learn(objective, micro, {.training = true, .seed = 3}));
    }
    auto wide = sized(3, 0, GroupLoss::margin);
    wide.margin = 2.5;
    auto objective = objective_of<Reranker>(pairs.store(), wide);
    double const value = (negatives - scores.narrow(1, 0, 1) + 2.5).relu().mean().item<double>();
    BOOST_CHECK_CLOSE(learn(objective, {batch}, {}).loss, value, 1e-3);
}

// The positive survives and comes first, whatever it scores; the choice is made without dropout, the training with it.
BOOST_AUTO_TEST_CASE(pitfall_22_the_positive_and_the_highest_negatives_are_trained_on) {
    test::TestPairs const pairs = with_negatives();
    ForwardContext const training{.training = true, .seed = 11};
    for (auto const loss : {GroupLoss::softmax, GroupLoss::pointwise, GroupLoss::margin}) {
        auto chooses = objective_of<Reranker>(pairs.store(), sized(3, 6, loss), .3);
        auto reads = objective_of<Reranker>(pairs.store(), sized(6, 0, loss), .3);
        HostBatch const batch = chooses.collate(all, {.seed = 1});
        HostBatch const same = reads.collate(all, {.seed = 1});
        BOOST_CHECK(batch.views[0].input_ids == same.views[0].input_ids);
        BOOST_CHECK_EQUAL(batch.views[0].texts(), 18U);
        BOOST_CHECK_EQUAL(chooses.negatives(3), 2U);
        std::vector<float> const scores = scores_of(reads, batch.views[0]);
        std::vector<std::int64_t> const kept = highest_texts(batch.views[0], scores, 3);
        BOOST_REQUIRE_EQUAL(kept.size(), 9U);
        std::size_t lowest_positives = 0;
        for (std::size_t e = 0; e < 3; ++e) {
            BOOST_CHECK_EQUAL(kept[3 * e], static_cast<std::int64_t>(6 * e));
            lowest_positives += scores[6 * e] < scores[static_cast<std::size_t>(kept[3 * e + 1])] ? 1 : 0;
        }
        BOOST_CHECK_GT(lowest_positives, 0U);   // some are not the highest, and kept all the same
        require_equal(learn(chooses, {batch}, training), learn(reads, {narrowed(same, kept)}, training));
        require_equal(learn(chooses, {batch}, {}), learn(reads, {narrowed(same, kept)}, {}));   // as evaluation does
        require_equal(learn(chooses, {batch}, training), learn(chooses, {batch}, training));
        // In evaluation a positive that is highest of those kept is highest of all.
        BOOST_CHECK_EQUAL(learn(chooses, {batch}, {}).terms.at(0).correct.item<double>(),
                          learn(reads, {same}, {}).terms.at(0).correct.item<double>());
        // One query after the other: the choice is that of its group alone.
        std::vector<HostBatch> micro;
        std::vector<HostBatch> narrow;
        for (std::size_t e = 0; e < 3; ++e) {
            micro.push_back(chooses.collate(std::vector<std::size_t>{e}, {.seed = 1}));
            std::vector<std::int64_t> own(kept.begin() + static_cast<std::ptrdiff_t>(3 * e),
                                          kept.begin() + static_cast<std::ptrdiff_t>(3 * e + 3));
            for (std::int64_t& text : own) { text -= static_cast<std::int64_t>(6 * e); }
            narrow.push_back(narrowed(micro.back(), own));
        }
        require_equal(learn(chooses, micro, training), learn(reads, narrow, training));
    }
}

BOOST_AUTO_TEST_CASE(where_all_are_kept_nothing_is_chosen) {
    test::TestPairs const pairs = with_negatives();
    ForwardContext const training{.training = true, .seed = 11};
    auto all_kept = objective_of<Reranker>(pairs.store(), sized(4, 4), .3);
    auto plain = objective_of<Reranker>(pairs.store(), sized(4), .3);
    HostBatch const batch = all_kept.collate(all, {.seed = 1});
    BOOST_CHECK(batch.views[0].input_ids == plain.collate(all, {.seed = 1}).views[0].input_ids);
    require_equal(learn(all_kept, {batch}, training), learn(plain, {batch}, training));
}

BOOST_AUTO_TEST_CASE(both_passes_of_r_drop_keep_the_same_texts) {
    test::TestPairs const pairs = with_negatives();
    ForwardContext const training{.training = true, .seed = 11};
    for (auto const loss : {GroupLoss::softmax, GroupLoss::pointwise}) {
        auto chooses = objective_of<RerankerRDrop>(pairs.store(), sized(3, 6, loss), .3);
        auto reads = objective_of<RerankerRDrop>(pairs.store(), sized(6, 0, loss), .3);
        auto scorer = objective_of<Reranker>(pairs.store(), sized(6), .3);
        HostBatch const batch = chooses.collate(all, {.seed = 1});
        BOOST_CHECK_EQUAL(batch.encoder_tokens, batch.views[0].tokens());   // each candidate once
        std::vector<std::int64_t> const kept = highest_texts(batch.views[0], scores_of(scorer, batch.views[0]), 3);
        Learned const learned = learn(chooses, {batch}, training);
        require_equal(learned, learn(reads, {narrowed(batch, kept)}, training));
        BOOST_CHECK_GT(learned.terms.at(1).loss.item<double>(), 1e-6);
        BOOST_CHECK_SMALL(learn(chooses, {batch}, {}).terms.at(1).loss.item<double>(), 1e-9);   // without dropout they agree
    }
}

// What is not kept costs no gradient, and is scored in parts that are no larger than what is trained on.
BOOST_AUTO_TEST_CASE(only_the_kept_texts_are_read_with_a_gradient) {
    test::TestPairs const pairs = with_negatives();
    using Noting = Model<NotingEncoder,
        Pass<View<QueryWithCandidate>, Scored<ClsBottleneck>>,
        Pass<View<QueryWithCandidate>, Scored<ClsBottleneck>>,
        GroupSoftmax,
        RDrop>;
    auto const options = detail::reranker_options<Noting>(sized(2, 6));
    auto model = std::make_shared<Noting>(NotingEncoder(test::pair_config(.3), 4), options, 1);
    ObjectiveOf<Noting> objective(std::move(model), pairs.store(), {.max_length = 40}, "test");
    learn(objective, {objective.collate(all, {.seed = 1})}, {.training = true, .seed = 11});
    BOOST_CHECK(
        (NotingEncoder::scored == std::vector<std::int64_t>{6, 6, 6}));         // 3 * 2 texts are kept: one group of 6 at a time
    BOOST_CHECK((NotingEncoder::trained == std::vector<std::int64_t>{6, 6}));   // both passes
    BOOST_CHECK(!NotingEncoder::dropped);
}

BOOST_AUTO_TEST_CASE(short_lists_are_filled_or_refused_as_ever) {
    test::TestPairs const pairs = test::TestPairs::small();   // one negative of query 0
    auto filled = objective_of<Reranker>(pairs.store(), sized(2, 3));
    BOOST_CHECK_EQUAL(filled.collate(std::vector<std::size_t>{0}, {.seed = 1}).views[0].texts(), 3U);
    Reranker::Options options = PresetHyperparameters<Reranker>::options(sized(2, 3));
    std::get<0>(options.passes).view.source.group.random_negatives = false;
    auto model = std::make_shared<Reranker>(BertEncoder(test::pair_config(), 4), options, 1);
    ObjectiveOf<Reranker> const refuses(std::move(model), pairs.store(), {.max_length = 40}, "test");
    BOOST_CHECK_EXCEPTION(refuses.collate(std::vector<std::size_t>{0}, {.seed = 1}), InputError, says("negatives of query 0"));
    auto many = objective_of<Reranker>(pairs.store(), sized(2, 6));
    BOOST_CHECK_EXCEPTION(many.collate(std::vector<std::size_t>{0}, {.seed = 1}), InputError, says("where `forward` is set"));
}

BOOST_AUTO_TEST_CASE(a_score_that_is_nan_stays_visible) {
    test::TestPairs const pairs = with_negatives();
    for (auto const loss : {GroupLoss::softmax, GroupLoss::pointwise, GroupLoss::margin}) {
        auto objective = objective_of<Reranker>(pairs.store(), sized(3, 6, loss));
        objective.for_each_parameter([](std::string const& name, at::Tensor& value, bool) {
            if (name == "shared.score.classifier.bias") { value.detach().fill_(std::numeric_limits<float>::quiet_NaN()); }
        });
        HostBatch const batch = objective.collate(all, {.seed = 1});
        ForwardContext context;
        BOOST_CHECK(std::isnan(objective.forward(batch, context, batch.term_labels).total.item<double>()));
    }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_by_name) {
    test::TestPairs const pairs = with_negatives();
    auto const refused = [&]<class M>(RerankerHyperparameters const& hyperparameters, std::string_view words, M*) {
        BOOST_CHECK_EXCEPTION(objective_of<M>(pairs.store(), hyperparameters), InputError, says(words));
    };
    Reranker* const one = nullptr;
    RerankerRDrop* const two = nullptr;
    refused(sized(4, 3), "passes.0.view.source.forward of at least the 4 passages", one);
    refused(sized(1, 3), "at least 2 texts per query", one);
    refused(sized(3, 0, GroupLoss::margin), "softmax or pointwise with R-Drop", two);
    RerankerHyperparameters odd = sized(3);
    odd.margin = 2;
    refused(odd, "loss=margin with a margin", one);
    odd.loss = GroupLoss::margin;
    odd.margin = std::nan("");
    refused(odd, "a finite margin above 0", one);
    odd.margin = 0;
    refused(odd, "a finite margin above 0", one);

    auto const build = [](auto const& options, auto const* model) {
        using M = std::remove_cvref_t<decltype(*model)>;
        return M(BertEncoder(test::pair_config(), 4), options, 1);
    };
    RerankerRDrop::Options apart = PresetHyperparameters<RerankerRDrop>::options(sized(3, 6));
    std::get<1>(apart.passes).view.source.forward = 5;
    BOOST_CHECK_EXCEPTION(build(apart, two), InputError, says("passes.1.view.source.forward to be the same"));
    std::get<1>(apart.passes).view.source.forward = 0;
    BOOST_CHECK_EXCEPTION(build(apart, two), InputError, says("passes.1.view.source.forward to be the same"));

    // Labels of tokens are counted before the choice.
    using WithTokens = Model<BertEncoder,
        Pass<View<QueryWithCandidate>, Scored<ClsBottleneck>, MaskedLanguageModel>,
        GroupSoftmax>;
    static_assert(!WithTokens::chooses_texts && Reranker::chooses_texts && RerankerRDrop::chooses_texts);
    static_assert(!Retriever::chooses_texts);
    WithTokens::Options tokens;
    std::get<0>(tokens.passes).view.source.group.passages = 3;
    WithTokens const* const masked = nullptr;
    BOOST_CHECK_NO_THROW(build(tokens, masked));
    std::get<0>(tokens.passes).view.source.forward = 6;
    BOOST_CHECK_EXCEPTION(build(tokens, masked), InputError, says("passes.0.view.source.forward=0"));
}

BOOST_AUTO_TEST_SUITE_END()
