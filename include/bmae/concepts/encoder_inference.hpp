// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What an encoder may offer beyond `Encoder` to encode faster without gradients: packed linear maps, first rows alone.
#pragma once

#include <concepts>

#include <bmae/concepts/encoder.hpp>

namespace bmae {

/// An encoder whose linear maps can be packed for inference: `visit(Linear&)` for each.
template <class E>
concept PacksLinears =
    Encoder<E> && requires(E& module) { module.for_each_linear([](auto& map) { static_cast<void>(map.is_packed()); }); };

/// Whether the linear maps of this encoder can be packed: for a type-erased encoder its held one decides.
template <Encoder E>
[[nodiscard]] bool packs_linears(E const& encoder) noexcept {
    if constexpr (requires { encoder.packs_linears(); }) {
        return encoder.packs_linears();
    } else {
        return PacksLinears<E>;
    }
}

/// An encoder that can return the hidden states of first tokens alone, without the other rows of its last layer.
template <class E>
concept EncodesFirst = Encoder<E> && requires(E const& encoder, PackedInput const& input, ForwardContext& context) {
    { encoder.encode_first(input, context) } -> std::same_as<at::Tensor>;   // [B, H]
};

}  // namespace bmae
