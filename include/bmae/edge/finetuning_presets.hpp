// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The closed list of fine-tuning presets, and objectives built by their names.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/bottlenecks/mean.hpp>
#include <bmae/edge/preset_request.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/model/two_encoders.hpp>
#include <bmae/presets/bge_m3.hpp>
#include <bmae/presets/colbert.hpp>
#include <bmae/presets/dupmae_retriever.hpp>
#include <bmae/presets/reranker.hpp>
#include <bmae/presets/retriever.hpp>
#include <bmae/presets/retriever_recipes.hpp>
#include <bmae/presets/scored_pairs.hpp>
#include <bmae/presets/splade.hpp>
#include <bmae/text/pair_store.hpp>

namespace bmae {

/// Presets that a program may compile together, in a file of their own: all at once take gigabytes.
enum class FinetuningFamily {
    dense,    ///< one vector per text: retriever and its recipes, retriever-distilled
    scored,   ///< one vector per text, losses over scores alone: retriever-margin-mse, scored-pairs
    others,   ///< scores of pairs, sparse vectors, vectors of tokens: reranker, reranker-r-drop, splade, colbert, bge-m3
};

/// Calls `visit(preset)` with every fine-tuning preset of a family, in order: models over a pair store.
template <FinetuningFamily family, class Visit>
void for_each_finetuning_preset_of(Visit&& visit) {
    if constexpr (family == FinetuningFamily::dense) {
        visit(Preset<Retriever>{
            "retriever", "Karpukhin et al.: DPR, arXiv 2004.04906; RetroMAE, arXiv 2205.12035, section 4.1", {}});
        visit(Preset<RetrieverDistilled>{"retriever-distilled", "Wang et al.: SimLM, arXiv 2207.02578, section 3.3", {}});
        for (RetrieverRecipe const& recipe : retriever_recipes()) {
            visit(Preset<Retriever>{recipe.name, recipe.citation, recipe.hyperparameters});
        }
    } else if constexpr (family == FinetuningFamily::scored) {
        visit(Preset<RetrieverMarginMse>{"retriever-margin-mse", "Hofstaetter et al., arXiv 2010.02666", {}});
        visit(Preset<ScoredPairs>{"scored-pairs", "Su: CoSENT; Sentence-BERT, arXiv 1908.10084; AnglE, arXiv 2309.12871", {}});
    } else {
        visit(Preset<Reranker>{"reranker", "Nogueira, Cho: Passage Re-ranking with BERT, arXiv 1901.04085", {}});
        visit(Preset<RerankerRDrop>{"reranker-r-drop", "Wang et al.: SimLM, arXiv 2207.02578, section 3.3", {}});
        visit(Preset<Splade>{"splade", "Formal et al.: SPLADE v2, arXiv 2109.10086", {}});
        visit(Preset<SpladeDoc>{"splade-doc", "Formal et al.: SPLADE v2, arXiv 2109.10086, section 3.3", {}});
        visit(Preset<DupMaeRetriever>{"dupmae-retriever", "Xiao, Liu: DupMAE, arXiv 2211.08769", {}});
        visit(Preset<ColBert>{"colbert", "Khattab, Zaharia: ColBERT, arXiv 2004.12832", {}});
        visit(Preset<BgeM3>{"bge-m3", "Chen et al.: M3-Embedding, arXiv 2402.03216", {}});
    }
}

/// Calls `visit(preset)` with every fine-tuning preset, in order.
template <class Visit>
void for_each_finetuning_preset(Visit&& visit) {
    for_each_finetuning_preset_of<FinetuningFamily::dense>(visit);
    for_each_finetuning_preset_of<FinetuningFamily::scored>(visit);
    for_each_finetuning_preset_of<FinetuningFamily::others>(visit);
}

/// Throws InputError, which lists the known names, where `name` is not a fine-tuning preset.
inline void require_finetuning_preset(std::string_view name) {
    std::string known;
    bool found = false;
    for_each_finetuning_preset([&](auto const& preset) {
        found = found || preset.name == name;
        known += (known.empty() ? "" : ", ") + std::string(preset.name);
    });
    if (found) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "the name of a fine-tuning preset",
                                .found = '"' + std::string(name) + '"',
                                .hint = "Known: " + known + ". Presets of pre-training are for `pretrain`."});
}

namespace detail {

/// The composition `Built` with the hyperparameters of the preset `M`, on `pairs`.
template <class Built, class M, class Pairs>
std::unique_ptr<AnyModel> make_finetuning_as(Preset<M> const& preset, PretrainingRequest const& request,
                                             AnyEncoder const& encoder, Pairs const& pairs) {
    using Erased = WithEncoder<Built, AnyEncoder>;
    auto model =
        std::make_shared<Erased>(encoder, options_of<Erased, M>(preset.hyperparameters, request.overrides), request.seed);
    return std::make_unique<ComposedObjective<Erased, Pairs>>(std::move(model), pairs, request.settings, request.preset,
                                                              request.sidecars);
}

/// The same with the bottleneck that is requested.
template <class Built, class M, class Pairs>
std::unique_ptr<AnyModel> make_finetuning_pooled(Preset<M> const& preset, PretrainingRequest const& request,
                                                 AnyEncoder const& encoder, Pairs const& pairs) {
    using Mean = WithBottleneck<Built, ClsBottleneck, MeanBottleneck>;
    bool const has_choice = !std::is_same_v<Built, Mean>;
    if (request.bottleneck.empty() || (has_choice && request.bottleneck == ClsBottleneck::name)) {
        return make_finetuning_as<Built, M>(preset, request, encoder, pairs);
    }
    if (has_choice && request.bottleneck == MeanBottleneck::name) {
        return make_finetuning_as<Mean, M>(preset, request, encoder, pairs);
    }
    throw InputError(Diagnostic{
        .file = {},
        .expected = has_choice ? "the bottleneck cls or mean for " + request.preset : "no other bottleneck for " + request.preset,
        .found = request.bottleneck});
}

}  // namespace detail

/// Presets that can be trained with two encoders: queries and passages have one vector each.
template <class M>
inline constexpr bool has_two_encoder_form =
    std::is_same_v<M, Retriever> || std::is_same_v<M, RetrieverDistilled> || std::is_same_v<M, RetrieverMarginMse>;

/// Builds the fine-tuning preset `request.preset` if it belongs to `family`; otherwise nothing is made. A template, so that a
/// program may compile each family in a file of its own by `extern template`.
/// Throws InputError for an unknown option, and where pairs and encoder do not fit.
template <FinetuningFamily family, class Pairs = PairStore>
std::unique_ptr<AnyModel> make_finetuning_of(PretrainingRequest const& request, AnyEncoder const& encoder, Pairs const& pairs) {
    std::unique_ptr<AnyModel> result;
    for_each_finetuning_preset_of<family>([&]<class M>(Preset<M> const& preset) {
        if (preset.name == request.preset) { result = detail::make_finetuning_pooled<M>(preset, request, encoder, pairs); }
    });
    return result;
}

/// The same with two encoders, of any family.
/// Throws InputError for a preset that has no such form, too.
template <class Pairs = PairStore>
std::unique_ptr<AnyModel> make_two_encoder_finetuning(PretrainingRequest const& request, AnyEncoder const& encoder,
                                                      Pairs const& pairs) {
    std::unique_ptr<AnyModel> result;
    auto const build = [&]<class M>(Preset<M> const& preset) {
        if constexpr (has_two_encoder_form<M>) {
            if (preset.name != request.preset) { return; }
            result = detail::make_finetuning_pooled<TwoEncoders<M>>(preset, request, encoder, pairs);
        }
    };
    for_each_finetuning_preset_of<FinetuningFamily::dense>(build);
    for_each_finetuning_preset_of<FinetuningFamily::scored>(build);
    if (result == nullptr) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a preset with a vector of the query and one of the passage, for two encoders",
                                    .found = request.preset,
                                    .hint = "retriever, retriever-distilled and retriever-margin-mse have one, and the settings "
                                            "of papers."});
    }
    return result;
}

/// Describes the fine-tuning presets of a family, in order.
template <FinetuningFamily family>
std::vector<PresetDescription> describe_finetuning_presets_of() {
    std::vector<PresetDescription> list;
    for_each_finetuning_preset_of<family>([&]<class M>(Preset<M> const& preset) { list.push_back(describe_preset(preset)); });
    return list;
}

#if defined(BMAE_SEPARATE_COMPILATION)   // in the library `bmae::compiled`
extern template std::unique_ptr<AnyModel> make_finetuning_of<FinetuningFamily::dense, PairStore>(PretrainingRequest const&,
                                                                                                 AnyEncoder const&,
                                                                                                 PairStore const&);
extern template std::vector<PresetDescription> describe_finetuning_presets_of<FinetuningFamily::dense>();
extern template std::unique_ptr<AnyModel> make_finetuning_of<FinetuningFamily::scored, PairStore>(PretrainingRequest const&,
                                                                                                  AnyEncoder const&,
                                                                                                  PairStore const&);
extern template std::vector<PresetDescription> describe_finetuning_presets_of<FinetuningFamily::scored>();
extern template std::unique_ptr<AnyModel> make_finetuning_of<FinetuningFamily::others, PairStore>(PretrainingRequest const&,
                                                                                                  AnyEncoder const&,
                                                                                                  PairStore const&);
extern template std::vector<PresetDescription> describe_finetuning_presets_of<FinetuningFamily::others>();
extern template std::unique_ptr<AnyModel> make_two_encoder_finetuning<PairStore>(PretrainingRequest const&, AnyEncoder const&,
                                                                                 PairStore const&);
#endif

/// Builds the fine-tuning preset `request.preset` around `encoder`, on `pairs`, which must outlive the result.
/// Throws InputError for an unknown preset or option, and where pairs and encoder do not fit.
template <class Pairs = PairStore>
std::unique_ptr<AnyModel> make_finetuning(PretrainingRequest const& request, AnyEncoder const& encoder, Pairs const& pairs) {
    require_finetuning_preset(request.preset);
    if (request.two_encoders) { return make_two_encoder_finetuning<Pairs>(request, encoder, pairs); }
    if (auto dense = make_finetuning_of<FinetuningFamily::dense, Pairs>(request, encoder, pairs)) { return dense; }
    if (auto scored = make_finetuning_of<FinetuningFamily::scored, Pairs>(request, encoder, pairs)) { return scored; }
    return make_finetuning_of<FinetuningFamily::others, Pairs>(request, encoder, pairs);
}

/// Describes the fine-tuning presets, in order.
inline std::vector<PresetDescription> describe_finetuning_presets() {
    std::vector<PresetDescription> list = describe_finetuning_presets_of<FinetuningFamily::dense>();
    for (auto more : {describe_finetuning_presets_of<FinetuningFamily::scored>(),
                      describe_finetuning_presets_of<FinetuningFamily::others>()}) {
        for (PresetDescription& entry : more) { list.push_back(std::move(entry)); }
    }
    return list;
}

}  // namespace bmae
