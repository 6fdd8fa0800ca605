// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// compiled without optimisation
// Oracles of compositions: masked language modeling with FLOPS, queries and passages that rebuild each other, TSDAE.
#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>
#include <boost/test/unit_test.hpp>

#include <bmae/decoders/causal_window.hpp>
#include <bmae/decoders/shared.hpp>
#include <bmae/decoders/tied.hpp>
#include <bmae/edge/composed_objective.hpp>
#include <bmae/presets/mlm_flops.hpp>
#include <bmae/presets/tsdae.hpp>
#include <bmae/sources/query.hpp>
#include <bmae/training/trainer.hpp>

#include "apart.hpp"
#include "pairs.hpp"

BOOST_AUTO_TEST_SUITE(family)

namespace {

using namespace bmae;
using test::cross_entropy;
using test::Texts;
using test::tiny;

/// query --> encoder --[CLS]--> a causal layer writes the relevant text, and the same from the text to the query
using BothWays = Model<BertEncoder,
    Pass<View<Query, NoMasker, NoCorruption>, ClsBottleneck,
        Branch<View<RelevantText, NoMasker, NoCorruption>, Shared<"writer", CausalWindowDecoder>, NextToken>>,
    Pass<View<RelevantText, NoMasker, NoCorruption>, ClsBottleneck,
        Branch<View<Query, NoMasker, NoCorruption>, Shared<"writer", CausalWindowDecoder>, NextToken>>>;

/// .2 from query to document, .8 back (Su et al.: EBQ2D and EBD2Q, arXiv 2509.03020).
BothWays::Options both_ways() {
    BothWays::Options options;
    auto& [query, text] = options.passes;
    std::get<0>(query.terms).weight = .2;
    std::get<0>(text.terms).weight = .8;
    text.view.source.max_length = 40;   // positions of the test's encoder
    std::get<0>(query.terms).view.source.max_length = 40;
    return options;
}

/// Multi-head attention written out: `query` [L, H] over `context` [C, H]; row i sees column j up to i where `causal`.
at::Tensor attention(at::Tensor const& query, at::Tensor const& key, at::Tensor const& value, bool causal) {
    std::int64_t const width = query.size(1);
    auto const heads = [&](at::Tensor const& x) { return x.view({-1, 2, width / 2}).transpose(0, 1); };   // [heads, L, H / heads]
    at::Tensor scores = heads(query).matmul(heads(key).transpose(1, 2)) / std::sqrt(static_cast<double>(width) / 2);
    if (causal) {
        at::Tensor const later = at::triu(at::full({query.size(0), key.size(0)}, 1.), 1).to(at::kBool);
        scores = scores.masked_fill(later, -1e30);
    }
    return at::softmax(scores, 2).matmul(heads(value)).transpose(0, 1).reshape({query.size(0), width});
}

/// BERT as a causal language model with cross-attention to one vector, as in the released code: one text, no library layer.
at::Tensor tied_rows(BertEncoder const& encoder, std::vector<SingleKeyAttention> const& crossings, at::Tensor const& vector,
                     PackedInput const& input) {
    ForwardContext context;
    at::Tensor rows = encoder.embeddings(input.input_ids, input.positions, context);
    for (std::size_t i = 0; i < encoder.layers.size(); ++i) {
        TransformerLayer const& layer = encoder.layers[i];
        SingleKeyAttention const& crossing = crossings[i];
        at::Tensor const own = attention(layer.query(rows), layer.key(rows), layer.value(rows), true);
        rows = layer.attention_norm(rows + layer.attention_output(own));
        at::Tensor const read = attention(crossing.query(rows), crossing.key(vector), crossing.value(vector), false);
        rows = crossing.norm(rows + crossing.output(read));
        rows = layer.output_norm(rows + layer.output(at::gelu(layer.intermediate(rows))));
    }
    return rows;
}

}  // namespace

BOOST_AUTO_TEST_CASE(mlm_flops_is_a_language_model_and_a_regularizer_of_its_logits) {
    Texts const texts({12, 20, 6});
    MlmFlops model(tiny(), MlmFlopsHyperparameters{.encoder_mask = .3, .lambda = .05});
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    auto const apart = [&] {
        BertEncoder const& encoder = model.encoder();
        std::vector<at::Tensor> const states = test::encode_apart(encoder, batch.views[0]);
        at::Tensor mean = at::full({test::vocabulary}, 0.);   // weight of each word in a text, on average
        for (at::Tensor const& rows : states) {
            at::Tensor const logits = encoder.head.logits(rows, encoder.embeddings.word);   // every row, [CLS] and [SEP] too
            mean = mean + at::log1p(at::relu(std::get<0>(logits.max(0)))) / static_cast<double>(states.size());
        }
        at::Tensor const tokens =
            cross_entropy(encoder, batch.views[0], [&](PackedInput const&, std::size_t b) { return states[b]; });
        return std::vector<at::Tensor>{tokens / batch.term_labels[0], (mean * mean).sum()};
    };
    test::equals_apart(model, batch, apart, .5);   // half way: lambda has risen
    ForwardContext start, sixth{.progress = 1. / 6};
    BOOST_TEST(model.forward(batch, start, batch.term_labels).terms[1].weight == 0.);
    BOOST_CHECK_CLOSE(model.forward(batch, sixth, batch.term_labels).terms[1].weight, .05 / 4, 1e-6);   // quadratic
}

BOOST_AUTO_TEST_CASE(queries_and_passages_rebuild_each_other) {
    test::TestPairs const pairs = test::TestPairs::small();
    BothWays model(BertEncoder(test::pair_config(), 4), both_ways(), 1);
    TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(60, 0));
    std::vector<PairExample> examples;
    for (std::size_t q = 0; q < 3; ++q) { examples.push_back(pairs.store().example(q)); }
    HostBatch const batch = model.collate(examples, traits, {.max_length = 40}, {.seed = 1});
    BOOST_TEST_REQUIRE(batch.views.size() == 4U);
    BOOST_TEST(batch.views[0].original_ids == batch.views[3].original_ids);   // what one direction reads, the other writes
    BOOST_TEST(batch.views[1].original_ids == batch.views[2].original_ids);
    BOOST_TEST(
        (std::vector<std::int64_t>(batch.term_labels) == std::vector<std::int64_t>{3 * 4, 3 * 2}));   // a [SEP] at each end
    test::equals_apart(model, batch, [&] {
        BertEncoder const& encoder = model.encoder();
        CausalWindowDecoder const writer =
            test::with_tensors(CausalWindowDecoder({}, encoder, 0, "own"), "shared.writer", test::parameters_of(model));
        std::vector<at::Tensor> losses;
        for (std::size_t first : {0U, 2U}) {
            std::vector<at::Tensor> const read = test::encode_apart(encoder, batch.views[first]);
            losses.push_back(cross_entropy(encoder, batch.views[first + 1],
                                           [&](PackedInput const& input, std::size_t b) {
                                               ForwardContext context;
                                               return writer.decode(read[b].narrow(0, 0, 1), input, encoder, Encoded{}, context);
                                           }) /
                             batch.term_labels[first / 2]);
        }
        return losses;
    });
}

// The head predicts tokens, so it is trained; there is no contrast, so that a query alone in its batch teaches as well.
BOOST_AUTO_TEST_CASE(queries_and_passages_train_over_a_pair_store) {
    test::TestPairs const pairs = test::TestPairs::small();
    auto model = std::make_shared<BothWays>(BertEncoder(test::pair_config(), 4), both_ways(), 1);
    ComposedObjective<BothWays, PairStore> objective(model, pairs.store(), {.max_length = 40}, "test");
    bool has_head = false;
    objective.for_each_parameter([&](std::string const& name, at::Tensor&, bool) { has_head |= name.starts_with("cls."); });
    BOOST_TEST(has_head);
    BOOST_TEST(objective.cost(0) == 2U * (3 + 5));   // a query of one token and a text of three, each read and written
    TrainResult const result =
        Trainer(objective,
                {.epochs = 30, .batch = {.tokens = 0, .examples = 2}, .learning_rate = .01, .log_every = 60, .loader_threads = 0})
            .fit();
    BOOST_TEST(result.step == 60U);
    BOOST_TEST_REQUIRE(result.terms.size() == 2U);
    for (auto const& term : result.terms) { BOOST_TEST(term.loss < 3); }   // ln 60 is 4.1
}

BOOST_AUTO_TEST_CASE(tsdae_writes_the_text_by_the_encoder_itself) {
    Texts const texts({12, 20, 6});
    Tsdae model(tiny());
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    PackedView const& read = batch.views[0];
    PackedView const& written = batch.views[1];
    BOOST_TEST(read.tokens() * 3 < written.tokens() * 2);   // .6 of the words are gone
    for (std::size_t b = 0; b < 3; ++b) {
        BOOST_TEST(std::size_t(written.offsets[b + 1] - written.offsets[b]) == texts.examples[b].passage.size() + 2);
        BOOST_TEST(read.offsets[b + 1] - read.offsets[b] > 2);
    }
    BOOST_TEST(batch.term_labels[0] == std::int64_t(written.tokens()) - 3);   // all but the last row, [SEP] is a label
    std::vector<std::string> own;
    for (auto const& [name, value] : test::parameters_of(model)) {
        if (name.starts_with("passes.")) { own.push_back(name); }
    }
    BOOST_TEST(own.size() == 2U * 10U);
    for (std::string const& name : own) {
        BOOST_TEST(name.starts_with("passes.0.terms.0.decoder.layer."));
        BOOST_TEST(name.find(".crossattention.") != std::string::npos);
    }
    test::equals_apart(model, batch, [&] {   // gradients of a tied layer are sums over both of its uses
        BertEncoder const& encoder = model.encoder();
        TiedDecoder const decoder =
            test::with_tensors(TiedDecoder({}, encoder, 0, "own"), "passes.0.terms.0.decoder", test::parameters_of(model));
        std::vector<at::Tensor> const states = test::encode_apart(encoder, read);
        return std::vector<at::Tensor>{cross_entropy(encoder, written,
                                                     [&](PackedInput const& input, std::size_t b) {
                                                         return tied_rows(encoder, decoder.crossings, states[b].narrow(0, 0, 1),
                                                                          input);
                                                     }) /
                                       batch.term_labels[0]};
    });
}

BOOST_AUTO_TEST_SUITE_END()
