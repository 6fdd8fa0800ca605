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
    DecoderFamily family = DecoderFamily::encoder;   ///< beside an encoder with rotary positions: its layers, or BERT's

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("layers", layers, "layers of the decoder");
        visit("window", window, "columns that a row attends to, its own included");
        visit("initialization", initialization, "how new layers are initialized");
        visit("family", family, "layers beside an encoder with rotary positions: the encoder's, or BERT's");
    }
};

/// [h, E(x_1), ..., E(x_N)], then n pre-LN blocks under a causal window and a last LayerNorm (query-as-context pre-training,
/// arXiv 2212.09598, as released), or the pre-norm layers of an encoder with rotary positions. Its labels are the next tokens: `NextToken`.
class CausalWindowDecoder : public LayeredDecoder<CausalWindowDecoderOptions> {
public:
    static constexpr std::string_view kind = "causal_window";
    static constexpr bool reads_visibility = false;

    /// Throws InputError for a window below 1.
    template <Encoder E>
    CausalWindowDecoder(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : LayeredDecoder(options, encoder, seed, name), window_(require_window(options.window, "CoT-MAE-qc uses 3.")) {
        if (is_gated()) { return; }   // these layers end with a norm of their own
        norm = LayerNorm(encoder.shape().width, encoder.shape().norm_epsilon);
        initialize(norm, name + ".LayerNorm", seed);
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, E const& encoder, Encoded const&,
                                    ForwardContext& context) const {
        std::vector<Visibility> const windows = causal_windows(view.offsets, window_);
        at::Tensor rows = placed(encoder.embeddings(view.input_ids, view.positions, context), view)
                              .index_copy(0, view.first_rows, sentence);   // [T, H], row 0 of each text = h
        rows = dropout(rows, encoder.shape().hidden_dropout, context);
        if (is_gated()) { return run_layers(rows, view, context, &windows); }
        for (TransformerLayer const& layer : layers) { rows = layer.pre_norm(rows, view, &windows, context); }
        return norm(rows);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        LayeredDecoder::for_each_parameter(prefix, visit);
        if (norm.weight.defined()) { norm.for_each_parameter(prefix + ".LayerNorm", visit); }
    }

    LayerNorm norm = {};   ///< undefined where `is_gated()`

private:
    std::size_t window_;   // at least 1
};

}  // namespace bmae
