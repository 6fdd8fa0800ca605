// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Dumps one step with everything that another program needs to compute the same losses and gradients.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <nlohmann/json_fwd.hpp>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/model/model.hpp>

namespace bmae {

namespace detail {

BMAE_INLINE nlohmann::ordered_json terms_json(std::vector<TermDescription> const& terms);

BMAE_INLINE nlohmann::ordered_json views_json(std::vector<ViewDescription> const& views);

BMAE_INLINE nlohmann::ordered_json passes_json(std::vector<PassDescription> const& passes);

BMAE_INLINE nlohmann::ordered_json options_json(std::vector<std::pair<std::string, OptionValue>> const& numbers);

/// Puts one packed view under its path into `tensors`.
BMAE_INLINE void dump_view(PackedView const& view, ViewDescription const& description, NamedTensors& tensors);

/// What the report of a dumped step says of it.
struct DumpedStep {
    std::string preset;
    std::string composition;
    SpecialIds special = {};
    std::vector<TermDescription> terms = {};
    std::vector<PassDescription> passes = {};
    std::vector<ViewDescription> views = {};
    ModelLoss loss = {};
    std::vector<std::pair<std::string, double>> gradient_norms = {};   ///< L2, in double, by parameter
};

/// The report as JSON text.
BMAE_INLINE std::string report_text(DumpedStep const& step, AnyEncoder const& encoder);

}  // namespace detail

/// Writes one step of `model` on `batch`, in fp32, without dropout and without an update.
///
/// The file is safetensors: every view, every parameter, and a metadata key `report` with the losses and the L2 norm of every
/// gradient (summed in double). The model's gradients are cleared afterwards.
template <class Model>
void dump_step(Model& model, HostBatch const& given, TokenTraits const& traits, std::string const& preset,
               std::filesystem::path const& file) {
    NamedTensors tensors;
    HostBatch const batch = model.replaced(given);
    std::vector<ViewDescription> const views = model.describe_views();
    for (std::size_t v = 0; v < views.size(); ++v) { detail::dump_view(batch.views[v], views[v], tensors); }
    for (std::size_t t = 0; t < batch.pairs.size(); ++t) {
        tensors["terms." + std::to_string(t) + ".pairs"] = detail::int64_tensor(batch.pairs[t].rows, at::kCPU).view({-1, 2});
    }
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (!value.requires_grad()) { value.requires_grad_(true); }
        if (value.grad().defined()) { value.mutable_grad().zero_(); }
        tensors[name] = value.detach();
    });
    std::map<std::string, double> state;   // has no gradient
    model.for_each_state([&](std::string const& name, at::Tensor& value) {
        tensors[name] = value.detach().clone();
        if (value.is_floating_point()) { state[name] = 0.0; }
    });
    ForwardContext context;   // no dropout
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    if (loss.total.requires_grad()) { loss.total.backward(); }

    detail::DumpedStep step{.preset = preset,
                            .composition = model.composition(),
                            .special = traits.special(),
                            .terms = model.describe_terms(),
                            .passes = model.describe_passes(),
                            .views = views,
                            .loss = loss};
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        bool const reached = value.grad().defined();
        step.gradient_norms.emplace_back(name, reached ? value.grad().to(at::kDouble).norm().template item<double>() : 0.0);
        if (reached) { value.mutable_grad().zero_(); }
    });
    for (auto const& [name, zero] : state) { step.gradient_norms.emplace_back(name, zero); }
    save_tensors(file, tensors, {{"report", detail::report_text(step, model.encoder())}});
}

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/encoders/encoder_description.hpp>

namespace bmae::detail {

BMAE_INLINE nlohmann::ordered_json terms_json(std::vector<TermDescription> const& terms) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (TermDescription const& term : terms) {
        nlohmann::ordered_json entry{{"name", term.name}, {"kind", term.kind}, {"weight", term.weight}};
        if (!term.decoder.empty()) {
            entry["decoder"] = term.decoder;
            entry["decoder_layers"] = term.decoder_layers;
        }
        if (!term.query.empty()) { entry["query"] = term.query; }
        if (!term.decoder_name.empty()) { entry["decoder_name"] = term.decoder_name; }
        if (!term.task.empty()) { entry["task"] = term.task; }
        if (term.tap >= 0) { entry["tap"] = term.tap; }
        if (term.window > 0) { entry["window"] = term.window; }
        if (!term.bottleneck.empty()) {
            entry["bottleneck"] = term.bottleneck;
            entry["projection"] = term.projection;
        }
        if (!term.pooling.empty()) {
            entry["pooling"] = term.pooling;
            entry["words"] = term.words;
            entry["lowest_id"] = term.lowest_id;
        }
        if (!term.similarity.empty()) {
            entry["similarity"] = term.similarity;
            if (!term.contrast.empty()) { entry["contrast"] = term.contrast; }
            entry["candidates"] = term.candidates;
            entry["temperature"] = term.temperature;
        }
        list.push_back(std::move(entry));
    }
    return list;
}

BMAE_INLINE nlohmann::ordered_json views_json(std::vector<ViewDescription> const& views) {
    nlohmann::ordered_json entries;
    for (ViewDescription const& view : views) {
        entries[view.path] = {{"source", view.source},
                              {"masker", view.masker},
                              {"rate", view.rate},
                              {"basis", view.basis},
                              {"corruptor", view.corruptor}};
    }
    return entries;
}

BMAE_INLINE nlohmann::ordered_json passes_json(std::vector<PassDescription> const& passes) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (PassDescription const& pass : passes) {
        list.push_back({{"bottleneck", pass.bottleneck}, {"projection", pass.projection}, {"encoder", pass.encoder}});
    }
    return list;
}

BMAE_INLINE nlohmann::ordered_json options_json(std::vector<std::pair<std::string, OptionValue>> const& numbers) {
    nlohmann::ordered_json entries = nlohmann::ordered_json::object();
    for (auto const& [path, number] : numbers) {
        std::visit([&](auto const& value) { entries[path] = value; }, number);
    }
    return entries;
}

BMAE_INLINE void dump_view(PackedView const& view, ViewDescription const& description, NamedTensors& tensors) {
    std::string const& path = description.path;
    tensors[path + ".input_ids"] = int64_tensor(view.input_ids, at::kCPU);
    tensors[path + ".original_ids"] = int64_tensor(view.original_ids, at::kCPU);
    tensors[path + ".labels"] = int64_tensor(view.labels, at::kCPU);
    tensors[path + ".offsets"] = int64_tensor(view.offsets, at::kCPU);
    if (!view.token_types.empty()) { tensors[path + ".token_types"] = int64_tensor(view.token_types, at::kCPU).to(at::kByte); }
    if (description.corruptor == GeneratorReplacement::name) {
        tensors[path + ".flags"] = int64_tensor(view.flags, at::kCPU).to(at::kByte);
    }
    if (view.visibility.empty()) { return; }
    std::int64_t cells = 0;
    for (Visibility const& rows : view.visibility) { cells += static_cast<std::int64_t>(rows.length) * rows.length; }
    at::Tensor matrix = at::empty({cells}, at::kByte);
    auto* out = matrix.mutable_data_ptr<std::uint8_t>();
    for (Visibility const& rows : view.visibility) {
        for (std::size_t i = 0; i < rows.length; ++i) {
            for (std::size_t j = 0; j < rows.length; ++j) { *out++ = rows.allows(i, j) ? 1 : 0; }
        }
    }
    tensors[path + ".visibility"] = matrix;
}

BMAE_INLINE std::string report_text(DumpedStep const& step, AnyEncoder const& encoder) {
    nlohmann::ordered_json report;
    report["preset"] = step.preset;
    report["composition"] = step.composition;
    report["total"] = step.loss.total.item<double>();
    SpecialIds const& special = step.special;
    report["special_ids"] = {
        {"pad", special.pad}, {"unk", special.unk}, {"cls", special.cls}, {"sep", special.sep}, {"mask", special.mask}};
    report["config"] = describe_encoder(encoder);
    report["terms"] = terms_json(step.terms);
    for (std::size_t t = 0; t < step.loss.terms.size(); ++t) {
        report["terms"][t]["loss"] = step.loss.terms[t].loss.item<double>();
        report["terms"][t]["labels"] = step.loss.terms[t].labels;
        report["terms"][t]["weight"] = step.loss.terms[t].weight;
    }
    report["passes"] = passes_json(step.passes);
    report["views"] = views_json(step.views);
    nlohmann::ordered_json norms;
    for (auto const& [name, norm] : step.gradient_norms) { norms[name] = norm; }
    report["gradient_norms"] = std::move(norms);
    return report.dump();
}

}  // namespace bmae::detail

#endif   // BMAE_TORCH_DEFINITIONS
