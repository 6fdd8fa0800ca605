// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Cross-encoders to and from folders: a ForSequenceClassification of any family with one label, as sentence-transformers' CrossEncoder reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/mean.hpp>
#include <bmae/bottlenecks/scored.hpp>
#include <bmae/edge/encoder_folders.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/encoders/stored_family.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/cross_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

inline constexpr std::string_view score_prefix = "shared.score.";   // of the parameters of `Scored`

/// Tensors under other names: `from` and `to` are prefixes of the parts of a head, which a dot and "weight" or "bias" follow.
inline NamedTensors renamed_score(NamedTensors const& tensors, ScoreNames const& names, bool to_folder) {
    NamedTensors renamed;
    for (auto const& [ours, theirs] : names) {
        std::string const here = std::string(score_prefix).append(ours);
        for (char const* const end : {".weight", ".bias"}) {
            auto const found = tensors.find((to_folder ? here : std::string(theirs)) + end);
            if (found != tensors.end()) { renamed[(to_folder ? std::string(theirs) : here) + end] = found->second; }
        }
    }
    return renamed;
}

/// A model with a classification head, read from a folder.
struct Classifier {
    AnyEncoder encoder;
    NamedTensors head = {};   ///< by the names of `Scored`
    bool is_mean = false;     ///< the head reads the mean over the tokens, else [CLS]
};

/// \throws InputError  files that do not match
inline Classifier load_classifier(std::filesystem::path const& folder) {
    require_model_folder(folder);
    auto const config = JsonObject::read(folder / "config.json");
    return with_named_family<Classifier>(folder / "config.json", [&]<ClassifierFamily F>(F family) {
        auto [encoder, aside] = family.load_classifier(folder);
        Classifier made{.encoder = encoder,
                        .head = renamed_score(aside, family.score_names(encoder.config()), /*to_folder=*/false)};
        if (F::pools_by_config) {
            auto const pooling = config.get<std::string>("classifier_pooling", "cls");
            if (pooling != "cls" && pooling != "mean") {
                throw config.refuse("\"classifier_pooling\" cls or mean", '"' + pooling + '"');
            }
            made.is_mean = pooling == "mean";
        }
        return made;
    });
}

/// Outputs of the head: 1 of a reranker; 0: there is no head.
inline std::int64_t labels_of(Classifier const& classifier) {
    auto const weight = classifier.head.find("shared.score.classifier.weight");
    return weight != classifier.head.end() && weight->second.dim() == 2 ? weight->second.size(0) : 0;
}

inline constexpr char const* identity_class = "torch.nn.modules.linear.Identity";
inline constexpr char const* sigmoid_class = "torch.nn.modules.activation.Sigmoid";

/// The activation of the score: version 6 writes it beside the model, versions before into config.json; default: sigmoid.
/// \throws InputError  another activation, a key of theirs that is not obeyed
inline bool reads_sigmoid(std::filesystem::path const& folder) {
    auto const config = JsonObject::read(folder / "config.json");
    auto name = config.find<std::string>("sbert_ce_default_activation_function");
    if (auto const inner = config.find<JsonObject>("sentence_transformers")) {
        require_known_keys(*inner, classifier_inner_keys);
        if (auto const given = inner->find<std::string>("activation_fn")) { name = given; }
    }
    std::filesystem::path source = folder / "config.json";
    if (auto const path = folder / "config_sentence_transformers.json"; std::filesystem::exists(path)) {
        auto const object = JsonObject::read(path);
        require_known_keys(object, cross_model_keys);
        if (auto const given = object.find<std::string>("activation_fn")) {
            name = given;
            source = path;
        }
    }
    if (!name) { return true; }
    bool const is_stock = name->starts_with("torch.nn.");   // Python replaces another library's class by its default
    if (is_stock && name->ends_with(".Sigmoid")) { return true; }
    if (is_stock && name->ends_with(".Identity")) { return false; }
    throw InputError(Diagnostic{.file = source.string(),
                                .expected = "the activation Identity or Sigmoid of torch.nn of the score",
                                .found = '"' + *name + '"',
                                .hint = "Any other would give other scores."});
}

/// The labels that config.json declares; nothing where it says none.
inline std::optional<std::size_t> declared_labels(std::filesystem::path const& folder) {
    auto const config = JsonObject::read(folder / "config.json");
    if (auto const count = config.find<std::size_t>("num_labels")) { return count; }
    auto const names = config.find<JsonObject>("id2label");
    return names ? std::optional(names->json().size()) : std::nullopt;
}

/// Further keys of a classifier's config.json.
/// \param pooling  value of classifier_pooling; empty: the family has no such key
inline std::string classifier_extra(std::string const& extra_json, CrossEncoderOptions const& options, std::string_view pooling) {
    Json extra = parse_json(extra_json, "extra_json");
    extra.erase("problem_type");
    extra["id2label"] = {{"0", "LABEL_0"}};
    extra["label2id"] = {{"LABEL_0", 0}};
    std::string const activation = options.sigmoid ? sigmoid_class : identity_class;
    extra["sentence_transformers"] = {{"activation_fn", activation}, {"version", "4.0.1"}};
    extra["sbert_ce_default_activation_function"] = activation;   // versions before 4
    extra["bmae_query_length"] = options.query_length;
    if (!pooling.empty()) { extra["classifier_pooling"] = pooling; }
    return extra.dump();
}

/// Writes a ForSequenceClassification of any family.
/// \param head        by the names of `Scored`, with an output per label
/// \param extra       makes the further keys of config.json from those of the encoder and the value of classifier_pooling, which is
///                    empty where the family has no such key
/// \param pooling     the bottleneck within `Scored`
/// \param max_length  tokens of a text or a pair with its special ones
inline void write_classifier(std::filesystem::path const& folder, AnyEncoder const& encoder, AnyTokenizer const& tokenizer,
                             NamedTensors const& head,
                             std::function<std::string(std::string const&, std::string_view)> const& extra,
                             std::string_view pooling, std::size_t max_length) {
    NamedTensors values;
    for (auto const& [name, tensor] : head) { values[name] = tensor.detach().to(at::kCPU, at::kFloat); }
    auto const saved = with_family<bool>(encoder, [&]<ClassifierFamily F>(F family, auto const& held) {
        if (pooling != ClsBottleneck::name && !(F::pools_by_config && pooling == MeanBottleneck::name)) {
            throw InputError(Diagnostic{.file = folder.string(),
                                        .expected = "a score of [CLS], as every " + std::string(family.title(held.config())) +
                                                    " classifier reads it" + (F::pools_by_config ? ", or of the mean" : ""),
                                        .found = "of the bottleneck " + std::string(pooling),
                                        .hint = "Keep the checkpoint."});
        }
        family.save_classifier(
            folder, held, renamed_score(values, family.score_names(held.config()), /*to_folder=*/true),
            extra(held.config().extra_json, F::pools_by_config ? pooling : std::string_view()),
            [&](std::filesystem::path const& unfinished) { save_tokenizer(tokenizer, unfinished, max_length); });
        return true;
    });
    if (!saved) { throw no_folder_for(encoder, folder.string()); }
}

}  // namespace detail

/// Writes a folder that transformers, sentence-transformers' CrossEncoder and `load_cross_encoder` read.
///
/// Scores are equal where a pair fits the length: longer ones Python truncates at both, here the passage first. The score
/// is the raw logit: config.json names the activation Identity, without which sentence-transformers would apply a sigmoid.
/// \param folder   must not exist, or be empty; appears when all of it is on the disk
/// \param head     the parameters of `Scored` over this encoder: `shared.score.pooler.dense.weight` ...; others ignored
/// \param pooling  the bottleneck within `Scored`: cls, or mean over ModernBERT
/// \throws InputError  an encoder of a type that has no folders, another pooling, tensors that are missing or of another shape, a
///                     folder that holds something
inline void save_cross_encoder(std::filesystem::path const& folder, AnyEncoder const& encoder, AnyTokenizer const& tokenizer,
                               NamedTensors const& head, CrossEncoderOptions const& options,
                               std::string_view pooling = ClsBottleneck::name) {
    Scored<> scored({}, encoder, 0, {});
    take_tensors(scored, head, folder.string());
    CrossEncoder const checked(encoder, scored, tokenizer, options);   // refuses what could not be loaded again
    NamedTensors values;
    scored.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) { values[name] = value; });
    detail::write_classifier(
        folder, encoder, tokenizer, values,
        [&](std::string const& extra_json, std::string_view by_config) {
            return detail::classifier_extra(extra_json, options, by_config);
        },
        pooling, options.max_length);
}
/// The same for a cross-encoder that was loaded or built.
inline void save_cross_encoder(std::filesystem::path const& folder, CrossEncoder const& cross) {
    save_cross_encoder(folder, cross.model().any_encoder(), cross.tokenizer(), cross.model().bottleneck_tensors(),
                       cross.options(), cross.model().bottleneck().projection);
}

/// Reads the folder of a ForSequenceClassification of any family with one label.
/// \param max_length  overrides the folder's; tokens of a pair with its special ones
/// \throws InputError  several labels, an activation other than Identity and Sigmoid, modules after the transformer, files that
///                     do not match
inline CrossEncoder load_cross_encoder(std::filesystem::path const& folder, std::optional<std::size_t> max_length = {}) {
    if (std::filesystem::exists(folder / "modules.json")) {
        auto const modules = detail::read_modules(folder, {"Transformer"}, {}, "a cross-encoder");
        if (!modules.front().path.empty()) {
            throw InputError(Diagnostic{.file = (folder / "modules.json").string(),
                                        .expected = "the transformer in the folder itself",
                                        .found = '"' + modules.front().path + '"'});
        }
    }
    detail::require_no_prompts(folder, "a cross-encoder", detail::PromptUse::standard);
    detail::Classifier const read = detail::load_classifier(folder);
    if (std::int64_t const labels = detail::labels_of(read); labels != 1) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "a classifier with one label, the score",
                                    .found = labels == 0 ? "none" : std::to_string(labels) + " labels",
                                    .hint = labels == 0 ? "Fine-tune it: bmae finetune --preset reranker."
                                                        : "A model that sorts pairs into classes is not a reranker."});
    }
    if (auto const declared = detail::declared_labels(folder); declared && *declared != 1) {
        throw InputError(Diagnostic{.file = (folder / "config.json").string(),
                                    .expected = "one label, as the head has",
                                    .found = std::to_string(*declared) + " labels",
                                    .hint = "Config and weights are of two models: copy the folder again."});
    }
    CrossEncoderOptions options{.max_length = detail::folder_max_length(folder), .sigmoid = detail::reads_sigmoid(folder)};
    options.query_length = detail::JsonObject::read(folder / "config.json").get<std::size_t>("bmae_query_length", 0);
    if (max_length) { options.max_length = *max_length; }
    auto const build = [&]<class Inner>(Inner inner) {
        Scored<Inner> scored({.inner = inner}, read.encoder, 0, {});
        take_tensors(scored, read.head, folder.string());
        return CrossEncoder(read.encoder, std::move(scored), AnyTokenizer::from_file(folder), options);
    };
    return read.is_mean ? build(MeanBottleneck()) : build(ClsBottleneck());
}

}  // namespace bmae
