// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Cross-encoders to and from folders: BertForSequenceClassification with one label, as sentence-transformers' CrossEncoder reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/scored.hpp>
#include <bmae/edge/encoder_folders.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/bert_folder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/encoders/hf_folder.hpp>
#include <bmae/encoders/model_type.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/cross_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// The name of a parameter of `Scored` in a folder: "pooler.dense.weight", "classifier.bias" ...
inline std::string score_name(std::string const& name) { return name.substr(std::string_view("shared.score.").size()); }

/// Refuses families whose classification head differs: ELECTRA's has GELU, the others have no token types.
/// \param kind  title of the family
inline void require_score_head(std::string const& kind, std::string const& folder) {
    if (kind == title(ModelType::bert)) { return; }
    throw InputError(Diagnostic{.file = folder,
                                .expected = "a BERT model, whose classification is linear, tanh, linear",
                                .found = kind + ", whose classification has another head",
                                .hint = "Keep the checkpoint, or fine-tune a BERT."});
}

inline constexpr char const* identity_class = "torch.nn.modules.linear.Identity";
inline constexpr char const* sigmoid_class = "torch.nn.modules.activation.Sigmoid";

/// The activation of the score: version 6 writes it beside the model, version 4 and earlier in config.json; default: sigmoid.
inline bool reads_sigmoid(std::filesystem::path const& folder) {
    auto const config = JsonObject::read(folder / "config.json");
    auto name = config.find<std::string>("sbert_ce_default_activation_function");
    if (auto const inner = config.find<JsonObject>("sentence_transformers"); inner && inner->has("activation_fn")) {
        name = inner->require<std::string>("activation_fn");
    }
    if (auto const path = folder / "config_sentence_transformers.json"; std::filesystem::exists(path)) {
        if (auto const given = JsonObject::read(path).find<std::string>("activation_fn")) { name = given; }
    }
    if (!name || name->ends_with(".Sigmoid")) { return true; }
    if (name->ends_with(".Identity")) { return false; }
    throw config.refuse("the activation Identity or Sigmoid of the score", '"' + *name + '"');
}

}  // namespace detail

/// Writes a folder that transformers, sentence-transformers' CrossEncoder and `load_cross_encoder` read.
///
/// Scores are equal where a pair fits the length: longer ones Python truncates at both, here the passage first. The score
/// is the raw logit: config.json names the activation Identity, without which sentence-transformers would apply a sigmoid.
/// \param folder  must not exist, or be empty; appears when all of it is on the disk
/// \param head    holds `shared.score.pooler.dense.{weight,bias}` and `shared.score.classifier.{weight,bias}`; others ignored
/// \throws InputError  an encoder that is not BERT, tensors that are missing or of another shape, a folder that holds something
inline void save_cross_encoder(std::filesystem::path const& folder, AnyEncoder const& given, AnyTokenizer const& tokenizer,
                               NamedTensors const& head, CrossEncoderOptions const& options) {
    detail::require_score_head(encoder_title(given), folder.string());
    BertEncoder const& encoder = *given.as<BertEncoder>();
    Scored<> scored({}, encoder, 0, {});
    take_tensors(scored, head, folder.string());
    CrossEncoder const checked(encoder, scored, tokenizer, options);   // refuses what could not be loaded again
    HfBert files = to_hf_bert(encoder, /*with_head=*/false);
    scored.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        files.aside[detail::score_name(name)] = value.detach().to(at::kCPU, at::kFloat);
    });
    detail::Json extra = detail::parse_json(files.config.extra_json, "extra_json");
    extra.erase("problem_type");
    extra["id2label"] = {{"0", "LABEL_0"}};
    extra["label2id"] = {{"LABEL_0", 0}};
    std::string const activation = options.sigmoid ? detail::sigmoid_class : detail::identity_class;
    extra["sentence_transformers"] = {{"activation_fn", activation}, {"version", "4.0.1"}};
    extra["sbert_ce_default_activation_function"] = activation;   // versions before 4
    extra["bmae_query_length"] = options.query_length;
    files.config.extra_json = extra.dump();
    write_hf_folder(folder, std::move(files), [&](std::filesystem::path const& unfinished) {
        detail::save_tokenizer(tokenizer, unfinished, options.max_length);
    });
}

/// The same for a cross-encoder that was loaded or built.
inline void save_cross_encoder(std::filesystem::path const& folder, CrossEncoder const& cross) {
    save_cross_encoder(folder, cross.model().any_encoder(), cross.tokenizer(), cross.model().bottleneck_tensors(),
                       cross.options());
}

/// Reads the folder of a BertForSequenceClassification with one label.
/// \param max_length  overrides the folder's; tokens of a pair with its three specials
/// \throws InputError  another family, several labels, an activation other than Identity and Sigmoid, modules after the
///                     transformer, files that do not match
inline CrossEncoder load_cross_encoder(std::filesystem::path const& folder, std::optional<std::size_t> max_length = {}) {
    if (std::filesystem::exists(folder / "modules.json")) {
        auto const modules = detail::read_modules(folder, {"Transformer"}, {}, "a cross-encoder");
        if (!modules.front().path.empty()) {
            throw InputError(Diagnostic{.file = (folder / "modules.json").string(),
                                        .expected = "the transformer in the folder itself",
                                        .found = '"' + modules.front().path + '"'});
        }
    }
    detail::require_no_prompts(folder, "a cross-encoder");
    detail::require_score_head(folder_title(folder), folder.string());
    HfBert const files = read_hf_folder(folder, Loading::mapped);
    BertEncoder encoder = make_bert(files);
    Scored<> scored({}, encoder, 0, {});
    if (auto const at = files.aside.find("classifier.weight"); at != files.aside.end() && at->second.size(0) != 1) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "a classifier with one label, the score",
                                    .found = std::to_string(at->second.size(0)) + " labels",
                                    .hint = "A model that sorts pairs into classes is not a reranker."});
    }
    NamedTensors head;
    for (auto const& [name, tensor] : files.aside) { head["shared.score." + name] = tensor; }
    take_tensors(scored, head, folder.string());
    CrossEncoderOptions options{.max_length = detail::folder_max_length(folder), .sigmoid = detail::reads_sigmoid(folder)};
    options.query_length = detail::JsonObject::read(folder / "config.json").get<std::size_t>("bmae_query_length", 0);
    if (max_length) { options.max_length = *max_length; }
    return {std::move(encoder), std::move(scored), AnyTokenizer::from_file(folder), options};
}

}  // namespace bmae
