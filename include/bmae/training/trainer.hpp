// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The training loop: prefetched batches, one gradient of several micro-batches, clipping, checkpoints, exact resume.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/context.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/training/replicas.hpp>
#include <bmae/training/train_log.hpp>
#include <bmae/training/trainer_options.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

class BatchPlanner;
class ClockPlanner;
class FlatParameters;
class Optimizer;
class Prefetcher;
class TrainPlan;
struct TrainState;

enum class TrainEnd { finished, interrupted };

/// The result of `Trainer::fit`.
struct TrainResult {
    TrainEnd end = TrainEnd::finished;
    std::uint64_t step = 0;                  ///< optimizer steps done, including those before a resume
    std::uint64_t steps = 0;                 ///< of the whole run, as planned at the end
    std::uint64_t resumed_from = 0;          ///< 0: a new run
    BestFigure best = {};                    ///< of a run that keeps its best checkpoint: the model holds its parameters
    std::filesystem::path checkpoint = {};   ///< the last one; empty where nothing is written
    std::vector<TermReport> terms = {};      ///< of the last log window
};

/// Trains an Objective.
///
/// One optimizer step: its micro-batches are prefetched by threads, their label counts are summed, each runs forward
/// and backward and accumulates its gradient, and one fused update follows. So one batch of four micro-batches and four
/// accumulated ones give the same gradient for any distribution of labels; a contrast spans all of them where `gradient_cache`
/// is set, else each separately. Tensors without gradient (momentum encoders, queues) change after the update, in
/// `Objective::after_step`, and not where a step is skipped. Host and device synchronize once per step.
/// A run that was interrupted, or killed, and resumed gives bit for bit the parameters of one that was not (on a CPU with the
/// same number of LibTorch threads).
class Trainer {
public:
    /// \throws InputError if an option is out of range
    Trainer(Objective& objective, TrainerOptions options, TrainerCallbacks callbacks = {}, Replicas replicas = {});

    /// Makes `fit` finish its step, save, return. May be called from a signal handler or another thread. A request that comes
    /// before `fit` takes effect after its first step; each request takes effect once: the next `fit` continues.
    void request_stop() noexcept { stop_.store(true, std::memory_order_relaxed); }

    /// Runs to the end or to a stop request; may be called again then (with `resume`, where it wrote a checkpoint). Afterwards
    /// the model holds the fp32 masters. Gradients are enabled in any mode of the caller.
    /// \throws InputError where `output` holds a run already and `resume` is false, holds a run of another model, or has no room
    ///                    left: the last checkpoint is kept; where a parameter is not finite; in c10::InferenceMode
    /// \throws RunError   on a non-finite step, a loss without a gradient, a failing disk, checkpoints that are all damaged
    TrainResult fit();

private:
    using Clock = std::chrono::steady_clock;

    /// Measures the model where it is time to. \returns true where it is the best so far
    bool evaluate(bool last, TrainState& state, std::optional<TrainLog>& log) const;

    /// A contrast over batches of one text has no negatives: refused before the first step.
    void require_in_batch_negatives() const;

    /// Non-finite parameters are reported before the first step.
    void require_finite_start(FlatParameters const& parameters) const;

    void warn(std::string const& text) const;

    [[nodiscard]] double now() const;

    /// The plan of the run where it begins or goes on. A run by the clock goes on by its recorded plan; with another training time, or
    /// where it was none by the clock before, from the share of the time that it has used.
    [[nodiscard]] TrainPlan plan_of(BatchPlanner const& planner, bool resumed, TrainState& state) const;

    /// After a step of a run by the clock: takes its time, and plans the rest again where it is time to. Rank 0 decides.
    void follow(ClockPlanner& clock, double seconds, TrainPlan& plan, at::Device device, TrainState& state) const;

    [[nodiscard]] std::vector<PlanSegment> planned_since_last_line(TrainPlan const& plan, std::uint64_t step) const;

    /// Optimizer steps of the whole run.
    [[nodiscard]] std::uint64_t total_steps(BatchPlanner const& planner) const;

    StepReport run_step(Prefetcher& batches, TrainPlan const& plan, FlatParameters& parameters, Optimizer& optimizer,
                        TrainState& state);

    /// Labels of every term in all micro-batches of the step, on all ranks.                                       [terms]
    [[nodiscard]] std::vector<std::int64_t> count_labels(std::vector<HostBatch> const& micro, at::Device device) const;

    [[nodiscard]] std::uint64_t dropout_seed(std::uint64_t step, std::size_t micro_batch) const;

    /// All values that the host reads of a step, in one transfer: the norm, the losses and the correct predictions. Fills
    /// `report` and returns the sums of every term; with several ranks these and stop requests are summed.
    /// \param absent_in  the batches whose texts without a label are counted: those of the step, or all of them as one
    std::vector<TermSums> read_numbers(at::Tensor const& norm, std::vector<HostBatch> const& micro,
                                       std::span<HostBatch const> absent_in, std::vector<StepOutput> const& outputs,
                                       StepReport& report);

    /// Counts the texts without a label for a term. Optional for objectives.
    static void add_absent(std::span<HostBatch const> batches, std::vector<TermSums>& sums);

    /// Sums the results of `read_numbers` over the ranks.
    void share_numbers(at::Tensor const& norm, StepReport& report, std::vector<TermSums>& sums);

    void note_skip(std::string const& what, TrainState& state) const;

    Objective& objective_;
    StepContrast* contrast_ = nullptr;   // spans all micro-batches of a step, with a gradient cache
    TrainerOptions options_;
    TrainerCallbacks callbacks_;
    Replicas replicas_;
    bool stopping_ = false;   // the same on all ranks
    std::atomic<bool> stop_ = false;
};

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <cmath>
#include <iostream>

#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <bmae/batch/planner.hpp>
#include <bmae/batch/prefetcher.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/flat_parameters.hpp>
#include <bmae/training/make_optimizer.hpp>
#include <bmae/training/non_finite.hpp>
#include <bmae/training/plan.hpp>
#include <bmae/training/run_files.hpp>
#include <bmae/training/step_gradient.hpp>
#include <bmae/training/train_state.hpp>

namespace bmae {

BMAE_INLINE Trainer::Trainer(Objective& objective, TrainerOptions options, TrainerCallbacks callbacks, Replicas replicas)
    : objective_(objective), options_(std::move(options)), callbacks_(std::move(callbacks)), replicas_(std::move(replicas)) {
    check(options_);
    if (replicas_.rank >= replicas_.ranks || (replicas_.ranks > 1 && !replicas_.sum)) {
        throw InputError("several ranks need an all-reduce function, and a rank below their number");
    }
    if (objective_.examples() == 0) { throw InputError("there are no examples to train on"); }
    if (options_.evaluation.every != 0 && (!callbacks_.evaluate || replicas_.ranks > 1)) {
        throw InputError(callbacks_.evaluate ? "evaluation while training needs one rank"
                                             : "evaluation while training needs the callback `evaluate`");
    }
    if (options_.gradient_cache) {
        if (replicas_.ranks > 1) { throw InputError("a gradient cache joins the micro-batches of one process; expected 1 rank"); }
        contrast_ = &objective_.step_contrast();
    }
    require_in_batch_negatives();
}

BMAE_INLINE TrainResult Trainer::fit() {
    if (c10::InferenceMode::is_enabled()) {
        throw InputError(Diagnostic{{},
                                    0,
                                    "Trainer::fit outside of c10::InferenceMode, which records no gradients",
                                    "a call within it",
                                    "Leave the scope of the InferenceMode guard first."});
    }
    c10::AutoGradMode const gradients(true);
    struct Answered {
        std::atomic<bool>& request;
        ~Answered() { request.store(false, std::memory_order_relaxed); }
    } const answered{stop_};
    for (std::string const& text : objective_.warnings()) { warn(text); }
    detail::RunFiles files(objective_, options_, replicas_, [this](std::string const& text) { warn(text); });
    FlatParameters parameters(objective_, options_.precision, options_.rates);
    std::unique_ptr<Optimizer> const held = make_optimizer(options_.optimizer, parameters, options_.adamw, options_.seed);
    Optimizer& optimizer = *held;
    std::optional<CheckpointFolder> const found = files.open(parameters.master().device());
    TrainState state = found ? files.load(*found, parameters, optimizer) : TrainState();
    require_finite_start(parameters);
    BatchPlanner planner(
        objective_.examples(), [this](std::size_t example) { return objective_.cost(example); }, options_.seed, options_.batch,
        [this](std::size_t example) { return objective_.source(example); });
    TrainPlan plan = plan_of(planner, found.has_value(), state);
    std::optional<ClockPlanner> clock;
    if (options_.seconds > 0) { clock.emplace(options_.seconds, state.seconds); }
    state.budget = options_.seconds;
    std::optional<TrainLog> log;
    if (files.holds_folder()) { log.emplace(options_.output / "log.jsonl", state.step); }
    planner.seek(state.cursor);
    Prefetcher batches(planner, options_.seed,
                       [this](std::span<std::size_t const> examples, DrawKey key) { return objective_.collate(examples, key); },
                       {.threads = options_.loader_threads,
                        .depth = std::max<std::size_t>(4, 2 * options_.accumulation),
                        .rank = replicas_.rank,
                        .ranks = replicas_.ranks});

    TrainResult result{.resumed_from = state.step, .checkpoint = found ? found->path : std::filesystem::path()};
    double const start = now() - state.seconds;
    for (stopping_ = false; state.step < plan.steps() && !state.best.has_ended_run && !stopping_;) {
        StepReport const report = run_step(batches, plan, parameters, optimizer, state);
        if (callbacks_.on_step) { callbacks_.on_step(report); }
        if (clock) { follow(*clock, now() - start, plan, parameters.master().device(), state); }
        if (replicas_.ranks == 1) { stopping_ = stop_.load(std::memory_order_relaxed); }   // as late as may be
        bool const last = state.step >= plan.steps();
        if (options_.log_every != 0 && (state.step % options_.log_every == 0 || last)) {
            LogReport line = state.close_window(plan.steps(), report);
            if (clock) { line.plan = planned_since_last_line(plan, state.step); }
            result.terms = line.terms;
            if (log) { log->append(line); }
            if (callbacks_.on_log) { callbacks_.on_log(line); }
        }
        bool const improved = evaluate(last, state, log);
        bool const due = last || stopping_ || improved || state.best.has_ended_run ||
                         (options_.save_every != 0 && state.step % options_.save_every == 0);
        if (due && files.takes_part()) {
            if (log) { log->sync(); }
            std::filesystem::path const saved = files.save(parameters, optimizer, state);
            if (saved.empty()) { continue; }   // only rank 0 has it
            result.checkpoint = saved;
            if (callbacks_.on_save) { callbacks_.on_save(saved); }
        }
    }
    result.step = state.step;
    result.steps = plan.steps();
    result.end = state.step >= plan.steps() || state.best.has_ended_run ? TrainEnd::finished : TrainEnd::interrupted;
    result.best = state.best;
    bool const goes_back = result.end == TrainEnd::finished && !options_.evaluation.best.empty() && state.best.step != state.step;
    if (goes_back) { files.load_parameters(state.best.step, parameters); }
    return result;
}

BMAE_INLINE bool Trainer::evaluate(bool last, TrainState& state, std::optional<TrainLog>& log) const {
    EvaluationOptions const& options = options_.evaluation;
    if (options.every == 0 || (state.step % options.every != 0 && !last)) { return false; }
    Figures const figures = callbacks_.evaluate(state.step);
    bool const best = state.best.judge(state.step, figures, options);
    if (log) { log->append(state.step, figures); }
    if (callbacks_.on_figures) { callbacks_.on_figures(state.step, figures, best); }
    return best;
}

BMAE_INLINE void Trainer::require_in_batch_negatives() const {
    if (objective_.negatives(2) == 0) { return; }   // no contrast
    std::size_t most = options_.batch.examples;
    if (most == 0) {
        std::size_t cheapest = options_.batch.tokens;
        most = 1;
        for (std::size_t e = 0; e < objective_.examples() && most == 1; ++e) {
            std::size_t const cost = objective_.cost(e);
            if (e != 0 && cost + cheapest <= options_.batch.tokens) { most = 2; }
            cheapest = std::min(cheapest, cost);
        }
    }
    if (options_.gradient_cache) { most *= options_.accumulation; }
    if (objective_.negatives(std::min(most, objective_.examples())) != 0) { return; }
    throw InputError(Diagnostic{{},
                                0,
                                "batches in which a text has at least one negative",
                                "batches of one text",
                                objective_.examples() == 1
                                    ? "A contrast needs at least two examples, or hard negatives: --passages-per-query 2."
                                    : "Raise --batch-examples or --batch-tokens, or give each text hard negatives."});
}

BMAE_INLINE void Trainer::require_finite_start(FlatParameters const& parameters) const {
    std::string bad = parameters.first_non_finite_master();
    objective_.for_each_state([&](std::string const& name, at::Tensor& value) {
        if (bad.empty() && value.is_floating_point() && !at::isfinite(value).all().item<bool>()) { bad = name; }
    });
    if (bad.empty()) { return; }
    throw InputError(Diagnostic{{},
                                0,
                                "finite numbers in all parameters before the first step",
                                "a NaN or an infinite number in " + bad,
                                "Load the model from an undamaged file."});
}

BMAE_INLINE void Trainer::warn(std::string const& text) const {
    if (callbacks_.on_warning) {
        callbacks_.on_warning(text);
    } else {
        std::cerr << "warning: " << text << '\n';
    }
}

BMAE_INLINE double Trainer::now() const {
    if (callbacks_.clock) { return callbacks_.clock(); }
    return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

BMAE_INLINE TrainPlan Trainer::plan_of(BatchPlanner const& planner, bool resumed, TrainState& state) const {
    if (!options_.plan.empty()) {
        state.plan = options_.plan;
        return TrainPlan(options_.plan);
    }
    if (options_.seconds <= 0) {
        state.plan.clear();
        return TrainPlan(total_steps(planner));
    }
    TrainPlan plan(state.plan);
    if (resumed && state.budget != options_.seconds) { plan.hold(state.step, std::min(1.0, state.seconds / options_.seconds)); }
    return plan;
}

BMAE_INLINE void Trainer::follow(ClockPlanner& clock, double seconds, TrainPlan& plan, at::Device device,
                                 TrainState& state) const {
    state.seconds = seconds;
    if (state.step >= plan.steps()) { return; }
    constexpr std::int64_t as_planned = -1;
    std::int64_t left = 0;
    if (replicas_.rank == 0) {
        auto const planned = clock.after_step(seconds);
        left = planned ? static_cast<std::int64_t>(*planned) : as_planned;
    }
    if (replicas_.ranks > 1) {
        at::Tensor const shared = at::full({}, left, at::TensorOptions(at::kLong).device(device));
        replicas_.add_up(shared);
        left = shared.item<std::int64_t>();
    }
    if (left == as_planned) { return; }
    plan.replan(state.step, static_cast<std::uint64_t>(left));
    state.plan = plan.segments();
}

BMAE_INLINE std::vector<PlanSegment> Trainer::planned_since_last_line(TrainPlan const& plan, std::uint64_t step) const {
    std::uint64_t const last_line = (step - 1) / options_.log_every * options_.log_every;
    std::vector<PlanSegment> planned;
    for (PlanSegment const& segment : plan.segments()) {
        if (segment.step > last_line) { planned.push_back(segment); }
    }
    return planned;
}

BMAE_INLINE std::uint64_t Trainer::total_steps(BatchPlanner const& planner) const {
    if (options_.steps != 0) { return options_.steps; }
    std::atomic<std::uint64_t> batches = 0;   // their number differs between epochs, since batches are composed differently
    detail::parallel_for(static_cast<std::size_t>(options_.epochs), 1, static_cast<unsigned>(options_.loader_threads) + 1,
                         [&](std::size_t first, std::size_t end) {
                             for (std::size_t epoch = first; epoch < end; ++epoch) {
                                 BatchPlanner walk = planner;
                                 walk.seek({epoch, 0});
                                 for (std::uint64_t used = 0; used < objective_.examples(); ++batches) {
                                     used = walk.next().after.position;
                                 }
                             }
                         });
    std::uint64_t const per_step = options_.accumulation * replicas_.ranks;
    return (batches + per_step - 1) / per_step;
}

BMAE_INLINE StepReport Trainer::run_step(Prefetcher& batches, TrainPlan const& plan, FlatParameters& parameters,
                                         Optimizer& optimizer, TrainState& state) {
    Clock::time_point const start = Clock::now();
    double const waited = batches.waited();
    std::vector<HostBatch> micro;
    for (std::size_t m = 0; m < options_.accumulation; ++m) { micro.push_back(batches.next()); }
    StepReport report{.step = state.step + 1, .epoch = micro.back().epoch};
    parameters.zero_gradient();
    auto const context_of = [&](std::size_t m) {
        return ForwardContext{.training = true,
                              .seed = dropout_seed(state.step, m),
                              .progress = plan.progress(state.step),
                              .opens_step = m == 0,
                              .step = state.step,
                              .recompute = options_.recompute};
    };
    auto const collect = [&] { parameters.collect(); };
    HostBatch const whole = contrast_ != nullptr ? contrast_->join(micro) : HostBatch();
    std::vector<StepOutput> const outputs =
        contrast_ != nullptr
            ? cached_gradient(*contrast_, whole, micro, context_of, collect)
            : accumulated_gradient(objective_, micro, context_of, count_labels(micro, parameters.master().device()), collect);
    replicas_.add_up(parameters.gradient());
    std::span<HostBatch const> const absent_in = contrast_ != nullptr ? std::span(&whole, 1) : std::span<HostBatch const>(micro);
    std::vector<TermSums> const sums = read_numbers(parameters.gradient_norm(), micro, absent_in, outputs, report);
    report.learning_rate = options_.learning_rate * plan.factor(options_.schedule, state.step);
    report.skipped = !std::isfinite(report.gradient_norm) || !std::isfinite(report.loss);
    if (report.skipped) {
        note_skip(detail::describe_non_finite(report.step, micro, outputs, parameters), state);
    } else {
        state.skips_in_row = 0;
        optimizer.step(report.learning_rate, clip_divisor(report.gradient_norm, options_.clip), objective_.frozen(state.step));
        objective_.after_step([&](std::string const& name) { return parameters.master_of(name); });
    }
    report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    report.waited = batches.waited() - waited;
    ++state.step;
    state.cursor = batches.cursor();
    state.add(report, sums);
    return report;
}

BMAE_INLINE std::vector<std::int64_t> Trainer::count_labels(std::vector<HostBatch> const& micro, at::Device device) const {
    at::Tensor counts = at::zeros({static_cast<std::int64_t>(objective_.terms())}, at::kLong);
    std::span<std::int64_t> const sums(counts.mutable_data_ptr<std::int64_t>(), objective_.terms());
    for (HostBatch const& batch : micro) {
        if (batch.term_labels.size() != sums.size()) {
            throw RunError("a batch counts labels of " + std::to_string(batch.term_labels.size()) + " terms, the model has " +
                           std::to_string(sums.size()));
        }
        for (std::size_t t = 0; t < sums.size(); ++t) { sums[t] += batch.term_labels[t]; }
    }
    if (replicas_.ranks > 1) {
        at::Tensor const shared = counts.to(device);
        replicas_.add_up(shared);
        counts = shared.cpu();
    }
    std::int64_t const* const first = counts.const_data_ptr<std::int64_t>();
    return {first, first + counts.numel()};
}

BMAE_INLINE std::uint64_t Trainer::dropout_seed(std::uint64_t step, std::size_t micro_batch) const {
    constexpr std::uint64_t dropout_slot = 0x64726f70;   // no place of a composition has this number
    return Draw({.seed = options_.seed,
                 .epoch = step,
                 .example = micro_batch * replicas_.ranks + replicas_.rank,
                 .slot = dropout_slot})();
}

BMAE_INLINE std::vector<TermSums> Trainer::read_numbers(at::Tensor const& norm, std::vector<HostBatch> const& micro,
                                                        std::span<HostBatch const> absent_in,
                                                        std::vector<StepOutput> const& outputs, StepReport& report) {
    c10::AutoGradMode const no_grad(false);
    std::vector<at::Tensor> scalars;
    auto const read = [&](at::Tensor const& scalar) {
        scalars.push_back(scalar.detach().to(norm.device(), at::kDouble).reshape({}));
    };
    read(norm);
    for (StepOutput const& output : outputs) {
        read(output.total);
        for (TermOutput const& term : output.terms) {
            read(term.loss);
            if (term.correct.defined()) { read(term.correct); }
        }
    }
    at::Tensor const host = at::stack(scalars).cpu();
    double const* next = host.const_data_ptr<double>();
    report.gradient_norm = *next++;
    std::vector<TermSums> sums(objective_.terms());
    for (HostBatch const& batch : micro) {
        report.examples += batch.examples.size();
        report.tokens += batch.encoder_tokens != 0 ? batch.encoder_tokens : batch.tokens();
    }
    add_absent(absent_in, sums);
    for (StepOutput const& output : outputs) {
        report.loss += *next++;
        for (std::size_t t = 0; t < sums.size(); ++t) {
            TermOutput const& term = output.terms[t];
            double const loss = *next++ * static_cast<double>(term.labels);
            bool const counted = term.correct.defined();
            sums[t] += {.name = term.name,
                        .kind = term.kind,
                        .weight = term.weight,
                        .labels = term.labels,
                        .loss = term.labels == 0 ? 0 : loss,
                        .correct = counted ? *next++ : 0,
                        .has_accuracy = counted,
                        .task = term.task};
        }
    }
    stopping_ = stop_.load(std::memory_order_relaxed);
    if (replicas_.ranks > 1) { share_numbers(norm, report, sums); }
    return sums;
}

BMAE_INLINE void Trainer::add_absent(std::span<HostBatch const> batches, std::vector<TermSums>& sums) {
    for (HostBatch const& batch : batches) {
        for (std::size_t t = 0; t < std::min(batch.term_absent.size(), sums.size()); ++t) {
            sums[t].absent += batch.term_absent[t];
        }
    }
}

BMAE_INLINE void Trainer::share_numbers(at::Tensor const& norm, StepReport& report, std::vector<TermSums>& sums) {
    at::Tensor const mine = at::zeros({static_cast<std::int64_t>(4 + 4 * sums.size())}, at::kDouble);
    double* out = mine.mutable_data_ptr<double>();
    for (double const value :
         {report.loss, static_cast<double>(report.examples), static_cast<double>(report.tokens), stopping_ ? 1.0 : 0.0}) {
        *out++ = value;
    }
    for (TermSums const& sum : sums) {
        for (double const value : {static_cast<double>(sum.labels), static_cast<double>(sum.absent), sum.loss, sum.correct}) {
            *out++ = value;
        }
    }
    at::Tensor const shared = mine.to(norm.device());
    replicas_.add_up(shared);
    at::Tensor const host = shared.cpu();
    double const* next = host.const_data_ptr<double>();
    report.loss = *next++;
    report.examples = static_cast<std::size_t>(*next++);
    report.tokens = static_cast<std::size_t>(*next++);
    stopping_ = *next++ > 0;
    for (TermSums& sum : sums) {
        sum.labels = static_cast<std::int64_t>(*next++);
        sum.absent = static_cast<std::int64_t>(*next++);
        sum.loss = *next++;
        sum.correct = *next++;
    }
}

BMAE_INLINE void Trainer::note_skip(std::string const& what, TrainState& state) const {
    ++state.skips_in_row;
    ++state.skipped;
    if (state.skips_in_row > options_.non_finite.max_skips) {
        throw RunError(what +
                       (options_.non_finite.max_skips == 0 ? "" : "; " + std::to_string(state.skips_in_row) + " steps in a row"));
    }
    warn(what + "; the step is skipped");
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
