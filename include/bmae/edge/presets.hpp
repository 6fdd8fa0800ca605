// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The closed list of presets, and the mapping from a name at run time to a type.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/edge/preset.hpp>
#include <bmae/presets/bow_dpr.hpp>
#include <bmae/presets/condenser.hpp>
#include <bmae/presets/contriever.hpp>
#include <bmae/presets/cot_mae.hpp>
#include <bmae/presets/dupmae.hpp>
#include <bmae/presets/inverse_cloze.hpp>
#include <bmae/presets/lexmae.hpp>
#include <bmae/presets/masked_language_model.hpp>
#include <bmae/presets/master.hpp>
#include <bmae/presets/master_ablations.hpp>
#include <bmae/presets/mlm_flops.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/presets/seed.hpp>
#include <bmae/presets/sentmae.hpp>
#include <bmae/presets/simcse.hpp>
#include <bmae/presets/simlm.hpp>
#include <bmae/presets/tsdae.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The list in parts, so that a program can compile each part by itself: instantiating all models at once takes minutes.
enum class PresetFamily {
    retromae,             ///< and masked language modeling, plain or with FLOPS, DupMAE, SentMAE without contrast
    master,               ///< MASTER by the paper, and its ablations
    master_as_released,   ///< the same by its released code
    decoders,             ///< SimLM, CoT-MAE, Condenser, SEED, LexMAE, BoW-DPR, TSDAE
    contrast,             ///< models that compare texts: SimCSE, DiffCSE, coCondenser, Contriever, ICT, LaPraDoR, SentMAE
};

namespace detail {

inline constexpr std::string_view retromae_citation = "Liu, Shao: RetroMAE, arXiv 2205.12035";
inline constexpr std::string_view sentmae_citation = "Liu, Yang: SentMAE, arXiv 2208.00231";
inline constexpr std::string_view master_citation = "Zhou et al.: MASTER, arXiv 2212.07841";
inline constexpr std::string_view released_citation = "Zhou et al.: MASTER, arXiv 2212.07841; code microsoft/SimXNS";

/// Calls `visit(preset)` for each preset of a family until one returns true.
template <class Visit>
bool any_preset(std::integral_constant<PresetFamily, PresetFamily::retromae>, Visit& visit) {
    return visit(Preset<PlainMaskedLanguageModel>{"mlm", "Devlin et al.: BERT, arXiv 1810.04805", {}}) ||
           visit(Preset<MlmFlops>{
               "mlm-flops", "Lassance, Clinchant: An Efficiency Study for SPLADE Models, arXiv 2207.03834", {}}) ||
           visit(Preset<RetroMae>{"retromae", retromae_citation, {}}) ||
           visit(Preset<RetroMaeLayerNormQuery>{
               "retromae-layernorm-query", "Xiao, Liu: RetroMAE v2, arXiv 2211.08769 (code)", {}}) ||
           visit(Preset<RetroMaeBasic>{"retromae-basic", retromae_citation, {}}) ||
           visit(Preset<RetroMae>{"retromae-deep",
                                  "RetroMAE with a deeper decoder: FlagEmbedding's note, bottleneck kept",
                                  {.decoder_layers = 2}}) ||
           visit(Preset<DupMae>{"dupmae", "Xiao, Liu: DupMAE, arXiv 2211.08769", {}}) ||
           visit(Preset<RetroMae>{"sentmae-stage1", sentmae_citation, {}}) ||
           visit(Preset<RetroMae>{"sentmae-marco", sentmae_citation, {}});
}

/// RPR has NPR as its only task, so two names mean one model.
template <class Visit>
bool any_preset(std::integral_constant<PresetFamily, PresetFamily::master>, Visit& visit) {
    return visit(Preset<Master>{"master", master_citation, {}}) ||
           visit(Preset<MasterWithoutCpr>{"master-without-cpr", master_citation, {}}) ||
           visit(Preset<MasterWithoutRpr>{"master-without-rpr", master_citation, {}}) ||
           visit(Preset<MasterWithoutPor>{"master-without-por", master_citation, {}}) ||
           visit(Preset<MasterWithoutMkp>{"master-without-mkp", master_citation, {}}) ||
           visit(Preset<MasterWithoutCmp>{"master-without-cmp", master_citation, {}}) ||
           visit(Preset<MasterWithoutRpr>{"master-without-npr", master_citation, {}}) ||
           visit(Preset<MasterWithoutDor>{"master-without-dor", master_citation, {}}) ||
           visit(Preset<MasterWithoutGor>{"master-without-gor", master_citation, {}}) ||
           visit(Preset<MasterSharedDecoder>{"master-shared-decoder", master_citation, {}});
}

/// RPR has NPR as its only task, so two names mean one model.
template <class Visit>
bool any_preset(std::integral_constant<PresetFamily, PresetFamily::master_as_released>, Visit& visit) {
    return visit(Preset<MasterAsReleased>{"master-as-released", released_citation, {}}) ||
           visit(Preset<MasterAsReleasedWithoutCpr>{"master-without-cpr-as-released", released_citation, {}}) ||
           visit(Preset<MasterAsReleasedWithoutRpr>{"master-without-rpr-as-released", released_citation, {}}) ||
           visit(Preset<MasterAsReleasedWithoutPor>{"master-without-por-as-released", released_citation, {}}) ||
           visit(Preset<MasterAsReleasedWithoutMkp>{"master-without-mkp-as-released", released_citation, {}}) ||
           visit(Preset<MasterAsReleasedWithoutCmp>{"master-without-cmp-as-released", released_citation, {}}) ||
           visit(Preset<MasterAsReleasedWithoutRpr>{"master-without-npr-as-released", released_citation, {}}) ||
           visit(Preset<MasterAsReleasedWithoutDor>{"master-without-dor-as-released", released_citation, {}}) ||
           visit(Preset<MasterAsReleasedWithoutGor>{"master-without-gor-as-released", released_citation, {}}) ||
           visit(Preset<MasterAsReleasedSharedDecoder>{"master-shared-decoder-as-released", released_citation, {}});
}

template <class Visit>
bool any_preset(std::integral_constant<PresetFamily, PresetFamily::decoders>, Visit& visit) {
    return visit(Preset<SimLm>{"simlm", "Wang et al.: SimLM, arXiv 2207.02578", {}}) ||
           visit(Preset<CotMae>{"cot-mae", "Wu et al.: CoT-MAE, arXiv 2208.07670", {}}) ||
           visit(Preset<CotMaeV2>{"cot-mae-v2", "Wu et al.: CoT-MAE v2, arXiv 2304.03158", {}}) ||
           visit(Preset<CotMaeQc>{"cot-mae-qc", "Wu et al.: Query-as-context Pre-training, arXiv 2212.09598", {}}) ||
           visit(Preset<Condenser>{"condenser", "Gao, Callan: Condenser, arXiv 2104.08253", {}}) ||
           visit(Preset<Seed>{"seed", "Lu et al.: SEED-Encoder, arXiv 2102.09206", {}}) ||
           visit(Preset<LexMae>{"lexmae", "Shen et al.: LexMAE, arXiv 2208.14754", {}}) ||
           visit(Preset<BowDpr>{"bow-dpr", "Ma et al.: Drop your Decoder, arXiv 2401.11248", {}}) ||
           visit(Preset<Tsdae>{"tsdae", "Wang, Reimers, Gurevych: TSDAE, arXiv 2104.06979", {}});
}

template <class Visit>
bool any_preset(std::integral_constant<PresetFamily, PresetFamily::contrast>, Visit& visit) {
    return visit(Preset<SentMaeMarcoContrastive>{"sentmae-marco-contrastive", sentmae_citation, {}}) ||
           visit(Preset<SentMaeNli>{"sentmae-nli", sentmae_citation, {.temperature = .05}}) ||
           visit(Preset<CoCondenser>{"cocondenser", "Gao, Callan: coCondenser, arXiv 2108.05540", {}}) ||
           visit(Preset<SimCseUnsupervised>{"simcse-unsupervised", "Gao, Yao, Chen: SimCSE, arXiv 2104.08821", {}}) ||
           visit(Preset<SimCseSupervised>{"simcse-supervised", "Gao, Yao, Chen: SimCSE, arXiv 2104.08821", {}}) ||
           visit(Preset<DiffCse>{"diffcse", "Chuang et al.: DiffCSE, arXiv 2204.10298", {}}) ||
           visit(Preset<Contriever>{"contriever", "Izacard et al.: Contriever, arXiv 2112.09118", {}}) ||
           visit(Preset<InverseCloze>{"ict", "Lee, Chang, Toutanova: Inverse Cloze Task, P19-1612", {}}) ||
           visit(Preset<LaPraDoR>{"laprador", "Xu et al.: LaPraDoR, arXiv 2203.06169", {}});
}

/// The same over all families.
template <class Visit>
bool any_preset(Visit& visit) {
    return any_preset(std::integral_constant<PresetFamily, PresetFamily::retromae>(), visit) ||
           any_preset(std::integral_constant<PresetFamily, PresetFamily::master>(), visit) ||
           any_preset(std::integral_constant<PresetFamily, PresetFamily::master_as_released>(), visit) ||
           any_preset(std::integral_constant<PresetFamily, PresetFamily::decoders>(), visit) ||
           any_preset(std::integral_constant<PresetFamily, PresetFamily::contrast>(), visit);
}

}  // namespace detail

/// Calls `visit(preset)` with every preset of the list, in order.
template <class Visit>
void for_each_preset(Visit&& visit) {
    auto all = [&](auto const& preset) {
        visit(preset);
        return false;
    };
    detail::any_preset(all);
}

/// Calls `visit(preset)` with every preset of one family, in order.
template <PresetFamily family, class Visit>
void for_each_preset_of(Visit&& visit) {
    auto all = [&](auto const& preset) {
        visit(preset);
        return false;
    };
    detail::any_preset(std::integral_constant<PresetFamily, family>(), all);
}

/// Names of all presets.
inline std::vector<std::string> preset_names() {
    std::vector<std::string> names;
    for_each_preset([&](auto const& preset) { names.emplace_back(preset.name); });
    return names;
}

/// Throws InputError, which lists the known names, where `name` is none of them.
inline void require_preset(std::string_view name) {
    std::string known;
    bool found = false;
    for_each_preset([&](auto const& preset) {
        found = found || preset.name == name;
        known += (known.empty() ? "" : ", ") + std::string(preset.name);
    });
    if (found) { return; }
    throw InputError(Diagnostic{
        .file = {}, .expected = "a preset name", .found = '"' + std::string(name) + '"', .hint = "Known: " + known + '.'});
}

/// Calls `visit` with the preset called `name`; an unknown name throws InputError and lists the known ones.
template <class Visit>
void with_preset(std::string_view name, Visit&& visit) {
    require_preset(name);
    auto one = [&](auto const& preset) {
        if (preset.name != name) { return false; }
        visit(preset);
        return true;
    };
    detail::any_preset(one);
}

}  // namespace bmae
