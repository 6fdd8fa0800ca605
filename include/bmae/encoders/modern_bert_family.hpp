// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ModernBERT as a stored family.
#pragma once

#include <string_view>
#include <vector>

#include <bmae/encoders/described_family.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/encoders/modern_bert_folder.hpp>
#include <bmae/encoders/stored_family.hpp>

namespace bmae {

/// How ModernBERT is stored. See `StoredFamily`.
struct ModernBertFamily : DescribedFamily<ModernBertFiles> {
    static std::vector<std::string_view> model_types() { return {"modernbert"}; }
    static constexpr bool pools_by_config = true;
    static ScoreNames score_names(ModernBertConfig const&) {
        return {{"pooler.dense", "head.dense"}, {"pooler.norm", "head.norm"}, {"classifier", "classifier"}};
    }
    static void set_dropout(ModernBertConfig& config, double rate) {
        config.embedding_dropout = config.attention_dropout = config.mlp_dropout = rate;
    }
};
static_assert(ClassifierFamily<ModernBertFamily>);

}  // namespace bmae
