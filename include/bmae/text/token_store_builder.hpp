// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Text to token store: sentences and tokens by several threads, with a result independent of their number.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/text/bert_normalizer.hpp>
#include <bmae/text/sentence_splitter.hpp>
#include <bmae/text/token_store_format.hpp>
#include <bmae/text/token_store_writer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// A document as text.
struct Document {
    std::string id;
    std::string title = {};                  ///< kept as metadata; add it to `text` too to train on it
    std::string text = {};                   ///< UTF-8; one paragraph per line
    std::vector<std::string> queries = {};   ///< of the whole document: every passage of it has them
    std::string continuation = {};           ///< continuation of the document: its last passage has it
    std::vector<std::string> fields = {};    ///< in the order of TokenStoreOptions::fields; none: all are absent
    bool title_in_tokens = false;            ///< the tokens begin with those of the title and [SEP], where it has any
};

/// The sentences of one paragraph, as byte ranges in order. Called from several threads at once.
using SentenceSplit = std::function<std::vector<ByteSpan>(std::string_view paragraph)>;

/// For pre-split texts: every line that is not blank is one sentence.
struct OneSentencePerLine {
    [[nodiscard]] std::vector<ByteSpan> operator()(std::string_view paragraph) const {
        if (paragraph.find_first_not_of(" \t\r") == std::string_view::npos) { return {}; }
        return {{0, paragraph.size()}};
    }
};

/// Progress of a build.
struct TokenStoreProgress {
    std::uint64_t documents = 0;
    std::uint64_t text_bytes = 0;   ///< of the documents' texts
    std::uint64_t passages = 0;
    std::uint64_t tokens = 0;
};

struct TokenStoreOptions {
    PassageOptions passages = {};
    SentenceSplit split = SentenceSplitter();   ///< English by rules; or OneSentencePerLine{}; must not be empty
    std::string_view query_kind = {};           ///< what the documents' queries are: see TokenStore::query_kind
    std::vector<std::string> fields = {};       ///< names of the documents' further texts, for the source Field<"NAME">
    unsigned threads = 0;                       ///< 0: one per processor; the store does not depend on it
    std::function<void(TokenStoreProgress const&)> progress = {};   ///< called twice per second in `add`; may throw to stop
};

/// Builds a token store from documents. `add` them in order, then `finish`; destroyed before that, it leaves no files.
template <class T>
class TokenStoreBuilder {
    static_assert(explain_tokenizer<T>(), "TokenStoreBuilder: the second argument is the tokenizer.");

public:
    /// \param tokenizer  must outlive the builder
    /// \throws InputError, RunError  as TokenStoreWriter does, before any work; InputError for an empty `split`
    TokenStoreBuilder(std::filesystem::path const& folder, T const& tokenizer, TokenStoreOptions options = {})
        : tokenizer_(&tokenizer),
          options_(std::move(options)),
          writer_(folder, tokenizer, options_.passages),
          pipeline_(
              options_.threads, 0, [this](std::vector<Document>&& batch) { return tokenize(std::move(batch)); },
              [this](Tokenized&& batch) { write(std::move(batch)); }) {
        if (!options_.split) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "TokenStoreOptions::split to define how lines become sentences",
                           .found = "nothing",
                           .hint = "SentenceSplitter() splits English text; OneSentencePerLine{} keeps lines whole."});
        }
        writer_.query_kind(options_.query_kind);
        writer_.fields(options_.fields);
    }

    /// \throws whatever the tokenizer, the splitter or the disk reports, possibly some documents later
    void add(Document document) {
        waiting_bytes_ += document.text.size();
        waiting_.push_back(std::move(document));
        if (waiting_bytes_ >= batch_bytes || waiting_.size() >= batch_documents) { pass_on(); }
    }

    TokenStoreStatistics finish() {
        pass_on();
        pipeline_.finish();
        report(true);
        return writer_.finish();
    }

private:
    // Small batches balance the threads; large ones cost memory, single documents cost locking.
    static constexpr std::size_t batch_bytes = std::size_t{64} << 10;
    static constexpr std::size_t batch_documents = 256;

    struct Tokenized {
        std::vector<TokenizedDocument> documents;
        std::uint64_t text_bytes = 0;
    };

    void pass_on() {
        if (waiting_.empty()) { return; }
        waiting_bytes_ = 0;
        pipeline_.push(std::exchange(waiting_, {}));
    }

    Tokenized tokenize(std::vector<Document>&& batch) const {
        Tokenized result;
        result.documents.reserve(batch.size());
        for (Document& document : batch) {
            result.text_bytes += document.text.size();
            result.documents.push_back(tokenize(std::move(document)));
        }
        return result;
    }

    TokenizedDocument tokenize(Document&& document) const {
        TokenizedDocument result{.id = std::move(document.id), .title = std::move(document.title)};
        auto const add_sentence = [&](std::string_view sentence) {
            std::vector<TokenId> ids = tokenizer_->encode(sentence);
            if (document.title_in_tokens) { drop_separators(ids); }
            if (ids.empty()) { return; }
            result.tokens.insert(result.tokens.end(), ids.begin(), ids.end());
            result.sentence_ends.push_back(static_cast<std::uint32_t>(result.tokens.size()));   // the writer refuses 2^32 tokens
        };
        // Byte-level BPE includes the blank before a word in its token: a sentence includes the white space before it, so that
        // its tokens are the same as within the text. A line end counts as a blank.
        std::string spaced;
        std::string_view rest = document.text;
        while (!rest.empty()) {
            std::size_t const stop = std::min(rest.find('\n'), rest.size());
            std::string_view const paragraph = rest.substr(0, stop);
            rest.remove_prefix(std::min(stop + 1, rest.size()));
            std::size_t last = std::string_view::npos;   // end of the previous sentence, in this paragraph
            auto const add = [&](std::size_t begin, std::size_t end) {
                if (last != std::string_view::npos) {
                    add_sentence(paragraph.substr(last, end - last));
                } else if (result.tokens.empty()) {
                    add_sentence(paragraph.substr(begin, end - begin));
                } else {
                    spaced.assign(1, ' ').append(paragraph.substr(begin, end - begin));
                    add_sentence(spaced);
                }
                last = end;
            };
            for (ByteSpan const& sentence : options_.split(paragraph)) { add(sentence.begin, sentence.end); }
        }
        if (document.title_in_tokens) { prepend_title(result); }
        for (std::string const& query : document.queries) {
            if (std::vector<TokenId> ids = tokenizer_->encode(query); !ids.empty()) { result.queries.push_back(std::move(ids)); }
        }
        result.continuation = tokenizer_->encode(document.continuation);
        for (std::string const& field : document.fields) { result.fields.push_back(tokenizer_->encode(field)); }
        return result;
    }

    /// In such a document [SEP] ends the title and nothing else, also where its text has the word "[SEP]".
    void drop_separators(std::vector<TokenId>& ids) const { std::erase(ids, tokenizer_->traits().special().sep); }

    /// Title and [SEP] as a sentence of their own.
    void prepend_title(TokenizedDocument& document) const {
        TokenId const separator = tokenizer_->traits().special().sep;
        if (separator < 0) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a vocabulary with a separator token between title and text",
                                        .found = "none",
                                        .hint = "Use a tokenizer that defines [SEP]."});
        }
        std::vector<TokenId> heading = tokenizer_->encode(document.title);
        drop_separators(heading);
        if (heading.empty()) { return; }
        heading.push_back(separator);
        auto const shift = static_cast<std::uint32_t>(heading.size());
        for (std::uint32_t& end : document.sentence_ends) { end += shift; }
        document.sentence_ends.insert(document.sentence_ends.begin(), shift);
        document.tokens.insert(document.tokens.begin(), heading.begin(), heading.end());
    }

    void write(Tokenized&& batch) {
        for (TokenizedDocument const& document : batch.documents) { writer_.add(document); }
        text_bytes_ += batch.text_bytes;
        report(false);
    }

    void report(bool last) {
        if (!options_.progress) { return; }
        auto const now = std::chrono::steady_clock::now();
        if (!last && now - reported_ < std::chrono::milliseconds(500)) { return; }
        reported_ = now;
        TokenStoreStatistics const& counts = writer_.statistics();
        options_.progress(
            {.documents = counts.documents, .text_bytes = text_bytes_, .passages = counts.passages, .tokens = counts.tokens});
    }

    T const* tokenizer_;
    TokenStoreOptions options_;
    TokenStoreWriter writer_;
    std::vector<Document> waiting_;
    std::size_t waiting_bytes_ = 0;
    std::uint64_t text_bytes_ = 0;
    std::chrono::steady_clock::time_point reported_ = std::chrono::steady_clock::now();
    detail::OrderedPipeline<std::vector<Document>, Tokenized> pipeline_;   // last member: its threads use those above
};

}  // namespace bmae
