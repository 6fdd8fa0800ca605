// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Compiles what needs LibTorch but no model, once in a program: see detail/separate.hpp. Include it first and alone.
#pragma once

#if !defined(BMAE_SEPARATE_COMPILATION)
#error "bmae/impl/torch.hpp compiles the definitions of a program whose translation units all define BMAE_SEPARATE_COMPILATION."
#endif
#define BMAE_COMPILES_TORCH

#include <bmae/bottlenecks/sentence_bottleneck.hpp>
#include <bmae/bottlenecks/sentence_steps.hpp>
#include <bmae/edge/composed_objective.hpp>
#include <bmae/edge/dump_step.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/encoders/encoder_description.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/encoders/nomic_bert.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/nn/activation.hpp>
#include <bmae/nn/attention.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/gated_activation.hpp>
#include <bmae/nn/gather_rows.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/nn/linear_cross_entropy.hpp>
#include <bmae/nn/pooled_logits.hpp>
#include <bmae/nn/recompute.hpp>
#include <bmae/nn/rotary.hpp>
#include <bmae/nn/unshifted_norm.hpp>
#include <bmae/training/adafactor.hpp>
#include <bmae/training/adamw8.hpp>
#include <bmae/training/checkpoint.hpp>
#include <bmae/training/held_out.hpp>
#include <bmae/training/lamb.hpp>
#include <bmae/training/lora.hpp>
#include <bmae/training/non_finite.hpp>
#include <bmae/training/optimizer.hpp>
#include <bmae/training/run_files.hpp>
#include <bmae/training/step_gradient.hpp>
#include <bmae/training/trainer.hpp>
