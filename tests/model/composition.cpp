// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The grammar: options in the shape of the composition, views and labels, degenerate texts, a user's own parts.
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corruptors/none.hpp>
#include <bmae/edge/presets.hpp>
#include <bmae/maskers/complement.hpp>
#include <bmae/model/composition.hpp>
#include <bmae/presets/retromae.hpp>

BOOST_AUTO_TEST_SUITE(composition)

namespace {

using namespace bmae;

BertConfig tiny() {
    BertConfig config = BertConfig::of_size(1, 16);
    config.vocab_size = 60;
    config.max_position_embeddings = 40;
    return config;
}

struct Texts {
    TokenTraits traits{{.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(60, 0)};
    std::vector<std::vector<TokenId>> contents;
    std::vector<Example> examples;

    explicit Texts(std::vector<std::size_t> const& lengths) {
        for (std::size_t const length : lengths) {
            Draw draw({.seed = 9, .epoch = 0, .example = contents.size(), .slot = 0});
            std::vector<TokenId>& text = contents.emplace_back();
            for (std::size_t i = 0; i < length; ++i) { text.push_back(static_cast<TokenId>(5 + draw.below(55))); }
        }
        for (std::size_t i = 0; i < contents.size(); ++i) { examples.push_back({.id = i, .passage = contents[i]}); }
    }
};

/// A user's own masker: fifteen lines, no base class, no registration.
struct EveryThird {
    int offset = 0;
    MaskFlags draw(TokenSpan text, Draw&) const {
        MaskFlags flags(text.size(), 0);
        for (std::size_t i = static_cast<std::size_t>(offset) + 1; i + 1 < text.size(); i += 3) { flags[i] = 1; }
        return flags;
    }
};
static_assert(Masker<EveryThird>);

using Mine = Model<BertEncoder,
    Pass<View<Passage, EveryThird>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, ComplementMasker, MaskOnly>, BasicDecoder>>>;

}  // namespace

BOOST_AUTO_TEST_CASE(numbers_reach_their_slots_by_either_name) {
    RetroMae const flat(tiny(), {.encoder_mask = .15, .decoder_mask = .7});
    RetroMae const nested(tiny(),
                          {.passes = {{.view = {.masker = {.rate = .15}}, .terms = {{}, {.view = {.masker = {.rate = .7}}}}}}});
    for (RetroMae const* model : {&flat, &nested}) {
        BOOST_CHECK_EQUAL(model->describe_views()[0].rate, .15);
        BOOST_CHECK_EQUAL(model->describe_views()[1].rate, .7);
    }
    RetroMae const paper(tiny());
    BOOST_CHECK_EQUAL(paper.describe_views()[0].rate, .30);
    BOOST_CHECK_EQUAL(paper.describe_views()[1].rate, .50);
}

BOOST_AUTO_TEST_CASE(views_and_labels_follow_the_definitions) {
    Texts const texts({12, 20, 3});
    RetroMae const model(tiny());
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    PackedView const& encoder = batch.views.at(0);
    PackedView const& decoder = batch.views.at(1);
    BOOST_CHECK(encoder.original_ids == decoder.original_ids);
    BOOST_CHECK(decoder.input_ids == decoder.original_ids);   // the decoder reads the clean text: ids are taken before masking
    BOOST_CHECK(encoder.input_ids != encoder.original_ids);
    for (std::size_t row = 0; row < encoder.tokens(); ++row) {
        BOOST_CHECK_EQUAL(encoder.labels[row], encoder.flags[row] != 0 ? encoder.original_ids[row] : ignored_label);
    }
    for (std::size_t b = 0; b < decoder.texts(); ++b) {
        for (std::int64_t row = decoder.offsets[b]; row < decoder.offsets[b + 1]; ++row) {
            bool const edge = row == decoder.offsets[b] || row + 1 == decoder.offsets[b + 1];
            auto const i = static_cast<std::size_t>(row);
            BOOST_CHECK_EQUAL(decoder.labels[i], edge ? ignored_label : decoder.original_ids[i]);
        }
    }
    BOOST_CHECK_EQUAL(batch.term_labels[1], 12 + 20 + 3);
}

BOOST_AUTO_TEST_CASE(an_example_is_masked_alike_whatever_stands_beside_it) {
    Texts const texts({12, 20, 3, 9});
    RetroMae const model(tiny());
    HostBatch const together = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1, .epoch = 3});
    HostBatch const alone =
        model.collate(std::span(texts.examples).subspan(1, 1), texts.traits, {.max_length = 40}, {.seed = 1, .epoch = 3});
    for (std::size_t v = 0; v < alone.views.size(); ++v) {
        auto const begin = together.views[v].input_ids.begin() + together.views[v].offsets[1];
        BOOST_CHECK(std::equal(alone.views[v].input_ids.begin(), alone.views[v].input_ids.end(), begin));
    }
    BOOST_CHECK(alone.views[1].visibility[0].bits == together.views[1].visibility[1].bits);
    HostBatch const next_epoch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1, .epoch = 4});
    BOOST_CHECK(next_epoch.views[0].flags != together.views[0].flags);
}

BOOST_AUTO_TEST_CASE(empty_and_one_token_texts_train) {
    for (std::vector<std::size_t> const& lengths : {std::vector<std::size_t>{0}, {0, 0, 0}, {1}, {0, 1, 38}}) {
        Texts const texts(lengths);
        RetroMae model(tiny());
        model.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
        HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
        ForwardContext context{.training = true, .seed = 4};
        ModelLoss const loss = model.forward(batch, context, batch.term_labels);
        BOOST_CHECK(loss.total.isfinite().item<bool>());
        loss.total.backward();
        model.for_each_parameter([](std::string const& name, at::Tensor& value, bool) {
            BOOST_CHECK_MESSAGE(!value.grad().defined() || value.grad().isfinite().all().item<bool>(), name);
        });
        for (std::size_t t = 0; t < loss.terms.size(); ++t) {
            if (batch.term_labels[t] == 0) { BOOST_CHECK_EQUAL(loss.terms[t].loss.item<double>(), 0); }
        }
    }
}

BOOST_AUTO_TEST_CASE(accumulated_batches_add_up_to_one) {
    Texts const texts({12, 20, 3, 30});
    RetroMae model(tiny());
    model.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
    auto gradients = [&](std::vector<std::size_t> const& cuts) {
        std::vector<HostBatch> batches;
        std::vector<std::int64_t> labels(2, 0);
        std::size_t begin = 0;
        for (std::size_t const end : cuts) {
            batches.push_back(model.collate(std::span(texts.examples).subspan(begin, end - begin), texts.traits,
                                            {.max_length = 40}, {.seed = 1}));
            for (std::size_t t = 0; t < 2; ++t) { labels[t] += batches.back().term_labels[t]; }
            begin = end;
        }
        for (HostBatch const& batch : batches) {
            ForwardContext context;
            model.forward(batch, context, labels).total.backward();
        }
        std::vector<at::Tensor> result;
        model.for_each_parameter([&](std::string const&, at::Tensor& value, bool) {
            result.push_back(value.grad().clone());
            value.mutable_grad() = at::Tensor();
        });
        return result;
    };
    auto const whole = gradients({4});
    auto const parts = gradients({1, 3, 4});
    for (std::size_t i = 0; i < whole.size(); ++i) { BOOST_CHECK_LE((whole[i] - parts[i]).abs().max().item<double>(), 1e-5); }
}

BOOST_AUTO_TEST_CASE(own_maskers_and_complements_compose) {
    Texts const texts({12, 20});
    Mine model(tiny());
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    for (std::size_t row = 0; row < batch.views[0].tokens(); ++row) {
        bool const content = !texts.traits.is_special(batch.views[0].original_ids[row]);
        BOOST_CHECK_EQUAL(batch.views[0].flags[row] + batch.views[1].flags[row], content ? 1 : 0);
    }
    ForwardContext context;
    BOOST_CHECK(model.forward(batch, context, batch.term_labels).total.isfinite().item<bool>());
}

BOOST_AUTO_TEST_CASE(parameter_names_are_roles_and_unique) {
    RetroMae model(tiny());
    std::set<std::string> names;
    model.for_each_parameter(
        [&](std::string const& name, at::Tensor&, bool) { BOOST_CHECK_MESSAGE(names.insert(name).second, name); });
    for (char const* name : {"encoder.embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight",
                             "cls.predictions.bias", "passes.0.terms.1.decoder.layer.0.output.LayerNorm.weight"}) {
        BOOST_CHECK_MESSAGE(names.contains(name), name);
    }
}

BOOST_AUTO_TEST_CASE(unknown_presets_and_numbers_list_the_known_ones) {
    auto const message = [](auto&& call) -> std::string {
        try {
            call();
        } catch (InputError const& error) { return error.what(); }
        return "";
    };
    BOOST_CHECK_NE(message([] { with_preset("retro", [](auto const&) {}); }).find("retromae-layernorm-query"), std::string::npos);
    RetroMaeHyperparameters numbers;
    BOOST_CHECK_NE(message([&] { set_option(numbers, "mask", ".3"); }).find("encoder_mask"), std::string::npos);
    BOOST_CHECK_NE(message([&] { set_option(numbers, "encoder_mask", "much"); }).find("encoder_mask=0.3"), std::string::npos);
    set_option(numbers, "encoder_mask", "0.25");
    BOOST_CHECK_EQUAL(numbers.encoder_mask, .25);
}

BOOST_AUTO_TEST_SUITE_END()
