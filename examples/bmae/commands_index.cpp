// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Declares the command index.
#include <cstdint>
#include <string>
#include <vector>

#include "commands.hpp"

namespace bmae::program {

namespace {

class IndexCommands : CommandGroup {
public:
    using CommandGroup::CommandGroup;

    void declare() {
        IndexOptions& options = all_.index;
        CLI::App& app = add(
            "index", "Documents to an index on disk, which search opens at once",
            "bmae index --method bm25 --data scifact --output scifact.bm25\n"
            "  bmae index --method dense --rows int8 --data scifact --model tuned/sentence-transformer --output scifact.int8\n"
            "  bmae search --index scifact.bm25 --queries scifact/queries.jsonl --output run.trec",
            [&all = all_] { return make_index(all.common, all.index); });
        table_.text(app, "--method", options.method, "bm25 or dense");
        table_.path(app, "--data", options.data, "BEIR folder, of which the corpus alone is read")
            .by_default("none: this or --vectors");
        table_.path(app, "--output", options.output, "New folder; it appears when it is complete").required();
        table_.flag(app, "--store-texts", options.store_texts, "Keep the texts too, which search --query then shows");
        for (DeclaredOption* const option :
             {&table_.real(app, "--k1", options.k1, {.most = 1000}, "Saturation"),
              &table_.real(app, "--b", options.b, {}, "Length normalization"),
              &table_.whole(app, "--memory", options.memory, {.least = 1, .most = std::uint64_t{1} << 24},
                            "Megabytes of buffers; ids and terms come on top")}) {
            option->with("--method", {"bm25"});
        }
        for (DeclaredOption* const option : add_terms(table_, app, options.terms)) { option->with("--method", {"bm25"}); }
        dense(app, options);
        table_.flag(app, "--skip-malformed", options.skip_malformed, "Skip and count malformed lines").without("--vectors");
        common_.threads(app);
    }

    void dense(CLI::App& app, IndexOptions& options) {
        std::vector<DeclaredOption*> encoding = add_model(table_, app, options.model);
        encoding.push_back(&add_prompt(table_, app, "document",
                                       [&options](std::string const& prompt) { options.model.prompts.document = prompt; }));
        for (DeclaredOption* const option :
             {&table_.text(app, "--precision", options.model.precision, "Compute type of the encoder: fp32, bf16 or int8"),
              &table_.whole(app, "--batch-tokens", options.model.batch_tokens, batch_range, "Tokens of a batch"),
              &common_.device(app)}) {
            encoding.push_back(option);
        }
        for (DeclaredOption* const option : encoding) { option->with("--method", {"dense"}).without("--vectors"); }
        for (DeclaredOption* const option :
             {&table_.path(app, "--vectors", options.vectors, "Vectors made by encode, a file or a folder, in place of --model"),
              &table_.text(app, "--rows", options.rows, "Stored rows: fp32, bf16, int8 or binary"),
              &table_
                   .text(app, "--finer-rows", options.finer_rows,
                         "Rows beside them by which the best are scored again: fp32, bf16 or none")
                   .with("--rows", {"int8", "binary"}),
              &table_.text(app, "--similarity", options.similarity, "cosine, dot, euclidean or manhattan")
                   .by_default("the model's, else dot")}) {
            option->with("--method", {"dense"});
        }
    }
};

}  // namespace

void declare_index_command(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands) {
    IndexCommands(program, table, all, commands).declare();
}

}  // namespace bmae::program
