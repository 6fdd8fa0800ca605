// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A relevant passage of a query and its negatives, alone or each after the query.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/concepts/pair_source.hpp>
#include <bmae/sources/query.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Which negatives of its list a query reads in an epoch; all are functions of seed, epoch and query.
enum class NegativeChoice {
    random,      ///< drawn anew in each epoch, without replacement
    modulo,      ///< a slice that advances by epochs through the list as it is, cyclically (SimLM as released)
    shuffled,    ///< the same through a list that is shuffled once in a run (Tevatron)
    ambiguous,   ///< drawn by exp(-a (s - s+ - b)^2), s the score of the negative and s+ that of the positive (SimANS)
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 4> names_of(NegativeChoice) noexcept {
    return {"random", "modulo", "shuffled", "ambiguous"};
}
[[nodiscard]] constexpr std::string_view to_string(NegativeChoice choice) noexcept {
    return names_of(choice)[static_cast<std::size_t>(choice)];
}

/// How the texts of a group are chosen, the same for all sources of groups.
struct GroupOptions {
    std::size_t passages = 8;       ///< of a query: one positive and `passages - 1` negatives (Tevatron: 8)
    std::size_t depth = 0;          ///< negatives are chosen from the first `depth`; 0: from all (SimXNS: 100)
    bool random_negatives = true;   ///< short lists are filled with other texts of the dataset; false: refused
    std::size_t skip = 0;           ///< the first `skip` of the list are left out: probably relevant, though nobody judged them
    NegativeChoice sampling = NegativeChoice::random;
    double ambiguity_a = 1;   ///< of `ambiguous`: 0 is uniform, the larger the closer to s+ + b
    double ambiguity_b = 0;   ///< of `ambiguous`: below 0 the likeliest negatives score lower than the positive

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
        visit("depth", depth, "negatives are chosen from the first N of the list; 0: from all");
        visit("random_negatives", random_negatives, "lists with too few negatives are filled with other texts of the dataset");
        visit("skip", skip, "the first N of the list are left out");
        visit("sampling", sampling, "which negatives an epoch reads");
        visit("ambiguity_a", ambiguity_a, "a of exp(-a (s - s+ - b)^2), by which ambiguous negatives are drawn");
        visit("ambiguity_b", ambiguity_b, "b of it");
    }
};

namespace detail {

/// A text of a group before it is framed.
struct ChosenText {
    std::uint32_t id = 0;
    float score = std::numeric_limits<float>::quiet_NaN();
};

/// A random text that is not relevant to the query and not among `chosen`.
inline std::uint32_t random_negative(PairExample const& example, std::span<ChosenText const> chosen, Draw& draw) {
    for (int attempt = 0; attempt < 256; ++attempt) {
        auto const id = static_cast<std::uint32_t>(draw.below(example.texts.size()));
        bool const taken = std::ranges::find(example.positives, id) != example.positives.end() ||
                           std::ranges::find(chosen, id, &ChosenText::id) != chosen.end();
        if (!taken) { return id; }
    }
    throw InputError(Diagnostic{.file = {},
                                .expected = "texts of the dataset that are not relevant to query " + std::to_string(example.id),
                                .found = "too few among " + std::to_string(example.texts.size()),
                                .hint = "Lower the number of passages per query; where `forward` is set, lower that."});
}

/// The places of the list that may be chosen: a window of ranks.
/// Throws InputError where the options leave none of any list.
inline std::vector<std::uint32_t> window_of(std::size_t list, GroupOptions const& options) {
    if (options.depth != 0 && options.skip >= options.depth) {
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "a depth above skip: negatives are those from skip on, up to depth",
                       .found = "skip " + std::to_string(options.skip) + ", depth " + std::to_string(options.depth)});
    }
    std::size_t const end = options.depth == 0 ? list : std::min(options.depth, list);
    std::vector<std::uint32_t> places;
    for (std::size_t i = options.skip; i < end; ++i) { places.push_back(static_cast<std::uint32_t>(i)); }
    return places;
}

/// Puts first the slice of `count` places that an epoch reads, cyclically; `turn` says which.
inline void rotate_to_slice(std::vector<std::uint32_t>& places, std::size_t count, std::uint64_t turn) {
    if (places.empty()) { return; }
    std::uint64_t const size = places.size();
    std::uint64_t const first = (turn % size) * (count % size) % size;
    std::rotate(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(first), places.end());
}

/// A random order of draws without replacement by exp(-a (s - s+ - b)^2): logarithms of the weights plus Gumbel noise, largest first
/// (Efraimidis, Spirakis: Weighted random sampling with a reservoir, 2006), which no small weight underflows. Places without a
/// score come last, in uniform order; where the positive has none, all are uniform.
inline void order_by_ambiguity(std::vector<std::uint32_t>& places, PairExample const& example, float positive,
                               GroupOptions const& options, Draw& draw) {
    if (!(options.ambiguity_a >= 0 && std::isfinite(options.ambiguity_a) && std::isfinite(options.ambiguity_b))) {
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "a finite ambiguity_a of at least 0 and a finite ambiguity_b",
                       .found = std::to_string(options.ambiguity_a) + " and " + std::to_string(options.ambiguity_b)});
    }
    if (example.negative_scores.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "scores of positives and negatives, by which ambiguous negatives are drawn",
                                    .found = "none",
                                    .hint = "Prepare the pairs with --teacher-scores RUN, the run that the negatives are of."});
    }
    struct Key {
        bool unscored;
        double value;
        std::uint32_t place;
    };
    std::vector<Key> keys;
    for (std::uint32_t const place : places) {
        double const noise = -std::log(-std::log(draw.uniform() + 0x1p-54));
        double const gap = static_cast<double>(example.negative_scores[place]) - static_cast<double>(positive);
        double const error = gap - options.ambiguity_b;
        bool const unscored = std::isnan(gap);
        keys.push_back({unscored, unscored ? noise : noise - options.ambiguity_a * error * error, place});
    }
    std::ranges::stable_sort(
        keys, [](Key const& a, Key const& b) { return a.unscored != b.unscored ? b.unscored : a.value > b.value; });
    for (std::size_t i = 0; i < keys.size(); ++i) { places[i] = keys[i].place; }
}

/// The places of the negatives of an epoch, those that are read first.
/// \param positive  score of the positive; NaN: none
inline std::vector<std::uint32_t> ordered_negatives(PairExample const& example, GroupOptions const& options, float positive,
                                                    Draw& draw) {
    std::vector<std::uint32_t> places = window_of(example.negatives.size(), options);
    std::size_t const count = options.passages - 1;
    switch (options.sampling) {
        case NegativeChoice::modulo:
            rotate_to_slice(places, count, example.epoch + example.seed);
            break;
        case NegativeChoice::shuffled: {
            Draw once({.seed = example.seed, .example = example.id, .slot = 0x73687566666cULL});   // the same in all epochs
            once.shuffle(std::span(places));
            rotate_to_slice(places, count, example.epoch);
            break;
        }
        case NegativeChoice::ambiguous:
            order_by_ambiguity(places, example, positive, options, draw);
            break;
        case NegativeChoice::random:
            draw.shuffle(std::span(places));
            break;
    }
    return places;
}

/// The positive of this epoch, then the negatives of this epoch, each with its score.
inline std::vector<ChosenText> choose_group(PairExample const& example, GroupOptions const& options, Draw const& shared) {
    auto const score_of = [](std::span<float const> scores, std::size_t i) {
        return scores.empty() ? std::numeric_limits<float>::quiet_NaN() : scores[i];
    };
    std::vector<ChosenText> chosen;
    if (options.passages == 0) { return chosen; }
    std::size_t const positive = drawn_positive(example, shared);
    chosen.push_back({example.positives[positive], score_of(example.positive_scores, positive)});
    if (options.passages == 1) { return chosen; }
    Draw draw = shared.fork(0x6e6567);   // negatives
    std::vector<std::uint32_t> const places = ordered_negatives(example, options, chosen[0].score, draw);
    for (std::size_t n = 0; chosen.size() < options.passages; ++n) {
        if (n < places.size()) {
            chosen.push_back({example.negatives[places[n]], score_of(example.negative_scores, places[n])});
        } else if (options.random_negatives) {
            chosen.push_back({random_negative(example, chosen, draw)});
        } else {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = std::to_string(options.passages - 1) + " negatives of query " + std::to_string(example.id),
                           .found = std::to_string(places.size()),
                           .hint = "Mine more, lower the passages per query, or allow random_negatives."});
        }
    }
    return chosen;
}

}  // namespace detail

/// One positive and its negatives, as separate texts: the passages of a bi-encoder.
struct Candidates {
    static constexpr std::string_view name = "candidates";

    GroupOptions group = {};
    std::size_t max_length = 144;   ///< tokens of a passage with [CLS] and [SEP] (SimLM: 144, RetroMAE: 140)

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("", group);
        visit("max_length", max_length, "tokens of a passage, [CLS] and [SEP] included");
    }

    [[nodiscard]] std::size_t group_size() const noexcept { return group.passages; }

    [[nodiscard]] std::vector<CandidateText> read_group(PairExample const& example, TokenTraits const& traits, std::size_t limit,
                                                        Draw const& shared) const {
        std::size_t const length = std::min(limit, max_length);
        std::vector<CandidateText> texts;
        for (auto const& [id, score] : detail::choose_group(example, group, shared)) {
            auto const content = example.texts[id];
            std::vector<TokenId> ids{traits.special().cls};
            ids.insert(ids.end(), content.begin(),
                       content.begin() + static_cast<std::ptrdiff_t>(std::min(content.size(), length < 2 ? 0 : length - 2)));
            ids.push_back(traits.special().sep);
            texts.push_back({.text = {.original_ids = ids, .input_ids = ids}, .id = id, .score = score});
        }
        return texts;
    }
};

/// [CLS] query [SEP] passage [SEP] for one positive and its negatives, with token types 0 and 1 or in the form of another tokenizer:
/// the pairs of a cross-encoder. Only the passage is truncated, as Hugging Face's `only_second` does.
///
/// With `forward` a group of that many texts is read. The model scores it without a gradient and without dropout, and trains on
/// the positive and the `passages - 1` negatives that score highest (SimLM's released code: rerank_forward_factor): see `Model::forward`.
struct QueryWithCandidate {
    static constexpr std::string_view name = "query_with_candidate";

    GroupOptions group = {};
    std::size_t forward = 0;   ///< texts that are read and scored, of which `passages` are trained on; 0: all are (SimLM: 64)
    std::size_t query_length = 32;   ///< tokens of the query alone (SimLM: 32)
    std::size_t max_length = 192;    ///< tokens of the pair with its special ones (SimLM: 192)
    PairForm form = {};              ///< of the tokenizer and the encoder: see `pair_form`

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("", group);
        visit("forward", forward, "passages that are scored without a gradient; the highest are trained on; 0: all are");
        visit("query_length", query_length, "tokens of a query, specials not counted");
        visit("max_length", max_length, "tokens of query and passage, [CLS] and both [SEP] included");
        visit("separators", form.separators, "separators between query and passage: 1 of BERT, 2 of RoBERTa");
        visit("token_types", form.token_types, "query and passage have the token types 0 and 1");
    }

    [[nodiscard]] std::size_t group_size() const noexcept { return forward == 0 ? group.passages : forward; }
    /// Texts of a group that are trained on.
    [[nodiscard]] std::size_t kept_size() const noexcept { return group.passages; }

    [[nodiscard]] std::vector<CandidateText> read_group(PairExample const& example, TokenTraits const& traits, std::size_t limit,
                                                        Draw const& shared) const {
        GroupOptions read = group;
        read.passages = group_size();
        std::vector<CandidateText> texts;
        for (auto const& [id, score] : detail::choose_group(example, read, shared)) {
            texts.push_back({.text = pair_text(example.query, example.texts[id], traits.special(), query_length,
                                               std::min(limit, max_length), form),
                             .id = id,
                             .score = score});
        }
        return texts;
    }

    /// A pair as a cross-encoder reads it.
    /// \param query_tokens  of the query at most
    /// \param tokens        of the pair at most; where the query alone is longer, it is truncated
    [[nodiscard]] static MaskedText pair_text(std::span<TokenId const> query, std::span<TokenId const> passage,
                                              SpecialIds const& special, std::size_t query_tokens, std::size_t tokens,
                                              PairForm const& form = {}) {
        std::size_t const added = 2 + form.separators;
        std::size_t const room = tokens < added ? 0 : tokens - added;
        std::size_t const first = std::min({query.size(), query_tokens, room});
        std::size_t const second = std::min(passage.size(), room - first);
        MaskedText text;
        auto& ids = text.original_ids;
        ids.push_back(special.cls);
        ids.insert(ids.end(), query.begin(), query.begin() + static_cast<std::ptrdiff_t>(first));
        ids.insert(ids.end(), form.separators, special.sep);
        if (form.token_types) { text.types.assign(ids.size(), 0); }
        ids.insert(ids.end(), passage.begin(), passage.begin() + static_cast<std::ptrdiff_t>(second));
        ids.push_back(special.sep);
        if (form.token_types) { text.types.resize(ids.size(), 1); }
        text.input_ids = ids;
        return text;
    }
};

static_assert(GroupSource<Candidates>);
static_assert(GroupSource<QueryWithCandidate>);

}  // namespace bmae
