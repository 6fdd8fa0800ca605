// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Each slot of a view that holds something else is told in a sentence; a number by its wrong name.
#include <cstddef>
#include <string_view>
#include <vector>

#include <bmae/corruptors/deletion.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/maskers/complement.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/view.hpp>
#include <bmae/sources/crop.hpp>
#include <bmae/sources/neighbors.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/two_spans.hpp>

#include "pick.hpp"

using namespace bmae;

/// Copyable, and default constructible where `with_default`.
template <bool with_default>
struct Started {
    Started()
        requires with_default
    = default;
    explicit Started(int) {}
};

// case: a_masker_is_no_source
// expect: View: the first slot is the text source
constexpr std::size_t a_masker_is_no_source = sizeof(View<Pick<Passage, WholeWordMasker>, WholeWordMasker>);

// case: what_a_masker_lacks_to_be_a_source
// expect: TextSource: a member `std::vector<TokenId> read
constexpr std::size_t what_a_masker_lacks = sizeof(View<Pick<Passage, ComplementMasker>, WholeWordMasker>);

// case: a_source_is_no_masker
// expect: View: the second slot is the masker
constexpr std::size_t a_source_is_no_masker = sizeof(View<Passage, Pick<ComplementMasker, Passage>>);

// case: what_a_source_lacks_to_be_a_masker
// expect: Masker: a member `MaskFlags draw
constexpr std::size_t what_a_source_lacks = sizeof(View<Passage, Pick<ComplementMasker, NextPassage>>);

// case: a_masker_is_no_corruptor
// expect: View: the third slot is the corruptor
constexpr std::size_t a_masker_is_no_corruptor = sizeof(View<Passage, ComplementMasker, Pick<BertCorruptor, ComplementMasker>>);

// case: what_a_masker_lacks_to_be_a_corruptor
// expect: Corruptor: a member `void corrupt
constexpr std::size_t what_a_corruptor_is = sizeof(View<Passage, ComplementMasker, Pick<BertCorruptor, WholeWordMasker>>);

// case: a_masker_without_a_default_constructor
// expect: Masker: a default constructor is missing
struct MaskerOfNumber : Started<right> {
    using Started<right>::Started;
    MaskFlags draw(TokenSpan text, Draw&) const { return MaskFlags(text.size(), 0); }
};
constexpr std::size_t a_masker_without_a_default_constructor = sizeof(View<Passage, MaskerOfNumber>);

// case: a_source_without_a_default_constructor
// expect: TextSource: a default constructor is missing
struct SourceOfNumber : Started<right> {
    using Started<right>::Started;
    static constexpr std::string_view name = "of_number";
    std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const { return {}; }
};
constexpr std::size_t a_source_without_a_default_constructor = sizeof(View<SourceOfNumber, WholeWordMasker>);

// case: a_corruptor_without_a_default_constructor
// expect: Corruptor: a default constructor is missing
struct CorruptorOfNumber : Started<right> {
    using Started<right>::Started;
    void corrupt(MaskedText&, TokenTraits const&, Draw&) const {}
};
constexpr std::size_t a_corruptor_without_a_default_constructor = sizeof(View<Passage, WholeWordMasker, CorruptorOfNumber>);

// case: a_need_of_ones_own
// expect: TextSource: `needs` must be of the type Needs
struct SourceOfTables {
    static constexpr std::string_view name = "tables";
#ifdef PASSING
    static constexpr Needs needs = Needs::queries;
#else
    static constexpr std::string_view needs = "tables";
#endif
    std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const { return {}; }
};
constexpr std::size_t a_need_of_ones_own = sizeof(View<SourceOfTables, WholeWordMasker>);

// case: row_masks_of_a_text_that_shrinks
// expect: View: row masks are made for the text as it was read
constexpr std::size_t row_masks_of_a_text_that_shrinks = sizeof(View<Passage, RowVisibility, Pick<NoCorruption, TokenDeletion>>);

// ---- a masker that asks what the encoder's view hid

using Words = View<Passage, WholeWordMasker>;

// case: a_complement_of_another_text
// expect: View: a masker that uses the encoder's mask .* must read the text source of that view
static_assert(explain_relation<Words, View<Pick<Passage, NextPassage>, ComplementMasker>>());

// case: a_complement_of_a_text_of_its_own
// expect: View: this source chooses a text of its own for each view
using Choosing = Pick<FirstSpan, RandomCrop>;
static_assert(explain_relation<View<Choosing, WholeWordMasker>, View<Choosing, ComplementMasker>>());

// case: a_complement_of_a_text_that_lost_tokens
// expect: View: the corruptor of the encoder's view deletes or inserts tokens
static_assert(
    explain_relation<View<Passage, WholeWordMasker, Pick<NoCorruption, TokenDeletion>>, View<Passage, ComplementMasker>>());

// case: a_rate_by_another_name
// expect: WholeWordMasker. has no non-static data member named .mask
#ifdef PASSING
constexpr WholeWordMasker masker{.rate = .15};
#else
constexpr WholeWordMasker masker{.mask = .15};
#endif
