// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A decoder that reads a layer of the encoder itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/decoders/layered.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Options of a `TapDecoder`.
struct TapDecoderOptions {
    std::int64_t layers = 2;     ///< Condenser: n_head_layers 2
    std::int64_t tap = middle;   ///< layer read, 0 = embeddings; Condenser: skip_from 6 of 12
    Initialization initialization = Initialization::bert;
    DecoderFamily family = DecoderFamily::encoder;   ///< beside an encoder with rotary positions: its layers, or BERT's

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("layers", layers, "layers of the decoder");
        visit("tap", tap, "layer read, 0 = embeddings, -1 = the middle layer");
        visit("initialization", initialization, "how new layers are initialized");
        visit("family", family, "layers beside an encoder with rotary positions: the encoder's, or BERT's");
    }

    static constexpr std::int64_t middle = -1;   ///< the middle layer
};

/// [h_late, x_1^tap, ..., x_N^tap], then n ordinary layers (Gao, Callan: Condenser, arXiv 2104.08253, equations 5-6).
///
/// The bottleneck is not the only input here: rows come from the middle of the encoder's own pass, the sentence vector
/// from its end. The decoder has no view of its own; its branch reads the encoder's (`OwnView`).
class TapDecoder : public LayeredDecoder<TapDecoderOptions> {
public:
    static constexpr std::string_view kind = "tap";
    static constexpr bool reads_visibility = false;
    static constexpr bool reads_layers = true;

    /// Throws InputError where `tap` is not a layer of the encoder.
    template <Encoder E>
    TapDecoder(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : LayeredDecoder(options, encoder, seed, name) {
        std::int64_t const depth = encoder.shape().layers;
        if (options_.tap == Options::middle) { options_.tap = depth / 2; }
        if (options_.tap < 0 || options_.tap > depth) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "a tap from 0 (embeddings) to " + std::to_string(depth) + ", the layers of the encoder",
                           .found = std::to_string(options_.tap),
                           .hint = "Condenser taps layer 6 of 12: take the middle."});
        }
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, E const&, Encoded const& pass,
                                    ForwardContext& context) const {
        at::Tensor const rows = placed(pass.layers[static_cast<std::size_t>(options_.tap)], view)
                                    .index_copy(0, view.first_rows, sentence);   // [T, H]
        return run_layers(rows, view, context);
    }
};

}  // namespace bmae
