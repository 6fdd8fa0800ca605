// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "run_folder.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <set>
#include <string_view>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/detail/json_text.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/values/error.hpp>

#include "json_member.hpp"

namespace bmae::program {

namespace {

constexpr char const* log_file = "log.jsonl";
constexpr char const* manifest_file = "manifest.json";
constexpr std::size_t most_told = 20;   ///< problems of one file that are told one by one

std::string plain_text(Json const& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

/// Collects the problems of one file.
class Problems {
public:
    Problems(Path const& file, std::vector<std::string>& all) : file_(file.string()), all_(all) {}
    Problems(Problems const&) = delete;
    Problems& operator=(Problems const&) = delete;
    ~Problems() {
        if (count_ > most_told) { all_.push_back(file_ + ": " + count_text(count_ - most_told) + " further problems"); }
    }

    void add(std::size_t line, std::string const& what) {
        if (++count_ <= most_told) { all_.push_back(file_ + (line == 0 ? "" : ':' + std::to_string(line)) + ": " + what); }
    }

private:
    std::string file_;
    std::vector<std::string>& all_;
    std::size_t count_ = 0;
};

/// Reads log.jsonl into curves.
class LogReader {
public:
    LogReader(Path const& file, RunFolder& run, std::vector<std::string>& problems)
        : file_(file), run_(run), problems_(file, problems) {}

    void read() {
        detail::LineReader lines(file_);
        std::size_t number = 0;
        for (std::string_view line; lines.next(line);) {
            ++number;
            if (line.find_first_not_of(" \t") == line.npos) { continue; }
            Json const json = detail::parse_json_or_nothing<Json>(line);
            if (!json.is_object()) {
                problems_.add(number, "no JSON object; the line is left out");
                continue;
            }
            read_line(json, number);
        }
        if (number == 0) { problems_.add(0, "empty: the run has logged nothing"); }
    }

private:
    void read_line(Json const& json, std::size_t line) {
        Json const& step = member(json, "step");
        if (!step.is_number() || !std::isfinite(step.get<double>())) {
            return problems_.add(line, "no \"step\"; the line is left out");
        }
        step_ = step.get<double>();
        step_text_ = plain_text(step);
        line_ = line;
        bool const measures = json.contains("figures");
        double& last = measures ? last_figures_ : last_step_;
        if (step_ <= last) { return problems_.add(line, "step " + step_text_ + " again or out of order; the line is left out"); }
        last = step_;
        if (measures) { return read_figures(json["figures"]); }
        for (char const* const key : {"loss", "learning_rate", "gradient_norm", "tokens_per_second"}) {
            if (json.contains(key)) { add(key, json[key]); }
        }
        read_time(json);
        for (Json const& term : member(json, "terms")) { read_term(term); }
    }

    void read_figures(Json const& figures) {
        if (!figures.is_object()) { return problems_.add(line_, "\"figures\" is no object; the line is left out"); }
        for (auto const& [name, value] : figures.items()) { add("evaluation: " + name, value); }
    }

    void read_term(Json const& term) {
        if (!term.is_object()) { return problems_.add(line_, "a term that is no object is left out"); }
        std::string const task = plain_text(member(term, "task"));
        std::string name = "term " + plain_text(member(term, "name")) + " (" + plain_text(member(term, "kind"));
        name += (task.empty() || task == "null" ? "" : ", " + task) + ")";
        Json const& labels = member(term, "labels");
        if (labels.is_number() && labels.get<double>() == 0) { return; }   // its loss is that of nothing
        add(name + ": loss", member(term, "loss"));
        if (term.contains("accuracy") && !term["accuracy"].is_null()) { add(name + ": accuracy", term["accuracy"]); }
    }

    /// Seconds of training, from the tokens of each line and their rate.
    void read_time(Json const& json) {
        Json const& tokens = member(json, "tokens");
        Json const& rate = member(json, "tokens_per_second");
        if (tokens.is_number() && rate.is_number() && rate.get<double>() > 0) {
            seconds_ += std::max(0.0, tokens.get<double>() - tokens_) / rate.get<double>();
            tokens_ = tokens.get<double>();
        }
        run_.seconds.emplace_back(step_, seconds_);
    }

    void add(std::string const& name, Json const& value) {
        if (!value.is_number() || !std::isfinite(value.get<double>())) {   // JSON has no NaN: it is written as null
            return problems_.add(line_, name + " of step " + step_text_ + " is " +
                                            (value.is_null() ? "NaN or infinite" : plain_text(value)) + ", no finite number");
        }
        auto const [place, is_new] = places_.emplace(name, run_.curves.size());
        if (is_new) { run_.curves.push_back({.name = name}); }
        run_.curves[place->second].points.emplace_back(step_, value.get<double>());
    }

    Path file_;
    RunFolder& run_;
    Problems problems_;
    std::map<std::string, std::size_t> places_ = {};
    double step_ = 0;
    std::string step_text_ = {};
    std::size_t line_ = 0;
    double last_step_ = -1;
    double last_figures_ = -1;
    double tokens_ = 0;
    double seconds_ = 0;
};

Json read_object(Path const& file, std::vector<std::string>& problems) {
    if (!std::filesystem::is_regular_file(file)) {
        problems.push_back(file.string() + ": missing");
        return Json::object();
    }
    Json json = detail::parse_json_or_nothing<Json>(detail::read_file(file, std::uint64_t{1} << 28));
    if (json.is_object()) { return json; }
    problems.push_back(file.string() + ": no JSON object; it is left out");
    return Json::object();
}

/// Options of the command line from run.json, without those that are one start's or that name no setting.
void read_command(Json const& record, RunFolder& run) {
    static std::set<std::string> const aside{"--output",    "--threads",        "--log-every", "--save-every",
                                             "--keep-last", "--loader-threads", "--json"};
    if (member(record, "command").is_string()) { run.settings["command"] = record["command"].get<std::string>(); }
    for (auto const& [name, values] : member(record, "options").items()) {
        if (aside.contains(name)) { continue; }
        std::string text;
        for (Json const& value : values) { text += (text.empty() ? "" : " ") + plain_text(value); }
        run.settings[name] = text.empty() ? "on" : text;
    }
}

/// Composition and options from the newest checkpoint.
void read_checkpoint(Path const& file, RunFolder& run, std::vector<std::string>& problems) {
    Json const trainer = read_object(file, problems);
    for (auto const& [name, value] : member(trainer, "options").items()) {
        run.settings["training: " + name] = plain_text(value);
    }
    Json const objective = objective_from(objective_text(trainer));
    if (objective.is_null()) {
        if (trainer.contains("objective")) {
            problems.push_back(file.string() + ": its objective is no description; it is left out");
        }
        return;
    }
    if (member(objective, "preset").is_string()) { run.preset = objective["preset"].get<std::string>(); }
    if (member(objective, "composition").is_string()) { run.text = objective["composition"].get<std::string>(); }
    for (char const* const key : {"preset", "composition", "max_length", "corpus", "pairs", "generator", "dictionary"}) {
        if (objective.contains(key)) { run.settings[key] = plain_text(objective[key]); }
    }
    for (auto const& [path, value] : member(objective, "numbers").items()) {
        run.composition[path] = plain_text(value);
        run.settings["model: " + path] = plain_text(value);
    }
}

RunFolder read_run_folder(std::string name, Path const& path, std::vector<std::string>& problems) {
    RunFolder run{.name = std::move(name), .path = path};
    LogReader(path / log_file, run, problems).read();
    if (std::filesystem::exists(path / run_options_file)) { read_command(read_object(path / run_options_file, problems), run); }
    auto const checkpoints = list_checkpoints(path);
    if (checkpoints.empty()) {
        problems.push_back(path.string() + ": no checkpoint, so the composition is not known");
    } else {
        read_checkpoint(checkpoints.front().path / "trainer.json", run, problems);
    }
    return run;
}

/// The numbers of what evaluate, similarity, transfer or glue printed.
void read_stage_figures(Json const& value, std::string const& prefix, ReportedStage& stage, int depth = 0) {
    constexpr int deepest = 3;
    if (value.is_number() && !prefix.empty()) { stage.figures.emplace_back(prefix, value.get<double>()); }
    if (!value.is_object() || depth > deepest) { return; }
    for (auto const& [name, inner] : value.items()) {
        read_stage_figures(inner, prefix.empty() ? name : prefix + ' ' + name, stage, depth + 1);
    }
}

PipelineFolder read_pipeline(std::string name, Path const& path, Json const& manifest, std::vector<std::string>& problems) {
    PipelineFolder pipeline{.name = std::move(name), .recipe = plain_text(member(manifest, "recipe"))};
    for (Json const& json : member(manifest, "stages")) {
        if (!member(json, "name").is_string()) {
            problems.push_back((path / manifest_file).string() + ": a stage without a name is left out");
            continue;
        }
        ReportedStage stage{.name = json["name"].get<std::string>()};
        for (Json const& word : member(json, "words")) { stage.command += (stage.command.empty() ? "" : " ") + plain_text(word); }
        for (Json const& output : member(json, "outputs")) {
            ++stage.outputs;
            Json const& bytes = member(output, "bytes");
            if (bytes.is_number_unsigned()) { stage.bytes += bytes.get<std::uint64_t>(); }
        }
        Json const& figures = member(json, "figures");
        read_stage_figures(member(figures, "measures"), {}, stage);
        for (char const* const key : {"scores", "alignment", "uniformity", "isotropy", "mean_accuracy"}) {
            read_stage_figures(member(figures, key), key, stage);
        }
        for (Json const& task : member(figures, "results")) {   // of glue
            read_stage_figures(member(task, "mean"), plain_text(member(task, "task")), stage);
        }
        pipeline.stages.push_back(std::move(stage));
    }
    return pipeline;
}

/// Folders of runs below a pipeline's, by their names.
std::vector<Path> runs_below(Path const& folder) {
    std::vector<Path> found;
    using Walk = std::filesystem::recursive_directory_iterator;
    for (auto const& entry : Walk(folder, std::filesystem::directory_options::skip_permission_denied)) {
        if (entry.is_regular_file() && entry.path().filename() == log_file) { found.push_back(entry.path().parent_path()); }
    }
    std::ranges::sort(found);
    return found;
}

/// Names of the folders: as short as they differ.
std::vector<std::string> names_of_runs(std::vector<Path> const& folders) {
    std::vector<Path> whole;
    for (Path const& folder : folders) {
        whole.push_back(detail::without_slash(std::filesystem::absolute(folder).lexically_normal()));
    }
    auto const last = [](Path path, std::size_t parts) {
        Path name = path.filename();
        for (std::size_t i = 1; i < parts && path.has_relative_path(); ++i) {
            path = path.parent_path();
            if (path.has_filename()) { name = path.filename() / name; }
        }
        return name.string();
    };
    std::vector<std::string> names;
    for (std::size_t parts = 1; parts <= 16; ++parts) {
        names.clear();
        for (Path const& path : whole) { names.push_back(last(path, parts)); }
        if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) { break; }
    }
    return names;
}

}  // namespace

Curve const* RunFolder::find(std::string const& curve) const {
    auto const found = std::ranges::find(curves, curve, &Curve::name);
    return found == curves.end() ? nullptr : &*found;
}

double RunFolder::seconds_at(double step) const {
    auto const after = std::ranges::upper_bound(seconds, step, {}, &std::pair<double, double>::first);
    return after == seconds.begin() ? 0 : std::prev(after)->second;
}

ReportedFolders read_folders(std::vector<Path> const& folders) {
    ReportedFolders read;
    std::vector<std::string> const names = names_of_runs(folders);
    for (std::size_t i = 0; i < folders.size(); ++i) {
        Path const& folder = folders[i];
        auto const refuse = [&](std::string found) {
            return InputError(Diagnostic{
                .file = folder.string(),
                .expected = "the output folder of a run, with log.jsonl, of glue, with run.json, or of a pipeline, with "
                            "manifest.json",
                .found = std::move(found)});
        };
        if (!std::filesystem::is_directory(folder)) {
            throw refuse(std::filesystem::exists(folder) ? "a file" : "nothing of that name");
        }
        if (std::filesystem::is_regular_file(folder / log_file)) {
            read.runs.push_back(read_run_folder(names[i], folder, read.problems));
            continue;
        }
        std::vector<Path> const below = runs_below(folder);
        if (std::filesystem::is_regular_file(folder / manifest_file)) {
            Json const manifest = read_object(folder / manifest_file, read.problems);
            if (!member(manifest, "stages").is_array()) { throw refuse("a manifest without stages"); }
            read.pipelines.push_back(read_pipeline(names[i], folder, manifest, read.problems));
        } else if (below.empty() || !std::filesystem::is_regular_file(folder / run_options_file)) {
            throw refuse("a folder of another kind");
        }
        for (Path const& run : below) {
            read.runs.push_back(read_run_folder(names[i] + '/' + run.lexically_relative(folder).string(), run, read.problems));
        }
    }
    return read;
}

}  // namespace bmae::program
