// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The nonlinearities that BERT configurations name.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>

#include <bmae/io/bert_config.hpp>

namespace bmae {

/// Element by element.                                                                              any shape -> same shape
inline at::Tensor activate(at::Tensor const& x, Activation activation) {
    switch (activation) {
        case Activation::relu: return at::relu(x);
        case Activation::gelu_tanh: return at::gelu(x, "tanh");
        case Activation::gelu: break;
    }
    return at::gelu(x);
}

}  // namespace bmae
