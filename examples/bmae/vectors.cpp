// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Vectors to texts: `search`, and `export`.
#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/corpus/beir.hpp>
#include <bmae/corpus/beir_folder.hpp>
#include <bmae/corpus/jsonl.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/edge/reference_layouts.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/chunk_index.hpp>
#include <bmae/retrieval/exact_index.hpp>
#include <bmae/retrieval/hybrid.hpp>
#include <bmae/retrieval/residual_codec.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "answer.hpp"
#include "collection_sets.hpp"
#include "collections.hpp"
#include "common.hpp"
#include "language.hpp"
#include "model_card.hpp"
#include "models.hpp"
#include "option_text.hpp"
#include "ranking.hpp"
#include "stored_vectors.hpp"
#include "unmatched.hpp"

namespace bmae::program {

namespace {

bool is_one_of(std::string const& name, std::initializer_list<char const*> known) {
    return std::any_of(known.begin(), known.end(), [&](char const* word) { return name == word; });
}

/// A few texts to measure a loss with.
std::vector<std::string> first_texts(Records const& documents) {
    std::vector<std::string> texts;
    for (Record const& record : documents) {
        if (texts.size() == 32) { break; }
        texts.push_back(joined_text(record));
    }
    return texts;
}

/// The search engine: one or two indexes over one collection.
class Searcher {
public:
    Searcher(Common const& common, SearchOptions const& options, Records const& documents)
        : options_(options), threads_(common.threads) {
        if (is_one_of(options.method, {"sparse", "dense-lexical", "maxsim"})) {
            other_ = naming_texts([&](std::size_t i) { return NamedText{documents[i].id, documents[i].text}; },
                                  [&] { return make_collection_searcher(common, options, documents); });
            return;
        }
        if (options.method != "bm25") { build_dense(common, documents); }
        if (options.method != "dense") {
            ScriptCounts scripts;
            for (std::size_t i = 0; i < std::min(detected_documents, documents.size()); ++i) { scripts.add(documents[i].text); }
            AnalyzerOptions const analyzer = analyzer_by(options.terms, scripts);
            lexical_ = std::make_unique<Bm25Index>(
                documents.texts(), documents.ids(),
                Bm25Options{.k1 = options.k1, .b = options.b, .analyzer = analyzer, .threads = threads_});
            say("bm25: " + count_text(lexical_->size()) + " texts, " + count_text(lexical_->term_count()) + " terms");
        }
    }

    /// The key `token_vectors` of results; null where there are none.
    [[nodiscard]] Json token_vectors() const { return other_ ? other_->token_vectors() : Json(); }

    [[nodiscard]] Run search(std::vector<std::string> const& queries, std::vector<std::string> const& ids, std::size_t k) const {
        return naming_texts([&](std::size_t i) { return NamedText{ids[i], queries[i]}; },
                            [&] { return search_all(queries, ids, k); });
    }

private:
    [[nodiscard]] Run search_all(std::vector<std::string> const& queries, std::vector<std::string> const& ids,
                                 std::size_t k) const {
        if (other_) { return other_->search(queries, ids, k); }
        if (!dense_ && !chunks_) { return lexical_->search(queries, k, ids); }
        EncodeRun const run{
            .batch_tokens = options_.model.batch_tokens, .batch_texts = options_.model.batch_examples, .threads = threads_};
        at::Tensor const asked = encoder_->encode_queries(queries, run);
        Run const dense = chunks_ ? chunks_->search(asked, k, ids) : dense_->search(asked, k, ids);
        if (!lexical_) { return dense; }
        Run const lexical = lexical_->search(queries, k, ids);
        if (options_.fusion == "weighted") {
            return weighted_sum(dense, lexical, {.first_weight = options_.dense_weight, .depth = k});
        }
        if (options_.fusion == "product") {
            std::array const both{&lexical, &dense};
            return fuse_runs(both, {.method = FusionMethod::product, .depth = k}, /*exact=*/false);
        }
        return reciprocal_rank_fusion(dense, lexical, {.depth = k});
    }

    void build_dense(Common const& common, Records const& documents) {
        encoder_ = std::make_unique<SentenceEncoder>(make_inference_encoder(common, options_.model));
        choose_similarity();
        say_prompts("queries", encoder_->options().prompts.of_queries());
        say_prompts("documents", encoder_->prompt());
        if (options_.model.precision == "int8") { measure_loss(*encoder_, first_texts(documents)); }
        if (options_.embeddings.empty()) {
            auto const text_of = [&](std::size_t i) { return NamedText{documents[i].id, documents[i].text}; };
            index(naming_texts(text_of,
                               [&] {
                                   return encode_documents(
                                       *encoder_, documents.texts(), common, options_.model, [] {}, "encode documents");
                               }),
                  documents.ids());
            return;
        }
        StoredVectors vectors = read_vectors(options_.embeddings);
        require_same_model(options_, vectors.model, describe_vectors(*encoder_, options_.model.precision));
        require_collection(options_, vectors.ids, documents);
        index({.rows = std::move(vectors.rows), .offsets = std::move(vectors.offsets)}, vectors.ids);
    }

    /// That of the command line, else the model's.
    void choose_similarity() {
        SentenceEncoderOptions model = encoder_->options();
        if (!options_.similarity.empty()) {
            model.similarity = vector_similarity_named(options_.similarity);
            if (!model.similarity) {
                throw InputError(Diagnostic{.file = {},
                                            .expected = "--similarity cosine, dot, euclidean or manhattan",
                                            .found = '"' + options_.similarity + '"'});
            }
        }
        similarity_ = model.index_similarity();
        bool const is_distance = !is_one_of(std::string(to_string(model.ranks_by())), {"cosine", "dot"});
        if (options_.method == "hybrid" && options_.fusion == "product" && is_distance) {
            throw refuse("a model that ranks by cosine or dot with --fusion product",
                         std::string(to_string(model.ranks_by())) + ", whose scores are below 0", "Name --similarity cosine.");
        }
        say("dense: similarity " + std::string(to_string(model.ranks_by())));
    }

    void index(ChunkVectors vectors, std::vector<std::string> const& ids) {
        ExactIndexOptions const options{.similarity = similarity_, .threads = threads_};
        if (vectors.offsets.empty()) {
            dense_ = std::make_unique<ExactIndex>(std::move(vectors.rows), ids, options);
            return;
        }
        chunks_ = std::make_unique<ChunkIndex>(std::move(vectors.rows), vectors.offsets, ids, options);
        say("dense: " + count_text(chunks_->chunks()) + " chunks of " + count_text(chunks_->size()) + " texts");
    }

    SearchOptions const& options_;
    unsigned threads_;
    std::unique_ptr<SentenceEncoder> encoder_;
    VectorSimilarity similarity_ = VectorSimilarity::dot;
    std::unique_ptr<ExactIndex> dense_;
    std::unique_ptr<ChunkIndex> chunks_;   // in place of `dense_` where documents have several vectors
    std::unique_ptr<Bm25Index> lexical_;
    std::unique_ptr<CollectionSearcher> other_;   // of sparse or token vectors, in place of the others
};

Answer find_best(Searcher const& searcher, Records const& documents, std::string const& query, std::size_t count) {
    Run const run = searcher.search({query}, {"query"}, count);
    Answer found(query);
    for (Hit const& hit : run.size() == 0 ? std::span<Hit const>() : run.hits(0)) {
        std::string const id(run.document(hit.document));
        found.add(id, hit.score, joined_text(documents[*documents.find(id)]));
    }
    if (found.text.empty()) { found.text = "no text shares a word with the query\n"; }
    return found;
}

/// Answers each line of standard input as soon as it is read, and counts queries and hits in `result`.
void answer_lines(Common const& common, Searcher const& searcher, Records const& documents, std::size_t count, Json& result) {
    std::uint64_t queries = 0;
    std::size_t hits = 0;
    for (std::string line; std::getline(std::cin, line); ++queries) {
        if (line.ends_with('\r')) { line.pop_back(); }
        Answer const answer = find_best(searcher, documents, line, count);
        hits += answer.json["hits"].size();
        if (common.json) {
            print_result(common, answer.json);
        } else {
            print((queries == 0 ? "" : "\n") + answer.text);
        }
    }
    result.update({{"queries", queries}, {"hits", hits}});
}

/// The documents of a BEIR folder alone: its queries and judgments may be missing.
Records read_documents(SearchOptions const& options, ReadReport& report) {
    Path const file = BeirFolder(options.data).corpus();
    JsonlReader reader(file, reading_by(options.skip_malformed));
    Records documents = read_all(reader);
    report = reader.report();
    say_report(report, "corpus");
    if (documents.size() == 0) { throw detail::no_record(file); }
    return documents;
}

int search_by_hand(Common const& common, SearchOptions const& options) {
    QuickExit const interruptible;
    ReadReport read;
    Records const documents = read_documents(options, read);
    Searcher const searcher(common, options, documents);
    std::size_t const count = options.top_k == 0 ? 10 : options.top_k;
    Json result = search_result(options.method, documents.size());
    result["malformed"] = malformed_json(read);
    result["token_vectors"] = searcher.token_vectors();
    if (*options.query == "-") {
        answer_lines(common, searcher, documents, count, result);
        print_result(common, result);
        return done;
    }
    Answer const answer = find_best(searcher, documents, *options.query, count);
    result.update({{"queries", 1}, {"hits", answer.json["hits"].size()}});
    result["answers"] = Json::array({answer.json});
    print_result(common, result, answer.text);
    return done;
}

/// The queries of the split, or all of them: where that is asked, and in a folder without judgments.
Records queries_of(BeirCollection const& collection, SearchOptions const& options, ReadReport& read) {
    std::vector<std::string> const splits = collection.splits();
    bool const named = std::find(splits.begin(), splits.end(), options.split) != splits.end();
    if (!named && !splits.empty() && options.split != "all") {
        std::string const known = std::accumulate(
            splits.begin(), splits.end(), std::string(),
            [](std::string all, std::string const& one) { return std::move(all) + (all.empty() ? "" : ", ") + one; });
        throw InputError(Diagnostic{.file = (options.data / "qrels").string(),
                                    .expected = "judgments of the split '" + options.split + "'",
                                    .found = "the splits " + known,
                                    .hint = "Name one of them by --split; --split all searches every query, judged or not."});
    }
    if (named) {
        ReadReport report;
        Records chosen = collection.queries(options.split, report);
        say_report(report, "judgments");
        read.add(report);
        return chosen;
    }
    if (splits.empty()) { say("no judgments in " + options.data.string() + ": all of its queries are searched"); }
    return collection.queries();
}

/// What is wrong with the options is said before the texts are read.
void check_search(SearchOptions const& options) {
    if (!is_one_of(options.method, {"dense", "bm25", "hybrid", "sparse", "dense-lexical", "maxsim"})) {
        throw refuse("--method dense, bm25, hybrid, sparse, dense-lexical or maxsim", '"' + options.method + '"');
    }
    static_cast<void>(analyzer_by(options.terms, {}));
    if (!is_one_of(options.fusion, {"reciprocal-rank", "weighted", "product"})) {
        throw refuse("--fusion reciprocal-rank, weighted or product", '"' + options.fusion + '"');
    }
    if (options.bits != 0 && !ResidualCodec::has_bits(options.bits)) {
        throw refuse("--bits 1, 2, 4 or 8", std::to_string(options.bits));
    }
    if (!options.query && options.output.empty()) { throw refuse("--output for a run, or --query for a look", "neither"); }
    if (options.query && !options.output.empty()) { throw refuse("either --output or --query", "both"); }
    if (options.method != "bm25" && options.model.model.empty()) {
        throw refuse("--model with --method " + options.method, "none", "Without a model there is --method bm25.");
    }
}

}  // namespace

int search(Common const& common, SearchOptions const& options) {
    if (options.query) {
        check_search(options);
        use_threads(common);
        return search_by_hand(common, options);
    }
    Json const result = search_collection(common, options);
    print_result(common, result,
                 options.output.string() + ": " + count_text(result["queries"].get<std::uint64_t>()) + " queries, " +
                     count_text(result["hits"].get<std::uint64_t>()) + " hits\n");
    return done;
}

Json search_collection(Common const& common, SearchOptions const& options) {
    check_search(options);
    use_threads(common);
    std::string const tag = options.tag.empty() ? options.method : options.tag;
    check_new_run(options.output, tag);

    QuickExit interruptible;
    BeirCollection const collection = BeirCollection::open(options.data, reading_by(options.skip_malformed));
    ReadReport read = say_reports(collection);
    Json result = search_result(options.method, collection.documents().size());
    Records const queries = queries_of(collection, options, read);
    for (Records const* const records : {&queries, &collection.documents()}) { check_run_ids(*records); }
    Searcher const searcher(common, options, collection.documents());
    Run const run = searcher.search(queries.texts(), queries.ids(), options.top_k == 0 ? 1000 : options.top_k);
    interruptible.finish();
    say_unmatched(run);
    write_run(run, options.output, {.tag = tag});
    result.update({{"split", options.split},
                   {"queries", run.size()},
                   {"hits", run.hit_count()},
                   {"output", options.output.string()},
                   {"token_vectors", searcher.token_vectors()},
                   {"malformed", malformed_json(read)}});
    return result;
}

namespace {

/// Encoder, head and tokenizer of a model in a new folder.
void write_model(LoadedModel const& model, Path const& folder) {
    save_encoder(folder, model.encoder, /*with_head=*/true, [&](Path const& unfinished) {
        write_length(unfinished, length_of(model), model.sentence ? model.sentence->query_length : model.query_length);
        model.tokenizer.save(unfinished);
    });
}

void export_with_decoders(ReferenceLayout layout, ExportOptions const& options, std::optional<Tower> tower) {
    auto const checkpoint = find_checkpoint(options.model.model);
    if (!checkpoint) {
        throw InputError(
            Diagnostic{.file = options.model.model.string(),
                       .expected = "a checkpoint or the output of a run, which have decoders, with --format " + options.format,
                       .found = "a folder of another kind",
                       .hint = "Folders of models: --format huggingface."});
    }
    LoadedModel const model = load_model(*checkpoint, tower);
    require_one_encoder(model, "--format " + options.format);
    write_reference_layout(layout, *checkpoint, objective_of_checkpoint(*checkpoint), options.output,
                           [&](Path const& folder) { write_model(model, folder); });
}

/// Writes the folder, without a card. \returns what the command reports
Json write_export(Common const& common, ExportOptions const& options) {
    std::optional<Tower> const tower = tower_from(options.tower);
    std::string const chosen = options.tower.empty() ? "first" : options.tower;
    Json result{
        {"command", "export"},    {"format", options.format}, {"tower", chosen},       {"output", options.output.string()},
        {"pooling", nullptr},     {"normalize", nullptr},     {"similarity", nullptr}, {"max_length", nullptr},
        {"query_length", nullptr}};
    if (options.format == "sentence-transformers") {
        SentenceEncoder const encoder = make_sentence_encoder(common, options.model, tower);
        save_sentence_transformer(encoder, options.output);
        if (encoder.has_query_encoder()) { result["tower"] = "both"; }
        result.update({{"pooling", to_string(encoder.options().pooling)},
                       {"normalize", encoder.options().normalize},
                       {"similarity", to_string(encoder.options().ranks_by())},
                       {"max_length", encoder.options().max_length}});
        if (std::size_t const length = encoder.options().query_length; length != 0) {
            result["query_length"] = length;
            say("export: queries are read up to " + std::to_string(length) +
                " tokens by `encode_query` of sentence-transformers 6 and newer");
        }
    } else if (options.format == "huggingface") {
        LoadedModel const model = load_model(options.model.model, tower);
        require_one_encoder(model, "--tower first or second and --format huggingface");
        write_model(model, options.output);
        if (model.sentence) {
            say("export: a Hugging Face folder has no pooling and no normalization: name them where it is loaded");
        }
    } else if (auto const layout = reference_layout(options.format)) {
        export_with_decoders(*layout, options, tower);
    } else {
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "--format sentence-transformers, huggingface, retromae, dupmae, simlm, condenser or master",
                       .found = '"' + options.format + '"'});
    }
    return result;
}

}  // namespace

int export_model(Common const& common, ExportOptions const& options) {
    detail::require_nothing_lost(options.output);
    Json result;
    write_with_card(options.output, [&](Path const& folder) {
        ExportOptions inner = options;
        inner.output = folder;
        result = write_export(common, inner);
        auto const checkpoint = find_checkpoint(options.model.model);
        return checkpoint ? CardOrigin{.checkpoint = *checkpoint} : CardOrigin{.model = options.model.model};
    });
    result["output"] = options.output.string();
    print_result(common, result, options.output.string() + '\n');
    return done;
}

}  // namespace bmae::program
