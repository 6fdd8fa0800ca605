// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A prepared corpus: token ids on disk, mapped into memory, cut into passages. See token_store_format.hpp for the files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/text/token_store_format.hpp>
#include <bmae/text/tokenizer_fingerprint.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/example.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// How much of a store is checked when it is opened.
enum class Verify {
    quick,   ///< the manifest's own checksum and the size of every file: reads nothing else
    full,    ///< also the checksum of every file, every row and every token id: reads everything
};

/// A corpus of token ids, larger than memory if need be. Copies nothing: what it hands out points into the map and lives as
/// long as the store. All const members may be called from several threads.
class TokenStore {
public:
    /// \throws InputError  naming the file where the folder is no store, was cut or changed, or is of another version
    static TokenStore open(std::filesystem::path const& folder, Verify verify = Verify::quick) {
        TokenStore store;
        store.folder_ = folder;
        std::filesystem::path const manifest = folder / "manifest.json";
        std::error_code code;
        if (std::filesystem::is_directory(folder, code) && !std::filesystem::exists(manifest, code)) {
            throw InputError(Diagnostic{.file = folder.string(),
                                        .expected = "a token store",
                                        .found = "a folder without manifest.json",
                                        .hint = "Name a folder made by `prepare`; an unfinished one must be prepared again."});
        }
        store.manifest_ =
            detail::store_format::manifest_from(detail::read_file(manifest, std::uint64_t{16} << 20), manifest.string());
        store.map_files(verify);
        store.check_counts();
        if (verify == Verify::full) { store.check_content(); }
        return store;
    }

    [[nodiscard]] std::size_t size() const noexcept { return passages_.size(); }   ///< passages
    [[nodiscard]] std::size_t documents() const noexcept { return documents_.size() - 1; }
    [[nodiscard]] TokenStoreStatistics const& statistics() const noexcept { return manifest_.statistics; }
    [[nodiscard]] TokenTraits const& traits() const noexcept { return traits_; }
    [[nodiscard]] std::uint64_t fingerprint() const noexcept { return manifest_.fingerprint; }            ///< of the tokenizer
    [[nodiscard]] std::string_view tokenizer_kind() const noexcept { return manifest_.tokenizer_kind; }   ///< empty: not said
    [[nodiscard]] std::size_t max_length() const noexcept { return manifest_.max_length; }   ///< with [CLS] and [SEP]
    [[nodiscard]] std::string_view blocks() const noexcept { return manifest_.blocks; }      ///< name of the layout
    [[nodiscard]] std::filesystem::path const& path() const noexcept { return folder_; }

    /// What the documents' queries are: `inference_queries`; empty where nobody said, which are questions as a rule.
    [[nodiscard]] std::string_view query_kind() const noexcept { return manifest_.query_kind; }

    /// Names of the documents' fields, in the order of the store.
    [[nodiscard]] std::vector<std::string> const& fields() const noexcept { return manifest_.fields; }
    /// \param field  its place in `fields()`
    [[nodiscard]] std::span<TokenId const> field_tokens(std::size_t document, std::size_t field) const {
        std::span<std::uint64_t const> const ends = field_ends_.as<std::uint64_t>();
        std::size_t const place = document * fields().size() + field;
        std::uint64_t const end = cut(ends, place, place + 1).front();
        return cut(fields_.as<TokenId>(), place == 0 ? 0 : ends[place - 1], end);
    }

    /// What one document has.
    struct DocumentCounts {
        std::uint64_t tokens = 0;
        std::uint64_t sentences = 0;
        std::uint64_t passages = 0;
        std::uint64_t queries = 0;
        std::uint64_t continuation_tokens = 0;
    };
    [[nodiscard]] DocumentCounts counts_of(std::size_t document) const {
        auto const& first = row(document);
        auto const& last = row(document + 1);
        return {.tokens = last.token - first.token,
                .sentences = last.sentence - first.sentence,
                .passages = last.passage - first.passage,
                .queries = last.query - first.query,
                .continuation_tokens = last.continuation - first.continuation};
    }

    /// Tokens of passage `i`, before any cut.
    [[nodiscard]] std::size_t passage_length(std::size_t i) const { return passage_row(i).end - passage_row(i).begin; }
    [[nodiscard]] std::size_t document_of(std::size_t i) const { return passage_row(i).document; }

    [[nodiscard]] std::string_view document_id(std::size_t document) const {
        return cut_text(ids_, row(document).id, row(document + 1).id);
    }
    [[nodiscard]] std::string_view title(std::size_t document) const {
        return cut_text(titles_, row(document).title, row(document + 1).title);
    }
    [[nodiscard]] std::span<TokenId const> document_tokens(std::size_t document) const {
        return cut(tokens_.as<TokenId>(), row(document).token, row(document + 1).token);
    }

    /// Passage `i` and its neighbourhood; each text but the document is cut after `max_content` tokens.
    [[nodiscard]] Example example(std::size_t i, std::size_t max_content) const { return assemble(i, max_content, nullptr); }

    /// The same, but where the passage exceeds `max_content` its window starts uniformly in [0, excess] (MASTER's collator).
    [[nodiscard]] Example example(std::size_t i, std::size_t max_content, Draw& draw) const {
        return assemble(i, max_content, &draw);
    }

    /// \param place        of the tokenizer, for the message
    /// \throws InputError  where the store was made with another tokenizer
    template <Tokenizer T>
    void require_tokenizer(T const& tokenizer, std::filesystem::path const& place = {}) const {
        std::uint64_t const given = tokenizer_fingerprint(tokenizer);
        if (given == fingerprint()) { return; }
        std::string const owner = place.empty() ? "this tokenizer" : "the tokenizer of " + place.string();
        auto const named = [](std::string const& kind, std::uint64_t number) {
            return " (" + kind + (kind.empty() ? "" : " ") + detail::to_hex(number) + ')';
        };
        throw InputError(Diagnostic{.file = folder_.string(),
                                    .expected = "a store made with " + owner + named(bmae::tokenizer_kind(tokenizer), given),
                                    .found = "one made with another" + named(manifest_.tokenizer_kind, fingerprint()),
                                    .hint = "Use the tokenizer of the model, or prepare the store again with this one."});
    }

private:
    TokenStore() = default;

    Example assemble(std::size_t i, std::size_t max_content, Draw* draw) const {
        max_content = std::min(max_content, std::size_t{1} << 40);   // "no limit" is the largest number: keep sums in range
        auto const [document, begin, end] = passage_row(i);
        auto const& first = row(document);
        auto const& last = row(document + 1);
        std::span<TokenId const> const text = document_tokens(document);
        std::size_t start = begin;
        std::size_t length = std::size_t{end} - begin;
        if (length > max_content) {
            if (draw != nullptr) { start += draw->below(length - max_content + 1); }
            length = max_content;
        }
        Example example{.id = i,
                        .passage = cut(text, start, start + length),
                        .sentence_ends = cut(sentence_ends_.as<std::uint32_t>(), first.sentence, last.sentence),
                        .document = text,
                        .passage_offset = start};
        auto const neighbour = [&](std::size_t index) {
            auto const& other = passage_row(index);
            return cut(text, other.begin, std::min<std::size_t>(other.end, other.begin + max_content));
        };
        if (i > first.passage) { example.previous = neighbour(i - 1); }
        if (i + 1 < last.passage) { example.next = neighbour(i + 1); }
        if (last.query > first.query) {
            std::span<std::uint64_t const> const ends = cut(query_ends_.as<std::uint64_t>(), 0, last.query);
            for (std::uint64_t q = first.query; q < last.query; ++q) {
                std::uint64_t const from = q == 0 ? 0 : ends[q - 1];
                example.queries.push_back(cut(queries_.as<TokenId>(), from, std::min(ends[q], from + max_content)));
            }
        }
        for (std::size_t f = 0; f < fields().size(); ++f) {
            std::span<TokenId const> const whole = field_tokens(document, f);
            example.fields.push_back({fields()[f], whole.first(std::min(whole.size(), max_content))});
        }
        if (i + 1 == last.passage) {   // what follows the document follows its last passage
            example.continuation = cut(continuations_.as<TokenId>(), first.continuation,
                                       std::min(last.continuation, first.continuation + max_content));
        }
        return example;
    }

    /// The part [begin, end) of a file. Checked, since a store opened quickly may hold changed rows.
    template <class T>
    std::span<T const> cut(std::span<T const> whole, std::uint64_t begin, std::uint64_t end) const {
        if (begin > end || end > whole.size()) {
            throw damaged(folder_ / "documents", "rows that point into the data", "one that points outside");
        }
        return whole.subspan(begin, end - begin);
    }
    [[nodiscard]] std::string_view cut_text(detail::FileMap const& file, std::uint64_t begin, std::uint64_t end) const {
        std::span<char const> const part = cut(file.as<char>(), begin, end);
        return {part.data(), part.size()};
    }
    [[nodiscard]] detail::store_format::DocumentRow const& row(std::size_t document) const {
        if (document >= documents_.size()) {
            throw damaged(folder_ / "passages", "the number of a document", std::to_string(document));
        }
        return documents_[document];
    }
    [[nodiscard]] detail::store_format::PassageRow const& passage_row(std::size_t i) const {
        if (i >= passages_.size()) {
            throw InputError(folder_.string() + ": expected a passage below " + std::to_string(size()) + ", found " +
                             std::to_string(i) + '.');
        }
        return passages_[i];
    }

    static InputError damaged(std::filesystem::path const& file, std::string expected, std::string found) {
        return InputError(Diagnostic{.file = file.string(),
                                     .expected = std::move(expected),
                                     .found = std::move(found),
                                     .hint = "The store was cut or changed after it was made: copy or prepare it again."});
    }

    void map_files(Verify verify) {
        bool const with_queries = manifest_.statistics.queries != 0;
        bool const with_continuations = manifest_.statistics.continuations != 0;
        map(tokens_, "tokens", verify);
        map(document_rows_, "documents", verify);
        map(sentence_ends_, "sentence_ends", verify);
        map(passage_rows_, "passages", verify);
        map(ids_, "ids", verify);
        map(titles_, "titles", verify);
        map(continues_word_, "continues_word", verify);
        if (with_queries) {
            map(queries_, "queries", verify);
            map(query_ends_, "query_ends", verify);
        }
        if (with_continuations) { map(continuations_, "continuations", verify); }
        if (!fields().empty()) {
            map(fields_, "fields", verify);
            map(field_ends_, "field_ends", verify);
        }
        documents_ = document_rows_.as<detail::store_format::DocumentRow>();
        passages_ = passage_rows_.as<detail::store_format::PassageRow>();
        std::span<std::uint8_t const> const continues = continues_word_.as<std::uint8_t>();
        traits_ = TokenTraits(manifest_.special, {continues.begin(), continues.end()});
    }

    void map(detail::FileMap& file, std::string const& name, Verify verify) {
        auto const entry = manifest_.files.find(name);
        if (entry == manifest_.files.end()) { throw damaged(folder_ / "manifest.json", "an entry for the file " + name, "none"); }
        std::filesystem::path const path = folder_ / name;
        file = detail::FileMap(path);
        if (file.size() != entry->second.bytes) {
            throw damaged(path, std::to_string(entry->second.bytes) + " bytes", std::to_string(file.size()));
        }
        if (verify == Verify::quick) { return; }
        std::uint64_t const checksum = detail::xxh64(file.bytes());
        if (checksum != entry->second.checksum) {
            throw damaged(path, "the checksum " + detail::to_hex(entry->second.checksum), detail::to_hex(checksum));
        }
    }

    /// The sizes of the files against the counts of the manifest.
    void check_counts() const {
        TokenStoreStatistics const& counts = statistics();
        auto const check = [&](detail::FileMap const& file, char const* name, std::uint64_t elements, std::size_t bytes_each) {
            if (file.size() / bytes_each != elements || file.size() % bytes_each != 0) {
                throw damaged(folder_ / name, std::to_string(elements) + " elements", std::to_string(file.size()) + " bytes");
            }
        };
        check(tokens_, "tokens", counts.tokens, sizeof(TokenId));
        if (documents_.empty()) { throw damaged(folder_ / "documents", "at least the row of ends", "an empty file"); }
        check(document_rows_, "documents", counts.documents + 1, sizeof(detail::store_format::DocumentRow));
        check(sentence_ends_, "sentence_ends", counts.sentences, sizeof(std::uint32_t));
        check(passage_rows_, "passages", counts.passages, sizeof(detail::store_format::PassageRow));
        check(continues_word_, "continues_word", manifest_.vocabulary_size, 1);
        check(queries_, "queries", counts.query_tokens, sizeof(TokenId));
        check(query_ends_, "query_ends", counts.queries, sizeof(std::uint64_t));
        check(continuations_, "continuations", counts.continuation_tokens, sizeof(TokenId));
        check(field_ends_, "field_ends", counts.documents * fields().size(), sizeof(std::uint64_t));
        std::span<std::uint64_t const> const ends = field_ends_.as<std::uint64_t>();
        check(fields_, "fields", ends.empty() ? 0 : ends.back(), sizeof(TokenId));
    }

    /// Every row in order and in range, every id in the vocabulary.
    void check_content() const {
        auto const vocabulary = static_cast<TokenId>(manifest_.vocabulary_size);
        for (auto const& [file, name] :
             {std::pair{&tokens_, "tokens"}, {&queries_, "queries"}, {&continuations_, "continuations"}, {&fields_, "fields"}}) {
            for (TokenId const id : file->as<TokenId>()) {
                if (id >= 0 && id < vocabulary) { continue; }
                throw damaged(folder_ / name, "ids below " + std::to_string(vocabulary), std::to_string(id));
            }
        }
        for (std::size_t i = 0; i < size(); ++i) {
            detail::store_format::PassageRow const& passage = passages_[i];
            if (passage.begin >= passage.end || i < row(passage.document).passage || i >= row(passage.document + 1).passage) {
                throw damaged(folder_ / "passages", "a range within its document", "row " + std::to_string(i));
            }
            static_cast<void>(assemble(i, passage.end, nullptr));   // throws where a row points outside
        }
        for (std::size_t d = 0; d < documents(); ++d) { static_cast<void>(document_id(d).size() + title(d).size()); }
    }

    std::filesystem::path folder_;
    detail::store_format::Manifest manifest_;
    TokenTraits traits_;
    detail::FileMap tokens_;
    detail::FileMap document_rows_;
    detail::FileMap sentence_ends_;
    detail::FileMap passage_rows_;
    detail::FileMap ids_;
    detail::FileMap titles_;
    detail::FileMap continues_word_;
    detail::FileMap queries_;
    detail::FileMap query_ends_;
    detail::FileMap continuations_;
    detail::FileMap fields_;
    detail::FileMap field_ends_;
    std::span<detail::store_format::DocumentRow const> documents_;
    std::span<detail::store_format::PassageRow const> passages_;
};

}  // namespace bmae
