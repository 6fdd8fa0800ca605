// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// M3-Embedding: the rows of a text, the three scores and their sum, what teaches whom. Losses and gradients beside PyTorch: parity/bge_m3.py.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/randn.h>
#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/hybrid_vectors.hpp>
#include <bmae/edge/composed_objective.hpp>
#include <bmae/model/hybrid_contrast.hpp>
#include <bmae/presets/bge_m3.hpp>

#include "pairs.hpp"

BOOST_AUTO_TEST_SUITE(hybrid_contrast)

namespace {

using namespace bmae;

PackedView view_of(std::vector<std::vector<TokenId>> const& texts) {
    PackedView view;
    for (auto const& ids : texts) { view.append({.original_ids = ids, .input_ids = ids}); }
    view.special = {.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4};
    return view;
}

ComposedObjective<BgeM3, PairStore> objective_of(PairStore const& pairs, BgeM3Hyperparameters hyperparameters) {
    hyperparameters.query_length = hyperparameters.passage_length = 8;
    hyperparameters.passages = 2;
    auto model =
        std::make_shared<BgeM3>(BertEncoder(test::pair_config(), 4), PresetHyperparameters<BgeM3>::options(hyperparameters), 1);
    return ComposedObjective<BgeM3, PairStore>(std::move(model), pairs, {.max_length = 40}, "bge-m3");
}

}  // namespace

BOOST_AUTO_TEST_CASE(rows_hold_a_dense_vector_weights_and_vectors_of_tokens) {
    BertEncoder const encoder(test::pair_config(), 4);
    HybridVectors vectors({}, encoder, 3, "test");
    PackedView const view = view_of({{2, 10, 11, 3}, {2, 12, 3}});
    PackedInput const input = to_tensors(view);
    Encoded const encoded{.hidden = at::randn({7, 16})};
    at::Tensor const rows = vectors.pool(encoded, input, encoder);
    BOOST_TEST(rows.sizes() == at::IntArrayRef({7, 17}));
    BOOST_TEST(vectors.width(encoder) == 17);
    std::map<std::string, at::Tensor> parameters;
    vectors.for_each_parameter("passes.0.bottleneck",
                               [&](std::string const& name, at::Tensor& value, auto) { parameters[name] = value; });
    BOOST_TEST(parameters.size() == 4U);
    at::Tensor const weights =
        encoded.hidden.matmul(parameters.at("shared.sparse_linear.weight").t()).relu();   // biases start at 0
    BOOST_TEST((rows.select(1, 0) - weights.select(1, 0)).abs().max().item<double>() < 1e-6);
    at::Tensor const tokens = normalize_rows(encoded.hidden.matmul(parameters.at("shared.colbert_linear.weight").t()));
    at::Tensor const dense = normalize_rows(encoded.hidden);
    for (std::int64_t row = 0; row < 7; ++row) {
        at::Tensor const& expected = row == 0 || row == 4 ? dense : tokens;
        BOOST_TEST((rows[row].narrow(0, 1, 16) - expected[row]).abs().max().item<double>() < 1e-5, row);
    }
}

BOOST_AUTO_TEST_CASE(scores_equal_their_formulas) {
    PackedView const queries = view_of({{2, 10, 11, 10, 3}, {2, 1, 12, 3}});
    PackedView const texts = view_of({{2, 11, 10, 11, 3}, {2, 13, 3}, {2, 1, 12, 4, 3}});
    std::vector<PackedView const*> const views{&queries, &texts};
    at::Tensor const asked = at::randn({9, 5}).abs();
    at::Tensor const found = at::randn({13, 5}).abs();
    std::vector<at::Tensor> const rows{asked, found};
    HybridScores const scores = hybrid_scores(rows, views);
    auto const number = [](at::Tensor const& tensor, std::int64_t row, std::int64_t column) {
        return tensor[row][column].item<double>();
    };
    auto const weight = [&](PackedView const& view, at::Tensor const& tensor, std::size_t text, TokenId id) {
        double most = 0;
        for (std::int64_t i = view.offsets[text]; i < view.offsets[text + 1]; ++i) {
            if (view.input_ids[static_cast<std::size_t>(i)] == id) { most = std::max(most, number(tensor, i, 0)); }
        }
        return most;
    };
    for (std::size_t q = 0; q < 2; ++q) {
        for (std::size_t t = 0; t < 3; ++t) {
            double dense = 0;
            double tokens = 0;
            double lexical = 0;
            for (std::int64_t c = 1; c < 5; ++c) {
                dense += number(asked, queries.offsets[q], c) * number(found, texts.offsets[t], c);
            }
            for (std::int64_t i = queries.offsets[q] + 1; i < queries.offsets[q + 1]; ++i) {
                double best = -std::numeric_limits<double>::infinity();
                for (std::int64_t j = texts.offsets[t] + 1; j < texts.offsets[t + 1]; ++j) {
                    best = std::max(best, (asked[i].narrow(0, 1, 4) * found[j].narrow(0, 1, 4)).sum().item<double>());
                }
                tokens += best / static_cast<double>(queries.offsets[q + 1] - queries.offsets[q] - 1);
            }
            for (TokenId const id : {10, 11, 12, 13, 4}) {   // neither [UNK] nor [CLS] and [SEP]
                lexical += weight(queries, asked, q, id) * weight(texts, found, t, id);
            }
            auto const at = [&](at::Tensor const& all) {
                return all[static_cast<std::int64_t>(q)][static_cast<std::int64_t>(t)].item<double>();
            };
            BOOST_TEST(at(scores.dense) == dense, boost::test_tools::tolerance(1e-5));
            BOOST_TEST(at(scores.tokens) == tokens, boost::test_tools::tolerance(1e-5));
            BOOST_TEST(at(scores.lexical) == lexical, boost::test_tools::tolerance(1e-5));
            BOOST_TEST(at(scores.integrated({.dense = 2, .lexical = .5, .tokens = 3})) == 2 * dense + .5 * lexical + 3 * tokens,
                       boost::test_tools::tolerance(1e-5));
        }
    }
}

BOOST_AUTO_TEST_CASE(words_that_no_query_has_score_nothing) {
    PackedView const queries = view_of({{2, 1, 3}});
    PackedView const texts = view_of({{2, 13, 3}, {2, 14, 1, 3}});
    std::vector<PackedView const*> const views{&queries, &texts};
    std::vector<at::Tensor> const rows{at::randn({3, 4}), at::randn({7, 4})};
    BOOST_TEST(hybrid_scores(rows, views).lexical.abs().max().item<double>() == 0);
}

BOOST_AUTO_TEST_CASE(the_preset_shares_its_heads_and_halves_its_losses) {
    test::TestPairs const pairs = test::TestPairs::small();
    std::vector<std::size_t> const examples{0, 1, 2};
    auto const losses = [&](BgeM3Hyperparameters const& hyperparameters) {
        auto objective = objective_of(pairs.store(), hyperparameters);
        HostBatch const batch = objective.collate(examples, {.seed = 1});
        ForwardContext context;
        StepOutput const output = objective.forward(batch, context, batch.term_labels);
        return std::array{output.total.item<double>(), output.terms[0].loss.item<double>(), output.terms[1].loss.item<double>()};
    };
    auto const [total, contrast, distillation] = losses({.temperature = .5});
    BOOST_TEST(total == (contrast + distillation) / 2, boost::test_tools::tolerance(1e-6));
    BOOST_TEST(distillation > 0);
    auto const [alone, same, unused] = losses({.temperature = .5, .self_distillation = false});
    BOOST_TEST(alone == same, boost::test_tools::tolerance(1e-6));
    BOOST_TEST(same == contrast, boost::test_tools::tolerance(1e-6));
    auto const [less, fewer, others] =
        losses({.temperature = .5, .losses = {.dense = 0, .lexical = 0, .tokens = 0}});   // L_inter alone
    BOOST_TEST(others == 0);
    BOOST_TEST(fewer < contrast);
    std::size_t heads = 0;
    auto objective = objective_of(pairs.store(), {});
    objective.for_each_parameter(
        [&](std::string const& name, at::Tensor&, bool) { heads += name.starts_with("shared.") ? 1 : 0; });
    BOOST_TEST(heads == 4U);
}

BOOST_AUTO_TEST_CASE(the_teacher_has_no_gradient) {
    PackedView const queries = view_of({{2, 10, 3}, {2, 11, 3}});
    PackedView texts = view_of({{2, 10, 12, 3}, {2, 11, 3}, {2, 13, 3}});
    std::vector<PackedView const*> const views{&queries, &texts};
    BertEncoder const encoder(test::pair_config(), 4);
    SelfDistillation const term({.temperature = 1, .losses = {.dense = 1, .lexical = 0, .tokens = 0}}, encoder, 0, "terms.1");
    std::vector<at::Tensor> const rows{at::randn({6, 9}).requires_grad_(true), at::randn({10, 9}).requires_grad_(true)};
    PairList const pairs = term.pairs(views);
    ForwardContext context;
    term.sum({.sentences = rows, .views = views, .pairs = pairs, .context = context}).sum.backward();
    at::Tensor const gradient = rows[1].grad();
    BOOST_TEST(gradient.select(1, 0).abs().max().item<double>() == 0);   // weights and vectors of tokens only teach
    BOOST_TEST(gradient[1].abs().max().item<double>() == 0);
    BOOST_TEST(gradient[0].abs().max().item<double>() > 0);
}

BOOST_AUTO_TEST_CASE(weights_and_temperatures_are_checked) {
    BertEncoder const encoder(test::pair_config(), 4);
    BOOST_CHECK_THROW(HybridContrast({.temperature = 0}, encoder, 0, "t"), InputError);
    BOOST_CHECK_THROW(HybridContrast({.scores = {.dense = -1}}, encoder, 0, "t"), InputError);
    BOOST_CHECK_THROW(SelfDistillation({.losses = {.tokens = std::numeric_limits<double>::infinity()}}, encoder, 0, "t"),
                      InputError);
}

BOOST_AUTO_TEST_SUITE_END()
