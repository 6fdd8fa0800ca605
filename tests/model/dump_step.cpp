// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// What a dumped step holds of a view besides its ids.
#include <span>
#include <vector>

#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/corruptors/none.hpp>
#include <bmae/edge/dump_step.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/model/bag_of_words.hpp>
#include <bmae/presets/masked_language_model.hpp>
#include <bmae/sources/neighbors.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/title_and_body.hpp>

#include "../scratch_folder.hpp"
#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(dumped_step)

using namespace bmae;

BOOST_AUTO_TEST_CASE(token_types_of_a_view_are_written_where_it_has_them) {
    using Titled = Model<BertEncoder, Pass<View<TitleAndBody, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel>>;
    test::ScratchFolder scratch;
    test::Texts const texts({0});
    std::vector<TokenId> const text = {10, 11, 3, 20, 21, 22};   // title, [SEP], body
    Example const example{.passage = text, .document = text};
    for (bool const typed : {false, true}) {
        Titled::Options options;
        std::get<0>(options.passes).view.source.token_types = typed;
        Titled model(test::tiny(1), options);
        HostBatch const batch = model.collate({&example, 1}, texts.traits, {.max_length = 40}, {.seed = 1});
        auto const file = scratch / (typed ? "typed" : "plain");
        dump_step(model, batch, texts.traits, "titled", file);
        NamedTensors const tensors = load_tensors(file);
        BOOST_REQUIRE_EQUAL(tensors.contains("passes.0.view.token_types"), typed);
        if (typed) {
            BOOST_CHECK(tensors.at("passes.0.view.token_types").equal(at::tensor({0, 0, 0, 0, 1, 1, 1, 1}, at::kByte)));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_bag_of_another_text_is_written_with_its_view_and_its_weights) {
    using Passages = View<Passage, NoMasker, NoCorruption>;
    using Ebar =
        Model<BertEncoder, Pass<Passages, ClsBottleneck, BagOfWords<ClsLogits, View<NextPassage, NoMasker, NoCorruption>>>>;
    test::ScratchFolder scratch;
    test::Texts const texts({0});
    std::vector<TokenId> const document = {10, 11, 20, 21, 22};
    std::span<TokenId const> const whole = document;
    Example const example{.passage = whole.first(2), .document = whole, .next = whole.subspan(2)};
    Ebar::Options options;
    std::get<0>(std::get<0>(options.passes).terms).words = BagWeights::one;
    Ebar model(test::tiny(1), options);
    dump_step(model, model.collate({&example, 1}, texts.traits, {.max_length = 40}, {.seed = 1}), texts.traits, "ebar",
              scratch / "step");
    NamedTensors const tensors = load_tensors(scratch / "step");
    BOOST_CHECK(tensors.at("passes.0.terms.0.view.original_ids").equal(at::tensor({2, 20, 21, 22, 3}, at::kLong)));
    auto const bag = nlohmann::json::parse(SafetensorsFile::open(scratch / "step").metadata().at("report")).at("terms").at(0);
    BOOST_TEST(bag.at("pooling") == "cls");
    BOOST_TEST(bag.at("words") == "one");
    BOOST_TEST(bag.at("labels") == 1);
}

BOOST_AUTO_TEST_SUITE_END()
