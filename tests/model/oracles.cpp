// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Facts that need no other program: what MASTER's terms are, what shared decoders compute, what taps and windows mean.
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/softmax.h>
#include <boost/test/unit_test.hpp>

#include <bmae/decoders/causal_window.hpp>
#include <bmae/decoders/cross_attention.hpp>
#include <bmae/decoders/tap.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/nn/causal_window.hpp>
#include <bmae/presets/master.hpp>
#include <bmae/presets/master_ablations.hpp>

#include "apart.hpp"
#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(oracles)

namespace {

using namespace bmae;
using test::cross_entropy;
using test::distance;
using test::know_words;
using test::one_text;
using test::Texts;
using test::tiny;

/// Sums of the token losses of every term, each computed apart: encoder, then row 0 replaced, then the decoder's layers.
template <class Model>
std::vector<at::Tensor> separate_losses(Model& model, HostBatch const& batch) {
    std::vector<at::Tensor> sums;
    std::size_t next = 0;
    ForwardContext context;
    BertEncoder const& encoder = model.encoder();
    model.for_each_pass([&](auto& pass, std::size_t) {
        PackedView const& view = batch.views[next++];
        std::vector<at::Tensor> sentences;
        for (std::size_t b = 0; b < view.texts(); ++b) {
            PackedView const text = one_text(view, b);
            sentences.push_back(encoder.encode(to_tensors(text), context).hidden[0]);
        }
        pass.for_each_term([&]<class Term>(Term& term, std::size_t) {
            if constexpr (Term::has_view) {
                sums.push_back(cross_entropy(encoder, batch.views[next++], [&](PackedInput const& input, std::size_t b) {
                    at::Tensor const words = encoder.embeddings(input.input_ids, input.positions, context);
                    at::Tensor rows = at::cat({sentences[b].unsqueeze(0), words.narrow(0, 1, words.size(0) - 1)});
                    for (TransformerLayer const& layer : term.decoder().layers) {
                        rows = layer(rows, rows, input, nullptr, context);
                    }
                    return rows;
                }));
            } else {
                sums.push_back(cross_entropy(
                    encoder, view, [&](PackedInput const& input, std::size_t) { return encoder.encode(input, context).hidden; }));
            }
        });
    });
    return sums;
}

/// The passages as they are.
PackedView unmasked(Texts const& texts) {
    PackedView view;
    for (Example const& example : texts.examples) {
        std::vector<TokenId> const ids(example.passage.begin(), example.passage.end());
        view.append({.original_ids = ids, .input_ids = ids});
    }
    return view;
}

/// An encoder that counts its runs.
struct CountingEncoder : BertEncoder {
    using BertEncoder::BertEncoder;
    static inline int runs = 0;

    [[nodiscard]] Encoded encode(PackedInput const& input, ForwardContext& context, bool keep_layers) const {
        ++runs;
        return BertEncoder::encode(input, context, keep_layers);
    }
};

template <class Model>
struct Counted;
template <class E, class... Part>
struct Counted<Model<E, Part...>> {
    using type = Model<CountingEncoder, Part...>;
};

template <class Model>
int encoder_runs(Texts const& texts) {
    typename Counted<Model>::type model(tiny(1));
    know_words(model, texts);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context;
    CountingEncoder::runs = 0;
    static_cast<void>(model.forward(batch, context, batch.term_labels));
    return CountingEncoder::runs;
}

std::int64_t parameter_count(LayerStack layers) {
    std::int64_t count = 0;
    for_each_parameter(layers, "", [&](std::string const&, at::Tensor& value, bool) { count += value.numel(); });
    return count;
}

template <class Model>
std::int64_t extra_parameters(Model& model) {
    std::int64_t count = 0;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (name.find("decoder") != std::string::npos || name.starts_with("shared.")) { count += value.numel(); }
    });
    return count;
}

}  // namespace

// (a), and every tied weight: the gradient of an embedding is the sum over all the routes by which it was read.
BOOST_AUTO_TEST_CASE(oracle_a_master_as_released_is_the_sum_of_eight_cross_entropies) {
    Texts const texts({12, 20, 5});
    MasterAsReleased model(tiny());
    know_words(model, texts);
    test::need_gradients(model);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context;
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    loss.total.backward();
    std::vector<at::Tensor> const gradients = test::take_gradients(model);
    std::vector<at::Tensor> const sums = separate_losses(model, batch);
    BOOST_REQUIRE_EQUAL(sums.size(), 8U);
    at::Tensor total;
    for (std::size_t t = 0; t < sums.size(); ++t) {
        at::Tensor const mean = sums[t] / batch.term_labels[t];
        BOOST_CHECK_GT(batch.term_labels[t], 0);
        BOOST_CHECK_CLOSE(loss.terms[t].loss.item<double>(), mean.item<double>(), 1e-3);
        total = total.defined() ? total + mean : mean;
    }
    BOOST_CHECK_CLOSE(loss.total.item<double>(), total.item<double>(), 1e-3);
    total.backward();
    std::vector<at::Tensor> const expected = test::take_gradients(model);
    for (std::size_t i = 0; i < expected.size(); ++i) { BOOST_CHECK_LE(distance(gradients[i], expected[i]), 1e-4); }
}

// Equation 8 read literally: one mean over the labels of all six terms.
BOOST_AUTO_TEST_CASE(master_is_one_mean_over_all_labels) {
    Texts const texts({12, 20, 5});
    Master model(tiny());
    know_words(model, texts);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context;
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    std::vector<at::Tensor> const sums = separate_losses(model, batch);
    BOOST_REQUIRE_EQUAL(sums.size(), 6U);
    double sum = 0;
    std::int64_t labels = 0;
    for (std::size_t t = 0; t < sums.size(); ++t) {
        sum += sums[t].item<double>();
        labels += batch.term_labels[t];
    }
    BOOST_CHECK_CLOSE(loss.total.item<double>(), sum / static_cast<double>(labels), 1e-3);
    BOOST_CHECK_GT(std::abs(loss.total.item<double>() - 6 * sum / static_cast<double>(labels)), .1);   // no sum of means
}

BOOST_AUTO_TEST_CASE(master_reads_with_the_encoder_once_and_its_released_form_three_times) {
    Texts const texts({12, 20});
    BOOST_CHECK_EQUAL(encoder_runs<Master>(texts), 1);
    BOOST_CHECK_EQUAL(encoder_runs<MasterAsReleased>(texts), 3);
}

// Also the inputs, since Master hides by [MASK] alone: each token of content is shown to exactly one side.
BOOST_AUTO_TEST_CASE(oracle_c_labels_of_cmp_and_of_the_encoder_are_disjoint_and_cover_the_content) {
    Texts const texts({12, 20, 38, 1});
    Master model(tiny());
    know_words(model, texts);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    PackedView const& encoder = batch.views[0];
    PackedView const& decoder = batch.views[2];
    BOOST_REQUIRE_EQUAL(model.describe_terms()[2].task, "cmp");
    BOOST_REQUIRE(encoder.original_ids == decoder.original_ids);
    TokenId const mask = texts.traits.special().mask;
    std::size_t content = 0;
    for (std::size_t i = 0; i < encoder.tokens(); ++i) {
        bool const is_content = !texts.traits.is_special(encoder.original_ids[i]);
        bool const first = encoder.labels[i] != ignored_label;
        bool const second = decoder.labels[i] != ignored_label;
        BOOST_CHECK_EQUAL(first + second, is_content ? 1 : 0);
        BOOST_CHECK_EQUAL((encoder.input_ids[i] == mask) + (decoder.input_ids[i] == mask), is_content ? 1 : 0);
        content += is_content ? 1 : 0;
    }
    double const share = static_cast<double>(decoder.label_count()) / static_cast<double>(content);
    BOOST_CHECK(share > .65 && share < .80);   // pitfall 3: all that p' shows, about .70, not .50
}

BOOST_AUTO_TEST_CASE(oracle_b_a_shared_decoder_with_copied_weights_gives_the_loss_of_own_decoders) {
    Texts const texts({12, 20, 5});
    MasterSharedDecoder shared(tiny(), MasterHyperparameters{}, 7);
    Master own(tiny(), MasterHyperparameters{}, 7);
    std::map<std::string, at::Tensor> values;
    shared.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) { values.emplace(name, value); });
    auto const source = [](std::string const& name) {
        std::size_t const at = name.find(".decoder.");
        return at == std::string::npos ? name : "shared.basic." + name.substr(at + 9);
    };
    own.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) { value.copy_(values.at(source(name))); });
    know_words(shared, texts);
    know_words(own, texts);
    test::need_gradients(shared);
    test::need_gradients(own);
    HostBatch const batch = own.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context;
    ModelLoss const one = shared.forward(batch, context, batch.term_labels);
    ModelLoss const five = own.forward(batch, context, batch.term_labels);
    BOOST_CHECK_CLOSE(one.total.item<double>(), five.total.item<double>(), 1e-4);
    one.total.backward();
    five.total.backward();
    std::map<std::string, at::Tensor> sums;   // the gradient of a shared tensor is the sum over its five uses
    own.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        auto const [place, is_new] = sums.emplace(source(name), value.grad());
        if (!is_new) { place->second = place->second + value.grad(); }
    });
    std::size_t compared = 0;
    shared.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        BOOST_CHECK_MESSAGE(distance(value.grad(), sums.at(name)) <= 1e-5, name);
        ++compared;
    });
    BOOST_CHECK_EQUAL(compared, sums.size());
}

// Every size is a polynomial of H and I; the tiny model checks that the decoders are all there is, the base one that it is right.
BOOST_AUTO_TEST_CASE(decoders_at_base_size_have_70_878_720_numbers_and_a_shared_one_14_175_744) {
    Master own(tiny());
    MasterSharedDecoder shared(tiny());
    std::int64_t const two_layers = parameter_count(make_layers(2, tiny().shape()));
    BOOST_CHECK_EQUAL(extra_parameters(own), 5 * two_layers);
    BOOST_CHECK_EQUAL(extra_parameters(shared), two_layers);
    BOOST_CHECK_EQUAL(5 * parameter_count(make_layers(2, BertConfig::base().shape())), 70'878'720);
    BOOST_CHECK_EQUAL(parameter_count(make_layers(2, BertConfig::base().shape())), 14'175'744);
}

BOOST_AUTO_TEST_CASE(oracle_g_a_tap_of_layer_0_is_a_basic_decoder_on_the_same_masked_ids) {
    Texts const texts({12, 20, 5});
    Master model(tiny());
    know_words(model, texts);
    PackedView const view = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1}).views[0];
    PackedInput const input = to_tensors(view);
    BertEncoder const& encoder = model.encoder();
    ForwardContext context;
    Encoded const encoded = encoder.encode(input, context, true);
    at::Tensor const sentence = encoded.hidden.index_select(0, input.first_rows);
    BasicDecoder const basic({.layers = 2}, encoder, 3, "decoder");
    auto const tapped = [&](std::int64_t layer) {
        return TapDecoder({.layers = 2, .tap = layer}, encoder, 3, "decoder").decode(sentence, input, encoder, encoded, context);
    };
    at::Tensor const rows = basic.decode(sentence, input, encoder, Encoded{}, context);
    BOOST_CHECK_LE(distance(tapped(0), rows), 1e-5);
    BOOST_CHECK_GT(distance(tapped(1), rows), 1e-2);
    BOOST_CHECK_EXCEPTION(tapped(3), InputError, [](InputError const& error) {
        return std::string(error.what()).find("from 0 (embeddings) to 2") != std::string::npos;
    });
}

// 0 is what the embeddings give, n what layer n gives, counted from 1, and the last one is the output: Condenser's skip_from 6 of
// 12 layers reads the sixth.
BOOST_AUTO_TEST_CASE(pitfall_15_layers_are_counted_from_the_embeddings) {
    BertEncoder const encoder(tiny(4), 3);
    Texts const texts({12, 20});
    PackedInput const input = to_tensors(unmasked(texts));
    ForwardContext context;
    Encoded const encoded = encoder.encode(input, context, true);
    BOOST_REQUIRE_EQUAL(encoded.layers.size(), 5U);
    BOOST_CHECK(encoded.layers[0].equal(encoder.embeddings(input.input_ids, input.positions, context)));
    BOOST_CHECK(encoded.layers[4].equal(encoded.hidden));
    for (std::size_t n = 1; n <= 4; ++n) {
        at::Tensor const& below = encoded.layers[n - 1];
        BOOST_CHECK(encoded.layers[n].equal(encoder.layers[n - 1](below, below, input, nullptr, context)));
    }
    at::Tensor const sentence = encoded.hidden.index_select(0, input.first_rows);
    auto const tapped = [&](std::int64_t tap) {   // without a layer of its own the decoder hands on what it has tapped
        TapDecoder const decoder({.layers = 0, .tap = tap}, encoder, 3, "decoder");
        return decoder.decode(sentence, input, encoder, encoded, context);
    };
    for (std::int64_t tap = 0; tap <= 4; ++tap) {
        at::Tensor const& layer = encoded.layers[static_cast<std::size_t>(tap)];
        BOOST_CHECK(tapped(tap).equal(layer.index_copy(0, input.first_rows, sentence)));
    }
    BOOST_CHECK(tapped(TapDecoderOptions::middle).equal(tapped(2)));
}

// Softmax over one number is 1, so that query and key do not matter.
BOOST_AUTO_TEST_CASE(oracle_h_attention_to_one_key_is_an_affine_shift) {
    BertConfig const config = tiny();
    BertEncoder const encoder(config, 3);
    CrossAttentionDecoder decoder({.layers = 1}, encoder, 5, "decoder");
    SingleKeyAttention& crossing = decoder.crossings[0];
    Draw draw({.seed = 4});
    crossing.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) {
        auto* const numbers = value.mutable_data_ptr<float>();
        for (std::int64_t i = 0; i < value.numel(); ++i) { numbers[i] = static_cast<float>(draw.uniform() - .5); }
    });
    Texts const texts({5, 9});
    PackedInput const input = to_tensors(unmasked(texts));
    ForwardContext context;
    at::Tensor const rows = encoder.embeddings(input.input_ids, input.positions, context);
    at::Tensor const sentence = rows.index_select(0, input.first_rows) * 3;
    at::Tensor const found = crossing(rows, sentence, input, context);
    for (std::int64_t b = 0; b < 2; ++b) {   // multi-head attention with one key, written out
        std::int64_t const begin = input.offsets[static_cast<std::size_t>(b)];
        std::int64_t const length = input.offsets[static_cast<std::size_t>(b) + 1] - begin;
        auto const heads = [](at::Tensor const& x) { return x.view({-1, 2, 8}).transpose(0, 1); };   // [heads, L, 8]
        at::Tensor const text = rows.narrow(0, begin, length);
        at::Tensor const h = sentence.narrow(0, b, 1);
        at::Tensor const scores = heads(crossing.query(text)).matmul(heads(crossing.key(h)).transpose(1, 2)) / std::sqrt(8.);
        at::Tensor const read = at::softmax(scores, 2).matmul(heads(crossing.value(h))).transpose(0, 1).reshape({length, 16});
        BOOST_CHECK_LE(distance(found.narrow(0, begin, length), crossing.norm(crossing.output(read) + text)), 1e-5);
        // ... and that is one vector A h + c for all rows.
        at::Tensor const shift = at::linear(h, crossing.output.weight.matmul(crossing.value.weight),
                                            crossing.output.weight.matmul(crossing.value.bias) + crossing.output.bias);
        BOOST_CHECK_LE(distance(found.narrow(0, begin, length), crossing.norm(text + shift)), 1e-5);
    }
}

// Enough for SEED; a fault for who expects that a row picks from the sentence what it needs. So query and key learn nothing.
BOOST_AUTO_TEST_CASE(pitfall_13_attention_to_one_key_reads_the_same_for_every_query) {
    BertEncoder const encoder(tiny(), 3);
    CrossAttentionDecoder decoder({.layers = 1}, encoder, 5, "decoder");
    SingleKeyAttention& crossing = decoder.crossings[0];
    std::vector<TokenId> const ids = test::invented(9, 1);
    PackedView view;
    view.append({.original_ids = ids, .input_ids = ids});
    PackedInput const input = to_tensors(view);
    ForwardContext context;
    at::Tensor const rows = encoder.embeddings(input.input_ids, input.positions, context);
    at::Tensor const sentence = rows.narrow(0, 0, 1) * 3;
    at::Tensor const found = crossing(rows, sentence, input, context);
    crossing.query.weight.mul_(-7);
    crossing.key.bias.add_(2);
    BOOST_CHECK(crossing(rows, sentence, input, context).equal(found));
    BOOST_CHECK_GT(distance(crossing(rows, sentence * -1, input, context), found), 1e-3);
    crossing.for_each_parameter("", [](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
    (crossing(rows, sentence, input, context) * rows).sum().backward();
    for (Linear const* const unread : {&crossing.query, &crossing.key}) {
        BOOST_CHECK(!unread->weight.grad().defined() || unread->weight.grad().abs().max().item<double>() == 0);
    }
    BOOST_CHECK_GT(crossing.value.weight.grad().abs().max().item<double>(), 0);
}

// A window counts the row's own column; column 0 is always open.
BOOST_AUTO_TEST_CASE(oracle_i_causal_windows_by_brute_force) {
    for (std::size_t const window : {1UL, 2UL, 3UL, 8UL, 64UL, 66UL, 100UL}) {
        std::vector<std::int64_t> offsets{0};
        for (std::int64_t const length : {1, 2, 3, 7, 63, 64, 65, 70, 130, 0, 2}) { offsets.push_back(offsets.back() + length); }
        std::vector<Visibility> const texts = causal_windows(offsets, window);
        BOOST_REQUIRE_EQUAL(texts.size() + 1, offsets.size());
        std::size_t wrong = 0;
        for (std::size_t b = 0; b < texts.size(); ++b) {
            BOOST_CHECK_EQUAL(texts[b].length, offsets[b + 1] - offsets[b]);
            for (std::size_t i = 0; i < texts[b].length; ++i) {
                for (std::size_t j = 0; j < texts[b].length; ++j) {
                    wrong += texts[b].allows(i, j) != (j == 0 || (j <= i && j + window > i)) ? 1 : 0;
                }
            }
        }
        BOOST_CHECK_EQUAL(wrong, 0U);
    }
}

// The same at the other end: a token moves exactly the rows whose window holds it.
BOOST_AUTO_TEST_CASE(oracle_i_rows_of_one_causal_layer_read_exactly_their_window) {
    BertEncoder const encoder(tiny(), 3);
    CausalWindowDecoder const beside({.layers = 1, .window = 3}, encoder, 5, "decoder");
    CrossAttentionDecoder const crossing({.layers = 1, .window = 2}, encoder, 5, "decoder");
    std::vector<TokenId> const ids = test::invented(9, 1);
    ForwardContext context;
    at::Tensor const sentence = encoder.embeddings.word.narrow(0, 7, 1);
    auto const decode = [&](auto const& decoder, std::vector<TokenId> const& text) {
        PackedView view;
        view.append({.original_ids = text, .input_ids = text});
        return decoder.decode(sentence, to_tensors(view), encoder, Encoded{}, context);
    };
    auto const check = [&](auto const& decoder, std::int64_t window, bool reads_first_token) {
        at::Tensor const before = decode(decoder, ids);
        for (std::int64_t j = 0; j < 9; ++j) {
            std::vector<TokenId> other = ids;
            other[static_cast<std::size_t>(j)] = ids[static_cast<std::size_t>(j)] == 20 ? 21 : 20;
            at::Tensor const after = decode(decoder, other);
            for (std::int64_t i = 0; i < 9; ++i) {
                bool const sees = j == 0 ? reads_first_token : (j <= i && j > i - window);
                BOOST_CHECK_EQUAL(distance(before[i], after[i]) > 0, sees);
            }
        }
    };
    check(beside, 3, false);    // the sentence vector stands in column 0
    check(crossing, 2, true);   // the first token does
    BOOST_CHECK_THROW(CausalWindowDecoder({.window = 0}, encoder, 5, "decoder"), InputError);
    BOOST_CHECK_THROW(CrossAttentionDecoder({.window = 0}, encoder, 5, "decoder"), InputError);
}

// A mask that is kept for the next call must not meet a text of another length or a decoder of another window.
BOOST_AUTO_TEST_CASE(pitfall_12_windows_of_other_lengths_and_decoders_do_not_mix) {
    BertEncoder const encoder(tiny(), 3);
    ForwardContext context;
    at::Tensor const sentence = encoder.embeddings.word.narrow(0, 7, 1);
    auto const decode = [&](auto const& decoder, std::size_t length) {
        std::vector<TokenId> const ids = test::invented(length, 1);
        PackedView view;
        view.append({.original_ids = ids, .input_ids = ids});
        return decoder.decode(sentence, to_tensors(view), encoder, Encoded{}, context);
    };
    auto const check = [&]<class Decoder>(Decoder const& narrow, Decoder const& wide) {   // the same weights
        for (std::size_t const length : {9U, 3U, 12U, 9U, 1U}) {
            using Options = typename Decoder::Options;
            at::Tensor const few = decode(narrow, length);
            at::Tensor const many = decode(wide, length);
            BOOST_CHECK(few.equal(decode(Decoder(Options(narrow.options()), encoder, 5, "decoder"), length)));
            BOOST_CHECK(many.equal(decode(Decoder(Options(wide.options()), encoder, 5, "decoder"), length)));
            BOOST_CHECK_EQUAL(few.equal(many), length <= 3);   // windows of 3 and 8 columns
        }
    };
    check(CausalWindowDecoder({.layers = 2, .window = 3}, encoder, 5, "decoder"),
          CausalWindowDecoder({.layers = 2, .window = 8}, encoder, 5, "decoder"));
    check(CrossAttentionDecoder({.layers = 2, .window = 3}, encoder, 5, "decoder"),
          CrossAttentionDecoder({.layers = 2, .window = 8}, encoder, 5, "decoder"));
}

// Absent queries, continuations and neighbors, halves of one token: no label, loss 0, and numbers everywhere.
BOOST_AUTO_TEST_CASE(pitfall_02_empty_label_sets_are_zero) {
    Texts const texts({12, 1, 20}, false);
    auto const check = [&](auto model, std::vector<std::size_t> const& silent) {
        know_words(model, texts);
        test::need_gradients(model);
        for (std::size_t const first : {0U, 1U}) {   // all of them, and the text of one token alone
            auto const some = std::span(texts.examples).subspan(first, first == 0 ? 3 : 1);
            HostBatch const batch = model.collate(some, texts.traits, {.max_length = 40}, {.seed = 1});
            ForwardContext context{.training = true, .seed = 4};
            ModelLoss const loss = model.forward(batch, context, batch.term_labels);
            for (std::size_t const t : silent) {
                BOOST_CHECK_EQUAL(batch.term_labels[t], 0);
                BOOST_CHECK_EQUAL(loss.terms[t].loss.template item<double>(), 0);
            }
            BOOST_CHECK(std::isfinite(loss.total.template item<double>()));
            BOOST_CHECK_GT(loss.total.template item<double>(), 0);
            loss.total.backward();
            for (at::Tensor const& gradient : test::take_gradients(model)) {
                BOOST_CHECK(gradient.isfinite().all().template item<bool>());
            }
        }
    };
    check(Master(tiny()), {3, 4, 5});       // NPR, DOR, GOR
    check(MasterAsReleased(tiny()), {2});   // DOR; the passage stands in for a continuation
}

// Queries end in one [SEP] or, as released, in two; a [SEP] within a text is never hidden and is no label.
BOOST_AUTO_TEST_CASE(pitfall_04_separators_within_texts) {
    Texts const texts({12, 20});
    auto const check = [&](auto model, std::size_t dor, std::size_t separators) {
        know_words(model, texts);
        BOOST_REQUIRE_EQUAL(model.describe_terms()[dor].task, "dor");
        for (std::uint64_t seed = 0; seed < 20; ++seed) {
            HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = seed});
            PackedView const& view = batch.views[dor];
            for (std::size_t b = 0; b < view.texts(); ++b) {
                std::size_t found = 0;
                for (std::int64_t row = view.offsets[b]; row < view.offsets[b + 1]; ++row) {
                    auto const i = static_cast<std::size_t>(row);
                    if (!texts.traits.is_special(view.original_ids[i])) { continue; }
                    found += view.original_ids[i] == texts.traits.special().sep ? 1 : 0;
                    BOOST_CHECK_EQUAL(view.input_ids[i], view.original_ids[i]);
                    BOOST_CHECK_EQUAL(view.labels[i], ignored_label);
                }
                BOOST_CHECK_EQUAL(found, separators);   // two queries: one between them, and the end
            }
        }
    };
    check(Master(tiny()), 4, 2);
    check(MasterAsReleased(tiny()), 2, 3);
}

BOOST_AUTO_TEST_SUITE_END()
