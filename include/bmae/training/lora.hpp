// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Low-rank adaptation of any objective: chosen weights of the encoder are frozen and read with trained factors added.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/training/lora_options.hpp>
#include <bmae/training/lora_tensors.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/training/objective_wrapper.hpp>
#include <bmae/training/parameter_rates.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// An objective whose encoder is adapted by low-rank factors (Hu et al.: LoRA, arXiv 2106.09685, section 4.1): each target W is read as
/// W + alpha / rank U D. Trained are the factors and what is not of the encoder's body: heads, decoders, projections. The encoder's
/// own parameters stay as they are, bit for bit. U starts as zeros, D is drawn from U(-1/sqrt(in), 1/sqrt(in)), so the first step is
/// that of the model itself. The sum is one tensor of the graph, which the layers read in place of W: no layer knows of it.
///
/// Checkpoints hold the weights as they were, `lora.NAME.down`, `lora.NAME.up` and `lora.scale`; whoever loads one as a model adds
/// them (`merge_lora`).
class LoraObjective final : public ObjectiveWrapper {
public:
    /// \param inner  the objective itself; must outlive this object
    /// \param seed   of the first factors, with the name of each
    /// \throws InputError  for targets that are no linear map of the encoder's layers, and for an objective with a momentum encoder or
    ///                     a queue, which would follow the weights that stay as they are
    LoraObjective(Objective& inner, LoraOptions options, std::uint64_t seed);

    /// While it lives, everything that shares the model's tensors reads the adapted weights; then those from before, bit for bit.
    class Merged {
    public:
        explicit Merged(LoraObjective& model);
        Merged(Merged const&) = delete;
        Merged& operator=(Merged const&) = delete;
        ~Merged();

    private:
        std::vector<std::pair<at::Tensor, at::Tensor>> before_ = {};   // weight, its values
    };

    /// Adds the factors to the weights for good; they are zero afterwards.
    void merge();

    [[nodiscard]] std::size_t targets() const noexcept { return targets_.size(); }
    [[nodiscard]] std::int64_t factor_elements() const;   ///< numbers of all factors

    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        return adapted([&] { return inner_.forward(batch, context, step_labels); });
    }
    [[nodiscard]] StepContrast& step_contrast() override;
    void for_each_parameter(ParameterVisitor const& visit) override;
    /// Whether a parameter is trained: factors, and what is not of the encoder's body.
    [[nodiscard]] bool trains(std::string const& parameter) const;
    [[nodiscard]] std::size_t alternation(std::string const& parameter) const override;
    [[nodiscard]] std::string description() const override;

private:
    struct Target {
        std::string weight = {};   // name of W
        std::string stem = {};     // "lora." and the map's name
        at::Tensor base = {};      // W
        at::Tensor down = {};      // D
        at::Tensor up = {};        // U
    };
    class Contrast;

    void add_targets(std::uint64_t seed);
    [[nodiscard]] bool is_target(std::string const& name) const;
    /// Lets the network read tensors that `tensor_of(target)` gives in place of the targets.
    void exchange(std::function<at::Tensor(Target const&)> const& tensor_of);

    /// Calls `run` while the network reads the adapted weights, as part of the graph.
    template <class Run>
    std::invoke_result_t<Run const&> adapted(Run const& run) {
        struct Back {
            LoraObjective& model;
            ~Back() {
                model.exchange([](Target const& target) { return target.base; });
            }
        } const back{*this};
        exchange([this](Target const& target) { return detail::adapted(target.base, target.down, target.up, options_.scale()); });
        return run();
    }

    LoraOptions options_;
    std::vector<Target> targets_ = {};
    at::Tensor scale_;   // [1], for whoever reads a checkpoint
    std::unique_ptr<StepContrast> contrast_ = {};
};

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <algorithm>

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae {

/// The inner contrast on adapted weights.
class LoraObjective::Contrast final : public StepContrast {
public:
    Contrast(LoraObjective& model, StepContrast& inner) : model_(model), inner_(inner) {}
    [[nodiscard]] HostBatch join(std::span<HostBatch const> batches) const override { return inner_.join(batches); }
    at::Tensor represent(HostBatch const& batch, ForwardContext& context) override {
        return model_.adapted([&] { return inner_.represent(batch, context); });
    }
    StepOutput contrast(HostBatch const& whole, std::span<HostBatch const> batches, std::span<at::Tensor const> vectors,
                        ForwardContext& context) override {
        return model_.adapted([&] { return inner_.contrast(whole, batches, vectors, context); });
    }
    StepPart forward_part(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        return model_.adapted([&] { return inner_.forward_part(batch, context, step_labels); });
    }

private:
    LoraObjective& model_;
    StepContrast& inner_;
};

BMAE_INLINE LoraObjective::LoraObjective(Objective& inner, LoraOptions options, std::uint64_t seed)
    : ObjectiveWrapper(inner), options_(std::move(options)) {
    check(options_);
    if (!options_.is_used()) { throw InputError(Diagnostic{{}, 0, "a rank of LoRA above 0", "0"}); }
    inner_.for_each_state([](std::string const& name, at::Tensor&) {
        throw InputError(Diagnostic{{},
                                    0,
                                    "a model without momentum encoders and queues, for LoRA",
                                    name,
                                    "It would follow weights that are frozen; train this preset without LoRA."});
    });
    add_targets(seed);
    scale_ = at::full({1}, options_.scale(), targets_.front().base.options().dtype(at::kFloat));
}

BMAE_INLINE bool LoraObjective::is_target(std::string const& name) const {
    constexpr std::string_view end = ".weight";
    if (!encoder_place(name).layer || !name.ends_with(end)) { return false; }
    std::string_view const map = std::string_view(name).substr(0, name.size() - end.size());
    return std::ranges::any_of(options_.targets, [&](std::string const& target) {
        return target.find('*') != target.npos ? matches(name, target) || matches(map, target)
                                               : map == target || map.ends_with('.' + target);
    });
}

BMAE_INLINE void LoraObjective::add_targets(std::uint64_t seed) {
    std::string maps;
    inner_.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (value.dim() != 2 || !encoder_place(name).layer) { return; }
        if (!is_target(name)) {
            if (*encoder_place(name).layer == 0) { maps += (maps.empty() ? "" : ", ") + name; }
            return;
        }
        Target target{.weight = name, .stem = detail::lora_name(name), .base = value};
        at::Tensor const down = at::empty({static_cast<std::int64_t>(options_.rank), value.size(1)}, at::kFloat);
        Draw draw({.seed = seed, .epoch = 0, .example = 0, .slot = detail::name_hash(target.stem)});
        double const bound = 1 / std::sqrt(static_cast<double>(value.size(1)));
        float* const numbers = down.mutable_data_ptr<float>();
        for (std::int64_t i = 0; i < down.numel(); ++i) { numbers[i] = static_cast<float>((2 * draw.uniform() - 1) * bound); }
        target.down = down.to(value.device());
        target.up = at::zeros({value.size(0), static_cast<std::int64_t>(options_.rank)}, target.down.options());
        std::int64_t const rank = static_cast<std::int64_t>(options_.rank);
        if (rank > std::min(value.size(0), value.size(1))) {
            throw InputError(Diagnostic{
                {},
                0,
                "a rank of LoRA of at most " + std::to_string(std::min(value.size(0), value.size(1))) + ", as of " + name,
                std::to_string(rank)});
        }
        targets_.push_back(std::move(target));
    });
    if (!targets_.empty()) { return; }
    throw InputError(Diagnostic{{},
                                0,
                                "targets of LoRA among the linear maps of the encoder's layers",
                                list_text(options_.targets),
                                "Maps of this model: " + (maps.empty() ? "none" : maps) + ", by the end of the name."});
}

BMAE_INLINE void LoraObjective::exchange(std::function<at::Tensor(Target const&)> const& tensor_of) {
    auto next = targets_.begin();
    inner_.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {   // in the order of `add_targets`
        if (next == targets_.end() || name != next->weight) { return; }
        value = tensor_of(*next++);
    });
}

BMAE_INLINE StepContrast& LoraObjective::step_contrast() {
    if (contrast_ == nullptr) { contrast_ = std::make_unique<Contrast>(*this, inner_.step_contrast()); }
    return *contrast_;
}

BMAE_INLINE void LoraObjective::for_each_parameter(ParameterVisitor const& visit) {
    inner_.for_each_parameter(visit);
    for (Target& target : targets_) {
        visit(target.stem + std::string(detail::lora_down), target.down, /*decay=*/true);
        visit(target.stem + std::string(detail::lora_up), target.up, /*decay=*/true);
    }
    visit(detail::lora_scale, scale_, /*decay=*/false);
}

BMAE_INLINE bool LoraObjective::trains(std::string const& parameter) const {
    if (parameter.starts_with(detail::lora_prefix)) { return parameter != detail::lora_scale; }
    std::string_view name = parameter;
    if (constexpr std::string_view second = "second."; name.starts_with(second)) { name.remove_prefix(second.size()); }
    return !name.starts_with("encoder.");
}

BMAE_INLINE std::size_t LoraObjective::alternation(std::string const& parameter) const {
    if (!trains(parameter)) { return never_trained; }
    for (Target const& target : targets_) {
        if (parameter.starts_with(target.stem + '.')) { return inner_.alternation(target.weight); }
    }
    return inner_.alternation(parameter);
}

BMAE_INLINE std::string LoraObjective::description() const {
    auto json = detail::parse_json_or_nothing<nlohmann::ordered_json>(inner_.description());
    if (!json.is_object()) { json = {{"model", inner_.description()}}; }
    json["lora"] = {{"rank", options_.rank}, {"alpha", options_.alpha}, {"targets", list_text(options_.targets)}};
    return json.dump();
}

BMAE_INLINE std::int64_t LoraObjective::factor_elements() const {
    std::int64_t count = 0;
    for (Target const& target : targets_) { count += target.down.numel() + target.up.numel(); }
    return count;
}

BMAE_INLINE void LoraObjective::merge() {
    c10::AutoGradMode const no_grad(false);
    for (Target& target : targets_) {
        target.base.copy_(detail::adapted(target.base, target.down, target.up, options_.scale()));
        target.up.zero_();
    }
}

BMAE_INLINE LoraObjective::Merged::Merged(LoraObjective& model) {
    c10::AutoGradMode const no_grad(false);
    for (Target const& target : model.targets_) {
        before_.emplace_back(target.base, target.base.clone());
        target.base.copy_(detail::adapted(target.base, target.down, target.up, model.options_.scale()));
    }
}

BMAE_INLINE LoraObjective::Merged::~Merged() {
    c10::AutoGradMode const no_grad(false);
    for (auto const& [weight, values] : before_) { weight.copy_(values); }
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
