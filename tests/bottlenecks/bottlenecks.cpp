// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Bottlenecks around and beside each other, and DupMAE's pair, against their parts and plain operators.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/dual.hpp>
#include <bmae/bottlenecks/layers.hpp>
#include <bmae/bottlenecks/lexicon.hpp>
#include <bmae/bottlenecks/projected.hpp>
#include <bmae/bottlenecks/term_presence.hpp>
#include <bmae/encoders/bert.hpp>

#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(bottlenecks)

namespace {

using namespace bmae;
using test::ScratchFolder;

BertConfig tiny() {
    BertConfig config = BertConfig::of_size(2, 16);
    config.vocab_size = 60;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 40;
    config.initializer_range = .2;
    return config;
}

/// Three texts, the last of one token.
struct Texts {
    BertEncoder encoder{tiny(), 3};
    PackedView view = [] {
        PackedView packed;
        for (std::vector<TokenId> const& ids : {std::vector<TokenId>{2, 10, 11, 12, 3}, {2, 20, 21, 3}, {2}}) {
            packed.append(MaskedText{.original_ids = ids, .input_ids = ids});
        }
        return packed;
    }();
    PackedInput input = to_tensors(view);
    Encoded encoded = [this] {
        ForwardContext context;
        return encoder.encode(input, context, true);
    }();
    at::Tensor cls = ClsBottleneck{}.pool(encoded, input);
    at::Tensor mean = MeanBottleneck{}.pool(encoded, input);
};

double distance(at::Tensor const& a, at::Tensor const& b) { return (a - b).abs().max().item<double>(); }

at::Tensor invented(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
    return at::empty({rows, columns}).normal_(0, 1, at::detail::createCPUGenerator(seed));
}

/// What a width is computed from, known to the compiler.
struct Widths {
    [[nodiscard]] constexpr Shape shape() const { return {.width = 768}; }
};
using Both = Concatenated<ClsBottleneck, MeanBottleneck>;
static_assert(bottleneck_width(ClsBottleneck{}, Widths{}) == 768);
static_assert(bottleneck_width(Both{}, Widths{}) == 2 * 768);
static_assert(bottleneck_width(Normalized<Concatenated<ClsBottleneck, Both>>{}, Widths{}) == 3 * 768);
static_assert(bottleneck_width(StopGradient<ClsBottleneck>{}, Widths{}) == 768);
static_assert(KeepsWidth<StopGradient<Normalized<MeanBottleneck>>, BertEncoder> && !KeepsWidth<StopGradient<Both>, BertEncoder>);
static_assert(KeepsWidth<Normalized<LexiconBottleneck>, BertEncoder> && !KeepsWidth<LexicalBottleneck, BertEncoder>);

// Plain parts make a plain whole, a built part a built one.
static_assert(Bottleneck<Both> && !BuiltBottleneck<Both, BertEncoder>);
static_assert(BuiltBottleneck<Concatenated<ClsBottleneck, LexiconBottleneck>, BertEncoder>);
static_assert(BuiltBottleneck<Normalized<LexiconBottleneck>, BertEncoder> && !Bottleneck<Normalized<LexiconBottleneck>>);
static_assert(BuiltBottleneck<StopGradient<DualBottleneck>, BertEncoder>);

static_assert(Both::name == "cls+mean" && Concatenated<ClsBottleneck, Both>::name == "cls+cls+mean");
static_assert(DualBottleneck::name == "cls+lexical" && StopGradient<MeanBottleneck>::name == "mean");
static_assert(Both::projection.empty() && DualBottleneck::projection == "reduced");
static_assert(Normalized<StopGradient<ClsBottleneck>>::projection == "stop_gradient+normalized");
static_assert(Normalized<Projected<ClsBottleneck, TanhProjection>>::projection == "tanh+normalized");

// Whoever reads the layers says so through everything around him.
using detail::reads_layers;
static_assert(reads_layers<Normalized<FirstLastBottleneck>> && reads_layers<Concatenated<ClsBottleneck, TopTwoBottleneck>>);
static_assert(reads_layers<Projected<FirstLastBottleneck, TanhProjection>> && reads_layers<Reduced<TopTwoBottleneck>>);
static_assert(!reads_layers<Both> && !reads_layers<DualBottleneck>);

}  // namespace

BOOST_AUTO_TEST_CASE(side_by_side) {
    Texts const texts;
    BOOST_CHECK(Both{}.pool(texts.encoded, texts.input).equal(at::cat({texts.cls, texts.mean}, 1)));
    BOOST_CHECK_EQUAL(bottleneck_width(Both{}, texts.encoder), 32);
    using Mixed = Concatenated<FirstLastBottleneck, Reduced<MeanBottleneck>, ClsBottleneck>;
    Mixed mixed({.parts = {{}, {.width = 5}, {}}}, texts.encoder, 1, "b");
    BOOST_CHECK_EQUAL(bottleneck_width(mixed, texts.encoder), 16 + 5 + 16);
    at::Tensor const rows = mixed.pool(texts.encoded, texts.input, texts.encoder);
    BOOST_CHECK_EQUAL(rows.size(1), 37);
    BOOST_CHECK(rows.narrow(1, 0, 16).equal(FirstLastBottleneck{}.pool(texts.encoded, texts.input)));
    BOOST_CHECK(rows.narrow(1, 16, 5).equal(mixed.part<1>().pool(texts.encoded, texts.input, texts.encoder)));
    BOOST_CHECK(rows.narrow(1, 21, 16).equal(texts.cls));
    std::set<std::string> names;
    mixed.for_each_parameter("passes.0.bottleneck", [&](std::string const& name, at::Tensor&, bool) { names.insert(name); });
    BOOST_CHECK((names == std::set<std::string>{"shared.reduction.weight", "shared.reduction.bias"}));
}

BOOST_AUTO_TEST_CASE(no_gradient_passes_a_stop) {
    Texts texts;
    at::Tensor const hidden = texts.encoded.hidden.detach().clone().requires_grad_(true);
    Encoded const encoded{.hidden = hidden};
    at::Tensor const stopped = StopGradient<MeanBottleneck>{}.pool(encoded, texts.input);
    BOOST_CHECK(!stopped.requires_grad());
    BOOST_CHECK(stopped.equal(MeanBottleneck{}.pool(encoded, texts.input)));
    // ... but what stands behind it learns, and a part beside it too
    Concatenated<StopGradient<ClsBottleneck>, MeanBottleneck>{}.pool(encoded, texts.input).sum().backward();
    at::Tensor const beside = hidden.grad().clone();
    hidden.mutable_grad() = at::Tensor();
    MeanBottleneck{}.pool(encoded, texts.input).sum().backward();
    BOOST_CHECK(beside.equal(hidden.grad()));
    StopGradient<Reduced<>> after({.width = 3}, texts.encoder, 1, "b");
    BOOST_CHECK(!after.pool(encoded, texts.input, texts.encoder).requires_grad());
    BOOST_CHECK_EQUAL(bottleneck_width(after, texts.encoder), 3);
}

BOOST_AUTO_TEST_CASE(rows_of_length_one) {
    Texts const texts;
    at::Tensor const rows = Normalized<Both>{}.pool(texts.encoded, texts.input);
    at::Tensor const plain = Both{}.pool(texts.encoded, texts.input);
    BOOST_CHECK_LE(distance(rows.square().sum(1), at::zeros({3}) + 1), 1e-6);
    BOOST_CHECK_LE(distance(rows * plain.square().sum(1, true).sqrt(), plain), 1e-5);
    Encoded const nothing{.hidden = at::zeros({10, 16})};
    BOOST_CHECK(Normalized<ClsBottleneck>{}.pool(nothing, texts.input).equal(at::zeros({3, 16})));
    Normalized<LexiconBottleneck> const built({}, texts.encoder, 1, "b");
    BOOST_CHECK_LE(distance(built.pool(texts.encoded, texts.input, texts.encoder).square().sum(1), at::zeros({3}) + 1), 1e-6);
}

BOOST_AUTO_TEST_CASE(a_reduction_is_saved_and_loaded) {
    Texts const texts;
    ScratchFolder const scratch;
    Reduced<> saved({.width = 6}, texts.encoder, 1, "b");
    NamedTensors values;
    saved.for_each_parameter("",
                             [&](std::string const& name, at::Tensor& value, bool) { values.emplace(name, value.normal_()); });
    at::Tensor const rows = saved.pool(texts.encoded, texts.input, texts.encoder);
    BOOST_CHECK_LE(distance(rows, at::linear(texts.cls, values["shared.reduction.weight"], values["shared.reduction.bias"])),
                   1e-5);
    saved.save(scratch / "model.safetensors");
    BOOST_CHECK_THROW(saved.save(scratch / "model.safetensors"), InputError);   // nothing is overwritten
    Reduced<> loaded({.width = 6}, texts.encoder, 2, "b");
    BOOST_CHECK(!loaded.pool(texts.encoded, texts.input, texts.encoder).equal(rows));
    loaded.load(scratch / "model.safetensors");
    BOOST_CHECK(loaded.pool(texts.encoded, texts.input, texts.encoder).equal(rows));
    Reduced<> other({.width = 7}, texts.encoder, 2, "b");
    BOOST_CHECK_THROW(other.load(scratch / "model.safetensors"), InputError);
    save_tensors(scratch / "other.safetensors", values);   // the right shapes under other names
    BOOST_CHECK_THROW(loaded.load(scratch / "other.safetensors"), InputError);
    BOOST_CHECK(loaded.pool(texts.encoded, texts.input, texts.encoder).equal(rows));
    BOOST_CHECK_THROW(Reduced<>({.width = 0}, texts.encoder, 2, "b"), InputError);
}

BOOST_AUTO_TEST_CASE(lexical_weights_are_the_highest_logits) {
    Texts const texts;
    at::Tensor const logits = texts.encoder.head.logits(texts.encoded.hidden, texts.encoder.embeddings.word);
    auto const highest = [&](std::int64_t begin, std::int64_t rows) { return std::get<0>(logits.narrow(0, begin, rows).max(0)); };
    LexicalBottleneck const mu({}, texts.encoder, 1, "b");
    at::Tensor const expected = at::stack({highest(1, 4), highest(6, 3), at::zeros({60})});   // nothing but [CLS]: zeros
    BOOST_CHECK_LE(distance(mu.pool(texts.encoded, texts.input, texts.encoder), expected), 1e-5);
    BOOST_CHECK_EQUAL(bottleneck_width(mu, texts.encoder), 60);
    LexicalBottleneck const sparse({.saturated = true, .separator_counts = false}, texts.encoder, 1, "b");
    at::Tensor const words = at::stack({highest(1, 3), highest(6, 2), at::zeros({60})});
    BOOST_CHECK_LE(distance(sparse.pool(texts.encoded, texts.input, texts.encoder), at::log1p(words.clamp_min(0))), 1e-5);
}

// score(q, d) = <c_q, c_d> + sum over d's k strongest words of mu_q mu_d, pair by pair.
BOOST_AUTO_TEST_CASE(both_products_of_the_pair) {
    constexpr std::int64_t width = 4, vocabulary = 11, kept = 3;
    at::Tensor const queries = invented(5, width + vocabulary, 1);
    at::Tensor const documents = invented(6, width + vocabulary, 2).requires_grad_(true);
    DualVectors const vectors = to_dual_vectors(documents, width, kept);
    BOOST_CHECK_EQUAL(vectors.words.size(1), kept);
    at::Tensor const scores = dual_scores(queries, vectors);
    for (std::int64_t q = 0; q < 5; ++q) {
        for (std::int64_t d = 0; d < 6; ++d) {
            std::vector<std::pair<float, std::int64_t>> words;
            for (std::int64_t v = 0; v < vocabulary; ++v) { words.emplace_back(-documents[d][width + v].item<float>(), v); }
            std::sort(words.begin(), words.end());
            double score = 0;
            for (std::int64_t c = 0; c < width; ++c) { score += queries[q][c].item<double>() * documents[d][c].item<double>(); }
            for (std::size_t k = 0; k < kept; ++k) {
                score -= queries[q][width + words[k].second].item<double>() * words[k].first;
            }
            BOOST_CHECK_SMALL(scores[q][d].item<double>() - score, 1e-5);
        }
    }
    // The rows with zeros give the same scores by one product, and the same gradient.
    at::Tensor const rows = keep_strongest_words(documents, width, kept);
    BOOST_CHECK_LE(distance(queries.matmul(rows.t()), scores), 1e-5);
    scores.sum().backward();
    at::Tensor const gradient = documents.grad().clone();
    documents.mutable_grad() = at::Tensor();
    queries.matmul(rows.t()).sum().backward();
    BOOST_CHECK_LE(distance(documents.grad(), gradient), 1e-5);
    BOOST_CHECK_EQUAL(gradient.ne(0).sum().item<std::int64_t>(), 6 * (width + kept));
    // All words: a plain product.
    BOOST_CHECK_LE(distance(dual_scores(queries, to_dual_vectors(documents, width, 99)), queries.matmul(documents.t())), 1e-5);
}

BOOST_AUTO_TEST_CASE(of_equal_words_the_first_are_kept) {
    at::Tensor const rows = at::tensor({9., 1., 2., 2., 2., 0., 7., 5., 5., 5., 5., 5.}).to(at::kFloat).view({2, 6});
    DualVectors const vectors = to_dual_vectors(rows, 1, 2);
    BOOST_CHECK(vectors.words.equal(at::tensor({1, 2, 0, 1}, at::kLong).view({2, 2})));
    BOOST_CHECK(vectors.weights.equal(at::tensor({2., 2., 5., 5.}).to(at::kFloat).view({2, 2})));
    BOOST_CHECK(to_dual_vectors(rows, 1, 4).words.equal(at::tensor({0, 1, 2, 3, 0, 1, 2, 3}, at::kLong).view({2, 4})));
    BOOST_CHECK_THROW(to_dual_vectors(rows, 1, 0), InputError);
    at::Tensor broken = rows.clone();
    broken[1][3].fill_(std::nan(""));
    BOOST_CHECK_THROW(keep_strongest_words(broken, 1, 2), RunError);
    BOOST_CHECK_EQUAL(to_dual_vectors(rows.narrow(0, 0, 0), 1, 2).words.size(0), 0);   // no text
    BOOST_CHECK_EQUAL(dual_scores(rows, to_dual_vectors(rows.narrow(0, 0, 0), 1, 2)).size(1), 0);
}

BOOST_AUTO_TEST_CASE(the_highest_weights_alone_are_kept) {
    Texts const texts;
    auto const pool = [&](std::size_t terms) {
        return LexicalBottleneck({.saturated = true, .first_row_counts = true, .terms = terms}, texts.encoder, 1, "b")
            .pool(texts.encoded, texts.input, texts.encoder);
    };
    at::Tensor const all = pool(0);
    at::Tensor const kept = pool(3);
    BOOST_TEST(all.gt(0).sum(1).min().item<std::int64_t>() > 3);
    BOOST_TEST(kept.gt(0).sum(1).eq(3).all().item<bool>());
    auto const [values, places] = at::topk(all, 3, 1);
    BOOST_CHECK(kept.gather(1, places).equal(values));
    BOOST_CHECK(pool(1000).equal(all));
}

BOOST_AUTO_TEST_CASE(a_query_is_the_set_of_its_tokens) {
    BertEncoder const encoder(tiny(), 1);
    PackedInput input;
    input.special = {.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4};
    input.original_ids = at::tensor({2, 9, 7, 9, 3, 2, 3}, at::kLong);
    input.text_of_row = at::tensor({0, 0, 0, 0, 0, 1, 1}, at::kLong);
    input.offsets = {0, 5, 7};
    TermPresence const fixed({}, encoder, 1, "b");
    at::Tensor const rows = fixed.pool({}, input, encoder);
    BOOST_TEST(rows.size(1) == encoder.shape().vocabulary);
    BOOST_TEST(rows.sum().item<float>() == 2);   // the second text is empty
    BOOST_TEST(rows[0][7].item<float>() == 1);
    BOOST_TEST(rows[0][9].item<float>() == 1);   // twice in the text
    TermPresence learned({.learned = true}, encoder, 1, "b");
    BOOST_CHECK(learned.pool({}, input, encoder).equal(rows));
    learned.for_each_parameter("p", [&](std::string const& name, at::Tensor& value, auto role) {
        BOOST_TEST(name == "p.weights");
        BOOST_TEST(!static_cast<bool>(role));
        value[7] = .5;
        value[9] = -1;
    });
    BOOST_TEST(learned.pool({}, input, encoder).sum().item<float>() == .5F);
}

BOOST_AUTO_TEST_CASE(the_pair_over_an_encoder) {
    Texts const texts;
    DualBottleneck pair({.parts = {{.width = 6}, {}}}, texts.encoder, 1, "b");
    at::Tensor const rows = pair.pool(texts.encoded, texts.input, texts.encoder);
    BOOST_CHECK_EQUAL(rows.size(1), bottleneck_width(pair, texts.encoder));
    BOOST_CHECK_EQUAL(rows.size(1), 6 + 60);
    BOOST_CHECK(rows.narrow(1, 0, 6).equal(pair.part<0>().pool(texts.encoded, texts.input, texts.encoder)));
    BOOST_CHECK(rows.narrow(1, 6, 60).equal(pair.part<1>().pool(texts.encoded, texts.input, texts.encoder)));
}

BOOST_AUTO_TEST_SUITE_END()
