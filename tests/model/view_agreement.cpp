// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Values that stand in two places of a composition: obeyed where they agree, refused by path where they do not.
#include <cstdint>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/tap.hpp>
#include <bmae/edge/presets.hpp>
#include <bmae/maskers/complement.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/maskers/superset.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/view_agreement.hpp>
#include <bmae/presets/condenser.hpp>
#include <bmae/presets/cot_mae.hpp>
#include <bmae/presets/lexmae.hpp>
#include <bmae/presets/simlm.hpp>
#include <bmae/sources/queries.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(view_agreement)

namespace {

using namespace bmae;
using test::Texts;
using test::tiny;

template <class Model>
std::string refusal(typename Model::Options options) {
    try {
        Model const model(tiny(), std::move(options));
    } catch (InputError const& error) { return error.what(); }
    return "";
}

bool holds(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

template <class Model>
typename Model::Options paper() {
    return PresetHyperparameters<Model>::options({});
}

/// The first `count` tokens of content.
struct FirstTokens {
    std::size_t count = 1;
    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("count", count, "tokens to recover, from the first");
    }
    void label(MaskedText& text, TokenTraits const&) const {
        text.labels.assign(text.original_ids.size(), ignored_label);
        for (std::size_t i = 1; i + 1 < text.labels.size() && i <= count; ++i) { text.labels[i] = text.original_ids[i]; }
    }
};
static_assert(TokenLoss<FirstTokens>);

using Clean = View<Passage, NoMasker, NoCorruption>;
using Head = Model<BertEncoder, Pass<Clean, ClsBottleneck, Branch<OwnView, TapDecoder, FirstTokens>>>;
using Both = Model<BertEncoder,
    Pass<Clean, ClsBottleneck, EncoderPrediction<FirstTokens>, Branch<OwnView, TapDecoder, FirstTokens>>>;

using Halves = Model<BertEncoder,
    Pass<View<Queries, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Queries, ComplementMasker>, BasicDecoder>>>;
using Unhidden = Model<BertEncoder,
    Pass<Clean, ClsBottleneck, Branch<View<Passage, SupersetMasker>, BasicDecoder>>>;

}  // namespace

BOOST_AUTO_TEST_CASE(a_superset_has_the_rate_and_basis_of_the_encoder) {
    SimLm::Options options = paper<SimLm>();
    BOOST_TEST(refusal<SimLm>(options).empty());
    std::get<0>(options.passes).view.masker.rate = .40;
    std::string const said = refusal<SimLm>(options);
    BOOST_CHECK_MESSAGE(
        holds(said, "passes.0.terms.1.view.masker.encoder_rate and passes.0.view.masker.rate to be the same, found 0.3"), said);
    std::get<1>(std::get<0>(options.passes).terms).view.masker.encoder_rate = .40;
    BOOST_TEST(refusal<SimLm>(options).empty());
    std::get<0>(options.passes).view.masker.basis = MaskBasis::content;
    std::string const basis = refusal<SimLm>(options);
    BOOST_CHECK_MESSAGE(
        holds(basis, "passes.0.terms.1.view.masker.basis and passes.0.view.masker.basis to be the same, found all and content"),
        basis);
    std::get<1>(std::get<0>(options.passes).terms).view.masker.basis = MaskBasis::content;
    BOOST_TEST(refusal<SimLm>(options).empty());
    BOOST_TEST(refusal<LexMae>(paper<LexMae>()).empty());
    BOOST_CHECK(holds(refusal<Unhidden>({}), "found 0.3"));   // nothing is hidden from the encoder
}

BOOST_AUTO_TEST_CASE(two_spans_are_of_one_length) {
    CoCondenser::Options options = paper<CoCondenser>();
    BOOST_TEST(refusal<CoCondenser>(options).empty());
    std::get<1>(options.passes).view.source.length = 64;
    std::string const said = refusal<CoCondenser>(options);
    BOOST_CHECK_MESSAGE(
        holds(said, "passes.0.view.source.length and passes.1.view.source.length to be the same, found 126 and 64"), said);
    std::get<0>(options.passes).view.source.length = 64;
    BOOST_TEST(refusal<CoCondenser>(options).empty());
}

BOOST_AUTO_TEST_CASE(both_directions_of_a_pair_read_one_partner) {
    CotMae::Options options = paper<CotMae>();
    BOOST_TEST(refusal<CotMae>(options).empty());
    std::get<1>(options.passes).view.source.kind = PartnerKind::nearby;
    std::string const said = refusal<CotMae>(options);
    BOOST_CHECK_MESSAGE(holds(said,
                              "passes.0.terms.1.view.source.kind and passes.1.view.source.kind to be the same, found mixed "
                              "and nearby"),
                        said);
}

BOOST_AUTO_TEST_CASE(a_complement_reads_the_text_of_the_encoder) {
    Halves::Options options;
    BOOST_TEST(refusal<Halves>(options).empty());
    std::get<1>(std::get<0>(options.passes).terms).view.source.maximum = 1;
    std::string const said = refusal<Halves>(options);
    BOOST_CHECK_MESSAGE(
        holds(said, "passes.0.view.source.maximum and passes.0.terms.1.view.source.maximum to be the same, found 0 and 1"), said);
}

BOOST_AUTO_TEST_CASE(labels_of_the_own_view_are_those_of_the_options) {
    Texts const texts({12, 16});
    auto const labels = [&](auto const& model) {
        return model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1}).views[0].label_count();
    };
    BOOST_TEST(labels(Head(tiny(), Head::Options{})) == 2U);
    Head::Options head;
    std::get<0>(std::get<0>(head.passes).terms).loss.count = 5;
    BOOST_TEST(labels(Head(tiny(), head)) == 10U);

    Both::Options both;
    BOOST_TEST(labels(Both(tiny(), both)) == 2U);
    std::get<1>(std::get<0>(both.passes).terms).loss.count = 5;
    std::string const said = refusal<Both>(both);
    BOOST_CHECK_MESSAGE(holds(said, "passes.0.terms.1.loss.count to be the same, found 1 and 5"), said);
    std::vector<OptionEntry> const entries = option_entries(both);
    set_option(entries, "passes.0.terms.0.loss.count", "5");
    BOOST_TEST(labels(Both(tiny(), both)) == 10U);
}

BOOST_AUTO_TEST_SUITE_END()
