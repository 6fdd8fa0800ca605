// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Maskers, sources, corruptors, token losses, tokenizers and metrics, each wrong in one way.
// expect: Masker: the type must be copyable
// expect: Masker: draw\(TokenSpan, Draw&\) must be const and return MaskFlags \(hidden tokens\) or Visibility
// expect: TextSource: the type must be copyable
// expect: TextSource: a member `std::vector<TokenId> read\(Example const&, TokenTraits const&, Draw&\) const` is missing
// expect: TextSource: read\(\.\.\.\) must be const and return std::vector<TokenId>
// expect: Corruptor: the type must be copyable
// expect: TokenLoss: the type must be copyable
// expect: TokenLoss: a member `void label\(MaskedText& text, TokenTraits const& traits\) const` is missing
// expect: Tokenizer: a member `std::vector<TokenId> encode\(std::string_view text\) const` is missing
// expect: Tokenizer: a member `TokenTraits const& traits\(\) const` is missing
// expect: Tokenizer: a member `std::string_view token\(TokenId id\) const` is missing
// expect: Metric: the type must be copyable
// expect: Metric: a member `double operator\(\)\(RankedGains const&\) const` is missing
// expect: Metric: a member `std::string name\(\) const` is missing
// expect: Metric: operator\(\)\(RankedGains const&\) must return double
#include <bmae/concepts/corruptor.hpp>
#include <bmae/concepts/masker.hpp>
#include <bmae/concepts/metric.hpp>
#include <bmae/concepts/text_source.hpp>
#include <bmae/concepts/token_loss.hpp>
#include <bmae/concepts/tokenizer.hpp>

#ifdef PASSING
constexpr bool right = true;
#else
constexpr bool right = false;
#endif

using namespace bmae;

template <bool copyable>
struct MaybeCopyable {
    MaybeCopyable() = default;
    MaybeCopyable(MaybeCopyable const&)
        requires copyable
    = default;
};

struct OwnedMasker : MaybeCopyable<right> {
    MaskFlags draw(TokenSpan text, Draw&) const { return MaskFlags(text.size(), 0); }
};
static_assert(explain_masker<OwnedMasker>());

/// Row masks as a dense matrix.
struct DenseRows {
    std::conditional_t<right, Visibility, std::vector<std::vector<bool>>> draw(TokenSpan, Draw&) const { return {}; }
};
static_assert(explain_masker<DenseRows>());

struct OwnedSource : MaybeCopyable<right> {
    static constexpr std::string_view name = "owned";
    std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const { return {}; }
};
static_assert(explain_text_source<OwnedSource>());

struct SourceOfAnotherCall {
    static constexpr std::string_view name = "title";
#ifdef PASSING
    std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const { return {}; }
#else
    std::vector<TokenId> read(Example const&) const { return {}; }
#endif
};
static_assert(explain_text_source<SourceOfAnotherCall>());

/// Ids of another width.
struct SourceOfLongs {
    static constexpr std::string_view name = "longs";
    using Ids = std::conditional_t<right, std::vector<TokenId>, std::vector<long>>;
    Ids read(Example const&, TokenTraits const&, Draw&) const { return {}; }
};
static_assert(explain_text_source<SourceOfLongs>());

struct OwnedCorruptor : MaybeCopyable<right> {
    void corrupt(MaskedText&, TokenTraits const&, Draw&) const {}
};
static_assert(explain_corruptor<OwnedCorruptor>());

struct OwnedLoss : MaybeCopyable<right> {
    void label(MaskedText&, TokenTraits const&) const {}
};
static_assert(explain_token_loss<OwnedLoss>());

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
static_assert(explain_tokenizer<Words<right, true, true>>());
static_assert(explain_tokenizer<Words<true, right, true>>());
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
struct OwnedMetric : MaybeCopyable<right>, First<double, true, true> {};
static_assert(explain_metric<OwnedMetric>());
static_assert(explain_metric<First<double, right, true>>());
static_assert(explain_metric<First<double, true, right>>());
static_assert(explain_metric<First<std::conditional_t<right, double, float>, true, true>>());
