// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// All parameters of a model in one buffer, so that optimizer, clipping, zeroing and all-reduce are single operations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/cpu_threads.hpp>
#include <bmae/nn/kernels.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/training/parameter_rates.hpp>
#include <bmae/training/precision.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The range of one parameter in the flat buffers.
struct ParameterSlot {
    std::string name = {};
    std::vector<std::int64_t> shape = {};
    std::int64_t offset = 0;       ///< in elements
    std::int64_t size = 0;         ///< in elements
    bool decay = false;            ///< weight decay applies
    std::size_t alternation = 0;   ///< see `Objective::alternation`
    bool frozen = false;           ///< never trained: without gradient and moments
    double rate = 1;               ///< factor of the learning rate

    static constexpr std::int64_t alignment = 32;   ///< elements
    /// With the gap behind it: where the next slot starts.
    [[nodiscard]] std::int64_t end() const noexcept { return offset + (size + alignment - 1) / alignment * alignment; }
};

/// fp32 masters and gradients of a model, [decayed | not decayed | frozen], and the views of them that the network reads. Frozen
/// parameters have masters alone, and require no gradient, so that nothing is computed or kept for one.
///
/// While this object lives the data of every parameter is in its buffers; the tensors keep their identity, so that a module
/// which shares a tensor (a tied embedding) continues to share it. In fp32 the network reads the masters and backward() writes
/// into the flat gradient. In bf16 it reads a flat bf16 copy and has flat bf16 gradients, which `collect()` adds to the fp32
/// gradient after every micro-batch: products are bf16, sums over micro-batches fp32. One-dimensional parameters are
/// bf16 too, since neither linear's bias nor layer normalization on a GPU accepts mixed types.
/// Every slot starts at a multiple of 32 elements, which keeps all views aligned to cache lines; the gaps are and stay zero.
class FlatParameters {
public:
    static constexpr std::int64_t alignment = ParameterSlot::alignment;   ///< elements

    /// \throws InputError if two parameters have one name or are one tensor, if they are on different devices, or as `rates_of`
    explicit FlatParameters(Objective& objective, ComputeType precision = ComputeType::fp32, ParameterRates const& rates = {})
        : precision_(precision) {
        c10::AutoGradMode const no_grad(false);
        gather(objective, rates);
        std::int64_t const end = place_slots();
        auto const device = tensors_.front().device();
        master_ = at::zeros({end}, at::TensorOptions().dtype(at::kFloat).device(device));
        gradient_ = at::zeros({trained_}, master_.options());
        for (std::size_t i = 0; i < slots_.size(); ++i) { view(master_, i).copy_(tensors_[i]); }
        if (precision_ == ComputeType::bf16) {
            compute_ = at::zeros({end}, master_.options().dtype(at::kBFloat16));
            compute_gradient_ = at::zeros({trained_}, compute_.options());
        }
        attach();
    }

    FlatParameters(FlatParameters const&) = delete;
    FlatParameters& operator=(FlatParameters const&) = delete;

    /// Restores the model with its fp32 masters as ordinary parameters without gradients.
    ~FlatParameters() { detach(); }

    [[nodiscard]] std::vector<ParameterSlot> const& slots() const noexcept { return slots_; }
    [[nodiscard]] ComputeType precision() const noexcept { return precision_; }
    [[nodiscard]] std::int64_t elements() const noexcept { return master_.numel(); }   ///< including the gaps
    [[nodiscard]] std::int64_t decayed() const noexcept { return decayed_; }          ///< elements before the first without decay
    [[nodiscard]] std::int64_t trained() const noexcept { return trained_; }          ///< elements before the first frozen one
    [[nodiscard]] at::Tensor const& master() const noexcept { return master_; }       ///< [elements()] fp32
    [[nodiscard]] at::Tensor const& gradient() const noexcept { return gradient_; }   ///< [trained()] fp32

    /// The part of a flat buffer that belongs to slot `i`, in the parameter's shape. Only masters have one of a frozen slot.
    [[nodiscard]] at::Tensor view(at::Tensor const& flat, std::size_t i) const {
        return flat.narrow(0, slots_[i].offset, slots_[i].size).view(slots_[i].shape);
    }

    /// Calls `visit(name, fp32 master)` for every parameter, in the order of the model.
    void for_each_master(std::function<void(std::string const&, at::Tensor const&)> const& visit) const {
        for (std::size_t i = 0; i < slots_.size(); ++i) { visit(slots_[i].name, view(master_, i)); }
    }

    /// The fp32 master of the parameter of that name; undefined where there is none.
    [[nodiscard]] at::Tensor master_of(std::string const& name) const {
        auto const found = by_name_.find(name);
        return found == by_name_.end() ? at::Tensor() : view(master_, found->second);
    }

    /// Ends a micro-batch: its gradients are part of `gradient()` afterwards.
    /// \throws RunError if a backward pass replaced a gradient instead of adding to it
    void collect() {
        c10::AutoGradMode const no_grad(false);
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            if (slots_[i].frozen) { continue; }
            at::Tensor const& now = tensors_[i].grad();
            if (!now.defined() || now.data_ptr() != gradients_[i].data_ptr()) {
                throw RunError("the gradient of " + slots_[i].name +
                               " was replaced during the backward pass; expected that it is added to in place");
            }
        }
        if (precision_ == ComputeType::bf16) { add_and_zero(); }
    }

    void zero_gradient() {
        c10::AutoGradMode const no_grad(false);
        gradient_.zero_();
        if (precision_ == ComputeType::bf16) { compute_gradient_.zero_(); }
    }

    /// Copies the masters to the network's parameters. Call after every change of `master()`.
    void publish() {
        c10::AutoGradMode const no_grad(false);
        if (precision_ == ComputeType::bf16) { compute_.copy_(master_); }
    }

    /// Euclidean norm of the whole gradient; stays on the device.                                                 []
    [[nodiscard]] at::Tensor gradient_norm() const {
        c10::AutoGradMode const no_grad(false);
        return at::linalg_vector_norm(gradient_, 2);
    }

    /// Name of the first parameter that holds a non-finite number, in its gradient or else in itself; empty if none does.
    [[nodiscard]] std::string first_non_finite() const {
        std::string const gradient = first_non_finite_in(gradient_);
        return gradient.empty() ? first_non_finite_in(master_) : "gradient of " + gradient;
    }
    /// The same of the parameters alone; cheap where all are finite.
    [[nodiscard]] std::string first_non_finite_master() const {
        c10::AutoGradMode const no_grad(false);
        if (at::linalg_vector_norm(master_, 2).isfinite().item<bool>()) { return {}; }
        return first_non_finite_in(master_);
    }

private:
    [[nodiscard]] std::string first_non_finite_in(at::Tensor const& flat) const {
        c10::AutoGradMode const no_grad(false);
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            if (slots_[i].end() > flat.numel()) { continue; }   // frozen: without a gradient
            if (!at::isfinite(view(flat, i)).all().item<bool>()) { return slots_[i].name; }
        }
        return {};
    }

    void gather(Objective& objective, ParameterRates const& rates) {
        std::unordered_map<void const*, std::string> by_tensor;
        objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool decay) {
            if (!by_name_.emplace(name, slots_.size()).second) { throw InputError("two parameters have the name " + name); }
            auto const [other, is_new] = by_tensor.emplace(value.unsafeGetTensorImpl(), name);
            if (!is_new) {
                throw InputError(name + " and " + other->second + " are one tensor; a shared parameter is visited once");
            }
            if (!value.is_leaf()) { throw InputError(name + " is the result of a computation; a parameter must be a leaf"); }
            if (!tensors_.empty() && value.device() != tensors_.front().device()) {
                throw InputError(name + " is on " + value.device().str() + ", " + slots_.front().name + " on " +
                                 tensors_.front().device().str() + "; all parameters must be on one device");
            }
            slots_.push_back({.name = name,
                              .shape = value.sizes().vec(),
                              .size = value.numel(),
                              .decay = decay,
                              .alternation = objective.alternation(name)});
            tensors_.push_back(value);
        });
        if (tensors_.empty()) { throw InputError("the model has no parameters"); }
        std::vector<std::string> names;
        for (ParameterSlot const& slot : slots_) { names.push_back(slot.name); }
        std::vector<ParameterRate> const own = rates_of(names, rates);
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            bool const never = slots_[i].alternation == Objective::never_trained;
            slots_[i].frozen = own[i].frozen || never;
            if (never) { slots_[i].alternation = 0; }
            slots_[i].rate = own[i].factor;
        }
    }

    /// \returns the elements of all slots, with their gaps
    std::int64_t place_slots() {
        std::int64_t end = 0;
        auto const place = [&](auto const& chosen) {
            for (ParameterSlot& slot : slots_) {
                if (!chosen(slot)) { continue; }
                slot.offset = end;
                end = slot.end();
            }
            return end;
        };
        decayed_ = place([](ParameterSlot const& slot) { return !slot.frozen && slot.decay; });
        trained_ = place([](ParameterSlot const& slot) { return !slot.frozen && !slot.decay; });
        return place([](ParameterSlot const& slot) { return slot.frozen; });
    }

    /// gradient_ += compute_gradient_, compute_gradient_ = 0; in one pass on a CPU, where LibTorch's mixed addition is slow.
    void add_and_zero() {
        if (detail::kernel_path(detail::Operation::gradient_sum, compute_gradient_) != detail::Path::rows) {
            gradient_.add_(compute_gradient_);
            compute_gradient_.zero_();
            return;
        }
        float* const sum = gradient_.mutable_data_ptr<float>();
        auto* const part = static_cast<std::uint16_t*>(compute_gradient_.mutable_data_ptr());
        detail::parallel_ranges(gradient_.numel(), 1 << 18, [&](std::int64_t first, std::int64_t end) {
            detail::add_and_zero(part + first, sum + first, end - first);
        });
    }

    void attach() {
        publish();
        bool const copy = precision_ == ComputeType::bf16;
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            gradients_.push_back(slots_[i].frozen ? at::Tensor() : view(copy ? compute_gradient_ : gradient_, i));
            tensors_[i].mutable_grad().reset();
            tensors_[i].set_data(view(copy ? compute_ : master_, i));
            if (slots_[i].frozen) {
                tensors_[i].set_requires_grad(false);
                continue;
            }
            tensors_[i].set_requires_grad(true);
            tensors_[i].mutable_grad() = gradients_[i];
        }
    }

    void detach() {
        c10::AutoGradMode const no_grad(false);
        for (std::size_t i = 0; i < gradients_.size(); ++i) {
            tensors_[i].mutable_grad().reset();
            tensors_[i].set_data(view(master_, i));
        }
    }

    ComputeType precision_;
    std::vector<ParameterSlot> slots_;
    std::unordered_map<std::string, std::size_t> by_name_;   // slot
    std::vector<at::Tensor> tensors_;                        // handles of the model's own tensors
    std::vector<at::Tensor> gradients_;                      // the views in their grad fields; undefined: frozen
    std::int64_t decayed_ = 0;
    std::int64_t trained_ = 0;
    at::Tensor master_, gradient_;            // fp32
    at::Tensor compute_, compute_gradient_;   // bf16, undefined in fp32
};

}  // namespace bmae
