// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Where released code has gone wrong, or a faithful copy easily does: bags of words, generators, row 0, momentum, tied weights.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/lexicon.hpp>
#include <bmae/bottlenecks/projected.hpp>
#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/decoders/full_depth.hpp>
#include <bmae/decoders/shared.hpp>
#include <bmae/decoders/tap.hpp>
#include <bmae/losses/all_tokens.hpp>
#include <bmae/losses/next_token.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/maskers/superset.hpp>
#include <bmae/model/bag_of_words.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/encoder_generator.hpp>
#include <bmae/model/replaced_token_detection.hpp>
#include <bmae/presets/contriever.hpp>
#include <bmae/presets/simlm.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/training/flat_parameters.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(pitfalls)

namespace {

using namespace bmae;
using test::distance;
using test::Texts;
using test::tiny;

/// Every kind of term that sums its own losses, beside one that does not; two branches that share a decoder.
using Bags = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        BagOfWords<MaxPooledLogits>,
        BagOfWords<ClsLogits>,
        Branch<View<Passage, SupersetMasker>, BasicDecoder, TokenCrossEntropy, OwnHead>,
        Branch<View<Passage, WholeWordMasker>, Shared<"basic", BasicDecoder>>,
        Branch<View<Passage, SupersetMasker>, Shared<"basic", BasicDecoder>>>>;

/// Tells replaced tokens from the sentence vector.
using Judged = Model<BertEncoder,
    Pass<View<Passage, NoMasker, NoCorruption>, ClsBottleneck,
        ReplacedTokenDetection<View<Passage, WholeWordMasker, GeneratorReplacement>, FullDepthDecoder>>>;

PackedView packed(std::vector<std::vector<TokenId>> const& contents) {
    PackedView view;
    view.special = {.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4};
    for (std::vector<TokenId> const& content : contents) {
        std::vector<TokenId> ids{2};
        ids.insert(ids.end(), content.begin(), content.end());
        ids.push_back(3);
        view.append({.original_ids = ids, .input_ids = ids});
    }
    return view;
}

/// Proposes from the draws alone.
struct DrawnTokens final : TokenGenerator {
    std::vector<TokenId> propose(std::span<TokenId const>, std::span<std::int32_t const>, std::span<std::int64_t const>,
                                 std::span<std::int64_t const> rows, std::span<double const> draws) const override {
        std::vector<TokenId> ids;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            ids.push_back(draws.empty() ? 7 : static_cast<TokenId>(5 + 55 * draws[i]));
        }
        return ids;
    }
};

/// A composition and one batch, as flat parameters want it.
struct OneBatch final : Objective {
    explicit OneBatch(Bags& trained) : model(&trained) {}
    std::size_t examples() const override { return 1; }
    std::size_t cost(std::size_t) const override { return 1; }
    std::size_t terms() const override { return Bags::term_count; }
    HostBatch collate(std::span<std::size_t const>, DrawKey) const override { return {}; }
    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> labels) override {
        return {.total = model->forward(batch, context, labels).total};
    }
    void for_each_parameter(ParameterVisitor const& visit) override { model->for_each_parameter(visit); }
    std::string description() const override { return "{}"; }
    Bags* model;
};

/// The tensors that the two branches with a shared decoder read.
std::vector<std::vector<at::Tensor>> shared_tensors(Bags& model) {
    std::vector<std::vector<at::Tensor>> decoders;
    model.for_each_pass([&](auto& pass, std::size_t) {
        pass.for_each_term([&]<class Term>(Term& term, std::size_t t) {
            if constexpr (Term::has_view) {
                if (t < 4) { return; }
                std::vector<at::Tensor>& list = decoders.emplace_back();
                term.decoder().for_each_parameter("",
                                                  [&](std::string const&, at::Tensor& value, bool) { list.push_back(value); });
            }
        });
    });
    return decoders;
}

void check_one_decoder(Bags& model) {
    auto const decoders = shared_tensors(model);
    BOOST_REQUIRE_EQUAL(decoders.size(), 2U);
    for (std::size_t i = 0; i < decoders[0].size(); ++i) { BOOST_CHECK(decoders[0][i].is_same(decoders[1][i])); }
}

}  // namespace

// The kernel that never holds [T, V] against plain operators, with texts that have no row left.
BOOST_AUTO_TEST_CASE(pooled_logits_equal_plain_operators_with_gradients) {
    std::vector<std::int64_t> const offsets{0, 7, 9, 10, 10, 21};
    BertEncoder const tables(tiny(), 5);
    at::Tensor const word = tables.embeddings.word;   // [60, 16]
    at::Tensor const source = at::cat({tables.embeddings.position, tables.layers[0].query.weight}).narrow(0, 3, 21) * 3;
    for (std::int64_t const skip_last : {0, 1}) {
        auto const leaf = [](at::Tensor const& value) { return value.clone().detach().requires_grad_(true); };
        std::vector<at::Tensor> const fast{leaf(source), leaf(word), leaf(word.select(1, 2))};
        std::vector<at::Tensor> const plain{leaf(source), leaf(word), leaf(word.select(1, 2))};
        at::Tensor const found = max_pooled_logits(fast[0], fast[1], fast[2], offsets, 1, skip_last);   // [5, 60]
        std::vector<at::Tensor> rows;
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
            std::int64_t const length = offsets[b + 1] - offsets[b] - 1 - skip_last;
            if (length <= 0) {
                rows.push_back(at::zeros({60}));
            } else {
                at::Tensor const logits = at::linear(plain[0].narrow(0, offsets[b] + 1, length), plain[1], plain[2]);
                rows.push_back(std::get<0>(logits.max(0)));
            }
        }
        at::Tensor const expected = at::stack(rows);
        BOOST_CHECK_LE(distance(found, expected), 1e-5);
        at::Tensor const slope = word.narrow(0, 0, 5).matmul(word.t());   // [5, 60], no two alike
        (found * slope).sum().backward();
        (expected * slope).sum().backward();
        for (std::size_t i = 0; i < 3; ++i) { BOOST_CHECK_LE(distance(fast[i].grad(), plain[i].grad()), 1e-4); }
    }
}

// [CLS], [SEP], [PAD] and ids below the first word are outside the bag; DupMAE's weights do not add up to 1.
BOOST_AUTO_TEST_CASE(pitfall_10_bags_of_words_equal_a_loop_for_every_weighting) {
    BertEncoder encoder(tiny(), 3);
    PackedView const view = packed({{7, 20, 7, 7, 30, 3, 20, 6}, {}, {9}, test::invented(12, 4), {6, 5}});
    PackedInput const input = to_tensors(view);
    encoder.for_each_parameter("", [](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
    auto const run = [&]<class Pooling>(Pooling, BagWeights weights, TokenId lowest, bool by_hand) {
        ForwardContext context;
        Encoded const encoded = encoder.encode(input, context);
        at::Tensor const sentence = encoded.hidden.index_select(0, input.first_rows);
        at::Tensor loss;
        if (by_hand) {
            at::Tensor const logits = encoder.head.logits(encoded.hidden, encoder.embeddings.word);   // [T, V]
            loss = at::zeros({});
            for (std::size_t b = 0; b < view.texts(); ++b) {
                std::int64_t const begin = view.offsets[b];
                std::int64_t const length = view.offsets[b + 1] - begin;
                bool const pools = std::is_same_v<Pooling, MaxPooledLogits>;
                at::Tensor const mu = pools ? std::get<0>(logits.narrow(0, begin + 1, length - 1).max(0)) : logits[begin];
                at::Tensor const scores = at::log_softmax(mu, 0);
                std::set<TokenId> words;
                double tokens = 0;
                for (std::int64_t i = begin; i < begin + length; ++i) {
                    TokenId const id = view.original_ids[static_cast<std::size_t>(i)];
                    if (id == 0 || id == 2 || id == 3 || id < lowest) { continue; }
                    words.insert(id);
                    ++tokens;
                }
                double const size = weights == BagWeights::one_over_tokens ? tokens : static_cast<double>(words.size());
                double const weight = weights == BagWeights::one ? 1 : 1 / std::max(1., size);
                for (TokenId const id : words) { loss = loss - weight * scores[id]; }
            }
        } else {
            PassState<BertEncoder> state{
                .input = input, .encoded = encoded, .sentence = sentence, .encoder = encoder, .context = context};
            BagOfWords<Pooling> const bag({.words = weights, .lowest_id = lowest}, encoder, 0, "bag");
            BOOST_CHECK_EQUAL(bag.count(view), 5);
            loss = bag.sum(state, input).sum;
        }
        loss.backward();
        std::vector<at::Tensor> result{loss.detach()};
        encoder.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) {
            result.push_back(value.grad().defined() ? value.grad() : at::zeros({}));
            value.mutable_grad() = at::Tensor();
        });
        return result;
    };
    auto const check = [&](auto pooling) {
        for (BagWeights const weights : {BagWeights::one_over_tokens, BagWeights::one_over_words, BagWeights::one}) {
            for (TokenId const lowest : {0, 7}) {
                auto const found = run(pooling, weights, lowest, false);
                auto const expected = run(pooling, weights, lowest, true);
                BOOST_CHECK_CLOSE(found[0].template item<double>(), expected[0].template item<double>(), 1e-3);
                for (std::size_t i = 1; i < found.size(); ++i) { BOOST_CHECK_LE(distance(found[i], expected[i]), 1e-4); }
            }
        }
    };
    check(MaxPooledLogits{});
    check(ClsLogits{});
}

BOOST_AUTO_TEST_CASE(pitfall_10_labels_of_the_token_losses) {
    Texts const texts({});
    MaskedText text{.original_ids = {2, 10, 3, 11, 3}, .input_ids = {2, 10, 3, 11, 3}, .flags = {0, 0, 0, 1, 0}};
    auto const labels = [&](auto const& loss) {
        loss.label(text, texts.traits);
        return text.labels;
    };
    TokenId const none = ignored_label;
    BOOST_CHECK((labels(TokenCrossEntropy{}) == std::vector<TokenId>{none, none, none, 11, none}));
    BOOST_CHECK((labels(AllTokens{}) == std::vector<TokenId>{none, 10, none, 11, none}));
    BOOST_CHECK((labels(NextToken{}) == std::vector<TokenId>{10, 3, 11, 3, none}));   // the final [SEP] is a label
    text = {.original_ids = {2, 3}, .input_ids = {2, 3}, .flags = {0, 0}};
    BOOST_CHECK((labels(NextToken{}) == std::vector<TokenId>{none, none}));
}

// Row 0 is the raw vector: after LayerNorm and dropout of the embeddings, without position, in training too.
BOOST_AUTO_TEST_CASE(pitfall_09_row_0_is_replaced_after_norm_and_dropout) {
    BertConfig config = tiny();
    config.hidden_dropout_prob = .5;
    BertEncoder const encoder(config, 3);
    PackedView const view = packed({test::invented(6, 1), {}, test::invented(11, 2)});
    PackedInput const input = to_tensors(view);
    at::Tensor const sentence = encoder.embeddings.word.narrow(0, 20, 3) * 5;
    for (bool const training : {false, true}) {
        ForwardContext context{.training = training, .seed = 3};
        at::Tensor const rows = BasicDecoder({.layers = 0}, encoder, 5, "d").decode(sentence, input, encoder, Encoded{}, context);
        BOOST_CHECK(rows.index_select(0, input.first_rows).equal(sentence));
        ForwardContext again{.training = training, .seed = 3};
        at::Tensor const words = encoder.embeddings(input.input_ids, input.positions, again);
        BOOST_CHECK(rows.narrow(0, 1, 7).equal(words.narrow(0, 1, 7)));
        Encoded const encoded = encoder.encode(input, context, true);
        at::Tensor const tapped = TapDecoder({.layers = 0}, encoder, 5, "d").decode(sentence, input, encoder, encoded, context);
        BOOST_CHECK(tapped.index_select(0, input.first_rows).equal(sentence));
        BOOST_CHECK(tapped.narrow(0, 1, 7).equal(encoded.layers[1].narrow(0, 1, 7)));
    }
}

// LexMAE: the mixture reads the embeddings without gradient, the logits with it.
BOOST_AUTO_TEST_CASE(pitfall_14_the_lexicon_detaches_the_mixture_alone) {
    BertEncoder encoder(tiny(), 3);
    encoder.for_each_parameter("", [](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
    PackedView const view = packed({test::invented(6, 1), test::invented(11, 2)});
    PackedInput const input = to_tensors(view);
    auto const word_gradient = [&](bool by_hand, bool detached) {
        ForwardContext context;
        Encoded const encoded = encoder.encode(input, context);
        at::Tensor sentence;
        if (by_hand) {
            at::Tensor const logits = encoder.head.logits(encoded.hidden, encoder.embeddings.word);
            at::Tensor const first = std::get<0>(logits.narrow(0, 1, 6).max(0));
            at::Tensor const mu = at::stack({first, std::get<0>(logits.narrow(0, 9, 11).max(0))});
            at::Tensor const word = detached ? encoder.embeddings.word.detach() : encoder.embeddings.word;
            sentence = at::softmax(mu, 1).matmul(word);
        } else {
            sentence = LexiconBottleneck({}, encoder, 0, "b").pool(encoded, input, encoder);
        }
        (sentence * encoder.embeddings.position.detach().narrow(0, 0, 2)).sum().backward();
        at::Tensor const gradient = encoder.embeddings.word.grad().clone();
        encoder.embeddings.word.mutable_grad() = at::Tensor();
        return gradient;
    };
    at::Tensor const found = word_gradient(false, true);
    BOOST_CHECK_LE(distance(found, word_gradient(true, true)), 1e-5);
    BOOST_CHECK_GT(distance(found, word_gradient(true, false)), 1e-4);
}

// A sum over two branches is the gradient of one tensor, before and after the tensors move.
BOOST_AUTO_TEST_CASE(pitfall_14_a_shared_decoder_is_one_tensor_wherever_it_goes) {
    Texts const texts({12, 20});
    Bags model(tiny(1));
    check_one_decoder(model);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    test::need_gradients(model);
    ForwardContext context;
    double const before = model.forward(batch, context, batch.term_labels).total.item<double>();
    model.forward(batch, context, batch.term_labels).total.backward();
    std::vector<at::Tensor> const gradients = test::take_gradients(model);
    {
        OneBatch objective(model);
        FlatParameters flat(objective);
        check_one_decoder(model);
        StepOutput const output = objective.forward(batch, context, batch.term_labels);
        BOOST_CHECK_CLOSE(output.total.item<double>(), before, 1e-4);
        output.total.backward();
        flat.collect();
        BOOST_CHECK_EQUAL(flat.slots().size(), gradients.size());
        for (std::size_t i = 0; i < gradients.size(); ++i) {
            BOOST_CHECK_LE(distance(flat.view(flat.gradient(), i), gradients[i]), 1e-6);
        }
    }
    check_one_decoder(model);
    // A visitor puts other tensors in their place: both branches read the new ones.
    std::set<std::string> names;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        value = (value.detach() * (name.starts_with("shared.") ? 1.5 : 1.)).clone();
        BOOST_CHECK_MESSAGE(names.insert(name).second, name);
    });
    BOOST_CHECK(names.contains("shared.basic.layer.0.attention.self.query.weight"));
    check_one_decoder(model);
    BOOST_CHECK_GT(std::abs(model.forward(batch, context, batch.term_labels).total.item<double>() - before), 1e-4);
}

BOOST_AUTO_TEST_CASE(accumulated_batches_add_up_with_bags_and_own_heads) {
    Texts const texts({12, 20, 0, 30});
    Bags model(tiny(1));
    test::need_gradients(model);
    auto const gradients = [&](std::vector<std::size_t> const& cuts) {
        std::vector<HostBatch> batches;
        std::vector<std::int64_t> labels(Bags::term_count, 0);
        std::size_t begin = 0;
        for (std::size_t const end : cuts) {
            auto const some = std::span(texts.examples).subspan(begin, end - begin);
            batches.push_back(model.collate(some, texts.traits, {.max_length = 40}, {.seed = 1}));
            for (std::size_t t = 0; t < labels.size(); ++t) { labels[t] += batches.back().term_labels[t]; }
            begin = end;
        }
        for (HostBatch const& batch : batches) {
            ForwardContext context;
            model.forward(batch, context, labels).total.backward();
        }
        return test::take_gradients(model);
    };
    auto const whole = gradients({4});
    auto const parts = gradients({1, 3, 4});
    for (std::size_t i = 0; i < whole.size(); ++i) { BOOST_CHECK_LE(distance(whole[i], parts[i]), 1e-5); }
}

// For terms that sum their own losses.
BOOST_AUTO_TEST_CASE(pitfall_02_empty_texts_give_zero_and_finite_gradients) {
    Texts const texts({0, 0}, false);
    Bags model(tiny(1));
    test::need_gradients(model);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context{.training = true, .seed = 2};
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    BOOST_CHECK_EQUAL(loss.total.item<double>(), 0);
    for (TermLoss const& term : loss.terms) { BOOST_CHECK_EQUAL(term.loss.item<double>(), 0); }
    loss.total.backward();
    for (at::Tensor const& gradient : test::take_gradients(model)) { BOOST_CHECK_EQUAL(gradient.abs().max().item<double>(), 0); }
}

// BoW-DPR: 1 at the start, .1 at the end, along a cosine; the report says what was used.
BOOST_AUTO_TEST_CASE(the_weight_of_a_bag_follows_the_progress_of_the_run) {
    Texts const texts({12, 20});
    Bags::Options options;
    std::get<2>(std::get<0>(options.passes).terms) = {.weight = {1, {.schedule = WeightSchedule::cosine, .last = .1}}};
    Bags model(tiny(1), options);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    std::map<double, double> totals;
    for (auto const& [progress, weight] : std::map<double, double>{{0, 1}, {.5, .55}, {1, .1}}) {
        ForwardContext context{.progress = progress};
        ModelLoss const loss = model.forward(batch, context, batch.term_labels);
        BOOST_CHECK_CLOSE(loss.terms[2].weight, weight, 1e-6);
        BOOST_CHECK_EQUAL(loss.terms[1].weight, 1);
        totals[progress] = loss.total.item<double>() - weight * loss.terms[2].loss.item<double>();
    }
    BOOST_CHECK_CLOSE(totals[0], totals[1], 1e-3);
    BOOST_CHECK_CLOSE(totals[0], totals[.5], 1e-3);
}

// Draws are those of the example, whatever stands beside it; [CLS] is never replaced, what is not flagged neither.
BOOST_AUTO_TEST_CASE(generators_fill_alike_in_any_batch_and_leave_the_first_token) {
    Texts const texts({12, 20, 5});
    SimLm model(tiny());
    auto const drawn = std::make_shared<DrawnTokens const>();
    model.for_each_view([&](auto& view, auto const&, std::size_t) { view.corruptor.generator = drawn; });
    auto const filled = [&](std::size_t first, std::size_t count) {
        auto const some = std::span(texts.examples).subspan(first, count);
        return model.replaced(model.collate(some, texts.traits, {.max_length = 40}, {.seed = 1, .epoch = 2}));
    };
    HostBatch const together = filled(0, 3);
    HostBatch const alone = filled(1, 1);
    std::vector<std::vector<TokenId>> fillings;
    for (std::size_t v = 0; v < 2; ++v) {
        PackedView const& view = together.views[v];
        std::vector<TokenId> const& single = alone.views[v].input_ids;
        BOOST_CHECK(std::equal(single.begin(), single.end(), view.input_ids.begin() + view.offsets[1]));
        std::vector<TokenId>& filling = fillings.emplace_back();
        for (std::size_t i = 0; i < view.tokens(); ++i) {
            BOOST_CHECK_NE(view.input_ids[i], texts.traits.special().mask);
            if (view.flags[i] == 0) { BOOST_CHECK_EQUAL(view.input_ids[i], view.original_ids[i]); }
            if (together.views[0].flags[i] != 0) { filling.push_back(view.input_ids[i]); }
        }
    }
    BOOST_CHECK(fillings[0] != fillings[1]);   // the same holes, two independent samples
    PackedView view = together.views[0];
    GeneratorReplacement const everywhere{.generator = drawn, .sample = false, .everywhere = true};
    everywhere.replace(view, together, 0);
    for (std::size_t i = 0; i < view.tokens(); ++i) {
        bool const is_first = std::ranges::find(view.offsets, static_cast<std::int64_t>(i)) != view.offsets.end();
        BOOST_CHECK_EQUAL(view.input_ids[i], is_first ? 2 : 7);
    }
    BOOST_CHECK(model.replaced(together).views[0].input_ids == together.views[0].input_ids);   // once is enough
    SimLm const without(tiny());
    BOOST_CHECK_THROW(
        static_cast<void>(without.replaced(without.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1}))),
        InputError);
}

// DiffCSE's released generator keeps its dropout; and a batch norm over one row would divide by nothing.
BOOST_AUTO_TEST_CASE(pitfall_27_generators_have_no_dropout_and_a_batch_of_one_survives_its_norm) {
    EncoderGenerator<BertEncoder> const generator(BertEncoder(tiny(), 8), test::vocabulary);
    PackedView const one = packed({test::invented(9, 3)});
    PackedView const two = packed({test::invented(9, 3), test::invented(5, 4)});
    std::vector<std::int64_t> const rows{2, 3, 5};
    std::vector<double> const draws{.1, .5, .999};
    auto const propose = [&](PackedView const& view, std::vector<double> const& chosen) {
        return generator.propose(view.input_ids, view.positions, view.offsets, rows, chosen);
    };
    BOOST_CHECK(propose(one, draws) == propose(one, draws));
    BOOST_CHECK(propose(one, draws) == propose(two, draws));
    BOOST_CHECK(propose(one, {}) == propose(two, {}));
    BOOST_CHECK_THROW(EncoderGenerator<BertEncoder>(BertEncoder(tiny(), 8), 61), InputError);
    BertConfig padded = tiny();   // rows that no token of the tokenizer has are never proposed
    padded.vocab_size += 100;
    EncoderGenerator<BertEncoder> const wide(BertEncoder(padded, 8), test::vocabulary);
    for (double const draw : {.01, .25, .5, .75, .9, .99, .999999}) {
        for (TokenId const id : wide.propose(one.input_ids, one.positions, one.offsets, rows, std::vector<double>(3, draw))) {
            BOOST_TEST(id < test::vocabulary);
        }
    }

    BertEncoder const encoder(tiny(), 3);
    Projected<ClsBottleneck, BatchNormProjection> const projected({}, encoder, 1, "b");
    PackedInput const input = to_tensors(one);
    ForwardContext context;
    BOOST_CHECK(projected.pool(encoder.encode(input, context), input, encoder).isfinite().all().item<bool>());
}

// DiffCSE's code judges the padding of a batch too. Here there is none: a text is judged by its own tokens, whoever is beside.
BOOST_AUTO_TEST_CASE(pitfall_27_replaced_tokens_are_judged_without_padding) {
    Texts const texts({20, 3, 11});
    Judged model(tiny(1));
    auto const drawn = std::make_shared<DrawnTokens const>();
    model.for_each_view([&]<class ViewT>(ViewT& view, auto const&, std::size_t) {
        if constexpr (requires { view.corruptor.generator; }) { view.corruptor.generator = drawn; }
    });
    auto const judged = [&](std::span<Example const> some) {   // labels, and the sum of the losses
        HostBatch const batch = model.collate(some, texts.traits, {.max_length = 40}, {.seed = 1});
        ForwardContext context;
        ModelLoss const loss = model.forward(batch, context, batch.term_labels);
        std::int64_t const labels = batch.term_labels[0];
        return std::pair{labels, loss.terms[0].loss.item<double>() * static_cast<double>(labels)};
    };
    auto const [labels, sum] = judged(texts.examples);
    BOOST_CHECK_EQUAL(labels, 20 + 3 + 11 + 3 * 2);   // with [CLS] and [SEP], and nothing to make them equally long
    double apart = 0;
    for (std::size_t b = 0; b < 3; ++b) { apart += judged(std::span(texts.examples).subspan(b, 1)).second; }
    BOOST_CHECK_CLOSE(sum, apart, 1e-3);
}

// MoCo: the momentum encoder moves before it reads, once per step; keys enter the queue after the loss, over the oldest. Both happen
// after an update: the encoder that a step reads has followed the parameters which the step before made, and the queue of a step is
// the same for all of its micro-batches.
BOOST_AUTO_TEST_CASE(pitfall_23_momentum_moves_first_and_keys_enter_last) {
    BertConfig config = tiny(1);
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0;
    Texts const texts({12, 20, 1});   // pitfall 28: a crop of one token is one token
    Contriever::Options options = PresetHyperparameters<Contriever>::options({});
    std::get<0>(options.terms).queue = 5;
    options.momentum = .75;
    Contriever model(config, options);
    std::map<std::string, at::Tensor> state;
    auto const save = [&] {
        model.for_each_state([&](std::string const& name, at::Tensor& value) { state[name] = value.clone(); });
    };
    auto const now = [&](std::string const& wanted) {
        at::Tensor found;
        model.for_each_state([&](std::string const& name, at::Tensor& value) {
            if (name == wanted) { found = value; }
        });
        return found;
    };
    auto const nothing_moved = [&] {
        model.for_each_state([&](std::string const& name, at::Tensor& value) {
            BOOST_CHECK_MESSAGE(value.equal(state.at(name)), name << " moved");
        });
    };
    save();
    test::need_gradients(model);
    std::string const weight = "momentum.encoder.embeddings.word_embeddings.weight";
    BOOST_REQUIRE(state.contains(weight) && state.contains("terms.0.queue") && state.contains("terms.0.next"));
    std::size_t own = 0;
    model.for_each_parameter([&](std::string const& name, at::Tensor&, bool) {
        BOOST_CHECK(!name.starts_with("momentum.") && state.contains("momentum." + name));
        ++own;
    });
    BOOST_CHECK_EQUAL(state.size(), own + 2);
    at::Tensor const& word = model.encoder().embeddings.word;
    BOOST_CHECK(state[weight].equal(word));   // starts as a copy ...
    word.detach().mul_(1.5);                  // ... which the optimizer leaves behind
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});

    model.after_step();   // of the step before: nothing is pending, the encoder follows
    at::Tensor const moved = state[weight] * .75 + word.detach() * .25;
    BOOST_CHECK_LE(distance(now(weight), moved), 1e-6);
    BOOST_CHECK(now("terms.0.queue").equal(state["terms.0.queue"]));
    save();

    ForwardContext looking;   // no training: nothing is held for the queue
    static_cast<void>(model.forward(batch, looking, batch.term_labels));
    ForwardContext context{.training = true};
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    loss.total.backward();
    BOOST_CHECK(word.grad().defined() && !now(weight).requires_grad());
    context.opens_step = false;   // a further micro-batch of the step reads the same encoder and the same queue
    BOOST_CHECK_EQUAL(model.forward(batch, context, batch.term_labels).total.item<double>(), loss.total.item<double>());
    nothing_moved();

    // By hand: keys of the encoder that has moved, and the queue as it was.
    BertEncoder follower(config, 0);
    follower.for_each_parameter("momentum.", [&](std::string const& name, at::Tensor& value, bool) { value.copy_(now(name)); });
    auto const vectors = [&](BertEncoder const& encoder, PackedView const& view) {
        PackedInput const input = to_tensors(view);
        ForwardContext plain;
        return MeanBottleneck{}.pool(encoder.encode(input, plain), input).detach();
    };
    at::Tensor const anchors = vectors(model.encoder(), batch.views[0]);
    at::Tensor const keys = vectors(follower, batch.views[1]);
    at::Tensor const queue = state["terms.0.queue"];
    at::Tensor const scores = at::cat({(anchors * keys).sum(1, true), anchors.matmul(queue.t())}, 1) / .05;
    at::Tensor const expected = at::log_softmax(scores, 1).select(1, 0).mean().neg();
    BOOST_CHECK_CLOSE(loss.total.item<double>(), expected.item<double>(), 1e-2);

    model.after_step();   // keys of both micro-batches: rows 0, 1, 2 and 3, 4, then 0 again
    BOOST_CHECK_EQUAL(now("terms.0.next").item<std::int64_t>(), 1);
    at::Tensor const ring = at::cat({keys.narrow(0, 2, 1), keys.narrow(0, 1, 2), keys.narrow(0, 0, 2)});
    BOOST_CHECK_LE(distance(now("terms.0.queue"), ring), 1e-5);
    BOOST_CHECK_LE(distance(now(weight), moved * .75 + word.detach() * .25), 1e-6);

    save();
    context.opens_step = true;
    double const second = model.forward(batch, context, batch.term_labels).total.item<double>();
    static_cast<void>(model.forward(batch, context, batch.term_labels));   // opens the next step: the one before was left out
    nothing_moved();
    model.after_step();
    BOOST_CHECK_EQUAL(now("terms.0.next").item<std::int64_t>(), 4);
    model.for_each_state([&](std::string const& name, at::Tensor& value) { value.copy_(state.at(name)); });   // resumed
    BOOST_CHECK_EQUAL(model.forward(batch, context, batch.term_labels).total.item<double>(), second);

    std::get<0>(options.terms).queue = 2;   // a batch larger than the queue: its last keys stay
    Contriever narrow(config, options);
    static_cast<void>(narrow.forward(batch, context, batch.term_labels));
    narrow.after_step();
    at::Tensor const own_keys = vectors(narrow.encoder(), batch.views[1]);
    narrow.for_each_state([&](std::string const& name, at::Tensor& value) {
        if (name == "terms.0.queue") { BOOST_CHECK_LE(distance(value, own_keys.narrow(0, 1, 2)), 1e-5); }
    });
}

// A network of fewer bits follows in fp32: a step of 1 - m is far below what a rounded weight can tell.
BOOST_AUTO_TEST_CASE(a_momentum_encoder_averages_masters) {
    BertConfig config = tiny(1);
    Texts const texts({12, 20, 9});
    Contriever::Options options = PresetHyperparameters<Contriever>::options({});
    std::get<0>(options.terms).queue = 5;
    options.momentum = .5;
    Contriever model(config, options);
    std::map<std::string, at::Tensor> masters, expected;
    model.for_each_state([&](std::string const& name, at::Tensor& value) { expected[name] = value.clone(); });
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        masters[name] = value.detach() * 1.001;   // less than bf16 tells
        value = masters[name].to(at::kBFloat16).requires_grad_(true);
        at::Tensor& average = expected.at("momentum." + name);
        average = average * .5 + masters[name] * .5;
    });
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context{.training = true};
    model.forward(batch, context, batch.term_labels).total.backward();
    model.after_step([&](std::string const& name) { return masters.at(name); });
    model.for_each_state([&](std::string const& name, at::Tensor& value) {
        if (!name.starts_with("momentum.")) { return; }
        BOOST_CHECK(value.scalar_type() == at::kFloat);
        BOOST_CHECK_LE(distance(value, expected.at(name)), 1e-7);
    });
}

BOOST_AUTO_TEST_SUITE_END()
