// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Compiles the training of the most used presets with BERT as their encoder, once in a program: see detail/separate.hpp.
#pragma once

#include <bmae/edge/composed_objective.hpp>
#include <bmae/presets/dupmae.hpp>
#include <bmae/presets/masked_language_model.hpp>
#include <bmae/presets/retriever.hpp>
#include <bmae/presets/retromae.hpp>

namespace bmae {

BMAE_BIND_MODEL(DupMae, TokenStore);
BMAE_BIND_MODEL(PlainMaskedLanguageModel, TokenStore);
BMAE_BIND_MODEL(Retriever, PairStore);
BMAE_BIND_MODEL(RetroMae, TokenStore);
BMAE_BIND_MODEL(RetroMaeBasic, TokenStore);

}  // namespace bmae
