// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// WordPiece, BERT's tokenizer (Devlin et al., 2019, section 4; Wu et al., 2016): equal to HuggingFace's fast BERT tokenizer, id
/// for id.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/text/added_token_finder.hpp>
#include <bmae/text/bert_normalizer.hpp>
#include <bmae/text/encoding.hpp>
#include <bmae/text/tokenizer_files.hpp>
#include <bmae/text/tokenizer_fingerprint.hpp>
#include <bmae/text/unigram_normalizer.hpp>
#include <bmae/text/vocabulary.hpp>
#include <bmae/text/word_cache.hpp>
#include <bmae/text/word_splitter.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

namespace detail {

/// Joins punctuation and English contractions to the word before, one token at a time as HuggingFace's WordPiece decoder does.
inline std::string without_stray_spaces(std::string piece) {
    static constexpr std::pair<std::string_view, std::string_view> rules[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (auto const& [from, to] : rules) {
        for (std::size_t at = piece.find(from); at != std::string::npos; at = piece.find(from, at + to.size())) {
            piece.replace(at, from.size(), to);
        }
    }
    return piece;
}

}  // namespace detail

/// Maps text to the ids of a WordPiece vocabulary. Copies share one immutable core; const members may run in several threads.
class WordPiece {
public:
    /// \param tokens       [V] token of each id
    /// \throws InputError  where the tokens are not a valid vocabulary, or one of [UNK], [CLS], [SEP] is missing
    explicit WordPiece(std::vector<std::string> tokens, WordPieceOptions options = {})
        : WordPiece(WordPieceDescription{.tokens = std::move(tokens), .options = std::move(options)}) {}
    explicit WordPiece(WordPieceDescription description) : core_(std::make_shared<Core const>(std::move(description))) {}

    /// Reads a vocab.txt, a tokenizer.json or a HuggingFace folder.
    /// \param options  for a vocab.txt alone; the files of a folder override them
    static WordPiece from_file(std::filesystem::path const& path, WordPieceOptions options = {}) {
        return WordPiece(read_tokenizer(path, std::move(options)));
    }

    /// Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json. \throws InputError, RunError
    void save(std::filesystem::path const& folder) const {
        write_tokenizer({.tokens = core_->vocabulary.tokens(),
                         .options = core_->options,
                         .model_tokens = core_->model_tokens,
                         .added = core_->added,
                         .chain = core_->chain},
                        folder);
    }

    static constexpr std::string_view kind() noexcept { return "wordpiece"; }

    /// Vocabulary and everything else that affects the ids, such as lower-casing.
    [[nodiscard]] std::uint64_t fingerprint() const {
        detail::Xxh64 hash;
        detail::hash_vocabulary(*this, hash);
        WordPieceOptions decides = options();
        decides.special = {};   // the ids of these are in the vocabulary's hash
        decides.model_max_length = WordPieceOptions{}.model_max_length;
        if (decides.normalizer.strip_accents == decides.normalizer.lower_case) { decides.normalizer.strip_accents.reset(); }
        if (decides != WordPieceOptions{}) {   // stores made with the defaults have the vocabulary's alone
            BertNormalizerOptions const& normalizer = decides.normalizer;
            std::string text = decides.continuation + '\n' + std::to_string(decides.max_word_characters) + '\n';
            for (bool const flag : {normalizer.clean_text, normalizer.split_chinese, normalizer.lower_case,
                                    normalizer.strip_accents.value_or(normalizer.lower_case)}) {
                text += flag ? '+' : '-';
            }
            text += std::to_string(static_cast<int>(normalizer.invalid_utf8));
            for (std::string const& token : decides.extra_special) { text += '\n' + token; }
            hash.update(text);
        }
        for (AddedToken const& token : core_->added) {   // those without flags are among the options
            if (!token.lstrip && !token.rstrip && !token.normalized && !token.single_word) { continue; }
            std::string flags;
            for (bool const flag : {token.lstrip, token.rstrip, token.normalized, token.single_word}) {
                flags += flag ? '+' : '-';
            }
            hash.update("\nadded " + flags + token.content);
        }
        if (core_->chain) {
            for (UnigramNormalizerStep const& step : core_->chain->normalizer) { step.hash_into(hash); }
            for (WordSplit const& split : core_->chain->splits) {
                hash.update(std::to_string(static_cast<int>(split.kind)) + std::to_string(static_cast<int>(split.behavior)) +
                            split.pattern + split.expression.expression() + (split.invert ? "!" : ""));
            }
        }
        return hash.digest();
    }

    [[nodiscard]] std::size_t size() const noexcept { return core_->vocabulary.size(); }   ///< V
    [[nodiscard]] TokenTraits const& traits() const noexcept { return core_->traits; }
    [[nodiscard]] WordPieceOptions const& options() const noexcept { return core_->options; }
    [[nodiscard]] std::vector<std::string> const& tokens() const noexcept { return core_->vocabulary.tokens(); }

    /// The text of a token; valid as long as this tokenizer or a copy lives. \throws InputError for an unknown id
    [[nodiscard]] std::string_view token(TokenId id) const { return core_->vocabulary.token(id); }
    /// The id of a token, absent for an unknown token.
    [[nodiscard]] std::optional<TokenId> id(std::string_view token) const {
        TokenId const found = core_->vocabulary.id(token);
        return found < 0 ? std::nullopt : std::optional(found);
    }

    /// Content ids of a text, without [CLS] and [SEP]; "[MASK]" and its like in the text become the special token.    [n]
    [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const {
        std::vector<TokenId> ids;
        ids.reserve(text.size() / 4 + 8);
        encode_into(text, ids);
        return ids;
    }

    /// As `encode`, appended to `ids`: no allocation once `ids` has grown. \throws InputError at ill-formed UTF-8 under
    /// InvalidUtf8::reject
    void encode_into(std::string_view text, std::vector<TokenId>& ids) const {
        detail::WordPieceScratch& scratch = detail::wordpiece_scratch(core_->number);
        core_->specials.split(
            text, [&](TokenId id, std::size_t, std::size_t) { ids.push_back(id); },
            [&](std::size_t begin, std::size_t end) {
                std::string_view const segment = text.substr(begin, end - begin);
                if (core_->is_general()) {
                    encode_normalized(segment, begin, ids);
                } else {
                    encode_segment(segment, begin, scratch, ids);
                }
            });
    }

    /// Content ids of a text and the bytes that each came from, which must have equal size: [n] and [n].
    /// \throws InputError  where the tokenizer normalizes a text as a whole, by a chain of steps or for added tokens of normalized
    ///                     text: its offsets are not known
    void encode_into(std::string_view text, std::vector<TokenId>& ids, std::vector<ByteSpan>& offsets) const {
        if (core_->is_general()) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "a tokenizer with BERT's normalizer and no added token of normalized text, for offsets",
                           .found = "another one",
                           .hint = "Ask for ids alone."});
        }
        detail::WordPieceScratch& scratch = detail::wordpiece_scratch(core_->number);
        auto const put = [&](TokenId id, std::size_t begin, std::size_t end) {
            ids.push_back(id);
            offsets.push_back({begin, end});
        };
        core_->specials.split(text, put, [&](std::size_t begin, std::size_t end) {
            std::string_view const segment = text.substr(begin, end - begin);
            core_->normalizer.scan(segment, begin, [&](std::size_t from, std::size_t to, BertNormalizer::Kind, bool) {
                encode_chunk(segment.substr(from, to - from), begin + from, scratch, put);
            });
        });
    }

    /// [CLS] text [SEP], truncated to options.max_length; without offsets where they are not known.
    [[nodiscard]] Encoding encode_with_specials(std::string_view text, EncodeOptions const& options = {}) const {
        return assemble(text, std::nullopt, options);
    }
    /// [CLS] text [SEP] pair [SEP], truncated to options.max_length.
    [[nodiscard]] Encoding encode_pair(std::string_view text, std::string_view pair, EncodeOptions const& options = {}) const {
        return assemble(text, pair, options);
    }

    /// Readable text: pieces joined to words, no space before punctuation.
    /// \param skip_special  skip special tokens
    [[nodiscard]] std::string decode(std::span<TokenId const> ids, bool skip_special = true) const {
        std::string text;
        bool is_first = true;
        for (TokenId const id : ids) {
            std::string piece(token(id));
            if (skip_special && core_->is_special[static_cast<std::size_t>(id)] != 0) { continue; }
            std::string const& prefix = core_->vocabulary.continuation();
            if (!is_first) { piece = piece.starts_with(prefix) ? piece.substr(prefix.size()) : ' ' + piece; }
            is_first = false;
            text += detail::without_stray_spaces(std::move(piece));
        }
        return text;
    }

private:
    struct Core {
        explicit Core(WordPieceDescription description)
            : file(description.file),
              added(std::move(description.added)),
              model_tokens(description.model_tokens),
              chain(std::move(description.chain)),
              options(std::move(description.options)),
              vocabulary(std::move(description.tokens), options.continuation, description.file, model_tokens),
              normalizer(options.normalizer) {
            if (chain) { detail::check_replacements(chain->normalizer, file); }
            SpecialTokens const& names = options.special;
            auto const required = [&](std::string const& name) {
                TokenId const found = vocabulary.id(name);
                if (found < 0) {
                    throw InputError(Diagnostic{
                        .file = description.file,
                        .expected = "the token " + name,
                        .found = "a vocabulary without it",
                        .hint = "Use the vocabulary of a BERT model, or name its special tokens in WordPieceOptions."});
                }
                return found;
            };
            special = {.pad = vocabulary.id(names.pad),
                       .unk = required(names.unk),
                       .cls = required(names.cls),
                       .sep = required(names.sep),
                       .mask = vocabulary.id(names.mask)};
            std::vector<std::uint8_t> continues(vocabulary.size());
            for (std::size_t i = 0; i < continues.size(); ++i) {
                bool const is_piece = model_tokens == 0 || i < model_tokens;
                continues[i] = is_piece && vocabulary.continues_word(static_cast<TokenId>(i)) ? 1 : 0;
            }
            traits = TokenTraits(special, std::move(continues));
            find_tokens(required);
        }

        /// Which tokens are found in raw text, which in normalized text.
        template <class Required>
        void find_tokens(Required required) {
            std::vector<AddedToken> tokens = added;
            auto const put = [&](TokenId id) {
                bool const is_there =
                    std::any_of(tokens.begin(), tokens.end(), [&](AddedToken const& token) { return token.id == id; });
                if (id >= 0 && !is_there) { tokens.push_back({.content = vocabulary.token(id), .id = id}); }
            };
            if (tokens.empty()) {
                for (TokenId const id : {special.pad, special.unk, special.cls, special.sep, special.mask}) { put(id); }
                for (std::string const& name : options.extra_special) { put(required(name)); }
            }
            is_special.assign(vocabulary.size(), 0);
            for (AddedToken& token : tokens) {
                is_special[static_cast<std::size_t>(token.id)] = token.special ? 1 : 0;
                if (token.normalized) { token.content = normalized(token.content); }
                (token.normalized ? in_normalized : specials).add(std::move(token));
            }
        }

        /// Whether a text must be normalized as a whole.
        [[nodiscard]] bool is_general() const noexcept { return chain.has_value() || !in_normalized.empty(); }
        [[nodiscard]] std::string normalized(std::string_view text) const {
            if (!chain) { return normalizer.normalized(text); }
            return detail::normalize_by(chain->normalizer, detail::well_formed(text), file);
        }

        std::string file;   // of the description, for errors
        std::vector<AddedToken> added;
        std::size_t model_tokens;
        std::optional<WordPieceChain> chain;
        WordPieceOptions options;
        Vocabulary vocabulary;
        BertNormalizer normalizer;
        SpecialIds special;
        TokenTraits traits;
        std::vector<std::uint8_t> is_special;     // [V] skipped in decoded text
        detail::AddedTokenFinder specials;        // in raw text
        detail::AddedTokenFinder in_normalized;   // in normalized text
        std::uint64_t number = detail::next_tokenizer_number();
    };

    /// Reference path: normalizes a chunk and calls `put(id, begin, end)` for each piece of its words.
    template <class Put>
    void encode_chunk(std::string_view chunk, std::size_t offset, detail::WordPieceScratch& scratch, Put put) const {
        std::size_t const longest = core_->options.max_word_characters;
        auto const use = [&](NormalizedWord const& word) {
            std::size_t const characters = word.characters.size();
            ByteSpan const whole{word.characters.front().source.begin, word.characters.back().source.end};
            scratch.pieces.clear();
            bool const known = characters <= longest && core_->vocabulary.split_word(word.text, [&](TokenId id, std::size_t begin,
                                                                                                    std::size_t end) {
                scratch.pieces.push_back({id, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
            });
            if (!known) {
                put(core_->special.unk, whole.begin, whole.end);
                return;
            }
            std::size_t at = 0;
            for (detail::Piece const& piece : scratch.pieces) {
                std::size_t const first = at;
                while (at < characters && word.characters[at].begin < piece.end) { ++at; }
                put(piece.id, word.characters[first].source.begin, word.characters[at - 1].source.end);
            }
        };
        core_->normalizer.normalize(chunk, offset, scratch.normalizer, use, longest);
    }

    /// The path of chains and of added tokens in normalized text: the segment as a whole is normalized, then cut.
    void encode_normalized(std::string_view segment, std::size_t offset, std::vector<TokenId>& ids) const {
        if (core_->options.normalizer.invalid_utf8 == InvalidUtf8::reject) {   // throws at the first bad byte
            core_->normalizer.scan(segment, offset, [](std::size_t, std::size_t, BertNormalizer::Kind, bool) {});
        }
        static std::vector<WordSplit> const of_bert = {
            {.kind = WordSplit::Kind::space}, {.kind = WordSplit::Kind::punctuation, .behavior = WordSplit::Behavior::isolated}};
        std::string const text = core_->normalized(segment);
        core_->in_normalized.split(
            text, [&](TokenId id, std::size_t, std::size_t) { ids.push_back(id); },
            [&](std::size_t begin, std::size_t end) {
                std::string_view const part = std::string_view(text).substr(begin, end - begin);
                for (std::string_view const word : split_words(core_->chain ? core_->chain->splits : of_bert, part)) {
                    encode_word(word, ids);
                }
            });
    }

    /// Pieces of a normalized word.
    void encode_word(std::string_view word, std::vector<TokenId>& ids) const {
        std::size_t const before = ids.size();
        auto const characters = static_cast<std::size_t>(
            std::count_if(word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
        bool const known = characters <= core_->options.max_word_characters &&
                           core_->vocabulary.split_word(word, [&](TokenId id, std::size_t, std::size_t) { ids.push_back(id); });
        if (!known) {
            ids.resize(before);
            ids.push_back(core_->special.unk);
        }
    }

    /// Fast path, for ids only: chunks are looked up in the cache of this thread; plain ASCII ones skip the normalizer.
    void encode_segment(std::string_view segment, std::size_t offset, detail::WordPieceScratch& scratch,
                        std::vector<TokenId>& ids) const {
        core_->normalizer.scan(segment, offset,
                               [&](std::size_t begin, std::size_t end, BertNormalizer::Kind kind, bool is_ascii) {
                                   std::size_t const length = end - begin;
                                   detail::WordCache::Entry* const entry = scratch.cache.find(segment, begin, length);
                                   if (entry != nullptr && entry->count != 0) {
                                       ids.insert(ids.end(), entry->ids, entry->ids + entry->count);
                                       return;
                                   }
                                   std::size_t const before = ids.size();
                                   if (is_ascii && kind != BertNormalizer::Kind::changing) {
                                       encode_ascii(segment.substr(begin, length), scratch, ids);
                                   } else {
                                       encode_chunk(segment.substr(begin, length), offset + begin, scratch,
                                                    [&](TokenId id, std::size_t, std::size_t) { ids.push_back(id); });
                                   }
                                   if (entry != nullptr) { scratch.cache.keep(*entry, std::span(ids).subspan(before)); }
                               });
    }

    void encode_ascii(std::string_view word, detail::WordPieceScratch& scratch, std::vector<TokenId>& ids) const {
        std::size_t const before = ids.size();
        bool known = word.size() <= core_->options.max_word_characters;
        if (known) {
            std::string& lowered = scratch.lowered;
            lowered.clear();
            for (char const c : word) { lowered += core_->normalizer.lowered(static_cast<unsigned char>(c)); }
            known = core_->vocabulary.split_word(lowered, [&](TokenId id, std::size_t, std::size_t) { ids.push_back(id); });
        }
        if (!known) {
            ids.resize(before);
            ids.push_back(core_->special.unk);
        }
    }

    [[nodiscard]] Encoding assemble(std::string_view text, std::optional<std::string_view> pair,
                                    EncodeOptions const& options) const {
        Encoding encoding;
        std::vector<TokenId> content[2];
        std::vector<ByteSpan> spans[2];
        auto const read = [&](std::string_view part, std::size_t i) {
            if (core_->is_general()) {
                encode_into(part, content[i]);
                spans[i].resize(content[i].size());
            } else {
                encode_into(part, content[i], spans[i]);
            }
        };
        read(text, 0);
        if (pair) { read(*pair, 1); }
        std::size_t const added = pair ? 3 : 2;
        std::pair<std::size_t, std::size_t> kept{content[0].size(), content[1].size()};
        if (options.max_length) {
            if (*options.max_length < added) {
                throw InputError(
                    Diagnostic{.file = {},
                               .expected = "a max_length of at least " + std::to_string(added) + ", the special tokens",
                               .found = std::to_string(*options.max_length)});
            }
            kept = detail::truncated_lengths(kept.first, kept.second, pair.has_value(), *options.max_length - added,
                                             options.truncation);
        }
        auto const put = [&](TokenId id, std::uint8_t type, ByteSpan span, bool is_special) {
            encoding.ids.push_back(id);
            encoding.token_types.push_back(type);
            encoding.offsets.push_back(span);
            encoding.special_mask.push_back(is_special ? 1 : 0);
        };
        put(core_->special.cls, 0, {}, true);
        for (std::uint8_t part = 0; part < (pair ? 2 : 1); ++part) {
            std::size_t const length = part == 0 ? kept.first : kept.second;
            for (std::size_t i = 0; i < length; ++i) { put(content[part][i], part, spans[part][i], false); }
            put(core_->special.sep, part, {}, true);
        }
        if (core_->is_general()) { encoding.offsets.clear(); }
        return encoding;
    }

    std::shared_ptr<Core const> core_;
};

static_assert(Tokenizer<WordPiece>);

}  // namespace bmae
