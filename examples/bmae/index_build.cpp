// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Documents to an index on disk: `index`.
#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/detail/folders.hpp>
#include <bmae/retrieval/lexical_index_builder.hpp>

#include "common.hpp"
#include "index_parts.hpp"
#include "language.hpp"
#include "vector_files.hpp"

namespace bmae::program {

namespace {

/// The scripts of the first documents, which tell how words are found; not counted where the options tell it.
ScriptCounts scripts_of(IndexOptions const& options) {
    struct Enough {};
    ScriptCounts scripts;
    if (!options.terms.language.empty() || options.terms.terms != "words") { return scripts; }
    std::size_t seen = 0;
    try {
        for_each_document(options, [&](std::string const&, std::string const& text) {
            scripts.add(text);
            if (++seen == detected_documents) { throw Enough{}; }
        });
    } catch (Enough const&) {}   // the reader has no other way to stop
    return scripts;
}

int index_lexical(Common const& common, IndexOptions const& options) {
    auto const began = IndexClock::now();
    Cancellation const cancellation;
    AnalyzerOptions const analyzer = analyzer_by(options.terms, scripts_of(options));
    Progress reading("index", "documents", 0);
    LexicalIndexBuilder builder(options.output,
                                {.bm25 = {.k1 = options.k1, .b = options.b, .analyzer = analyzer, .threads = common.threads},
                                 .store_texts = options.store_texts,
                                 .memory = options.memory << 20,
                                 .on_progress = [&](std::size_t, std::size_t) { cancellation.check(); }});
    for_each_document(options, [&](std::string const& id, std::string text) {
        builder.add(id, std::move(text));
        if (builder.documents() % 1024 == 0) {
            cancellation.check();
            reading.update(builder.documents());
        }
    });
    reading.finish();
    builder.commit();
    Json result = index_result(options, began, builder.documents());
    result.update({{"terms", builder.terms()}, {"postings", builder.postings()}});
    print_result(common, result,
                 options.output.string() + ": " + count_text(builder.documents()) + " documents, " + count_text(builder.terms()) +
                     " terms, " + count_text(builder.postings()) + " postings, " +
                     count_text(result["bytes"].get<std::uint64_t>() >> 20) + " MB\n");
    return done;
}

/// The similarity of stored vectors: the given one, else that of their model. Cosines of unit vectors are their products.
VectorSimilarity stored_similarity(IndexOptions const& options, Json const& model) {
    bool const known = model.is_object();
    auto const own = known ? vector_similarity_named(model.value("similarity", "")) : std::nullopt;
    VectorSimilarity const chosen = given_similarity(options).value_or(own.value_or(VectorSimilarity::dot));
    bool const unit = known && model.value("normalize", false);
    return unit && chosen == VectorSimilarity::cosine ? VectorSimilarity::dot : chosen;
}

/// Vectors that encode wrote.
int index_vectors(Common const& common, IndexOptions const& options) {
    auto const began = IndexClock::now();
    Cancellation const cancellation;
    std::optional<DenseIndexBuilder> builder;
    Progress progress("index", "vectors", 0);
    std::size_t dimension = 0;
    for_each_vector(
        options.vectors,
        [&](VectorSource const& source) {
            dimension = source.dimension;
            builder.emplace(options.output, dimension,
                            dense_options(options, stored_similarity(options, source.model), source.model));
        },
        [&](std::string_view id, std::span<float const> values) {
            builder->add(id, values);
            if (builder->documents() % 1024 == 0) {
                cancellation.check();
                progress.update(builder->documents());
            }
        });
    progress.finish();
    builder->commit();
    return print_dense_index(common, options, began, *builder, dimension);
}

int index_dense(Common const& common, IndexOptions const& options) {
    auto const refuse = [](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found)});
    };
    static_cast<void>(dense_options(options, given_similarity(options).value_or(VectorSimilarity::dot), nullptr));
    if (options.vectors.empty() == options.model.model.empty()) {
        throw refuse("either --model or --vectors with --method dense", options.vectors.empty() ? "neither" : "both");
    }
    if (options.vectors.empty()) {
        static_cast<void>(analyzer_by(options.terms, {}));   // refused before the texts are read
        if (options.data.empty()) { throw refuse("--data, whose corpus the model encodes", "none"); }
        return index_by_model(common, options);
    }
    if (!options.data.empty()) { throw refuse("no --data with --vectors, which have their ids", options.data.string()); }
    if (options.store_texts) { throw refuse("--store-texts with --data, which has the texts", "--vectors"); }
    return index_vectors(common, options);
}

}  // namespace

Json index_result(IndexOptions const& options, IndexClock::time_point began, std::size_t documents) {
    return {{"command", "index"},
            {"method", options.method},
            {"output", options.output.string()},
            {"documents", documents},
            {"terms", nullptr},
            {"postings", nullptr},
            {"rows", nullptr},
            {"dimension", nullptr},
            {"bytes", IndexFolder(options.output).bytes()},
            {"seconds", std::chrono::duration<double>(IndexClock::now() - began).count()}};
}

int print_dense_index(Common const& common, IndexOptions const& options, IndexClock::time_point began,
                      DenseIndexBuilder const& builder, std::size_t dimension) {
    Json result = index_result(options, began, builder.documents());
    result.update({{"rows", options.rows}, {"dimension", dimension}});
    print_result(common, result,
                 options.output.string() + ": " + count_text(builder.documents()) + " vectors of " + std::to_string(dimension) +
                     " in " + options.rows + ", " + count_text(result["bytes"].get<std::uint64_t>() >> 20) + " MB\n");
    return done;
}

std::optional<VectorSimilarity> given_similarity(IndexOptions const& options) {
    if (options.similarity.empty()) { return std::nullopt; }
    auto const named = vector_similarity_named(options.similarity);
    if (named) { return named; }
    throw InputError(Diagnostic{
        .file = {}, .expected = "--similarity cosine, dot, euclidean or manhattan", .found = '"' + options.similarity + '"'});
}

DenseIndexOptions dense_options(IndexOptions const& options, VectorSimilarity similarity, Json model) {
    auto const refuse = [](std::string expected, std::string const& found) {
        return InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = '"' + found + '"'});
    };
    auto const rows = row_type_from(options.rows);
    if (!rows) { throw refuse("--rows fp32, bf16, int8 or binary", options.rows); }
    bool const none = options.finer_rows == "none";
    auto const finer = row_type_from(options.finer_rows);
    if (!none && finer != RowType::fp32 && finer != RowType::bf16) {
        throw refuse("--finer-rows fp32, bf16 or none", options.finer_rows);
    }
    bool const is_coarse = *rows == RowType::int8 || *rows == RowType::binary;
    return {.rows = *rows,
            .finer_rows = is_coarse && !none ? finer : std::nullopt,
            .similarity = similarity,
            .store_texts = options.store_texts,
            .model = std::move(model)};
}

int make_index(Common const& common, IndexOptions const& options) {
    auto const refuse = [](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found)});
    };
    detail::require_nothing_lost(options.output);
    if (options.method == "dense") { return index_dense(common, options); }
    if (options.method != "bm25") { throw refuse("--method bm25 or dense", '"' + options.method + '"'); }
    if (options.data.empty()) { throw refuse("--data with a corpus", "none"); }
    return index_lexical(common, options);
}

}  // namespace bmae::program
