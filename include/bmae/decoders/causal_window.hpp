// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A causal decoder that attends to a few previous tokens only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/decoders/layered.hpp>
#include <bmae/nn/causal_window.hpp>
#include <bmae/nn/dropout.hpp>

namespace bmae {

/// Options of a `CausalWindowDecoder`.
struct CausalWindowDecoderOptions {
    std::int64_t layers = 1;   ///< CoT-MAE-qc: 1
    std::int64_t window = 3;   ///< columns, its own included; column 0 is always open. CoT-MAE-qc: 3
    Initialization initialization = Initialization::bert;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("layers", layers, "layers of the decoder");
        visit("window", window, "columns that a row attends to, its own included");
        visit("initialization", initialization, "how new layers are initialized");
    }
};

/// [h, E(x_1), ..., E(x_N)], then n pre-LN blocks under a causal window and a last LayerNorm (query-as-context pre-training,
/// arXiv 2212.09598, as released). Its labels are the next tokens: `NextToken`.
class CausalWindowDecoder : public LayeredDecoder<CausalWindowDecoderOptions> {
public:
    static constexpr std::string_view kind = "causal_window";
    static constexpr bool reads_visibility = false;

    /// Throws InputError for a window below 1.
    template <Encoder E>
    CausalWindowDecoder(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : LayeredDecoder(options, encoder, seed, name),
          norm(encoder.shape().width, encoder.shape().norm_epsilon),
          window_(require_window(options.window, "CoT-MAE-qc uses 3.")) {
        initialize(norm, name + ".LayerNorm", seed);
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, E const& encoder, Encoded const&,
                                    ForwardContext& context) const {
        std::vector<Visibility> const windows = causal_windows(view.offsets, window_);
        at::Tensor rows = encoder.embeddings(view.input_ids, view.positions, context)
                              .index_copy(0, view.first_rows, sentence);   // [T, H], row 0 of each text = h
        rows = dropout(rows, encoder.shape().hidden_dropout, context);
        for (TransformerLayer const& layer : layers) { rows = layer.pre_norm(rows, view, &windows, context); }
        return norm(rows);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        LayeredDecoder::for_each_parameter(prefix, visit);
        norm.for_each_parameter(prefix + ".LayerNorm", visit);
    }

    LayerNorm norm;

private:
    std::size_t window_;   // at least 1
};

}  // namespace bmae
