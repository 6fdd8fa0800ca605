// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Bidirectional layers whose first row is the sentence vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/decoders/layered.hpp>

namespace bmae {

/// Options of a `BasicDecoder`.
struct BasicDecoderOptions {
    std::int64_t layers = 1;   ///< RetroMAE: 1; MASTER, SimLM, CoT-MAE: 2
    Initialization initialization = Initialization::bert;
    DecoderFamily family = DecoderFamily::encoder;   ///< beside an encoder with rotary positions: its layers, or BERT's

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("layers", layers, "layers of the decoder");
        visit("initialization", initialization, "how new layers are initialized");
        visit("family", family, "layers beside an encoder with rotary positions: the encoder's, or BERT's");
    }
};

/// H = [h, E(x_1), ..., E(x_N)], then n ordinary layers (SentMAE paper, equation 2; MASTER, equation 4): BERT's, or those of an
/// encoder with rotary positions (`DecoderFamily`).
/// Row 0 is the raw sentence vector: no position, no LayerNorm, no dropout.
class BasicDecoder : public LayeredDecoder<BasicDecoderOptions> {
public:
    static constexpr std::string_view kind = "basic";
    static constexpr bool reads_visibility = false;

    template <Encoder E>
    BasicDecoder(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : LayeredDecoder(options, encoder, seed, name) {}

    template <Encoder E>
    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, E const& encoder, Encoded const&,
                                    ForwardContext& context) const {
        at::Tensor const rows = placed(encoder.embeddings(view.input_ids, view.positions, context), view)
                                    .index_copy(0, view.first_rows, sentence);   // [T, H], row 0 of each text = h
        return run_layers(rows, view, context);
    }
};

}  // namespace bmae
