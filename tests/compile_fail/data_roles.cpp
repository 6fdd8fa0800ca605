// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Maskers, sources, corruptors, token losses, tokenizers, metrics and indexes, each wrong in one way.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/concepts/index.hpp>
#include <bmae/concepts/masker.hpp>
#include <bmae/concepts/metric.hpp>
#include <bmae/concepts/text_source.hpp>
#include <bmae/concepts/token_loss.hpp>
#include <bmae/concepts/tokenizer.hpp>
#include <bmae/concepts/value_metric.hpp>
#include <bmae/evaluation/composed_evaluator.hpp>
#include <bmae/metrics/correlation.hpp>
#include <bmae/retrieval/run.hpp>

#include "pick.hpp"

using namespace bmae;

template <bool copyable>
struct MaybeCopyable {
    MaybeCopyable() = default;
    MaybeCopyable(MaybeCopyable const&)
        requires copyable
    = default;
};

// case: a_masker_that_cannot_be_copied
// expect: Masker: the type must be copyable
struct OwnedMasker : MaybeCopyable<right> {
    MaskFlags draw(TokenSpan text, Draw&) const { return MaskFlags(text.size(), 0); }
};
static_assert(explain_masker<OwnedMasker>());

// case: a_masker_that_returns_a_matrix
// expect: Masker: draw\(TokenSpan, Draw&\) must be const and return MaskFlags \(masked tokens\) or Visibility
/// Row masks as a dense matrix.
struct DenseRows {
    std::conditional_t<right, Visibility, std::vector<std::vector<bool>>> draw(TokenSpan, Draw&) const { return {}; }
};
static_assert(explain_masker<DenseRows>());

// case: a_masker_without_draw
// expect: Masker: a member `MaskFlags draw\(TokenSpan text, Draw& draw\) const` is missing
struct MaskerWithoutDraw {
#ifdef PASSING
    MaskFlags draw(TokenSpan text, Draw&) const { return MaskFlags(text.size(), 0); }
#endif
};
static_assert(explain_masker<MaskerWithoutDraw>());

// case: a_masker_that_changes_itself
// expect: Masker: draw\(TokenSpan, Draw&\) must be const and return MaskFlags
struct CountingMasker {   // its masks would depend on the order of the threads
#ifdef PASSING
    MaskFlags draw(TokenSpan text, Draw&) const { return MaskFlags(text.size(), 0); }
#else
    MaskFlags draw(TokenSpan text, Draw&) { return MaskFlags(text.size(), static_cast<unsigned char>(calls++ % 2)); }
    int calls = 0;
#endif
};
static_assert(explain_masker<CountingMasker>());

// case: a_masker_that_returns_bools
// expect: Masker: draw\(TokenSpan, Draw&\) must be const and return MaskFlags
struct EveryThird {
    using Flags = std::conditional_t<right, MaskFlags, std::vector<bool>>;
    Flags draw(TokenSpan text, Draw&) const {
        Flags flags(text.size(), 0);
        for (std::size_t i = 0; i < flags.size(); i += 3) { flags[i] = 1; }
        return flags;
    }
};
static_assert(explain_masker<EveryThird>());

// case: a_source_without_a_name
// expect: static constexpr std::string_view name
struct SourceWithoutName {   // reports name the text that a view reads
#ifdef PASSING
    static constexpr std::string_view name = "title";
#endif
    std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const { return {}; }
};
static_assert(explain_text_source<SourceWithoutName>());

// case: a_corruptor_without_traits
// expect: Corruptor: a member `void corrupt\(MaskedText&, TokenTraits const&, Draw&\) const` is missing
struct CorruptorWithoutTraits {
#ifdef PASSING
    void corrupt(MaskedText&, TokenTraits const&, Draw&) const {}
#else
    void corrupt(MaskedText&, Draw&) const {}
#endif
};
static_assert(explain_corruptor<CorruptorWithoutTraits>());

// case: a_source_that_cannot_be_copied
// expect: TextSource: the type must be copyable
struct OwnedSource : MaybeCopyable<right> {
    static constexpr std::string_view name = "owned";
    std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const { return {}; }
};
static_assert(explain_text_source<OwnedSource>());

// case: a_source_of_another_call
// expect: TextSource: a member `std::vector<TokenId> read\(Example const&, TokenTraits const&, Draw&\) const` is missing
struct SourceOfAnotherCall {
    static constexpr std::string_view name = "title";
#ifdef PASSING
    std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const { return {}; }
#else
    std::vector<TokenId> read(Example const&) const { return {}; }
#endif
};
static_assert(explain_text_source<SourceOfAnotherCall>());

// case: a_source_of_wider_ids
// expect: TextSource: read\(\.\.\.\) must be const and return std::vector<TokenId>
/// Ids of another width.
struct SourceOfLongs {
    static constexpr std::string_view name = "longs";
    using Ids = std::conditional_t<right, std::vector<TokenId>, std::vector<long>>;
    Ids read(Example const&, TokenTraits const&, Draw&) const { return {}; }
};
static_assert(explain_text_source<SourceOfLongs>());

// case: a_corruptor_that_cannot_be_copied
// expect: Corruptor: the type must be copyable
struct OwnedCorruptor : MaybeCopyable<right> {
    void corrupt(MaskedText&, TokenTraits const&, Draw&) const {}
};
static_assert(explain_corruptor<OwnedCorruptor>());

// case: a_loss_that_cannot_be_copied
// expect: TokenLoss: the type must be copyable
struct OwnedLoss : MaybeCopyable<right> {
    void label(MaskedText&, TokenTraits const&) const {}
};
static_assert(explain_token_loss<OwnedLoss>());

// case: a_loss_without_traits
// expect: TokenLoss: a member `void label\(MaskedText& text, TokenTraits const& traits\) const` is missing
struct LossWithoutTraits {
#ifdef PASSING
    void label(MaskedText&, TokenTraits const&) const {}
#else
    void label(MaskedText&) const {}
#endif
};
static_assert(explain_token_loss<LossWithoutTraits>());

template <bool encodes, bool has_traits, bool has_tokens>
struct Words {
    TokenTraits known;
    std::vector<TokenId> encode(std::string_view) const
        requires encodes
    {
        return {};
    }
    TokenTraits const& traits() const
        requires has_traits
    {
        return known;
    }
    std::string_view token(TokenId) const
        requires has_tokens
    {
        return "a";
    }
};
// case: a_tokenizer_without_encode
// expect: Tokenizer: a member `std::vector<TokenId> encode\(std::string_view text\) const` is missing
static_assert(explain_tokenizer<Words<right, true, true>>());
// case: a_tokenizer_without_traits
// expect: Tokenizer: a member `TokenTraits const& traits\(\) const` is missing
static_assert(explain_tokenizer<Words<true, right, true>>());
// case: a_tokenizer_without_tokens
// expect: Tokenizer: a member `std::string_view token\(TokenId id\) const` is missing
static_assert(explain_tokenizer<Words<true, true, right>>());

template <class Value, bool called, bool named>
struct First {
    Value operator()(RankedGains const&) const
        requires called
    {
        return 1;
    }
    std::string name() const
        requires named
    {
        return "first";
    }
};
// case: a_metric_that_cannot_be_copied
// expect: Metric: the type must be copyable
struct OwnedMetric : MaybeCopyable<right>, First<double, true, true> {};
static_assert(explain_metric<OwnedMetric>());
// case: a_metric_without_a_call
// expect: Metric: a member `double operator\(\)\(RankedGains const&\) const` is missing
static_assert(explain_metric<First<double, right, true>>());
// case: a_metric_without_a_name
// expect: Metric: a member `std::string name\(\) const` is missing
static_assert(explain_metric<First<double, true, right>>());
// case: a_metric_of_floats
// expect: Metric: operator\(\)\(RankedGains const&\) must return double
static_assert(explain_metric<First<std::conditional_t<right, double, float>, true, true>>());

template <class Value, bool called, bool named>
struct Share {
    Value operator()(std::span<double const>, std::span<double const>) const
        requires called
    {
        return 1;
    }
    std::string name() const
        requires named
    {
        return "share";
    }
};
// case: a_value_metric_that_cannot_be_copied
// expect: ValueMetric: the type must be copyable
struct OwnedShare : MaybeCopyable<right>, Share<std::optional<double>, true, true> {};
static_assert(explain_value_metric<OwnedShare>());
// case: a_value_metric_without_a_call
// expect: ValueMetric: a member `std::optional<double> operator\(\)\(std::span<double const> gold, std::span<double const> predicted\) const` is missing
static_assert(explain_value_metric<Share<std::optional<double>, right, true>>());
// case: a_value_metric_without_a_name
// expect: ValueMetric: a member `std::string name\(\) const` is missing
static_assert(explain_value_metric<Share<std::optional<double>, true, right>>());
// case: a_value_metric_that_always_has_a_number
// expect: ValueMetric: operator\(\)\(gold, predicted\) must return std::optional<double>
static_assert(explain_value_metric<Share<std::conditional_t<right, std::optional<double>, double>, true, true>>());
// case: an_evaluator_of_both_roles
// expect: Evaluator: its parts are metrics of one role
using OfBothRoles = Evaluator<Mrr, std::conditional_t<right, Ndcg, Spearman>>;
static_assert(sizeof(OfBothRoles) > 0);
template <bool has_size, class Result>
struct FindsNothing {
    std::size_t size() const
        requires has_size
    {
        return 0;
    }
    Result search(std::vector<std::string> const&, std::size_t, std::vector<std::string> const&) const { return {}; }
};
// case: an_index_without_a_size
// expect: Index: a member `std::size_t size\(\) const`, the number of documents, is missing
static_assert(explain_index<FindsNothing<right, Run>, std::vector<std::string>>());
// case: an_index_that_gives_no_run
// expect: Index: a member `Run search\(queries, std::size_t k, std::vector<std::string> const& query_ids\) const`
static_assert(explain_index<FindsNothing<true, std::conditional_t<right, Run, std::vector<Hit>>>, std::vector<std::string>>());

// case: a_masker_of_another_call
// expect: Masker: draw\(TokenSpan, Draw&\) must be const and return MaskFlags
struct MaskerOfAnotherCall {
#ifdef PASSING
    MaskFlags draw(TokenSpan text, Draw&) const { return MaskFlags(text.size(), 0); }
#else
    MaskFlags draw(TokenSpan text) const { return MaskFlags(text.size(), 0); }
#endif
};
static_assert(explain_masker<MaskerOfAnotherCall>());

// case: a_corruptor_of_a_copy
// expect: Corruptor: `corrupt` must take `MaskedText&`: edits of a copy are lost
struct CorruptorOfACopy {
    void corrupt(Pick<MaskedText&, MaskedText>, TokenTraits const&, Draw&) const {}
};
static_assert(explain_corruptor<CorruptorOfACopy>());

// case: a_loss_of_a_copy
// expect: TokenLoss: `label` must take `MaskedText&`: the labels that it sets in a copy are lost
struct LossOfACopy {
    void label(Pick<MaskedText&, MaskedText>, TokenTraits const&) const {}
};
static_assert(explain_token_loss<LossOfACopy>());

// case: a_source_named_per_object
// expect: TextSource: `static constexpr std::string_view name` is missing
struct SourceNamedPerObject {
#ifdef PASSING
    static constexpr std::string_view name = "title";
#else
    std::string name = "title";
#endif
    std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const { return {}; }
};
static_assert(explain_text_source<SourceNamedPerObject>());

// case: a_pair_source_without_a_default
// expect: TextSource: a default constructor is missing
struct Second {
#ifdef PASSING
#else
    explicit Second(int) {}
#endif
    static constexpr std::string_view name = "second";
    std::vector<TokenId> read(PairExample const&, TokenTraits const&, Draw&, Draw) const { return {}; }
};
static_assert(explain_text_source<Second>());

// case: a_pair_source_without_a_shared_draw
// expect: For a pair store: `read\(PairExample const&, TokenTraits const&, Draw&, Draw shared\) const`
struct Undrawn {
    static constexpr std::string_view name = "undrawn";
#ifdef PASSING
    std::vector<TokenId> read(PairExample const&, TokenTraits const&, Draw&, Draw) const { return {}; }
#else
    std::vector<TokenId> read(PairExample const&, TokenTraits const&, Draw&) const { return {}; }
#endif
};
static_assert(explain_text_source<Undrawn>());
