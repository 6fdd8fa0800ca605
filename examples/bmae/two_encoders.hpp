// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Fine-tuning with one encoder of queries and one of passages: from which models it starts, and what it gives.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/edge/finetuning_presets.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>

#include "common.hpp"
#include "models.hpp"
#include "option_text.hpp"

namespace bmae::program {

/// Refuses --two-encoders with a preset that has no such form, before anything is read.
inline void check_two_encoders(bool wanted, std::string const& preset) {
    if (!wanted) { return; }
    bool has_form = false;
    for_each_finetuning_preset([&]<class M>(Preset<M> const& known) {
        if (known.name == preset) { has_form = has_two_encoder_form<M>; }
    });
    if (has_form) { return; }
    throw refuse(
        "--two-encoders with a preset of a vector per text: retriever, with the settings of papers, retriever-distilled "
        "or retriever-margin-mse",
        "--preset " + preset);
}

/// The model that training starts from, with both encoders where two are trained.
/// \throws InputError  a model of two encoders without --two-encoders; two that differ in more than their weights
inline LoadedModel load_start(Path const& path, bool two_encoders) {
    LoadedModel model = two_encoders ? load_two_encoders(path) : load_model(path);
    if (!two_encoders) {
        require_one_encoder(model, "fine-tuning without --two-encoders");
        return model;
    }
    if (!model.queries) { return model; }
    auto const form = [](AnyEncoder const& encoder) { return encoder_config_text(encoder, /*with_head=*/false); };
    std::string const pooling = to_string(model.sentence.value_or(SentenceEncoderOptions{}).pooling);
    if (form(model.encoder) != form(model.queries->encoder) || pooling != to_string(model.queries->pooling)) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "two encoders of one config.json and one pooling, to train them",
                                    .found = "others"});
    }
    return model;
}

/// The encoder that a model of one or two is built around: that of queries.
inline AnyEncoder const& first_encoder(LoadedModel const& model) {
    return model.queries ? model.queries->encoder : model.encoder;
}

/// Gives the second encoder of `objective`, which is a copy of the first, the weights of the encoder of documents.
inline void set_second_encoder(AnyModel& objective, LoadedModel const& model) {
    if (!model.queries) { return; }
    c10::AutoGradMode const no_gradient(false);
    NamedTensors documents;
    AnyEncoder encoder = model.encoder;
    for_each_body_parameter(encoder, "second.encoder",
                            [&](std::string const& name, at::Tensor& value, auto) { documents[name] = value.detach(); });
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (auto const found = documents.find(name); found != documents.end()) { value.copy_(found->second); }
    });
}

/// The encoder of texts that a model was trained to be, fp32 on the CPU: of two encoders the first reads queries, the second all else.
inline SentenceEncoder sentence_encoder_of(AnyModel const& model, AnyTokenizer const& tokenizer, SentenceEncoderOptions how) {
    auto const stored = [](AnyEncoder encoder) {
        encoder.for_each_parameter(
            "", [](std::string const&, at::Tensor& value, bool) { value = value.detach().to(at::kCPU, at::kFloat); });
        return encoder;
    };
    std::optional<AnyEncoder> const second = model.second_encoder();
    if (!second) { return {stored(model.encoder()), tokenizer, std::move(how)}; }
    SentenceBottleneck pooling = how.pooling;
    return SentenceEncoder(stored(*second), tokenizer, std::move(how))
        .with_query_encoder(stored(model.encoder()), std::move(pooling));
}

}  // namespace bmae::program
