// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A term that reads a bottleneck of its own.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>

#include <bmae/model/pass.hpp>

namespace bmae {

/// `Term`, which reads the vector of the bottleneck `B` over the same run of the encoder instead of that of its pass.
///
/// Several vectors of one run: a dense and a lexical one, each with decoders (Wu et al.: CoT-MAE v2, arXiv 2304.03158), or a
/// regularizer of lexical vectors beside a decoder that reads [CLS]:
///
///     Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
///         Branch<View<Passage, WholeWordMasker>, BasicDecoder>,                            reads [CLS]
///         Via<LexiconBottleneck, Branch<View<Passage, WholeWordMasker>, BasicDecoder>>,    reads a mixture of words
///         Via<LexicalBottleneck, FlopsRegularizer>>
///
/// Trailing terms (contrasts), search and exported folders read the bottleneck of the pass. The parameters of `B` are named
/// `passes.0.terms.1.bottleneck...`, its options have the same path; those of the term keep their names. Two terms with equal
/// bottlenecks pool twice and have two sets of parameters, unless the parameters have a name of their own (`shared....`).
template <class B, class Term>
class Via : public Term {
    static_assert(AnyBottleneck<B>, "Via: the first slot is a bottleneck: explain_bottleneck<B>() says what is missing.");
    static_assert(detail::FitsPass<Term>, "Via: the second slot is a term of a pass: Branch, FlopsRegularizer.");
    static_assert(!detail::HasOwnBottleneck<Term>, "Via: the term has a bottleneck of its own already, which it reads.");
    static_assert(
        !requires { requires !Term::reads_sentence; },
        "Via: this term reads no sentence vector, so a bottleneck would change nothing. Put it into the pass as it is.");

public:
    /// Options of the term, and those of its bottleneck.
    struct Options : Term::Options {
        typename detail::BottleneckOptions<B>::type bottleneck = {};

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside("bottleneck", bottleneck);
            Term::Options::for_each_option(visit);
        }
    };
    using BottleneckType = B;
    using InnerTerm = Term;
    static constexpr bool keeps_layers = Term::keeps_layers || detail::reads_layers<B>;
    static constexpr bool needs_token_head =
        requires { requires Term::needs_token_head; } || requires { requires B::needs_token_head; };

    template <Encoder E>
    Via(Options const& options, E const& encoder, std::uint64_t seed, std::string const& name)
        : Term(static_cast<typename Term::Options const&>(options), encoder, seed, name),
          bottleneck_(detail::make_bottleneck<B>(options.bottleneck, encoder, seed, name + ".bottleneck")),
          path_(name + ".bottleneck") {}

    /// As those of the term. Throws InputError where the bottleneck returns another shape than it says.             [M, H]
    template <class E>
    [[nodiscard]] TokenRows rows(PassState<E>& pass, PackedInput const& view) const
        requires TokenTerm<Term, E>
    {
        return with_own_vector(pass, [&](PassState<E>& own) { return Term::rows(own, view); });
    }
    template <class E>
    [[nodiscard]] TermSum sum(PassState<E>& pass, PackedInput const& view) const
        requires SummedTerm<Term, E>
    {
        return with_own_vector(pass, [&](PassState<E>& own) { return Term::sum(own, view); });
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        TermDescription description = Term::describe(std::move(name));
        description.bottleneck = detail::name_of<B>();
        description.projection = std::string(detail::projection_of_bottleneck<B>);
        return description;
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        if constexpr (detail::IsBuilt<B>) { bottleneck_.for_each_parameter(prefix + ".bottleneck", visit); }
        Term::for_each_parameter(prefix, visit);
    }

    [[nodiscard]] B const& bottleneck() const noexcept { return bottleneck_; }

private:
    template <class E, class Call>
    auto with_own_vector(PassState<E>& pass, Call&& call) const {
        at::Tensor const vector = detail::pool_checked(bottleneck_, pass.encoded, pass.input, pass.encoder, path_);   // [B, D]
        PassState<E> own{
            .input = pass.input, .encoded = pass.encoded, .sentence = vector, .encoder = pass.encoder, .context = pass.context};
        return call(own);
    }

    B bottleneck_;
    std::string path_;   // "passes.0.terms.1.bottleneck", for errors
};

}  // namespace bmae
