// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// compiled without optimization
// RetroMAE over ModernBERT, composed by the compiler: it trains, and its options reach the decoder. All presets over ModernBERT, each
// against an independent computation: tests/parity/modern_bert.py.
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/encoders/modern_bert.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/presets/retromae.hpp>

#include "../model/tiny.hpp"

namespace {

using namespace bmae;
using RetroMaeModernBert = WithEncoder<RetroMae, ModernBertEncoder>;

ModernBertConfig tiny() {
    return {.vocab_size = 60,
            .hidden_size = 16,
            .num_hidden_layers = 2,
            .num_attention_heads = 2,
            .intermediate_size = 20,
            .max_position_embeddings = 40,
            .local_attention = 8,
            .pad_token_id = 0};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(over_modern_bert)

BOOST_AUTO_TEST_CASE(retromae_composes_and_trains) {
    for (DecoderFamily const family : {DecoderFamily::encoder, DecoderFamily::bert}) {
        RetroMaeModernBert::Options options;
        std::get<1>(std::get<0>(options.passes).terms).decoder.family = family;
        RetroMaeModernBert model(ModernBertEncoder(tiny(), 3), options, 1);
        test::need_gradients(model);
        test::Texts const texts({9, 14, 11, 8});
        TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(60, 0));
        HostBatch const batch = model.collate(texts.examples, traits, {.max_length = 24}, {.seed = 2});
        double first = 0, last = 0;
        for (int step = 0; step < 30; ++step) {
            ForwardContext context{.training = true};
            ModelLoss const loss = model.forward(batch, context, batch.term_labels);
            loss.total.backward();
            last = loss.total.item<double>();
            if (step == 0) { first = last; }
            at::NoGradGuard const no_gradients;
            model.for_each_parameter([](std::string const& name, at::Tensor& value, bool) {
                BOOST_TEST_REQUIRE(value.grad().defined(), name << " has no gradient");
                value.sub_(value.grad() * .3);
                value.mutable_grad().zero_();
            });
        }
        BOOST_TEST(last < .8 * first, "from " << first << " to " << last);
        BOOST_TEST(model.composition().starts_with("modernbert"));
    }
}

BOOST_AUTO_TEST_SUITE_END()
