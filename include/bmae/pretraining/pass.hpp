// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One run of the encoder over one view, with the terms that share its sentence vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

#include <bmae/concepts/bottleneck.hpp>
#include <bmae/losses/token_cross_entropy.hpp>
#include <bmae/pretraining/term.hpp>

namespace bmae {

/// The encoder reads `ViewT`; its terms share one sentence vector.
template <class ViewT, Bottleneck BottleneckT, class... Term>
class Pass {
    static_assert(!ViewT::has_row_masks, "Pass: the encoder's view must hide tokens, not context: row masks belong into a branch.");
    static_assert(!ViewT::is_related, "Pass: the encoder's view comes first; a masker that depends on it belongs into a branch.");
    static_assert(sizeof...(Term) > 0, "Pass: without a term nothing would be learned; add MaskedLanguageModel or a Branch.");

public:
    /// Numbers of the pass, in the shape of its slots.
    struct Options {
        ViewT view = {};
        BottleneckT bottleneck = {};
        std::tuple<typename Term::Options...> terms = {};
    };
    static constexpr std::size_t term_count = sizeof...(Term);

    template <Encoder E>
    Pass(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : options_(std::move(options)), terms_(build(options_, encoder, seed, name, std::index_sequence_for<Term...>{})) {}

    [[nodiscard]] MaskedText assemble(Example const& example, TokenTraits const& traits, ViewSettings const& settings, Draw draw) const {
        MaskedText text = options_.view.assemble(example, traits, settings, draw, nullptr);
        TokenCrossEntropy{}.label(text, traits);
        return text;
    }

    [[nodiscard]] BottleneckT const& bottleneck() const noexcept { return options_.bottleneck; }
    [[nodiscard]] ViewDescription describe_view(std::string path) const { return options_.view.describe(std::move(path)); }

    /// Calls `visit(term, index)` for each term in order.
    template <class Visit>
    void for_each_term(Visit&& visit) {
        apply([&](auto&... term) { std::size_t index = 0; (visit(term, index++), ...); }, terms_);
    }
    template <class Visit>
    void for_each_term(Visit&& visit) const {
        apply([&](auto const&... term) { std::size_t index = 0; (visit(term, index++), ...); }, terms_);
    }

    [[nodiscard]] static constexpr bool keeps_layers() noexcept { return (Term::keeps_layers || ...); }

private:
    template <class E, std::size_t... I>
    static std::tuple<Term...> build(Options const& options, E const& encoder, std::uint64_t seed, std::string const& name,
                                     std::index_sequence<I...>) {
        return {Term(std::get<I>(options.terms), encoder, seed, name + ".terms." + std::to_string(I))...};
    }

    Options options_;
    std::tuple<Term...> terms_;
};

}  // namespace bmae
