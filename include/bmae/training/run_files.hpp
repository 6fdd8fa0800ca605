// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files of one training run: where it resumes, what a checkpoint contains, which run may resume from it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json_fwd.hpp>

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <torch/version.h>

#include <bmae/detail/files.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/training/checkpoint.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/description.hpp>
#include <bmae/training/flat_parameters.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/training/optimizer.hpp>
#include <bmae/training/plan.hpp>
#include <bmae/training/replicas.hpp>
#include <bmae/training/train_state.hpp>
#include <bmae/training/trainer_options.hpp>
#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

namespace bmae::detail {

/// What the trainer of one rank writes and reads. Rank 0 locks the folder and decides; all ranks see it. What training changes
/// without a gradient is each rank's own (a queue holds the keys of its micro-batches), so each writes and reads its own state.
class RunFiles {
public:
    /// \param objective,options,replicas  must outlive it
    RunFiles(Objective& objective, TrainerOptions const& options, Replicas const& replicas,
             std::function<void(std::string const&)> warn);

    /// Finds where to resume; nothing where the run is new, or writes nothing.
    /// \param device  of the parameters
    std::optional<CheckpointFolder> open(at::Device device);

    /// True on rank 0, which writes log and checkpoints.
    [[nodiscard]] bool holds_folder() const noexcept { return store_.has_value(); }
    /// True on all ranks that write into a checkpoint: all call `save` then, in the same steps.
    [[nodiscard]] bool takes_part() const noexcept;

    /// \returns  the checkpoint on rank 0, nothing elsewhere
    /// \throws RunError where another rank failed; see its own error
    std::filesystem::path save(FlatParameters const& parameters, Optimizer const& optimizer, TrainState const& state);

    /// Loads the parameters alone of a checkpoint of this run.
    /// \throws InputError where it is damaged or missing
    void load_parameters(std::uint64_t step, FlatParameters& parameters) const;

    /// \throws InputError where the checkpoint is of another model, other options, another number of ranks or an older format
    TrainState load(CheckpointFolder const& found, FlatParameters& parameters, Optimizer& optimizer) const;

private:
    /// This process has locked the folder from here on.
    std::optional<CheckpointFolder> recover();

    void write(std::filesystem::path const& folder, FlatParameters const& parameters, Optimizer const& optimizer,
               TrainState const& state);

    /// The part of a checkpoint that a rank other than 0 writes.
    void add_own_state(std::uint64_t step);

    [[nodiscard]] static RunError other_rank_failed(std::uint64_t step);

    void require_same_run(nlohmann::ordered_json const& json, std::filesystem::path const& file) const;

    /// The length of a run may change; its learning rate then does, too.
    void warn_of_new_plan(nlohmann::ordered_json const& json, TrainState const& state) const;

    /// Says what a checkpoint of an earlier version does not tell, so that nobody takes it for compared.
    void warn_of_unknown(std::string const& then, std::string const& now) const;

    /// "the model's passes.0.view.masker.rate"; what is not of the model by its own name.
    static std::string name_of_difference(std::string key);

    /// Over all ranks; each calls it in the same order.
    [[nodiscard]] std::int64_t sum(std::int64_t value) const;
    bool all_well(bool well) const { return sum(well ? 0 : 1) == 0; }

    Objective& objective_;
    TrainerOptions const& options_;
    Replicas const& replicas_;
    std::function<void(std::string const&)> warn_;
    std::optional<CheckpointStore> store_ = {};   // on rank 0
    at::Device device_ = at::kCPU;
    bool has_state_ = false;
};

}  // namespace bmae::detail

#if BMAE_TORCH_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae::detail {

BMAE_INLINE RunFiles::RunFiles(Objective& objective, TrainerOptions const& options, Replicas const& replicas,
                               std::function<void(std::string const&)> warn)
    : objective_(objective), options_(options), replicas_(replicas), warn_(std::move(warn)) {
    objective_.for_each_state([this](std::string const&, at::Tensor&) { has_state_ = true; });
}

BMAE_INLINE std::optional<CheckpointFolder> RunFiles::open(at::Device device) {
    device_ = device;
    if (options_.output.empty()) { return std::nullopt; }
    if (replicas_.ranks == 1) { return recover(); }
    constexpr std::int64_t nothing = -1, refused = -2;   // in place of a step
    std::exception_ptr failure;
    std::int64_t step = 0;
    if (replicas_.rank == 0) {
        try {
            auto const found = recover();
            step = found ? static_cast<std::int64_t>(found->step) : nothing;
        } catch (...) {
            failure = std::current_exception();
            step = refused;
        }
    }
    step = sum(step);
    if (failure) { std::rethrow_exception(failure); }
    if (step == refused) { throw RunError(options_.output.string() + ": rank 0 refused the folder; see its own error"); }
    if (step == nothing) { return std::nullopt; }
    return CheckpointFolder{options_.output / ("step-" + std::to_string(step)), static_cast<std::uint64_t>(step)};
}

BMAE_INLINE bool RunFiles::takes_part() const noexcept {
    return holds_folder() || (replicas_.ranks > 1 && has_state_ && !options_.output.empty());
}

BMAE_INLINE std::filesystem::path RunFiles::save(FlatParameters const& parameters, Optimizer const& optimizer,
                                                 TrainState const& state) {
    bool const together = replicas_.ranks > 1 && has_state_;
    if (!holds_folder()) {
        add_own_state(state.step);
        return {};
    }
    bool told = !together;
    store_->keep_best(state.best.step);
    try {
        return store_
            ->save(state.step,
                   [&](std::filesystem::path const& folder) {
                       write(folder, parameters, optimizer, state);
                       if (!together) { return; }
                       told = true;
                       all_well(true);   // the folder exists: the others write
                       if (!all_well(true)) { throw other_rank_failed(state.step); }
                   })
            .path;
    } catch (...) {
        if (!told) { all_well(false); }
        throw;
    }
}

BMAE_INLINE TrainState RunFiles::load(CheckpointFolder const& found, FlatParameters& parameters, Optimizer& optimizer) const {
    std::filesystem::path const file = found.path / "trainer.json";
    try {
        std::string const text = read_file(file);
        auto const json = parse_json_text<nlohmann::ordered_json>(text, file.string());
        require_same_run(json, file);
        TrainState state = TrainState::from_json(json.at("state"));
        if (state.step != found.step) {
            throw InputError(Diagnostic{file.string(), 0, "the state of step " + std::to_string(found.step),
                                        "that of step " + std::to_string(state.step)});
        }
        warn_of_new_plan(json, state);
        if (json.at("libtorch").get<std::string>() != TORCH_VERSION) {
            warn_("the run was started with LibTorch " + json.at("libtorch").get<std::string>() +
                  ", this is " TORCH_VERSION "; it resumes, but not bit for bit");
        }
        read_model(found.path, parameters);
        read_optimizer(found.path, optimizer);
        read_state(found.path, objective_, replicas_.rank);
        return state;
    } catch (nlohmann::ordered_json::exception const& error) {
        throw InputError(Diagnostic{file.string(), 0, "the state of a training run", error.what()});
    } catch (std::out_of_range const& error) {
        throw InputError(Diagnostic{file.string(), 0, "the state of a training run", error.what()});
    }
}

BMAE_INLINE void RunFiles::load_parameters(std::uint64_t step, FlatParameters& parameters) const {
    std::filesystem::path const folder = options_.output / ("step-" + std::to_string(step));
    if (std::string const damage = explain_damage(folder); !damage.empty()) {
        throw InputError(Diagnostic{folder.string(), 0, "the undamaged checkpoint of the best step", damage});
    }
    read_model(folder, parameters);
}

BMAE_INLINE std::optional<CheckpointFolder> RunFiles::recover() {
    store_.emplace(options_.output, options_.keep_last);
    auto const present = list_checkpoints(options_.output);
    if (!present.empty() && !options_.resume) {
        throw InputError(Diagnostic{options_.output.string(), 0, "a folder without checkpoints",
                                    present.front().path.filename().string(),
                                    "Resume that run or choose another folder; nothing is overwritten."});
    }
    return store_->recover(warn_);
}

BMAE_INLINE void RunFiles::write(std::filesystem::path const& folder, FlatParameters const& parameters,
                                 Optimizer const& optimizer, TrainState const& state) {
    write_model(folder, parameters);
    write_optimizer(folder, optimizer);
    write_state(folder, objective_);
    nlohmann::ordered_json const json{{"library", version},
                                      {"libtorch", TORCH_VERSION},
                                      {"examples", objective_.examples()},
                                      {"steps", options_.steps},
                                      {"epochs", options_.epochs},
                                      {"ranks", replicas_.ranks},
                                      {"options", deciding_options(options_)},
                                      {"objective", objective_.description()},
                                      {"state", state.to_json()}};
    write_file(folder / "trainer.json", json.dump(1) + '\n');
    objective_.write_sidecars(folder);
}

BMAE_INLINE void RunFiles::add_own_state(std::uint64_t step) {
    if (!all_well(true)) { throw other_rank_failed(step); }
    std::exception_ptr failure;
    try {
        write_state(CheckpointStore::unfinished_folder(options_.output, step), objective_, replicas_.rank);
    } catch (...) { failure = std::current_exception(); }
    bool const well = all_well(!failure);
    if (failure) { std::rethrow_exception(failure); }
    if (!well) { throw other_rank_failed(step); }
}

BMAE_INLINE RunError RunFiles::other_rank_failed(std::uint64_t step) {
    return RunError("the checkpoint of step " + std::to_string(step) + " is not written: another rank failed");
}

BMAE_INLINE void RunFiles::require_same_run(nlohmann::ordered_json const& json, std::filesystem::path const& file) const {
    auto const refuse = [&](std::string const& what, std::string const& expected, std::string const& now) {
        throw InputError(Diagnostic{file.string(), 0, what + ' ' + expected + " as in the checkpoint", now,
                                    "Resume with the same options, or start a run in another folder."});
    };
    auto const then = json.at("objective").get<std::string>();
    std::string const now = objective_.description();
    if (format_of(then) != format_of(now)) {
        std::string const writer = json.at("library").get<std::string>();
        throw InputError(Diagnostic{file.string(), 0, "a checkpoint that describes its model in format " + format_of(now),
                                    "format " + format_of(then) + ", of version " + writer,
                                    "Version " + writer +
                                        " continues this run. Its weights can still be loaded: start a new run "
                                        "in another folder with --init " +
                                        file.parent_path().string() + '.'});
    }
    if (auto const count = json.at("examples").get<std::size_t>(); count != objective_.examples()) {
        refuse("a corpus of", std::to_string(count) + " examples", std::to_string(objective_.examples()));
    }
    warn_of_unknown(then, now);
    if (auto const other = first_difference(then, without_newer_keys(now, then))) {
        refuse(name_of_difference(other->key), other->then, other->now);
    }
    if (auto const other = option_difference(json.at("options"), options_)) { refuse(other->key, other->then, other->now); }
    if (auto const ranks = json.value("ranks", std::size_t{1}); has_state_ && ranks != replicas_.ranks) {
        refuse("ranks, each with queues of its own:", std::to_string(ranks), std::to_string(replicas_.ranks));
    }
}

BMAE_INLINE void RunFiles::warn_of_new_plan(nlohmann::ordered_json const& json, TrainState const& state) const {
    auto const steps = json.at("steps").get<std::uint64_t>();
    auto const epochs = json.at("epochs").get<std::uint64_t>();
    std::size_t const known = std::min(state.plan.size(), options_.plan.size());
    bool const other_plan = !options_.plan.empty() && !std::equal(state.plan.begin(), state.plan.end(), options_.plan.begin(),
                                                                  options_.plan.begin() + static_cast<std::ptrdiff_t>(known));
    if (steps == options_.steps && epochs == options_.epochs && state.budget == options_.seconds && !other_plan) { return; }
    std::string const then = state.budget > 0 ? std::to_string(state.budget) + " seconds"
                             : !state.plan.empty()
                                 ? std::to_string(TrainPlan(state.plan).steps()) + " steps of another run's plan"
                                 : std::to_string(steps) + " steps or " + std::to_string(epochs) + " epochs";
    warn_("the run was planned for " + then + "; from here on its learning rate follows the new plan");
}

BMAE_INLINE void RunFiles::warn_of_unknown(std::string const& then, std::string const& now) const {
    std::string missing;
    for (std::string const& key : newer_keys(now, then)) { missing += (missing.empty() ? "" : ", ") + key; }
    if (!missing.empty()) {
        warn_("the checkpoint is of an earlier version, which did not record " + missing + ": not compared");
    }
}

BMAE_INLINE std::string RunFiles::name_of_difference(std::string key) {
    if (key.empty()) { return "the model"; }
    if (key == "corpus") { return "the content of the corpus, with the checksum"; }
    if (key == "pairs") { return "the content of the training pairs, with the checksum"; }
    if (key == "generator") { return "the weights of the generator, with the checksum"; }
    for (std::string_view const group : {"numbers.", "slots."}) {
        if (key.starts_with(group)) { key.erase(0, group.size()); }
    }
    return "the model's " + key;
}

BMAE_INLINE std::int64_t RunFiles::sum(std::int64_t value) const {
    at::Tensor const shared = at::full({}, value, at::TensorOptions(at::kLong).device(device_));
    replicas_.add_up(shared);
    return shared.item<std::int64_t>();
}

}  // namespace bmae::detail

#endif   // BMAE_TORCH_DEFINITIONS
