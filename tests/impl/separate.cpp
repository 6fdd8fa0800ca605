// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The compiled form of the library, as a program uses it; the header-only form is that of tests/newcomer and tests/linking.
// sees no precompiled headers: it checks which headers a program of models includes
#include <bmae/edge/pretrain.hpp>
#include <bmae/presets/retromae.hpp>

#if !defined(BMAE_SEPARATE_COMPILATION) || defined(BMAE_DEFINITIONS) || defined(BMAE_TORCH_DEFINITIONS)
#error "This program is to see declarations alone."
#endif
#if defined(INCLUDE_NLOHMANN_JSON_HPP_)
#error "A header of a model or of the trainer includes all of JSON."
#endif

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>

#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/detail/bind_model.hpp>
#include <bmae/edge/composed_objective.hpp>
#include <bmae/maskers/none.hpp>

#include "model/invented_store.hpp"
#include "scratch_folder.hpp"

using namespace bmae;

BOOST_AUTO_TEST_SUITE(separate)

namespace {

BertConfig small(TokenStore const& corpus) {
    BertConfig config;
    config.vocab_size = static_cast<std::int64_t>(corpus.traits().size());
    config.hidden_size = 16;
    config.num_hidden_layers = 1;
    config.num_attention_heads = 2;
    config.intermediate_size = 32;
    config.max_position_embeddings = 64;
    return config;
}

}  // namespace

/// A preset whose training is in the library, and a composition of one's own around it.
BOOST_AUTO_TEST_CASE(presets_and_own_compositions_are_trained) {
    test::ScratchFolder const scratch;
    TokenStore const corpus = test::invented_store(scratch / "corpus");
    TrainerOptions const options{.steps = 3, .batch = {.tokens = 0, .examples = 4}, .output = scratch / "run"};
    RetroMae model(small(corpus));
    TrainResult const result = pretrain(model, corpus, options, {}, {.log = nullptr});
    BOOST_TEST(result.step == 3U);
    BOOST_TEST(std::filesystem::exists(result.checkpoint / "model.safetensors"));

    using Own =
        Model<BertEncoder, Pass<View<Passage, NoMasker>, ClsBottleneck, Branch<View<Passage, RowVisibility>, EnhancedDecoder>>>;
    Own own(small(corpus));
    TrainerOptions unsaved = options;
    unsaved.output.clear();
    TrainResult const trained = pretrain(own, corpus, unsaved, {}, {.log = nullptr});
    BOOST_TEST_REQUIRE(trained.terms.size() == 1U);
    BOOST_TEST(std::isfinite(trained.terms[0].loss));
}

/// What `pretrain` trains by the library's code is what a program binds itself.
BOOST_AUTO_TEST_CASE(the_library_binds_the_same_objective) {
    test::ScratchFolder const scratch;
    TokenStore const corpus = test::invented_store(scratch / "corpus");
    auto const model = std::make_shared<RetroMae>(small(corpus));
    auto const bound = detail::bind_model<RetroMae, TokenStore>(model, corpus, {.max_length = 36}, "retromae", {});
    ComposedObjective<RetroMae> const here(model, corpus, {.max_length = 36}, "retromae");
    BOOST_TEST(bound->description() == here.description());
    BOOST_TEST(bound->composition() == here.composition());
}

BOOST_AUTO_TEST_SUITE_END()
