// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The invented world as files, for programs that pre-train on it, fine-tune and search.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include <bmae/corpus/master_rows.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/text/wordpiece.hpp>

#include "collection.hpp"
#include "tokenizer.hpp"
#include "world.hpp"

namespace quickstart {

// Writes into an empty folder:
//
//   beir/            articles to search, questions, judgements
//   documents.jsonl  two articles a line, for `bmae prepare --format jsonl`: the second is the first's neighbour
//   rows.jsonl       the same articles one a line, as ids, for `bmae prepare --format master`
//   tokenizer/       of all these words
//
// Both files read the same articles in the same order; every article has its document's queries and, where it is the second, a
// continuation.
inline void write_world(World const& world, std::size_t vocabulary, std::filesystem::path const& folder) {
    Collection const collection = world.collection();
    bmae::WordPiece const tokenizer = make_tokenizer(collection, vocabulary);
    write_beir(collection, folder / "beir");
    std::filesystem::create_directories(folder / "tokenizer");
    tokenizer.save(folder / "tokenizer");
    bmae::MasterRowWriter rows(folder / "rows.jsonl");
    std::string documents;
    for (std::uint64_t i = 0; i < collection.unlabelled.size() / 2; ++i) {
        WorldDocument const document = world.document(i);
        documents += nlohmann::ordered_json{{"_id", "d" + std::to_string(i)},
                                            {"text", document.articles[0].text('\n') + '\n' + document.articles[1].text('\n')},
                                            {"queries", document.queries},
                                            {"continuation", document.continuation}}
                         .dump() +
                     '\n';
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
