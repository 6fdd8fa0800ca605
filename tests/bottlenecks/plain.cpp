// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Each bottleneck by itself against loops in double precision over the hidden states of every text.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/layers.hpp>
#include <bmae/bottlenecks/lexicon.hpp>
#include <bmae/bottlenecks/mean.hpp>
#include <bmae/bottlenecks/projected.hpp>
#include <bmae/bottlenecks/sentence_bottleneck.hpp>
#include <bmae/bottlenecks/sentence_steps.hpp>
#include <bmae/bottlenecks/token_poolings.hpp>
#include <bmae/encoders/bert.hpp>

BOOST_AUTO_TEST_SUITE(plain)

namespace {

using namespace bmae;

constexpr std::int64_t width = 16, vocabulary = 60;

/// Rows of numbers, as plain as can be.
using Rows = std::vector<std::vector<double>>;

Rows rows_of(at::Tensor const& tensor) {
    at::Tensor const plain = tensor.detach().to(at::kDouble).contiguous();
    Rows rows;
    for (std::int64_t i = 0; i < plain.size(0); ++i) {
        double const* const begin = plain.data_ptr<double>() + i * plain.size(1);
        rows.emplace_back(begin, begin + plain.size(1));
    }
    return rows;
}

void close(at::Tensor const& found, Rows const& expected, double tolerance = 1e-5) {
    Rows const rows = rows_of(found);
    BOOST_REQUIRE_EQUAL(rows.size(), expected.size());
    for (std::size_t b = 0; b < rows.size(); ++b) {
        BOOST_REQUIRE_EQUAL(rows[b].size(), expected[b].size());
        for (std::size_t h = 0; h < rows[b].size(); ++h) { BOOST_CHECK_SMALL(rows[b][h] - expected[b][h], tolerance); }
    }
}

/// Texts of five, four, two and one tokens behind a small encoder, with all its layers.
struct Texts {
    BertEncoder encoder = [] {
        BertConfig config = BertConfig::of_size(3, width);
        config.vocab_size = vocabulary;
        config.num_attention_heads = 2;
        config.max_position_embeddings = 40;
        config.initializer_range = .2;
        return BertEncoder(config, 3);
    }();
    std::vector<std::vector<TokenId>> const ids = {{2, 10, 11, 12, 3}, {2, 20, 21, 3}, {2, 3}, {2}};
    PackedView view = [this] {
        PackedView packed;
        for (std::vector<TokenId> const& text : ids) { packed.append(MaskedText{.original_ids = text, .input_ids = text}); }
        return packed;
    }();
    PackedInput input = to_tensors(view);
    Encoded encoded = [this] {
        ForwardContext context;
        return encoder.encode(input, context, true);
    }();

    /// The mean over the tokens of each text, first and last included.
    [[nodiscard]] Rows means(at::Tensor const& hidden) const {
        Rows const rows = rows_of(hidden);
        Rows means;
        std::size_t row = 0;
        for (auto const& text : ids) {
            std::vector<double> mean(rows[0].size(), 0.0);
            for (std::size_t i = 0; i < text.size(); ++i, ++row) {
                for (std::size_t h = 0; h < mean.size(); ++h) { mean[h] += rows[row][h] / static_cast<double>(text.size()); }
            }
            means.push_back(mean);
        }
        BOOST_REQUIRE_EQUAL(row, rows.size());
        return means;
    }
};

/// The parameters of a part, by name without what stands before.
template <class Part>
std::map<std::string, at::Tensor> parameters_of(Part& part) {
    std::map<std::string, at::Tensor> values;
    part.for_each_parameter("", [&](std::string const& name, at::Tensor& value, auto const&) { values.emplace(name, value); });
    return values;
}

/// rows W^T.
Rows product(Rows const& rows, Rows const& weight) {
    Rows result;
    for (auto const& row : rows) {
        std::vector<double>& out = result.emplace_back();
        for (auto const& column : weight) {
            double sum = 0;
            for (std::size_t h = 0; h < row.size(); ++h) { sum += row[h] * column[h]; }
            out.push_back(sum);
        }
    }
    return result;
}

/// Each column with mean 0 and variance 1 over the batch.
Rows batch_normalized(Rows rows) {
    double const count = static_cast<double>(rows.size());
    for (std::size_t h = 0; h < rows[0].size(); ++h) {
        double mean = 0, variance = 0;
        for (auto const& row : rows) { mean += row[h] / count; }
        for (auto const& row : rows) { variance += (row[h] - mean) * (row[h] - mean) / count; }
        for (auto& row : rows) { row[h] = (row[h] - mean) / std::sqrt(variance + 1e-5); }
    }
    return rows;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_view_that_is_only_encoded_gives_the_same_without_labels) {
    Texts const texts;
    PackedView view;
    for (auto const& ids : texts.ids) { view.append_input(ids); }
    BOOST_TEST((view.labels.empty() && view.original_ids.empty() && view.flags.empty()));
    PackedInput const input = to_tensors(view);
    BOOST_TEST((!input.labels.defined() && !input.label_rows.defined()));
    BOOST_TEST(input.original_ids.equal(texts.input.original_ids));
    BOOST_TEST(input.text_of_row.equal(texts.input.text_of_row));
    ForwardContext context;
    Encoded const encoded = texts.encoder.encode(input, context);
    BOOST_TEST(MeanBottleneck().pool(encoded, input).equal(MeanBottleneck().pool(texts.encoded, texts.input)));
    PackedView typed;
    typed.append_input({2, 7, 3, 9, 3}, {0, 0, 0, 1, 1});
    typed.append_input({2, 3});
    BOOST_TEST(to_tensors(typed).token_types.sum().item<std::int64_t>() == 2);
}

BOOST_AUTO_TEST_CASE(cls_is_the_first_row_of_each_text) {
    Texts const texts;
    Rows const rows = rows_of(texts.encoded.hidden);
    close(ClsBottleneck{}.pool(texts.encoded, texts.input), {rows[0], rows[5], rows[9], rows[11]}, 1e-12);
}

BOOST_AUTO_TEST_CASE(further_poolings_over_the_tokens_of_a_text) {
    Texts const texts;
    Rows const rows = rows_of(texts.encoded.hidden);
    for (std::int64_t const skipped : {0, 2}) {   // of each text, but never its last row
        Rows largest, roots, weighted, last;
        std::size_t row = 0;
        for (auto const& text : texts.ids) {
            std::size_t const first = std::min(static_cast<std::size_t>(skipped), text.size() - 1);
            std::vector<double> most(width, -1e9), sum(width, 0.0), later(width, 0.0);
            double positions = 0;
            for (std::size_t i = first; i < text.size(); ++i) {
                double const position = static_cast<double>(skipped) + static_cast<double>(i - first) + 1;
                positions += position;
                for (std::size_t h = 0; h < width; ++h) {
                    most[h] = std::max(most[h], rows[row + i][h]);
                    sum[h] += rows[row + i][h];
                    later[h] += position * rows[row + i][h];
                }
            }
            for (double& value : sum) { value /= std::sqrt(static_cast<double>(text.size() - first)); }
            for (double& value : later) { value /= positions; }
            row += text.size();
            largest.push_back(most);
            roots.push_back(sum);
            weighted.push_back(later);
            last.push_back(rows[row - 1]);
        }
        PackedInput input = texts.input;
        input.unpooled_rows = skipped;
        auto const pool = [&](SentenceBottleneck const& bottleneck) { return bottleneck.pool(texts.encoded, input); };
        close(pool(MaxBottleneck{}), largest);
        close(pool(MeanSqrtLengthBottleneck{}), roots);
        close(pool(WeightedMeanBottleneck{}), weighted);
        close(pool(LastTokenBottleneck{}), last);
        auto const joined = SentenceBottleneck::named("last_token+max");
        BOOST_REQUIRE(joined);
        close(pool(*joined).narrow(1, 0, width), last);
        close(pool(*joined).narrow(1, width, width), largest);
        BOOST_TEST(joined->width(texts.encoder) == 2 * width);
    }
    PackedInput prompt = texts.input;
    prompt.unpooled_rows = 2;
    close(SentenceBottleneck().pool(texts.encoded, prompt), {rows[2], rows[7], rows[10], rows[11]},
          1e-12);   // the first that is left
}

BOOST_AUTO_TEST_CASE(a_chain_of_steps_checks_and_tells_its_widths) {
    Texts const texts;
    at::Tensor const weight = at::arange(3 * width, at::kFloat).view({3, width}).sin();
    SentenceBottleneck const chain = SentenceBottleneck(MeanBottleneck{})
                                         .then({.weight = weight, .activation = DenseActivation::gelu})
                                         .followed_by(LayerNormStep{.weight = at::ones({3}), .bias = at::full({3}, 2.0F)})
                                         .followed_by(UnitLengthStep{})
                                         .followed_by(TruncateStep{.width = 2});
    BOOST_TEST(to_string(chain) == "mean+dense+layer_norm+normalized+truncated");
    BOOST_TEST(chain.width(texts.encoder) == 2);
    BOOST_TEST(!chain.unit_length());
    at::Tensor const mapped = at::gelu(at::linear(MeanBottleneck{}.pool(texts.encoded, texts.input), weight));
    at::Tensor const centered = mapped - mapped.mean(1, true);
    at::Tensor const normed = centered / (centered.square().mean(1, true) + 1e-5).sqrt() + 2;
    close(chain.pool(texts.encoded, texts.input), rows_of((normed / normed.square().sum(1, true).sqrt()).narrow(1, 0, 2)));
    auto const refused = [](auto&& make) {
        try {
            static_cast<void>(make());
        } catch (InputError const& error) { return std::string(error.what()); }
        return std::string();
    };
    BOOST_TEST(refused([&] { return chain.then({.weight = weight}); }).find("a linear map") != std::string::npos);
    LayerNormStep const norm{.weight = at::ones({5}), .bias = at::ones({5})};
    BOOST_TEST(refused([&] { return chain.followed_by(norm); }).find("layer_norm of another shape") != std::string::npos);
    BOOST_TEST(refused([&] { return chain.followed_by(TruncateStep{}); }).find("truncated of another shape") !=
               std::string::npos);
    BOOST_TEST(SentenceBottleneck().followed_by(UnitLengthStep{}).unit_length());
}

BOOST_AUTO_TEST_CASE(every_activation_is_found_by_its_class) {
    at::Tensor const x = at::arange(-4, 5, at::kFloat);
    for (std::size_t i = 0; i < names_of(DenseActivation{}).size(); ++i) {
        auto const activation = static_cast<DenseActivation>(i);
        BOOST_CHECK(dense_activation_named(torch_class_of(activation)) == activation);
        at::Tensor const y = apply_step(DenseStep{.weight = at::eye(9), .activation = activation}, x.view({1, 9}));
        BOOST_CHECK_MESSAGE(activation == DenseActivation::identity || !y.equal(x.view({1, 9})), to_string(activation));
    }
    BOOST_CHECK(dense_activation_named("torch.nn.Tanh") == DenseActivation::tanh);
    BOOST_CHECK(!dense_activation_named("torch.nn.Softmax") && !dense_activation_named("my.Tanh"));
}

BOOST_AUTO_TEST_CASE(means_over_the_tokens_of_a_text) {
    Texts const texts;
    close(MeanBottleneck{}.pool(texts.encoded, texts.input), texts.means(texts.encoded.hidden));
    BOOST_REQUIRE_EQUAL(texts.encoded.layers.size(), 4U);   // the embeddings and three layers
    auto const& layers = texts.encoded.layers;
    close(FirstLastBottleneck{}.pool(texts.encoded, texts.input), texts.means((layers[1] + layers[3]) / 2));
    close(TopTwoBottleneck{}.pool(texts.encoded, texts.input), texts.means((layers[2] + layers[3]) / 2));
}

// LexMAE: softmax over the vocabulary of the highest logit of each word, then the mixture of word embeddings.
BOOST_AUTO_TEST_CASE(the_lexicon_bottleneck_mixes_word_embeddings) {
    Texts const texts;
    LexiconBottleneck const lexicon({}, texts.encoder, 1, "b");
    Rows const logits = rows_of(texts.encoder.head.logits(texts.encoded.hidden, texts.encoder.embeddings.word));
    Rows const words = rows_of(texts.encoder.embeddings.word);
    Rows expected;
    std::size_t first = 0;
    for (auto const& text : texts.ids) {
        std::vector<double> highest(vocabulary, 0.0);   // nothing between [CLS] and [SEP]: no word is preferred
        for (std::size_t i = 1; i + 1 < text.size(); ++i) {
            for (std::size_t v = 0; v < highest.size(); ++v) {
                highest[v] = i == 1 ? logits[first + i][v] : std::max(highest[v], logits[first + i][v]);
            }
        }
        double total = 0;
        for (double& value : highest) { total += value = std::exp(value); }
        std::vector<double>& mixture = expected.emplace_back(width, 0.0);
        for (std::size_t v = 0; v < highest.size(); ++v) {
            for (std::size_t h = 0; h < mixture.size(); ++h) { mixture[h] += highest[v] / total * words[v][h]; }
        }
        first += text.size();
    }
    close(lexicon.pool(texts.encoded, texts.input, texts.encoder), expected);
}

BOOST_AUTO_TEST_CASE(projections_of_the_vector) {
    Texts const texts;
    Rows const cls = rows_of(ClsBottleneck{}.pool(texts.encoded, texts.input));
    Projected<ClsBottleneck, TanhProjection> tanh({}, texts.encoder, 1, "b");
    auto values = parameters_of(tanh);
    values.at("shared.projection.dense.bias").normal_();
    Rows expected = product(cls, rows_of(values.at("shared.projection.dense.weight")));
    Rows const bias = rows_of(values.at("shared.projection.dense.bias").unsqueeze(0));
    for (auto& row : expected) {
        for (std::size_t h = 0; h < row.size(); ++h) { row[h] = std::tanh(row[h] + bias[0][h]); }
    }
    close(tanh.pool(texts.encoded, texts.input, texts.encoder), expected);

    // DiffCSE: linear, batch norm, ReLU, linear, batch norm; the statistics are those of the batch.
    Projected<ClsBottleneck, BatchNormProjection> norm({}, texts.encoder, 1, "b");
    values = parameters_of(norm);
    Rows wide = batch_normalized(product(cls, rows_of(values.at("shared.projection.first.weight"))));
    for (auto& row : wide) {
        for (double& value : row) { value = std::max(0.0, value); }
    }
    close(norm.pool(texts.encoded, texts.input, texts.encoder),
          batch_normalized(product(wide, rows_of(values.at("shared.projection.second.weight")))), 2e-4);
}

BOOST_AUTO_TEST_SUITE_END()
