// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masks words with a probability that grows with their rarity.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/candidate_words.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The weights by which words are drawn.
enum class KeywordWeighting {
    tf_idf,          ///< tf log((1 + D) / (1 + df)) + floor: tf occurrences in the text, df of D documents have the word
    inverse_count,   ///< 1 / occurrences in the corpus; 1 for a word that the corpus lacks (MASTER as released)
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 2> names_of(KeywordWeighting) noexcept { return {"tf_idf", "inverse_count"}; }

/// How words are drawn by their weights.
enum class KeywordSampling {
    without_replacement,   ///< one after another without replacement; a word that would overshoot is skipped
    released_rounds,       ///< rounds of ten draws with replacement among the words left, taken in order until the budget is
                           ///< reached, so that the last word may overshoot it (MASTER as released)
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 2> names_of(KeywordSampling) noexcept {
    return {"without_replacement", "released_rounds"};
}

/// Whole words, preferably rare ones: "masked keywords prediction" of MASTER (equation 5; arXiv 2212.07841).
///
/// The paper names TF-IDF without a formula: the defaults are one interpretation of it. The released code is
/// `{.weighting = KeywordWeighting::inverse_count, .sampling = KeywordSampling::released_rounds}`. Each occurrence of a word is
/// drawn independently. Special tokens are unmasked and end words. budget = max(minimum, round(basis * rate)), halves to even.
struct KeywordMasker {
    static constexpr std::string_view name = "keyword";

    double rate = .50;   ///< share of `basis`; MASTER: .50
    KeywordWeighting weighting = KeywordWeighting::tf_idf;
    KeywordSampling sampling = KeywordSampling::without_replacement;
    MaskBasis basis = MaskBasis::content;                            ///< MASTER: tokens that are not special
    std::size_t minimum = 1;                                         ///< minimum number of masked tokens
    std::size_t maximum = std::numeric_limits<std::size_t>::max();   ///< maximum number of masked tokens
    double floor = 1e-6;                                             ///< least weight; `tf_idf` only
    std::shared_ptr<WordWeights const> weights = {};                 ///< of the corpus; see `learn`

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "share of tokens masked");
        visit("weighting", weighting, "how words are weighted");
        visit("sampling", sampling, "how words are drawn by their weights");
        visit("basis", basis, "what the rate is a share of");
        visit("minimum", minimum, "minimum number of masked tokens");
        visit("maximum", maximum, "maximum number of masked tokens");
        visit("floor", floor, "least weight of a word under tf_idf");
    }

    [[nodiscard]] bool needs_words() const noexcept { return weights == nullptr; }

    /// Sets the word counts of the corpus, unless it has some already.
    void learn(std::shared_ptr<WordWeights const> counted) {
        if (needs_words()) { weights = std::move(counted); }
    }

    /// Throws InputError unless 0 <= rate <= 1, without weights, with those of another vocabulary, and for a weight that is not
    /// positive and finite.                                                                                         [L]
    [[nodiscard]] MaskFlags draw(TokenSpan text, Draw& draw) const {
        MaskFlags drawn;
        draw_each(text, draw, 1, [&](MaskFlags&& flags) { drawn = std::move(flags); });
        return drawn;
    }

    /// Calls `use(MaskFlags&&)` with `count` independent draws of one text, whose words are weighted once. Throws as `draw`.
    template <class Use>
    void draw_each(TokenSpan text, Draw& draw, std::size_t count, Use use) const {
        detail::require_rate(rate, "KeywordMasker::rate");
        require_weights(text);
        detail::CandidateWords const split(text, true);
        std::vector<Candidate> const words = candidates(text, split);
        std::size_t const budget = detail::mask_budget(detail::mask_basis(text, basis), rate, minimum, maximum);
        for (; count != 0; --count) {
            std::vector<Candidate> left = words;
            MaskFlags flags(text.size(), 0);
            if (sampling == KeywordSampling::released_rounds) {
                sample_rounds(left, budget, draw, flags);
            } else {
                sample_once(left, budget, draw, flags);
            }
            use(std::move(flags));
        }
    }

private:
    struct Candidate {
        std::span<std::uint32_t const> positions;
        std::uint64_t hash = 0;
        double weight = 0;
        double key = 0;   ///< of the order of draws
    };

    void require_weights(TokenSpan text) const {
        if (weights == nullptr) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "KeywordMasker::weights, the word counts of the corpus",
                                        .found = "none",
                                        .hint = "Set them to std::make_shared<WordWeights const>(WordWeights::of(store)), "
                                                "WordWeights::load(file) or read_word_dictionary(file, tokenizer)."});
        }
        if (weights->vocabulary_size() != text.traits().size()) {
            std::string const tokens = std::to_string(text.traits().size()) + " tokens";
            throw InputError(Diagnostic{.file = {},
                                        .expected = "word counts of a vocabulary of " + tokens,
                                        .found = "those of one of " + std::to_string(weights->vocabulary_size()),
                                        .hint = "Count the words of the corpus that is trained on."});
        }
        if (weighting == KeywordWeighting::tf_idf && weights->documents() == 0) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "word counts with document frequencies for tf_idf",
                                        .found = "counts alone, or those of no document",
                                        .hint = "Count with WordWeights::of, or use KeywordWeighting::inverse_count."});
        }
    }

    /// The words of the text and their weights; they point into `split`.
    [[nodiscard]] std::vector<Candidate> candidates(TokenSpan text, detail::CandidateWords const& split) const {
        std::vector<Candidate> words;
        std::vector<std::uint64_t> hashes;
        words.reserve(split.size());
        split.for_each([&](std::span<std::uint32_t const> positions) {
            std::uint64_t hash = WordWeights::start;
            for (std::uint32_t const i : positions) { hash = WordWeights::extend(hash, text[i]); }
            words.push_back({.positions = positions, .hash = hash});
            hashes.push_back(hash);
        });
        std::ranges::sort(hashes);
        for (Candidate& word : words) {
            WordWeights::Word const known = weights->find(word.hash);
            if (weighting == KeywordWeighting::inverse_count) {
                word.weight = known.count == 0 ? 1 : 1 / static_cast<double>(known.count);
            } else {
                auto const all = static_cast<double>(weights->documents());
                double const rarity = (1 + all) / (1 + static_cast<double>(known.documents));
                auto const occurrences = static_cast<double>(std::ranges::equal_range(hashes, word.hash).size());
                word.weight = occurrences * std::log(rarity) + floor;
            }
            if (!(word.weight > 0 && std::isfinite(word.weight))) {
                throw InputError(Diagnostic{.file = {},
                                            .expected = "word weights above 0",
                                            .found = std::to_string(word.weight),
                                            .hint = "Set KeywordMasker::floor to a small positive number."});
            }
        }
        return words;
    }

    static std::size_t hide(Candidate const& word, MaskFlags& flags) {
        for (std::uint32_t const i : word.positions) { flags[i] = 1; }
        return word.positions.size();
    }

    /// The order of -log(u) / weight is the order of draws without replacement (Efraimidis and Spirakis, 2006).
    static void sample_once(std::vector<Candidate>& words, std::size_t budget, Draw& draw, MaskFlags& flags) {
        for (Candidate& word : words) { word.key = -std::log1p(-draw.uniform()) / word.weight; }
        std::ranges::stable_sort(words, {}, &Candidate::key);
        std::size_t taken = 0;
        for (Candidate const& word : words) {
            if (taken + word.positions.size() <= budget) { taken += hide(word, flags); }
        }
    }

    static void sample_rounds(std::vector<Candidate>& words, std::size_t budget, Draw& draw, MaskFlags& flags) {
        constexpr int draws_per_round = 10;
        std::size_t taken = 0;
        while (taken < budget && !words.empty()) {
            double sum = 0;
            for (Candidate& word : words) { word.key = sum += word.weight; }
            for (int k = 0; k < draws_per_round && taken < budget; ++k) {
                auto const drawn = std::ranges::upper_bound(words, draw.uniform() * sum, {}, &Candidate::key);
                Candidate& word = drawn == words.end() ? words.back() : *drawn;   // rounding may reach the end
                if (flags[word.positions.front()] == 0) { taken += hide(word, flags); }
            }
            std::erase_if(words, [&](Candidate const& word) { return flags[word.positions.front()] != 0; });
        }
    }
};

static_assert(Masker<KeywordMasker> && LearnsWords<KeywordMasker>);

}  // namespace bmae
