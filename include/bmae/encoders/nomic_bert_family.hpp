// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// NomicBERT as a stored family.
#pragma once

#include <string_view>
#include <vector>

#include <bmae/encoders/described_family.hpp>
#include <bmae/encoders/nomic_bert.hpp>
#include <bmae/encoders/nomic_bert_folder.hpp>
#include <bmae/encoders/stored_family.hpp>

namespace bmae {

/// How NomicBERT is stored. See `StoredFamily`.
struct NomicBertFamily : DescribedFamily<NomicBertFiles> {
    static std::vector<std::string_view> model_types() { return {"nomic_bert"}; }
    static constexpr bool pools_by_config = false;
    static ScoreNames score_names(NomicBertConfig const&) {
        return {{"pooler.dense", "pooler.dense"}, {"classifier", "classifier"}};
    }
    static void set_dropout(NomicBertConfig& config, double rate) {
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = rate;
    }
};
static_assert(ClassifierFamily<NomicBertFamily>);

}  // namespace bmae
