// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Adaptors of a bottleneck: `StopGradient` and `Normalized`, and their common code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/concepts/bottleneck.hpp>

namespace bmae {

/// Anything that may fit the bottleneck slot of a `Pass`; whether one with parameters fits the encoder, the model checks.
template <class B>
concept AnyBottleneck = Bottleneck<B> || requires {
    typename B::Options;
    { B::name } -> std::convertible_to<std::string_view>;
};

/// D of the vectors that `bottleneck` makes over `encoder`; a constant expression where both allow it.
template <class B, class E>
constexpr std::int64_t bottleneck_width(B const& bottleneck, E const& encoder) {
    if constexpr (KeepsWidth<B, E>) {
        return encoder.shape().width;
    } else {
        return bottleneck.width(encoder);
    }
}

namespace detail {

/// It has parameters, or needs the encoder's tables.
template <class B>
concept IsBuilt = requires { typename B::Options; };

template <class B>
inline constexpr bool reads_layers = requires { requires B::reads_layers; };

/// It reads the hidden state of the first token of each text alone: `hidden` may then have one row per text.
template <class B>
inline constexpr bool reads_first_rows = requires { requires B::reads_first_rows; };

/// Names joined by +, "cls+mean", as one constant; empty ones are left out.
template <std::string_view const&... Name>
struct JoinedNames {
    static constexpr std::size_t count = ((Name.empty() ? 0U : 1U) + ...);
    static constexpr std::size_t size = (Name.size() + ...) + (count == 0 ? 0 : count - 1);
    static constexpr std::array<char, size> text = [] {
        std::array<char, size> joined{};
        std::size_t end = 0;
        auto const append = [&](std::string_view name) {
            if (name.empty()) { return; }
            if (end != 0) { joined[end++] = '+'; }
            for (char const c : name) { joined[end++] = c; }
        };
        (append(Name), ...);
        return joined;
    }();
    static constexpr std::string_view value{text.data(), text.size()};
};

template <class B>
inline constexpr std::string_view name_of_bottleneck = B::name;
template <class B>
inline constexpr std::string_view projection_of_bottleneck = [] {
    if constexpr (requires { B::projection; }) { return std::string_view(B::projection); }
    return std::string_view();
}();

/// The vectors of a plain or a built part.
template <class B, class E>
at::Tensor pool_by(B const& bottleneck, Encoded const& encoded, PackedInput const& input, E const& encoder) {
    if constexpr (requires { bottleneck.pool(encoded, input); }) {
        return bottleneck.pool(encoded, input);
    } else {
        return bottleneck.pool(encoded, input, encoder);
    }
}

/// `Step` applied to the vectors of `B`: a plain bottleneck where `B` is one, else a built one.
template <class B, class Step>
struct Adapted {
    static_assert(AnyBottleneck<B>,
                  "StopGradient, Normalized: the slot holds a bottleneck: explain_bottleneck<B>() says what is missing.");
    static constexpr std::string_view name = name_of_bottleneck<B>;
    static constexpr std::string_view projection = JoinedNames<projection_of_bottleneck<B>, Step::name>::value;
    static constexpr bool reads_layers = detail::reads_layers<B>;

    B inner = {};

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, D]
        return Step::apply(inner.pool(encoded, input));
    }
    template <class E>
    [[nodiscard]] constexpr std::int64_t width(E const& encoder) const
        requires(!KeepsWidth<B, E>)
    {
        return inner.width(encoder);
    }
};

template <IsBuilt B, class Step>
struct Adapted<B, Step> {
    static_assert(AnyBottleneck<B>,
                  "StopGradient, Normalized: the slot holds a bottleneck: "
                  "explain_built_bottleneck<B, Encoder>() says what is missing.");
    using Options = typename B::Options;
    static constexpr std::string_view name = name_of_bottleneck<B>;
    static constexpr std::string_view projection = JoinedNames<projection_of_bottleneck<B>, Step::name>::value;
    static constexpr bool reads_layers = detail::reads_layers<B>;

    template <Encoder E>
    Adapted(Options options, E const& encoder, std::uint64_t seed, std::string const& own_name)
        : inner(std::move(options), encoder, seed, own_name) {}

    template <class E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const& encoder) const {   // [B, D]
        return Step::apply(inner.pool(encoded, input, encoder));
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const& encoder) const
        requires(!KeepsWidth<B, E>)
    {
        return inner.width(encoder);
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        inner.for_each_parameter(prefix, visit);
    }

    B inner;
};

struct Detach {
    static constexpr std::string_view name = "stop_gradient";
    static at::Tensor apply(at::Tensor const& rows) { return rows.detach(); }
};
struct UnitLength {
    static constexpr std::string_view name = "normalized";
    static at::Tensor apply(at::Tensor const& rows) { return normalize_rows(rows); }
};

}  // namespace detail

/// The vectors of `B` as they are, but detached: only what follows is trained.
template <class B>
using StopGradient = detail::Adapted<B, detail::Detach>;

/// The vectors of `B` normalized to length 1, a zero vector stays zero: their dot products are cosines.
template <class B>
using Normalized = detail::Adapted<B, detail::UnitLength>;

static_assert(Bottleneck<StopGradient<ClsBottleneck>>);
static_assert(Bottleneck<Normalized<StopGradient<ClsBottleneck>>>);

}  // namespace bmae
