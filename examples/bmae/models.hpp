// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Loading of models from all kinds of folders, and the trainer's options, for the commands that use LibTorch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/hybrid_vectors.hpp>
#include <bmae/edge/encoder_folders.hpp>
#include <bmae/edge/hybrid_heads.hpp>
#include <bmae/edge/sentence_transformer_folder.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/lora_tensors.hpp>
#include <bmae/training/precision.hpp>
#include <bmae/values/prompts.hpp>

#include "common.hpp"
#include "json_member.hpp"
#include "prompts.hpp"
#include "reference_init.hpp"

namespace bmae::program {

/// The encoder of queries of a model that has one of documents, too.
struct QueryEncoder {
    AnyEncoder encoder;
    SentenceBottleneck pooling = {};
};

/// A loaded model, before its pooling is chosen.
struct LoadedModel {
    AnyEncoder encoder;
    AnyTokenizer tokenizer;
    std::optional<SentenceEncoderOptions> sentence = {};   ///< from the folder, if any
    std::string kind = {};          ///< "sentence-transformers folder", "BERT folder", "XLM-RoBERTa folder", "checkpoint"
    Path path = {};                 ///< of the loaded files
    std::string bottleneck = {};    ///< a checkpoint's, by its name in the composition; empty: unknown
    std::size_t max_length = 0;     ///< tokens of a text, as recorded beside the weights; 0: not recorded
    std::size_t query_length = 0;   ///< the same of a query; 0: as a text
    std::optional<QueryEncoder> queries = {};   ///< of a model of two encoders, whose `encoder` is that of documents
};

/// Refuses a model of two encoders where one is wanted.
inline void require_one_encoder(LoadedModel const& model, std::string const& what) {
    if (!model.queries) { return; }
    throw InputError(Diagnostic{.file = model.path.string(),
                                .expected = what + " with a model of one encoder",
                                .found = "one encoder of queries and one of documents",
                                .hint = "Name the folder of one of them, query_0_Transformer or document_0_Transformer."});
}

/// The file in which sentence-transformers records the length of texts. Checkpoints and folders of models have it too, so that every
/// route to the vectors of a run reads the same tokens.
inline constexpr char const* length_file = "sentence_bert_config.json";

/// \param query_length  0: queries have none of their own
inline void write_length(Path const& folder, std::size_t max_length, std::size_t query_length = 0) {
    Json lengths{{"max_seq_length", max_length}, {"do_lower_case", false}};
    if (query_length != 0) { lengths["query_length"] = query_length; }
    detail::write_file(folder / length_file, lengths.dump(2) + '\n');
}

/// Prompts beside a checkpoint, in the file of sentence-transformers' folders.
inline constexpr char const* prompts_file = "config_sentence_transformers.json";

inline void write_prompts(Path const& folder, Prompts const& prompts) {
    if (prompts.texts.empty()) { return; }
    Json document{{"prompts", prompts.texts}, {"default_prompt_name", nullptr}};
    if (prompts.standard) { document["default_prompt_name"] = *prompts.standard; }
    detail::write_file(folder / prompts_file, document.dump(2) + '\n');
}

/// The recorded length; 0 where there is none.
inline std::size_t read_length(Path const& folder) {
    if (!std::filesystem::exists(folder / length_file)) { return 0; }
    return detail::JsonObject::read(folder / length_file).get<std::size_t>("max_seq_length", 0);
}

/// Tokens of a text that the model reads where no option says otherwise.
inline std::size_t length_of(LoadedModel const& model) {
    if (model.sentence) { return model.sentence->max_length; }
    auto const positions = static_cast<std::size_t>(model.encoder.shape().positions);
    return std::min(positions, model.max_length != 0 ? model.max_length : std::size_t{512});
}

inline bool is_checkpoint(Path const& path) { return std::filesystem::exists(path / "trainer.json"); }

/// The checkpoint of a path: itself, or the newest undamaged one of an output folder. Nothing where there is none.
inline std::optional<Path> find_checkpoint(Path const& path) {
    if (is_checkpoint(path)) {
        if (std::string const damage = explain_damage(std::filesystem::weakly_canonical(path)); !damage.empty()) {
            throw InputError(Diagnostic{
                .file = path.string(), .expected = "an undamaged checkpoint", .found = damage, .hint = "Choose another one."});
        }
        return path;
    }
    if (list_checkpoints(path).empty()) { return std::nullopt; }
    return result_checkpoint(path, warn).path;
}

inline SentenceBottleneck pooling_from(std::string const& name) {
    if (auto const pooling = SentenceBottleneck::named(name)) { return *pooling; }
    std::string known;
    for (SentenceBottleneck const& pooling : SentenceBottleneck::all()) {
        known += (known.empty() ? "" : ", ") + to_string(pooling);
    }
    throw InputError(Diagnostic{.file = {}, .expected = "--pooling as one of " + known, .found = '"' + name + '"'});
}

/// The description of a checkpoint's objective; empty where there is none.
inline std::string objective_of_checkpoint(Path const& checkpoint) {
    Path const file = checkpoint / "trainer.json";
    return detail::JsonObject::read(file).get<std::string>("objective", "");
}

/// The bottleneck of a checkpoint's first pass: "mean", "scored" ...; empty where unknown.
inline std::string bottleneck_of_checkpoint(Path const& checkpoint) {
    Json const objective = objective_from(objective_of_checkpoint(checkpoint));
    Json const& passes = member(objective, "passes");
    Json const name = passes.is_array() && !passes.empty() ? member(passes.front(), "bottleneck") : Json();
    return name.is_string() ? name.get<std::string>() : std::string();
}

/// How the first contrast of a checkpoint's objective compares vectors: "dot", "cosine", "euclidean"; empty without a contrast.
inline std::string similarity_of_contrast(Json const& objective) {
    for (std::size_t term = 0; term < member(objective, "terms").size(); ++term) {
        Json const compared = member(member(objective, "numbers"), ("terms." + std::to_string(term) + ".similarity").c_str());
        if (compared.is_string()) { return compared.get<std::string>(); }
    }
    return {};
}

/// How a checkpoint makes its vectors: the bottleneck of the first pass, the length of texts, and how its contrast, where it has one,
/// compared them. Nothing where the bottleneck is no pooling of hidden states (lexicon, scored ...) and where unknown.
inline std::optional<SentenceEncoderOptions> sentence_options_of(Path const& checkpoint) {
    Json const parsed = objective_from(objective_of_checkpoint(checkpoint));
    if (parsed.is_null()) { return std::nullopt; }
    detail::JsonObject const objective(parsed, (checkpoint / "trainer.json").string(), " of the objective");
    if (objective.has("pooling")) {   // fine-tuning of 0.1
        return SentenceEncoderOptions{.pooling = pooling_from(objective.require<std::string>("pooling")),
                                      .normalize = objective.get("normalize", false),
                                      .max_length = objective.get("passage_length", std::size_t{512})};
    }
    std::string const bottleneck = bottleneck_of_checkpoint(checkpoint);
    if (bottleneck.empty()) { return std::nullopt; }
    NamedTensors shared;
    for (auto& [name, tensor] : load_tensors(checkpoint / "model.safetensors", Loading::mapped)) {
        if (name.starts_with("shared.")) { shared.emplace(name, tensor); }
    }
    bool const hybrid = bottleneck == HybridVectors::name;   // the dense one of three representations is [CLS] at length 1
    auto pooling = SentenceBottleneck::of(
        {.name = hybrid ? std::string(ClsBottleneck::name) : bottleneck,
         .projection = detail::JsonObject(parsed["passes"].front(), objective.file()).get<std::string>("projection", "")},
        shared);
    if (!pooling) { return std::nullopt; }
    bool const unit_length = pooling->unit_length() || hybrid;
    SentenceEncoderOptions options{
        .pooling = *std::move(pooling), .normalize = unit_length, .max_length = objective.get("max_length", std::size_t{512})};
    bool const finetuned = objective.has("pairs");
    auto const numbers = objective.find<detail::JsonObject>("numbers");
    if (finetuned && numbers) {
        auto const length = numbers->get("passes.0.view.source.max_length", options.max_length);
        options.max_length = std::min(options.max_length, numbers->get("passes.1.view.source.max_length", length));
    }
    std::string const compared = similarity_of_contrast(parsed);
    options.normalize = options.normalize || compared == "cosine";
    if (compared == "euclidean") { options.similarity = VectorSimilarity::euclidean; }
    if (std::size_t const recorded = read_length(checkpoint); recorded != 0) { options.max_length = recorded; }
    options.query_length = std::min(detail::folder_query_length(checkpoint), options.max_length);
    if (std::filesystem::exists(checkpoint / prompts_file)) {
        options.prompts = detail::read_prompts(detail::JsonObject::read(checkpoint / prompts_file));
    }
    return options;
}

/// The tokenizer of a model. \throws InputError where it does not add the special tokens of encoders
inline AnyTokenizer load_tokenizer(Path const& path) {
    AnyTokenizer tokenizer = AnyTokenizer::from_file(path);
    require_encoder_tokens(tokenizer, /*for_training=*/false, path);
    return tokenizer;
}

/// Which encoder of a model that has two: the first reads queries, the second passages.
enum class Tower { first, second };

/// Nothing where no encoder is named.
inline std::optional<Tower> tower_from(std::string const& name) {
    if (name.empty()) { return std::nullopt; }
    if (name == "first") { return Tower::first; }
    if (name == "second") { return Tower::second; }
    throw InputError(Diagnostic{.file = {}, .expected = "--tower first or second", .found = '"' + name + '"'});
}

/// The parameters of a checkpoint, weights with their low-rank factors added.
inline NamedTensors checkpoint_tensors(Path const& checkpoint) {
    Path const file = checkpoint / "model.safetensors";
    return merge_lora(load_tensors(file, Loading::mapped), file.string());
}

/// Encoder and head of a checkpoint.
inline AnyEncoder encoder_of_checkpoint(Path const& path, Tower tower = Tower::first, TokenHead head = TokenHead::optional) {
    constexpr std::string_view second = "second.";
    NamedTensors parameters;
    for (auto& [name, tensor] : checkpoint_tensors(path)) {
        if ((tower == Tower::second) != name.starts_with(second)) { continue; }
        parameters.emplace(tower == Tower::second ? name.substr(second.size()) : name, tensor);
    }
    if (tower == Tower::second && parameters.empty()) {
        throw InputError(
            Diagnostic{.file = path.string(),
                       .expected = "a checkpoint with a second encoder",
                       .found = "one encoder",
                       .hint = "The preset laprador and a fine-tuning of two encoders train two; leave --tower out."});
    }
    return encoder_from_parameters(path / "config.json", parameters, path.string(), head);
}

/// Whether a second encoder of a checkpoint was trained with the first, and whether on queries with passages.
struct SecondEncoderFacts {
    bool is_there = false;
    bool is_finetuned = false;
};

inline SecondEncoderFacts second_encoder_of(Path const& checkpoint) {
    auto const objective = detail::parse_json_or_nothing<nlohmann::json>(objective_of_checkpoint(checkpoint));
    if (!objective.is_object() || !objective.contains("passes") || !objective["passes"].is_array()) { return {}; }
    bool const second = std::ranges::any_of(objective["passes"], [](nlohmann::json const& pass) {
        return pass.is_object() && pass.contains("encoder") && pass["encoder"] == "second";
    });
    return {.is_there = second, .is_finetuned = second && objective.contains("pairs")};
}

/// \param tower  the encoder that is wanted; nothing: both of a fine-tuned model, else the first
inline LoadedModel load_checkpoint(Path const& path, std::optional<Tower> tower = {}) {
    bool const both = !tower && second_encoder_of(path).is_finetuned;
    LoadedModel model{.encoder = encoder_of_checkpoint(path, both ? Tower::second : tower.value_or(Tower::first)),
                      .tokenizer = load_tokenizer(path),
                      .sentence = sentence_options_of(path),
                      .kind = "checkpoint",
                      .path = path,
                      .bottleneck = bottleneck_of_checkpoint(path),
                      .max_length = read_length(path),
                      .query_length = detail::folder_query_length(path)};
    if (both) {
        model.queries = {.encoder = encoder_of_checkpoint(path, Tower::first),
                         .pooling = model.sentence.value_or(SentenceEncoderOptions{}).pooling};
    }
    return model;
}

inline InputError no_second_encoder(Path const& path) {
    return InputError(Diagnostic{.file = path.string(),
                                 .expected = "a checkpoint or the output folder of a run with --tower second",
                                 .found = "a folder of one encoder",
                                 .hint = "pretrain also writes the second one, as second-sentence-transformer."});
}

/// A sentence-transformers folder.
inline LoadedModel load_sentence_folder(Path const& path, std::optional<Tower> tower) {
    SentenceEncoder encoder = load_sentence_encoder(path);
    bool const two = encoder.has_query_encoder();
    if (tower == Tower::second && !two) { throw no_second_encoder(path); }
    if (tower == Tower::first) { encoder = encoder.for_queries(); }
    LoadedModel model{.encoder = encoder.model().any_encoder(),
                      .tokenizer = encoder.tokenizer(),
                      .sentence = encoder.options(),
                      .kind = "sentence-transformers folder",
                      .path = path};
    if (two && !tower) {
        SentenceEncoder::Tower const queries = encoder.towers().back();
        model.queries = {.encoder = queries.model.any_encoder(), .pooling = queries.pooling};
    }
    return model;
}

/// \param tower  as of `load_checkpoint`
/// \throws InputError  where the folder is of an unknown kind
inline LoadedModel load_model(Path const& path, std::optional<Tower> tower = {}) {
    if (!std::filesystem::is_directory(path)) {
        throw InputError(Diagnostic{
            .file = path.string(),
            .expected = "the folder of a model",
            .found = std::filesystem::exists(path) ? "a file" : "nothing of that name",
            .hint = "Name a sentence-transformers folder, the folder of an encoder, a checkpoint or the output of a run."});
    }
    if (auto const checkpoint = find_checkpoint(path)) { return load_checkpoint(*checkpoint, tower); }
    tell_weights(path);
    if (std::filesystem::exists(path / "modules.json") && !detail::holds_classifier(path)) {
        return load_sentence_folder(path, tower);
    }
    if (tower == Tower::second) { throw no_second_encoder(path); }
    AnyEncoder encoder = load_encoder(path);
    std::string kind = encoder_title(encoder) + " folder";
    return {.encoder = std::move(encoder),
            .tokenizer = load_tokenizer(path),
            .kind = std::move(kind),
            .path = path,
            .max_length = read_length(path),
            .query_length = detail::folder_query_length(path)};
}

/// A model from which two encoders are trained: of one encoder both start as a copy of it, of two each from its own.
inline LoadedModel load_two_encoders(Path const& path) {
    LoadedModel model = load_model(path);
    auto const checkpoint = find_checkpoint(path);
    if (model.queries || !checkpoint || !second_encoder_of(*checkpoint).is_there) { return model; }
    say("both encoders of " + checkpoint->string() + " are trained: the first reads queries, the second passages");
    model.queries = {.encoder = std::move(model.encoder), .pooling = model.sentence.value_or(SentenceEncoderOptions{}).pooling};
    model.encoder = encoder_of_checkpoint(*checkpoint, Tower::second);
    return model;
}

/// A masked language model with its own head, from a folder or a checkpoint. \throws InputError where it has no head
inline AnyEncoder load_generator(Path const& path) {
    auto const checkpoint = find_checkpoint(path);
    if (checkpoint) { return encoder_of_checkpoint(*checkpoint, Tower::first, TokenHead::required); }
    tell_weights(path);
    return load_encoder(path, 0, TokenHead::required);
}

/// \throws InputError  for another value, and for a missing GPU
inline at::Device device_from(std::string const& name) {
    auto const refuse = [&](std::string found) {
        return InputError(Diagnostic{.file = {},
                                     .expected = "--device cpu, cuda or cuda:N",
                                     .found = std::move(found),
                                     .hint = "`bmae doctor` lists what there is."});
    };
    if (name == "cpu") { return at::Device(at::kCPU); }
    bool const numbered = name.starts_with("cuda:") && name.size() > 5 && name.size() < 8 &&
                          name.find_first_not_of("0123456789", 5) == std::string::npos;
    if (name != "cuda" && !numbered) { throw refuse('"' + name + '"'); }
    if (!at::globalContext().hasCUDA()) { throw refuse('"' + name + "\", but LibTorch sees no CUDA device"); }
    return at::Device(at::kCUDA, numbered ? static_cast<c10::DeviceIndex>(std::stoi(name.substr(5))) : c10::DeviceIndex{0});
}

/// Moves every parameter of a part on the device.
template <class Part>
void move_encoder(Part& encoder, at::Device device) {
    if (device.is_cpu()) { return; }
    encoder.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) { value = value.detach().to(device); });
}

inline void use_threads(Common const& common) {
    if (common.threads != 0) { at::set_num_threads(static_cast<int>(common.threads)); }
}

/// What a model without a pooling of hidden states is used with.
inline std::string hint_without_pooling(std::string const& bottleneck) {
    if (bottleneck == "scored") {
        return "A reranker scores pairs: bmae rerank --model, with the output folder of `bmae finetune`.";
    }
    if (bottleneck == "token_vectors") {
        return "It has a vector per token: bmae search --method maxsim or bmae rerank, with the output folder of `bmae "
               "finetune`.";
    }
    if (bottleneck == "lexical") {
        return "Sparse vectors of a fine-tuned model: bmae search --method sparse, with the output folder of `bmae finetune`; "
               "dense ones of "
               "a pre-trained one: --pooling cls or mean.";
    }
    return "RetroMAE and its relatives: --pooling cls.";
}

/// The sentence encoder that the options describe. \throws InputError where no pooling is known
/// \param tower  as of `load_checkpoint`
inline SentenceEncoder make_sentence_encoder(Common const& common, ModelOptions const& options, std::optional<Tower> tower = {}) {
    ComputeType const precision = compute_type_from(options.precision);
    if (options.model.empty()) {
        throw InputError(Diagnostic{.file = {}, .expected = "--model", .found = "none", .hint = "Name the folder of a model."});
    }
    LoadedModel model = load_model(options.model, tower);
    if (!model.sentence && options.pooling.empty()) {
        std::string const why = model.bottleneck.empty()
                                    ? model.kind + " does not define a pooling"
                                    : model.kind + " has the bottleneck " + model.bottleneck + ", no pooling of hidden states";
        throw InputError(Diagnostic{.file = model.path.string(),
                                    .expected = "--pooling, as the " + why,
                                    .found = "none",
                                    .hint = hint_without_pooling(model.bottleneck)});
    }
    if (model.bottleneck == HybridVectors::name || holds_hybrid_heads(model.path)) {
        say(model.path.string() + ": the dense vectors are read; its heads of lexical weights and token vectors are not");
    }
    SentenceEncoderOptions sentence = model.sentence.value_or(SentenceEncoderOptions{});
    sentence.max_length = length_of(model);
    if (!options.pooling.empty()) { sentence.pooling = pooling_from(options.pooling); }
    if (options.normalize) { sentence.normalize = true; }
    if (sentence.query_length == 0) { sentence.query_length = std::min(model.query_length, sentence.max_length); }
    if (options.max_length != 0) {
        sentence.max_length = options.max_length;
        sentence.query_length = std::min(sentence.query_length, options.max_length);
    }
    if (options.query_length != 0) { sentence.query_length = options.query_length; }
    sentence.prompts = prompts_by(std::move(sentence.prompts), options.prompts);
    auto const convert = [&](AnyEncoder& encoder) {
        move_encoder(encoder, device_from(common.device));
        if (precision != ComputeType::bf16) { return; }
        encoder.for_each_parameter("",
                                   [](std::string const&, at::Tensor& value, bool) { value = value.detach().to(at::kBFloat16); });
    };
    convert(model.encoder);
    SentenceEncoder encoder(std::move(model.encoder), std::move(model.tokenizer), sentence);
    if (!model.queries) { return encoder; }
    say("two encoders: one reads queries, the other all other texts");
    convert(model.queries->encoder);
    return encoder.with_query_encoder(std::move(model.queries->encoder),
                                      options.pooling.empty() ? std::move(model.queries->pooling) : sentence.pooling);
}

}  // namespace bmae::program
