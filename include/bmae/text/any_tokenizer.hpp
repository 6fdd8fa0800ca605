// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A tokenizer whose type is known at run time: WordPiece, byte-level BPE or unigram.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/text/added_tokens.hpp>
#include <bmae/text/byte_level_bpe.hpp>
#include <bmae/text/tokenizer_files.hpp>
#include <bmae/text/tokenizer_fingerprint.hpp>
#include <bmae/text/unigram.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// True where a folder has the files of a tokenizer.
inline bool holds_tokenizer(std::filesystem::path const& folder) {
    auto const has = [&](char const* name) { return std::filesystem::exists(folder / name); };
    return has("tokenizer.json") || has("vocab.txt") || (has("vocab.json") && has("merges.txt"));
}

/// One of the tokenizers, chosen by `model.type` of tokenizer.json or by the existing files. Copies are cheap; const
/// members may run in several threads.
class AnyTokenizer {
public:
    /// Implicit, so that a function that takes any tokenizer takes each of them.
    template <class T>
        requires(std::same_as<T, WordPiece> || std::same_as<T, ByteLevelBpe> || std::same_as<T, Unigram>)
    AnyTokenizer(T tokenizer) : tokenizer_(std::move(tokenizer)) {}

    /// Reads a vocab.txt, a tokenizer.json or a HuggingFace folder. \throws InputError at a model of another type
    static AnyTokenizer from_file(std::filesystem::path const& path) {
        bool const is_folder = std::filesystem::is_directory(path);
        std::filesystem::path const json = is_folder ? path / "tokenizer.json" : path;
        if (is_folder && !std::filesystem::exists(json)) {
            auto const has = [&](char const* name) { return std::filesystem::exists(path / name); };
            if (has("vocab.txt")) { return WordPiece::from_file(path); }
            if (has("vocab.json") && has("merges.txt")) { return ByteLevelBpe::from_file(path); }
            for (char const* const name : {"spiece.model", "sentencepiece.bpe.model", "sentencepiece.model"}) {
                if (has(name)) { return Unigram::from_file(path); }   // explains how to convert it
            }
            throw InputError(Diagnostic{.file = path.string(),
                                        .expected = "a tokenizer.json, a vocab.txt, or a vocab.json and a merges.txt",
                                        .found = "none of them",
                                        .hint = "Name the folder of a model."});
        }
        if (json.extension() != ".json") { return WordPiece::from_file(path); }
        detail::JsonFile const file(json);
        std::string const type = type_of(file);
        if (type == "BPE") { return ByteLevelBpe::from_file(path); }
        if (type == "Unigram") { return Unigram::from_file(path); }
        if (type == "WordPiece") { return WordPiece::from_file(path); }
        file.refuse("a model of type WordPiece, BPE or Unigram", '"' + type + '"', "Tokenizers of other types cannot be read.");
    }

    /// Calls `use(tokenizer)` with the tokenizer itself.
    template <class Use>
    decltype(auto) visit(Use&& use) const {
        return std::visit(std::forward<Use>(use), tokenizer_);
    }

    /// "wordpiece", "byte_level_bpe" or "unigram".
    [[nodiscard]] std::string_view kind() const {
        return visit([](auto const& tokenizer) { return tokenizer.kind(); });
    }
    [[nodiscard]] std::size_t size() const {   ///< V
        return visit([](auto const& tokenizer) { return tokenizer.size(); });
    }
    [[nodiscard]] TokenTraits const& traits() const {
        return visit([](auto const& tokenizer) -> TokenTraits const& { return tokenizer.traits(); });
    }
    [[nodiscard]] std::string_view token(TokenId id) const {
        return visit([&](auto const& tokenizer) { return tokenizer.token(id); });
    }
    [[nodiscard]] std::optional<TokenId> id(std::string_view token) const {
        return visit([&](auto const& tokenizer) { return tokenizer.id(token); });
    }

    /// Content ids of a text, without the tokens around it.                                                          [n]
    [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const {
        return visit([&](auto const& tokenizer) { return tokenizer.encode(text); });
    }
    /// The special tokens around a text: [CLS] and [SEP], `<s>` and `</s>`.
    [[nodiscard]] WrappingTokens wrapping() const {
        return visit([](auto const& tokenizer) {
            if constexpr (requires { tokenizer.wrapping(); }) {
                return tokenizer.wrapping();
            } else {
                SpecialIds const& special = tokenizer.traits().special();
                return WrappingTokens{.before = {special.cls}, .after = {special.sep}};
            }
        });
    }
    /// How two texts stand in one input; nothing where its files do not say so in a known form.
    [[nodiscard]] std::optional<PairForm> pair_form() const {
        return visit([](auto const& tokenizer) -> std::optional<PairForm> {
            if constexpr (requires { tokenizer.pair_form(); }) {
                return tokenizer.pair_form();
            } else {
                return PairForm{};   // WordPiece: files of another form are refused
            }
        });
    }
    /// Readable text. \param skip_special  skip special tokens
    [[nodiscard]] std::string decode(std::span<TokenId const> ids, bool skip_special = true) const {
        return visit([&](auto const& tokenizer) { return tokenizer.decode(ids, skip_special); });
    }

    /// Writes the files that `from_file` and transformers read. \throws InputError, RunError
    void save(std::filesystem::path const& folder) const {
        visit([&](auto const& tokenizer) { tokenizer.save(folder); });
    }
    [[nodiscard]] std::uint64_t fingerprint() const {
        return visit([](auto const& tokenizer) { return tokenizer_fingerprint(tokenizer); });
    }

    /// The tokenizer itself; null where it is of another kind.
    template <class T>
    [[nodiscard]] T const* as() const noexcept {
        return std::get_if<T>(&tokenizer_);
    }

private:
    /// Older files do not have the type of their model.
    static std::string type_of(detail::JsonFile const& file) {
        auto const found = file.root().find("model");
        if (found == file.root().end() || !found->is_object()) {
            file.refuse("an object at \"model\"", "none", "Name the tokenizer.json of a model.");
        }
        detail::PlainJson const& model = *found;
        auto const vocabulary = model.find("vocab");
        std::string const usual = model.contains("merges")                              ? "BPE"
                                  : vocabulary != model.end() && vocabulary->is_array() ? "Unigram"
                                                                                        : "WordPiece";
        return file.get<std::string>(model, "type", usual);
    }

    std::variant<WordPiece, ByteLevelBpe, Unigram> tokenizer_;
};

static_assert(Tokenizer<AnyTokenizer>);

/// Refuses a tokenizer that an encoder cannot use: one that does not add one token before and one after a text.
/// \param for_training  it also needs a mask and a padding token
/// \param place         of the tokenizer, for the message
/// \throws InputError  naming what is missing
inline void require_encoder_tokens(AnyTokenizer const& tokenizer, bool for_training, std::filesystem::path const& place = {}) {
    SpecialIds const& special = tokenizer.traits().special();
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        throw InputError(Diagnostic{
            .file = place.string(), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    auto const [before, after] = tokenizer.wrapping();
    if (before != std::vector{special.cls} || after != std::vector{special.sep}) {
        refuse("a tokenizer that adds one token before and one after a text, as [CLS] and [SEP] or <s> and </s>",
               std::to_string(before.size()) + " before and " + std::to_string(after.size()) + " behind",
               "Tokenizers of GPT-2 and T5 do not: use that of a BERT or RoBERTa model.");
    }
    if (for_training && (special.mask < 0 || special.pad < 0)) {
        refuse("a tokenizer with a mask token and a padding token", special.mask < 0 ? "no mask token" : "no padding token",
               "Name the folder of the model: its tokenizer_config.json names them.");
    }
}

}  // namespace bmae
