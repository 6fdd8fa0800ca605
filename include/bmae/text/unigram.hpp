// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SentencePiece's unigram tokenizer (Kudo, arXiv 1804.10959), as T5 uses it: equal to HuggingFace's fast one, id for id.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/text/added_tokens.hpp>
#include <bmae/text/unigram_files.hpp>
#include <bmae/text/unigram_normalizer.hpp>
#include <bmae/text/vocabulary.hpp>
#include <bmae/text/word_cache.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Maps text to the most probable sequence of tokens. Copies share one immutable core; const members may run in several threads.
///
/// Ill-formed UTF-8 is read as U+FFFD. A token continues a word unless it begins with the marker of a space.
class Unigram {
public:
    /// \throws InputError  where the scores do not fit the tokens, or there is no unknown token
    explicit Unigram(UnigramDescription description) : core_(std::make_shared<Core const>(std::move(description))) {}

    /// Reads a tokenizer.json or a HuggingFace folder with it.
    static Unigram from_file(std::filesystem::path const& path) { return Unigram(read_unigram(path)); }

    [[nodiscard]] std::size_t size() const noexcept { return core_->description.tokens.size(); }   ///< V
    [[nodiscard]] TokenTraits const& traits() const noexcept { return core_->traits; }
    [[nodiscard]] std::vector<std::string> const& tokens() const noexcept { return core_->description.tokens; }
    [[nodiscard]] WrappingTokens const& wrapping() const noexcept { return core_->description.wrapping; }

    /// The text of a token; valid as long as this tokenizer or a copy lives. \throws InputError where there is no such id
    [[nodiscard]] std::string_view token(TokenId id) const {
        if (id < 0 || static_cast<std::size_t>(id) >= size()) {
            throw InputError(Complaint{.file = core_->description.file,
                                       .expected = "a token id below " + std::to_string(size()),
                                       .found = std::to_string(id),
                                       .remedy = "Check that the ids were made with this vocabulary."});
        }
        return core_->description.tokens[static_cast<std::size_t>(id)];
    }
    /// The id of a token, absent where the vocabulary lacks it.
    [[nodiscard]] std::optional<TokenId> id(std::string_view token) const {
        auto const found = core_->ids.find(std::string(token));
        return found == core_->ids.end() ? std::nullopt : std::optional(found->second);
    }

    /// Content ids of a text; added tokens in it become themselves.                                                  [n]
    [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const {
        std::vector<TokenId> ids;
        ids.reserve(text.size() / 3 + 8);
        encode_into(text, ids);
        return ids;
    }

    /// As `encode`, appended to `ids`.
    void encode_into(std::string_view text, std::vector<TokenId>& ids) const {
        std::string replaced;
        if (detail::first_invalid_utf8(text) != std::string_view::npos) {
            replaced = detail::well_formed(text);
            text = replaced;
        }
        auto const special = [&](TokenId id) { ids.push_back(id); };
        core_->raw.split(text, special, [&](std::string_view part) {
            std::string changed;
            bool at_start = part.data() == text.data();
            for (UnigramNormalizerStep const& step : core_->description.normalizer) {
                changed = normalize(step, part);
                part = changed;
            }
            core_->normalized.split(part, special, [&](std::string_view segment) {
                encode_segment(segment, at_start && segment.data() == part.data(), ids);
            });
        });
    }

    /// What a model reads: the text between the tokens that the files put around it, `</s>` after it for T5.           [n]
    [[nodiscard]] std::vector<TokenId> encode_with_specials(std::string_view text) const {
        std::vector<TokenId> ids = wrapping().before;
        encode_into(text, ids);
        ids.insert(ids.end(), wrapping().after.begin(), wrapping().after.end());
        return ids;
    }

    /// Readable text: the markers become spaces again, but for one at the start.
    /// \param skip_special  leave out special tokens
    [[nodiscard]] std::string decode(std::span<TokenId const> ids, bool skip_special = true) const {
        std::string const& space = core_->description.space;
        std::string text;
        bool is_first = true;
        for (TokenId const id : ids) {
            std::string_view const piece = token(id);
            if (skip_special && core_->is_special[static_cast<std::size_t>(id)] != 0) { continue; }
            bool const drops = is_first && core_->description.prepend != PrependScheme::never;
            text += detail::with_replacements(piece, space, drops ? "" : " ");
            is_first = false;
        }
        return text;
    }

private:
    struct Core {
        explicit Core(UnigramDescription given) : description(std::move(given)) {
            std::vector<std::string> const& tokens = description.tokens;
            auto const refuse = [&](std::string expected, std::string found) {
                throw InputError(Complaint{.file = description.file, .expected = std::move(expected), .found = std::move(found),
                                           .remedy = "Use the tokenizer.json of a T5 model."});
            };
            std::size_t const scored = description.scores.size();
            if (scored == 0 || scored > tokens.size()) {
                refuse("a score for each token of the model", std::to_string(scored) + " of " + std::to_string(tokens.size()));
            }
            if (description.unknown < 0 || static_cast<std::size_t>(description.unknown) >= scored) {
                refuse("the id of the unknown token", std::to_string(description.unknown));
            }
            if (description.space.empty()) { refuse("a marker of spaces", "none"); }
            root = trie.add_root();
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                auto const id = static_cast<TokenId>(i);
                ids[tokens[i]] = id;
                if (i < scored && !tokens[i].empty()) { trie.insert(root, tokens[i], id); }
            }
            double const least = *std::min_element(description.scores.begin(), description.scores.end());
            unknown_score = least - unknown_penalty;
            is_special.assign(tokens.size(), 0);
            for (AddedToken token : description.added) {
                if (token.special) { is_special[static_cast<std::size_t>(token.id)] = 1; }
                if (token.normalized) {
                    for (UnigramNormalizerStep const& step : description.normalizer) {
                        token.content = normalize(step, token.content);
                    }
                    normalized.add(std::move(token));
                } else {
                    raw.add(std::move(token));
                }
            }
            auto const find = [&](std::string const& token) {
                auto const found = ids.find(token);
                return token.empty() || found == ids.end() ? TokenId{-1} : found->second;
            };
            SpecialTokens const& names = description.special;
            std::vector<std::uint8_t> continues(tokens.size());
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                continues[i] = tokens[i].starts_with(description.space) || is_special[i] != 0 ? 0 : 1;
            }
            traits = TokenTraits({.pad = find(names.pad),
                                  .unk = description.unknown,
                                  .cls = find(names.cls),
                                  .sep = find(names.sep),
                                  .mask = find(names.mask)},
                                 std::move(continues));
        }

        static constexpr double unknown_penalty = 10;

        UnigramDescription description;
        std::unordered_map<std::string, TokenId> ids;
        detail::TokenTrie trie;
        std::uint32_t root = 0;
        double unknown_score = 0;
        std::vector<std::uint8_t> is_special;
        TokenTraits traits;
        detail::AddedTokenFinder raw;
        detail::AddedTokenFinder normalized;
        std::uint64_t number = detail::next_tokenizer_number();
    };

    void encode_segment(std::string_view segment, bool at_start, std::vector<TokenId>& ids) const {
        if (!core_->description.split_whitespace) {
            encode_marked(segment, at_start, ids);
            return;
        }
        detail::CharacterClasses const& classes = detail::CharacterClasses::instance();
        std::size_t begin = 0;
        for (std::size_t at = 0; at <= segment.size();) {
            detail::Utf8Step const step =
                at < segment.size() ? detail::read_utf8(segment.substr(at)) : detail::Utf8Step{' ', 1, true};
            if (classes[step.character] == detail::CharacterClass::space) {
                if (at > begin) { encode_marked(segment.substr(begin, at - begin), at_start && begin == 0, ids); }
                begin = at + step.bytes;
            }
            at += step.bytes;
        }
    }

    /// Writes spaces as markers and cuts before each.
    void encode_marked(std::string_view piece, bool at_start, std::vector<TokenId>& ids) const {
        UnigramDescription const& description = core_->description;
        std::string const& space = description.space;
        std::string text = detail::with_replacements(piece, " ", space);
        bool const prepends =
            description.prepend == PrependScheme::always || (description.prepend == PrependScheme::first && at_start);
        if (prepends && !text.starts_with(space)) { text.insert(0, space); }
        if (!description.split_words) {
            encode_word(text, ids);
            return;
        }
        detail::WordCache& cache = detail::wordpiece_scratch(core_->number).cache;
        for (std::size_t begin = 0; begin < text.size();) {
            std::size_t const from = std::string_view(text).substr(begin).starts_with(space) ? begin + space.size() : begin;
            std::size_t const end = std::min(text.find(space, from), text.size());
            detail::WordCache::Entry* const entry = cache.find(text, begin, end - begin);
            if (entry != nullptr && entry->count != 0) {
                ids.insert(ids.end(), entry->ids, entry->ids + entry->count);
            } else {
                std::size_t const before = ids.size();
                encode_word(std::string_view(text).substr(begin, end - begin), ids);
                if (entry != nullptr) { cache.keep(*entry, std::span(ids).subspan(before)); }
            }
            begin = end;
        }
    }

    /// The path of the largest sum of scores (Viterbi); a character that no token begins with costs ten more than the worst
    /// token, and neighbours of that kind are one unknown token.
    void encode_word(std::string_view word, std::vector<TokenId>& ids) const {
        struct Best {
            double score = 0;
            std::size_t from = std::string_view::npos;
            TokenId id = -1;
        };
        TokenId const unknown = core_->description.unknown;
        std::vector<Best> best(word.size() + 1);
        auto const offer = [&](std::size_t from, std::size_t to, double score, TokenId id) {
            if (best[to].from == std::string_view::npos || score > best[to].score) { best[to] = {score, from, id}; }
        };
        for (std::size_t at = 0; at < word.size();) {
            std::size_t const character = detail::read_utf8(word.substr(at)).bytes;
            bool has_character = false;
            std::uint32_t node = core_->root;
            for (std::size_t end = at; end < word.size();) {
                node = core_->trie.step(node, static_cast<unsigned char>(word[end]));
                if (node == detail::TokenTrie::nowhere) { break; }
                ++end;
                TokenId const id = core_->trie.token(node);
                if (id < 0) { continue; }
                offer(at, end, core_->description.scores[static_cast<std::size_t>(id)] + best[at].score, id);
                has_character = has_character || end - at == character;
            }
            if (!has_character) { offer(at, at + character, core_->unknown_score + best[at].score, unknown); }
            at += character;
        }
        std::size_t const before = ids.size();
        for (std::size_t at = word.size(); at > 0; at = best[at].from) {
            bool const joins = best[at].id == unknown && ids.size() > before && ids.back() == unknown;
            if (!joins) { ids.push_back(best[at].id); }
        }
        std::reverse(ids.begin() + static_cast<std::ptrdiff_t>(before), ids.end());
    }

    std::shared_ptr<Core const> core_;
};

static_assert(Tokenizer<Unigram>);

}  // namespace bmae
