// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Fine-tunes an encoder on tasks of language understanding with several seeds, and measures it: `glue`.
#include "glue.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <bmae/corpus/glue_files.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/edge/cross_encoder_folder.hpp>
#include <bmae/edge/sequence_classifier.hpp>
#include <bmae/edge/sequence_classifier_folder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/metrics/any_metric.hpp>
#include <bmae/metrics/classification.hpp>
#include <bmae/metrics/correlation.hpp>
#include <bmae/values/option.hpp>

#include "models.hpp"
#include "option_text.hpp"
#include "spread.hpp"
#include "training.hpp"

namespace bmae::program {

namespace {

constexpr double lowest_score = -1000;   // figures are in percent, correlations from -100
constexpr char const* classifier_folder = "classifier";

/// "1,2,3"
std::vector<std::uint64_t> seeds_of(std::string const& list) {
    std::vector<std::uint64_t> seeds;
    for (std::string const& text : parts_of(list)) {
        auto const seed = detail::number_from<std::uint64_t>(text);
        if (!seed || std::find(seeds.begin(), seeds.end(), *seed) != seeds.end()) {
            throw refuse("--seeds as different whole numbers with commas between: 1,2,3", '"' + list + '"');
        }
        seeds.push_back(*seed);
    }
    return seeds;
}

/// The figures of the papers, in percent: Matthews correlation of CoLA; accuracy and F1 of MRPC and QQP; Pearson and Spearman of STS-B.
Json figures_of(std::string const& task, ClassifiedTexts const& dev, at::Tensor const& outputs) {
    std::vector<double> const gold(dev.targets.begin(), dev.targets.end());
    std::vector<double> predicted;
    at::Tensor const values = (task == "stsb" ? outputs.squeeze(1) : outputs.argmax(1)).to(at::kDouble).contiguous();
    predicted.assign(values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
    auto const percent = [](std::optional<double> const& value) { return value ? Json(*value * 100) : Json(); };
    if (task == "stsb") {
        return {{"pearson", percent(Pearson{}(gold, predicted))}, {"spearman", percent(Spearman{}(gold, predicted))}};
    }
    if (task == "cola") {
        return {{"matthews", percent(Matthews{}(gold, predicted))}, {"accuracy", percent(Accuracy{}(gold, predicted))}};
    }
    return {{"accuracy", percent(Accuracy{}(gold, predicted))}, {"f1", percent(F1{}(gold, predicted))}};
}

/// What GLUE ranks models by: Matthews correlation of CoLA, else the mean of both figures; the lowest where one is not defined.
double score_of(std::string const& task, Json const& figures) {
    if (task == "cola") { return figures["matthews"].is_number() ? figures["matthews"].get<double>() : lowest_score; }
    double sum = 0;
    for (auto const& [name, value] : figures.items()) {
        if (!value.is_number()) { return lowest_score; }
        sum += value.get<double>();
    }
    return sum / static_cast<double>(figures.size());
}

/// Names of the outputs, as GLUE's data sets have them.
std::vector<std::string> labels_of_task(std::string const& task) {
    if (task == "cola") { return {"unacceptable", "acceptable"}; }
    if (task == "mrpc") { return {"not_equivalent", "equivalent"}; }
    if (task == "qqp") { return {"not_duplicate", "duplicate"}; }
    return {"score"};
}

/// The model and its tokenizer, loaded anew for each run, and the head of a folder that has one of the same labels.
struct LabelledStart {
    LoadedModel model;
    NamedTensors head = {};
};

LabelledStart load_labelled_start(GlueOptions const& options, std::size_t labels) {
    LabelledStart start{.model = load_model(options.model)};
    require_one_encoder(start.model, "fine-tuning on GLUE");
    if (start.model.sentence && !start.model.sentence->prompts.are_empty()) { say("the prompts of the model are not read"); }
    if (options.training.dropout >= 0) { start.model.encoder = with_dropout(start.model.encoder, options.training.dropout); }
    if (!detail::holds_classifier(start.model.path)) { return start; }
    detail::Classifier read = detail::load_classifier(start.model.path);
    std::int64_t const found = detail::labels_of(read);
    bool const fits = found == static_cast<std::int64_t>(labels) && !read.is_mean;
    say(fits ? "training goes on from the classification head of " + start.model.path.string()
             : "a new classification head: that of the folder " +
                   (read.is_mean ? std::string("reads the mean over the tokens")
                                 : "has " + std::to_string(found) + " labels, the task " + std::to_string(labels)));
    if (fits) { start.head = std::move(read.head); }
    return start;
}

/// One training run.
struct TaskRun {
    GlueTask const& task;
    std::uint64_t seed;
    TrainingOptions training;
};

std::string folder_of_seed(std::uint64_t seed) { return "seed-" + std::to_string(seed); }

/// Refuses a folder that holds something, but for the runs of this command, which are looked at one by one: they may have ended before their
/// first checkpoint. With --resume further tasks and seeds begin beside those that are there.
void check_folder(GlueOptions const& options, std::vector<GlueTask> const& tasks, std::vector<std::uint64_t> const& seeds) {
    Path const& output = options.training.output;
    if (std::filesystem::exists(output / "log.jsonl")) {
        throw InputError(Diagnostic{.file = output.string(),
                                    .expected = "a folder for the runs of all tasks and seeds",
                                    .found = "the run of one seed",
                                    .hint = "Name the folder of the command by --output, two levels above."});
    }
    if (!std::filesystem::is_directory(output)) {
        if (options.training.resume) { warn("there is nothing to resume in " + output.string() + "; new runs begin there"); }
        return detail::require_nothing_lost(output);
    }
    if (options.training.resume) { return; }
    auto const require_own = [&](Path const& folder, auto const& is_own) {
        for (auto const& entry : std::filesystem::directory_iterator(folder)) {
            std::string const name = entry.path().filename().string();
            if (is_own(name)) { continue; }
            throw InputError(Diagnostic{.file = folder.string(),
                                        .expected = "a new or empty output folder",
                                        .found = "a folder that holds '" + name + "'",
                                        .hint =
                                            "Resume by --resume, which also begins further tasks and seeds, or choose another "
                                            "folder; nothing is overwritten."});
        }
    };
    auto const is_task = [&](std::string const& name) {
        return name == run_options_file || std::ranges::any_of(tasks, [&](GlueTask const& task) { return task.name == name; });
    };
    auto const is_run = [&](std::string const& name) {
        return std::ranges::any_of(seeds, [&](std::uint64_t seed) { return folder_of_seed(seed) == name; });
    };
    require_own(output, is_task);
    for (GlueTask const& task : tasks) {
        if (std::filesystem::is_directory(output / task.name)) { require_own(output / task.name, is_run); }
    }
}

/// The runs of a task, a folder each. \throws InputError where one cannot be begun or resumed
std::vector<TaskRun> runs_of(GlueOptions const& options, GlueTask const& task, std::vector<std::uint64_t> const& seeds) {
    std::vector<TaskRun> runs;
    for (std::uint64_t const seed : seeds) {
        TrainingOptions training = options.training;
        training.output = options.training.output / task.name / folder_of_seed(seed);
        training.resume = training.resume && std::filesystem::is_directory(training.output);   // further seeds begin
        check_output(training);
        runs.push_back({.task = task, .seed = seed, .training = std::move(training)});
    }
    return runs;
}

/// The options of the command, for its --resume.
void write_record(GlueOptions const& options) {
    detail::create_folders(options.training.output);
    detail::write_file(options.training.output / run_options_file, options.training.record, detail::Existing::replace);
}

/// A run that has ended, with what it takes to write its folder.
struct Ended {
    Json result;
    double score;
    Trained trained;
    AnyEncoder encoder;
    NamedTensors head;
    AnyTokenizer tokenizer;
    SequenceClassifierOptions options;
};

/// Trains and measures. A run that has ended is measured again: the trainer refuses other options than its own.
/// \returns nothing where it was interrupted
std::optional<Ended> run_seed(Common const& common, GlueOptions const& options, TaskRun const& run) {
    GlueTask const& task = run.task;
    LabelledStart start = load_labelled_start(options, task.labels);
    AnyTokenizer const& tokenizer = start.model.tokenizer;
    auto const framed = [&](GlueRows const& rows) {
        return classified_texts(tokenizer, start.model.encoder.shape(), rows.texts, rows.seconds, rows.targets,
                                options.max_length);
    };
    SequenceClassifier model(
        start.model.encoder, framed(task.train), tokenizer.traits().special(),
        {.task = task.name, .labels = static_cast<std::int64_t>(task.labels), .max_length = options.max_length, .seed = run.seed},
        [&](Path const& folder) {
            detail::write_file(folder / "config.json", encoder_config_text(start.model.encoder, /*with_head=*/false));
            write_length(folder, std::max(length_of(start.model), options.max_length));   // as finetune's results
            tokenizer.save(folder);
        });
    if (!start.head.empty()) { model.take_head(start.head, start.model.path.string()); }
    if (at::Device const device = device_from(common.device); !device.is_cpu()) {
        model.for_each_parameter([&](std::string const&, at::Tensor& value, bool) { value = value.detach().to(device); });
    }
    say(task.name + ", seed " + std::to_string(run.seed) + ": " + count_text(task.train.targets.size()) + " training rows");
    Common own = common;
    own.seed = run.seed;
    detail::create_folders(run.training.output.parent_path());   // nothing is refused any more before it begins
    // A run without a checkpoint refuses nothing any more; else the options of the last command stay until they were accepted.
    bool const is_new = list_checkpoints(run.training.output).empty();
    if (is_new) { write_record(options); }
    Trained const trained = train(own, run.training, model);
    if (!is_new) { write_record(options); }
    if (trained.to == TrainedTo::an_interrupt) { return std::nullopt; }
    ClassifiedTexts const dev = framed(task.dev);
    Json const figures = figures_of(task.name, dev, model.predict(dev));
    Json result{{"seed", run.seed}, {"step", trained.step}, {"end", trained.json["end"]}, {"figures", figures}};
    detail::write_file(run.training.output / run_figures_file, result.dump(1) + '\n', detail::Existing::replace);
    model.for_each_parameter(
        [](std::string const&, at::Tensor& value, bool) { value = value.detach().to(at::kCPU, at::kFloat); });
    return Ended{.result = std::move(result),
                 .score = score_of(task.name, figures),
                 .trained = trained,
                 .encoder = model.encoder(),
                 .head = model.head(),
                 .tokenizer = tokenizer,
                 .options = model.options()};
}

/// Writes the classifier of the best seed as OUTPUT/TASK/classifier.
Path publish_best(GlueOptions const& options, Ended const& best) {
    TrainingOptions of_task = options.training;
    of_task.output /= best.options.task;
    return publish(of_task, best.trained, classifier_folder, [&](Path const& unfinished) {
        save_sequence_classifier(unfinished, best.encoder, best.head, best.tokenizer, best.options,
                                 labels_of_task(best.options.task));
    });
}

/// Refuses what options and model alone decide, before tasks are read: a classifier is made on one text.
void check_model(Common const& common, GlueOptions const& options) {
    check_numbers(common, options.training);
    static_cast<void>(device_from(common.device));
    LoadedModel const model = load_model(options.model);
    require_one_encoder(model, "fine-tuning on GLUE");
    constexpr std::size_t labels = 2;
    SequenceClassifier sample(
        model.encoder, classified_texts(model.tokenizer, model.encoder.shape(), {std::string()}, {}, {0}, options.max_length),
        model.tokenizer.traits().special(),
        {.task = "sample", .labels = static_cast<std::int64_t>(labels), .max_length = options.max_length, .seed = common.seed});
    check_training(common, options.training, sample);
}

/// Mean and sample standard deviation of each figure; `null` where a run has none, and the spread of one run.
std::pair<Json, Json> mean_and_spread(Json const& runs) {
    Json means = Json::object(), spreads = Json::object();
    for (auto const& [name, first] : runs.front()["figures"].items()) {
        std::vector<double> values;
        for (Json const& run : runs) {
            if (run["figures"][name].is_number()) { values.push_back(run["figures"][name].get<double>()); }
        }
        means[name] = spreads[name] = nullptr;
        if (values.size() != runs.size()) { continue; }
        Spread const spread = spread_of(values);
        means[name] = spread.mean;
        if (spread.deviation) { spreads[name] = *spread.deviation; }
    }
    return {means, spreads};
}

std::string task_line(Json const& entry) {
    std::string line = entry["task"].get<std::string>() + ':';
    for (auto const& [name, mean] : entry["mean"].items()) {
        if (!mean.is_number()) { continue; }
        char text[96];
        std::snprintf(text, sizeof text, "  %s %.2f", name.c_str(), mean.get<double>());
        line += text;
        Json const& spread = entry["spread"][name];
        if (!spread.is_number()) { continue; }
        std::snprintf(text, sizeof text, " (deviation %.2f)", spread.get<double>());
        line += text;
    }
    std::size_t const seeds = entry["runs"].size();
    return line + ", " + std::to_string(seeds) + (seeds == 1 ? " seed" : " seeds") + "; the best is " +
           entry["classifier"].get<std::string>() + '\n';
}

/// The tasks, all of which are read before the first is trained on.
std::vector<GlueTask> read_tasks(GlueOptions const& options, ReadReport& read) {
    std::vector<GlueTask> tasks;
    for (std::string const& name : names_of_metrics(options.tasks)) {
        if (std::ranges::any_of(tasks, [&](GlueTask const& task) { return task.name == name; })) {
            throw refuse("--task with each task once", '"' + name + "\" twice");
        }
        tasks.push_back(read_glue_task(options.data, name, reading_by(options.skip_malformed)));
        say_report(tasks.back().report, name);
        read.add(tasks.back().report);
    }
    return tasks;
}

/// All seeds of a task, and the folder of the best. \returns whether none was interrupted
bool run_glue_task(Common const& common, GlueOptions const& options, std::vector<TaskRun> const& runs, Json& result) {
    GlueTask const& task = runs.front().task;
    Json& entry = result["results"].emplace_back(Json{{"task", task.name},
                                                      {"train", task.train.targets.size()},
                                                      {"dev", task.dev.targets.size()},
                                                      {"runs", Json::array()},
                                                      {"mean", nullptr},
                                                      {"spread", nullptr},
                                                      {"best", nullptr},
                                                      {"classifier", nullptr}});
    std::optional<Ended> best;
    for (TaskRun const& run : runs) {
        std::optional<Ended> ended = run_seed(common, options, run);
        result["end"] = ended ? ended->result["end"] : Json("interrupted");
        if (!ended) { return false; }
        entry["runs"].push_back(ended->result);
        if (!best || ended->score > best->score) { best = std::move(ended); }
    }
    std::tie(entry["mean"], entry["spread"]) = mean_and_spread(entry["runs"]);
    entry["best"] = best->result["seed"];
    entry["classifier"] = publish_best(options, *best).string();
    return true;
}

}  // namespace

int glue(Common const& common, GlueOptions const& options) {
    use_threads(common);
    if (!options.training.has_length()) {
        throw refuse("--steps, --epochs or --minutes", "none", "BERT's paper trains for 3 epochs.");
    }
    check_model(common, options);
    std::vector<std::uint64_t> const seeds = seeds_of(options.seeds);
    ReadReport read;
    std::vector<GlueTask> const tasks = read_tasks(options, read);
    check_folder(options, tasks, seeds);
    std::vector<std::vector<TaskRun>> runs;   // and every folder is looked at
    for (GlueTask const& task : tasks) { runs.push_back(runs_of(options, task, seeds)); }
    Json result{{"command", "glue"}, {"end", "finished"}, {"results", Json::array()}, {"malformed", malformed_json(read)}};
    std::string table;
    for (std::vector<TaskRun> const& some : runs) {
        if (!run_glue_task(common, options, some, result)) {
            print_result(common, result, table);
            return interrupted;
        }
        table += task_line(result["results"].back());
    }
    print_result(common, result, table);
    return done;
}

}  // namespace bmae::program
