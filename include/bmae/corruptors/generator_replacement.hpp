// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masked tokens are replaced by the predictions of another network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/corruptors/bert.hpp>
#include <bmae/corruptors/mask_only.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Proposes a token for every masked position of packed texts: a frozen masked language model, or anything else.
class TokenGenerator {
public:
    TokenGenerator() = default;
    TokenGenerator(TokenGenerator const&) = delete;
    TokenGenerator& operator=(TokenGenerator const&) = delete;
    virtual ~TokenGenerator() = default;

    /// \param input_ids  [T] masked ids of packed texts
    /// \param positions  [T] position of each token in its text
    /// \param offsets    [B+1] where texts start
    /// \param rows       rows for which a token is requested
    /// \param draws      one uniform number of [0, 1) for each of `rows` to sample with; empty: the most probable token
    /// \returns one id for each of `rows`
    [[nodiscard]] virtual std::vector<TokenId> propose(std::span<TokenId const> input_ids,
                                                       std::span<std::int32_t const> positions,
                                                       std::span<std::int64_t const> offsets, std::span<std::int64_t const> rows,
                                                       std::span<double const> draws) const = 0;

    /// Checksum of all that decides what it proposes: a resumed run must have the same. 0: unknown, not compared.
    [[nodiscard]] virtual std::uint64_t fingerprint() const { return 0; }
};

/// Masks the flagged tokens, which a frozen generator then replaces.
///
/// Masking is done when the view is made, replacement when the batch is on the device; draws depend on (seed, epoch, example,
/// view, position) alone. SimLM (arXiv 2207.02578): all [MASK], sampled, flagged tokens only. DiffCSE (arXiv 2204.10298):
/// 80/10/10, most probable token, every token but the first.
struct GeneratorReplacement {
    static constexpr std::string_view name = "generator";

    std::shared_ptr<TokenGenerator const> generator = {};   ///< must be set before the first batch
    bool sample = true;                                     ///< else the most probable token
    bool everywhere = false;                                ///< unflagged tokens are replaced too, [CLS] excepted
    bool bert_masking = false;                              ///< the generator reads 80/10/10 instead of [MASK] alone

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("sample", sample, "draw from the generator; 0: its most probable token");
        visit("everywhere", everywhere, "replace unmasked tokens too");
        visit("bert_masking", bert_masking, "the generator reads 80/10/10");
    }

    void corrupt(MaskedText& text, TokenTraits const& traits, Draw& draw) const {
        if (bert_masking) {
            BertCorruptor{}.corrupt(text, traits, draw);
        } else {
            MaskOnly{}.corrupt(text, traits, draw);
        }
    }

    /// \param view   a packed view as the collator left it: `input_ids` are written
    /// \param batch  gives `seed`, `epoch` and `examples`
    /// \param slot   number of the view in the composition
    /// Throws InputError where there is no generator.
    template <class PackedView, class HostBatch>
    void replace(PackedView& view, HostBatch const& batch, std::size_t slot) const {
        if (generator == nullptr) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a generator for the corruptor GeneratorReplacement",
                                        .found = "none",
                                        .hint = "Name a masked language model with the model's vocabulary: --generator DIR."});
        }
        constexpr std::uint64_t generator_part = 3;   // source, masker and corruptor have 0 to 2
        std::vector<std::int64_t> rows;
        std::vector<double> draws;
        for (std::size_t b = 0; b + 1 < view.offsets.size(); ++b) {
            Draw draw =
                Draw({.seed = batch.seed, .epoch = batch.epoch, .example = batch.examples[b], .slot = slot}).fork(generator_part);
            for (std::int64_t row = view.offsets[b]; row < view.offsets[b + 1]; ++row) {
                bool const wanted = everywhere ? row != view.offsets[b] : view.flags[static_cast<std::size_t>(row)] != 0;
                if (!wanted) { continue; }
                rows.push_back(row);
                if (sample) { draws.push_back(draw.uniform()); }
            }
        }
        if (rows.empty()) { return; }
        std::vector<TokenId> const ids = generator->propose(view.input_ids, view.positions, view.offsets, rows, draws);
        for (std::size_t i = 0; i < rows.size(); ++i) { view.input_ids[static_cast<std::size_t>(rows[i])] = ids[i]; }
    }
};

static_assert(Corruptor<GeneratorReplacement>);

}  // namespace bmae
