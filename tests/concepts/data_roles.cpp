// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The roles of the data side: what they admit, what they refuse, and a fifteen-line masker of a user's own.
#include <cstddef>
#include <memory>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "data_archetypes.hpp"

using namespace bmae;
using namespace bmae_test;

namespace {

struct EveryThird {
    int offset = 0;
    MaskFlags draw(TokenSpan text, Draw&) const {
        MaskFlags flags(text.size(), 0);
        for (std::size_t i = 0; i < text.size(); ++i) {
            flags[i] = !text.is_special(i) && i % 3 == static_cast<std::size_t>(offset) ? 1 : 0;
        }
        return flags;
    }
};
static_assert(Masker<EveryThird>);

struct NotConst {
    MaskFlags draw(TokenSpan, Draw&) { return {}; }
};
struct WrongResult {
    std::vector<int> draw(TokenSpan, Draw&) const { return {}; }
};
struct NotCopyable {
    std::unique_ptr<int> owned;
    MaskFlags draw(TokenSpan, Draw&) const { return {}; }
};
struct Nameless {
    std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const { return {}; }
};
struct ReturnsText {
    MaskedText corrupt(MaskedText const& text, TokenTraits const&, Draw&) const { return text; }
};

static_assert(!AnyMasker<NotConst> && !AnyMasker<WrongResult> && !AnyMasker<NotCopyable> && !AnyMasker<int>);
static_assert(!TextSource<Nameless> && !TextSource<int>);
static_assert(!Corruptor<ReturnsText> && !Corruptor<int>);
static_assert(explain_masker<PoorestMasker>() && explain_masker<PoorestVisibilityMasker>());
static_assert(explain_corruptor<PoorestCorruptor>());
static_assert(Index<PoorestIndex, std::vector<std::string_view>> && explain_index<PoorestIndex, std::vector<std::string_view>>());
static_assert(!Index<PoorestIndex, std::vector<std::string>> && !Index<int, int>);

// A masker fills exactly one of the three roles, so that a composition can tell them apart.
static_assert(!RelatedMasker<PoorestMasker> && !VisibilityMasker<PoorestMasker>);
static_assert(!Masker<PoorestRelatedMasker> && !VisibilityMasker<PoorestRelatedMasker>);
static_assert(!Masker<PoorestVisibilityMasker> && !RelatedMasker<PoorestVisibilityMasker>);

}  // namespace

BOOST_AUTO_TEST_CASE(a_users_own_masker_needs_no_registration) {
    TokenTraits const traits({.cls = 2, .sep = 3}, std::vector<std::uint8_t>(100, 0));
    std::vector<TokenId> const ids = {2, 10, 11, 12, 13, 14, 3};
    Draw draw({});
    MaskFlags const flags = EveryThird{}.draw(TokenSpan(ids, traits), draw);
    BOOST_TEST(flags == (MaskFlags{0, 0, 0, 1, 0, 0, 0}), boost::test_tools::per_element());
}
