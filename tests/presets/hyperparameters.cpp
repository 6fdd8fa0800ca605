// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Presets as types: how many passes and terms the figure has, and that each hyperparameter of the paper reaches its slot.
// What the pages of docs/papers say of them is compared in tests/parity/paper_numbers.py. No model is built here.
#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/edge/presets.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/presets/bow_dpr.hpp>
#include <bmae/presets/cot_mae.hpp>
#include <bmae/presets/lexmae.hpp>
#include <bmae/presets/seed.hpp>

BOOST_AUTO_TEST_SUITE(presets)

namespace {

using namespace bmae;

using Values = std::map<std::string, OptionValue>;

template <class Options>
Values values_of(Options options) {
    Values values;
    for (OptionEntry const& entry : option_entries(options)) { values.emplace(entry.path, entry.number.value()); }
    return values;
}

template <class Model>
Values composed(typename PresetHyperparameters<Model>::type const& hyperparameters) {
    return values_of(typename Model::Options(PresetHyperparameters<Model>::options(hyperparameters)));
}

/// Another value of the same kind, one that every slot takes.
std::string other(OptionValue const& value) {
    if (auto const* const real = std::get_if<double>(&value)) { return std::to_string(*real * .5 + .125); }
    if (auto const* const whole = std::get_if<std::int64_t>(&value)) { return std::to_string(*whole + 2); }
    if (auto const* const count = std::get_if<std::uint64_t>(&value)) { return std::to_string(*count + 2); }
    if (auto const* const flag = std::get_if<bool>(&value)) { return *flag ? "0" : "1"; }
    return std::get<std::string>(value);
}

/// Passes and terms, those of all passes and those that compare passes.
template <class Model>
std::pair<std::size_t, std::size_t> counts() {
    typename Model::Options options{};
    std::size_t terms = std::tuple_size_v<std::remove_cvref_t<decltype(options.terms)>>;
    std::apply([&](auto const&... pass) { ((terms += std::tuple_size_v<std::remove_cvref_t<decltype(pass.terms)>>), ...); },
               options.passes);
    return {std::tuple_size_v<std::remove_cvref_t<decltype(options.passes)>>, terms};
}

/// Offered by one struct for several presets, without a slot in these.
std::set<std::pair<std::string_view, std::string_view>> const without_slot = {
    {"retromae-basic", "row_pool"},   // rows are the enhanced decoder's
    {"condenser", "contrast_weight"},
    {"condenser", "span_tokens"},                      // cocondenser's
    {"simcse-unsupervised", "hard_negative_weight"},   // there is no hard negative
    {"laprador", "cache"},                             // as long as both encoders learn
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_hyperparameter_reaches_the_composition) {
    for_each_preset([]<class Model>(Preset<Model> const& preset) {
        BOOST_TEST_CONTEXT(preset.name) {
            auto defaults = preset.hyperparameters;
            Values const before = composed<Model>(defaults);
            for (OptionEntry const& entry : option_entries(defaults)) {
                if (without_slot.contains({preset.name, entry.path})) { continue; }
                auto changed = preset.hyperparameters;
                set_option(changed, entry.path, other(entry.number.value()));
                BOOST_TEST((composed<Model>(changed) != before), entry.path << " changes nothing");
            }
        }
    });
}

BOOST_AUTO_TEST_CASE(passes_and_terms_of_the_figures) {
    std::map<std::string_view, std::pair<std::size_t, std::size_t>> const figures = {
        {"mlm", {1, 1}},
        {"mlm-flops", {1, 2}},
        {"retromae", {1, 2}},
        {"retromae-basic", {1, 2}},
        {"retromae-deep", {1, 2}},
        {"dupmae", {1, 3}},
        {"sentmae-nli", {3, 5}},
        {"master", {1, 6}},
        {"master-as-released", {3, 8}},
        {"simlm", {1, 2}},
        {"cot-mae", {2, 4}},
        {"cot-mae-v2", {2, 10}},
        {"cot-mae-qc", {1, 2}},
        {"condenser", {1, 2}},
        {"cocondenser", {2, 5}},
        {"seed", {1, 2}},
        {"lexmae", {1, 2}},
        {"bow-dpr", {1, 2}},
        {"tsdae", {1, 1}},
        {"contriever", {2, 1}},
        {"diffcse", {2, 2}},
        {"simcse-unsupervised", {2, 1}},
        {"simcse-supervised", {3, 1}},
        {"ict", {2, 1}},
        {"laprador", {2, 1}},
    };
    std::size_t found = 0;
    for_each_preset([&]<class Model>(Preset<Model> const& preset) {
        auto const figure = figures.find(preset.name);
        if (figure == figures.end()) { return; }
        ++found;
        BOOST_TEST((counts<Model>() == figure->second),
                   preset.name << " has " << counts<Model>().first << " passes, " << counts<Model>().second << " terms");
    });
    BOOST_TEST(found == figures.size());
}

// The papers' own values where a preset sets them.
BOOST_AUTO_TEST_CASE(values_of_single_slots) {
    Values const retromae = composed<RetroMae>({});
    BOOST_TEST(std::get<double>(retromae.at("passes.0.view.masker.rate")) == .30);
    BOOST_TEST(std::get<double>(retromae.at("passes.0.terms.1.view.masker.rate")) == .50);
    BOOST_TEST(std::get<double>(composed<BowDpr>({}).at("passes.0.terms.1.weight")) == 1.);
    BOOST_TEST(std::get<double>(composed<BowDpr>({}).at("passes.0.terms.1.weight.last")) == .1);
    BOOST_TEST(std::get<double>(composed<CotMae>({}).at("passes.0.terms.1.view.masker.rate")) == .45);
    for (char const* const term : {"1", "3"}) {   // of the pass's vector and of the other one
        std::string const branch = std::string("passes.1.terms.") + term;
        BOOST_TEST(std::get<double>(composed<CotMaeV2>({}).at(branch + ".view.masker.rate")) == .45);
        BOOST_TEST(std::get<std::int64_t>(composed<CotMaeV2>({}).at(branch + ".decoder.layers")) == 2);
    }
    BOOST_TEST(std::get<bool>(composed<MlmFlops>({}).at("passes.0.bottleneck.saturated")));
    BOOST_TEST(std::get<double>(composed<MlmFlops>({}).at("passes.0.terms.1.weight.last")) == .002);
    BOOST_TEST(std::get<double>(composed<Tsdae>({}).at("passes.0.view.corruptor.rate")) == .6);
    BOOST_TEST(std::get<double>(composed<LexMae>({}).at("passes.0.view.masker.rate")) == .30);
    BOOST_TEST(std::get<double>(composed<Seed>({.ratio = .25}).at("passes.0.terms.0.weight")) == .25);
    BOOST_TEST(std::get<double>(composed<Seed>({.ratio = .25}).at("passes.0.terms.1.weight")) == .75);
}

// The third pass of MASTER as released masks half of the text for the encoder, so that its complement is the other half.
BOOST_AUTO_TEST_CASE(the_complementary_pair_of_master_as_released_is_two_halves) {
    for (double const rate : {.30, .15}) {
        Values const values = composed<MasterAsReleased>({.encoder_mask = rate});
        BOOST_TEST(std::get<double>(values.at("passes.0.view.masker.rate")) == rate);
        BOOST_TEST(std::get<double>(values.at("passes.1.view.masker.rate")) == rate);
        BOOST_TEST(std::get<double>(values.at("passes.2.view.masker.rate")) == .50);
        BOOST_TEST(std::get<std::string>(values.at("passes.2.view.masker.basis")) == "inner");
        BOOST_TEST(std::get<bool>(values.at("passes.2.view.masker.skip_specials")));
        BOOST_TEST(std::get<double>(composed<Master>({.encoder_mask = rate}).at("passes.0.view.masker.rate")) == rate);
    }
}

// A derived composition is the type that is spelled out.
BOOST_AUTO_TEST_CASE(ablations_of_master_are_what_is_left) {
    using Words = View<Passage, WholeWordMasker, MaskOnly>;
    using WithoutCpr = Model<BertEncoder,
        Pass<Words, ClsBottleneck, MaskedLanguageModel,
            Branch<View<NextPassage,  KeywordMasker,   MaskOnly>, BasicDecoder>,
            Branch<View<Queries,      WholeWordMasker, MaskOnly>, BasicDecoder>,
            Branch<View<Continuation, WholeWordMasker, MaskOnly>, BasicDecoder>>>;
    using ReleasedWithoutCpr = Model<BertEncoder,
        Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
            Branch<View<Queries,      WholeWordMasker>, BasicDecoder>,
            Branch<View<Continuation, WholeWordMasker>, BasicDecoder>>,
        Pass<View<FirstHalf, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
            Branch<View<SecondHalf,   KeywordMasker>,   BasicDecoder>>>;
    static_assert(std::is_same_v<MasterWithoutCpr, WithoutCpr>);
    static_assert(std::is_same_v<MasterAsReleasedWithoutCpr, ReleasedWithoutCpr>);
    static_assert(std::is_same_v<WithDecoder<MasterSharedDecoder, Shared<"basic", BasicDecoder>, BasicDecoder>, Master>);
    BOOST_TEST((counts<MasterWithoutRpr>() == std::pair<std::size_t, std::size_t>(1, 5)));
    BOOST_TEST((counts<MasterWithoutPor>() == std::pair<std::size_t, std::size_t>(1, 4)));
    BOOST_TEST((counts<MasterAsReleasedWithoutRpr>() == std::pair<std::size_t, std::size_t>(2, 6)));
    BOOST_TEST((counts<MasterAsReleasedWithoutPor>() == std::pair<std::size_t, std::size_t>(3, 6)));
    BOOST_TEST((counts<MasterAsReleasedWithoutMkp>() == std::pair<std::size_t, std::size_t>(3, 7)));
    BOOST_TEST((counts<MasterAsReleasedSharedDecoder>() == std::pair<std::size_t, std::size_t>(3, 8)));
}

BOOST_AUTO_TEST_CASE(names_are_one_each_and_unknown_ones_list_them) {
    std::vector<std::string> const names = preset_names();
    BOOST_TEST(std::set<std::string>(names.begin(), names.end()).size() == names.size());
    for (std::string const& name : names) {
        require_preset(name);
        std::size_t visits = 0;
        with_preset(name, [&](auto const& preset) { visits += preset.name == name && !preset.citation.empty() ? 1U : 0U; });
        BOOST_TEST(visits == 1U);
    }
    try {
        require_preset("retro-mae");
        BOOST_ERROR("an unknown name was accepted");
    } catch (InputError const& error) {
        BOOST_TEST((error.diagnostic().found.find("retro-mae") != std::string::npos));
        for (std::string const& name : names) { BOOST_TEST((error.diagnostic().hint.find(name) != std::string::npos)); }
    }
}

BOOST_AUTO_TEST_SUITE_END()
