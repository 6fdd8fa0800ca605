// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The presets of fine-tuning over the poorest encoder: no part of them requires BERT.
#include <boost/test/unit_test.hpp>

#include <bmae/edge/finetuning_presets.hpp>

#include "any_encoder.hpp"

BOOST_AUTO_TEST_SUITE(any_encoder)

BOOST_AUTO_TEST_CASE(finetuning_composes_and_trains) {
    bmae::for_each_finetuning_preset([]<class M>(bmae::Preset<M> const& preset) {
        test::trains_over_the_poorest_encoder<M>(preset.name, preset.hyperparameters);
    });
}

BOOST_AUTO_TEST_SUITE_END()
