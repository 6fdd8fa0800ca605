// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A prepared corpus: token ids on disk, mapped into memory, cut into passages. See token_store_format.hpp for the files.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/store_files.hpp>
#include <bmae/text/store_manifest.hpp>
#include <bmae/text/token_store_format.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/example.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// A corpus of token ids, may be larger than memory. Zero-copy: what it returns points into the map and is valid as
/// long as the store. All const members may be called from several threads.
class TokenStore {
public:
    /// \throws InputError  naming the file where the folder is not a store, was truncated or changed, or is of another version
    static TokenStore open(std::filesystem::path const& folder, Verify verify = Verify::quick);

    [[nodiscard]] std::size_t size() const noexcept { return passages_.size(); }   ///< passages
    [[nodiscard]] std::size_t documents() const noexcept { return documents_.size() - 1; }
    [[nodiscard]] TokenStoreStatistics const& statistics() const noexcept { return manifest_.statistics; }
    [[nodiscard]] TokenTraits const& traits() const noexcept { return traits_; }
    [[nodiscard]] std::uint64_t fingerprint() const noexcept { return manifest_.fingerprint; }            ///< of the tokenizer
    [[nodiscard]] std::string_view tokenizer_kind() const noexcept { return manifest_.tokenizer_kind; }   ///< empty: unknown
    [[nodiscard]] std::size_t max_length() const noexcept { return manifest_.max_length; }   ///< with [CLS] and [SEP]
    [[nodiscard]] std::string_view blocks() const noexcept { return manifest_.blocks; }      ///< name of the layout
    [[nodiscard]] std::filesystem::path const& path() const noexcept { return folder_.path(); }

    /// Checksum of the store, from the checksums of its files and the names of its fields: a resumed run checks that its data is
    /// unchanged.
    [[nodiscard]] std::uint64_t content_hash() const;

    /// What the documents' queries are: `inference_queries`; empty: unspecified, usually questions.
    [[nodiscard]] std::string_view query_kind() const noexcept { return manifest_.query_kind; }

    /// Names of the documents' fields, in the order of the store.
    [[nodiscard]] std::vector<std::string> const& fields() const noexcept { return manifest_.fields; }
    /// \param field  its place in `fields()`
    [[nodiscard]] std::span<TokenId const> field_tokens(std::size_t document, std::size_t field) const;

    /// The data of one document.
    struct DocumentCounts {
        std::uint64_t tokens = 0;
        std::uint64_t sentences = 0;
        std::uint64_t passages = 0;
        std::uint64_t queries = 0;
        std::uint64_t continuation_tokens = 0;
    };
    [[nodiscard]] DocumentCounts counts_of(std::size_t document) const;

    /// Tokens of passage `i`, before truncation.
    [[nodiscard]] std::size_t passage_length(std::size_t i) const { return passage_row(i).end - passage_row(i).begin; }
    [[nodiscard]] std::size_t document_of(std::size_t i) const { return passage_row(i).document; }

    [[nodiscard]] std::string_view document_id(std::size_t document) const;
    [[nodiscard]] std::string_view title(std::size_t document) const;
    [[nodiscard]] std::span<TokenId const> document_tokens(std::size_t document) const;

    /// Passage `i` and its context; each text but the document is truncated to `max_content` tokens.
    [[nodiscard]] Example example(std::size_t i, std::size_t max_content) const { return assemble(i, max_content, nullptr); }

    /// The same, but where the passage exceeds `max_content` its window starts uniformly in [0, excess] (MASTER's collator).
    [[nodiscard]] Example example(std::size_t i, std::size_t max_content, Draw& draw) const;

    /// \param place        of the tokenizer, for the message
    /// \throws InputError  where the store was made with another tokenizer
    template <Tokenizer T>
    void require_tokenizer(T const& tokenizer, std::filesystem::path const& place = {}) const {
        folder_.require_tokenizer(tokenizer, place, manifest_);
    }

private:
    TokenStore() = default;

    Example assemble(std::size_t i, std::size_t max_content, Draw* draw) const;

    template <class T>
    std::span<T const> cut(std::span<T const> whole, std::uint64_t begin, std::uint64_t end) const {
        return folder_.cut(whole, begin, end, "documents");
    }
    [[nodiscard]] std::string_view cut_text(detail::FileMap const& file, std::uint64_t begin, std::uint64_t end) const;
    [[nodiscard]] detail::store_format::DocumentRow const& row(std::size_t document) const;
    [[nodiscard]] detail::store_format::PassageRow const& passage_row(std::size_t i) const;

    void map_files(Verify verify);

    /// Checks the sizes of the files against the counts of the manifest.
    void check_counts() const;

    /// Checks that every row is in order and in range, every id in the vocabulary, every count of the manifest that of the files.
    void check_content() const;
    void check_documents() const;
    void check_sentences(std::size_t document) const;
    void check_ends(detail::FileMap const& file, char const* name, std::uint64_t whole) const;
    void check_statistics() const;

    detail::StoreFolder folder_;
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

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE TokenStore TokenStore::open(std::filesystem::path const& folder, Verify verify) {
    TokenStore store;
    store.folder_ = detail::StoreFolder(folder);
    store.manifest_ = detail::store_format::manifest_from(store.folder_.manifest(detail::store_format::kind),
                                                          (folder / "manifest.json").string());
    store.map_files(verify);
    store.check_counts();
    if (verify == Verify::full) { store.check_content(); }
    return store;
}

BMAE_INLINE std::uint64_t TokenStore::content_hash() const {
    detail::Xxh64 hash = detail::content_hash(manifest_);
    for (std::string const& field : fields()) { hash.update(field + '\n'); }
    return hash.digest();
}

BMAE_INLINE std::span<TokenId const> TokenStore::field_tokens(std::size_t document, std::size_t field) const {
    std::span<std::uint64_t const> const ends = field_ends_.as<std::uint64_t>();
    std::size_t const place = document * fields().size() + field;
    std::uint64_t const end = cut(ends, place, place + 1).front();
    return cut(fields_.as<TokenId>(), place == 0 ? 0 : ends[place - 1], end);
}

BMAE_INLINE TokenStore::DocumentCounts TokenStore::counts_of(std::size_t document) const {
    auto const& first = row(document);
    auto const& last = row(document + 1);
    return {.tokens = last.token - first.token,
            .sentences = last.sentence - first.sentence,
            .passages = last.passage - first.passage,
            .queries = last.query - first.query,
            .continuation_tokens = last.continuation - first.continuation};
}

BMAE_INLINE std::string_view TokenStore::document_id(std::size_t document) const {
    return cut_text(ids_, row(document).id, row(document + 1).id);
}

BMAE_INLINE std::string_view TokenStore::title(std::size_t document) const {
    return cut_text(titles_, row(document).title, row(document + 1).title);
}

BMAE_INLINE std::span<TokenId const> TokenStore::document_tokens(std::size_t document) const {
    return cut(tokens_.as<TokenId>(), row(document).token, row(document + 1).token);
}

BMAE_INLINE Example TokenStore::example(std::size_t i, std::size_t max_content, Draw& draw) const {
    return assemble(i, max_content, &draw);
}

BMAE_INLINE Example TokenStore::assemble(std::size_t i, std::size_t max_content, Draw* draw) const {
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
    auto const neighbor = [&](std::size_t index) {
        auto const& other = passage_row(index);
        return cut(text, other.begin, std::min<std::size_t>(other.end, other.begin + max_content));
    };
    if (i > first.passage) { example.previous = neighbor(i - 1); }
    if (i + 1 < last.passage) { example.next = neighbor(i + 1); }
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
    if (i + 1 == last.passage) {   // the continuation belongs to the last passage
        example.continuation =
            cut(continuations_.as<TokenId>(), first.continuation, std::min(last.continuation, first.continuation + max_content));
    }
    return example;
}

BMAE_INLINE std::string_view TokenStore::cut_text(detail::FileMap const& file, std::uint64_t begin, std::uint64_t end) const {
    return folder_.cut_text(file, begin, end, "documents");
}

BMAE_INLINE detail::store_format::DocumentRow const& TokenStore::row(std::size_t document) const {
    if (document >= documents_.size()) {
        throw folder_.damaged("passages", "the number of a document", std::to_string(document));
    }
    return documents_[document];
}

BMAE_INLINE detail::store_format::PassageRow const& TokenStore::passage_row(std::size_t i) const {
    if (i >= passages_.size()) {
        throw InputError(path().string() + ": expected a passage below " + std::to_string(size()) + ", found " +
                         std::to_string(i) + '.');
    }
    return passages_[i];
}

BMAE_INLINE void TokenStore::map_files(Verify verify) {
    bool const with_queries = manifest_.statistics.queries != 0;
    bool const with_continuations = manifest_.statistics.continuations != 0;
    auto const map = [&](detail::FileMap& file, char const* name) { file = folder_.map(name, manifest_, verify); };
    map(tokens_, "tokens");
    map(document_rows_, "documents");
    map(sentence_ends_, "sentence_ends");
    map(passage_rows_, "passages");
    map(ids_, "ids");
    map(titles_, "titles");
    map(continues_word_, "continues_word");
    if (with_queries) {
        map(queries_, "queries");
        map(query_ends_, "query_ends");
    }
    if (with_continuations) { map(continuations_, "continuations"); }
    if (!fields().empty()) {
        map(fields_, "fields");
        map(field_ends_, "field_ends");
    }
    documents_ = document_rows_.as<detail::store_format::DocumentRow>();
    passages_ = passage_rows_.as<detail::store_format::PassageRow>();
    traits_ = detail::store_traits(manifest_, continues_word_);
}

BMAE_INLINE void TokenStore::check_counts() const {
    TokenStoreStatistics const& counts = statistics();
    folder_.check_count(tokens_, "tokens", counts.tokens, sizeof(TokenId));
    if (documents_.empty()) { throw folder_.damaged("documents", "at least the row of ends", "an empty file"); }
    folder_.check_count(document_rows_, "documents", counts.documents + 1, sizeof(detail::store_format::DocumentRow));
    folder_.check_count(sentence_ends_, "sentence_ends", counts.sentences, sizeof(std::uint32_t));
    folder_.check_count(passage_rows_, "passages", counts.passages, sizeof(detail::store_format::PassageRow));
    folder_.check_count(continues_word_, "continues_word", manifest_.vocabulary_size, 1);
    folder_.check_count(queries_, "queries", counts.query_tokens, sizeof(TokenId));
    folder_.check_count(query_ends_, "query_ends", counts.queries, sizeof(std::uint64_t));
    folder_.check_count(continuations_, "continuations", counts.continuation_tokens, sizeof(TokenId));
    folder_.check_count(field_ends_, "field_ends", counts.documents * fields().size(), sizeof(std::uint64_t));
    std::span<std::uint64_t const> const ends = field_ends_.as<std::uint64_t>();
    folder_.check_count(fields_, "fields", ends.empty() ? 0 : ends.back(), sizeof(TokenId));
}

BMAE_INLINE void TokenStore::check_content() const {
    folder_.check_ids(tokens_, "tokens", manifest_.vocabulary_size);
    folder_.check_ids(queries_, "queries", manifest_.vocabulary_size);
    folder_.check_ids(continuations_, "continuations", manifest_.vocabulary_size);
    folder_.check_ids(fields_, "fields", manifest_.vocabulary_size);
    check_ends(query_ends_, "query_ends", statistics().query_tokens);
    check_ends(field_ends_, "field_ends", fields_.size() / sizeof(TokenId));
    check_documents();
    for (std::size_t i = 0; i < size(); ++i) {
        detail::store_format::PassageRow const& passage = passages_[i];
        if (passage.begin >= passage.end || passage.document >= documents() || i < row(passage.document).passage ||
            i >= row(passage.document + 1).passage) {
            throw folder_.damaged("passages", "a range within its document", "row " + std::to_string(i));
        }
        static_cast<void>(assemble(i, passage.end, nullptr));   // throws where a row points outside
    }
    check_statistics();
}

BMAE_INLINE void TokenStore::check_documents() const {
    using Row = detail::store_format::DocumentRow;
    auto const numbers = [](Row const& row) {
        return std::array{row.token, row.sentence, row.passage, row.id, row.title, row.query, row.continuation};
    };
    TokenStoreStatistics const& counts = statistics();
    std::array const whole{counts.tokens,  counts.sentences, counts.passages,           ids_.size(),
                           titles_.size(), counts.queries,   counts.continuation_tokens};
    if (numbers(documents_.front()) != numbers(Row{}) || numbers(documents_.back()) != whole) {
        throw folder_.damaged("documents", "rows that cover the data", "rows that leave a gap");
    }
    for (std::size_t d = 0; d < documents(); ++d) {
        auto const begin = numbers(row(d));
        auto const end = numbers(row(d + 1));
        for (std::size_t i = 0; i < begin.size(); ++i) {
            if (begin[i] > end[i]) { throw folder_.damaged("documents", "rows in order", "row " + std::to_string(d)); }
        }
        check_sentences(d);
    }
}

BMAE_INLINE void TokenStore::check_sentences(std::size_t document) const {
    auto const ends = cut(sentence_ends_.as<std::uint32_t>(), row(document).sentence, row(document + 1).sentence);
    std::uint32_t last = 0;
    bool ordered = true;
    for (std::uint32_t const end : ends) {
        ordered = ordered && end > last;
        last = end;
    }
    if (!ordered || last != document_tokens(document).size()) {
        throw folder_.damaged("sentence_ends", "ends in order, up to that of the document",
                              "others in document " + std::to_string(document));
    }
}

BMAE_INLINE void TokenStore::check_ends(detail::FileMap const& file, char const* name, std::uint64_t whole) const {
    std::uint64_t last = 0;
    for (std::uint64_t const end : file.as<std::uint64_t>()) {
        if (end < last || end > whole) { throw folder_.damaged(name, "ends in order", std::to_string(end)); }
        last = end;
    }
    if (last != whole) { throw folder_.damaged(name, "a last end of " + std::to_string(whole), std::to_string(last)); }
}

BMAE_INLINE void TokenStore::check_statistics() const {
    TokenStoreStatistics found = statistics();   // what the files do not say stays: skipped documents
    found.passage_tokens = found.longest_passage = found.shortest_passage = found.continuations = 0;
    for (std::size_t i = 0; i < size(); ++i) {
        std::uint64_t const length = passage_length(i);
        found.passage_tokens += length;
        found.longest_passage = std::max(found.longest_passage, length);
        found.shortest_passage = i == 0 ? length : std::min(found.shortest_passage, length);
    }
    auto const tokens = tokens_.as<TokenId>();
    found.unknown_tokens = static_cast<std::uint64_t>(std::count(tokens.begin(), tokens.end(), traits_.special().unk));
    for (std::size_t d = 0; d < documents(); ++d) { found.continuations += counts_of(d).continuation_tokens == 0 ? 0 : 1; }
    detail::store_format::for_each_count(found, [&](std::string const& name, std::uint64_t count) {
        detail::store_format::for_each_count(statistics(), [&](std::string const& other, std::uint64_t told) {
            if (name != other || count == told) { return; }
            throw folder_.damaged("manifest.json", std::to_string(count) + " as " + name + ", as the files have",
                                  std::to_string(told));
        });
    });
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
