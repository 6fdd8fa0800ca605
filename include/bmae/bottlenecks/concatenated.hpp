// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Concatenation of bottlenecks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/bottlenecks/mean.hpp>

namespace bmae {

namespace detail {

template <class... B>
struct ConcatenatedFacts {
    static_assert(sizeof...(B) >= 2, "Concatenated: at least two bottlenecks are needed.");
    static_assert((AnyBottleneck<B> && ...),
                  "Concatenated: every slot holds a bottleneck: explain_bottleneck<B>() says what is missing.");
    static constexpr std::string_view name = JoinedNames<name_of_bottleneck<B>...>::value;
    static constexpr std::string_view projection = JoinedNames<projection_of_bottleneck<B>...>::value;
    static constexpr bool reads_layers = (detail::reads_layers<B> || ...);
};

/// All parts are plain: so is the whole.
template <class... B>
struct ConcatenatedPlain : ConcatenatedFacts<B...> {
    std::tuple<B...> parts = {};

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, sum of D]
        return std::apply([&](B const&... part) { return at::cat({part.pool(encoded, input)...}, 1); }, parts);
    }
    template <class E>
    [[nodiscard]] constexpr std::int64_t width(E const& encoder) const {
        return std::apply([&](B const&... part) { return (bottleneck_width(part, encoder) + ...); }, parts);
    }
};

/// A part has parameters or needs the encoder's tables.
template <class... B>
class ConcatenatedBuilt : public ConcatenatedFacts<B...> {
    template <class Part>
    struct OptionsOf {
        using type = Part;
    };
    template <IsBuilt Part>
    struct OptionsOf<Part> {
        using type = typename Part::Options;
    };

public:
    struct Options {
        std::tuple<typename OptionsOf<B>::type...> parts = {};

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside_each("parts", parts);
        }
    };

    template <Encoder E>
    ConcatenatedBuilt(Options options, E const& encoder, std::uint64_t seed, std::string const& own_name)
        : parts_(build(std::move(options.parts), encoder, seed, own_name, std::index_sequence_for<B...>{})) {}

    template <class E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const& encoder) const {   // fp32
        auto const rows = [&](auto const& part) { return pool_by(part, encoded, input, encoder).to(at::kFloat); };
        return std::apply([&](B const&... part) { return at::cat({rows(part)...}, 1); }, parts_);
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const& encoder) const {
        return std::apply([&](B const&... part) { return (bottleneck_width(part, encoder) + ...); }, parts_);
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit_parts(prefix, visit, std::index_sequence_for<B...>{});
    }

    /// The part in slot `I`.
    template <std::size_t I>
    [[nodiscard]] auto& part() noexcept {
        return std::get<I>(parts_);
    }
    template <std::size_t I>
    [[nodiscard]] auto const& part() const noexcept {
        return std::get<I>(parts_);
    }

private:
    static std::string part_name(std::string const& whole, std::size_t i) { return whole + ".parts." + std::to_string(i); }

    template <class Part, class Given, class E>
    static Part make(Given options, E const& encoder, std::uint64_t seed, std::string const& own_name) {
        if constexpr (IsBuilt<Part>) {
            return Part(std::move(options), encoder, seed, own_name);
        } else {
            return options;
        }
    }
    template <class Given, class E, std::size_t... I>
    static std::tuple<B...> build(Given options, E const& encoder, std::uint64_t seed, std::string const& own_name,
                                  std::index_sequence<I...>) {
        return {make<B>(std::get<I>(std::move(options)), encoder, seed, part_name(own_name, I))...};
    }
    template <class Visit, std::size_t... I>
    void visit_parts(std::string const& prefix, Visit& visit, std::index_sequence<I...>) {
        auto const one = [&]<class Part>(Part& part, std::size_t i) {
            if constexpr (IsBuilt<Part>) { part.for_each_parameter(part_name(prefix, i), visit); }
        };
        (one(std::get<I>(parts_), I), ...);
    }

    std::tuple<B...> parts_;
};

template <class... B>
struct ConcatenatedOf {
    using type = ConcatenatedPlain<B...>;
};
template <class... B>
    requires(IsBuilt<B> || ...)
struct ConcatenatedOf<B...> {
    using type = ConcatenatedBuilt<B...>;
};

}  // namespace detail

/// The concatenation of the vectors of all parts, `bottleneck_width` wide. For contrasts and search: a decoder
/// reads vectors as wide as hidden states, which `Pass` checks. The options of its parts are a tuple, `{.parts = {...}}`.
template <class... B>
using Concatenated = typename detail::ConcatenatedOf<B...>::type;

static_assert(Bottleneck<Concatenated<ClsBottleneck, MeanBottleneck>>);

}  // namespace bmae
