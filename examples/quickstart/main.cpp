// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Shows the effect of the bottleneck in minutes: pre-train, fine-tune, search, measure, query. Run by examples/quickstart.sh.
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <bmae/detail/folders.hpp>
#include <bmae/edge/sentence_transformer_folder.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/training/allocator.hpp>

#include "collection_files.hpp"
#include "experiment.hpp"
#include "packages.hpp"
#include "world.hpp"

namespace {

using namespace quickstart;

struct Request {
    std::filesystem::path output = "build/quickstart";
    std::vector<std::string> packages;
    std::string beir;
    double hours = 0;
    std::uint64_t seed = 1;
    std::uint64_t steps = 0;
    std::vector<std::string> queries;
    bool ask = true;
    std::filesystem::path write;
    std::size_t topics = WorldOptions{}.topics;
    std::size_t words_per_topic = WorldOptions{}.words_per_topic;
    std::size_t topics_per_article = WorldOptions{}.topics_per_article;
};

struct Row {
    std::string name;
    std::optional<Scores> zero_shot;
    std::optional<Scores> fine_tuned;
};

void print_table(std::vector<Row> const& rows) {
    std::printf("\n%-22s|        zero-shot            |        fine-tuned\n", "");
    std::printf("%-22s| MRR@10  Recall@100  NDCG@10 | MRR@10  Recall@100  NDCG@10\n", "");
    std::printf("----------------------+-----------------------------+----------------------------\n");
    for (Row const& row : rows) {
        std::printf("%-22s|", row.name.c_str());
        for (auto const* column : {&row.zero_shot, &row.fine_tuned}) {
            if (auto const& scores = *column) {
                std::printf(" %6.3f  %10.3f  %7.3f ", scores->mrr, scores->recall, scores->ndcg);
            } else {
                std::printf(" %6s  %10s  %7s ", "-", "-", "-");
            }
            std::printf("%s", column == &row.zero_shot ? "|" : "");
        }
        std::printf("\n");
    }
    std::fflush(stdout);
}

nlohmann::ordered_json to_json(std::vector<Row> const& rows) {
    nlohmann::ordered_json table;
    auto const scores = [](std::optional<Scores> const& s) {
        return s ? nlohmann::ordered_json{{"mrr@10", s->mrr}, {"recall@100", s->recall}, {"ndcg@10", s->ndcg}}
                 : nlohmann::ordered_json();
    };
    for (Row const& row : rows) {
        table[row.name] = {{"zero_shot", scores(row.zero_shot)}, {"fine_tuned", scores(row.fine_tuned)}};
    }
    return table;
}

std::string shortened(std::string const& text) {
    std::string line = text.substr(0, 110);
    if (line.size() < text.size()) { line += " ..."; }
    return line;
}

// Prints the ten best texts for a question.
class Answers {
public:
    Answers(Collection const& collection, bmae::SentenceEncoder const& encoder)
        : collection_(collection),
          encoder_(encoder),
          index_(encoder.encode(collection.texts), collection.ids),
          bm25_(collection.texts, collection.ids) {}

    void print(std::string const& question) const {
        bmae::Run const dense = index_.search(encoder_.encode(question), 100);
        bmae::Run const words = bm25_.search(std::vector<std::string>{question}, 100);
        std::printf("\n\"%s\"\n", question.c_str());
        show("by meaning", dense);
        if (words.size() != 0 && !words.hits(0).empty() && collection_.name == "package descriptions") {
            show("by words (BM25)", words, 3);
            show("both", bmae::reciprocal_rank_fusion(dense, words), 3);
        }
        std::fflush(stdout);
    }

private:
    void show(char const* how, bmae::Run const& run, std::size_t most = 10) const {
        std::printf("  %s:\n", how);
        bmae::IdTable const rows(collection_.ids);
        std::size_t rank = 0;
        for (bmae::Hit const& hit : run.hits(0)) {
            if (rank == most) { break; }
            std::string const id(run.document(hit.document));
            std::printf("  %2zu. %-24s %s\n", ++rank, id.c_str(), shortened(collection_.texts[*rows.find(id)]).c_str());
        }
    }

    Collection const& collection_;
    bmae::SentenceEncoder const& encoder_;
    bmae::ExactIndex index_;
    bmae::Bm25Index bm25_;
};

World invented_world(Request const& request) {
    return World({.seed = request.seed,
                  .topics = request.topics,
                  .words_per_topic = request.words_per_topic,
                  .topics_per_article = request.topics_per_article});
}

Collection load(Request const& request) {
    if (!request.packages.empty()) {
        return package_collection(read_packages(request.packages.at(0), request.packages.at(1)), request.seed);
    }
    if (!request.beir.empty()) { return read_beir(request.beir); }
    return invented_world(request).collection();
}

Settings settings_for(Request const& request) {
    Settings settings{.seed = request.seed, .output = request.output};
    if (!request.packages.empty() || !request.beir.empty()) {
        // Real text: a small vocabulary keeps every token frequent enough to be learned in minutes.
        settings.layers = 3;
        settings.vocabulary = 4000;
        settings.max_length = 64;
        settings.learning_rate = 3e-3;
        settings.steps = 2800;
        settings.finetune_steps = 400;
    }
    if (request.hours > 0) {
        settings.layers = 4;
        settings.width = 256;
        settings.vocabulary = 8000;
        settings.max_length = 128;
        settings.learning_rate = 1e-3;
        settings.finetune_steps = 1000;
    }
    if (request.steps != 0) { settings.steps = request.steps; }
    return settings;
}

int run(Request const& request) {
    if (!request.write.empty()) {
        bmae::detail::AtomicFolder folder(request.write);
        std::size_t const vocabulary = settings_for(request).vocabulary;
        if (request.packages.empty() && request.beir.empty()) {
            write_world(invented_world(request), vocabulary, folder.partial());
        } else {
            write_collection(load(request), vocabulary, folder.partial());
        }
        folder.commit();
        std::printf("%s: texts to search, documents to read, a tokenizer\n", request.write.c_str());
        return 0;
    }
    bmae::keep_freed_memory();   // from here on this process trains
    if (std::filesystem::exists(request.output / "results.json")) {
        throw bmae::InputError(bmae::Diagnostic{.file = request.output.string(),
                                                .expected = "a folder without results",
                                                .found = "results.json",
                                                .hint = "Name another --output, or remove that folder."});
    }
    std::filesystem::create_directories(request.output);
    Collection const collection = load(request);
    std::printf("%s: %zu texts to search, %zu more to read, %zu questions to train on, %zu to measure\n", collection.name.c_str(),
                collection.texts.size(), collection.unlabeled.size(), collection.train.size(), collection.test.size());
    std::printf("  a text:       %s\n  its question: %s\n", shortened(collection.texts[collection.test[0].relevant[0]]).c_str(),
                collection.test[0].text.c_str());
    std::fflush(stdout);
    if (request.packages.empty() && request.beir.empty() && !std::filesystem::exists(request.output / "world")) {
        bmae::detail::AtomicFolder folder(request.output / "world");
        write_beir(collection, folder.partial());
        folder.commit();
    }
    Settings settings = settings_for(request);
    Experiment experiment(collection, settings);
    if (request.hours > 0 && request.steps == 0) {
        settings.steps = experiment.steps_in(request.hours * 3600 / 2, "retromae");   // the two pre-trainings share the time
        experiment.set_steps(settings.steps);
        std::printf("%.2f hours give %llu steps of pre-training\n", request.hours,
                    static_cast<unsigned long long>(settings.steps));
    }
    bool const has_training = !collection.train.empty();
    bool const show_hybrid = !request.packages.empty() || !request.beir.empty();
    std::vector<Row> rows{{"BM25", experiment.bm25(), {}}};
    std::optional<bmae::SentenceEncoder> best;
    struct Method {
        char const* title;
        std::optional<std::string> preset;
    };
    for (Method const& method : {Method{"no pre-training", {}}, Method{"MLM", "mlm"}, Method{"RetroMAE", "retromae"}}) {
        bmae::BertEncoder encoder = experiment.pretrain(method.preset);
        Row row{method.title, experiment.dense(experiment.sentence_encoder(encoder)), {}};
        if (has_training) {
            encoder = experiment.finetune(encoder, method.preset.value_or("none"));
            row.fine_tuned = experiment.dense(experiment.sentence_encoder(encoder));
        }
        rows.push_back(row);
        best.emplace(experiment.sentence_encoder(encoder));
    }
    if (show_hybrid) { rows.push_back({"RetroMAE + BM25", {}, experiment.hybrid(*best)}); }
    print_table(rows);
    std::filesystem::remove_all(request.output / "sentence-transformer");   // of a run that was interrupted at its end
    bmae::save_sentence_transformer(*best, request.output / "sentence-transformer");
    bmae::detail::write_file(request.output / "losses.svg",
                             loss_chart(experiment.curves(), "Masked-token loss of the encoder: " + collection.name));
    bmae::detail::write_file(request.output / "results.json", to_json(rows).dump(2) + '\n');
    std::printf("\nsaved: %s (loads in sentence-transformers), losses.svg and results.json beside it\n",
                (request.output / "sentence-transformer").c_str());

    Answers const answers(collection, *best);
    for (std::string const& question : request.queries.empty() ? collection.samples : request.queries) {
        answers.print(question);
    }
    if (request.ask && isatty(0) != 0) {
        std::printf("\nAsk (an empty line ends): ");
        std::fflush(stdout);
        for (std::string line; std::getline(std::cin, line) && !line.empty();) {
            answers.print(line);
            std::printf("\nAsk (an empty line ends): ");
            std::fflush(stdout);
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Request request;
    CLI::App app{
        "Pre-trains, fine-tunes, searches and measures, on an invented world or on real text.\n"
        "Example: quickstart --output build/quickstart --query \"Where is the regatta?\""};
    app.add_option("--output", request.output, "folder for everything that is written");
    app.add_option("--packages", request.packages, "package descriptions: a Translation-en file and a Packages file, unpacked")
        ->expected(2);
    app.add_option("--beir", request.beir, "folder of a collection in BEIR's layout");
    app.add_option("--hours", request.hours, "train a larger model for this long");
    app.add_option("--steps", request.steps, "steps of pre-training");
    app.add_option("--seed", request.seed, "of world, model and training");
    app.add_option("--write", request.write,
                   "write the collection to this new folder, for other programs, and end: beir/, documents.jsonl and tokenizer/; "
                   "the invented world with queries, continuations and rows.jsonl");
    app.add_option("--topics", request.topics, "topics of the invented world, 50 at most")
        ->excludes("--packages")
        ->excludes("--beir");
    app.add_option("--words-per-topic", request.words_per_topic, "words that such a topic has, 24 at most")
        ->excludes("--packages")
        ->excludes("--beir");
    app.add_option("--topics-per-article", request.topics_per_article, "topics of one of its articles; more are harder")
        ->excludes("--packages")
        ->excludes("--beir");
    app.add_option("--query", request.queries, "question to answer; may be given again");
    app.add_flag("!--no-ask", request.ask, "do not ask for questions on the terminal");
    try {
        app.parse(argc, argv);
    } catch (CLI::ParseError const& error) { return app.exit(error) == 0 ? 0 : 2; }
    try {
        return run(request);
    } catch (bmae::InputError const& error) {
        std::fprintf(stderr, "quickstart: %s\n", error.what());
        return 2;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "quickstart: %s\n", error.what());
        return 1;
    }
}
