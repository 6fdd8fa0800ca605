// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sorting the parts of a composition: passes, and the terms that look across them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <bmae/concepts/bottleneck.hpp>
#include <bmae/model/view.hpp>

namespace bmae::detail {

/// Calls `visit(part, index)` for each part of a tuple in order; `Parts` is const where the parts are to be.
template <class Parts, class Visit>
void visit_each([[maybe_unused]] Parts& parts, [[maybe_unused]] Visit& visit) {
    [&]<std::size_t... index>(std::index_sequence<index...>) {   // not std::apply: four functions less for each tuple and visitor
        (visit(std::get<index>(parts), index), ...);
    }(std::make_index_sequence<std::tuple_size_v<std::remove_const_t<Parts>>>());
}

template <class Part>
inline constexpr bool is_pass = requires { requires Part::is_pass; };

/// Checks of a pass that need the encoder; true for what is no pass.
template <class E, class Part>
consteval bool check_encoder_of() {
    if constexpr (is_pass<Part>) {
        return Part::template check_encoder<E>();
    } else {
        return true;
    }
}

/// What a trailing term requires of the vectors of its passes.
template <class Part>
inline constexpr bool wants_scores = requires { requires Part::needs_scores; };
template <class Part>
inline constexpr bool wants_token_vectors = requires { requires Part::needs_token_vectors; };
/// Of rows of all three representations in one.
template <class Part>
inline constexpr bool wants_hybrid_vectors = requires { requires Part::needs_hybrid_vectors; };
template <class Part>
inline constexpr bool wants_groups = requires { requires Part::needs_groups; };
template <class Part>
inline constexpr bool wants_teacher_scores = requires { requires Part::needs_teacher_scores; };
/// Of a store of scored pairs.
template <class Part>
inline constexpr bool wants_similarities = requires { requires Part::needs_similarities; };
template <class Part>
inline constexpr bool wants_one_vector = !is_pass<Part> && !wants_scores<Part> && !wants_token_vectors<Part>;

/// Traits of a pass; false for what is no pass.
template <class Part>
inline constexpr bool pass_gives_scores = requires { requires Part::BottleneckType::gives_scores; };
template <class Part>
inline constexpr bool pass_keeps_tokens = requires { requires Part::BottleneckType::keeps_tokens; };
template <class Part>
inline constexpr bool pass_is_hybrid = requires { requires Part::BottleneckType::is_hybrid; };
template <class Part>
inline constexpr bool pass_reads_groups = [] {
    if constexpr (is_pass<Part>) {
        return gives_groups<typename Part::View>;
    } else {
        return false;
    }
}();

/// The source of its groups may read more texts than are trained on.
template <class Part>
inline constexpr bool pass_offers_choice = [] {
    if constexpr (is_pass<Part>) {
        return requires(typename Part::View const& view) { view.source.kept_size(); };
    } else {
        return false;
    }
}();

template <class Part>
concept NeedsTokenHead = requires { requires Part::needs_token_head; };

/// False for a bottleneck that reads the tokens of a text alone, so that its pass runs no encoder.
template <class B>
inline constexpr bool reads_hidden = !requires { requires !B::reads_hidden; };

template <class... Term>
constexpr bool any_needs_token_head(std::tuple<Term...> const*) {
    return (NeedsTokenHead<Term> || ... || false);
}

/// The pass reads logits of the token head, in its bottleneck or in a term.
template <class Part>
constexpr bool reads_token_head() {
    if constexpr (is_pass<Part>) {
        return NeedsTokenHead<typename Part::BottleneckType> ||
               any_needs_token_head(static_cast<typename Part::Terms const*>(nullptr));
    } else {
        return false;
    }
}

/// True where the first pass reads groups, without a pass of queries.
template <class... Part>
constexpr bool groups_come_first() {
    bool const groups[] = {pass_reads_groups<Part>..., false};   // of no part at all: no
    return groups[0];
}

/// Terms that a part brings: those of a pass, or itself.
template <class Part>
constexpr std::size_t terms_of() {
    if constexpr (is_pass<Part>) {
        return Part::term_count;
    } else {
        return 1;
    }
}

/// Number of passes that a part compares.
template <class Part>
constexpr std::size_t passes_wanted() {
    if constexpr (requires { Part::passes; }) {
        return Part::passes;
    } else {
        return 0;
    }
}

/// True for a pass that `Tower` runs.
template <class Part, class Tower>
constexpr bool runs_on() {
    if constexpr (is_pass<Part>) {
        return std::is_same_v<typename Part::Tower, Tower>;
    } else {
        return false;
    }
}

/// True for a trailing term with in-batch negatives, as most have.
template <class Part>
constexpr bool compares_batch() {
    if constexpr (requires { Part::compares_batch; }) {
        return Part::compares_batch;
    } else {
        return !is_pass<Part>;
    }
}

/// A term that compares with vectors of a momentum encoder.
template <class Part>
inline constexpr bool wants_momentum = requires { requires Part::needs_momentum; };

/// True where `Tower` runs the second pass, and not the first.
template <class Tower, class... Part>
constexpr bool comes_second() {
    bool const runs[] = {runs_on<Part, Tower>()..., false, false};
    return !runs[0] && runs[1];
}

/// A term that allocates H values per vector.
template <class Part>
constexpr bool wants_hidden_width() {
    if constexpr (requires { Part::wants_hidden_width; }) {
        return Part::wants_hidden_width;
    } else {
        return false;
    }
}

/// A pass whose vectors may have another width than hidden states of `E`.
template <class E, class Part>
constexpr bool leaves_hidden_width() {
    if constexpr (is_pass<Part>) {
        return !KeepsWidth<typename Part::BottleneckType, E>;
    } else {
        return false;
    }
}

/// True unless a term that requires vectors as wide as hidden states would get others.
template <class E, class... Part>
constexpr bool widths_fit() {
    return !(wants_hidden_width<Part>() || ...) || !(leaves_hidden_width<E, Part>() || ...);
}

/// True unless two branches give one name to decoders of two types.
template <class A, class B>
consteval bool share_one_type() {
    if constexpr (requires { A::DecoderType::shared_name == B::DecoderType::shared_name; }) {
        return A::DecoderType::shared_name != B::DecoderType::shared_name ||
               std::is_same_v<typename A::DecoderType, typename B::DecoderType>;
    } else {
        return true;
    }
}
template <class... Term>
consteval bool shared_types_agree(std::tuple<Term...> const*) {
    [[maybe_unused]] auto const against_all = []<class A>(A const*) { return (share_one_type<A, Term>() && ... && true); };
    return (against_all(static_cast<Term const*>(nullptr)) && ... && true);
}

/// True where all views read the examples of one kind of dataset.
template <class First, class... View>
consteval bool one_example() {
    return (std::is_same_v<typename First::ExampleType, typename View::ExampleType> && ... && true);
}

/// The terms of a pass, in a tuple; of anything else, none.
template <class Part>
struct TermsOf {
    using type = std::tuple<>;
};
template <class Part>
    requires is_pass<Part>
struct TermsOf<Part> {
    using type = typename Part::Terms;
};
template <class... Part>
using AllTerms = decltype(std::tuple_cat(std::declval<typename TermsOf<Part>::type>()...));

/// All views of the passes and their terms, in a tuple.
template <class Term>
auto view_of_term() {
    if constexpr (Term::has_view) {
        return std::tuple<typename Term::View>();
    } else {
        return std::tuple<>();
    }
}
template <class Part>
struct ViewsOf {
    using type = std::tuple<>;
};
template <class Part>
    requires is_pass<Part>
struct ViewsOf<Part> {
    template <class... Term>
    static auto views(std::tuple<Term...> const*)
        -> decltype(std::tuple_cat(std::tuple<typename Part::View>(), view_of_term<Term>()...));
    using type = decltype(views(static_cast<typename Part::Terms const*>(nullptr)));
};
template <class... Part>
using AllViews = decltype(std::tuple_cat(std::declval<typename ViewsOf<Part>::type>()...));

template <class First, class... View>
consteval bool views_read_one_example(std::tuple<First, View...> const*) {
    return one_example<First, View...>();
}
template <class First, class... View>
First first_of(std::tuple<First, View...> const*);

template <bool keep_passes, class... Part>
using Kept =
    decltype(std::tuple_cat(std::declval<std::conditional_t<is_pass<Part> == keep_passes, std::tuple<Part>, std::tuple<>>>()...));

/// True where no pass follows a term.
template <class... Part>
constexpr bool passes_come_first() {
    bool terms_began = false;
    bool fine = true;
    ((fine = fine && !(is_pass<Part> && terms_began), terms_began = terms_began || !is_pass<Part>), ...);
    return fine;
}

/// The same tuple of each part's Options; its parts built from them; calls to all of them.
template <class Tuple>
struct PartList;

template <class... Part>
struct PartList<std::tuple<Part...>> {
    using Options = std::tuple<typename Part::Options...>;

    /// Part i is called `prefix` + i.
    template <class E>
    static std::tuple<Part...> build(Options const& options, E const& encoder, std::uint64_t seed, std::string const& prefix) {
        return build(options, encoder, seed, prefix, std::index_sequence_for<Part...>{});
    }

private:
    template <class E, std::size_t... I>
    static std::tuple<Part...> build([[maybe_unused]] Options const& options, [[maybe_unused]] E const& encoder,
                                     [[maybe_unused]] std::uint64_t seed, [[maybe_unused]] std::string const& prefix,
                                     std::index_sequence<I...>) {
        return {Part(std::get<I>(options), encoder, seed, prefix + std::to_string(I))...};
    }
};

}  // namespace bmae::detail
