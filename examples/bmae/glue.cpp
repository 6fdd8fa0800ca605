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
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/metrics/any_metric.hpp>
#include <bmae/metrics/classification.hpp>
#include <bmae/metrics/correlation.hpp>

#include "models.hpp"
#include "option_text.hpp"
#include "spread.hpp"
#include "training.hpp"

namespace bmae::program {

namespace {

constexpr char const* result_file = "result.json";

/// "1,2,3"
std::vector<std::uint64_t> seeds_of(std::string const& list) {
    std::vector<std::uint64_t> seeds;
    for (std::string const& text : parts_of(list)) {
        auto const seed = number_of<std::uint64_t>(text);
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

/// The model and its tokenizer, loaded anew for each run, and the head of a folder that has one of the same labels.
struct Start {
    LoadedModel model;
    NamedTensors head = {};
};

Start load_start(GlueOptions const& options, std::size_t labels) {
    Start start{.model = load_model(options.model)};
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

/// The runs of a task, a folder each. \throws InputError where one cannot be begun or resumed
std::vector<TaskRun> runs_of(GlueOptions const& options, GlueTask const& task, std::vector<std::uint64_t> const& seeds) {
    std::vector<TaskRun> runs;
    for (std::uint64_t const seed : seeds) {
        TrainingOptions training = options.training;
        training.output = options.training.output / task.name / ("seed-" + std::to_string(seed));
        training.resume = training.resume && std::filesystem::is_directory(training.output);   // further seeds begin
        check_output(training);
        runs.push_back({.task = task, .seed = seed, .training = std::move(training)});
    }
    return runs;
}

/// Trains and measures. A run that has ended is measured again: the trainer refuses other options than its own.
/// \returns nothing where it was interrupted
std::optional<Json> run_seed(Common const& common, GlueOptions const& options, TaskRun const& run) {
    GlueTask const& task = run.task;
    detail::create_folders(run.training.output.parent_path());
    Start start = load_start(options, task.labels);
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
    Trained const trained = train(own, run.training, model);
    if (trained.to == TrainedTo::an_interrupt) { return std::nullopt; }
    ClassifiedTexts const dev = framed(task.dev);
    Json result{{"seed", run.seed},
                {"step", trained.step},
                {"end", trained.json["end"]},
                {"figures", figures_of(task.name, dev, model.predict(dev))}};
    detail::write_file(run.training.output / result_file, result.dump(1) + '\n', detail::Existing::replace);
    return result;
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

std::string line_of(Json const& entry) {
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
    return line + ", " + std::to_string(seeds) + (seeds == 1 ? " seed\n" : " seeds\n");
}

}  // namespace

int glue(Common const& common, GlueOptions const& options) {
    use_threads(common);
    if (!options.training.has_length()) {
        throw refuse("--steps, --epochs or --minutes", "none", "BERT's paper trains for 3 epochs.");
    }
    std::vector<std::uint64_t> const seeds = seeds_of(options.seeds);
    std::vector<GlueTask> tasks;   // all are read before the first is trained on
    ReadReport read;
    for (std::string const& name : names_of_metrics(options.tasks)) {
        if (std::ranges::any_of(tasks, [&](GlueTask const& task) { return task.name == name; })) {
            throw refuse("--task with each task once", '"' + name + "\" twice");
        }
        tasks.push_back(read_glue_task(options.data, name, reading_by(options.skip_malformed)));
        say_report(tasks.back().report, name);
        read.add(tasks.back().report);
    }
    std::vector<std::vector<TaskRun>> runs;   // and every folder is looked at
    for (GlueTask const& task : tasks) { runs.push_back(runs_of(options, task, seeds)); }
    Json result{{"command", "glue"}, {"end", "finished"}, {"results", Json::array()}, {"malformed", malformed_json(read)}};
    std::string table;
    for (std::vector<TaskRun> const& some : runs) {
        GlueTask const& task = some.front().task;
        Json& entry = result["results"].emplace_back(Json{{"task", task.name},
                                                          {"train", task.train.targets.size()},
                                                          {"dev", task.dev.targets.size()},
                                                          {"runs", Json::array()},
                                                          {"mean", nullptr},
                                                          {"spread", nullptr}});
        for (TaskRun const& run : some) {
            std::optional<Json> measured = run_seed(common, options, run);
            result["end"] = measured ? (*measured)["end"] : Json("interrupted");
            if (!measured) {
                print_result(common, result, table);
                return interrupted;
            }
            entry["runs"].push_back(*std::move(measured));
        }
        std::tie(entry["mean"], entry["spread"]) = mean_and_spread(entry["runs"]);
        table += line_of(entry);
    }
    print_result(common, result, table);
    return done;
}

}  // namespace bmae::program
