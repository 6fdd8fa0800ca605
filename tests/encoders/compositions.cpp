// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Every family as the encoder of a model: a step reaches all its parameters, up to the longest text.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/dual.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

BOOST_AUTO_TEST_SUITE(families_in_compositions)

namespace {

using namespace bmae;

/// RetroMAE's losses, with the decoder that a family can feed.
template <class EncoderT, class DecoderT, class MaskerT>
using OneBranch = Model<EncoderT,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, MaskerT>, DecoderT>>>;

BertConfig shrink(BertConfig config) {
    config.vocab_size = 60;
    config.hidden_size = 16;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 2;
    config.intermediate_size = 32;
    config.max_position_embeddings = 40 + config.first_position();
    return config;
}

/// One step on texts of 1, 12 and 38 tokens between the specials.
template <class Model>
void check_step(Model& model) {
    TokenTraits const traits({.pad = 1, .unk = 3, .cls = 0, .sep = 2, .mask = 4}, std::vector<std::uint8_t>(60, 0));
    std::vector<std::vector<TokenId>> contents;
    std::vector<Example> examples;
    for (std::size_t const length : {std::size_t{1}, std::size_t{12}, std::size_t{38}}) {
        Draw draw({.seed = 9, .epoch = 0, .example = contents.size(), .slot = 0});
        std::vector<TokenId>& text = contents.emplace_back();
        for (std::size_t i = 0; i < length; ++i) { text.push_back(static_cast<TokenId>(5 + draw.below(55))); }
    }
    for (std::size_t i = 0; i < contents.size(); ++i) { examples.push_back({.id = i, .passage = contents[i]}); }
    HostBatch const batch = model.collate(examples, traits, {.max_length = 40}, {.seed = 1});
    model.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
    ForwardContext context{.training = true, .seed = 5};
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    BOOST_CHECK(std::isfinite(loss.total.template item<double>()));
    loss.total.backward();
    std::size_t reached = 0;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        BOOST_CHECK_MESSAGE(value.grad().defined() && value.grad().isfinite().all().template item<bool>(), name);
        ++reached;
    });
    BOOST_CHECK_GT(reached, 40U);
}

}  // namespace

BOOST_AUTO_TEST_CASE(retromae_over_roberta) {
    OneBranch<RobertaEncoder, EnhancedDecoder, RowVisibility> model(shrink(BertConfig::roberta_base()));
    check_step(model);
    // No row of the table up to the padding's was read.
    at::Tensor const gradient = model.encoder().embeddings.position.grad();
    BOOST_CHECK_EQUAL(gradient.narrow(0, 0, 2).abs().sum().item<double>(), 0);
    BOOST_CHECK_GT(gradient[41].abs().sum().item<double>(), 0);
}

BOOST_AUTO_TEST_CASE(a_basic_decoder_over_a_narrow_electra_and_distilbert) {
    BertConfig narrow = shrink(BertConfig::electra_base());
    narrow.embedding_size = 8;
    OneBranch<ElectraEncoder, BasicDecoder, WholeWordMasker> electra(narrow);
    check_step(electra);
    OneBranch<DistilBertEncoder, BasicDecoder, WholeWordMasker> distilled(shrink(BertConfig::distilbert_base()));
    check_step(distilled);
}

// DupMAE's pair in a contrast: the sum of both products, one reduction for both sides.
BOOST_AUTO_TEST_CASE(a_contrast_over_reduced_and_lexical_vectors) {
    using Twins = Model<BertEncoder,
        Pass<View<Passage, WholeWordMasker>, DualBottleneck, MaskedLanguageModel>,
        Pass<View<Passage, WholeWordMasker>, DualBottleneck>,
        Contrast>;
    Twins model(shrink(BertConfig::base()));
    check_step(model);
    std::size_t reductions = 0;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        reductions += name.starts_with("shared.reduction") ? 1 : 0;
        if (name == "shared.reduction.weight") { BOOST_CHECK_EQUAL(value.size(0), 384); }
    });
    BOOST_CHECK_EQUAL(reductions, 2U);
}

BOOST_AUTO_TEST_SUITE_END()
