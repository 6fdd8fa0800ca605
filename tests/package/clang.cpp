// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Programs of a user, one per kind of preset, that a second compiler reads: see tests/CMakeLists.txt. Never run.
#include <bmae/bmae.hpp>
#include <bmae/edge/finetuning_presets.hpp>

namespace {

template <class Preset>
void pretrain_on(bmae::TokenStore const& corpus) {
    Preset model(bmae::BertConfig::base());
    bmae::pretrain(model, corpus, {.steps = 20});
}

template <class Preset>
void finetune_on(bmae::PairStore const& pairs) {
    Preset model(bmae::BertConfig::base());
    bmae::finetune(model, pairs, {.steps = 20});
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) { return 2; }
    auto const corpus = bmae::TokenStore::open(arguments[1]);
    pretrain_on<bmae::RetroMae>(corpus);
    pretrain_on<bmae::Master>(corpus);
    pretrain_on<bmae::Contriever>(corpus);
    pretrain_on<bmae::SimLm>(corpus);
    pretrain_on<bmae::LexMae>(corpus);
    pretrain_on<bmae::CotMaeV2>(corpus);
    pretrain_on<bmae::Tsdae>(corpus);
    auto const pairs = bmae::PairStore::open(arguments[2]);
    finetune_on<bmae::Retriever>(pairs);
    finetune_on<bmae::RetrieverDistilled>(pairs);
    finetune_on<bmae::Reranker>(pairs);
    finetune_on<bmae::Splade>(pairs);
    finetune_on<bmae::ColBert>(pairs);
}
