// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// `Retriever` with the settings of other papers: one composition, other hyperparameters.
///
/// What hyperparameters cannot set stands on the page docs/papers/retriever.md: two encoders (`TwoEncoders`: DPR, MASTER as released), prompts
/// and mean pooling (E5), batches across devices, learning rates.
#pragma once

#include <array>
#include <string_view>

#include <bmae/presets/retriever.hpp>

namespace bmae {

/// A paper's settings of a `Retriever`.
struct RetrieverRecipe {
    std::string_view name;
    std::string_view citation;
    RetrieverHyperparameters hyperparameters;
};

/// All of them, in order of publication.
inline std::array<RetrieverRecipe, 10> retriever_recipes() {
    constexpr Similarity cosine = Similarity::cosine;
    return {{
        {"retriever-dpr",
         "Karpukhin et al.: DPR, arXiv 2004.04906, section 5.1",
         {.passages = 2, .query_length = 256, .passage_length = 256}},
        {"retriever-ance",
         "Xiong et al.: ANCE, arXiv 2007.00808, section 5",
         {.passages = 2, .query_length = 64, .passage_length = 512, .candidates = CandidateScope::own_group, .depth = 200}},
        {"retriever-simcse",
         "Gao et al.: SimCSE, arXiv 2104.08821, section 4",
         {.passages = 2, .query_length = 32, .passage_length = 32, .temperature = .05, .similarity = cosine}},
        {"retriever-cocondenser",
         "Gao, Callan: coCondenser, arXiv 2108.05540, as Tevatron trains it",
         {.passages = 8, .query_length = 32, .passage_length = 128, .sampling = NegativeChoice::shuffled}},
        {"retriever-retromae",
         "Xiao et al.: RetroMAE, arXiv 2205.12035, code for MS MARCO",
         {.passages = 16, .query_length = 32, .passage_length = 140, .depth = 200}},
        {"retriever-retromae-beir",
         "Xiao et al.: RetroMAE, arXiv 2205.12035, code for BEIR",
         {.passages = 2, .query_length = 32, .passage_length = 144}},
        {"retriever-simlm",
         "Wang et al.: SimLM, arXiv 2207.02578, section 4.1; so MASTER, arXiv 2212.07841",
         {.passages = 16,
          .query_length = 32,
          .passage_length = 144,
          .temperature = .02,
          .similarity = cosine,
          .contrast = RetrievalContrast::four_block,
          .depth = 200,
          .sampling = NegativeChoice::modulo}},
        {"retriever-e5",
         "Wang et al.: E5, arXiv 2212.03533, section 4",
         {.passages = 8, .query_length = 32, .passage_length = 192, .temperature = .01, .similarity = cosine}},
        {"retriever-master-as-released",
         "Zhou et al.: MASTER, arXiv 2212.07841, code",
         {.passages = 32, .query_length = 32, .passage_length = 128, .depth = 100}},
        {"retriever-bge",
         "Xiao et al.: C-Pack, arXiv 2309.07597, as FlagEmbedding trains it",
         {.passages = 8, .query_length = 64, .passage_length = 256, .temperature = .02, .similarity = cosine}},
    }};
}

}  // namespace bmae
