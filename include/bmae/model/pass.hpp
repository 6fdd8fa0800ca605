// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One run of an encoder over one view, with the terms that share its sentence vector.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/concepts/bottleneck.hpp>
#include <bmae/concepts/decoder.hpp>
#include <bmae/encoders/encoder_role.hpp>
#include <bmae/losses/token_cross_entropy.hpp>
#include <bmae/model/parts.hpp>
#include <bmae/model/pooling.hpp>
#include <bmae/model/term.hpp>
#include <bmae/model/view_agreement.hpp>

namespace bmae {

/// The pass is run by the model's encoder: all passes share it.
struct TiedEncoder {};
/// By an exponential moving average of it, without gradient (He et al.: MoCo, arXiv 1911.05722, equation 2).
struct MomentumEncoder {};
/// By a second encoder of the same shape, trained as well.
struct SecondEncoder {};

namespace detail {

/// True for a bottleneck; of one without parameters, the sentence says what is missing.
template <class B>
consteval bool fits_bottleneck_slot() {
    if constexpr (!IsBuilt<B>) { return explain_bottleneck<B>(); }
    return AnyBottleneck<B>;
}

/// What every term of a pass declares; what else it needs, `Model` checks against its encoder.
template <class Term>
concept FitsPass = requires {
    typename Term::Options;
    { Term::has_view } -> std::convertible_to<bool>;
    { Term::keeps_layers } -> std::convertible_to<bool>;
};

/// True unless `Part` predicts tokens with a head that `E` lacks.
template <class Part, class E>
inline constexpr bool head_is_there = HasTokenHead<E> || !requires { requires Part::needs_token_head; };

/// The term reads the vectors of a bottleneck of its own: `Via`.
template <class Term>
concept HasOwnBottleneck = requires { typename Term::BottleneckType; };

/// The term has a decoder, which reads the sentence vector as a row.
template <class Term>
concept Decodes = Term::has_view || requires(Term& term) { term.decoder(); };

/// What of a bottleneck depends on the encoder.
template <class B, class E>
consteval bool check_bottleneck() {
    static_assert(head_is_there<B, E>,
                  "Pass: this bottleneck reads the logits of the encoder's token head, which the encoder lacks (HasTokenHead).");
    if constexpr (IsBuilt<B> && head_is_there<B, E>) {
        static_assert(explain_built_bottleneck<B, E>(), "Pass: this bottleneck does not fit the encoder.");
    }
    return true;
}

template <class Term, class E>
consteval bool check_term() {
    if constexpr (HasOwnBottleneck<Term>) {
        static_assert(check_bottleneck<typename Term::BottleneckType, E>());
        static_assert(KeepsWidth<typename Term::BottleneckType, E> || !Decodes<Term>,
                      "Via: a decoder reads sentence vectors as wide as hidden states; those of this bottleneck are not.");
    }
    static_assert(head_is_there<Term, E>,
                  "Pass: this term predicts tokens with the encoder's head, which the encoder lacks (HasTokenHead). "
                  "Use a branch with OwnHead, or an encoder with a head.");
    if constexpr (requires { typename Term::DecoderType; }) {
        static_assert(
            HasPositionTable<E> || !requires { requires Term::DecoderType::needs_position_table; },
            "Branch: an enhanced decoder adds positions to the sentence vector; this encoder has no table of them "
            "(HasPositionTable). Use BasicDecoder.");
        static_assert(explain_decoder<typename Term::DecoderType, E>(), "Branch: this decoder does not fit the encoder.");
    }
    static_assert(TokenTerm<Term, E> || SummedTerm<Term, E>,
                  "Pass: a term needs `rows(pass, view)` (tokens for the shared head) or `sum(pass, view)` and "
                  "`count(view)`; see model/term.hpp.");
    return true;
}

/// The term predicts tokens of the encoder's own view.
template <class Term>
inline constexpr bool has_own_labels = requires {
    typename Term::Labels;
    requires !Term::has_view;
};

/// The masker of a term's view fits the encoder's view.
template <class EncoderView, class Term>
consteval bool relates() {
    if constexpr (AnyView<EncoderView> && requires { typename Term::View; }) {
        if constexpr (AnyView<typename Term::View>) { return explain_relation<EncoderView, typename Term::View>(); }
    }
    return true;
}

/// The labels that terms set in the encoder's own view; masked tokens where there is no such term.
template <class... Term>
struct OwnLabels {
    using type = TokenCrossEntropy;
    static constexpr bool agree = true;
};
template <class First, class... Rest>
struct OwnLabels<First, Rest...> {
    using rest = OwnLabels<Rest...>;
    using type = typename rest::type;
    static constexpr bool agree = rest::agree;
};
template <class First, class... Rest>
    requires(!First::has_view && requires { typename First::Labels; })
struct OwnLabels<First, Rest...> {
    using type = typename First::Labels;
    static constexpr bool agree =
        ((Rest::has_view || !requires { typename Rest::Labels; } || std::is_same_v<typename OwnLabels<Rest>::type, type>) && ...);
};

}  // namespace detail

/// An encoder reads `ViewT`; its terms share one sentence vector. See `Pass`.
template <class TowerT, class ViewT, class BottleneckT, class... Term>
class PassOf {
    static_assert(AnyView<ViewT>, "Pass: the first slot is the encoder's view: View<TextSource, Masker, Corruptor>.");
    static_assert(
        detail::fits_bottleneck_slot<BottleneckT>(),
        "Pass: the second slot after the encoder's view must be a bottleneck; one with `Options` has a `static constexpr "
        "std::string_view name`.");
    static_assert(
        (detail::FitsPass<Term> && ...),
        "Pass: after view and bottleneck come the terms of this pass: MaskedLanguageModel, Branch, BagOfWords. A Contrast "
        "compares passes and follows them.");
    static_assert(detail::reads_hidden<BottleneckT> || sizeof...(Term) == 0,
                  "Pass: this bottleneck reads tokens alone (reads_hidden = false), so the pass has no hidden states for terms.");
    static_assert(!ViewT::has_row_masks,
                  "Pass: the encoder's view must mask tokens, not context: row masks belong into a branch.");
    static_assert(!ViewT::is_related, "Pass: the encoder's view comes first; a masker that depends on it belongs into a branch.");
    static_assert((detail::relates<ViewT, Term>() && ...));   // its sentences are those of explain_relation
    static_assert(detail::OwnLabels<Term...>::agree,
                  "Pass: terms that read the encoder's own view must label the same tokens of it.");
    static_assert(
        (std::size_t{0} + ... + (detail::has_own_labels<Term> ? 1U : 0U)) < 2 ||
            std::is_empty_v<typename detail::OwnLabels<Term...>::type> ||
            OffersOptions<typename detail::OwnLabels<Term...>::type>,
        "Pass: several terms share the labels of the encoder's own view, so a token loss with options must offer them by "
        "for_each_option: they are compared.");
    static_assert(
        sizeof...(Term) == 0 || !std::is_same_v<TowerT, MomentumEncoder>,
        "MomentumPass: the momentum encoder gets no gradient, so a term here would not train it. Put the term into a Pass.");

public:
    /// Options of the pass, one per slot.
    struct Options {
        ViewT view = {};
        typename detail::BottleneckOptions<BottleneckT>::type bottleneck = {};
        std::tuple<typename Term::Options...> terms = {};

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside("view", view);
            visit.inside("bottleneck", bottleneck);
            visit.inside_each("terms", terms);
        }
    };
    using Tower = TowerT;
    using View = ViewT;
    using BottleneckType = BottleneckT;
    using Terms = std::tuple<Term...>;
    using Labels = typename detail::OwnLabels<Term...>::type;
    static constexpr bool is_pass = true;
    static constexpr std::size_t term_count = sizeof...(Term);
    static constexpr bool keeps_layers = (Term::keeps_layers || ... || requires { requires BottleneckT::reads_layers; });

    /// What depends on the encoder: whether bottleneck and terms fit it.
    template <Encoder E>
    static consteval bool check_encoder() {
        static_assert(detail::check_bottleneck<BottleneckT, E>());
        static_assert(
            KeepsWidth<BottleneckT, E> || !((detail::Decodes<Term> && !detail::HasOwnBottleneck<Term>) || ...),
            "Pass: a decoder reads sentence vectors as wide as hidden states; those of this bottleneck are not, they are for "
            "contrasts and search.");
        return (detail::check_term<Term, E>() && ...);
    }

    template <Encoder E>
    PassOf(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : view_(std::move(options.view)),
          bottleneck_(detail::make_bottleneck<BottleneckT>(options.bottleneck, encoder, seed, name + ".bottleneck")),
          terms_(build(options.terms, encoder, seed, name, std::index_sequence_for<Term...>{})),
          name_(name) {
        require_head(encoder);
        require_equal_labels(name);
    }

    /// The encoder's text of an example with its labels; several where the view reads groups.
    template <class ExampleT>
    [[nodiscard]] std::vector<CandidateText> assemble(ExampleT const& example, TokenTraits const& traits,
                                                      ViewSettings const& settings, ViewDraws draws) const {
        std::vector<CandidateText> texts = view_.assemble(example, traits, settings, draws, nullptr);
        for (CandidateText& text : texts) { labels().label(text.text, traits); }
        return texts;
    }

    /// One vector per text, or one per token where the bottleneck keeps them all.                              [B, D] or [T, D]
    /// Throws InputError where the bottleneck returns another shape than it says.
    template <class E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const& encoder) const {
        return detail::pool_checked(bottleneck_, encoded, input, encoder, name_ + ".bottleneck");
    }

    /// Calls `visit(term, index)` for each term in order.
    template <class Visit>
    void for_each_term(Visit&& visit) {
        detail::visit_each(terms_, visit);
    }
    template <class Visit>
    void for_each_term(Visit&& visit) const {
        detail::visit_each(terms_, visit);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        for_each_bottleneck_parameter(prefix, visit);
        for_each_term([&](auto& term, std::size_t t) { term.for_each_parameter(prefix + ".terms." + std::to_string(t), visit); });
    }

    template <class Visit>
    void for_each_bottleneck_parameter(std::string const& prefix, Visit&& visit) {
        if constexpr (requires { bottleneck_.for_each_parameter(prefix, visit); }) {
            bottleneck_.for_each_parameter(prefix + ".bottleneck", visit);
        }
    }

    [[nodiscard]] ViewT& view() noexcept { return view_; }
    [[nodiscard]] ViewT const& view() const noexcept { return view_; }
    [[nodiscard]] BottleneckT const& bottleneck() const noexcept { return bottleneck_; }

private:
    template <class E, std::size_t... I>
    static std::tuple<Term...> build([[maybe_unused]] std::tuple<typename Term::Options...> const& options,
                                     [[maybe_unused]] E const& encoder, [[maybe_unused]] std::uint64_t seed,
                                     [[maybe_unused]] std::string const& name, std::index_sequence<I...>) {
        return {Term(std::get<I>(options), encoder, seed, name + ".terms." + std::to_string(I))...};
    }

    /// Refuses a type-erased encoder without the head that bottleneck or terms read.
    template <class E>
    void require_head(E const& encoder) const {
        if constexpr (detail::NeedsTokenHead<BottleneckT>) {
            require_role(encoder, EncoderRole::token_head, name_ + ".bottleneck", detail::name_of<BottleneckT>());
        }
        for_each_term([&]<class T>(T const&, std::size_t t) {
            if constexpr (detail::NeedsTokenHead<T>) {
                require_role(encoder, EncoderRole::token_head, name_ + ".terms." + std::to_string(t), T::kind);
            }
        });
    }

    /// The labels of the encoder's own view: those of the first term that sets any.
    template <std::size_t I = 0>
    [[nodiscard]] decltype(auto) labels() const {
        if constexpr (I == sizeof...(Term)) {
            return Labels{};
        } else if constexpr (detail::has_own_labels<std::tuple_element_t<I, std::tuple<Term...>>>) {
            return std::get<I>(terms_).labels();
        } else {
            return labels<I + 1>();
        }
    }

    /// Refuses terms that label the encoder's own view by different options.
    void require_equal_labels(std::string const& name) const {
        for_each_term([&]<class T>(T const& term, std::size_t t) {
            if constexpr (detail::has_own_labels<T>) {
                detail::require_same_numbers(detail::numbers_of(labels()), name + ".view's loss",
                                             detail::numbers_of(term.labels()), name + ".terms." + std::to_string(t) + ".loss",
                                             "terms that read the encoder's own view share its labels.");
            }
        });
    }

    ViewT view_;
    BottleneckT bottleneck_;
    std::tuple<Term...> terms_;
    std::string name_;   // "passes.0", for errors
};

/// The encoder reads `View`; the terms share one sentence vector.
template <class View, class Bottleneck, class... Term>
using Pass = PassOf<TiedEncoder, View, Bottleneck, Term...>;
/// The same by the momentum encoder, for a contrast alone.
template <class View, class Bottleneck>
using MomentumPass = PassOf<MomentumEncoder, View, Bottleneck>;
/// The same by a second encoder.
template <class View, class Bottleneck, class... Term>
using SecondPass = PassOf<SecondEncoder, View, Bottleneck, Term...>;

}  // namespace bmae
