// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The data of an experiment: texts to pre-train on, texts to search, training and test queries.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/beir.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/whole_files.hpp>
#include <bmae/retrieval/qrels.hpp>

namespace quickstart {

struct Question {
    std::string id;
    std::string text;
    std::vector<std::size_t> relevant = {};   // rows of Collection::texts
};

struct Collection {
    std::string name;
    std::vector<std::string> ids = {};   // of the texts that are searched
    std::vector<std::string> texts = {};
    std::vector<std::string> queries = {};     // of each text, where known: what pre-training may reconstruct besides it
    std::vector<std::size_t> unread = {};      // held-out rows: neither they nor their queries are pre-trained on
    std::vector<std::string> unlabeled = {};   // more texts to pre-train on
    std::vector<Question> train = {};          // for fine-tuning
    std::vector<Question> test = {};           // for evaluation
    std::vector<std::string> samples = {};     // queries to print results for

    bmae::Qrels test_qrels() const {
        bmae::Qrels qrels;
        for (Question const& question : test) {
            for (std::size_t const row : question.relevant) { qrels.add(question.id, ids[row], 1); }
        }
        return qrels;
    }
};

// The collection as a BEIR folder, for other programs.
inline void write_beir(Collection const& collection, std::filesystem::path const& folder) {
    std::filesystem::create_directories(folder / "qrels");
    std::string corpus;
    for (std::size_t i = 0; i < collection.ids.size(); ++i) {
        corpus += nlohmann::ordered_json{{"_id", collection.ids[i]}, {"title", ""}, {"text", collection.texts[i]}}.dump() + '\n';
    }
    bmae::detail::write_file(folder / "corpus.jsonl", corpus);
    std::string queries;
    for (auto const* split : {&collection.train, &collection.test}) {
        std::string qrels = "query-id\tcorpus-id\tscore\n";
        for (Question const& question : *split) {
            queries += nlohmann::ordered_json{{"_id", question.id}, {"text", question.text}}.dump() + '\n';
            for (std::size_t const row : question.relevant) { qrels += question.id + '\t' + collection.ids[row] + "\t1\n"; }
        }
        bmae::detail::write_file(folder / "qrels" / (split == &collection.train ? "train.tsv" : "test.tsv"), qrels);
    }
    bmae::detail::write_file(folder / "queries.jsonl", queries);
}

// Any BEIR folder as an experiment: all documents are pre-trained on and searched.
inline Collection read_beir(std::filesystem::path const& folder) {
    bmae::BeirCollection const beir = bmae::BeirCollection::open(folder);
    Collection collection{.name = folder.filename().string()};
    collection.ids = beir.ids();
    collection.texts = beir.texts();
    auto const questions = [&](std::string const& split) {
        std::vector<Question> list;
        bmae::IdTable documents(collection.ids);
        std::vector<std::string> const query_texts = beir.queries().texts();
        bmae::IdTable queries(beir.queries().ids());
        bmae::Qrels const qrels = bmae::read_qrels(beir.qrels_path(split));
        for (std::size_t q = 0; q < qrels.size(); ++q) {
            auto const place = queries.find(qrels.query(q));
            Question question{.id = std::string(qrels.query(q)), .text = place ? query_texts[*place] : ""};
            for (auto const& judgment : qrels.judgments(q)) {
                auto const row = documents.find(qrels.document(judgment.document));
                if (judgment.grade > 0 && row) { question.relevant.push_back(*row); }
            }
            if (!question.relevant.empty() && place) { list.push_back(std::move(question)); }
        }
        return list;
    };
    std::vector<std::string> const splits = beir.splits();
    for (std::string const& split : splits) {
        if (split == "train") { collection.train = questions(split); }
        if (split == "test") { collection.test = questions(split); }
    }
    if (collection.test.empty()) {
        throw bmae::InputError(
            bmae::Diagnostic{.file = (folder / "qrels").string(),
                             .expected = "judgments of a split called test",
                             .found = "none",
                             .hint = "Add qrels/test.tsv: a header line, then query-id, corpus-id and score separated by tabs."});
    }
    for (std::size_t i = 0; i < collection.test.size() && i < 3; ++i) { collection.samples.push_back(collection.test[i].text); }
    return collection;
}

}  // namespace quickstart
