// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The fine-tuning presets: layout of a batch, the losses by hand, false negatives, degenerate batches, refusals.
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/edge/preset_request.hpp>
#include <bmae/model/group_softmax.hpp>
#include <bmae/model/matryoshka.hpp>
#include <bmae/model/max_sim_contrast.hpp>
#include <bmae/model/pair_similarity.hpp>
#include <bmae/presets/colbert.hpp>
#include <bmae/presets/dupmae_retriever.hpp>
#include <bmae/presets/reranker.hpp>
#include <bmae/presets/retriever.hpp>
#include <bmae/presets/retriever_recipes.hpp>
#include <bmae/presets/scored_pairs.hpp>
#include <bmae/presets/splade.hpp>
#include <bmae/training/trainer.hpp>

#include "pairs.hpp"

BOOST_AUTO_TEST_SUITE(finetuning)

namespace {

using namespace bmae;

template <class M>
using ObjectiveOf = ComposedObjective<M, PairStore>;

template <class M>
ObjectiveOf<M> objective_of(PairStore const& pairs, typename PresetHyperparameters<M>::type hyperparameters, double dropout = 0) {
    auto model =
        std::make_shared<M>(BertEncoder(test::pair_config(dropout), 4), PresetHyperparameters<M>::options(hyperparameters), 1);
    return ObjectiveOf<M>(std::move(model), pairs, {.max_length = 40}, "test");
}

RetrieverHyperparameters plain(std::size_t passages = 1) {
    return {.passages = passages, .query_length = 8, .passage_length = 8};
}

template <class M>
double loss_of(ObjectiveOf<M>& objective, HostBatch const& batch) {
    ForwardContext context;
    return objective.forward(batch, context, batch.term_labels).total.template item<double>();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_batch_holds_queries_and_their_groups) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto const objective = objective_of<Retriever>(pairs.store(), {.passages = 3, .query_length = 8, .passage_length = 4});
    std::vector<std::size_t> const examples{2, 0};
    HostBatch const batch = objective.collate(examples, {.seed = 5});
    BOOST_REQUIRE_EQUAL(batch.views.size(), 2U);
    PackedView const& queries = batch.views[0];
    PackedView const& texts = batch.views[1];
    BOOST_CHECK_EQUAL(queries.texts(), 2U);
    BOOST_CHECK_EQUAL(queries.input_ids[1], 42);   // the first query's only token
    BOOST_REQUIRE_EQUAL(texts.texts(), 6U);
    BOOST_CHECK((texts.groups == std::vector<std::int64_t>{0, 3, 6}));
    BOOST_CHECK_EQUAL(texts.text_ids[0], 2);                         // its relevant text
    BOOST_CHECK(texts.text_ids[1] != texts.text_ids[2]);             // two different hard negatives
    BOOST_CHECK(texts.text_ids[4] == 3 || texts.text_ids[5] == 3);   // the one hard negative of query 0, then a random one
    for (std::size_t n : {std::size_t{4}, std::size_t{5}}) { BOOST_CHECK(texts.text_ids[n] != 0 && texts.text_ids[n] != 1); }
    BOOST_CHECK_EQUAL(texts.offsets[1] - texts.offsets[0], 4);   // [CLS], two of three tokens, [SEP]
    BOOST_CHECK((texts.relevant[1] == std::vector<std::int64_t>{0, 1}));
    HostBatch const again = objective.collate(examples, {.seed = 5});
    BOOST_CHECK(again.views[1].input_ids == texts.input_ids);
    BOOST_CHECK(again.views[1].text_ids == texts.text_ids);
}

BOOST_AUTO_TEST_CASE(the_contrast_equals_its_formula) {
    test::TestPairs const pairs = test::TestPairs::small();
    std::vector<std::size_t> const examples{0, 1, 2};
    for (auto const contrast : {RetrievalContrast::info_nce, RetrievalContrast::symmetric, RetrievalContrast::four_block}) {
        RetrieverHyperparameters hyperparameters = plain(2);
        hyperparameters.temperature = .5;
        hyperparameters.contrast = contrast;
        auto objective = objective_of<Retriever>(pairs.store(), hyperparameters);
        HostBatch const batch = objective.collate(examples, {.seed = 1});
        ForwardContext context;
        at::Tensor const vectors = objective.step_contrast().represent(batch, context);   // 3 queries, 6 texts
        std::vector<std::int64_t> const targets{0, 2, 4};
        std::vector<std::int64_t> excluded;
        for (std::int64_t q = 0; q < 3; ++q) {
            for (std::int64_t column = 0; column < 6; ++column) {
                auto const id = batch.views[1].text_ids[static_cast<std::size_t>(column)];
                auto const& relevant = batch.views[1].relevant[static_cast<std::size_t>(q)];
                bool const known = std::ranges::find(relevant, id) != relevant.end();
                if (known && column != targets[static_cast<std::size_t>(q)]) { excluded.insert(excluded.end(), {q, column}); }
            }
        }
        double const expected =
            retrieval_contrast(contrast, vectors.narrow(0, 0, 3), vectors.narrow(0, 3, 6), targets, excluded, .5)
                .sum.item<double>() /
            3;
        BOOST_CHECK_CLOSE(loss_of(objective, batch), expected, 1e-4);
        hyperparameters.similarity = Similarity::euclidean;   // the same vectors, and their prefixes, by distance
        hyperparameters.matryoshka = 1;
        auto by_distance = objective_of<Retriever>(pairs.store(), hyperparameters);
        double far = 0;
        for (std::int64_t const width : {16, 8}) {
            at::Tensor const rows = vectors.narrow(1, 0, width);
            far += retrieval_contrast(contrast, rows.narrow(0, 0, 3), rows.narrow(0, 3, 6), targets, excluded, .5, {},
                                      RowScore::distance)
                       .sum.item<double>() /
                   3;
        }
        BOOST_CHECK_CLOSE(loss_of(by_distance, by_distance.collate(examples, {.seed = 1})), far, 1e-4);
        BOOST_TEST(std::abs(far - expected) > 1e-3);
    }
}

BOOST_AUTO_TEST_CASE(known_positives_are_no_negatives) {
    test::TestPairs const pairs = test::TestPairs::small();
    std::vector<std::size_t> const examples{0, 1};
    auto const loss_with = [&](bool masks) {
        Retriever::Options options = PresetHyperparameters<Retriever>::options(plain());
        std::get<0>(options.terms).mask_false_negatives = masks;
        ObjectiveOf<Retriever> objective(std::make_shared<Retriever>(BertEncoder(test::pair_config(), 4), options, 1),
                                         pairs.store(), {.max_length = 40}, "test");
        HostBatch batch = objective.collate(examples, {.seed = 0});
        for (std::uint64_t seed = 1; batch.views[1].text_ids[0] != 0; ++seed) {
            batch = objective.collate(examples, {.seed = seed});
        }
        return loss_of(objective, batch);
    };
    // The positive of query 0 is text 0; text 1, the positive of query 1, is relevant to it too.
    BOOST_CHECK_LT(loss_with(true), loss_with(false));
}

BOOST_AUTO_TEST_CASE(a_batch_of_one_candidate_counts_no_label) {
    test::TestPairs const pairs = test::TestPairs::small();
    std::vector<std::size_t> const alone{1};
    auto objective = objective_of<Retriever>(pairs.store(), plain());
    HostBatch const batch = objective.collate(alone, {.seed = 1});
    BOOST_CHECK_EQUAL(batch.term_labels.at(0), 0);
    BOOST_CHECK_EQUAL(batch.term_absent.at(0), 1);
    ForwardContext context{.training = true};
    StepOutput const output = objective.forward(batch, context, batch.term_labels);
    BOOST_CHECK_EQUAL(output.total.item<double>(), 0);
    std::vector<HostBatch> const two{batch, batch};   // together they have something to tell apart
    BOOST_CHECK_EQUAL(objective.step_contrast().join(two).term_labels.at(0), 2);
    BOOST_CHECK_EQUAL(objective.step_contrast().join(two).term_absent.at(0), 0);
    BOOST_CHECK_EQUAL(objective_of<Retriever>(pairs.store(), plain(2)).collate(alone, {.seed = 1}).term_labels.at(0), 1);
}

BOOST_AUTO_TEST_CASE(an_epoch_may_end_with_one_query) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto objective = objective_of<Retriever>(pairs.store(), plain());
    TrainerOptions options{
        .epochs = 3, .batch = {.tokens = 0, .examples = 2}, .learning_rate = .01, .log_every = 6, .loader_threads = 0};
    TrainResult const result = Trainer(objective, options).fit();
    BOOST_CHECK_EQUAL(result.step, 6U);
    BOOST_REQUIRE_EQUAL(result.terms.size(), 1U);
    BOOST_CHECK_EQUAL(result.terms[0].labels, 6);
    BOOST_CHECK_EQUAL(result.terms[0].absent, 3);
    options.batch.examples = 1;   // no batch could ever teach
    BOOST_CHECK_THROW(Trainer(objective, options), InputError);
    options.accumulation = 2;
    BOOST_CHECK_THROW(Trainer(objective, options), InputError);
    options.gradient_cache = true;
    BOOST_CHECK_EQUAL(Trainer(objective, options).fit().step, 5U);
}

BOOST_AUTO_TEST_CASE(one_candidate_for_all_is_refused) {
    test::TestPairs const pairs(5, {{{40}, {0, 1}, {3}}});
    BOOST_CHECK_THROW(objective_of<Retriever>(pairs.store(), plain()), InputError);
    BOOST_CHECK_NO_THROW(objective_of<Retriever>(pairs.store(), plain(2)));
}

BOOST_AUTO_TEST_CASE(negatives_are_those_of_the_contrast) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto const negatives = [&](RetrievalContrast contrast, std::size_t group, std::size_t examples) {
        RetrieverHyperparameters hyperparameters = plain(group);
        hyperparameters.contrast = contrast;
        return objective_of<Retriever>(pairs.store(), hyperparameters).negatives(examples);
    };
    using enum RetrievalContrast;
    for (auto const contrast : {info_nce, symmetric, four_block}) {
        for (std::size_t const examples : {0U, 1U}) { BOOST_CHECK_EQUAL(negatives(contrast, 1, examples), 0U); }
    }
    BOOST_CHECK_EQUAL(negatives(info_nce, 1, 16), 15U);
    BOOST_CHECK_EQUAL(negatives(symmetric, 2, 16), 31U);
    BOOST_CHECK_EQUAL(negatives(four_block, 2, 16), 31U + 3 * 15U);   // P - 1 + 3 (B - 1)
    BOOST_CHECK_EQUAL(negatives(four_block, 2, 1), 1U);
}

BOOST_AUTO_TEST_CASE(queries_that_are_counted_need_no_encoder) {
    test::TestPairs const pairs = test::TestPairs::small();
    std::vector<std::size_t> const examples{0, 1, 2};
    auto objective =
        objective_of<SpladeDoc>(pairs.store(), {.passages = 1, .query_length = 8, .passage_length = 8, .learned_queries = true});
    bool has_weights = false;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        value.requires_grad_(true);
        has_weights |= name == "passes.0.bottleneck.weights";
    });
    BOOST_CHECK(has_weights);
    HostBatch const batch = objective.collate(examples, {.seed = 1});
    ForwardContext context;
    at::Tensor const vectors = objective.step_contrast().represent(batch, context).detach();   // 3 queries, 3 texts
    at::Tensor const queries = vectors.narrow(0, 0, 3);
    BOOST_CHECK_EQUAL(queries.sum().item<float>(), 3);
    for (std::int64_t q = 0; q < 3; ++q) { BOOST_CHECK_EQUAL(queries[q][40 + q].item<float>(), 1); }
    at::Tensor const scores = at::mm(queries, vectors.narrow(0, 3, 3).t()).to(at::kDouble);
    double expected = 0;
    for (std::int64_t q = 0; q < 3; ++q) {
        at::Tensor row = scores[q].clone();
        auto const& relevant = batch.views[1].relevant[static_cast<std::size_t>(q)];
        for (std::int64_t t = 0; t < 3; ++t) {
            bool const known =
                std::ranges::find(relevant, batch.views[1].text_ids[static_cast<std::size_t>(t)]) != relevant.end();
            if (known && t != q) { row[t] = -std::numeric_limits<double>::infinity(); }
        }
        expected -= at::log_softmax(row, 0)[q].item<double>();
    }
    StepOutput const output = objective.forward(batch, context, batch.term_labels);
    BOOST_CHECK_CLOSE(output.total.item<double>(), expected / 3, 1e-3);   // FLOPS begins at 0
    output.total.backward();
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (name != "passes.0.bottleneck.weights") { return; }
        BOOST_CHECK(value.grad()[40].item<float>() != 0);
        BOOST_CHECK_EQUAL(value.grad()[43].item<float>(), 0);   // in no query
    });
}

BOOST_AUTO_TEST_CASE(the_products_of_two_representations_are_summed) {
    test::TestPairs const pairs = test::TestPairs::small();
    std::vector<std::size_t> const examples{0, 2};
    auto objective = objective_of<DupMaeRetriever>(
        pairs.store(), {.passages = 2, .query_length = 8, .passage_length = 8, .width = 5, .terms = 6, .temperature = 2});
    HostBatch const batch = objective.collate(examples, {.seed = 1});
    ForwardContext context;
    at::Tensor const vectors = objective.step_contrast().represent(batch, context);   // 2 queries, 4 texts
    BOOST_REQUIRE_EQUAL(vectors.size(1), 5 + 60);
    at::Tensor const queries = vectors.narrow(0, 0, 2);
    BOOST_CHECK_EQUAL(queries.narrow(1, 5, 60).ne(0).sum().item<std::int64_t>(), 120);
    at::Tensor const texts = vectors.narrow(0, 2, 4);
    BOOST_CHECK(texts.narrow(1, 5, 60).ne(0).sum(1).eq(6).all().item<bool>());
    at::Tensor const scores = dual_scores(queries, to_dual_vectors(texts, 5, 6));
    at::Tensor const logs = at::log_softmax(scores.to(at::kDouble).div(2), 1);
    double const expected = -(logs[0][0] + logs[1][2]).item<double>() / 2;
    BOOST_CHECK_CLOSE(loss_of(objective, batch), expected, 1e-3);
}

BOOST_AUTO_TEST_CASE(training_moves_the_encoder_and_not_the_head) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto objective = objective_of<Retriever>(pairs.store(), plain());
    std::size_t count = 0;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        BOOST_CHECK(!name.starts_with("cls."));
        value.requires_grad_(true);
        ++count;
    });
    BOOST_CHECK_EQUAL(count, 5U + 16U);
    HostBatch const batch = objective.collate(std::vector<std::size_t>{0, 1, 2}, {.seed = 1});
    ForwardContext context{.training = true, .seed = 3};
    objective.forward(batch, context, batch.term_labels).total.backward();
    BOOST_CHECK_GT(objective.encoder().layers[0].query.weight.grad().abs().sum().item<double>(), 0);
    bool has_head = false;   // SPLADE reads its logits
    objective_of<Splade>(pairs.store(), {.query_length = 8, .passage_length = 8})
        .for_each_parameter([&](std::string const& name, at::Tensor&, bool) { has_head |= name.starts_with("cls."); });
    BOOST_CHECK(has_head);
}

BOOST_AUTO_TEST_CASE(distillation_equals_its_formula_and_leaves_out_what_was_not_scored) {
    float const none = std::numeric_limits<float>::quiet_NaN();
    test::TestPairs const pairs(5, {{{40}, {0}, {3, 4}, {4.F}, {1.F, -2.F}},
                                    {{41}, {1}, {3, 2}, {2.F}, {none, 0.F}},   // one text without a score
                                    {{42}, {2}, {4, 3}, {1.F}, {3.F, 2.F}}});
    RetrieverDistilledHyperparameters hyperparameters;
    hyperparameters.passages = 3;
    hyperparameters.query_length = hyperparameters.passage_length = 8;
    hyperparameters.temperature = .5;
    hyperparameters.similarity = Similarity::dot;
    hyperparameters.contrast_weight = 0;
    auto objective = objective_of<RetrieverDistilled>(pairs.store(), hyperparameters);
    HostBatch const batch = objective.collate(std::vector<std::size_t>{0, 1, 2}, {.seed = 1});
    BOOST_CHECK_EQUAL(batch.term_labels.at(1), 2);
    BOOST_CHECK_EQUAL(batch.term_absent.at(1), 1);
    ForwardContext context;
    at::Tensor const vectors = objective.step_contrast().represent(batch, context);
    double expected = 0;
    for (std::int64_t const q : {0, 2}) {
        at::Tensor const student =
            at::mm(vectors.narrow(0, 3 + 3 * q, 3), vectors.narrow(0, q, 1).t()).squeeze(1).to(at::kDouble) / .5;
        std::vector<float> const scores(batch.views[1].scores.begin() + 3 * q, batch.views[1].scores.begin() + 3 * q + 3);
        at::Tensor const teacher = at::tensor(scores).to(at::kDouble);
        at::Tensor const log_p = at::log_softmax(teacher, 0);
        expected += (log_p.exp() * (log_p - at::log_softmax(student, 0))).sum().item<double>();
    }
    BOOST_CHECK_CLOSE(loss_of(objective, batch), expected / 2, 1e-3);
    hyperparameters.kl_reduction = DivergenceReduction::mean;   // over two queries with three scores each
    auto over_all = objective_of<RetrieverDistilled>(pairs.store(), hyperparameters);
    BOOST_CHECK_CLOSE(loss_of(over_all, batch), expected / 6, 1e-3);
    RetrieverMarginMse::Options margins = PresetHyperparameters<RetrieverMarginMse>::options({});
    std::get<0>(margins.terms).reduction = DivergenceReduction::mean;   // margins have none
    BOOST_CHECK_EXCEPTION(
        RetrieverMarginMse(BertEncoder(test::pair_config(), 4), margins, 1), InputError,
        [](InputError const& e) { return std::string(e.what()).find("reduction=batchmean") != std::string::npos; });
    test::TestPairs const unscored = test::TestPairs::small();
    BOOST_CHECK_EXCEPTION(
        objective_of<RetrieverDistilled>(unscored.store(), hyperparameters), InputError,
        [](InputError const& e) { return std::string(e.what()).find("a teacher's scores") != std::string::npos; });
}

BOOST_AUTO_TEST_CASE(a_cross_encoder_reads_pairs_and_takes_the_softmax_of_each_group) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto objective = objective_of<Reranker>(pairs.store(), {.passages = 3, .query_length = 4, .max_length = 12});
    HostBatch const batch = objective.collate(std::vector<std::size_t>{0, 2}, {.seed = 1});
    PackedView const& view = batch.views.at(0);
    BOOST_REQUIRE_EQUAL(view.texts(), 6U);
    BOOST_CHECK_EQUAL(view.input_ids[0], 2);   // [CLS] query [SEP] three tokens [SEP]
    BOOST_CHECK_EQUAL(view.input_ids[1], 40);
    BOOST_CHECK_EQUAL(view.input_ids[2], 3);
    BOOST_CHECK_EQUAL(view.input_ids[6], 3);
    std::vector<std::uint8_t> const types(view.token_types.begin(), view.token_types.begin() + 7);
    BOOST_CHECK((types == std::vector<std::uint8_t>{0, 0, 0, 1, 1, 1, 1}));
    std::map<std::string, at::Tensor> head;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (name.starts_with("shared.score")) { head[name] = value.detach(); }
    });
    BOOST_REQUIRE_EQUAL(head.size(), 4U);
    ForwardContext context;
    PackedInput const input = to_tensors(view);
    at::Tensor const cls = objective.encoder().encode(input, context).hidden.index_select(0, input.first_rows);
    at::Tensor const pooled =
        at::linear(cls, head["shared.score.pooler.dense.weight"], head["shared.score.pooler.dense.bias"]).tanh();
    at::Tensor const scores =
        at::linear(pooled, head["shared.score.classifier.weight"], head["shared.score.classifier.bias"]).view({2, 3});
    double const expected = (at::logsumexp(scores, {1}) - scores.select(1, 0)).mean().item<double>();
    BOOST_CHECK_CLOSE(loss_of(objective, batch), expected, 1e-3);
    BOOST_CHECK_THROW(objective_of<Reranker>(pairs.store(), {.passages = 1}), InputError);   // nothing to learn from

    // Two passes over one group: equal without dropout, apart with it.
    auto twice = objective_of<RerankerRDrop>(pairs.store(), {.passages = 3, .query_length = 4, .max_length = 12}, .3);
    HostBatch const both = twice.collate(std::vector<std::size_t>{0, 2}, {.seed = 1});
    BOOST_CHECK(both.views[0].input_ids == both.views[1].input_ids);
    BOOST_CHECK(both.views[0].text_ids == both.views[1].text_ids);
    ForwardContext still;
    BOOST_CHECK_SMALL(twice.forward(both, still, both.term_labels).terms.at(1).loss.item<double>(), 1e-9);
    ForwardContext dropped{.training = true, .seed = 5};
    BOOST_CHECK_GT(twice.forward(both, dropped, both.term_labels).terms.at(1).loss.item<double>(), 1e-6);
}

BOOST_AUTO_TEST_CASE(late_interaction_equals_a_loop) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto objective =
        objective_of<ColBert>(pairs.store(), {.passages = 2, .query_maxlen = 8, .doc_maxlen = 8, .dim = 6, .temperature = .5});
    HostBatch const batch = objective.collate(std::vector<std::size_t>{1, 2}, {.seed = 3});
    ForwardContext context;
    at::Tensor const rows = objective.step_contrast().represent(batch, context);
    PackedView const& queries = batch.views[0];
    PackedView const& texts = batch.views[1];
    auto const first = static_cast<std::int64_t>(queries.tokens());
    BOOST_REQUIRE_EQUAL(rows.size(0), first + static_cast<std::int64_t>(texts.tokens()));
    double expected = 0;
    for (std::size_t q = 0; q < 2; ++q) {
        std::vector<double> scores;
        for (std::size_t d = 0; d < 4; ++d) {
            bool const known = d != 2 * q && std::ranges::find(texts.relevant[q], texts.text_ids[d]) != texts.relevant[q].end();
            if (known) { continue; }
            double sum = 0;
            for (std::int64_t i = queries.offsets[q]; i < queries.offsets[q + 1]; ++i) {
                double best = -1e9;
                for (std::int64_t j = texts.offsets[d]; j < texts.offsets[d + 1]; ++j) {
                    best = std::max(best, (rows[i] * rows[first + j]).sum().item<double>());
                }
                sum += best;
            }
            if (d == 2 * q) { expected -= sum / .5; }
            scores.push_back(sum / .5);
        }
        double total = 0;
        for (double const score : scores) { total += std::exp(score); }
        expected += std::log(total);
    }
    BOOST_CHECK_CLOSE(loss_of(objective, batch), expected / 2, 1e-3);
}

BOOST_AUTO_TEST_CASE(lengths_beyond_the_positions_are_refused_by_path) {
    test::TestPairs const pairs = test::TestPairs::small();
    BOOST_CHECK_EXCEPTION(objective_of<Retriever>(pairs.store(), {.passage_length = 41}), InputError, [](InputError const& e) {
        return std::string(e.what()).find("passes.1.view.source.max_length") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(nested_vectors_have_the_widths_and_weights_that_are_named) {
    using Widths = std::vector<std::pair<std::int64_t, double>>;
    auto const of = [](std::vector<VectorPrefix> prefixes) { return Matryoshka{std::move(prefixes)}.widths(16); };
    BOOST_TEST((of({}) == Widths{{16, 1}}));
    BOOST_TEST((Matryoshka::halves(3).widths(16) == Widths{{16, 1}, {8, 1}, {4, 1}, {2, 1}}));
    BOOST_TEST((of({{.dimension = 4, .weight = .5}, {.dimension = 16, .weight = 2}}) == Widths{{16, 2}, {4, .5}}));
    BOOST_CHECK_THROW(of({{.dimension = 17}}), InputError);
    BOOST_CHECK_THROW(of({{.dimension = 4}, {.dimension = 4}}), InputError);
    BOOST_CHECK_THROW(of({{.dimension = 16}, {.dimension = 16}}), InputError);
    BOOST_CHECK_THROW(of({{.dimension = 4, .weight = 0}}), InputError);
    BOOST_CHECK_THROW(static_cast<void>(Matryoshka::halves(5).widths(16)), InputError);   // 16 has no half of 1
}

BOOST_AUTO_TEST_CASE(options_of_prefixes_are_there_as_soon_as_the_preset_has_some) {
    auto const paths = [](RetrieverHyperparameters const& hyperparameters) {
        auto options = PresetHyperparameters<Retriever>::options(hyperparameters);
        std::size_t count = 0;
        for (OptionEntry const& entry : option_entries(options)) {
            count += entry.path.find("matryoshka") != std::string::npos ? 1 : 0;
        }
        return count;
    };
    RetrieverHyperparameters hyperparameters;
    BOOST_TEST(paths(hyperparameters) == 0U);
    hyperparameters.matryoshka = 2;
    BOOST_TEST(paths(hyperparameters) == 4U);
    auto const options = options_of<Retriever>(
        hyperparameters, {{"terms.0.matryoshka.0.dimension", "4"}, {"terms.0.matryoshka.0.weight", "0.5"}, {"matryoshka", "1"}});
    auto const& prefixes = std::get<0>(options.terms).matryoshka.prefixes;
    BOOST_REQUIRE(prefixes.size() == 1U);
    BOOST_TEST(prefixes[0].dimension == 4U);
    BOOST_TEST(prefixes[0].weight == .5);
}

BOOST_AUTO_TEST_CASE(a_contrast_of_nested_vectors_is_the_sum_over_them) {
    test::TestPairs const pairs = test::TestPairs::small();
    std::vector<std::size_t> const examples{0, 1, 2};
    RetrieverHyperparameters hyperparameters = plain(2);
    hyperparameters.similarity = Similarity::cosine;
    hyperparameters.temperature = .1;
    hyperparameters.matryoshka = 1;
    auto objective = objective_of<Retriever>(pairs.store(), hyperparameters);
    HostBatch const batch = objective.collate(examples, {.seed = 1});
    ForwardContext context;
    at::Tensor const vectors = objective.step_contrast().represent(batch, context);   // 3 queries, 6 texts
    std::vector<std::int64_t> const targets{0, 2, 4};
    PairList const known = batch_pairs(std::vector<PackedView const*>{&batch.views[0], &batch.views[1]});
    std::vector<std::int64_t> const excluded = known.excluded_cells(3, 6);
    double expected = 0;
    for (std::int64_t const width : {16, 8}) {
        at::Tensor const rows = normalize_rows(vectors.narrow(1, 0, width));
        expected += info_nce(rows.narrow(0, 0, 3), rows.narrow(0, 3, 6), targets, excluded, .1).sum.item<double>() / 3;
    }
    BOOST_CHECK_CLOSE(loss_of(objective, batch), expected, 1e-3);
}

BOOST_AUTO_TEST_CASE(a_temperature_is_learned_as_a_parameter_without_decay) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto options = PresetHyperparameters<Retriever>::options(plain(2));
    auto& contrast = std::get<0>(options.terms);
    contrast.temperature = .25;
    contrast.similarity = Similarity::cosine;
    contrast.learn_temperature = true;
    auto model = std::make_shared<Retriever>(BertEncoder(test::pair_config(), 4), options, 1);
    ObjectiveOf<Retriever> objective(model, pairs.store(), {.max_length = 40}, "test");
    bool seen = false;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool decay) {
        if (name != "terms.0.log_scale") { return; }
        seen = true;
        BOOST_TEST(!decay);
        BOOST_CHECK_CLOSE(value.item<double>(), std::log(4.), 1e-4);
        value.requires_grad_(true);
    });
    BOOST_TEST(seen);
    for (auto const& change : std::vector<std::function<void(ContrastOptions&)>>{
             [](ContrastOptions& o) { o.temperature_warmup = .1; }, [](ContrastOptions& o) { o.temperature = 0; },
             [](ContrastOptions& o) { o.margin = 0; }, [](ContrastOptions& o) { o.mask_margin = .1; },
             [](ContrastOptions& o) {
                 o.contrast = RetrievalContrast::four_block;
                 o.margin_mask = MarginMask::score;
             }}) {
        auto bad = options;
        change(std::get<0>(bad.terms));
        BOOST_CHECK_THROW(Retriever(BertEncoder(test::pair_config(), 4), bad, 1), InputError);
    }
}

BOOST_AUTO_TEST_CASE(masks_by_a_teacher_and_ambiguous_negatives_ask_for_scores) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto const refused = [&](auto const& change) {
        auto options = PresetHyperparameters<Retriever>::options(plain(2));
        change(options);
        try {
            ObjectiveOf<Retriever>(std::make_shared<Retriever>(BertEncoder(test::pair_config(), 4), options, 1), pairs.store(),
                                   {.max_length = 40}, "test");
        } catch (InputError const& error) { return std::string(error.what()); }
        return std::string();
    };
    BOOST_TEST(refused([](auto&) {}).empty());
    std::string const mask = refused([](auto& options) { std::get<0>(options.terms).margin_mask = MarginMask::teacher; });
    BOOST_TEST(mask.find("terms.0.margin_mask") != std::string::npos);
    std::string const ambiguous =
        refused([](auto& options) { std::get<1>(options.passes).view.source.group.sampling = NegativeChoice::ambiguous; });
    BOOST_TEST(ambiguous.find("passes.1.view.source.sampling=ambiguous") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(margins_of_a_teacher_alone_are_an_objective) {
    test::TestPairs const pairs(5, {{{40}, {0}, {3, 4}, {2}, {1, -1}}, {{41}, {1}, {2, 3}, {0}, {.5F, 3}}});
    RetrieverMarginMseHyperparameters const hyperparameters{.passages = 3, .query_length = 8, .passage_length = 8};
    auto objective = objective_of<RetrieverMarginMse>(pairs.store(), hyperparameters);
    BOOST_TEST(objective.negatives(2) == 2U);
    std::vector<std::size_t> const examples{0, 1};
    HostBatch const batch = objective.collate(examples, {.seed = 1});
    BOOST_TEST(batch.term_labels.at(0) == 2);
    BOOST_TEST(loss_of(objective, batch) > 0);
}

/// Pairs of one text each with labels.
test::TestPairs labeled(std::vector<float> const& labels) {
    std::vector<test::PairRow> rows;
    for (std::uint32_t i = 0; i < labels.size(); ++i) {
        rows.push_back({.query = {static_cast<TokenId>(40 + i)}, .positives = {i}, .positive_scores = {labels[i]}});
    }
    return test::TestPairs(labels.size(), rows, PairLabels::similarity);
}

BOOST_AUTO_TEST_CASE(scored_pairs_are_put_in_the_order_of_their_labels) {
    test::TestPairs const pairs = labeled({.5F, 3, 3, 1});
    std::vector<std::size_t> const examples{0, 1, 2, 3};
    at::Tensor const labels = at::tensor({.5F, 3.F, 3.F, 1.F});
    for (PairLoss const loss : {PairLoss::cosent, PairLoss::angle, PairLoss::cosine}) {
        auto objective =
            objective_of<ScoredPairs>(pairs.store(), {.query_length = 8, .passage_length = 8, .loss = loss, .label_scale = 5});
        HostBatch const batch = objective.collate(examples, {.seed = 1});
        BOOST_TEST(batch.term_labels.at(0) == 4);
        ForwardContext context;
        at::Tensor const vectors = objective.step_contrast().represent(batch, context);
        at::Tensor const first = vectors.narrow(0, 0, 4);
        at::Tensor const second = vectors.narrow(0, 4, 4);
        at::Tensor const similarities = loss == PairLoss::angle ? pair_angles(first, second) : pair_cosines(first, second);
        double const expected = loss == PairLoss::cosine ? similarity_error(similarities, labels / 5).item<double>() / 4
                                                         : ranking_loss(similarities, labels, 20).item<double>();
        BOOST_CHECK_CLOSE(loss_of(objective, batch), expected, 1e-3);
    }
    auto objective = objective_of<ScoredPairs>(pairs.store(), {.query_length = 8, .passage_length = 8});
    std::vector<std::size_t> const equal{1, 2};   // no order among equal labels: no label, and counted
    HostBatch const none = objective.collate(equal, {.seed = 1});
    BOOST_TEST(none.term_labels.at(0) == 0);
    BOOST_TEST(none.term_absent.at(0) == 2);
    BOOST_TEST(loss_of(objective, none) == 0);
}

BOOST_AUTO_TEST_CASE(stores_of_scored_pairs_and_of_relevant_texts_are_told_apart) {
    test::TestPairs const relevant = test::TestPairs::small();
    test::TestPairs const scored = labeled({.5F, 3});
    BOOST_CHECK_THROW(objective_of<ScoredPairs>(relevant.store(), {.query_length = 8, .passage_length = 8}), InputError);
    BOOST_CHECK_THROW(objective_of<Retriever>(scored.store(), plain()), InputError);
    // distances are put in order; they equal no label, and have no angle
    BertEncoder const encoder(test::pair_config(), 4);
    constexpr Similarity euclidean = Similarity::euclidean;
    BOOST_TEST(PairSimilarity({.similarity = euclidean}, encoder, 1, "terms.0").describe("terms.0").similarity == "euclidean");
    BOOST_CHECK_THROW(PairSimilarity({.loss = PairLoss::cosine, .similarity = euclidean}, encoder, 1, "terms.0"), InputError);
    BOOST_CHECK_THROW(PairSimilarity({.loss = PairLoss::angle, .similarity = euclidean}, encoder, 1, "terms.0"), InputError);
    // a cosine cannot be 3
    auto objective =
        objective_of<ScoredPairs>(scored.store(), {.query_length = 8, .passage_length = 8, .loss = PairLoss::cosine});
    std::vector<std::size_t> const examples{0, 1};
    BOOST_CHECK_THROW(static_cast<void>(objective.collate(examples, {.seed = 1})), InputError);
    BOOST_CHECK_THROW(objective_of<ScoredPairs>(scored.store(), {.query_length = 8, .passage_length = 8, .scale = 0}),
                      InputError);
}

BOOST_AUTO_TEST_CASE(settings_of_papers_are_hyperparameters_of_one_composition) {
    std::set<std::string_view> names;
    for (RetrieverRecipe const& recipe : retriever_recipes()) {
        names.insert(recipe.name);
        BOOST_TEST(recipe.name.starts_with("retriever-"));
        auto const options = PresetHyperparameters<Retriever>::options(recipe.hyperparameters);
        BOOST_TEST(std::get<1>(options.passes).view.source.group.passages >= 2U);
        auto const& contrast = std::get<0>(options.terms);
        BOOST_TEST((contrast.similarity == Similarity::cosine) == (contrast.temperature < 1));   // cosines need a temperature
    }
    BOOST_TEST(names.size() == retriever_recipes().size());
}

BOOST_AUTO_TEST_SUITE_END()
