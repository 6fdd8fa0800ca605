// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Hides exactly what the encoder was left to read.
#pragma once

#include <cstddef>
#include <string_view>

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/candidate_words.hpp>

namespace bmae {

/// Flags every token that is not special and that the encoder's view of the same pass did not hide (MASTER, CMP).
///
/// The two views complement each other in their labels. Their inputs do so only under MaskOnly: 80/10/10 leaves a tenth of each
/// side readable on both sides.
struct ComplementMasker {
    static constexpr std::string_view name = "complement";

    /// \param encoder  flags of the encoder's view; throws InputError where it is a view of another text           [L]
    [[nodiscard]] MaskFlags draw(TokenSpan text, Draw& draw, MaskFlags const& encoder) const {
        static_cast<void>(draw);
        detail::require_same_text(text, encoder, "ComplementMasker");
        MaskFlags flags(text.size(), 0);
        for (std::size_t i = 0; i < text.size(); ++i) { flags[i] = encoder[i] == 0 && !text.is_special(i) ? 1 : 0; }
        return flags;
    }
};

static_assert(RelatedMasker<ComplementMasker>);

}  // namespace bmae
