// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "model_card.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/detail/json_text.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/lexical_files.hpp>
#include <bmae/io/sentence_router.hpp>
#include <bmae/version.hpp>

#include "folder_kind.hpp"
#include "glue.hpp"
#include "json_member.hpp"

namespace bmae::program {

namespace {

constexpr std::uint64_t largest_text = std::uint64_t{1} << 26;

/// What the card says of a kind of folder: what loads it, and how.
struct KindText {
    std::string_view title;
    std::string_view library;
    std::string_view task;   ///< pipeline_tag of the Hub
    std::vector<std::string_view> tags;
    std::string_view python;
    std::string_view command;
};

KindText const sentence_text{
    .title = "Sentence encoder",
    .library = "sentence-transformers",
    .task = "sentence-similarity",
    .tags = {"sentence-transformers", "sentence-similarity", "feature-extraction"},
    .python =
        "from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer(\"FOLDER\")\n"
        "vectors = model.encode([\"a query\", \"a document\"])\n",
    .command = "bmae search --model FOLDER --data COLLECTION --split test --output run.trec"};
KindText const router_text{
    .title = "Sentence encoder of queries and documents",
    .library = "sentence-transformers",
    .task = "sentence-similarity",
    .tags = {"sentence-transformers", "sentence-similarity", "feature-extraction", "router"},
    .python =
        "from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer(\"FOLDER\")\n"
        "queries = model.encode_query([\"a query\"])\ndocuments = model.encode_document([\"a document\"])\n",
    .command = "bmae search --model FOLDER --data COLLECTION --split test --output run.trec"};
KindText const cross_text{
    .title = "Reranker",
    .library = "sentence-transformers",
    .task = "text-ranking",
    .tags = {"sentence-transformers", "cross-encoder", "reranker"},
    .python =
        "from sentence_transformers import CrossEncoder\n\nmodel = CrossEncoder(\"FOLDER\")\n"
        "scores = model.predict([(\"a query\", \"a document\")])\n",
    .command = "bmae rerank --model FOLDER --run run.trec --data COLLECTION --split test --output reranked.trec"};
KindText const classifier_text{
    .title = "Classifier",
    .library = "transformers",
    .task = "text-classification",
    .tags = {"text-classification"},
    .python =
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
        "tokenizer = AutoTokenizer.from_pretrained(\"FOLDER\")\n"
        "model = AutoModelForSequenceClassification.from_pretrained(\"FOLDER\")\n"
        "logits = model(**tokenizer(\"a text\", \"a second one\", return_tensors=\"pt\")).logits   # tasks of one text: without "
        "it\n",
    .command = "bmae glue --model FOLDER --task TASK --data GLUE --epochs 3 --output glue   # trains it further"};
KindText const sparse_text{
    .title = "Sparse encoder",
    .library = "sentence-transformers",
    .task = "feature-extraction",
    .tags = {"sentence-transformers", "sparse-encoder", "splade", "feature-extraction"},
    .python =
        "from sentence_transformers import SparseEncoder\n\nmodel = SparseEncoder(\"FOLDER\")\n"
        "vectors = model.encode([\"a query\", \"a document\"])\n",
    .command = "bmae search --method sparse --model FOLDER --data COLLECTION --split test --output run.trec"};
KindText const token_text{
    .title = "Encoder of token vectors",
    .library = "sentence-transformers",
    .task = "feature-extraction",
    .tags = {"sentence-transformers", "multi-vector", "colbert", "feature-extraction"},
    .python =
        "from sentence_transformers import MultiVectorEncoder\n\nmodel = MultiVectorEncoder(\"FOLDER\")\n"
        "vectors = model.encode_document([\"a document\"])\n",
    .command = "bmae search --method maxsim --model FOLDER --data COLLECTION --split test --output run.trec"};
KindText const lexical_text{
    .title = "Sparse encoder",
    .library = "transformers",
    .task = "fill-mask",
    .tags = {"fill-mask", "sparse-encoder"},
    .python =
        "from transformers import AutoModelForMaskedLM   # lexical.json tells the rows whose logits count\n\n"
        "model = AutoModelForMaskedLM.from_pretrained(\"FOLDER\")\n",
    .command = "bmae search --method sparse --model FOLDER --data COLLECTION --split test --output run.trec"};
KindText const dense_lexical_text{
    .title = "Encoder of dense vectors and lexical weights",
    .library = "transformers",
    .task = "fill-mask",
    .tags = {"fill-mask", "dupmae"},
    .python =
        "from transformers import AutoModelForMaskedLM   # the reduction of [CLS] is in reduction.safetensors\n\n"
        "model = AutoModelForMaskedLM.from_pretrained(\"FOLDER\")\n",
    .command = "bmae search --method dense-lexical --model FOLDER --data COLLECTION --split test --output run.trec"};
KindText const bare_text{
    .title = "Encoder",
    .library = "transformers",
    .task = "fill-mask",
    .tags = {"fill-mask"},
    .python =
        "from transformers import AutoModel, AutoTokenizer\n\ntokenizer = AutoTokenizer.from_pretrained(\"FOLDER\")\n"
        "model = AutoModel.from_pretrained(\"FOLDER\")\n",
    .command = "bmae search --model FOLDER --pooling cls --data COLLECTION --split test --output run.trec"};

Json read_or_nothing(Path const& file) {
    if (!std::filesystem::is_regular_file(file)) { return {}; }
    Json json = detail::parse_json_or_nothing<Json>(detail::read_file(file, largest_text));
    return json.is_discarded() ? Json() : json;
}

KindText const& kind_text_of(Path const& folder) {
    switch (kind_of_folder(folder)) {
        case FolderKind::cross_encoder:   // rerankers state no problem type
            return member(read_or_nothing(folder / "config.json"), "problem_type").is_string() ? classifier_text : cross_text;
        case FolderKind::sparse_encoder:
            return std::filesystem::exists(folder / detail::lexical_file) ? lexical_text : sparse_text;
        case FolderKind::dense_lexical_encoder:
            return dense_lexical_text;
        case FolderKind::token_encoder:
            return token_text;
        case FolderKind::sentence_encoder:
            return is_router_folder(folder) ? router_text : sentence_text;
        case FolderKind::other:
            break;
    }
    return bare_text;
}

/// A folder or file by a name that says what it is, without the place where it lies: the last part of its path, or the last two
/// where programs choose the last one.
std::string short_name(Path path) {
    path = detail::without_slash(path.lexically_normal());
    constexpr std::array<std::string_view, 9> of_programs{
        "run",           "store",      "model",      "sentence-transformer", "cross-encoder", "sparse-encoder",
        "token-encoder", "classifier", "train.jsonl"};
    std::string const last = path.filename().string();
    bool const general = std::ranges::find(of_programs, last) != of_programs.end() || last.starts_with("step-");
    std::string const parent = path.parent_path().filename().string();
    return general && !parent.empty() ? parent + '/' + last : last;
}

/// Whether a text can be the name of a model on the Hub: NAME or OWNER/NAME.
bool is_hub_name(std::string_view text) {
    auto const allowed = [](char c) {
        bool const letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        return letter || c == '-' || c == '_' || c == '.' || c == '/';
    };
    return !text.empty() && text.size() <= 96 && std::ranges::all_of(text, allowed) && std::ranges::count(text, '/') <= 1 &&
           text.front() != '/' && text.front() != '.' && text.back() != '/';
}

/// The model on the Hub that a folder descends from, as its own card or config.json says; empty where unknown.
std::string base_model_of(Path const& folder) {
    for (Path const& card : {folder / "README.md", folder / "model/README.md", folder / "sentence-transformer/README.md"}) {
        if (!std::filesystem::is_regular_file(card) || std::filesystem::file_size(card) > largest_text) { continue; }
        detail::LineReader lines(card);
        std::string_view line;
        constexpr std::string_view key = "base_model: ";
        if (!lines.next(line) || line != "---") { continue; }
        while (lines.next(line) && line != "---") {
            if (line.starts_with(key) && is_hub_name(line.substr(key.size()))) { return std::string(line.substr(key.size())); }
        }
    }
    Json const name = member(read_or_nothing(folder / "config.json"), "_name_or_path");
    bool const known =
        name.is_string() && is_hub_name(name.get<std::string>()) && !std::filesystem::exists(name.get<std::string>());
    return known ? name.get<std::string>() : std::string();
}

/// A value as a cell of a Markdown table.
std::string card_cell(Json const& value) {
    std::string made;
    for (char const c : value.is_string() ? value.get<std::string>() : value.dump()) {
        made += c == '|' ? "\\|" : c == '\n' ? " " : std::string(1, c);
    }
    return made;
}

std::string row(std::string const& name, std::string const& value) { return "| " + name + " | " + value + " |\n"; }

/// What is known of the run that made a checkpoint.
class RunFacts {
public:
    explicit RunFacts(Path const& checkpoint) {
        if (checkpoint.empty()) { return; }
        trainer_ = read_or_nothing(checkpoint / "trainer.json");
        objective_ = objective_from(objective_text(trainer_));
        Path const run = std::filesystem::weakly_canonical(checkpoint).parent_path();
        given_ = member(read_or_nothing(run / run_options_file), "options");
        read_figures(run / "log.jsonl");
        result_ = read_or_nothing(run / run_figures_file);
    }

    [[nodiscard]] Json step() const { return member(member(trainer_, "state"), "step"); }
    [[nodiscard]] Json options() const { return member(trainer_, "options"); }
    [[nodiscard]] Json of_objective(char const* key) const { return member(objective_, key); }
    [[nodiscard]] Json const& figures() const noexcept { return figures_; }
    /// What `glue` measured when the run had ended.
    [[nodiscard]] Json const& result() const noexcept { return result_; }
    /// The preset, or the task of `glue`; empty where nothing is known.
    [[nodiscard]] std::string subject() const {
        Json const task = of_objective("task"), preset = of_objective("preset");
        return task.is_string() ? task.get<std::string>() : preset.is_string() ? preset.get<std::string>() : std::string();
    }

    /// The values of an option of the command line; none where the command is not recorded.
    [[nodiscard]] std::vector<Path> given(char const* option) const {
        Json const given = member(given_, option);
        std::vector<Path> values;
        for (Json const& value : given) {
            if (value.is_string()) { values.emplace_back(value.get<std::string>()); }
        }
        return values;
    }

private:
    /// Those of the last evaluation up to the step of the checkpoint.
    void read_figures(Path const& log) {
        if (!step().is_number_unsigned() || !std::filesystem::is_regular_file(log)) { return; }
        auto const end = step().get<std::uint64_t>();
        detail::LineReader lines(log);
        for (std::string_view line; lines.next(line);) {
            if (line.find("\"figures\"") == line.npos) { continue; }
            Json const read = detail::parse_json_or_nothing<Json>(line);
            Json const at = member(read, "step");
            if (at.is_number_unsigned() && at.get<std::uint64_t>() <= end) { figures_ = member(read, "figures"); }
        }
    }

    Json trainer_ = {};
    Json objective_ = {};
    Json given_ = {};
    Json figures_ = {};
    Json result_ = {};
};

/// How the folder is named in an example: layouts with decoders have the encoder in a folder of its own.
std::string with_place(std::string_view example, Path const& folder) {
    bool const inside =
        !std::filesystem::exists(folder / "config.json") && std::filesystem::exists(folder / "encoder_model/config.json");
    std::string made(example);
    std::size_t at = inside ? made.find("FOLDER") : made.npos;
    for (constexpr std::string_view place = "FOLDER/encoder_model"; at != made.npos;
         at = made.find("FOLDER", at + place.size())) {
        made.replace(at, 6, place);
    }
    return made;
}

std::string metadata(KindText const& kind, std::string const& subject, std::string const& base) {
    std::string text = "---\nlibrary_name: " + std::string(kind.library) + "\npipeline_tag: " + std::string(kind.task) + '\n';
    if (!base.empty()) { text += "base_model: " + base + '\n'; }
    text += "tags:\n";
    for (std::string_view const tag : kind.tags) { text += "- " + std::string(tag) + '\n'; }
    text += "- bmae\n";
    if (!subject.empty()) { text += "- " + subject + '\n'; }
    return text + "---\n\n";
}

/// Name and fingerprint of what was trained on.
std::string data_row(RunFacts const& run) {
    std::string text;
    for (Path const& data : run.given("--data")) {
        text += (text.empty() ? "" : ", ") + ('`' + card_cell(short_name(data)) + '`');
    }
    for (char const* const kind : {"corpus", "pairs", "texts"}) {
        Json const hash = run.of_objective(kind);
        if (hash.is_string()) {
            text += (text.empty() ? "" : ", ") + ("fingerprint of the " + std::string(kind)) + ' ' + card_cell(hash);
        }
    }
    return text.empty() ? text : row("data", text);
}

std::string training_section(RunFacts const& run) {
    std::string rows = data_row(run);
    if (run.step().is_number()) { rows += row("optimizer steps", card_cell(run.step())); }
    Json const options = run.options();
    for (auto const& [name, value] : options.items()) {
        if (name != "batch.shuffle" && name != "batch.sort_window") { rows += row(name, card_cell(value)); }
    }
    return rows.empty() ? rows : "## Training\n\n| setting | value |\n|---|---|\n" + rows + '\n';
}

std::string composition_section(RunFacts const& run) {
    Json const composition = run.of_objective("composition");
    if (!composition.is_string()) { return {}; }
    std::string text = "## Composition\n\n```text\n" + card_cell(composition) + "\n```\n\n";
    Json const numbers = run.of_objective("numbers");
    std::string rows;
    for (auto const& [name, value] : numbers.items()) { rows += row('`' + name + '`', card_cell(value)); }
    return rows.empty() ? text : text + "| option | value |\n|---|---|\n" + rows + '\n';
}

std::string figures_section(RunFacts const& run) {
    if (!run.figures().is_object() || run.figures().empty()) { return {}; }
    std::string text = "## Evaluation while training\n\n| figure | value |\n|---|---|\n";
    for (auto const& [name, value] : run.figures().items()) { text += row(card_cell(name), card_cell(value)); }
    return text + '\n';
}

std::string result_section(RunFacts const& run) {
    Json const figures = member(run.result(), "figures");
    if (!figures.is_object() || figures.empty()) { return {}; }
    std::string text = "## Evaluation\n\nDevelopment rows of `" + run.subject() + "`, in percent, with seed " +
                       card_cell(member(run.result(), "seed")) + ".\n\n| figure | value |\n|---|---|\n";
    for (auto const& [name, value] : figures.items()) { text += row(card_cell(name), card_cell(value)); }
    return text + '\n';
}

}  // namespace

void write_model_card(Path const& folder, CardOrigin const& origin) {
    KindText const& kind = kind_text_of(folder);
    RunFacts const run(origin.checkpoint);
    std::string const subject = run.subject();
    std::vector<Path> start = run.given("--model");
    if (start.empty() && !origin.model.empty()) { start.push_back(origin.model); }
    std::string const base = start.empty() ? std::string() : base_model_of(start.front());
    std::string text =
        metadata(kind, subject, base) + "# " + std::string(kind.title) + (subject.empty() ? "" : ": " + subject) + "\n\n";
    text += "Made by bmae " + std::string(version);
    bool const of_task = run.of_objective("task").is_string();
    if (!subject.empty()) { text += (of_task ? " for the task `" : " with the preset `") + subject + '`'; }
    if (!start.empty()) { text += ", from `" + card_cell(short_name(start.front())) + '`'; }
    text += '.' + (origin.change.empty() ? std::string() : ' ' + origin.change) + "\n\n## Use\n\n";
    text += "In Python:\n\n```python\n" + with_place(kind.python, folder) + "```\n\nWith bmae:\n\n```sh\n" +
            with_place(kind.command, folder) + "\n```\n\n";
    text += composition_section(run) + training_section(run) + figures_section(run) + result_section(run);
    text.pop_back();   // ends in one newline
    detail::write_file(folder / "README.md", text, detail::Existing::replace);
}

void write_with_card(Path const& output, std::function<CardOrigin(Path const&)> const& write) {
    detail::AtomicFolder whole(output);
    Path const model = whole.partial() / ".model";
    CardOrigin const origin = write(model);
    write_model_card(model, origin);
    for (auto const& entry : std::filesystem::directory_iterator(model)) {
        std::filesystem::rename(entry.path(), whole.partial() / entry.path().filename());
    }
    std::filesystem::remove(model);
    whole.commit();
}

}  // namespace bmae::program
