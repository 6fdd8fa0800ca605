// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Training for pretrain and finetune.
#include "training.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include <bmae/detail/folders.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/training/allocator.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/lora.hpp>
#include <bmae/training/parameter_rates.hpp>
#include <bmae/training/trainer.hpp>

#include "evaluation.hpp"
#include "model_card.hpp"
#include "teacher.hpp"

namespace bmae::program {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

TrainerOptions trainer_options(Common const& common, TrainingOptions const& options) {
    TrainerOptions result = options;   // without options of the command line alone
    result.seed = common.seed;
    if (result.batch.examples != 0) { result.batch.tokens = 0; }
    return result;
}

/// Readable number of negatives per text; empty where there is no contrast.
std::string negatives_text(Objective const& objective, TrainingOptions const& options) {
    std::size_t examples = options.batch.examples;
    if (examples == 0) {   // by tokens: from the mean of a sample
        std::size_t const stride = std::max<std::size_t>(1, objective.examples() / 1000);
        std::size_t tokens = 0;
        std::size_t seen = 0;
        for (std::size_t e = 0; e < objective.examples(); e += stride, ++seen) { tokens += objective.cost(e); }
        examples = std::max<std::size_t>(1, options.batch.tokens * seen / std::max<std::size_t>(1, tokens));
    }
    examples = std::min(examples, objective.examples());   // an epoch has no more
    std::size_t const contrasted = std::min(examples * (options.gradient_cache ? options.accumulation : 1), objective.examples());
    std::size_t const negatives = objective.negatives(contrasted);
    if (negatives == 0) { return {}; }
    std::string const text = "contrast: " + std::string(options.batch.examples == 0 ? "about " : "") + count_text(negatives) +
                             " negatives for each text";
    if (options.accumulation == 1) { return text; }
    return text + "; the " + count_text(options.accumulation) + " batches of a step are " +
           (options.gradient_cache ? "one contrast" : "separate contrasts");
}

/// Planned steps of an earlier part of the run; 0 where there is none.
std::uint64_t planned_steps(Path const& output) {
    if (list_checkpoints(output).empty()) { return 0; }
    Path const file = newest_checkpoint(output).path / "trainer.json";
    return detail::JsonObject::read(file).get<std::uint64_t>("steps", 0);
}

/// The recorded plan of a run by the clock. \param path  its output folder, or a checkpoint
std::vector<PlanSegment> plan_of_run(Path const& path) {
    bool const is_one = std::filesystem::exists(path / "trainer.json");
    Path const file = (is_one || list_checkpoints(path).empty() ? path : newest_checkpoint(path).path) / "trainer.json";
    auto const refuse = [&](char const* found) {
        return InputError(Diagnostic{.file = path.string(),
                                     .expected = "the output folder or a checkpoint of a run by the clock",
                                     .found = found,
                                     .hint = "Such a run was started with --minutes alone; others repeat by their options."});
    };
    if (!std::filesystem::exists(file)) { throw refuse("none"); }
    auto const state = detail::JsonObject::read(file).find<detail::JsonObject>("state");
    if (!state || !state->has("plan")) { throw refuse("a run without a plan"); }
    try {
        return plan_from_json(state->json().at("plan"));
    } catch (std::exception const& error) { throw state->refuse("a plan of step, progress and steps left", error.what()); }
}

/// Fills in how long the run is. Without a number of steps the time decides; runs of earlier versions estimated steps and keep them.
void set_length(TrainingOptions const& options, TrainerOptions& settings) {
    if (!options.plan_of.empty()) {
        settings.plan = plan_of_run(options.plan_of);
        return;
    }
    if (options.steps != 0 || options.epochs != 0) { return; }
    settings.steps = options.resume ? planned_steps(options.output) : 0;
    if (settings.steps == 0) { settings.seconds = options.minutes * 60; }
}

/// Adds to run.json the number of steps of a run by the clock, which it knows at its end.
void record_steps(TrainingOptions const& options, std::uint64_t steps) {
    Path const file = options.output / run_options_file;
    Json record = Json::parse(options.record, nullptr, false);
    if (!record.is_object()) { return; }
    record["steps"] = steps;
    detail::write_file(file, record.dump(1) + '\n', detail::Existing::replace);
}

/// At the first step that this start has done: its folder is locked, and any checkpoint was accepted.
/// \param before  steps of earlier starts
void start_run(TrainingOptions const& options, std::uint64_t before, Progress& progress) {
    if (before != 0) { progress.line("going on from step " + count_text(before)); }
    progress.restart(before);
    if (!options.record.empty()) {
        detail::write_file(options.output / run_options_file, options.record, detail::Existing::replace);
    }
}

std::string note_of(LogReport const& report) {
    char text[128];
    std::snprintf(text, sizeof text, "loss %.4f, rate %.2e, %.0f tokens/s", report.loss, report.learning_rate,
                  report.tokens_per_second);
    std::int64_t absent = 0;
    for (TermReport const& term : report.terms) { absent += term.absent; }
    return text + (absent == 0 ? std::string() : ", " + count_text(static_cast<std::uint64_t>(absent)) + " without a label");
}

Json terms_json(std::vector<TermReport> const& terms) {
    Json list = Json::array();
    for (TermReport const& term : terms) {
        list.push_back({{"name", term.name},
                        {"kind", term.kind},
                        {"task", term.task},
                        {"weight", term.weight},
                        {"loss", term.loss},
                        {"accuracy", term.accuracy ? Json(*term.accuracy) : Json()},
                        {"labels", term.labels},
                        {"absent", term.absent}});
    }
    return list;
}

}  // namespace

std::map<std::string, std::string> parse_settings(std::vector<std::string> const& settings) {
    std::map<std::string, std::string> values;
    for (std::string const& setting : settings) {
        std::size_t const mark = setting.find('=');
        if (mark == std::string::npos || mark == 0 || mark + 1 == setting.size()) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "--set NAME=VALUE",
                                        .found = '"' + setting + '"',
                                        .hint = "For example --set encoder_mask=0.3."});
        }
        if (!values.emplace(setting.substr(0, mark), setting.substr(mark + 1)).second) {
            throw InputError(
                Diagnostic{.file = {}, .expected = "each option at most once", .found = setting.substr(0, mark) + " twice"});
        }
    }
    return values;
}

namespace {

/// A file of a run that ended before its first checkpoint. Only --resume may take up one that has logged steps.
bool is_trace(std::filesystem::directory_entry const& entry, bool resume) {
    std::string const name = entry.path().filename().string();
    if (name == "log.jsonl") { return resume || entry.file_size() == 0; }
    if (name.starts_with(teacher_files)) { return resume; }
    bool const unfinished = (name.starts_with("step-") && name.ends_with(".tmp")) || detail::AtomicFile::is_remains(name);
    return unfinished || name == ".lock" || name == "pairs" || name == run_options_file;
}

}  // namespace

bool is_resumed(TrainingOptions const& options) { return options.resume && !list_checkpoints(options.output).empty(); }

void check_output(TrainingOptions const& options) {
    if (is_resumed(options)) { return; }
    if (options.resume) {
        bool const began = std::filesystem::exists(options.output / "log.jsonl");
        began ? say(options.output.string() + ": no checkpoint yet; the run starts from its beginning")
              : warn("there is nothing to resume in " + options.output.string() + "; a new run begins there");
    }
    if (!std::filesystem::is_directory(options.output)) {
        detail::require_nothing_lost(options.output);
        return;
    }
    for (auto const& entry : std::filesystem::directory_iterator(options.output)) {
        if (is_trace(entry, options.resume)) { continue; }
        std::string const name = entry.path().filename().string();
        bool const holds_run =
            !list_checkpoints(options.output).empty() || name == "log.jsonl" || name.starts_with(teacher_files);
        throw InputError(Diagnostic{.file = options.output.string(),
                                    .expected = "a new or empty output folder",
                                    .found = "a folder that holds '" + name + "'",
                                    .hint = holds_run && !options.resume
                                                ? "Resume that run by --resume, or choose another folder; nothing is overwritten."
                                                : "Nothing is overwritten: choose another folder."});
    }
}

namespace {

std::string figures_text(Figures const& figures) {
    std::string text;
    for (auto const& [name, value] : figures) {
        char number[40];
        std::snprintf(number, sizeof number, " %.4f", value);
        text += (text.empty() ? "" : ", ") + name + number;
    }
    return text;
}

Json best_json(BestFigure const& best, std::string const& figure) {
    if (best.step == 0) { return nullptr; }
    return {{"step", best.step}, {"figure", figure}, {"value", best.value}, {"ended_early", best.has_ended_run}};
}

/// The trainer's options, with the length of the run and its evaluation.
TrainerOptions whole_options(Common const& common, TrainingOptions const& options) {
    TrainerOptions settings = trainer_options(common, options);
    set_length(options, settings);
    set_evaluation(options.eval, settings);
    return settings;
}

/// Low-rank factors around the objective; evaluations read the weights with them.
void adapt(Common const& common, TrainingOptions const& options, Objective& objective, std::optional<LoraObjective>& lora,
           std::function<Figures(std::uint64_t)>& evaluate) {
    lora.emplace(objective, options.lora, common.seed);
    say("LoRA: " + count_text(static_cast<std::uint64_t>(lora->factor_elements())) + " numbers in the factors of " +
        count_text(lora->targets()) + " weights; the encoder itself stays as it is");
    if (!evaluate) { return; }
    evaluate = [&model = *lora, inner = std::move(evaluate)](std::uint64_t step) {
        LoraObjective::Merged const merged(model);
        return inner(step);
    };
}

}  // namespace

void check_numbers(Common const& common, TrainingOptions const& options) {
    check(whole_options(common, options));
    check(options.lora);
}

void check_training(Common const& common, TrainingOptions const& options, Objective& objective) {
    check_numbers(common, options);
    if (options.gradient_cache) { static_cast<void>(objective.step_contrast()); }
    std::optional<LoraObjective> lora;
    if (options.lora.is_used()) { lora.emplace(objective, options.lora, common.seed); }
    std::vector<std::string> names;
    Objective& trained = lora ? *lora : objective;
    trained.for_each_parameter([&](std::string const& name, at::Tensor&, bool) { names.push_back(name); });
    static_cast<void>(rates_of(names, options.rates));
}

Trained train(Common const& common, TrainingOptions const& options, Objective& objective,
              std::function<Figures(std::uint64_t step)> evaluate) {
    Clock::time_point const start = Clock::now();
    keep_freed_memory();   // this process ends after training
    TrainerOptions settings = whole_options(common, options);
    Progress progress("training", "steps", 0);   // its time is that of the command
    bool const by_clock = settings.seconds > 0;
    if (by_clock) {
        say("the learning rate follows the clock: it ends after " + duration_text(settings.seconds) + " of training");
    }
    progress.total(settings.steps);
    bool out_of_time = false;
    bool paused = false;
    bool asked = false;
    bool shown = false;
    std::uint64_t tokens = 0;
    double stepping = 0;   // seconds of the steps themselves
    std::string note;
    Trainer* running = nullptr;
    TrainerCallbacks callbacks{.on_step =
                                   [&](StepReport const& step) {
                                       tokens += step.tokens;
                                       stepping += step.seconds;
                                       if (!shown) { start_run(options, step.step - 1, progress); }
                                       shown = true;
                                       progress.update(step.step, note);
                                       if (options.pause_every != 0 && step.step % options.pause_every == 0) {
                                           paused = true;
                                           running->request_stop();
                                       }
                                       if (options.minutes > 0 && !by_clock && seconds_since(start) > options.minutes * 60 &&
                                           step.step != settings.steps) {
                                           out_of_time = true;
                                           running->request_stop();
                                       }
                                   },
                               .on_log =
                                   [&](LogReport const& report) {
                                       note = note_of(report);
                                       progress.total(report.steps);
                                       progress.update(report.step, note);
                                   },
                               .on_save = [&](Path const& checkpoint) { progress.line("saved " + checkpoint.string()); },
                               .on_warning = [&](std::string const& text) { progress.line("warning: " + text); }};
    Figures last;
    std::optional<LoraObjective> lora;
    if (options.lora.is_used()) { adapt(common, options, objective, lora, evaluate); }
    callbacks.evaluate = std::move(evaluate);
    callbacks.on_figures = [&](std::uint64_t step, Figures const& figures, bool best) {
        last = figures;
        progress.line("step " + count_text(step) + ": " + figures_text(figures) + (best ? ", the best so far" : ""));
    };
    Trainer trainer(lora ? *lora : objective, settings, callbacks);
    running = &trainer;
    if (std::string const text = negatives_text(objective, options); !text.empty()) { say(text); }
    TrainResult result;
    try {
        Interrupt const interrupt([&] {
            asked = true;
            trainer.request_stop();
        });
        result = trainer.fit();
    } catch (InputError const&) {   // a full disk after the first checkpoint: that one is kept
        auto const whole = shown ? list_checkpoints(options.output) : std::vector<CheckpointFolder>();
        if (!whole.empty()) {
            progress.line("the last checkpoint is kept: " + whole.front().path.string() +
                          "; the same command with --resume continues from it");
        }
        throw;
    }
    if (lora && (result.end == TrainEnd::finished || out_of_time)) { lora->merge(); }   // both have a result
    progress.finish();
    if (!shown && result.resumed_from != 0) { say("the run has ended already, at step " + count_text(result.resumed_from)); }
    Trained trained{.step = result.step, .resumed_from = result.resumed_from, .checkpoint = result.checkpoint};
    bool const holds_best = result.end == TrainEnd::finished && result.best.step != 0;
    trained.result = holds_best ? options.output / ("step-" + std::to_string(result.best.step)) : result.checkpoint;
    if (result.end == TrainEnd::interrupted) { trained.to = out_of_time ? TrainedTo::the_time_limit : TrainedTo::an_interrupt; }
    if (trained.to == TrainedTo::an_interrupt && paused && !asked) { trained.to = TrainedTo::a_pause; }
    char const* const ends[] = {"finished", "time limit", "interrupted", "paused"};
    double const seconds = progress.seconds();   // as it says itself
    trained.json = {{"end", ends[static_cast<int>(trained.to)]},
                    {"step", result.step},
                    {"steps", result.steps},
                    {"resumed_from", result.resumed_from},
                    {"seconds", seconds},
                    {"tokens_per_second", stepping > 0 ? static_cast<double>(tokens) / stepping : 0.0},
                    {"checkpoint", result.checkpoint.string()},
                    {"terms", terms_json(result.terms)},
                    {"figures", nullptr},
                    {"best", best_json(result.best, settings.evaluation.best)}};
    for (auto const& [name, value] : last) { trained.json["figures"][name] = value; }
    if (result.best.has_ended_run) {
        say("ended early: " + settings.evaluation.best + " was not better in " + count_text(result.best.worse) + " evaluations");
    }
    if (result.end == TrainEnd::finished && result.best.step != 0) {
        say("the result is the checkpoint of step " + count_text(result.best.step) + ", the best by " + settings.evaluation.best);
    }
    if (by_clock && trained.to == TrainedTo::the_end && shown) {
        say("the time sufficed for " + count_text(result.steps) + " steps; --plan " + options.output.string() +
            " repeats them, and --steps " + std::to_string(result.steps) + " has nearly their learning rates");
        if (!options.record.empty()) { record_steps(options, result.steps); }
    }
    if (trained.to == TrainedTo::an_interrupt) {
        say("saved " + result.checkpoint.string() + "; the same command with --resume continues");
    }
    if (trained.to == TrainedTo::the_time_limit) {
        say("the time limit is reached at step " + count_text(result.step) + "; the same command with --resume continues");
    }
    return trained;
}

Path publish(TrainingOptions const& options, Trained const& trained, std::string const& name,
             std::function<void(Path const&)> const& write) {
    Path const place = options.output / name;
    Path const unfinished = options.output / ('.' + name + ".new");
    std::error_code code;
    std::filesystem::remove_all(unfinished, code);   // of a publication that was killed
    if (code) { detail::fail_to_write(unfinished, "remove", code.value()); }
    write(unfinished);
    write_model_card(unfinished, {.checkpoint = trained.result});
    detail::replace_folder(unfinished, place);
    return place;
}

}  // namespace bmae::program
