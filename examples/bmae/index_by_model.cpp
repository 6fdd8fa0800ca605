// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Indexes of vectors where a model encodes: the documents of `index`, the queries of `search --index`.
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/retrieval/dense_index.hpp>
#include <bmae/retrieval/vector_folder.hpp>

#include "index_answers.hpp"
#include "index_parts.hpp"
#include "models.hpp"
#include "stored_vectors.hpp"

namespace bmae::program {

namespace {

/// Refuses an index of another model's vectors; --other-model takes it with a warning.
/// \param own  of documents
void require_model_of_index(SearchIndexOptions const& asked, Json const& stored, VectorModel const& own) {
    if (!stored.is_object()) {
        warn(asked.index.string() + " does not say which model made its vectors");
        return;
    }
    VectorModel const made = detail::vector_model_from(detail::JsonObject(stored, (asked.index / "manifest.json").string()));
    if (own.matches(made)) { return; }
    if (asked.force) {
        warn("an index of another model is searched: " + to_string(made) + "; the queries' is " + to_string(own));
        return;
    }
    throw InputError(
        Diagnostic{.file = asked.index.string(),
                   .expected = "an index of the model of the queries, " + to_string(own),
                   .found = "one of another model, " + to_string(made),
                   .hint = "Name the model, the pooling, the normalization and the prompt that the documents were encoded "
                           "with; --other-model compares them nevertheless."});
}

/// Rows of fp32 in memory of their own.
std::vector<float> rows_of(at::Tensor const& encoded) {
    at::Tensor const rows = encoded.to(at::kCPU, at::kFloat).contiguous();
    return {rows.const_data_ptr<float>(), rows.const_data_ptr<float>() + rows.numel()};
}

EncodeRun index_run_of(Common const& common, ModelOptions const& model) {
    return {.batch_tokens = model.batch_tokens, .batch_texts = model.batch_examples, .threads = common.threads};
}

/// Documents that are encoded together: sorted by length, they fill batches.
class HeldDocuments {
public:
    HeldDocuments(SentenceEncoder const& encoder, EncodeRun run, DenseIndexBuilder& builder)
        : encoder_(encoder), run_(std::move(run)), builder_(builder) {}

    void add(std::string id, std::string text) {
        ids_.push_back(std::move(id));
        texts_.push_back(std::move(text));
        if (ids_.size() == most) { flush(); }
    }
    void flush() {
        if (ids_.empty()) { return; }
        std::vector<float> const rows = rows_of(encoder_.encode(texts_, run_));
        std::size_t const dimension = rows.size() / ids_.size();
        for (std::size_t i = 0; i < ids_.size(); ++i) {
            builder_.add(ids_[i], std::span(rows).subspan(i * dimension, dimension), texts_[i]);
        }
        ids_.clear();
        texts_.clear();
    }

private:
    static constexpr std::size_t most = 8192;

    SentenceEncoder const& encoder_;
    EncodeRun run_;
    DenseIndexBuilder& builder_;
    std::vector<std::string> ids_ = {};
    std::vector<std::string> texts_ = {};
};

}  // namespace

int index_by_model(Common const& common, IndexOptions const& options) {
    auto const began = IndexClock::now();
    use_threads(common);
    Cancellation const cancellation;
    SentenceEncoder const encoder = make_inference_encoder(common, options.model);
    say_prompts("documents", encoder.prompt());
    auto const dimension = static_cast<std::size_t>(encoder.model().width());
    SentenceEncoderOptions ranked = encoder.options();
    if (auto const given = given_similarity(options)) { ranked.similarity = given; }
    DenseIndexBuilder builder(
        options.output, dimension,
        dense_options(options, ranked.index_similarity(), detail::json_of(describe_vectors(encoder, options.model.precision))));
    Progress progress("index", "documents", 0);
    EncodeRun run = index_run_of(common, options.model);
    run.on_progress = [&](std::size_t count, std::size_t) {
        cancellation.check();
        progress.update(builder.documents() + count);
    };
    HeldDocuments held(encoder, run, builder);
    for_each_document(options, [&](std::string const& id, std::string text) { held.add(id, std::move(text)); });
    held.flush();
    progress.finish();
    builder.commit();
    return print_dense_index(common, options, began, builder, dimension);
}

int search_index_by_model(Common const& common, SearchOptions const& options, SearchIndexOptions const& asked) {
    use_threads(common);
    DenseIndex const index = DenseIndex::open(asked.index, Verify::quick, {.rescore = asked.rescore, .threads = common.threads});
    SentenceEncoder const encoder = make_inference_encoder(common, options.model);
    say_prompts("queries", encoder.options().prompts.of_queries());
    require_model_of_index(asked, index.model(), describe_vectors(encoder, options.model.precision));
    auto const encode = [&](std::vector<std::string> const& queries) {
        return rows_of(encoder.encode_queries(queries, index_run_of(common, options.model)));
    };
    return answer_from_index(
        common, options, asked,
        {.method = "dense",
         .documents = &index.documents(),
         .no_hit = "the index has no document",
         .find =
             [&](std::string const& query, std::size_t k) {
                 std::vector<float> const rows = encode({query});
                 return index.find({rows, rows.size()}, k)[0];
             },
         .run =
             [&](std::vector<std::string> const& queries, std::vector<std::string> const& ids, std::size_t k) {
                 std::vector<float> const rows = encode(queries);
                 return index.search({rows, rows.size() / queries.size()}, k, ids);
             }});
}

}  // namespace bmae::program
