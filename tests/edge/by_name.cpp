// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// From the name of a preset and texts of options to an objective. One preset is compiled here; tests/parity/presets_parity.py asks the
// program for all of them.
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <boost/test/unit_test.hpp>

#include <bmae/edge/make_pretraining.hpp>
#include <bmae/presets/masked_language_model.hpp>

#include "../scratch_folder.hpp"
#include "store.hpp"

BOOST_AUTO_TEST_SUITE(by_name)

namespace {

using namespace bmae;

using Mlm = PlainMaskedLanguageModel;

bool holds(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

BertEncoder tiny_encoder(TokenStore const& store) {
    BertConfig config = BertConfig::of_size(1, 16);
    config.vocab_size = static_cast<std::int64_t>(store.traits().size());
    config.num_attention_heads = 2;
    config.max_position_embeddings = 40;
    return BertEncoder(config, 1);
}

template <class Call>
Diagnostic refusal(Call&& call) {
    try {
        call();
    } catch (InputError const& error) { return error.diagnostic(); }
    BOOST_ERROR("nothing was refused");
    return {};
}

}  // namespace

BOOST_AUTO_TEST_CASE(options_by_the_name_of_the_paper_and_by_path) {
    auto const rate = [](std::map<std::string, std::string> const& texts) {
        return std::get<0>(options_of<Mlm>({}, texts).passes).view.masker.rate;
    };
    BOOST_TEST(rate({}) == .30);
    BOOST_TEST(rate({{"encoder_mask", ".15"}}) == .15);
    BOOST_TEST(rate({{"passes.0.view.masker.rate", ".2"}}) == .2);
    BOOST_TEST(rate({{"encoder_mask", ".15"}, {"passes.0.view.masker.rate", ".2"}}) == .2);   // a path comes after the names
    Diagnostic const unknown = refusal([&] { rate({{"encoder_mast", ".15"}}); });
    BOOST_TEST(holds(unknown.found, "encoder_mast"));
    BOOST_TEST(holds(unknown.hint, "encoder_mask"));   // both kinds of name are told
    BOOST_TEST(holds(unknown.hint, "passes.0.view.masker.rate"));
    BOOST_TEST(unknown.hint.find("encoder_mask") < unknown.hint.find("passes.0.view"));   // the nearest first
    BOOST_TEST(holds(refusal([&] { rate({{"encoder_mask", "much"}}); }).found, "much"));
}

BOOST_AUTO_TEST_CASE(a_preset_around_an_encoder) {
    test::ScratchFolder const scratch;
    TokenStore const store = test::invented_store(scratch / "store", {3, 3, 3, 3}, 0);
    BertEncoder const encoder = tiny_encoder(store);
    PretrainingRequest request{.preset = "mlm", .overrides = {{"encoder_mask", ".5"}}, .settings = {.max_length = 14}};
    std::unique_ptr<AnyModel> const objective = make_pretraining(Preset<Mlm>{"mlm", "", {}}, request, encoder, store);
    BOOST_REQUIRE(objective != nullptr);
    BOOST_TEST(objective->preset() == "mlm");
    BOOST_TEST(holds(objective->composition(), "masked_language_model"));
    std::size_t const first = 0;
    HostBatch const batch = objective->collate(std::span(&first, 1), {.seed = 1});
    std::size_t labeled = 0;
    for (TokenId const label : batch.views.at(0).labels) { labeled += label != ignored_label ? 1U : 0U; }
    BOOST_TEST(labeled == 7U);   // half of 12 tokens, [CLS] and [SEP]

    // What a slot refuses when it draws is told before the run.
    request.overrides = {{"encoder_mask", "1.5"}};
    BOOST_TEST(holds(refusal([&] { make_pretraining(Preset<Mlm>{"mlm", "", {}}, request, encoder, store); }).found, "1.5"));
    // An encoder of another vocabulary than the corpus.
    BertConfig small = BertConfig::of_size(1, 16);
    small.vocab_size = 5;
    small.num_attention_heads = 2;
    request.overrides = {};
    refusal([&] { make_pretraining(Preset<Mlm>{"mlm", "", {}}, request, BertEncoder(small, 1), store); });
}

BOOST_AUTO_TEST_SUITE_END()
