// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Declares the commands that measure vectors on tasks without search: similarity, transfer.
#include "commands.hpp"

namespace bmae::program {

namespace {

class EmbeddingCommands : CommandGroup {
public:
    using CommandGroup::CommandGroup;

    void declare() {
        similarity();
        transfer();
    }

private:
    /// The model, and how it runs.
    void add_encoder(CLI::App& app, ModelOptions& options) {
        add_model(table_, app, options).front()->required();
        table_.whole(app, "--batch-tokens", options.batch_tokens, batch_range, "Tokens of a batch");
        table_.text(app, "--precision", options.precision, "Compute type of the encoder: fp32, bf16 or int8 (with AVX-512 VNNI)");
        common_.threads(app);
        common_.device(app);
    }

    void similarity() {
        SimilarityOptions& options = all_.similarity;
        CLI::App& app =
            add("similarity", "Correlation of a model's similarities with people's",
                "bmae similarity --model tuned/sentence-transformer --input sts12 --format sts\n  bmae similarity --model "
                "tuned/sentence-transformer --input STSBenchmark/sts-test.csv --format stsb",
                [&all = all_] { return bmae::program::similarity(all.common, all.similarity); });
        table_
            .path(app, "--input", options.inputs,
                  "Files of one task, plain or gzip; with --format sts a folder means all its files STS.input.NAME.txt")
            .required();
        table_.text(app, "--format", options.format,
                    "sts (with STS.gs.NAME.txt beside), stsb, sick, tsv (two sentences and a score), jsonl (MTEB)");
        table_.real(app, "--positive", options.positive, {.most = 1e9},
                    "Least gold score of the pairs that alignment is measured on");
        add_encoder(app, options.model);
    }

    void transfer() {
        TransferTaskOptions& options = all_.transfer;
        CLI::App& app =
            add("transfer", "Linear classifiers on a model's vectors, by SentEval's protocol",
                "bmae transfer --model tuned/sentence-transformer --task mr,cr,subj,trec,mrpc --data SentEval/data/downstream",
                [&all = all_] { return bmae::program::transfer(all.common, all.transfer); });
        table_.text(app, "--task", options.tasks, "mr, cr, subj, mpqa, sst2, trec, mrpc; several with commas").required();
        table_.path(app, "--data", options.data, "SentEval's folder of tasks, or the folder of one").required();
        table_.text(
            app, "--classifier", options.classifier,
            "senteval: Adam with early stopping, as papers report; convex: logistic regression to its optimum, nothing is drawn");
        table_.whole(app, "--folds", options.folds, {.least = 2, .most = 1000}, "Folds, outer and inner");
        add_encoder(app, options.model);
    }
};

}  // namespace

void declare_embedding_commands(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands) {
    EmbeddingCommands(program, table, all, commands).declare();
}

}  // namespace bmae::program
