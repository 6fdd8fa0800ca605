// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Compiles the family of dense retrievers with two encoders, once in a program: see detail/separate.hpp.
#pragma once

#include <memory>

#include <bmae/edge/finetuning_presets.hpp>

namespace bmae {

template std::unique_ptr<AnyModel> make_two_encoder_finetuning<PairStore>(PretrainingRequest const&, AnyEncoder const&,
                                                                          PairStore const&);

}  // namespace bmae
