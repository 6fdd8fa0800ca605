// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Presets over ModernBERT, composed by the compiler: RetroMAE trains with either kind of decoder, and a step of each preset equals an
// independent computation (tests/parity/dump_step_check.py).
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/edge/dump_step.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/presets/dupmae.hpp>
#include <bmae/presets/master.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/presets/simlm.hpp>

#include "../io/support.hpp"
#include "../model/tiny.hpp"
#include "../scratch_folder.hpp"
#include "any_encoder.hpp"

BOOST_AUTO_TEST_SUITE(over_modern_bert)

namespace {

using namespace bmae;
using RetroMaeModernBert = WithEncoder<RetroMae, ModernBertEncoder>;

ModernBertConfig tiny_modern_bert() {
    return {.vocab_size = 60,
            .hidden_size = 32,
            .num_hidden_layers = 3,
            .num_attention_heads = 4,
            .intermediate_size = 40,
            .max_position_embeddings = 64,
            .global_attn_every_n_layers = 2,
            .local_attention = 8,
            .initializer_range = .2,   // wide, so that a wrong term is loud
            .pad_token_id = 0};
}

test::Texts const& invented_texts() {
    static test::Texts const texts({9, 14, 11, 8});
    return texts;
}

/// The options of a preset, for these texts, with a decoder of this family.
template <class M>
typename M::Options options_of(typename M::Options options, DecoderFamily family) {
    auto const prepare = [&](auto& part) {
        if constexpr (requires { part.view.source.max_length; }) { part.view.source.max_length = 24; }
        if constexpr (requires { part.view.corruptor.generator; }) {
            part.view.corruptor.generator = std::make_shared<test::ConstantGenerator>();
        }
        if constexpr (requires { part.decoder.family; }) { part.decoder.family = family; }
    };
    apply(
        [&](auto&... pass) {
            (prepare(pass), ...);
            (apply([&](auto&... part) { (prepare(part), ...); }, pass.terms), ...);
        },
        options.passes);
    return options;
}

/// Writes one step, for the independent computation.
template <class M>
void dump(std::string const& preset, test::ScratchFolder const& folder, DecoderFamily family = DecoderFamily::encoder) {
    using Modern = WithEncoder<M, ModernBertEncoder>;
    auto const given = PresetHyperparameters<M>::template options<Modern>({});
    Modern model(ModernBertEncoder(tiny_modern_bert(), 3), options_of<Modern>(given, family), 1);
    test::need_gradients(model);
    test::know_words(model, invented_texts());
    HostBatch const batch = model.collate(invented_texts().examples, invented_texts().traits, {.max_length = 24}, {.seed = 2});
    std::string const name = preset + (family == DecoderFamily::bert ? "-bert.safetensors" : ".safetensors");
    dump_step(model, batch, invented_texts().traits, preset, folder / name);
}

}  // namespace

BOOST_AUTO_TEST_CASE(retromae_composes_and_trains) {
    for (DecoderFamily const family : {DecoderFamily::encoder, DecoderFamily::bert}) {
        RetroMaeModernBert::Options options;
        std::get<1>(std::get<0>(options.passes).terms).decoder.family = family;
        ModernBertConfig config = tiny_modern_bert();
        config.initializer_range = .02;
        RetroMaeModernBert model(ModernBertEncoder(config, 3), options, 1);
        test::need_gradients(model);
        HostBatch const batch =
            model.collate(invented_texts().examples, invented_texts().traits, {.max_length = 24}, {.seed = 2});
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

BOOST_AUTO_TEST_CASE(one_step_equals_an_independent_computation) {
    test::ScratchFolder const scratch;
    for (DecoderFamily const family : {DecoderFamily::encoder, DecoderFamily::bert}) {
        dump<RetroMae>("retromae", scratch, family);
        dump<RetroMaeBasic>("retromae-basic", scratch, family);
        dump<DupMae>("dupmae", scratch, family);
        dump<MasterAsReleased>("master-as-released", scratch, family);
    }
    dump<SimLm>("simlm", scratch);   // its decoder is a copy of the encoder's last layers
    io_test::python_agrees("dump_step_check.py", scratch.path());
}

BOOST_AUTO_TEST_SUITE_END()
