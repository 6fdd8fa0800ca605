// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// In-batch contrast: layout of a batch, the loss by hand, false negatives, degenerate batches.
#include <cmath>
#include <vector>

#include <ATen/ops/randn.h>
#include <boost/test/unit_test.hpp>

#include <bmae/encoders/bert.hpp>
#include <bmae/finetuning/bi_encoder.hpp>
#include <bmae/training/trainer.hpp>

namespace {

using namespace bmae;

BertConfig tiny() {
    BertConfig config = BertConfig::of_size(1, 16);
    config.vocab_size = 60;
    config.max_position_embeddings = 40;
    return config;
}

TokenTraits const traits{{.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(60, 0)};

/// Five passages, three queries; passage 1 is relevant to the first two.
RetrievalPairs pairs() {
    RetrievalPairs data;
    for (TokenId p = 0; p < 5; ++p) { data.passages.push_back({static_cast<TokenId>(10 + p), static_cast<TokenId>(20 + p), 30}); }
    data.queries.push_back({.query = {40}, .positives = {0, 1}, .negatives = {3}});
    data.queries.push_back({.query = {41}, .positives = {1}, .negatives = {}});
    data.queries.push_back({.query = {42}, .positives = {2}, .negatives = {4, 3}});
    return data;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bi_encoder)

BOOST_AUTO_TEST_CASE(info_nce_equals_its_formula) {
    at::Tensor const queries = at::randn({3, 8});
    at::Tensor const passages = at::randn({5, 8});
    std::vector<std::int64_t> const targets{0, 3, 4};
    std::vector<std::int64_t> const excluded{1, 0};
    ContrastiveLoss const loss = info_nce(queries, passages, targets, excluded, .5);
    double expected = 0;
    for (std::int64_t q = 0; q < 3; ++q) {
        double sum = 0;
        double own = 0;
        for (std::int64_t p = 0; p < 5; ++p) {
            if (q == 1 && p == 0) { continue; }
            double const score = (queries[q] * passages[p]).sum().item<double>() / .5;
            sum += std::exp(score);
            if (p == targets[static_cast<std::size_t>(q)]) { own = score; }
        }
        expected += std::log(sum) - own;
    }
    BOOST_CHECK_CLOSE(loss.sum.item<double>(), expected, 1e-3);
}

BOOST_AUTO_TEST_CASE(one_candidate_is_refused) {
    std::vector<std::int64_t> const targets{0};
    BOOST_CHECK_THROW(info_nce(at::randn({1, 4}), at::randn({1, 4}), targets, {}, 1.0), InputError);
}

BOOST_AUTO_TEST_CASE(a_batch_holds_queries_then_groups) {
    RetrievalPairs const data = pairs();
    BertEncoder encoder(tiny());
    BiEncoderObjective const objective(encoder, data, traits, {.passages_per_query = 3, .query_length = 8, .passage_length = 4});
    std::vector<std::size_t> const examples{2, 0};
    HostBatch const batch = objective.collate(examples, {.seed = 5});
    PackedView const& view = batch.views.at(0);
    BOOST_REQUIRE_EQUAL(view.texts(), 2U + 2U * 3U);
    BOOST_CHECK_EQUAL(view.input_ids[1], 42);                      // the first query's only token
    BOOST_CHECK_EQUAL(view.text_ids[2], 2);                        // its positive
    BOOST_CHECK(view.text_ids[3] != view.text_ids[4]);             // two different hard negatives
    BOOST_CHECK(view.text_ids[6] == 3 || view.text_ids[7] == 3);   // the one hard negative of query 0, then a random one
    for (std::size_t n : {std::size_t{6}, std::size_t{7}}) { BOOST_CHECK(view.text_ids[n] != 0 && view.text_ids[n] != 1); }
    BOOST_CHECK_EQUAL(view.offsets[3] - view.offsets[2], 4);   // [CLS], two of three tokens, [SEP]
    HostBatch const again = objective.collate(examples, {.seed = 5});
    BOOST_CHECK(again.views[0].input_ids == view.input_ids);
}

BOOST_AUTO_TEST_CASE(known_positives_are_no_negatives) {
    RetrievalPairs const data = pairs();
    BertEncoder encoder(tiny());
    std::vector<std::size_t> const examples{0, 1};
    auto loss_with = [&](bool spare) {
        BiEncoderObjective objective(encoder, data, traits,
                                     {.query_length = 8, .passage_length = 8, .mask_false_negatives = spare});
        HostBatch batch = objective.collate(examples, {.seed = 0});
        for (std::uint64_t seed = 1; batch.views[0].text_ids[2] != 0; ++seed) {
            batch = objective.collate(examples, {.seed = seed});
        }
        ForwardContext context;
        return objective.forward(batch, context, batch.term_labels).total.item<double>();
    };
    // Query 0 asks for passage 0; passage 1, the answer of query 1, is relevant to it too.
    BOOST_CHECK_LT(loss_with(true), loss_with(false));
}

BOOST_AUTO_TEST_CASE(the_contrast_is_the_chosen_one) {
    RetrievalPairs const data = pairs();
    BertEncoder encoder(tiny());
    std::vector<std::size_t> const examples{0, 1, 2};
    for (auto const contrast : {RetrievalContrast::info_nce, RetrievalContrast::symmetric, RetrievalContrast::four_block}) {
        BiEncoderObjective objective(
            encoder, data, traits,
            {.contrast = contrast, .temperature = .5, .query_length = 8, .passage_length = 8, .mask_false_negatives = false});
        HostBatch const batch = objective.collate(examples, {.seed = 1});
        ForwardContext context;
        at::Tensor const vectors = objective.represent(batch, context);
        std::vector<std::int64_t> const targets{0, 1, 2};
        double const expected =
            retrieval_contrast(contrast, vectors.narrow(0, 0, 3), vectors.narrow(0, 3, 3), targets, {}, .5).sum.item<double>() /
            3;
        BOOST_CHECK_CLOSE(objective.forward(batch, context, batch.term_labels).total.item<double>(), expected, 1e-4);
        bool const named = objective.description().find(to_string(contrast)) != std::string::npos;
        BOOST_CHECK_EQUAL(named, contrast != RetrievalContrast::info_nce);   // older checkpoints do not name it
    }
}

BOOST_AUTO_TEST_CASE(a_batch_of_one_candidate_counts_no_label) {
    RetrievalPairs const data = pairs();
    BertEncoder encoder(tiny());
    std::vector<std::size_t> const alone{1};
    for (auto const contrast : {RetrievalContrast::info_nce, RetrievalContrast::symmetric, RetrievalContrast::four_block}) {
        BiEncoderObjective objective(encoder, data, traits, {.contrast = contrast, .query_length = 8, .passage_length = 8});
        HostBatch const batch = objective.collate(alone, {.seed = 1});
        BOOST_CHECK_EQUAL(batch.term_labels.at(0), 0);
        BOOST_CHECK_EQUAL(batch.term_absent.at(0), 1);
        ForwardContext context{.training = true};
        StepOutput const output = objective.forward(batch, context, batch.term_labels);
        BOOST_CHECK_EQUAL(output.total.item<double>(), 0);
        BOOST_CHECK(!output.total.requires_grad());
        BOOST_CHECK_EQUAL(output.terms.at(0).labels, 0);
        std::vector<HostBatch> const two{batch, batch};   // together they have something to tell apart
        BOOST_CHECK_EQUAL(objective.step_labels(two).at(0), 2);
        BOOST_CHECK_EQUAL(objective.step_absent(two).at(0), 0);
    }
    BiEncoderObjective const grouped(encoder, data, traits, {.passages_per_query = 2, .query_length = 8, .passage_length = 8});
    BOOST_CHECK_EQUAL(grouped.collate(alone, {.seed = 1}).term_labels.at(0), 1);
}

BOOST_AUTO_TEST_CASE(an_epoch_may_end_with_one_query) {
    RetrievalPairs const data = pairs();
    BertEncoder encoder(tiny());
    BiEncoderObjective objective(encoder, data, traits, {.query_length = 8, .passage_length = 8});
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
    options = {.steps = 1, .batch = {.tokens = 10}, .loader_threads = 0};   // each costs 3 + 5 tokens
    BOOST_CHECK_THROW(Trainer(objective, options), InputError);
    options.batch.tokens = 16;
    BOOST_CHECK_EQUAL(Trainer(objective, options).fit().step, 1U);
}

BOOST_AUTO_TEST_CASE(one_candidate_for_all_is_refused) {
    RetrievalPairs data = pairs();
    data.queries.resize(1);
    BertEncoder encoder(tiny());
    BOOST_CHECK_THROW(BiEncoderObjective(encoder, data, traits, {.query_length = 8, .passage_length = 8}), InputError);
    BiEncoderOptions const grouped{.passages_per_query = 2, .query_length = 8, .passage_length = 8};
    BOOST_CHECK_NO_THROW(BiEncoderObjective(encoder, data, traits, grouped));
}

BOOST_AUTO_TEST_CASE(negatives_are_those_of_the_contrast) {
    RetrievalPairs const data = pairs();
    BertEncoder encoder(tiny());
    auto const negatives = [&](RetrievalContrast contrast, std::size_t group, std::size_t examples) {
        return BiEncoderObjective(encoder, data, traits,
                                  {.contrast = contrast, .passages_per_query = group, .query_length = 8, .passage_length = 8})
            .negatives(examples);
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

BOOST_AUTO_TEST_CASE(training_moves_the_encoder_and_not_the_head) {
    RetrievalPairs const data = pairs();
    BertEncoder encoder(tiny());
    BiEncoderObjective objective(encoder, data, traits,
                                 {.normalize = true, .temperature = .05, .query_length = 8, .passage_length = 8});
    std::size_t count = 0;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        BOOST_CHECK(!name.starts_with("cls."));
        value.requires_grad_(true);
        ++count;
    });
    BOOST_CHECK_EQUAL(count, 5U + 16U);
    std::vector<std::size_t> const examples{0, 1, 2};
    HostBatch const batch = objective.collate(examples, {.seed = 1});
    ForwardContext context{.training = true, .seed = 3};
    objective.forward(batch, context, batch.term_labels).total.backward();
    BOOST_CHECK_GT(encoder.layers[0].query.weight.grad().abs().sum().item<double>(), 0);
}

BOOST_AUTO_TEST_SUITE_END()
