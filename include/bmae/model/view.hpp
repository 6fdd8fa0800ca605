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
#include <bmae/values/error.hpp>
#include <bmae/values/example.hpp>

namespace bmae {

/// How texts become views, the same for all views of a run.
struct ViewSettings {
    std::size_t max_length = 512;   ///< tokens of a view, [CLS] and [SEP] included
};

/// The random streams of one view.
struct ViewDraws {
    Draw own;      ///< of this view alone
    Draw shared;   ///< the same for all views of an example, so that two sources can agree on one choice
};

/// Description of a view for reports.
struct ViewDescription {
    std::string path = {};   ///< "passes.0.view"
    std::string source = {};
    std::string masker = {};
    std::string corruptor = {};
    double rate = 0;             ///< share of the basis that the masker masks; 0 where it has no rate
    std::string basis = "all";   ///< what the rate is a share of: all, inner or content tokens
};

/// Anything that fits the slot of a view: `View`, or a type of one's own with its members.
template <class V>
concept AnyView = requires {
    typename V::Source;
    typename V::Masker;
    typename V::ExampleType;
    { V::has_row_masks } -> std::convertible_to<bool>;
    { V::is_related } -> std::convertible_to<bool>;
};

/// In place of a view: the term reads the view of the encoder of its pass (Condenser's head).
struct OwnView {
    static constexpr bool has_row_masks = false;
    static constexpr bool is_related = false;
};

namespace detail {

/// Content tokens of a view: those of the run, or fewer where its source has a length of its own.
template <class SourceT>
std::size_t content_room(ViewSettings const& settings, SourceT const& source) {
    std::size_t length = settings.max_length;
    if constexpr (requires { source.max_length; }) { length = std::min(length, source.max_length); }
    return length > 2 ? length - 2 : 0;
}

/// The type of example that a source reads: that of a token store, or that of a pair store.
template <class SourceT>
using ExampleOf = std::conditional_t<PairTextSource<SourceT> || GroupSource<SourceT>, PairExample, Example>;

/// The view gives several texts per example.
template <class ViewT>
inline constexpr bool gives_groups = [] {
    if constexpr (requires { typename ViewT::Source; }) {
        return GroupSource<typename ViewT::Source>;
    } else {
        return false;
    }
}();

/// Texts of the dataset that are known to be relevant to an example; an example of a token store has none. A function of its
/// own: in the discarded branch of a generic lambda, clang looks the member up in the type of the example.
template <class ExampleT>
std::vector<std::int64_t> relevant_texts(ExampleT const& example) {
    if constexpr (requires { example.positives; }) {
        return {example.positives.begin(), example.positives.end()};
    } else {
        return {};
    }
}

/// The corruptor deletes or inserts tokens.
template <class C>
inline constexpr bool changes_length = requires { requires C::changes_length; };
/// The source gives a relevant text of a query instead of the query.
template <class S>
inline constexpr bool reads_relevant_text = requires { requires S::reads_relevant_text; };
/// The source chooses by the view's own draw.
template <class S>
inline constexpr bool draws_per_view = requires { requires S::draws_per_view; };

}  // namespace detail

/// Says in one sentence why the masker of `ViewT` cannot use the mask of `EncoderView`; true where it can or need not.
///
/// Its flags are those of the encoder's tokens, one by one: both views must read the same text.
template <AnyView EncoderView, AnyView ViewT>
consteval bool explain_relation() {
    if constexpr (ViewT::is_related) {
        static_assert(std::is_same_v<typename ViewT::Source, typename EncoderView::Source>,
                      "View: a masker that uses the encoder's mask (complement, superset, exclusive) must read the text "
                      "source of that view; flags of another text do not apply to this one.");
        static_assert(!detail::draws_per_view<typename ViewT::Source>,
                      "View: this source chooses a text of its own for each view, so a masker that uses the encoder's "
                      "mask would get that of another text. Use a SharedTextSource, whose views agree on a choice.");
        if constexpr (requires { typename EncoderView::Corruptor; }) {
            static_assert(!detail::changes_length<typename EncoderView::Corruptor>,
                          "View: the corruptor of the encoder's view deletes or inserts tokens, so its flags no longer match "
                          "the tokens of a related masker. Use one that keeps the length.");
        }
    }
    return true;
}

/// Text source, masker and corruptor.                                     one box of a paper's figure
template <class SourceT, class MaskerT = NoMasker, class CorruptorT = BertCorruptor>
struct View {
    static_assert(explain_text_source<SourceT>(), "View: the first slot is the text source: which text of an example is read.");
    static_assert(explain_masker<MaskerT>(), "View: the second slot is the masker: which tokens are masked.");
    static_assert(explain_corruptor<CorruptorT>(), "View: the third slot is the corruptor: what masked tokens become.");
    static_assert(!VisibilityMasker<MaskerT> || !detail::changes_length<CorruptorT>,
                  "View: row masks are made for the text as it was read, whose length this corruptor changes. Use "
                  "NoCorruption, or a masker that masks tokens.");
    static_assert(!GroupSource<SourceT> || bmae::Masker<MaskerT>, "View: the texts of a group take a masker that masks tokens.");
    using Source = SourceT;
    using Masker = MaskerT;
    using Corruptor = CorruptorT;
    using ExampleType = detail::ExampleOf<SourceT>;   ///< of a token store, or of a pair store

    /// Row masks mask context instead of tokens: only a decoder that reads them can use such a view.
    static constexpr bool has_row_masks = VisibilityMasker<MaskerT>;
    /// The masker uses the mask of the encoder's view.
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
    /// \returns one text; of a source of groups all texts of the group: a positive, then negatives
    /// Throws InputError where a related masker would get another text than the encoder's.
    [[nodiscard]] std::vector<CandidateText> assemble(ExampleType const& example, TokenTraits const& traits,
                                                      ViewSettings const& settings, ViewDraws draws,
                                                      MaskedText const* encoder = nullptr) const {
        std::vector<CandidateText> texts = read(example, traits, settings, draws);
        for (std::size_t i = 0; i < texts.size(); ++i) {
            std::uint64_t const stream = GroupSource<SourceT> ? 2 * i + 3 : 1;   // `read` draws from stream 0
            Draw masker_draw = draws.own.fork(stream);
            Draw corruptor_draw = draws.own.fork(stream + 1);
            mask(texts[i].text, traits, masker_draw, encoder);
            corruptor.corrupt(texts[i].text, traits, corruptor_draw);
            if constexpr (requires { source.types_of(texts[i].text.original_ids, traits); }) {
                texts[i].text.types = source.types_of(texts[i].text.original_ids, traits);
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

private:
    /// The texts before masking.
    [[nodiscard]] std::vector<CandidateText> read(ExampleType const& example, TokenTraits const& traits,
                                                  ViewSettings const& settings, ViewDraws const& draws) const {
        if constexpr (GroupSource<SourceT>) {
            return source.read_group(example, traits, settings.max_length, draws.shared);
        } else {
            Draw draw = draws.own.fork(0);
            std::vector<TokenId> content;
            if constexpr (requires { source.read(example, traits, draw, draws.shared); }) {
                content = source.read(example, traits, draw, draws.shared);
            } else {
                content = source.read(example, traits, draw);
            }
            content.resize(std::min(content.size(), detail::content_room(settings, source)));
            std::vector<CandidateText> one(1);
            std::vector<TokenId>& ids = one.front().text.original_ids;
            ids.reserve(content.size() + 2);
            ids.push_back(traits.special().cls);
            ids.insert(ids.end(), content.begin(), content.end());
            ids.push_back(traits.special().sep);
            one.front().text.input_ids = ids;
            return one;
        }
    }

    /// Sets the flags of a text, or its row masks.
    void mask(MaskedText& text, TokenTraits const& traits, Draw& draw, [[maybe_unused]] MaskedText const* encoder) const {
        text.flags.assign(text.original_ids.size(), 0);
        TokenSpan const span(text.original_ids, traits);
        if constexpr (has_row_masks) {
            text.visibility = masker.draw(span, draw);
        } else if constexpr (is_related) {
            require_text_of(encoder, text.original_ids);
            text.flags = masker.draw(span, draw, encoder->flags);
        } else {
            text.flags = masker.draw(span, draw);
        }
    }

    /// `Pass` checks the types; different options, or a source with undeclared draws, may still give different texts.
    static void require_text_of(MaskedText const* encoder, std::vector<TokenId> const& ids) {
        if (encoder != nullptr && encoder->original_ids == ids && encoder->flags.size() == ids.size()) { return; }
        std::string const read = std::string(SourceT::name);
        throw InputError(Diagnostic{
            .file = {},
            .expected = "the encoder's view and that of " + detail::name_of<MaskerT>() + " to read the same text (" + read + ")",
            .found = encoder == nullptr ? std::string("no view of the encoder")
                                        : "texts of " + std::to_string(encoder->original_ids.size()) + " and " +
                                              std::to_string(ids.size()) + " tokens that differ",
            .hint = "Give both sources the same options; a source that chooses by its view's own draw fits no such masker."});
    }
};

namespace detail {

/// The text of a term's own view.
template <class ViewT, class ExampleT>
MaskedText assemble_text(ViewT const& view, ExampleT const& example, TokenTraits const& traits, ViewSettings const& settings,
                         ViewDraws draws, MaskedText const& encoder) {
    static_assert(!gives_groups<ViewT>,
                  "View: a source of groups (Candidates, QueryWithCandidate) is for the encoder's view; a term reads one text.");
    return std::move(view.assemble(example, traits, settings, draws, &encoder).front().text);
}

}  // namespace detail

}  // namespace bmae
