// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Several micro-batches in one contrast: the gradient of two passes over each equals that of one graph over all.
#include <bmae/training/step_gradient.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/model/encoder_generator.hpp>
#include <bmae/presets/condenser.hpp>
#include <bmae/presets/contriever.hpp>
#include <bmae/presets/inverse_cloze.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/presets/sentmae.hpp>
#include <bmae/presets/simcse.hpp>
#include <bmae/training/train_log.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(gradient_cache)

namespace {

using namespace bmae;
using test::distance;
using test::Texts;
using test::tiny;

template <class Model>
concept CanSpanStep =
    requires(Model& model, HostBatch const& batch, ForwardContext& context) { model.represent(batch, context); };
static_assert(CanSpanStep<CoCondenser> && CanSpanStep<SimCseUnsupervised> && CanSpanStep<LaPraDoR>);
static_assert(!CanSpanStep<RetroMae>, "nothing to cache: no term looks across texts");
static_assert(!CanSpanStep<Contriever>, "a queue is the same for all micro-batches");

/// A momentum encoder and a contrast within the batch: no paper's, but the grammar allows it.
using Followed = Model<BertEncoder,
    Pass<View<Passage, NoMasker, NoCorruption>, ClsBottleneck>,
    MomentumPass<View<Passage, NoMasker, NoCorruption>, ClsBottleneck>,
    Contrast>;

/// A model, its texts in chunks, and the gradient of a step computed in different ways.
template <class Model>
struct Step {
    Model model;
    std::vector<HostBatch> chunks;
    HostBatch whole;
    bool dropout = true;
    std::vector<TermDescription> descriptions;
    detail::ModelContrast<Model> contrast;

    Step(Texts const& texts, std::vector<std::size_t> const& sizes, typename Model::Options options,
         BertConfig const& config = tiny())
        : model(config, std::move(options), 5), descriptions(model.describe_terms()), contrast(model, descriptions) {
        if constexpr (std::is_same_v<Model, DiffCse>) {
            auto const generator =
                std::make_shared<EncoderGenerator<BertEncoder> const>(BertEncoder(tiny(), 8), test::vocabulary);
            model.for_each_view([&]<class ViewT>(ViewT& view, auto const&, std::size_t) {
                if constexpr (requires { view.corruptor.generator; }) { view.corruptor.generator = generator; }
            });
        }
        test::need_gradients(model);
        std::span<Example const> left = texts.examples;
        auto const collate = [&](std::span<Example const> part) {
            return model.collate(part, texts.traits, {.max_length = 24}, {.seed = 3});
        };
        for (std::size_t const size : sizes) {
            chunks.push_back(collate(left.first(size)));
            left = left.subspan(size);
        }
        whole = collate(texts.examples);
    }

    [[nodiscard]] ForwardContext context(std::size_t m) const {
        return {.training = dropout, .seed = 100 + m, .progress = .3, .opens_step = m == 0};
    }
    [[nodiscard]] HostBatch joint() const { return contrast.join(chunks); }
    [[nodiscard]] std::vector<std::int64_t> labels() const { return joint().term_labels; }

    std::vector<StepOutput> outputs;   ///< of the last `cached`

    std::vector<at::Tensor> cached() {
        outputs = cached_gradient(contrast, joint(), chunks, [&](std::size_t m) { return context(m); }, [] {});
        return test::take_gradients(model);
    }

    /// Everything in one graph, each chunk with its own draws of dropout.
    std::vector<at::Tensor> joined() {
        std::vector<at::Tensor> vectors;
        at::Tensor total;
        for (std::size_t m = 0; m < chunks.size(); ++m) {
            ForwardContext own = context(m);
            ModelPart const part = model.forward_part(chunks[m], own, labels());
            vectors.push_back(part.vectors);
            total = total.defined() ? total + part.loss.total : part.loss.total;
        }
        ForwardContext last = context(chunks.size());
        (total + model.contrast(joint(), chunks, vectors, last).total).backward();
        return test::take_gradients(model);
    }

    /// One batch of all texts, as if it fitted into memory.
    std::vector<at::Tensor> full(ModelLoss& loss) {
        ForwardContext own = context(0);
        loss = model.forward(whole, own, whole.term_labels);
        loss.total.backward();
        return test::take_gradients(model);
    }

    /// Largest difference of two gradients, as a share of the largest number in either.
    static double difference(std::vector<at::Tensor> const& a, std::vector<at::Tensor> const& b) {
        double worst = 0;
        double largest = 1e-12;
        for (std::size_t i = 0; i < a.size(); ++i) {
            worst = std::max(worst, distance(a[i], b[i]));
            largest = std::max(largest, a[i].abs().max().template item<double>());
        }
        return worst / largest;
    }
};

/// \param by_batch  vectors depend on their micro-batch (batch norm), so that chunks are not one large batch
template <class Model>
void check_model(Texts const& texts, std::vector<std::size_t> const& sizes, typename Model::Options const& options,
                 bool by_batch = false) {
    Step<Model> step(texts, sizes, options);
    BOOST_CHECK_LE(step.difference(step.cached(), step.joined()), 2e-5);   // with dropout
    step.dropout = false;
    ModelLoss loss;
    if (!by_batch) {
        BOOST_CHECK(step.labels() == step.whole.term_labels);
        BOOST_CHECK_LE(step.difference(step.cached(), step.full(loss)), 5e-5);
        double total = 0;
        std::vector<TermSums> sums(loss.terms.size());
        for (StepOutput const& output : step.outputs) {   // as the trainer reads them
            BOOST_CHECK(!output.total.requires_grad());
            total += output.total.item<double>();
            for (std::size_t t = 0; t < sums.size(); ++t) {
                TermOutput const& term = output.terms[t];
                sums[t] += {.name = term.name,
                            .kind = term.kind,
                            .weight = term.weight,
                            .labels = term.labels,
                            .loss = term.loss.item<double>() * static_cast<double>(term.labels),
                            .correct = term.correct.defined() ? term.correct.item<double>() : 0};
            }
        }
        BOOST_CHECK_CLOSE(total, loss.total.item<double>(), 1e-2);
        for (std::size_t t = 0; t < sums.size(); ++t) {   // each term once, with the labels of the step
            TermReport const report = sums[t].report();
            BOOST_CHECK_EQUAL(report.labels, loss.terms[t].labels);
            BOOST_CHECK_EQUAL(report.weight, loss.terms[t].weight);
            BOOST_CHECK_CLOSE(report.loss, loss.terms[t].loss.item<double>(), 1e-2);
            if (loss.terms[t].correct.defined()) { BOOST_CHECK_EQUAL(sums[t].correct, loss.terms[t].correct.item<double>()); }
        }
    }
    Step<Model> one(texts, {texts.examples.size()}, options);   // one chunk: the same draws as without a cache
    BOOST_CHECK_LE(one.difference(one.cached(), one.full(loss)), 2e-5);
}

}  // namespace

BOOST_AUTO_TEST_CASE(oracle_f_gradient_cache_equals_the_full_batch) {
    Texts const texts({12, 20, 9, 17, 14, 10, 22});
    std::vector<std::size_t> const uneven{3, 1, 2, 1};
    // Language-model terms beside the contrast keep their weight however their labels are spread over the chunks: see pitfall 16.
    check_model<CoCondenser>(texts, uneven, PresetHyperparameters<CoCondenser>::options({.skip_from = 1}));
    check_model<SentMaeMarcoContrastive>(texts, uneven, PresetHyperparameters<SentMaeMarcoContrastive>::options({}));
    check_model<SentMaeNli>(texts, uneven, PresetHyperparameters<SentMaeNli>::options({.temperature = .5}));
    check_model<SimCseUnsupervised>(
        texts, uneven, PresetHyperparameters<SimCseUnsupervised>::options({.temperature = .5}));   // a projection of its own
    check_model<InverseCloze>(texts, uneven, PresetHyperparameters<InverseCloze>::options({}));
    check_model<LaPraDoR>(texts, uneven, PresetHyperparameters<LaPraDoR>::options({.temperature = .2}));
    check_model<DiffCse>(texts, {3, 2, 2}, PresetHyperparameters<DiffCse>::options({.temperature = .5}), true);
}

// coCondenser's code weighs each chunk by its texts: a mean of means, and twice the loss. Here every label counts once.
BOOST_AUTO_TEST_CASE(pitfall_16_chunks_are_weighed_by_their_labels) {
    Step<CoCondenser> step(Texts({30, 3, 4, 2}), {1, 3}, PresetHyperparameters<CoCondenser>::options({.skip_from = 1}));
    step.dropout = false;
    ModelLoss whole;
    static_cast<void>(step.full(whole));
    static_cast<void>(step.cached());
    std::size_t compared = 0;
    for (std::size_t t = 0; t < whole.terms.size(); ++t) {
        if (step.descriptions[t].kind == "contrast") { continue; }
        double sum = 0;
        double means = 0;
        std::int64_t labels = 0;
        for (std::size_t m = 0; m < step.chunks.size(); ++m) {
            TermOutput const& term = step.outputs[m].terms[t];
            sum += term.loss.item<double>() * static_cast<double>(term.labels);
            means += term.loss.item<double>() / static_cast<double>(step.chunks.size());
            labels += term.labels;
        }
        double const mean = whole.terms[t].loss.item<double>();
        BOOST_CHECK_EQUAL(labels, whole.terms[t].labels);
        BOOST_CHECK_CLOSE(sum / static_cast<double>(labels), mean, 1e-2);
        BOOST_CHECK_GT(std::abs(means - mean), 1e-3);
        ++compared;
    }
    BOOST_CHECK_EQUAL(compared, 4U);   // head and late, of both spans
}

BOOST_AUTO_TEST_CASE(pitfall_16_pooled_tokens_are_one_mean_over_all_chunks) {
    auto options = PresetHyperparameters<CoCondenser>::options({.skip_from = 1});
    options.reduction = Reduction::pooled_tokens;
    check_model<CoCondenser>(Texts({12, 20, 9, 17}), {1, 3}, options);
}

BOOST_AUTO_TEST_CASE(a_chunk_without_a_present_text_learns_nothing) {
    Texts const texts({1, 1, 12, 20, 9}, false);   // a text of one sentence has no context
    auto const options = PresetHyperparameters<InverseCloze>::options({.kept = 0});
    check_model<InverseCloze>(texts, {2, 2, 1}, options);
    Step<InverseCloze> silent(Texts({1, 1, 1}, false), {2, 1}, options);
    BOOST_CHECK(silent.labels() == std::vector<std::int64_t>{0});
    for (at::Tensor const& gradient : silent.cached()) { BOOST_CHECK_EQUAL(gradient.abs().sum().item<double>(), 0); }
}

// A lone text is left out of its micro-batch's contrast but not out of the step's: counts are those of the joined batch.
BOOST_AUTO_TEST_CASE(chunks_of_one_text_form_a_contrast) {
    Step<InverseCloze> step(Texts({12, 20, 9}), {1, 1, 1}, PresetHyperparameters<InverseCloze>::options({}));
    std::int64_t apart = 0;
    for (HostBatch const& chunk : step.chunks) { apart += chunk.term_labels[0]; }
    BOOST_CHECK_EQUAL(apart, 0);
    BOOST_CHECK(step.labels() == std::vector<std::int64_t>{3});
    double sum = 0;
    for (at::Tensor const& gradient : step.cached()) { sum += gradient.abs().sum().item<double>(); }
    BOOST_CHECK_GT(sum, 0);
}

BOOST_AUTO_TEST_CASE(pitfall_17_vectors_are_the_same_bits_in_both_runs) {
    Step<CoCondenser> step(Texts({12, 20, 9, 17}), {2, 2}, PresetHyperparameters<CoCondenser>::options({.skip_from = 1}));
    ForwardContext first = step.context(1);
    ForwardContext second = step.context(1);
    at::Tensor const represented = step.model.represent(step.chunks[1], first);
    BOOST_CHECK(represented.equal(
        step.model.forward_part(step.chunks[1], second, step.labels()).vectors));   // terms draw dropout between
}

BOOST_AUTO_TEST_CASE(pitfall_17_products_with_the_cache_are_fp32) {
    Texts const texts({12, 20, 9, 17, 14, 10, 22});
    auto const options = PresetHyperparameters<SimCseUnsupervised>::options({.temperature = .05});
    Step<SimCseUnsupervised> step(texts, {3, 2, 2}, options);
    step.model.for_each_parameter(
        [](std::string const&, at::Tensor& value, bool) { value = value.detach().to(at::kBFloat16).requires_grad_(true); });
    std::vector<at::Tensor> const cached = step.cached();
    std::vector<at::Tensor> const joined = step.joined();
    double apart = 0;
    double length = 0;
    for (std::size_t i = 0; i < cached.size(); ++i) {
        apart += (cached[i] - joined[i]).to(at::kDouble).pow(2).sum().item<double>();
        length += joined[i].to(at::kDouble).pow(2).sum().item<double>();
    }
    BOOST_CHECK_LE(std::sqrt(apart / length), .02);   // the sums over chunks are bf16 here; the trainer keeps them in fp32
}

BOOST_AUTO_TEST_CASE(a_momentum_encoder_moves_once) {
    Step<Followed> step(Texts({12, 20, 9, 17}), {2, 1, 1}, {.momentum = .5});
    std::string const name = "momentum.encoder.embeddings.word_embeddings.weight";
    auto const follower = [&] {
        at::Tensor found;
        step.model.for_each_state([&](std::string const& state, at::Tensor& value) {
            if (state == name) { found = value.clone(); }
        });
        return found;
    };
    at::Tensor const before = follower();
    step.model.encoder().embeddings.word.detach().mul_(2);
    ForwardContext first = step.context(0);   // both runs of a micro-batch read the same momentum encoder
    ForwardContext second = step.context(0);
    BOOST_CHECK(step.model.represent(step.chunks[0], first)
                    .equal(step.model.forward_part(step.chunks[0], second, step.labels()).vectors));
    BOOST_CHECK_LE(step.difference(step.cached(), step.joined()), 2e-5);
    BOOST_CHECK(follower().equal(before));
    step.model.after_step();
    BOOST_CHECK_LE(distance(follower(), before * 1.5), 1e-6);
}

BOOST_AUTO_TEST_SUITE_END()
