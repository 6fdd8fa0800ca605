// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A collection as files, for programs that pre-train on it, fine-tune and search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/master_rows.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/text/wordpiece.hpp>

#include "collection.hpp"
#include "tokenizer.hpp"
#include "world.hpp"

namespace quickstart {

namespace detail {

// beir/ and tokenizer/
inline bmae::WordPiece write_texts_to_search(Collection const& collection, std::size_t vocabulary,
                                             std::filesystem::path const& folder) {
    bmae::WordPiece tokenizer = make_tokenizer(collection, vocabulary);
    write_beir(collection, folder / "beir");
    std::filesystem::create_directories(folder / "tokenizer");
    tokenizer.save(folder / "tokenizer");
    return tokenizer;
}

// One line of JSON; invalid UTF-8 becomes U+FFFD, as in the readers of texts.
inline std::string line_of(nlohmann::ordered_json const& document) {
    return document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace detail

// Writes into an empty folder:
//
//   beir/            texts to search, questions, judgments
//   documents.jsonl  what pre-training may read, for `bmae prepare --format jsonl`, with a query of each text where one is known
//   tokenizer/       of all these words
inline void write_collection(Collection const& collection, std::size_t vocabulary, std::filesystem::path const& folder) {
    detail::write_texts_to_search(collection, vocabulary, folder);
    std::set<std::size_t> const unread(collection.unread.begin(), collection.unread.end());
    std::string documents;
    for (std::size_t i = 0; i < collection.texts.size(); ++i) {
        if (unread.contains(i)) { continue; }
        nlohmann::ordered_json document{{"_id", collection.ids[i]}, {"text", collection.texts[i]}};
        if (!collection.queries.empty()) { document["queries"] = {collection.queries[i]}; }
        documents += detail::line_of(document);
    }
    for (std::size_t i = 0; i < collection.unlabeled.size(); ++i) {
        documents += detail::line_of({{"_id", "u" + std::to_string(i)}, {"text", collection.unlabeled[i]}});
    }
    bmae::detail::write_file(folder / "documents.jsonl", documents);
}

// The same of a synthetic corpus with more data. Its documents are two neighboring articles each,
// with queries and a continuation; `rows.jsonl` holds the same articles one a line, as ids, for `bmae prepare --format master`.
inline void write_world(World const& world, std::size_t vocabulary, std::filesystem::path const& folder) {
    Collection const collection = world.collection();
    bmae::WordPiece const tokenizer = detail::write_texts_to_search(collection, vocabulary, folder);
    bmae::MasterRowWriter rows(folder / "rows.jsonl");
    std::string documents;
    for (std::uint64_t i = 0; i < collection.unlabeled.size() / 2; ++i) {
        WorldDocument const document = world.document(i);
        documents += detail::line_of({{"_id", "d" + std::to_string(i)},
                                      {"text", document.articles[0].text('\n') + '\n' + document.articles[1].text('\n')},
                                      {"queries", document.queries},
                                      {"continuation", document.continuation}});
        bmae::MasterRow row;
        for (std::string const& query : document.queries) { row.queries.push_back(tokenizer.encode(query)); }
        for (Article const& article : document.articles) {
            bool const last = &article == &document.articles.back();
            row.text = tokenizer.encode(article.text());
            row.continuation = last ? tokenizer.encode(document.continuation) : std::vector<bmae::TokenId>{};
            rows.add(row);
        }
    }
    rows.commit();
    bmae::detail::write_file(folder / "documents.jsonl", documents);
}

}  // namespace quickstart
