// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// `search --index`: queries to an index on disk.
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/corpus/beir_folder.hpp>
#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/tsv.hpp>
#include <bmae/retrieval/dense_index.hpp>
#include <bmae/retrieval/lexical_index.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "answer.hpp"
#include "index_answers.hpp"
#include "option_text.hpp"
#include "unmatched.hpp"
#include "vector_files.hpp"

namespace bmae::program {

namespace {

/// The best documents of one query.
Answer answer(IndexSearch const& search, std::string const& query, std::size_t count) {
    Answer found(query);
    IndexDocuments const& documents = *search.documents;
    for (Hit const& hit : search.find(query, count)) {
        std::optional<std::string> text;
        if (documents.has_texts()) { text = documents.text(hit.document); }
        found.add(std::string(documents.id(hit.document)), hit.score, std::move(text));
    }
    if (found.text.empty()) { found.text = search.no_hit + '\n'; }
    return found;
}

/// Answers each line of standard input as soon as it is read.
int answer_index_lines(Common const& common, IndexSearch const& search, std::size_t count) {
    Json result = search_result(search.method, search.documents->size());
    std::uint64_t queries = 0;
    std::size_t hits = 0;
    for (std::string line; std::getline(std::cin, line); ++queries) {
        if (line.ends_with('\r')) { line.pop_back(); }
        Answer const found = answer(search, line, count);
        hits += found.json["hits"].size();
        common.json ? print_result(common, found.json) : print((queries == 0 ? "" : "\n") + found.text);
    }
    result.update({{"queries", queries}, {"hits", hits}});
    print_result(common, result);
    return done;
}

/// Refuses options of a model, where none runs.
void require_no_model(ModelOptions const& model, std::string const& why) {
    std::pair<char const*, bool> const given[] = {{"--model", !model.model.empty()},
                                                  {"--pooling", !model.pooling.empty()},
                                                  {"--normalize", model.normalize},
                                                  {"--max-length", model.max_length != 0},
                                                  {"--query-length", model.query_length != 0},
                                                  {"--precision", model.precision != "fp32"},
                                                  {"--batch-examples", model.batch_examples != 0}};
    for (auto const& [name, is_given] : given) {
        if (is_given) { throw refuse(std::string("no ") + name + ' ' + why, name, "Leave it out."); }
    }
}

/// Refuses queries whose model has other weights than that of the documents, where both are told.
void check_weights(SearchIndexOptions const& asked, Json const& documents, Json const& queries) {
    if (!documents.is_object() || !queries.is_object() || asked.force) { return; }
    for (char const* const key : {"weights", "tokenizer", "pooling", "normalize"}) {
        Json const first = documents.value(key, Json());
        Json const second = queries.value(key, Json());
        if (first == second) { continue; }
        throw InputError(
            Diagnostic{.file = asked.query_vectors.string(),
                       .expected = std::string("vectors of the model of the index, whose ") + key + " is " + first.dump(),
                       .found = second.dump(),
                       .hint = "Encode the queries with that model; --other-model compares them nevertheless."});
    }
}

int search_lexical(Common const& common, SearchOptions const& options, SearchIndexOptions const& asked) {
    require_no_model(options.model, "with an index of BM25");
    if (!asked.query_vectors.empty()) { throw refuse("queries as texts with an index of BM25", "--query-vectors"); }
    if (asked.rescore != 0) { throw refuse("an index of vectors with --rescore", "one of BM25"); }
    LexicalIndex const index = LexicalIndex::open(asked.index, Verify::quick, common.threads);
    return answer_from_index(
        common, options, asked,
        {.method = "bm25",
         .documents = &index.documents(),
         .no_hit = "no text shares a word with the query",
         .find = [&](std::string const& query, std::size_t k) { return index.search(query, k); },
         .run = [&](auto const& queries, auto const& ids, std::size_t k) { return index.search(queries, k, ids); }});
}

/// Vectors in an index of vectors: no model runs.
int search_vectors(Common const& common, SearchOptions const& options, SearchIndexOptions const& asked) {
    require_no_model(options.model, "with --query-vectors");
    QuickExit interruptible;
    DenseIndex const index = DenseIndex::open(asked.index, Verify::quick, {.rescore = asked.rescore, .threads = common.threads});
    std::vector<std::string> ids;
    std::vector<float> values;
    std::size_t dimension = 0;
    for_each_vector(
        asked.query_vectors,
        [&](VectorSource const& source) {
            dimension = source.dimension;
            check_weights(asked, index.model(), source.model);
        },
        [&](std::string_view id, std::span<float const> row) {
            detail::require_column(id, "an id", asked.query_vectors.string());
            ids.emplace_back(id);
            values.insert(values.end(), row.begin(), row.end());
        });
    Run const run = index.search({values, dimension}, options.top_k == 0 ? 1000 : options.top_k, ids);
    interruptible.finish();
    return write_index_run(common, options, "dense", index.size(), run, {});
}

}  // namespace

Records read_query_file(Path const& file, bool skip_malformed, ReadReport& report) {
    ReadOptions const reading = reading_by(skip_malformed);
    std::string name = file.filename().string();
    if (name.ends_with(".gz")) { name.resize(name.size() - 3); }
    auto const read = [&](auto reader) {
        Records records = read_all(reader);
        report = reader.report();
        say_report(report, "queries");
        return records;
    };
    Records const records =
        name.ends_with(".tsv") ? read(TsvReader(file, TsvColumns::id_text, reading)) : read(JsonlReader(file, reading));
    if (records.size() == 0) { throw detail::no_record(file); }
    for (Record const& record : records) { detail::require_column(record.id, "an id", record.file->string(), record.line); }
    return records;
}

int write_index_run(Common const& common, SearchOptions const& options, std::string const& method, std::size_t documents,
                    Run const& run, ReadReport const& read) {
    say_unmatched(run);
    write_run(run, options.output, {.tag = options.tag.empty() ? method : options.tag});
    Json result = search_result(method, documents);
    result.update({{"queries", run.size()},
                   {"hits", run.hit_count()},
                   {"output", options.output.string()},
                   {"malformed", malformed_json(read)}});
    print_result(
        common, result,
        options.output.string() + ": " + count_text(run.size()) + " queries, " + count_text(run.hit_count()) + " hits\n");
    return done;
}

int answer_from_index(Common const& common, SearchOptions const& options, SearchIndexOptions const& index,
                      IndexSearch const& search) {
    QuickExit interruptible;
    if (!options.query) {
        ReadReport read;
        Records const queries = read_query_file(index.queries, options.skip_malformed, read);
        Run const run = search.run(queries.texts(), queries.ids(), options.top_k == 0 ? 1000 : options.top_k);
        interruptible.finish();
        return write_index_run(common, options, search.method, search.documents->size(), run, read);
    }
    std::size_t const count = options.top_k == 0 ? 10 : options.top_k;
    if (*options.query == "-") { return answer_index_lines(common, search, count); }
    Answer const found = answer(search, *options.query, count);
    Json result = search_result(search.method, search.documents->size());
    result.update({{"queries", 1}, {"hits", found.json["hits"].size()}});
    result["answers"] = Json::array({found.json});
    print_result(common, result, found.text);
    return done;
}

int search_index(Common const& common, SearchOptions const& options, SearchIndexOptions const& index) {
    bool const asks = options.query.has_value();
    int const given = (asks ? 1 : 0) + (index.queries.empty() ? 0 : 1) + (index.query_vectors.empty() ? 0 : 1);
    if (given != 1) {
        throw refuse("one of --query, --queries and --query-vectors with --index", given == 0 ? "none" : std::to_string(given));
    }
    if (!options.embeddings.empty() || options.model.chunk_tokens != 0) {
        throw refuse("--index alone, which has its documents", options.embeddings.empty() ? "--chunks" : "--embeddings");
    }
    if (options.skip_malformed && index.queries.empty()) {
        throw refuse("--skip-malformed with --queries, whose lines it is about", asks ? "--query" : "--query-vectors",
                     "Leave it out.");
    }
    if (!options.similarity.empty()) {
        throw refuse("the similarity that the index was made with", "--similarity", "Leave it out.");
    }
    if (asks != options.output.empty()) {
        throw refuse(asks ? "no --output with --query" : "--output for the run", asks ? "one" : "none");
    }
    if (!asks) { check_new_file(options.output); }
    IndexFolder const folder(index.index, index.verify ? Verify::full : Verify::quick);
    if (index.verify) { say(index.index.string() + ": all checksums valid"); }
    if (folder.kind() == "bm25") { return search_lexical(common, options, index); }
    if (folder.kind() == "dense") {
        if (!index.query_vectors.empty()) { return search_vectors(common, options, index); }
        if (!options.model.model.empty()) { return search_index_by_model(common, options, index); }
        throw refuse("--model, which reads the queries, with an index of vectors", "none", "Or queries by --query-vectors.");
    }
    throw folder.manifest().refuse("an index of a kind that this version knows", '"' + folder.kind() + '"',
                                   "Make the index again with this version of bmae.");
}

}  // namespace bmae::program
