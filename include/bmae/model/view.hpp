// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One text of an example after source, mask and corruption.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/concepts/masker.hpp>
#include <bmae/concepts/text_source.hpp>
#include <bmae/corruptors/bert.hpp>
#include <bmae/detail/type_name.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/example.hpp>

namespace bmae {

/// How texts become views, the same for all views of a run.
struct ViewSettings {
    std::size_t max_length = 512;   ///< tokens of a view, [CLS] and [SEP] included
};

/// What the choices of one view are drawn from.
struct ViewDraws {
    Draw own;      ///< of this view alone
    Draw shared;   ///< the same for all views of an example, so that two sources can agree on one choice
};

/// What a report says about a view.
struct ViewDescription {
    std::string path = {};   ///< "passes.0.view"
    std::string source = {};
    std::string masker = {};
    std::string corruptor = {};
    double rate = 0;             ///< share of the basis that the masker hides; 0 where it has no rate
    std::string basis = "all";   ///< what the rate is a share of: all, inner or content tokens
};

/// Anything that fits the slot of a view: `View`, or a type of one's own with its members.
template <class V>
concept AnyView = requires {
    typename V::Source;
    typename V::Masker;
    { V::has_row_masks } -> std::convertible_to<bool>;
    { V::is_related } -> std::convertible_to<bool>;
};

namespace detail {

/// Content tokens of a view: those of the run, or fewer where its source has a length of its own.
template <class SourceT>
std::size_t content_room(ViewSettings const& settings, SourceT const& source) {
    std::size_t length = settings.max_length;
    if constexpr (requires { source.max_length; }) { length = std::min(length, source.max_length); }
    return length > 2 ? length - 2 : 0;
}

/// The type of example that a view reads: that of a token store, or that of a pair store.
template <class ViewT>
struct ExampleOf {
    using type = Example;
};
template <class ViewT>
    requires PairTextSource<typename ViewT::Source> || GroupSource<typename ViewT::Source>
struct ExampleOf<ViewT> {
    using type = PairExample;
};

/// The view gives several texts per example.
template <class ViewT>
inline constexpr bool gives_groups = [] {
    if constexpr (requires { typename ViewT::Source; }) {
        return GroupSource<typename ViewT::Source>;
    } else {
        return false;
    }
}();

}  // namespace detail

/// Which text, which tokens of it, what becomes of them.                                     one box of a paper's figure
template <AnyTextSource SourceT, AnyMasker MaskerT = NoMasker, Corruptor CorruptorT = BertCorruptor>
struct View {
    using Source = SourceT;
    using Masker = MaskerT;
    using Corruptor = CorruptorT;

    /// Row masks hide context instead of tokens: only a decoder that reads them can use such a view.
    static constexpr bool has_row_masks = VisibilityMasker<MaskerT>;
    /// The masker asks what the encoder's view hid.
    static constexpr bool is_related = RelatedMasker<MaskerT>;

    SourceT source = {};
    MaskerT masker = {};
    CorruptorT corruptor = {};

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("source", source);
        visit.inside("masker", masker);
        if constexpr (!has_row_masks) { visit.inside("corruptor", corruptor); }
    }

    /// Reads, masks and corrupts. Draws of the three roles are independent of each other.
    /// \param encoder  the encoder's view of the same pass, for related maskers; may be nullptr for others
    template <class ExampleT>
    [[nodiscard]] MaskedText assemble(ExampleT const& example, TokenTraits const& traits, ViewSettings const& settings,
                                      ViewDraws draws, MaskedText const* encoder) const {
        Draw source_draw = draws.own.fork(0);
        Draw masker_draw = draws.own.fork(1);
        Draw corruptor_draw = draws.own.fork(2);
        std::vector<TokenId> content;
        if constexpr (requires { source.read(example, traits, source_draw, draws.shared); }) {
            content = source.read(example, traits, source_draw, draws.shared);
        } else {
            content = source.read(example, traits, source_draw);
        }
        std::size_t const room = detail::content_room(settings, source);
        if (content.size() > room) { content.resize(room); }
        MaskedText text;
        text.original_ids.reserve(content.size() + 2);
        text.original_ids.push_back(traits.special().cls);
        text.original_ids.insert(text.original_ids.end(), content.begin(), content.end());
        text.original_ids.push_back(traits.special().sep);
        text.input_ids = text.original_ids;
        text.flags.assign(text.original_ids.size(), 0);
        TokenSpan const span(text.original_ids, traits);
        if constexpr (has_row_masks) {
            text.visibility = masker.draw(span, masker_draw);
        } else if constexpr (is_related) {
            text.flags = masker.draw(span, masker_draw, encoder->flags);
        } else {
            text.flags = masker.draw(span, masker_draw);
        }
        corruptor.corrupt(text, traits, corruptor_draw);
        if constexpr (requires { source.types_of(text.original_ids, traits); }) {
            text.types = source.types_of(text.original_ids, traits);
        }
        return text;
    }

    /// The texts of a training query: a relevant one, then its negatives, each masked and corrupted by draws of its own.
    [[nodiscard]] std::vector<CandidateText> assemble_group(PairExample const& example, TokenTraits const& traits,
                                                            ViewSettings const& settings, ViewDraws draws) const
        requires GroupSource<SourceT>
    {
        std::vector<CandidateText> texts = source.read_group(example, traits, settings.max_length, draws.shared);
        for (std::size_t i = 0; i < texts.size(); ++i) {
            MaskedText& text = texts[i].text;
            text.flags.assign(text.original_ids.size(), 0);
            if constexpr (!std::is_same_v<MaskerT, NoMasker>) {
                static_assert(bmae::Masker<MaskerT>, "View: the texts of a group take a masker that hides tokens.");
                Draw masker_draw = draws.own.fork(2 * i + 3);
                Draw corruptor_draw = draws.own.fork(2 * i + 4);
                text.flags = masker.draw(TokenSpan(text.original_ids, traits), masker_draw);
                corruptor.corrupt(text, traits, corruptor_draw);
            }
        }
        return texts;
    }

    [[nodiscard]] ViewDescription describe(std::string path) const {
        ViewDescription description;
        description.path = std::move(path);
        description.source = detail::name_of<SourceT>();
        description.masker = detail::name_of<MaskerT>();
        description.corruptor = has_row_masks ? "none" : detail::name_of<CorruptorT>();
        if constexpr (requires { masker.rate; }) { description.rate = masker.rate; }
        if constexpr (requires { to_string(masker.basis); }) { description.basis = std::string(to_string(masker.basis)); }
        return description;
    }
};

}  // namespace bmae
