// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The parts of a model: what they are, what they are called, whose parameters they share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/model/parts.hpp>
#include <bmae/model/pass.hpp>
#include <bmae/model/term.hpp>
#include <bmae/model/token_reduction.hpp>
#include <bmae/model/towers.hpp>
#include <bmae/model/view_agreement.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/option.hpp>

namespace bmae {

/// Description of a pass for reports.
struct PassDescription {
    std::string bottleneck = {};
    std::string projection = {};    ///< its adaptors, joined by +: batch_norm, tanh, reduced, normalized, stop_gradient; or empty
    std::string encoder = "tied";   ///< tied, momentum or second
};

namespace detail {

/// What `Model` is made of; see there.
template <class EncoderT, class... Part>
class Composition {
    static_assert(explain_encoder<EncoderT>(), "Model: the first slot is the encoder.");

protected:
    using Passes = Kept<true, Part...>;
    using CrossTerms = Kept<false, Part...>;

public:
    static constexpr std::size_t pass_count = std::tuple_size_v<Passes>;
    static constexpr std::size_t cross_count = std::tuple_size_v<CrossTerms>;
    static constexpr std::size_t term_count = (terms_of<Part>() + ... + 0);
    /// A trailing term compares the texts of a batch with each other: its batch may span a whole optimizer step.
    static constexpr bool spans_step = (compares_batch<Part>() || ...);

protected:
    template <class Tower>
    static constexpr bool runs = (runs_on<Part, Tower>() || ...);

public:
    static constexpr bool has_second_encoder = runs<SecondEncoder>;
    /// The scores of groups may choose the texts that are trained on: nothing but losses over these scores reads them.
    static constexpr bool chooses_texts =
        ((is_pass<Part> ? pass_offers_choice<Part> && terms_of<Part>() == 0 && runs_on<Part, TiedEncoder>()
                        : wants_scores<Part>) &&
         ...);

protected:
    /// Two towers that share nothing but a contrast can be trained in alternation.
    static constexpr bool alternates = runs<SecondEncoder> && runs<TiedEncoder> && pass_count == 2 && term_count == cross_count;
    static_assert(pass_count > 0, "Model: after the encoder come its passes: Pass<View, Bottleneck, Term...>.");
    static_assert(passes_come_first<Part...>(), "Model: passes come first, terms that look across them last.");
    static_assert(term_count > 0,
                  "Model: without a term nothing would be trained; add MaskedLanguageModel, a Branch or a Contrast.");
    static_assert(((is_pass<Part> || CrossTerm<Part, EncoderT>) && ...),
                  "Model: this part is neither a Pass nor a term that looks across passes. MaskedLanguageModel, Branch and "
                  "BagOfWords belong into a Pass.");
    static_assert(((passes_wanted<Part>() <= pass_count) && ...),
                  "Contrast: at least two passes are needed, one for each text of a pair.");
    static_assert(
        widths_fit<EncoderT, Part...>(),
        "QueueContrast, CachedContrast, ProjectedContrast: they compare vectors as wide as hidden states, which those of a "
        "bottleneck here are not. Use Contrast, which takes any width.");
    static_assert((check_encoder_of<EncoderT, Part>() && ...));
    static_assert(views_read_one_example(static_cast<AllViews<Part...> const*>(nullptr)),
                  "Model: its views read two kinds of dataset: passages of a token store (Passage, Queries ...) and queries with "
                  "candidates of a pair store (Query, Candidates ...). Take one kind.");
    static_assert(!(wants_scores<Part> || ...) || ((!is_pass<Part> || pass_gives_scores<Part>) && ...),
                  "GroupSoftmax, RDrop: they compare one number per text, which a pass here does not give. Use the bottleneck "
                  "Scored in every pass.");
    static_assert(!(wants_token_vectors<Part> || ...) || ((!is_pass<Part> || pass_keeps_tokens<Part>) && ...),
                  "MaxSimContrast: it compares the vectors of tokens, which a pass here does not keep. Use the bottleneck "
                  "TokenVectors in every pass.");
    static_assert(
        !((pass_is_hybrid<Part> || wants_hybrid_vectors<Part>) || ...) ||
            ((pass_is_hybrid<Part> || wants_hybrid_vectors<Part>) && ...),
        "HybridContrast, SelfDistillation: they compare the rows of HybridVectors, a dense vector, weights and vectors of "
        "tokens in one, and nothing else does. Use that bottleneck in every pass, and no other term beside them.");
    static_assert(!(wants_one_vector<Part> || ...) || !((pass_keeps_tokens<Part> || pass_gives_scores<Part>) || ...),
                  "Contrast, Distillation: they compare one vector per text, and a pass here gives token vectors or scores. Use "
                  "MaxSimContrast over TokenVectors, GroupSoftmax over Scored.");
    static_assert(!(wants_groups<Part> || ...) || (pass_reads_groups<Part> || ...),
                  "Distillation, GroupSoftmax, RDrop: no pass reads a group of texts. Use the source Candidates or "
                  "QueryWithCandidate.");
    static_assert((wants_scores<Part> || ...) || !groups_come_first<Part...>(),
                  "Contrast: the first pass reads the queries, Pass<View<Query>, ...>; a pass over Candidates follows it.");
    static_assert(
        !(wants_momentum<Part> || ...) || comes_second<MomentumEncoder, Part...>(),
        "QueueContrast: it takes the vectors of the second pass as constants, with those of earlier batches, so a momentum "
        "encoder makes them: Pass<...>, MomentumPass<...>, QueueContrast.");
    static_assert(shared_types_agree(static_cast<AllTerms<Part...> const*>(nullptr)),
                  "Shared: one name is used for decoders of two types. Give each its own: Shared<\"head\", TapDecoder>.");
    static_assert(runs<TiedEncoder>, "Model: at least one pass must be run by the model's own encoder.");

public:
    /// What a dataset must give: `Example` of a token store or `PairExample` of a pair store.
    using ExampleType = typename decltype(first_of(static_cast<AllViews<Part...> const*>(nullptr)))::ExampleType;

protected:
    /// Fine-tuning that reads no logits leaves the token head as pre-training made it: it is not a parameter of such a model.
    static constexpr bool trains_head = !std::is_same_v<ExampleType, PairExample> || (reads_token_head<Part>() || ...);

public:
    /// Options of the model, structured as the composition.
    struct Options {
        typename PartList<Passes>::Options passes = {};
        typename PartList<CrossTerms>::Options terms = {};
        Reduction reduction = Reduction::mean_per_term;
        double momentum = .9995;       ///< of a momentum encoder, per step; Contriever: .9995
        std::uint64_t alternate = 0;   ///< of two towers: optimizer steps after which the other one is trained; 0: both at once
        bool random_window = false;    ///< long texts are cut to a random window, drawn once per example (MASTER as released)

        /// Paths are those of parameters: passes.0.view.masker.rate, passes.0.terms.1.decoder.layers, terms.0.temperature.
        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside_each("passes", passes);
            visit.inside_each("terms", terms);
            visit("reduction", reduction, "how the losses of tokens are reduced to one value");
            if constexpr (runs<MomentumEncoder>) {
                visit("momentum", momentum, "decay of the exponential moving average, per step");
            }
            if constexpr (alternates) {
                visit("alternate", alternate, "steps after which the other of the towers is trained; 0: both at once");
            }
            visit("random_window", random_window, "texts over the length limit are cut to a random window, not at the end");
        }
    };
    using EncoderType = EncoderT;

    /// Throws InputError where the options do not fit the composition or the encoder.
    Composition(EncoderT encoder, Options options, std::uint64_t seed)
        : towers_(std::move(encoder)),
          options_(options),
          passes_(PartList<Passes>::build(options.passes, towers_.own(), seed, "passes.")),
          terms_(PartList<CrossTerms>::build(options.terms, towers_.own(), seed, "terms.")) {
        share_parameters();
        require_views_agree(*this);
        if (options_.alternate != 0 && !alternates) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a Pass and a SecondPass without terms of their own, to alternate",
                                        .found = "other passes",
                                        .hint = "Set alternate to 0."});
        }
        if (options_.alternate != 0) { require_own_parameters(); }
        if constexpr (cross_count > 0) { require_equal_widths(); }
        if constexpr ((wants_groups<Part> || ...)) { require_groups(); }
        if constexpr ((pass_offers_choice<Part> || ...)) { require_choice(); }
        auto const refuse_weight = [](auto const& term, std::size_t) {
            static_cast<void>(term.weight(1));
        };   // throws where it is none
        for_each_pass([&](auto const& pass, std::size_t) { pass.for_each_term(refuse_weight); });
        for_each_cross_term(refuse_weight);
    }

    [[nodiscard]] EncoderT& encoder() noexcept { return towers_.own(); }
    [[nodiscard]] EncoderT const& encoder() const noexcept { return towers_.own(); }
    /// The encoder of the passes called `SecondPass`.
    [[nodiscard]] EncoderT& second_encoder() noexcept
        requires has_second_encoder
    {
        return towers_.second_tower();
    }
    [[nodiscard]] EncoderT const& second_encoder() const noexcept
        requires has_second_encoder
    {
        return towers_.template of<SecondEncoder>();
    }
    [[nodiscard]] Reduction reduction() const noexcept { return options_.reduction; }
    [[nodiscard]] bool random_window() const noexcept { return options_.random_window; }
    [[nodiscard]] std::uint64_t alternate() const noexcept { return options_.alternate; }

    /// The options that the model was made with, for reports; a copy, so that paths cannot be set here.
    [[nodiscard]] std::vector<std::pair<std::string, OptionValue>> option_values() const { return numbers_of(options_); }

    /// The tower whose alternation trains a parameter: 1 the model's own encoder, 2 the second one, 0 neither (always trained).
    [[nodiscard]] std::size_t alternation(std::string_view parameter) const {
        if (options_.alternate == 0 || parameter.starts_with("terms.")) { return 0; }
        std::size_t alternation = parameter.starts_with("second.") ? 2 : 1;
        for_each_pass([&]<class PassT>(PassT const&, std::size_t p) {   // a bottleneck is frozen with its tower
            if (parameter.starts_with("passes." + std::to_string(p) + '.')) {
                alternation = alternation_of<typename PassT::Tower>;
            }
        });
        return alternation;
    }
    /// The tower that is frozen in a step: first the second encoder, so that the model's own is trained first; 0: none.
    [[nodiscard]] std::size_t frozen(std::uint64_t step) const noexcept {
        if (options_.alternate == 0) { return 0; }
        return step / options_.alternate % 2 == 0 ? 2 : 1;
    }

    /// Calls `visit(name, tensor, decay)` for every parameter once; tied tensors have the embedding's name.
    template <class Visit>
    void for_each_parameter(Visit&& visit) {
        std::map<std::string, at::Tensor> seen;
        for_each_named([&](std::string const& name, at::Tensor& value, bool decay) {
            if (auto const shared = seen.find(name); shared != seen.end()) {
                value = shared->second;   // the visitor may have put another tensor in its place
                return;
            }
            visit(name, value, decay);
            seen.emplace(name, value);
        });
    }

    /// Calls `visit(name, tensor)` for all other tensors of a checkpoint: momentum encoder, queues.
    template <class Visit>
    void for_each_state(Visit&& visit) {
        towers_.for_each_state(visit);
        for_each_cross_term([&](auto& term, std::size_t t) {
            if constexpr (requires { term.for_each_state(cross_name(t), visit); }) { term.for_each_state(cross_name(t), visit); }
        });
    }

    [[nodiscard]] std::vector<TermDescription> describe_terms() const {
        std::vector<TermDescription> descriptions;
        for_each_pass([&](auto const& pass, std::size_t p) {
            pass.for_each_term([&](auto const& term, std::size_t t) { descriptions.push_back(term.describe(term_name(p, t))); });
        });
        for_each_cross_term([&](auto const& term, std::size_t t) { descriptions.push_back(term.describe(cross_name(t))); });
        return descriptions;
    }

    [[nodiscard]] std::vector<ViewDescription> describe_views() const {
        std::vector<ViewDescription> descriptions;
        for_each_pass([&](auto const& pass, std::size_t p) {
            descriptions.push_back(pass.view().describe("passes." + std::to_string(p) + ".view"));
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t t) {
                if constexpr (Term::has_view) { descriptions.push_back(term.view().describe(term_name(p, t) + ".view")); }
            });
        });
        return descriptions;
    }

    [[nodiscard]] std::vector<PassDescription> describe_passes() const {
        std::vector<PassDescription> descriptions;
        for_each_pass([&]<class PassT>(PassT const&, std::size_t) {
            std::string projection;
            if constexpr (requires { PassT::BottleneckType::projection; }) {
                projection = std::string(PassT::BottleneckType::projection);
            }
            descriptions.push_back({.bottleneck = name_of<typename PassT::BottleneckType>(),
                                    .projection = projection,
                                    .encoder = std::is_same_v<typename PassT::Tower, MomentumEncoder> ? "momentum"
                                               : std::is_same_v<typename PassT::Tower, SecondEncoder> ? "second"
                                                                                                      : "tied"});
        });
        return descriptions;
    }

    /// The composition as readable text.
    [[nodiscard]] std::string composition() const {
        std::string text = name_of<EncoderT>();
        if constexpr (requires { encoder().held_name(); }) { text = std::string(encoder().held_name()); }
        std::vector<ViewDescription> const views = describe_views();
        std::vector<PassDescription> const passes = describe_passes();
        std::size_t view = 0;
        auto words = [&views](std::size_t i) { return views[i].source + ", " + views[i].masker + ", " + views[i].corruptor; };
        for_each_pass([&](auto const& pass, std::size_t p) {
            text += "; " + (passes[p].encoder == "tied" ? std::string() : passes[p].encoder + ' ') + "pass(" + words(view++) +
                    ") -> " + passes[p].bottleneck;
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                TermDescription const term_words = term.describe("");
                text += " -> " + term_words.kind + (term_words.bottleneck.empty() ? "" : " via " + term_words.bottleneck);
                std::string const decoder = std::string(term_words.decoder_name.empty() ? "" : "shared ") + term_words.decoder;
                if constexpr (Term::has_view) {
                    text += "(" + words(view++) + (decoder.empty() ? "" : ", ") + decoder +
                            (term_words.query.empty() ? "" : " " + term_words.query) + ")";
                } else if (!decoder.empty()) {
                    text += "(" + decoder + ")";
                }
            });
        });
        for_each_cross_term([&](auto const& term, std::size_t) { text += "; " + term.describe("").kind; });
        return text;
    }

    /// Calls `visit(pass, index)` for each pass in order.
    template <class Visit>
    void for_each_pass(Visit&& visit) {
        visit_each(passes_, visit);
    }
    template <class Visit>
    void for_each_pass(Visit&& visit) const {
        visit_each(passes_, visit);
    }

    /// Calls `visit(view, part, index)` for each view in order; `part` is the pass or the term that reads it.
    template <class Visit>
    void for_each_view(Visit&& visit) {
        each_view(*this, visit);
    }
    template <class Visit>
    void for_each_view(Visit&& visit) const {
        each_view(*this, visit);
    }

    /// Calls `visit(term, index)` for each trailing term in order.
    template <class Visit>
    void for_each_cross_term(Visit&& visit) {
        visit_each(terms_, visit);
    }
    template <class Visit>
    void for_each_cross_term(Visit&& visit) const {
        visit_each(terms_, visit);
    }

protected:
    static std::string term_name(std::size_t pass, std::size_t term) {
        return "passes." + std::to_string(pass) + ".terms." + std::to_string(term);
    }
    static std::string cross_name(std::size_t term) { return "terms." + std::to_string(term); }

    template <class Self, class Visit>
    static void each_view(Self& self, Visit& visit) {
        std::size_t v = 0;
        self.for_each_pass([&](auto& pass, std::size_t) {
            visit(pass.view(), pass, v++);
            pass.for_each_term([&]<class Term>(Term& term, std::size_t) {
                if constexpr (Term::has_view) { visit(term.view(), term, v++); }
            });
        });
    }

    /// Parameters of all parts; shared ones come once for each part.
    template <class Visit>
    void for_each_named(Visit&& visit) {
        towers_.template for_each_parameter<trains_head>(visit);
        for_each_pass([&](auto& pass, std::size_t p) { pass.for_each_parameter("passes." + std::to_string(p), visit); });
        for_each_cross_term([&](auto& term, std::size_t t) { term.for_each_parameter(cross_name(t), visit); });
    }

    /// A parameter that both towers share can be frozen with neither.
    void require_own_parameters() {
        for_each_named([](std::string const& name, at::Tensor&, bool) {
            if (!name.starts_with("shared.")) { return; }
            throw InputError(Diagnostic{.file = {},
                                        .expected = "towers that share no parameter, to be trained in alternation",
                                        .found = name,
                                        .hint = "Set alternate to 0, or use a bottleneck without a projection of its own name."});
        });
    }

    /// A loss over groups has no gradient for a group of one.
    void require_groups() const {
        for_each_pass([&](auto const& pass, std::size_t p) {
            if constexpr (requires { pass.view().source.group_size(); }) {
                std::size_t const size = trained_size(pass.view().source);
                if (size >= 2) { return; }
                throw InputError(Diagnostic{
                    .file = {},
                    .expected = "at least 2 texts per query in passes." + std::to_string(p) + ", for a loss over groups",
                    .found = std::to_string(size),
                    .hint = "Raise the passages per query: one positive and its negatives."});
            }
        });
    }

    /// Texts of a group that are trained on.
    template <class SourceT>
    [[nodiscard]] static std::size_t trained_size(SourceT const& source) {
        if constexpr (requires { source.kept_size(); }) {
            return source.kept_size();
        } else {
            return source.group_size();
        }
    }

    /// Refuses a choice of texts that nothing makes, one of more texts than are read, and passes that would choose differently.
    void require_choice() const {
        bool chooses = false;
        for_each_pass([&](auto const& pass, std::size_t p) {
            if constexpr (requires { pass.view().source.kept_size(); }) {
                auto const& source = pass.view().source;
                if (source.group_size() == source.kept_size()) { return; }
                chooses = true;
                std::string const path = "passes." + std::to_string(p) + ".view.source.forward";
                if (!chooses_texts) {
                    throw InputError(Diagnostic{.file = {},
                                                .expected = path + "=0 in a composition with other terms than losses over the "
                                                                   "scores of groups (GroupSoftmax, RDrop)",
                                                .found = std::to_string(source.group_size()),
                                                .hint = "All texts that such a composition reads are trained on."});
                }
                if (source.group_size() > source.kept_size()) { return; }
                throw InputError(Diagnostic{
                    .file = {},
                    .expected = path + " of at least the " + std::to_string(source.kept_size()) + " passages that are trained on",
                    .found = std::to_string(source.group_size()),
                    .hint = "Lower the passages, or set forward to 0: all that are read are trained on."});
            }
        });
        if constexpr (chooses_texts) {
            if (!chooses) { return; }
            NamedNumbers const first = numbers_of(std::get<0>(passes_).view().source);
            for_each_pass([&](auto const& pass, std::size_t p) {
                require_same_numbers(first, "passes.0.view.source", numbers_of(pass.view().source),
                                     "passes." + std::to_string(p) + ".view.source",
                                     "the scores of the first pass choose the texts of all.");
            });
        }
    }

    /// A trailing term compares the vectors of all passes with each other.
    void require_equal_widths() const {
        std::vector<std::int64_t> widths;
        for_each_pass([&](auto const& pass, std::size_t) { widths.push_back(bottleneck_width(pass.bottleneck(), encoder())); });
        for (std::size_t p = 1; p < widths.size(); ++p) {
            if (widths[p] == widths[0]) { continue; }
            throw InputError(Diagnostic{.file = {},
                                        .expected = "sentence vectors of one width in all passes",
                                        .found = std::to_string(widths[0]) + " in passes.0 and " + std::to_string(widths[p]) +
                                                 " in passes." + std::to_string(p),
                                        .hint = "Give all passes one bottleneck with one width."});
        }
    }

    /// Refuses parts of one name whose parameters are not the same ones.
    void require_same_shared_parameters() {
        std::map<std::string, std::pair<std::string, std::set<std::string>>> known;   // root -> path of its first part, names
        std::map<std::string, std::set<std::string>> own;
        auto const collect = [&own](std::string const& name, at::Tensor&, bool) {
            if (name.starts_with("shared.")) { own[name.substr(0, name.find('.', 7))].insert(name); }
        };
        auto const check = [&](std::string const& path) {
            for (auto const& [root, names] : std::exchange(own, {})) {
                auto const [first, is_new] = known.try_emplace(root, path, names);
                if (!is_new && first->second.second != names) {
                    throw different_shared(root, first->second.first, path, "different parameters");
                }
            }
        };
        for_each_pass([&](auto& pass, std::size_t p) {
            std::string const path = "passes." + std::to_string(p);
            pass.for_each_bottleneck_parameter(path, collect);
            check(path + ".bottleneck");
            pass.for_each_term([&](auto& term, std::size_t t) {
                term.for_each_parameter(term_name(p, t), collect);
                check(term_name(p, t));
            });
        });
        for_each_cross_term([&](auto& term, std::size_t t) {
            term.for_each_parameter(cross_name(t), collect);
            check(cross_name(t));
        });
    }

    /// Refuses decoders of one name with different options.
    void require_same_shared_options() {
        std::map<std::string, std::pair<std::string, NamedNumbers>> known;
        for_each_pass([&](auto& pass, std::size_t p) {
            pass.for_each_term([&]<class Term>(Term& term, std::size_t t) {
                if constexpr (requires { Term::DecoderType::shared_name; }) {
                    NamedNumbers const values = numbers_of(term.decoder().options());
                    auto const [first, is_new] =
                        known.try_emplace(std::string(Term::DecoderType::shared_name), term_name(p, t), values);
                    if (is_new || first->second.second == values) { return; }
                    for (std::size_t i = 0; i < values.size(); ++i) {
                        if (values[i] != first->second.second[i]) {
                            throw different_shared("shared." + first->first, first->second.first, term_name(p, t),
                                                   "two values of decoder." + values[i].first);
                        }
                    }
                }
            });
        });
    }

    static InputError different_shared(std::string const& root, std::string const& first, std::string const& second,
                                       std::string found) {
        return InputError(Diagnostic{.file = {},
                                     .expected = first + " and " + second + " to be the same part, since both are called " + root,
                                     .found = std::move(found),
                                     .hint = "Give all of them the same options, or use a preset that does not share."});
    }

    /// Parameters of one name become one tensor.
    void share_parameters() {
        require_same_shared_options();
        require_same_shared_parameters();
        std::map<std::string, at::Tensor> first;
        for_each_named([&](std::string const& name, at::Tensor& value, bool) {
            auto const [place, is_new] = first.emplace(name, value);
            if (is_new) { return; }
            if (place->second.sizes() != value.sizes()) {
                throw InputError(Diagnostic{.file = {},
                                            .expected = "parts that share " + name + " to be of one shape",
                                            .found = "two shapes",
                                            .hint = "Give all of them the same options."});
            }
            value = place->second;
        });
    }

    Towers<EncoderT, runs<MomentumEncoder>, runs<SecondEncoder>> towers_;
    Options options_;
    Passes passes_;
    CrossTerms terms_;
};

}  // namespace detail

}  // namespace bmae
