// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A causal decoder that is the encoder itself, beside cross-attention to the sentence vector.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/decoders/cross_attention.hpp>
#include <bmae/encoders/encoder_role.hpp>

namespace bmae {

/// Options of a `TiedDecoder`: depth and widths are the encoder's.
struct TiedDecoderOptions {
    Initialization initialization = Initialization::bert;   ///< of cross-attention, all that is new

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("initialization", initialization, "how the layers of cross-attention are initialized");
    }
};

/// [E(x_0), ..., E(x_N)] through the encoder's own embeddings and layers under a causal mask, with cross-attention to one key, h,
/// in every layer (Wang, Reimers, Gurevych: TSDAE, arXiv 2104.06979). Its labels are the next tokens: `NextToken`.
///
/// It reads the tensors of the encoder that runs the pass, so a gradient reaches them by both ways. Its own parameters are those of
/// cross-attention alone, `decoder.layer.0.crossattention...`. The encoder is a `LayerStack`: `HasLayerStack`.
class TiedDecoder {
public:
    using Options = TiedDecoderOptions;
    static constexpr std::string_view kind = "tied";
    static constexpr bool reads_visibility = false;

    template <Encoder E>
    TiedDecoder(Options options, E const& encoder, std::uint64_t seed, std::string const& name) : options_(options) {
        static_assert(HasLayerStack<E>,
                      "TiedDecoder: it runs the encoder's own transformer layers one by one, and this encoder has no member "
                      "`layers` of type LayerStack (HasLayerStack). Use CrossAttentionDecoder, which has layers of its own.");
        require_role(encoder, EncoderRole::layer_stack, name, kind);
        if constexpr (HasLayerStack<E>) {
            crossings = detail::make_crossings(encoder.layers.size(), encoder.shape(), seed, name, options.initialization);
        }
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, E const& encoder, Encoded const&,
                                    ForwardContext& context) const {
        auto const all = static_cast<std::size_t>(std::max<std::int64_t>(view.tokens(), 1));   // no text is longer
        at::Tensor const rows = encoder.embeddings(view.input_ids, view.positions, context);   // [T, H]
        return detail::run_crossed(encoder.layers, crossings, rows, sentence, view, causal_windows(view.offsets, all), context);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        detail::for_each_crossing_parameter(crossings, prefix, visit);
    }

    [[nodiscard]] Options const& options() const noexcept { return options_; }

    std::vector<SingleKeyAttention> crossings;   ///< one for each layer of the encoder

private:
    Options options_;
};

}  // namespace bmae
