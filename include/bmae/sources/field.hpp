// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A named field of the record that a document was made from.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>
#include <bmae/values/fixed_string.hpp>

namespace bmae {

/// The field `Key` of the document, whole for each of its passages: the reasoning and the decision of a case (Li et al.: SAILER,
/// arXiv 2304.11370), the summary of a table (Awasthy et al.: Granite Embedding R2, arXiv 2508.21085). Empty where there is none.
///
///     Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
///         MaskedLanguageModel,
///         Branch<View<Field<"reasoning">, WholeWordMasker>, BasicDecoder>,
///         Branch<View<Field<"decision">, WholeWordMasker>, BasicDecoder>>
///
/// A token store has it where it was built with `TokenStoreOptions::fields`, or by `bmae prepare --format jsonl --field NAME`.
template <FixedString Key>
struct Field {
    static constexpr FixedString spelled = FixedString(FixedString("field_"), Key);
    static constexpr std::string_view name = spelled.view();
    static constexpr Needs needs = Needs::field;
    static constexpr FixedString stored = Key;   // a template argument has no static address in every compiler
    static constexpr std::string_view key = stored.view();

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        std::span<TokenId const> const text = example.field(key);
        return {text.begin(), text.end()};
    }
};

static_assert(TextSource<Field<"summary">>);

}  // namespace bmae
