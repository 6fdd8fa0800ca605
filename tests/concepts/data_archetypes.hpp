// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The poorest types that still fill the roles of the data side: what compiles with these requires nothing undocumented.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/concepts/index.hpp>
#include <bmae/concepts/masker.hpp>
#include <bmae/concepts/text_source.hpp>
#include <bmae/retrieval/run.hpp>

namespace bmae_test {

/// Default constructible, copyable and nothing more: no assignment, no comparison, no address.
struct Poorest {
    Poorest() = default;
    Poorest(Poorest const&) = default;
    Poorest& operator=(Poorest const&) = delete;
    void operator&() const = delete;
};

struct PoorestMasker : Poorest {
    bmae::MaskFlags draw(bmae::TokenSpan text, bmae::Draw&) const { return bmae::MaskFlags(text.size(), 0); }
};

struct PoorestRelatedMasker : Poorest {
    bmae::MaskFlags draw(bmae::TokenSpan, bmae::Draw&, bmae::MaskFlags const& encoder) const { return encoder; }
};

struct PoorestVisibilityMasker : Poorest {
    bmae::Visibility draw(bmae::TokenSpan text, bmae::Draw&) const {
        bmae::Visibility rows{.length = static_cast<std::uint32_t>(text.size())};
        rows.row.assign(text.size(), 0);
        rows.bits.assign(rows.words(), ~std::uint64_t{0});
        return rows;
    }
};

struct PoorestCorruptor : Poorest {
    void corrupt(bmae::MaskedText&, bmae::TokenTraits const&, bmae::Draw&) const {}
};

struct PoorestTextSource : Poorest {
    static constexpr std::string_view name = "poorest";
    std::vector<bmae::TokenId> read(bmae::Example const& example, bmae::TokenTraits const&, bmae::Draw&) const {
        return {example.passage.begin(), example.passage.end()};
    }
};

static_assert(bmae::Masker<PoorestMasker>);
static_assert(bmae::RelatedMasker<PoorestRelatedMasker>);
static_assert(bmae::VisibilityMasker<PoorestVisibilityMasker>);
static_assert(bmae::Corruptor<PoorestCorruptor>);
static_assert(bmae::TextSource<PoorestTextSource>);

struct PoorestIndex {
    PoorestIndex() = default;
    PoorestIndex(PoorestIndex const&) = delete;
    void operator&() const = delete;

    std::size_t size() const { return 0; }
    bmae::Run search(std::vector<std::string_view> const&, std::size_t, std::vector<std::string> const&) const { return {}; }
};

}  // namespace bmae_test
