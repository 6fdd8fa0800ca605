// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The packed layout between collator and loss: flat token rows, no padding tokens.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <bmae/batch/pair_list.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/example.hpp>

namespace bmae {

/// The same view of B examples, concatenated. T is their total number of tokens.
struct PackedView {
    std::vector<TokenId> input_ids = {};          ///< [T]
    std::vector<TokenId> original_ids = {};       ///< [T], or empty in a view that is only encoded: `append_input`
    std::vector<TokenId> labels = {};             ///< likewise; labels, or ignored_label
    std::vector<std::uint8_t> flags = {};         ///< likewise; 1 where the masker masked a token
    std::vector<std::int32_t> positions = {};     ///< [T] 0 .. L-1 in each text
    std::vector<std::uint8_t> token_types = {};   ///< [T] for the encoder; empty: all 0
    std::vector<std::int64_t> offsets = {0};      ///< [B+1] text b is rows offsets[b] .. offsets[b+1]
    std::vector<Visibility> visibility = {};      ///< [B] row masks, or empty
    SpecialIds special = {};                      ///< of the vocabulary
    std::vector<std::int64_t> text_ids = {};      ///< [B] ids of the texts in the dataset, for losses that need them; or empty
    std::vector<std::int64_t> groups = {};        ///< [examples+1] example e is texts groups[e] .. groups[e+1], its relevant text
                                                  ///< first; empty: one text per example
    std::vector<float> scores = {};               ///< [B] teacher's score of each text; NaN where not scored; or empty
    std::vector<std::vector<std::int64_t>> relevant = {};   ///< [examples] ids of all texts relevant to each; or empty

    [[nodiscard]] std::size_t texts() const noexcept { return offsets.size() - 1; }
    [[nodiscard]] std::size_t tokens() const noexcept { return input_ids.size(); }
    /// Number of examples that the texts belong to.
    [[nodiscard]] std::size_t examples() const noexcept { return groups.empty() ? texts() : groups.size() - 1; }
    /// The first text of example `e`: its own one, or its positive.
    [[nodiscard]] std::int64_t first_text(std::size_t e) const {
        return groups.empty() ? static_cast<std::int64_t>(e) : groups[e];
    }
    [[nodiscard]] std::int64_t texts_of(std::size_t e) const { return groups.empty() ? 1 : groups[e + 1] - groups[e]; }
    [[nodiscard]] std::size_t label_count() const noexcept {
        return static_cast<std::size_t>(std::ranges::count_if(labels, [](TokenId id) { return id != ignored_label; }));
    }

    /// Number of texts without labels.
    [[nodiscard]] std::int64_t texts_without_label() const {
        std::int64_t count = 0;
        for (std::size_t b = 0; b < texts(); ++b) {
            auto const first = labels.begin() + offsets[b];
            count += std::all_of(first, labels.begin() + offsets[b + 1], [](TokenId id) { return id == ignored_label; }) ? 1 : 0;
        }
        return count;
    }
    /// Text `b` is [CLS] and [SEP] alone.
    [[nodiscard]] bool is_empty(std::size_t b) const { return offsets[b + 1] - offsets[b] <= 2; }
    [[nodiscard]] std::int64_t empty_texts() const {
        std::int64_t count = 0;
        for (std::size_t b = 0; b < texts(); ++b) { count += is_empty(b) ? 1 : 0; }
        return count;
    }

    /// Throws InputError for an id or a label that a vocabulary of `size` tokens does not have: networks index tables by them.
    void require_known_ids(std::size_t size) const {
        auto const known = [size](TokenId id) { return id >= 0 && static_cast<std::size_t>(id) < size; };
        auto const refuse = [size](char const* what, TokenId id) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = std::string(what) + " of a vocabulary of " + std::to_string(size) + " tokens",
                                        .found = std::to_string(id),
                                        .hint = "The store is damaged or of another tokenizer: prepare it again."});
        };
        for (auto const* const ids : {&input_ids, &original_ids}) {
            if (auto const at = std::ranges::find_if_not(*ids, known); at != ids->end()) { refuse("token ids", *at); }
        }
        for (TokenId const label : labels) {
            if (label != ignored_label && !known(label)) { refuse("labels", label); }
        }
    }

    /// Appends one text; `text.labels` may be empty, which means no labels.
    void append(MaskedText const& text) {
        append_types(text.types, text.input_ids.size());
        input_ids.insert(input_ids.end(), text.input_ids.begin(), text.input_ids.end());
        original_ids.insert(original_ids.end(), text.original_ids.begin(), text.original_ids.end());
        if (text.labels.empty()) {
            labels.resize(labels.size() + text.input_ids.size(), ignored_label);
        } else {
            labels.insert(labels.end(), text.labels.begin(), text.labels.end());
        }
        if (text.flags.empty()) {
            flags.resize(flags.size() + text.input_ids.size(), 0);
        } else {
            flags.insert(flags.end(), text.flags.begin(), text.flags.end());
        }
        for (std::size_t i = 0; i < text.input_ids.size(); ++i) { positions.push_back(static_cast<std::int32_t>(i)); }
        offsets.push_back(static_cast<std::int64_t>(input_ids.size()));
        if (text.visibility.length != 0) { visibility.push_back(text.visibility); }
    }

    /// Appends a text to a view that is only encoded: such a view has no `original_ids`, `labels` and `flags`.
    /// \param types  [L] or empty: all 0
    void append_input(std::vector<TokenId> const& ids, std::vector<std::uint8_t> const& types = {}) {
        append_types(types, ids.size());
        input_ids.insert(input_ids.end(), ids.begin(), ids.end());
        for (std::size_t i = 0; i < ids.size(); ++i) { positions.push_back(static_cast<std::int32_t>(i)); }
        offsets.push_back(static_cast<std::int64_t>(input_ids.size()));
    }

    /// Appends the texts of one example.
    void append_group(std::vector<CandidateText> const& texts_of_example, std::vector<std::int64_t> relevant_ids) {
        if (groups.empty()) { groups.push_back(static_cast<std::int64_t>(texts())); }
        for (CandidateText const& text : texts_of_example) {
            append(text.text);
            text_ids.push_back(text.id);
            scores.push_back(text.score);
        }
        groups.push_back(static_cast<std::int64_t>(texts()));
        relevant.push_back(std::move(relevant_ids));
    }

    /// Appends all texts of another batch.
    void append_all(PackedView const& other) {   // no overload: braces would be ambiguous
        auto const join = [](auto& to, auto const& from) { to.insert(to.end(), from.begin(), from.end()); };
        for (std::size_t b = 1; b < other.offsets.size(); ++b) {
            offsets.push_back(static_cast<std::int64_t>(tokens()) + other.offsets[b]);
        }
        append_types(other.token_types, other.tokens());
        std::int64_t const texts_before = static_cast<std::int64_t>(texts() - other.texts());
        for (std::size_t g = groups.empty() ? 0 : 1; g < other.groups.size(); ++g) {
            groups.push_back(texts_before + other.groups[g]);
        }
        join(scores, other.scores);
        join(relevant, other.relevant);
        join(input_ids, other.input_ids);
        join(original_ids, other.original_ids);
        join(labels, other.labels);
        join(flags, other.flags);
        join(positions, other.positions);
        join(visibility, other.visibility);
        join(text_ids, other.text_ids);
        special = other.special;
    }

private:
    /// Before the `count` tokens that have these types, or none, are appended.
    void append_types(std::vector<std::uint8_t> const& types, std::size_t count) {
        if (types.empty() && token_types.empty()) { return; }
        token_types.resize(tokens());
        token_types.insert(token_types.end(), types.begin(), types.end());
        token_types.resize(tokens() + count);
    }
};

/// What a collator thread passes to the training step.
struct HostBatch {
    std::vector<PackedView> views = {};           ///< in the order of the composition
    std::vector<std::uint64_t> examples = {};     ///< [B] index of each example in the corpus
    std::vector<std::int64_t> term_labels = {};   ///< labels of each loss term in this batch
    std::vector<std::int64_t> term_absent = {};   ///< texts without a label for it: empty, without a partner; or {}
    std::vector<PairList> pairs = {};             ///< of each trailing term; their number is its labels
    std::uint64_t epoch = 0;
    bool replaced = false;            ///< corruptors that are networks have run
    std::uint64_t seed = 0;           ///< of the run: with epoch and example it keys the draws on the device
    std::size_t encoder_tokens = 0;   ///< of the views that encoders read; 0: not counted apart

    /// Tokens that the encoder or a decoder reads: the sum over all views.
    [[nodiscard]] std::size_t tokens() const noexcept {
        std::size_t sum = 0;
        for (PackedView const& view : views) { sum += view.tokens(); }
        return sum;
    }
};

}  // namespace bmae
