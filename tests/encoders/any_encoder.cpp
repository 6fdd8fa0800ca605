// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Any encoder as one type: the same numbers, and what an encoder lacks is told before the first step.
#include <bmae/concepts/encoder_inference.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/bert_family.hpp>
#include <bmae/encoders/encoder_description.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/encoders/encoder_role.hpp>
#include <bmae/encoders/stored_family.hpp>

#include <map>
#include <string>
#include <vector>

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/decoders/full_depth.hpp>
#include <bmae/decoders/tied.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/presets/contriever.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/retrieval/any_text_model.hpp>

#include "../concepts/poor_encoder.hpp"
#include "../model/tiny.hpp"
#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(any_encoder)

namespace {

using namespace bmae;
using bmae_test::HeadlessEncoder;
using bmae_test::PoorEncoder;

template <class Action>
Diagnostic refusal(Action&& action) {
    try {
        action();
    } catch (InputError const& error) { return error.diagnostic(); }
    BOOST_ERROR("nothing was refused");
    return {};
}

bool contains(std::string const& text, std::string const& part) { return text.find(part) != text.npos; }

/// Losses, gradients and what moves without one, of two steps in training.
struct Step {
    std::vector<std::string> names = {};
    std::vector<at::Tensor> gradients = {};
    std::map<std::string, at::Tensor> state = {};
    std::vector<double> totals = {};
    std::string composition = {};
};

template <class M>
Step steps_of(M& model, std::size_t max_length = 24) {
    test::Texts const texts({9, 14, 11, 8});
    test::need_gradients(model);
    Step step{.composition = model.composition()};
    model.for_each_parameter([&](std::string const& name, at::Tensor&, bool) { step.names.push_back(name); });
    for (std::uint64_t number = 0; number < 2; ++number) {
        HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = max_length}, {.seed = number});
        ForwardContext context{.training = true, .seed = 5 + number};
        ModelLoss const loss = model.forward(batch, context, batch.term_labels);
        step.totals.push_back(loss.total.template item<double>());
        loss.total.backward();
        model.after_step();
    }
    step.gradients = test::take_gradients(model);
    model.for_each_state([&](std::string const& name, at::Tensor& value) { step.state[name] = value.clone(); });
    return step;
}

/// The preset over BERT, and over BERT as any encoder.
template <class M>
void runs_alike() {
    M typed(BertEncoder(test::tiny(), 3), PresetHyperparameters<M>::options({}), 1);
    using Erased = WithEncoder<M, AnyEncoder>;
    Erased erased(BertEncoder(test::tiny(), 3), PresetHyperparameters<Erased>::options({}), 1);
    Step const expected = steps_of(typed);
    Step const found = steps_of(erased);
    BOOST_TEST(found.composition == expected.composition);
    BOOST_TEST(found.composition.starts_with("bert; "));
    BOOST_TEST(found.names == expected.names, boost::test_tools::per_element());
    BOOST_TEST(found.totals == expected.totals, boost::test_tools::per_element());
    BOOST_REQUIRE(found.gradients.size() == expected.gradients.size());
    for (std::size_t i = 0; i < found.gradients.size(); ++i) {
        BOOST_CHECK_MESSAGE(found.gradients[i].equal(expected.gradients[i]), found.names[i]);
    }
    BOOST_REQUIRE(found.state.size() == expected.state.size());
    for (auto const& [name, value] : expected.state) { BOOST_CHECK_MESSAGE(found.state.at(name).equal(value), name); }
}

BertConfig config_of(ModelType type) {
    BertConfig config = test::tiny();
    config.model_type = type;
    if (is_roberta(type)) { config.pad_token_id = 1; }
    if (type == ModelType::electra) { config.embedding_size = 8; }
    if (type == ModelType::distilbert) { config.type_vocab_size = 0; }
    return config;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_preset_gives_the_same_bits_over_any_encoder) {
    runs_alike<RetroMae>();
    runs_alike<Contriever>();   // a momentum encoder and a queue: state, and tensors that visitors exchange
}

BOOST_AUTO_TEST_CASE(copies_share_tensors_and_keep_their_own_handles) {
    AnyEncoder first = BertEncoder(test::tiny(), 3);
    AnyEncoder second = first;
    BOOST_TEST(second.embeddings.word.is_same(first.embeddings.word));
    BOOST_REQUIRE(first.as<BertEncoder>() != nullptr);
    BOOST_TEST(first.as<PoorEncoder>() == nullptr);
    BOOST_TEST(first.embeddings.word.is_same(first.as<BertEncoder>()->embeddings.word));
    second.for_each_parameter("", [](std::string const&, at::Tensor& value, bool) { value = at::zeros_like(value); });
    BOOST_TEST(second.embeddings.word.abs().sum().item<double>() == 0);   // the facade follows the visitor
    BOOST_TEST(second.head.bias.is_same(second.as<BertEncoder>()->head.bias));
    BOOST_TEST(first.embeddings.word.abs().sum().item<double>() > 0);

    first = second;
    BOOST_TEST(first.embeddings.word.is_same(second.embeddings.word));
    first = PoorEncoder({}, 1);
    BOOST_TEST(first.held_name() == "poor");
    BOOST_TEST(first.embeddings.word.is_same(first.as<PoorEncoder>()->embeddings.word));
    AnyEncoder const moved = std::move(first);
    BOOST_TEST(moved.embeddings.word.is_same(moved.as<PoorEncoder>()->embeddings.word));
    AnyEncoder const deep = deep_copy(second);
    BOOST_TEST(!deep.embeddings.word.is_same(second.embeddings.word));
}

BOOST_AUTO_TEST_CASE(options_make_an_encoder_of_their_family) {
    AnyEncoder const made(AnyEncoder::Options::of<BertEncoder>(test::tiny()), 3);
    BOOST_TEST(made.embeddings.word.equal(BertEncoder(test::tiny(), 3).embeddings.word));
    BOOST_TEST((made.shape() == test::tiny().shape()));
    BOOST_TEST(refusal([] { AnyEncoder const none(AnyEncoder::Options(), 3); }).expected == "options of an encoder");
}

BOOST_AUTO_TEST_CASE(what_an_encoder_lacks_is_told_when_a_model_is_built) {
    AnyEncoder const headless = HeadlessEncoder({}, 1);
    for (EncoderRole const role :
         {EncoderRole::token_head, EncoderRole::position_table, EncoderRole::rows, EncoderRole::layer_stack}) {
        BOOST_TEST(!headless.has(role));
        BOOST_TEST(AnyEncoder(BertEncoder(test::tiny(), 1)).has(role));
    }
    using Erased = WithEncoder<RetroMae, AnyEncoder>;
    Diagnostic const positions = refusal([&] { Erased const model(headless, Erased::Options(), 1); });
    BOOST_TEST(positions.expected ==
               "an encoder with a table of positions (HasPositionTable), which passes.0.terms.1.decoder (enhanced) needs");
    BOOST_TEST(positions.found == "the encoder headless, which has none");
    BOOST_TEST(contains(positions.hint, "retromae-basic"));
    using Basic = WithEncoder<RetroMaeBasic, AnyEncoder>;
    Diagnostic const head = refusal([&] { Basic const model(headless, Basic::Options(), 1); });
    BOOST_TEST(
        contains(head.expected, "a language-model head (HasTokenHead), which passes.0.terms.0 (masked_language_model) needs"));
    BOOST_TEST(contains(refusal([&] { FullDepthDecoder const decoder({}, headless, 1, "d"); }).expected, "EncodesRows"));
    BOOST_TEST(contains(refusal([&] { TiedDecoder const decoder({}, headless, 1, "d"); }).expected, "HasLayerStack"));
    // A type that the compiler knows is not asked again.
    require_role(BertEncoder(test::tiny(), 1), EncoderRole::rows, "d", "tied");
}

BOOST_AUTO_TEST_CASE(every_family_is_read_by_the_name_in_its_config) {
    for (ModelType const type : model_types) {
        BOOST_TEST_CONTEXT(to_string(type)) {
            test::ScratchFolder const scratch;
            AnyEncoder const encoder = BertEncoder(config_of(type), 3);
            save_encoder(scratch / "folder", encoder, /*with_head=*/true,
                         [](std::filesystem::path const& folder) { detail::write_file(folder / "more.txt", "more"); });
            BOOST_TEST(detail::read_file(scratch / "folder" / "more.txt") == "more");
            AnyEncoder const loaded = load_encoder(scratch / "folder", 0, TokenHead::required);
            BOOST_TEST(stores_token_head(scratch / "folder"));
            BOOST_TEST(loaded.embeddings.word.equal(encoder.embeddings.word));
            BOOST_TEST(describe_encoder(loaded) == describe_encoder(encoder));
            BOOST_TEST(describe_encoder(loaded)["model_type"] == to_string(type));
            BOOST_TEST(encoder_title(loaded) == title(type));
            BOOST_TEST(folder_title(scratch / "folder") == title(type));

            // A checkpoint: the config, and the parameters by their own names among those of other parts.
            detail::write_file(scratch / "config.json", encoder_config_text(encoder, true));
            NamedTensors parameters{{"passes.0.terms.1.decoder.layer.0.output.dense.bias", at::zeros({1})}};
            AnyEncoder copy = encoder;
            copy.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) { parameters[name] = value; });
            AnyEncoder const resumed = encoder_from_parameters(scratch / "config.json", parameters, "checkpoint");
            BOOST_TEST(resumed.head.bias.equal(encoder.head.bias));
            AnyEncoder const fresh(read_encoder_config(scratch / "config.json"), 3);
            BOOST_TEST(fresh.embeddings.word.equal(encoder.embeddings.word));
            AnyEncoder const dropped = with_dropout(loaded, .25);
            BOOST_TEST(dropped.shape().hidden_dropout == .25);
            BOOST_TEST(dropped.embeddings.word.equal(loaded.embeddings.word));
            BOOST_TEST(!dropped.embeddings.word.is_same(loaded.embeddings.word));
        }
    }
}

BOOST_AUTO_TEST_CASE(an_unknown_family_and_one_without_folders_are_refused) {
    test::ScratchFolder const scratch;
    std::filesystem::create_directories(scratch / "folder");
    detail::write_file(scratch / "folder" / "config.json", R"({"model_type": "deberta-v2"})");
    Diagnostic const unknown = refusal([&] { static_cast<void>(load_encoder(scratch / "folder")); });
    BOOST_TEST(unknown.found == "\"deberta-v2\"");
    BOOST_TEST(contains(unknown.expected, "\"model_type\" bert, "));
    BOOST_TEST(refusal([&] { static_cast<void>(load_encoder(scratch / "none")); }).found == "nothing of that name");
    AnyEncoder const poor = PoorEncoder({}, 1);
    Diagnostic const unsaved = refusal([&] { save_encoder(scratch / "poor", poor); });
    BOOST_TEST(unsaved.found == "the encoder poor");
    BOOST_TEST(refusal([&] { static_cast<void>(with_dropout(poor, .1)); }).found == "the encoder poor");
    BOOST_TEST(describe_encoder(poor)["hidden_size"] == 16);   // its shape
    BOOST_TEST(encoder_title(poor) == "poor");
    save_encoder(scratch / "headless", BertEncoder(test::tiny(), 1), /*with_head=*/false);
    BOOST_TEST(!stores_token_head(scratch / "headless"));
    refusal([&] { static_cast<void>(load_encoder(scratch / "headless", 0, TokenHead::required)); });
}

// Texts that fitted before have the same bits; the config tells where the rows came from.
BOOST_AUTO_TEST_CASE(more_positions_repeat_the_rows_of_the_table) {
    BertConfig config = config_of(ModelType::xlm_roberta);
    config.max_position_embeddings = 14;   // 12 tokens
    AnyEncoder const encoder = BertEncoder(config, 3);
    AnyEncoder const longer = with_positions(encoder, 30);
    BOOST_TEST(longer.shape().positions == 30);
    at::Tensor const old = encoder.as<BertEncoder>()->embeddings.position;
    at::Tensor const table = longer.as<BertEncoder>()->embeddings.position;
    BOOST_TEST(table.size(0) == 32);
    for (std::int64_t row = 0; row < 32; ++row) {
        BOOST_TEST(table[row].equal(old[row < 2 ? row : 2 + (row - 2) % 12]), "row " << row);
    }
    BOOST_TEST(contains(encoder_config_text(longer, false), "\"bmae_positions_repeated_from\": 12"));
    BOOST_TEST(contains(encoder_config_text(longer, false), "\"max_position_embeddings\": 32"));
    using Erased = WithEncoder<RetroMae, AnyEncoder>;
    std::vector<std::vector<double>> totals;
    for (AnyEncoder const& start : {encoder, longer}) {
        Erased model(start, PresetHyperparameters<Erased>::options({}), 1);
        totals.push_back(steps_of(model, 12).totals);
    }
    BOOST_TEST(totals[0] == totals[1], boost::test_tools::per_element());
    BOOST_TEST(contains(refusal([&] { static_cast<void>(with_positions(encoder, 12)); }).expected, "more positions than the 12"));
    refusal([&] { static_cast<void>(with_positions(AnyEncoder(PoorEncoder({}, 1)), 80)); });
}

/// Packed weights and first rows reach the held encoder: encoding a folder is as fast as by its own type.
BOOST_AUTO_TEST_CASE(a_held_encoder_packs_its_maps) {
    static_assert(PacksLinears<AnyEncoder> && EncodesFirst<AnyEncoder>);
    BertEncoder const bert(test::tiny(), 3);
    BOOST_TEST(packs_linears(AnyEncoder(bert)));
    BOOST_TEST(!packs_linears(AnyEncoder(PoorEncoder({}, 3))));
    AnyTextModel const typed(bert, SentenceBottleneck());
    AnyTextModel const erased(AnyEncoder{bert}, SentenceBottleneck{});
    BOOST_TEST(typed.packs(PackedType::fp32) == erased.packs(PackedType::fp32));
    at::NoGradGuard const no_gradients;
    PackedView view;
    for (std::vector<TokenId> const& ids : {std::vector<TokenId>{2, 8, 9, 10, 3}, {2, 11, 3}, {2, 20, 21, 22, 23, 24, 3}}) {
        view.append({.original_ids = ids, .input_ids = ids});
    }
    PackedInput const input = to_tensors(view);
    BOOST_TEST(at::equal(typed(input), erased(input)));
    if (!typed.packs(PackedType::fp32)) { return; }
    BOOST_TEST(at::equal(typed.packed(PackedType::fp32)(input), erased.packed(PackedType::fp32)(input)));
}

BOOST_AUTO_TEST_SUITE_END()
