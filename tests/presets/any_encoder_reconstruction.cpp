// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The presets of reconstruction over the poorest encoder: no part of them requires BERT.
#include <boost/test/unit_test.hpp>

#include <bmae/edge/presets.hpp>

#include "any_encoder.hpp"

BOOST_AUTO_TEST_SUITE(any_encoder)

BOOST_AUTO_TEST_CASE(retromae_composes_and_trains) {
    bmae::for_each_preset_of<bmae::PresetFamily::retromae>([]<class M>(bmae::Preset<M> const& preset) {
        test::trains_over_the_poorest_encoder<M>(preset.name, preset.hyperparameters);
    });
}

BOOST_AUTO_TEST_CASE(decoders_composes_and_trains) {
    bmae::for_each_preset_of<bmae::PresetFamily::decoders>([]<class M>(bmae::Preset<M> const& preset) {
        test::trains_over_the_poorest_encoder<M>(preset.name, preset.hyperparameters);
    });
}

BOOST_AUTO_TEST_SUITE_END()
