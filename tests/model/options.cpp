// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Numbers of a composition by path, weights that move over a run, and what a composition refuses when it is made.
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/lexical.hpp>
#include <bmae/bottlenecks/projected.hpp>
#include <bmae/bottlenecks/reduced.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/edge/presets.hpp>
#include <bmae/losses/label_smoothing.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/model/cached_contrast.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/flops_regularizer.hpp>
#include <bmae/model/queue_contrast.hpp>
#include <bmae/presets/contriever.hpp>
#include <bmae/presets/inverse_cloze.hpp>
#include <bmae/presets/master.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/values/option.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(numbers)

namespace {

using namespace bmae;
using test::Texts;
using test::tiny;

template <class Model>
std::map<std::string, OptionValue> numbers_in(Model const& model) {
    std::map<std::string, OptionValue> numbers;
    for (auto const& [path, value] : model.option_values()) { BOOST_CHECK_MESSAGE(numbers.emplace(path, value).second, path); }
    return numbers;
}

template <class Call>
std::string message(Call&& call) {
    try {
        call();
    } catch (InputError const& error) { return error.what(); }
    return "";
}

bool holds(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

using Plain = View<Passage, NoMasker, NoCorruption>;
using Words = Model<BertEncoder, Pass<Plain, LexicalBottleneck, FlopsRegularizer>>;

/// A masker of a user who offers no number: it composes all the same.
struct EveryThird {
    std::size_t offset = 0;
    MaskFlags draw(TokenSpan text, Draw&) const {
        MaskFlags flags(text.size(), 0);
        for (std::size_t i = 1 + offset; i + 1 < text.size(); i += 3) { flags[i] = 1; }
        return flags;
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_number_of_master_is_reached_by_its_path) {
    MasterAsReleased::Options options = PresetHyperparameters<MasterAsReleased>::options({});
    std::vector<OptionEntry> const list = option_entries(options);
    for (OptionEntry const& entry : list) { BOOST_CHECK_MESSAGE(!entry.meaning.empty(), entry.path); }
    set_option(list, "passes.2.view.masker.rate", ".4");
    set_option(list, "passes.2.terms.1.view.masker.cap", "0.25");
    set_option(list, "passes.0.terms.1.view.masker.floor", "1e-3");
    set_option(list, "passes.1.view.corruptor.mask_share", ".7");
    set_option(list, "passes.0.terms.2.decoder.layers", "3");
    set_option(list, "passes.0.terms.2.weight", "2");
    set_option(list, "passes.0.terms.2.label_smoothing", ".1");
    set_option(list, "passes.0.terms.1.view.masker.weighting", "tf_idf");
    set_option(list, "reduction", "pooled_tokens");
    set_option(list, "random_window", "0");
    BOOST_CHECK_EQUAL(std::get<2>(options.passes).view.masker.rate, .4);
    BOOST_CHECK_EQUAL(std::get<1>(std::get<2>(options.passes).terms).view.masker.cap, .25);
    BOOST_CHECK_EQUAL(std::get<1>(std::get<0>(options.passes).terms).view.masker.floor, 1e-3);
    BOOST_CHECK_EQUAL(std::get<1>(options.passes).view.corruptor.mask_share, .7);
    BOOST_CHECK_EQUAL(std::get<2>(std::get<0>(options.passes).terms).decoder.layers, 3);
    BOOST_CHECK_EQUAL(std::get<2>(std::get<0>(options.passes).terms).weight.at(.5), 2);
    BOOST_CHECK(std::get<1>(std::get<0>(options.passes).terms).view.masker.weighting == KeywordWeighting::tf_idf);
    BOOST_CHECK(options.reduction == Reduction::pooled_tokens && !options.random_window);

    MasterAsReleased const model(tiny(), options);
    auto const numbers = numbers_in(model);
    BOOST_CHECK(numbers.at("passes.2.view.masker.rate") == OptionValue(.4));
    BOOST_CHECK(numbers.at("passes.0.terms.1.view.masker.sampling") == OptionValue(std::string("released_rounds")));
    BOOST_CHECK(!numbers.contains("momentum") && !numbers.contains("alternate"));   // no such tower
}

// A path of a part's numbers begins as the names of its parameters do.
BOOST_AUTO_TEST_CASE(paths_mirror_the_names_of_parameters) {
    RetroMae model(tiny());
    auto const numbers = numbers_in(model);
    std::set<std::string> roots;
    model.for_each_parameter([&](std::string const& name, at::Tensor&, bool) {
        if (name.starts_with("passes.")) { roots.insert(name.substr(0, name.find(".layer."))); }
    });
    BOOST_REQUIRE(!roots.empty());
    for (std::string const& root : roots) { BOOST_CHECK_MESSAGE(numbers.contains(root + ".layers"), root); }
    BOOST_CHECK(numbers.at("passes.0.terms.1.view.masker.pool_cap") == OptionValue(std::uint64_t{256}));
    BOOST_CHECK(!numbers.contains("passes.0.terms.1.view.corruptor.mask_share"));   // row masks corrupt nothing

    auto const queue = numbers_in(Contriever(tiny(), ContrieverHyperparameters{.queue_size = 8}));
    BOOST_CHECK(queue.at("terms.0.temperature") == OptionValue(.05));
    BOOST_CHECK(queue.at("terms.0.queue") == OptionValue(std::int64_t{8}));
    BOOST_CHECK(queue.at("momentum") == OptionValue(.9995));
    BOOST_CHECK(queue.at("passes.1.view.source.maximum_share") == OptionValue(.5));
}

BOOST_AUTO_TEST_CASE(what_is_no_path_or_no_number_is_told) {
    RetroMae::Options options;
    std::vector<OptionEntry> const list = option_entries(options);
    std::string const unknown = message([&] { set_option(list, "passes.0.view.masker.rat", ".3"); });
    BOOST_CHECK_MESSAGE(holds(unknown, "most similar first: passes.0.view.masker.rate, "), unknown);
    for (OptionEntry const& entry : list) { BOOST_CHECK_MESSAGE(holds(unknown, entry.path), entry.path); }
    BOOST_CHECK(holds(message([&] { set_option(list, "passes.0.view.masker.rate", "much"); }),
                      "a finite number for passes.0.view.masker.rate"));
    BOOST_CHECK(holds(message([&] { set_option(list, "passes.0.view.masker.minimum", "-1"); }), "at least 0"));
    BOOST_CHECK(holds(message([&] { set_option(list, "passes.0.view.masker.basis", "most"); }), "one of all, inner, content"));
    BOOST_CHECK(holds(message([&] { set_option(list, "random_window", "2"); }), "0 or 1"));
    // In range or not is the slot's to say.
    set_option(list, "passes.0.terms.1.decoder.layers", "-1");
    BOOST_CHECK(holds(message([&] { RetroMae(tiny(), options); }), "at least 0 layers"));
    set_option(list, "passes.0.terms.1.decoder.layers", "1");
    set_option(list, "passes.0.terms.0.weight.until", "0");
    BOOST_CHECK(holds(message([&] { RetroMae(tiny(), options); }), "within (0, 1]"));
    set_option(list, "passes.0.terms.0.weight.until", "1");
    set_option(list, "passes.0.terms.0.label_smoothing", "1");
    BOOST_CHECK(holds(message([&] { RetroMae(tiny(), options); }), "label_smoothing"));
}

BOOST_AUTO_TEST_CASE(own_policies_need_not_offer_numbers) {
    using Mine = Model<BertEncoder, Pass<View<Passage, EveryThird>, ClsBottleneck, MaskedLanguageModel>>;
    auto const numbers = numbers_in(Mine(tiny()));
    BOOST_CHECK(numbers.contains("passes.0.view.corruptor.mask_share"));
    BOOST_CHECK(!numbers.contains("passes.0.view.masker.offset"));
}

BOOST_AUTO_TEST_CASE(weights_follow_their_course) {
    auto const close = [](double a, double b) { BOOST_CHECK_SMALL(a - b, 1e-12); };
    close(TermWeight(.7).at(.9), .7);
    TermWeight const linear(1, {.schedule = WeightSchedule::linear, .last = .2, .until = .5});
    close(linear.at(0), 1), close(linear.at(.25), .6), close(linear.at(.5), .2), close(linear.at(1), .2);
    TermWeight const cosine(1, {.schedule = WeightSchedule::cosine, .last = .1});
    close(cosine.at(.5), .55), close(cosine.at(1. / 3), .1 + .9 * .75);
    TermWeight const quadratic(0, {.schedule = WeightSchedule::quadratic, .last = .008, .until = .5});
    close(quadratic.at(.25), .002), close(quadratic.at(.5), .008), close(quadratic.at(.8), .008);
}

// Every kind of term has one: here the encoder's and a branch.
BOOST_AUTO_TEST_CASE(weights_of_all_terms_move) {
    Texts const texts({12, 20});
    RetroMae::Options options;
    auto& terms = std::get<0>(options.passes).terms;
    std::get<0>(terms).weight = {1, {.schedule = WeightSchedule::linear, .last = 0}};
    std::get<1>(terms).weight = {0, {.schedule = WeightSchedule::quadratic, .last = 2}};
    RetroMae model(tiny(1), options);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context{.progress = .5};
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    BOOST_CHECK_EQUAL(loss.terms[0].weight, .5);
    BOOST_CHECK_EQUAL(loss.terms[1].weight, .5);
    BOOST_CHECK_CLOSE(loss.total.item<double>(), .5 * (loss.terms[0].loss + loss.terms[1].loss).item<double>(), 1e-3);
}

// Against a loop over the rows of one term; the other one has none.
BOOST_AUTO_TEST_CASE(label_smoothing_of_a_term_equals_a_loop) {
    Texts const texts({12, 20});
    RetroMae plain(tiny(1));
    RetroMae::Options options;
    std::get<1>(std::get<0>(options.passes).terms).label_smoothing = .2;
    std::get<1>(std::get<0>(options.passes).terms).weight = 3;
    RetroMae smooth(tiny(1), options);
    HostBatch const batch = smooth.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context;
    test::need_gradients(smooth);
    ModelLoss const loss = smooth.forward(batch, context, batch.term_labels);

    at::Tensor const word = smooth.encoder().embeddings.word.detach();
    at::Tensor hidden;
    smooth.for_each_pass([&](auto& pass, std::size_t) {
        PackedInput const input = to_tensors(batch.views[0], at::kCPU);
        PackedInput const view = to_tensors(batch.views[1], at::kCPU);
        ForwardContext again;
        Encoded const encoded = smooth.encoder().encode(input, again, false);
        at::Tensor const sentence = pass.pool(encoded, input, smooth.encoder());
        PassState<BertEncoder> state{
            .input = input, .encoded = encoded, .sentence = sentence, .encoder = smooth.encoder(), .context = again};
        pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
            if constexpr (Term::has_view) { hidden = smooth.encoder().head.transform(term.rows(state, view).rows).detach(); }
        });
    });
    at::Tensor const logits = (at::mm(hidden, word.t()) + smooth.encoder().head.bias.detach()).to(at::kDouble);
    at::Tensor const logs = at::log_softmax(logits, 1);
    double sum = 0;
    std::int64_t row = 0;
    for (TokenId const label : batch.views[1].labels) {
        if (label == ignored_label) { continue; }
        double spread = 0;
        for (std::int64_t v = 0; v < test::vocabulary; ++v) { spread += logs[row][v].item<double>(); }
        sum -= .8 * logs[row][label].item<double>() + .2 * spread / static_cast<double>(test::vocabulary);
        ++row;
    }
    BOOST_CHECK_CLOSE(loss.terms[1].loss.item<double>(), sum / static_cast<double>(row), 1e-3);
    BOOST_CHECK_CLOSE(loss.total.item<double>(), (loss.terms[0].loss + loss.terms[1].loss * 3).item<double>(), 1e-3);
    ForwardContext other;
    BOOST_CHECK_CLOSE(loss.terms[0].loss.item<double>(),
                      plain.forward(batch, other, batch.term_labels).terms[0].loss.item<double>(), 1e-3);

    // The gradient at the output bias, by the framework's own smoothed cross-entropy and the plain one of the other term.
    loss.total.backward();
    at::Tensor const found = smooth.encoder().head.bias.grad().clone();
    at::Tensor const leaf = logits.detach().requires_grad_(true);
    at::Tensor const labels = to_tensors(batch.views[1], at::kCPU).labels;
    (at::cross_entropy_loss(leaf, labels, {}, /*reduction=mean*/ 1, -100, .2) * 3).backward();
    test::need_gradients(plain);
    ForwardContext third;
    ModelLoss const both = plain.forward(batch, third, batch.term_labels);
    both.total.backward();
    at::Tensor const leaf_plain = logits.detach().requires_grad_(true);
    at::cross_entropy_loss(leaf_plain, labels, {}, 1).backward();
    at::Tensor const expected = plain.encoder().head.bias.grad() - leaf_plain.grad().sum(0) + leaf.grad().sum(0);
    BOOST_CHECK_LE(test::distance(found.to(at::kDouble), expected.to(at::kDouble)), 1e-6);
}

BOOST_AUTO_TEST_CASE(flops_of_lexical_vectors_by_hand) {
    Texts const texts({12, 20, 7});
    Words model(tiny(1));
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    BOOST_CHECK_EQUAL(batch.term_labels[0], 3);
    PackedInput const input = to_tensors(batch.views[0], at::kCPU);
    ForwardContext context{.progress = 1. / 6};
    Encoded const encoded = model.encoder().encode(input, context, false);
    at::Tensor vectors;
    model.for_each_pass([&](auto& pass, std::size_t) { vectors = pass.pool(encoded, input, model.encoder()).detach(); });
    double expected = 0;
    for (std::int64_t v = 0; v < vectors.size(1); ++v) {
        double mean = 0;
        for (std::int64_t b = 0; b < 3; ++b) { mean += std::abs(vectors[b][v].item<double>()) / 3; }
        expected += mean * mean;
    }
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    BOOST_CHECK_CLOSE(loss.terms[0].loss.item<double>(), expected, 1e-3);
    BOOST_CHECK_CLOSE(loss.terms[0].weight, .0005, 1e-6);   // half way to the third of the run: a quarter of .002
    BOOST_CHECK_CLOSE(loss.total.item<double>(), .0005 * expected, 1e-3);
}

// ---- widths and turns ----------------------------------------------------------------------------------------------------------

static_assert(!detail::widths_fit<BertEncoder, Pass<Plain, Reduced<>>, QueueContrast>());
static_assert(!detail::widths_fit<BertEncoder, Pass<Plain, LexicalBottleneck>, CachedContrast>());
static_assert(!detail::widths_fit<BertEncoder, Pass<Plain, ClsBottleneck>, Pass<Plain, Reduced<>>, ProjectedContrast>());
static_assert(detail::widths_fit<BertEncoder, Pass<Plain, ClsBottleneck>, QueueContrast, CachedContrast, ProjectedContrast>());
static_assert(detail::widths_fit<BertEncoder, Pass<Plain, Reduced<>>, Contrast>());

BOOST_AUTO_TEST_CASE(passes_of_unequal_width_are_refused) {
    using Unequal = Model<BertEncoder, Pass<Plain, LexicalBottleneck>, Pass<Plain, ClsBottleneck>, Contrast>;
    std::string const found = message([] { Unequal(tiny(1)); });
    BOOST_CHECK_MESSAGE(holds(found, "60 in passes.0 and 16 in passes.1"), found);
}

BOOST_AUTO_TEST_CASE(towers_that_share_a_parameter_take_no_turns) {
    using Joined = Projected<ClsBottleneck, BatchNormProjection>;
    using Towers = Model<BertEncoder, Pass<Plain, Joined>, SecondPass<Plain, Joined>, Contrast>;
    Towers const at_once(tiny(1));
    std::string const found = message([] { Towers(tiny(1), Towers::Options{.alternate = 2}); });
    BOOST_CHECK_MESSAGE(holds(found, "share no parameter") && holds(found, "shared.projection"), found);
}

BOOST_AUTO_TEST_SUITE_END()
