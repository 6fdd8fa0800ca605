// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Compiles what needs no LibTorch, once in a program: see detail/separate.hpp. Include it first and alone.
#pragma once

#if !defined(BMAE_SEPARATE_COMPILATION)
#error "bmae/impl/core.hpp compiles the definitions of a program whose translation units all define BMAE_SEPARATE_COMPILATION."
#endif
#define BMAE_COMPILES_CORE

#include <bmae/batch/planner.hpp>
#include <bmae/batch/prefetcher.hpp>
#include <bmae/corpus/beir_folder.hpp>
#include <bmae/corpus/beir_pairs.hpp>
#include <bmae/corpus/judged_pairs.hpp>
#include <bmae/corpus/line_pairs.hpp>
#include <bmae/corpus/master_rows.hpp>
#include <bmae/corpus/nli.hpp>
#include <bmae/corpus/pair_store_build.hpp>
#include <bmae/corpus/recognize.hpp>
#include <bmae/corpus/run_line.hpp>
#include <bmae/corpus/scored_pairs.hpp>
#include <bmae/corpus/training_json.hpp>
#include <bmae/corpus/training_rows.hpp>
#include <bmae/corpus/training_table.hpp>
#include <bmae/corpus/training_writer.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/detail/text_file.hpp>
#include <bmae/detail/whole_files.hpp>
#include <bmae/edge/text_coverage.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/io/safetensors_header.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/model/composition_figure.hpp>
#include <bmae/model/composition_text.hpp>
#include <bmae/model/view_agreement.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run_file.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/text/pair_store_format.hpp>
#include <bmae/text/pair_store_writer.hpp>
#include <bmae/text/store_files.hpp>
#include <bmae/text/store_manifest.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_format.hpp>
#include <bmae/text/token_store_writer.hpp>
#include <bmae/text/tokenizer_files.hpp>
#include <bmae/text/tokenizer_json.hpp>
#include <bmae/text/word_pattern_syntax.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/description.hpp>
#include <bmae/training/figures.hpp>
#include <bmae/training/parameter_rates.hpp>
#include <bmae/training/plan.hpp>
#include <bmae/training/run_log.hpp>
#include <bmae/training/train_log.hpp>
#include <bmae/training/train_state.hpp>
#include <bmae/training/trainer_options.hpp>
#include <bmae/values/option.hpp>
