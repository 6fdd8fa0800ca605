// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Making a bottleneck and pooling by it, in a pass or in a term with a bottleneck of its own.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/concepts/bottleneck.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// A plain bottleneck is its own options; a built one has a type for them.
template <class B>
struct BottleneckOptions {
    using type = B;
};
template <IsBuilt B>
struct BottleneckOptions<B> {
    using type = typename B::Options;
};

template <class B, class E>
B make_bottleneck(typename BottleneckOptions<B>::type const& options, E const& encoder, std::uint64_t seed,
                  std::string const& name) {
    if constexpr (IsBuilt<B>) {
        return B(options, encoder, seed, name);
    } else {
        return options;
    }
}

/// Decoders and contrasts would fail far from the cause, or broadcast.
template <class B>
void require_pooled_shape(at::Tensor const& pooled, PackedInput const& input, std::int64_t width, std::string const& path) {
    constexpr bool tokens = requires { requires B::keeps_tokens; };
    std::int64_t const rows = tokens ? input.tokens() : input.texts();
    if (pooled.dim() == 2 && pooled.size(0) == rows && pooled.size(1) == width) { return; }
    auto const text = [](std::int64_t n, std::int64_t d) { return '[' + std::to_string(n) + ", " + std::to_string(d) + ']'; };
    throw InputError(Diagnostic{
        .file = {},
        .expected = path + " (" + std::string(B::name) + ") to return " + text(rows, width) +
                    (tokens ? ", one vector per token" : ", one vector per text"),
        .found = pooled.dim() == 2 ? text(pooled.size(0), pooled.size(1)) : std::to_string(pooled.dim()) + " dimensions",
        .hint = "A bottleneck whose vectors are not as wide as hidden states has a member width(encoder)."});
}

/// One vector per text, or one per token where the bottleneck keeps them all.                                  [B, D] or [T, D]
/// Throws InputError, which names `path`, where the bottleneck returns another shape than it says.
template <class B, class E>
at::Tensor pool_checked(B const& bottleneck, Encoded const& encoded, PackedInput const& input, E const& encoder,
                        std::string const& path) {
    at::Tensor const pooled = pool_by(bottleneck, encoded, input, encoder);
    require_pooled_shape<B>(pooled, input, bottleneck_width(bottleneck, encoder), path);
    return pooled;
}

}  // namespace bmae::detail
