// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The tokens of one WordPiece vocabulary: read from vocab.txt, found by text, matched longest first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/detail/whole_files.hpp>
#include <bmae/text/byte_level_bpe_split.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

namespace detail {

/// All tokens as paths of bytes; an edge is one entry of an open-addressed table.
class TokenTrie {
public:
    static constexpr std::uint32_t nowhere = 0;
    static constexpr TokenId no_token = -1;

    /// \return a new root
    std::uint32_t add_root() { return add_node(); }

    void insert(std::uint32_t root, std::string_view token, TokenId id) {
        std::uint32_t node = root;
        for (char const c : token) {
            std::uint32_t next = step(node, static_cast<unsigned char>(c));
            if (next == nowhere) { next = add_edge(node, static_cast<unsigned char>(c)); }
            node = next;
        }
        tokens_[node] = id;
    }

    [[nodiscard]] std::uint32_t step(std::uint32_t node, unsigned char byte) const noexcept {
        if (edges_.empty()) { return nowhere; }
        std::uint64_t const key = key_of(node, byte);
        for (std::size_t at = place(key);; at = (at + 1) & mask_) {
            if (edges_[at].key == key) { return edges_[at].child; }
            if (edges_[at].key == 0) { return nowhere; }
        }
    }
    [[nodiscard]] TokenId token(std::uint32_t node) const noexcept { return tokens_[node]; }

private:
    struct Edge {
        std::uint64_t key = 0;
        std::uint32_t child = nowhere;
    };

    static std::uint64_t key_of(std::uint32_t node, unsigned char byte) noexcept { return std::uint64_t{node} << 8 | byte; }
    [[nodiscard]] std::size_t place(std::uint64_t key) const noexcept {
        return static_cast<std::size_t>(key * 0x9e3779b97f4a7c15ULL >> 32) & mask_;
    }

    std::uint32_t add_node() {
        tokens_.push_back(no_token);
        return static_cast<std::uint32_t>(tokens_.size() - 1);
    }
    std::uint32_t add_edge(std::uint32_t node, unsigned char byte) {
        if (tokens_.size() * 2 >= edges_.size()) { grow(); }
        std::uint32_t const child = add_node();
        put({key_of(node, byte), child});
        return child;
    }
    void put(Edge edge) {
        std::size_t at = place(edge.key);
        while (edges_[at].key != 0) { at = (at + 1) & mask_; }
        edges_[at] = edge;
    }
    void grow() {
        std::vector<Edge> old(edges_.empty() ? 1024 : edges_.size() * 2);
        mask_ = old.size() - 1;
        std::swap(old, edges_);
        for (Edge const& edge : old) {
            if (edge.key != 0) { put(edge); }
        }
    }

    std::vector<Edge> edges_;
    std::size_t mask_ = 0;
    std::vector<TokenId> tokens_{no_token};   // node 0 is invalid
};

/// Bytes of a token that is matched piece by piece: those of real vocabularies have some dozens. Without a bound, one long token against
/// one long word takes the product of their lengths.
inline constexpr std::size_t most_token_bytes = 1024;

inline std::string_view without_spaces_at_end(std::string_view text) {
    while (!text.empty()) {
        std::size_t at = text.size() - 1;
        while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U) { --at; }
        if (CharacterClasses::instance()[read_utf8(text.substr(at)).character] != CharacterClass::space) { break; }
        text = text.substr(0, at);
    }
    return text;
}

/// The lines of vocab.txt: LF or CRLF; a last line needs no end. White space at the end of a line is stripped, as HuggingFace's
/// tokenizers do.
inline std::vector<std::string> read_vocabulary_lines(std::string const& path) {
    std::string const content = read_file(path, std::uint64_t{1} << 28);
    std::vector<std::string> tokens;
    if (content.empty()) {
        throw InputError(Diagnostic{.file = path,
                                    .expected = "one token per line",
                                    .found = "an empty file",
                                    .hint = "Use the vocab.txt that belongs to the model."});
    }
    std::size_t const nul = content.find('\0');
    std::size_t const bad = std::min(nul, first_invalid_utf8(content));
    if (bad != std::string::npos) {
        auto const line =
            1 + static_cast<std::size_t>(std::count(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(bad), '\n'));
        throw InputError(
            Diagnostic{.file = path,
                       .line = line,
                       .expected = "UTF-8 text, one token per line",
                       .found = bad == nul ? "a NUL byte" : "bytes that are not UTF-8",
                       .hint = "Use the vocab.txt that belongs to the model; weights and gzip files are not vocabularies."});
    }
    for (std::size_t at = 0; at < content.size();) {
        std::size_t const end = std::min(content.find('\n', at), content.size());
        tokens.emplace_back(without_spaces_at_end(std::string_view(content).substr(at, end - at)));
        at = end + 1;
    }
    return tokens;
}

}  // namespace detail

/// Tokens by id and ids by token.
class Vocabulary {
public:
    /// \param tokens        [V] token of each id; of a text that stands several times the last id is found, an empty one never
    /// \param continuation  what a piece starts with that continues a word
    /// \param file          named in errors
    /// \param model_tokens  words are cut into the first ones alone; 0: all
    /// \throws InputError   at an empty vocabulary or a token that is not UTF-8
    explicit Vocabulary(std::vector<std::string> tokens, std::string continuation = "##", std::string const& file = {},
                        std::size_t model_tokens = 0)
        : tokens_(std::move(tokens)), continuation_(std::move(continuation)) {
        if (tokens_.empty()) { complain(file, 0, "at least the token [UNK]", "no token at all"); }
        begin_ = trie_.add_root();
        middle_ = trie_.add_root();
        ids_.reserve(tokens_.size());
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            std::string const& token = tokens_[i];
            auto const id = static_cast<TokenId>(i);
            if (token.empty()) { continue; }
            if (token.size() > detail::most_token_bytes) {
                complain(file, i + 1, "a token of at most " + std::to_string(detail::most_token_bytes) + " bytes",
                         std::to_string(token.size()));
            }
            if (detail::first_invalid_utf8(token) != std::string::npos) {
                complain(file, i + 1, "a token in UTF-8", "other bytes");
            }
            ids_[token] = id;
            if (model_tokens != 0 && i >= model_tokens) { continue; }
            trie_.insert(begin_, token, id);
            if (continues_word(id)) { trie_.insert(middle_, std::string_view(token).substr(continuation_.size()), id); }
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }                  ///< V
    [[nodiscard]] std::vector<std::string> const& tokens() const noexcept { return tokens_; }   ///< [V]
    [[nodiscard]] std::string const& continuation() const noexcept { return continuation_; }

    [[nodiscard]] bool contains(TokenId id) const noexcept { return id >= 0 && static_cast<std::size_t>(id) < tokens_.size(); }

    /// \throws InputError  for an unknown id
    [[nodiscard]] std::string const& token(TokenId id) const {
        if (!contains(id)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a token id below " + std::to_string(tokens_.size()),
                                        .found = std::to_string(id),
                                        .hint = "Check that the ids were made with this vocabulary."});
        }
        return tokens_[static_cast<std::size_t>(id)];
    }
    /// The id of a token, -1 where there is none.
    [[nodiscard]] TokenId id(std::string_view token) const {
        auto const found = ids_.find(std::string(token));
        return found == ids_.end() ? TokenId{-1} : found->second;
    }
    [[nodiscard]] bool continues_word(TokenId id) const noexcept {
        std::string const& token = tokens_[static_cast<std::size_t>(id)];
        return token.size() > continuation_.size() && token.starts_with(continuation_);
    }

    /// Splits one normalized word greedily, longest token first. Calls `use(id, begin, end)` in bytes of the word.
    /// \return false where no token fits somewhere: earlier calls are then void
    template <class Use>
    bool split_word(std::string_view word, Use use) const {
        std::uint32_t root = begin_;
        for (std::size_t at = 0; at < word.size(); root = middle_) {
            TokenId best = detail::TokenTrie::no_token;
            std::size_t end = at;
            std::uint32_t node = root;
            for (std::size_t i = at; i < word.size(); ++i) {
                node = trie_.step(node, static_cast<unsigned char>(word[i]));
                if (node == detail::TokenTrie::nowhere) { break; }
                if (trie_.token(node) != detail::TokenTrie::no_token) {
                    best = trie_.token(node);
                    end = i + 1;
                }
            }
            if (best == detail::TokenTrie::no_token) { return false; }
            use(best, at, end);
            at = end;
        }
        return true;
    }

private:
    [[noreturn]] static void complain(std::string const& file, std::size_t line, std::string expected, std::string found) {
        throw InputError(Diagnostic{.file = file.empty() ? "vocabulary" : file,
                                    .line = line,
                                    .expected = std::move(expected),
                                    .found = std::move(found),
                                    .hint = "Use the vocabulary file that belongs to the model."});
    }

    std::vector<std::string> tokens_;
    std::string continuation_;
    std::unordered_map<std::string, TokenId> ids_;
    detail::TokenTrie trie_;
    std::uint32_t begin_ = 0;
    std::uint32_t middle_ = 0;
};

}  // namespace bmae
