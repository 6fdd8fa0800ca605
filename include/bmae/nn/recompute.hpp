// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A layer whose activations are computed again in the backward pass instead of being kept.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/nn/context.hpp>
#include <bmae/values/parameter_role.hpp>

namespace bmae {

namespace detail {

/// A layer as a function of its rows and its context, which keeps what it reads.                              [T, H] -> [T, H]
using LayerRun = std::function<at::Tensor(at::Tensor const& rows, ForwardContext& context)>;

/// `run(rows, context)` whose graph holds the rows alone: the backward pass runs it once more, with the same keys of dropout.
/// \param parameters  all tensors with a gradient that `run` reads besides the rows
BMAE_INLINE at::Tensor recompute(LayerRun run, std::vector<at::Tensor> parameters, at::Tensor const& rows,
                                 ForwardContext& context);

}  // namespace detail

/// Runs the layers of one forward run; where the context asks for it, each is computed again in the backward pass (Chen et al.:
/// Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174), from its input and the keys of its dropout. Outputs and
/// gradients are the same, bit for bit; gradients of a model that reads the layers between differ by the order of sums. The price is one more
/// forward run of the layers.
class LayerRuns {
public:
    LayerRuns(PackedInput const& input, ForwardContext& context)
        : input_(input), context_(context), again_(context.training && context.recompute && c10::GradMode::is_enabled()) {
        if (again_) { kept_ = std::make_shared<PackedInput const>(input); }   // outlives the run, for all layers
    }

    /// \param run  run(layer, rows, input, context), which reads nothing else by reference                     [T, H] -> [T, H]
    template <class Layer, class Run>
    at::Tensor operator()(Layer const& layer, at::Tensor const& rows, Run run) const {
        if (!again_) { return run(layer, rows, input_, context_); }
        Layer copy = layer;   // shares the tensors
        std::vector<at::Tensor> parameters;
        copy.for_each_parameter("", [&](auto const&, at::Tensor& value, ParameterRole) {
            if (value.defined()) { parameters.push_back(value); }
        });
        return detail::recompute(
            [copy = std::move(copy), kept = kept_, run = std::move(run)](at::Tensor const& given, ForwardContext& context) {
                return run(copy, given, *kept, context);
            },
            std::move(parameters), rows, context_);
    }

private:
    PackedInput const& input_;
    ForwardContext& context_;
    bool again_;
    std::shared_ptr<PackedInput const> kept_ = {};
};

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace bmae::detail {

/// What the backward pass needs to run a layer again.
struct KeptRun : torch::CustomClassHolder {
    LayerRun run = {};
    ForwardContext context = {};   // as it was before the layer
};

/// Inputs: the rows, then the parameters. Their gradients come from a graph that lives within `backward`.
struct Recomputed : torch::autograd::Function<Recomputed> {
    static at::Tensor forward(torch::autograd::AutogradContext* kept, c10::intrusive_ptr<KeptRun> const& again,
                              ForwardContext* context, at::TensorList inputs) {
        kept->saved_data["run"] = c10::IValue::make_capsule(again);
        kept->save_for_backward(inputs.vec());
        return again->run(inputs.front().detach(), *context);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* kept,
                                                   torch::autograd::variable_list gradients) {
        auto const capsule = kept->saved_data.at("run").toCapsule();
        auto const& again = static_cast<KeptRun const&>(*capsule);
        torch::autograd::variable_list inputs = kept->get_saved_variables();
        bool const asks_rows = inputs.front().requires_grad();
        c10::AutoGradMode const graph(true);
        at::Tensor const rows = inputs.front().detach().requires_grad_(asks_rows);
        ForwardContext context = again.context;
        at::Tensor const output = again.run(rows, context);
        torch::autograd::variable_list asked;
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (!inputs[i].requires_grad()) { continue; }
            asked.push_back(i == 0 ? rows : inputs[i]);
            places.push_back(i);
        }
        torch::autograd::variable_list const found = torch::autograd::grad(
            {output}, asked, {gradients[0]}, /*retain_graph=*/false, /*create_graph=*/false, /*allow_unused=*/true);
        torch::autograd::variable_list results(2 + inputs.size());   // behind those of the two arguments that are no tensors
        for (std::size_t i = 0; i < places.size(); ++i) { results[2 + places[i]] = found[i]; }
        return results;
    }
};

BMAE_INLINE at::Tensor recompute(LayerRun run, std::vector<at::Tensor> parameters, at::Tensor const& rows,
                                 ForwardContext& context) {
    auto again = c10::make_intrusive<KeptRun>();
    again->run = std::move(run);
    again->context = context;
    parameters.insert(parameters.begin(), rows);
    return Recomputed::apply(again, &context, at::TensorList(parameters));
}

}  // namespace bmae::detail

#endif   // BMAE_TORCH_DEFINITIONS
