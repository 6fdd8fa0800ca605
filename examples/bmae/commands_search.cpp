// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Declares the commands of retrieval: encode, search, evaluate.
#include <cstdint>
#include <string>
#include <vector>

#include <bmae/values/error.hpp>

#include "commands.hpp"

namespace bmae::program {

namespace {

/// How encode and search run it.
std::vector<DeclaredOption*> add_encoding(OptionTable& table, CLI::App& app, ModelOptions& options) {
    DeclaredOption& tokens = table.whole(app, "--batch-tokens", options.batch_tokens, batch_range, "Tokens of a batch");
    DeclaredOption& texts = table
                                .whole(app, "--batch-examples,--batch-size", options.batch_examples, batch_range,
                                       "Texts of a batch, instead of --batch-tokens")
                                .by_default("none: batches are counted in tokens")
                                .excludes("--batch-tokens");
    return {&tokens, &texts,
            &table.text(app, "--precision", options.precision,
                        "Compute type of the encoder: fp32, bf16 or int8 (with AVX-512 VNNI)")};
}

DeclaredOption& add_query_length(OptionTable& table, CLI::App& app, ModelOptions& options) {
    return table
        .whole(app, "--query-length", options.query_length, length_range,
               "Maximum tokens of a query with [CLS] and [SEP]; 0: the model's")
        .by_default("that of the model, else of a text");
}

/// Several vectors per document. \returns its options
std::vector<DeclaredOption*> add_chunks(OptionTable& table, CLI::App& app, ModelOptions& options) {
    DeclaredOption& tokens =
        table
            .whole(app, "--chunks", options.chunk_tokens, {.least = 1, .most = std::uint64_t{1} << 20},
                   "Tokens of a chunk: a document has a vector per chunk and scores what its best one scores")
            .by_default("none: one vector per document");
    DeclaredOption& pooling =
        table
            .text(app, "--chunk-pooling", options.chunk_pooling,
                  "max: a chunk is encoded as a text; late: the document is encoded whole, and a chunk is the mean of its tokens")
            .with_any({"--chunks"});
    return {&tokens, &pooling};
}

int search_somewhere(Options const& all) {
    if (!all.search_index.index.empty()) { return search_index(all.common, all.search, all.search_index); }
    if (!all.collections.folder.empty()) { return search_collections(all.common, all.search, all.collections); }
    if (all.search.data.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "--data with a corpus, --collections with a folder of them, or --index",
                                    .found = "none",
                                    .hint = "`bmae index` makes an index."});
    }
    return search(all.common, all.search);
}

int evaluate_somewhere(Options const& all) {
    if (!all.answers.answers.empty()) { return evaluate_answers(all.common, all.evaluate, all.answers); }
    return all.collections.folder.empty() ? evaluate(all.common, all.evaluate)
                                          : evaluate_collections(all.common, all.evaluate, all.collections);
}

class SearchCommands : CommandGroup {
public:
    using CommandGroup::CommandGroup;

    void declare() {
        encode();
        search();
        evaluate();
        rerank();
        fuse();
        mine();
    }

private:
    void encode() {
        EncodeOptions& options = all_.encode;
        CLI::App& app = add("encode", "Texts to vectors",
                            "bmae encode --model tuned/sentence-transformer --input corpus.jsonl --output corpus.safetensors",
                            [&all = all_] { return bmae::program::encode(all.common, all.encode); });
        add_model(table_, app, options.model).front()->required();
        add_query_length(table_, app, options.model).with("--role", {"query"});
        add_encoding(table_, app, options.model);
        add_chunks(table_, app, options.model);
        table_
            .text(app, "--role", options.role,
                  "document or query, which may have a length and a prompt of its own; a model with a default prompt reads that "
                  "where "
                  "no role is given")
            .by_default("document");
        add_prompts(table_, app, options.model.prompts, "the texts").back()->excludes("--document-prompt");
        table_
            .path(app, "--input", options.inputs,
                  "Texts: JSON Lines with _id, title, text, tab-separated columns, or a folder of such files; plain or gzip")
            .required();
        table_
            .path(app, "--output", options.output,
                  "NAME.safetensors with the tensor `embeddings`, ids in NAME.ids; or a folder: shards and a manifest")
            .required();
        table_
            .whole(app, "--shard-texts", options.shard_texts, {.least = 1, .most = std::uint64_t{1} << 31},
                   "Texts of a shard, where --output is a folder")
            .by_default(std::to_string(default_shard_texts) + "; " + std::to_string(default_sparse_shard_texts) + " of sparse, " +
                        std::to_string(default_token_shard_texts) + " of tokens");
        table_
            .text(app, "--vectors", options.vectors,
                  "dense; sparse: a weight per term of the vocabulary (SPLADE); tokens: a vector per token (ColBERT)")
            .by_default("what the model makes");
        table_
            .whole(app, "--impacts", options.impact_scale, {.least = 1, .most = 1'000'000},
                   "Beside sparse vectors their weights times this, rounded, as JSON Lines in the folder impacts, which Anserini "
                   "indexes; SPLADE's code takes 100")
            .by_default("none");
        table_.flag(app, "--resume", options.resume, "Resume an interrupted or killed run, where --output is a folder");
        skip_malformed(app, options.skip_malformed);
        common_.threads(app);
        common_.device(app);
    }

    void search() {
        SearchOptions& options = all_.search;
        CLI::App& app = add("search", "Queries to a TREC run, or one query to its best texts",
                            "bmae search --method hybrid --model tuned/sentence-transformer --data scifact --split test --output "
                            "run.trec\n  bmae search --method bm25 --data scifact --query 'does vitamin D help'\n"
                            "  bmae search --index scifact.bm25 --query 'does vitamin D help'\n"
                            "  bmae search --method bm25 --collections beir --output runs",
                            [&all = all_] { return search_somewhere(all); });
        table_
            .text(app, "--method", options.method,
                  "dense, bm25, hybrid, sparse (SPLADE), dense-lexical (DupMAE) or maxsim (ColBERT; the vectors of all tokens "
                  "stay in memory, with "
                  "--bits compressed)")
            .without("--index");
        auto const model = add_model(table_, app, options.model);
        model.front()->with("--method", {"dense", "hybrid", "sparse", "dense-lexical", "maxsim"});
        model.back()->with("--method", {"dense", "hybrid", "sparse"});   // --max-length
        auto const encoding = add_encoding(table_, app, options.model);
        for (DeclaredOption* const option : {encoding[0], encoding[1]}) {
            option->with("--method", {"dense", "hybrid", "sparse", "dense-lexical", "maxsim"});
        }
        for (DeclaredOption* const option :
             {model[1], model[2], encoding[2], &add_query_length(table_, app, options.model), &common_.device(app)}) {
            option->with("--method", {"dense", "hybrid"});
        }
        table_
            .path(app, "--embeddings", options.embeddings,
                  "Vectors of the documents made by encode: a folder; of dense ones also a file")
            .with("--method", {"dense", "hybrid", "sparse", "maxsim"});
        compression(app, options);
        for (DeclaredOption* const option : add_prompts(table_, app, options.model.prompts, "queries")) {
            option->with("--method", {"dense", "hybrid", "sparse"});
        }
        table_
            .text(app, "--similarity", options.similarity,
                  "By what vectors rank: cosine, dot, euclidean (its negative) or manhattan")
            .by_default("the model's")
            .with("--method", {"dense", "hybrid"});
        table_.flag(app, "--force", options.force, "Search vectors of another model than --model").with_any({"--embeddings"});
        add_chunks(table_, app, options.model).front()->excludes("--embeddings").with("--method", {"dense", "hybrid"});
        table_.path(app, "--data", options.data, "BEIR folder; with --query its corpus alone is read")
            .by_default("none: this, --collections or --index")
            .without("--index")
            .without("--collections");
        table_
            .path(app, "--collections", all_.collections.folder,
                  "Folder of BEIR folders: each is searched, and its run written to NAME.trec below --output")
            .by_default("none")
            .without("--index")
            .without("--query")
            .without("--embeddings");
        in_index(app);
        table_.path(app, "--output", options.output, "TREC run; gzip where its name ends in .gz; a folder with --collections")
            .by_default("none: this or --query");
        table_
            .checked(
                app, "--query",
                [&all = all_](std::string const& query) { all.search.query = query; },   // an empty one is a query, too
                "Show the best texts of this query; - reads queries from standard input, with --json one object per line")
            .by_default("none: this or --output");
        table_.whole(app, "--top-k,-k", options.top_k, {.least = 1, .most = std::uint64_t{1} << 31}, "Hits per query")
            .by_default("1000; 10 with --query");
        table_
            .text(app, "--split", options.split,
                  "Split of the queries; all: every query, judged or not, as in a folder without qrels")
            .without("--query")
            .without("--index");
        table_.text(app, "--tag", options.tag, "Last column of the run").by_default("the method").without("--query");
        skip_malformed(app, options.skip_malformed);
        for (DeclaredOption* const option : {&table_.real(app, "--k1", options.k1, {.most = 1000}, "BM25: saturation"),
                                             &table_.real(app, "--b", options.b, {}, "BM25: length normalization")}) {
            option->with("--method", {"bm25", "hybrid"});
        }
        for (DeclaredOption* const option : add_terms(table_, app, options.terms)) {
            option->with("--method", {"bm25", "hybrid"});
        }
        table_
            .text(app, "--fusion", options.fusion,
                  "reciprocal-rank, weighted, or product: BM25 times the dense score, of texts that both find (LaPraDoR)")
            .with("--method", {"hybrid"});
        table_.real(app, "--dense-weight", options.dense_weight, {}, "Weight of the dense score")
            .with("--method", {"hybrid"})
            .with("--fusion", {"weighted"});
        common_.threads(app);
    }

    /// Vectors of tokens in few bits.
    void compression(CLI::App& app, SearchOptions& options) {
        table_
            .whole(app, "--bits", options.bits, {.least = 1, .most = 8},
                   "Of a dimension of a token's vector: 1, 2, 4 or 8, as ColBERTv2's residual compression")
            .by_default("none: fp32")
            .with("--method", {"maxsim"});
        table_
            .whole(app, "--centroids", options.centroids, {.most = std::uint64_t{1} << 24},
                   "Of compressed vectors; 0: the power of two up to 16 times the square root of their number")
            .with_any({"--bits"});
    }

    /// Search in an index on disk.
    void in_index(CLI::App& app) {
        SearchIndexOptions& options = all_.search_index;
        table_.path(app, "--index", options.index, "Folder made by `bmae index`, which says the method; in place of --data")
            .by_default("none: this or --data");
        table_
            .path(app, "--queries", options.queries,
                  "Queries to search in the index: JSON Lines with _id and text, or tab-separated id and text (.tsv); plain or "
                  "gzip")
            .with_any({"--index"});
        table_
            .path(app, "--query-vectors", options.query_vectors,
                  "Queries as vectors made by encode, a file or a folder, in place of --queries and --model")
            .with_any({"--index"});
        table_
            .whole(
                app, "--rescore", options.rescore, {.most = std::uint64_t{1} << 31},
                "Candidates of int8 and binary rows that the finer rows of the index score; 0: 4 per hit of int8, 16 of binary")
            .with_any({"--index"});
        table_.flag(app, "--other-model", options.force, "Search an index of another model's vectors").with_any({"--index"});
        table_.flag(app, "--verify", options.verify, "Compare the checksums of the whole index before").with_any({"--index"});
    }

    void evaluate() {
        EvaluateOptions& options = all_.evaluate;
        CLI::App& app =
            add("evaluate", "Evaluate runs by judgments, and compare them",
                "bmae evaluate --qrels scifact/qrels/test.tsv --run run.trec --profile beir --measures "
                "ndcg@10,recall@100\n  bmae evaluate --qrels scifact/qrels/test.tsv --run bm25.trec dense.trec --test "
                "randomization --format latex\n  bmae evaluate --collections beir --run runs-bm25 runs-dense --profile beir",
                [&all = all_] { return evaluate_somewhere(all); });
        table_.path(app, "--qrels", options.qrels, "TREC, BEIR or MS MARCO judgments")
            .by_default("none: this, --answers or --collections")
            .without("--answers")
            .without("--collections");
        collections(app);
        answers(app);
        table_
            .path(app, "--run,run", options.runs,
                  "Runs to measure and compare, in any order of queries; plain or gzip; with --collections folders of runs, one "
                  "per system")
            .required();
        table_.text(app, "--run-format", options.run_format, "trec, msmarco, tevatron");
        table_.text(app, "--profile", options.profile,
                    "trec9, trec10, pytrec_eval, beir, mteb, msmarco, sentence-transformers, ranx");
        table_
            .text(app, "--measures", options.measures,
                  "mrr@10,ndcg@10,recall@1000,map ...; alpha_ndcg@20 by judgments with subtopics; hit_answers@20 with --answers")
            .by_default(
                "mrr@10,ndcg@10,recall@100,map; ndcg@10,recall@100 with --collections; hit_answers@1,5,20,100 with --answers");
        table_.text(app, "--missing", options.missing, "Judged queries without results: zero, skip, error")
            .by_default("the profile's rule");
        table_.whole(app, "--relevance-level", options.relevance_level, {.least = 1, .most = 1'000'000}, "Lowest relevant grade")
            .without("--answers");
        skip_malformed(app, options.skip_malformed);
        table_.flag(app, "--per-query", options.per_query, "Also print the value of each query");
        table_.text(app, "--format", options.format, "Table: text, csv, latex, markdown, or trec, the lines of trec_eval")
            .by_default("trec for one run, text for several");
        table_.text(app, "--test", options.test, "Paired test of each pair of runs: student, randomization or bootstrap")
            .without("--collections");
        table_.text(app, "--correction", options.correction, "Of the p-values under one measure: holm, bonferroni or none")
            .without("--collections");
        table_.real(app, "--alpha", options.alpha, {.above_least = true}, "Largest corrected p of a significant difference")
            .without("--collections");
        table_
            .whole(app, "--resamples", options.resamples, {.least = 1, .most = 100'000'000},
                   "Draws of the test; randomization takes all signs where they are no more")
            .without("--collections")
            .with("--test", {"randomization", "bootstrap"});
        common_.seed(app).with("--test", {"randomization", "bootstrap"});
        table_.path(app, "--differences", options.differences, "New file of query, measure and the value of each run")
            .without("--collections");
        table_.path(app, "--output", options.output, "Also write the table to this new file");
        common_.threads(app);
    }

    /// A benchmark of many collections.
    void collections(CLI::App& app) {
        CollectionsOptions& options = all_.collections;
        table_
            .path(
                app, "--collections", options.folder,
                "Folder of BEIR folders, whose runs are NAME.trec in the folders of runs: a value per collection and their mean, "
                "in which a folder of folders (cqadupstack) counts once")
            .by_default("none")
            .without("--answers");
        table_.text(app, "--split", options.split, "Judgments of each collection; dev where one has no test")
            .with_any({"--collections"});
        table_.path(app, "--mteb", options.mteb, "New folder for a result file of MTEB per collection")
            .with_any({"--collections"});
        table_.path(app, "--beside", options.beside, "Folders with result files of MTEB, whose main scores stand beside")
            .with_any({"--collections"});
    }

    /// Open-domain question answering.
    void answers(CLI::App& app) {
        AnswerStringOptions& options = all_.answers;
        table_
            .path(app, "--answers", options.answers,
                  "Answer strings in place of judgments, JSON Lines with _id and answers: a hit is relevant whose text has one, "
                  "by the rules of DPR")
            .by_default("none");
        table_
            .path(app, "--corpus", options.corpus,
                  "Texts of the hits: BEIR folder, JSON Lines, or tab-separated as DPR's passages")
            .with_any({"--answers"});
        table_.flag(app, "--answer-titles", options.titles, "An answer in the title counts, too").with_any({"--answers"});
    }

    void rerank() {
        RerankOptions& options = all_.rerank;
        CLI::App& app =
            add("rerank", "Score the first hits of a run again with a cross-encoder or the vectors of tokens",
                "bmae rerank --model reranker --run bm25.trec --data scifact --split test --depth 100 --output reranked.trec",
                [&all = all_] { return bmae::program::rerank(all.common, all.rerank); });
        table_
            .path(app, "--model", options.model,
                  "Output folder of finetune, or a folder of sentence-transformers: CrossEncoder, MultiVectorEncoder, "
                  "SparseEncoder or "
                  "SentenceTransformer")
            .required();
        table_.path(app, "--run", options.run, "TREC run to rerank; plain or gzip")
            .by_default("none: required without --negatives")
            .without("--negatives");
        table_.path(
            app, "--negatives", options.negatives,
            "In place of --run: score for finetune --teacher-scores what finetune --negatives reads of this file, and the "
            "relevant documents of --split");
        table_.path(app, "--data", options.data, "BEIR folder").required();
        table_.text(app, "--split", options.split, "Split of the queries; all: every query of the run");
        table_
            .whole(app, "--depth", options.depth, {.least = 1, .most = std::uint64_t{1} << 31},
                   "Hits of a query that are scored; the others keep their order behind")
            .without("--negatives");
        table_.flag(
            app, "--as-teacher", options.as_teacher,
            "Write scores for finetune --teacher-scores: of the relevant documents of --split too, and of no hit below --depth");
        table_.whole(app, "--batch-tokens", options.batch_tokens, batch_range, "Tokens of a batch");
        table_
            .whole(app, "--batch-examples,--batch-size", options.batch_examples, batch_range,
                   "Texts of a batch, instead of --batch-tokens")
            .by_default("none: batches are counted in tokens")
            .excludes("--batch-tokens");
        table_
            .whole(app, "--max-length", options.max_length, length_range,
                   "Maximum tokens of a text, of a cross-encoder those of a pair; 0: the folder's")
            .by_default("the folder's");
        table_.text(app, "--precision", options.precision, "Compute type: fp32 or bf16");
        table_.text(app, "--tag", options.tag, "Last column of the run");
        skip_malformed(app, options.skip_malformed);
        table_.path(app, "--output", options.output, "New TREC run").required();
        table_.flag(app, "--resume", options.resume, "Resume an interrupted or killed run");
        common_.threads(app);
        common_.device(app);
    }

    void fuse() {
        FuseOptions& options = all_.fuse;
        CLI::App& app = add("fuse", "Fuse runs into one",
                            "bmae fuse bm25.trec dense.trec splade.trec --method comb-sum --output fused.trec\n"
                            "  bmae fuse bm25.trec dense.trec --method weighted --tune scifact/qrels/dev.tsv --output fused.trec",
                            [&all = all_] { return bmae::program::fuse(all.common, all.fuse); });
        table_.path(app, "run", options.runs, "TREC runs, two or more; plain or gzip").required();
        table_.text(app, "--method", options.method,
                    "reciprocal-rank, weighted, z-score, comb-sum, comb-mnz, or product: BM25 times cosine as LaPraDoR");
        table_.text(app, "--weights", options.weights, "One per run, with commas: 0.7,0.3")
            .by_default("equal")
            .with("--method", {"reciprocal-rank", "weighted", "z-score", "comb-sum", "comb-mnz"})
            .without("--tune");
        table_.text(app, "--normalization", options.normalization, "Of scores per query and run: min-max, z-score or none")
            .by_default("min-max; none of product")
            .with("--method", {"weighted", "comb-sum", "comb-mnz", "product"});
        table_.real(app, "--k", options.k, {.most = 1e9}, "Rank constant")
            .with("--method", {"reciprocal-rank"})
            .without("--tune");
        table_
            .path(app, "--tune", options.tune,
                  "Choose the weights, of reciprocal-rank k too, by these judgments: TREC, BEIR or MS MARCO, of queries beside "
                  "those that the result is measured on")
            .with("--method", {"reciprocal-rank", "weighted", "z-score", "comb-sum", "comb-mnz"});
        table_.text(app, "--tune-measure", options.tune_measure, "The measure whose mean is to be the best, one of evaluate's")
            .with_any({"--tune"});
        table_.whole(app, "--top-k", options.top_k, {.least = 1, .most = std::uint64_t{1} << 31}, "Hits per query");
        table_.text(app, "--tag", options.tag, "Last column of the run").by_default("the method");
        skip_malformed(app, options.skip_malformed);
        table_.path(app, "--output", options.output, "New TREC run; gzip where its name ends in .gz").required();
        common_.threads(app).with_any({"--tune"});
    }

    void mine() {
        MineOptions& options = all_.mine;
        CLI::App& app =
            add("mine", "Mine hard negatives for finetune from runs",
                "bmae mine --run bm25.trec --data scifact --split train --window 10:100 --number 8 --relative-margin 0.05 "
                "--output negatives.tsv",
                [&all = all_] { return bmae::program::mine(all.common, all.mine); });
        table_.path(app, "--run", options.runs, "TREC runs, joined by the best rank of each document; plain or gzip").required();
        table_.path(app, "--data", options.data, "BEIR folder").required();
        table_.text(app, "--split", options.split, "Judgments whose queries are mined for");
        table_.text(app, "--window", options.window, "Ranks FIRST:LAST of the candidates, from 1");
        table_.whole(app, "--number", options.number, {.least = 1, .most = 1'000'000}, "Negatives per query");
        table_.text(app, "--sample", options.sample, "random: drawn from the window; top: the best ranked of it");
        table_
            .real(
                app, "--margin", [&all = all_](double margin) { all.mine.margin = margin; }, {.most = 1e9},
                "Only hits that score lower than the best relevant document by at least this")
            .by_default("none");
        table_
            .real(
                app, "--relative-margin", [&all = all_](double margin) { all.mine.relative_margin = margin; }, {.most = 1e3},
                "The same as a share of that document's absolute score: 0.05")
            .by_default("none");
        table_
            .path(app, "--reranker-scores", options.reranker_scores,
                  "A run of `rerank` whose depth covers the window: only hits that it scores below the best relevant document")
            .by_default("none");
        table_.real(app, "--reranker-margin", options.reranker_margin, {.most = 1e9}, "By at least this")
            .with_any({"--reranker-scores"});
        skip_malformed(app, options.skip_malformed);
        table_.text(app, "--format", options.format,
                    "ids: lines of query, document, and hard-negatives: JSON Lines with qid, pos, neg, as --negatives reads; "
                    "with texts, as --data "
                    "and --input read: flag-embedding, tevatron, sentence-transformers, triples, dpr");
        table_.path(app, "--output", options.output, "New file; gzip where its name ends in .gz").required();
        common_.seed(app).with("--sample", {"random"});
    }
};

}  // namespace

void declare_search_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands) {
    SearchCommands(program, table, all, commands).declare();
}

}  // namespace bmae::program
