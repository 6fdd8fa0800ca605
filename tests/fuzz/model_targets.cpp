// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Weights, configurations, folders of sentence-transformers, checkpoints.
#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/edge/decoder_places.hpp>
#include <bmae/encoders/bert_config_json.hpp>
#include <bmae/encoders/modern_bert_config_json.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/io/sentence_router.hpp>
#include <bmae/io/sentence_transformer.hpp>
#include <bmae/io/torch_file.hpp>
#include <bmae/io/torch_file_writer.hpp>
#include <bmae/io/weight_files.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/description.hpp>
#include <bmae/training/train_state.hpp>

#include "targets.hpp"

namespace fuzz {

namespace {

/// Reads one byte of each end of what a tensor claims to hold.
void touch(std::span<std::byte const> bytes) {
    if (!bytes.empty()) { static_cast<void>(static_cast<int>(bytes.front()) + static_cast<int>(bytes.back())); }
}

void read_safetensors(std::string_view input) {
    auto const file = bmae::SafetensorsFile::open(put("model.safetensors", input));
    for (auto const& entry : file.entries()) { touch(entry.bytes); }
}

void read_torch_file(std::string_view input) {
    auto const file = bmae::TorchFile::open(put("pytorch_model.bin", input));
    for (auto const& storage : file.storages()) { touch(storage.bytes); }
    for (auto const& entry : file.entries()) {
        std::uint64_t last = entry.offset;
        bool empty = false;
        for (std::size_t d = 0; d < entry.shape.size(); ++d) {
            empty = empty || entry.shape[d] == 0;
            last += static_cast<std::uint64_t>(std::max<std::int64_t>(0, entry.shape[d] - 1)) *
                    static_cast<std::uint64_t>(entry.strides[d]);
        }
        auto const& storage = file.storages().at(entry.storage);
        if (!empty && (last + 1) * (bits_of(storage.type) / 8) > storage.bytes.size()) {
            throw std::logic_error("a tensor beyond its storage was let pass");
        }
    }
}

void read_index(std::string_view input) {
    put("index/model.safetensors.index.json", input);
    for (auto const& [file, names] : bmae::find_weights(scratch() / "index").shards) {
        if (bmae::detail::leaves_folder(file)) { throw std::logic_error("a shard outside of the folder was let pass"); }
    }
}

std::string const bert_json =
    R"({"architectures":["BertModel"],"model_type":"bert","vocab_size":64,"hidden_size":8,"num_hidden_layers":1,)"
    R"("num_attention_heads":2,"intermediate_size":16,"hidden_act":"gelu","hidden_dropout_prob":0.1,)"
    R"("attention_probs_dropout_prob":0.1,"max_position_embeddings":32,"type_vocab_size":2,"layer_norm_eps":1e-12,)"
    R"("initializer_range":0.02,"pad_token_id":0})";
std::string const modern_json =
    R"({"architectures":["ModernBertModel"],"model_type":"modernbert","vocab_size":64,"hidden_size":8,"num_hidden_layers":3,)"
    R"("num_attention_heads":2,"intermediate_size":16,"hidden_activation":"gelu","max_position_embeddings":32,)"
    R"("norm_eps":1e-5,"global_attn_every_n_layers":3,"local_attention":8,"global_rope_theta":160000.0,"local_rope_theta":10000.0,)"
    R"("pad_token_id":0,"cls_token_id":1,"sep_token_id":2,"layer_types":null})";

void read_bert_config(std::string_view input) { static_cast<void>(bmae::bert_config_from_json(input, "config.json").shape()); }
void read_modern_config(std::string_view input) {
    static_cast<void>(bmae::modern_bert_config_from_json(input, "config.json").shape());
}

std::string const lengths_json = R"({"max_seq_length": 16, "do_lower_case": false})";
std::string const pooling_json = R"({"word_embedding_dimension": 8, "pooling_mode_cls_token": true})";

/// A folder of sentence-transformers, one of its files replaced.
void read_sentence_folder(std::string const& name, std::string_view input) {
    put("st/modules.json", R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},)"
                           R"({"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},)"
                           R"({"idx":2,"name":"2","path":"2_Dense","type":"sentence_transformers.models.Dense"}])");
    put("st/1_Pooling/config.json", pooling_json);
    put("st/2_Dense/config.json",
        R"({"in_features": 8, "out_features": 4, "bias": true, "activation_function": "torch.nn.modules.activation.Tanh"})");
    put("st/config.json", bert_json);
    put("st/sentence_bert_config.json", lengths_json);
    put("st/config_sentence_transformers.json",
        R"({"prompts": {"query": "q: "}, "default_prompt_name": null, "similarity_fn_name": "cosine"})");
    std::string const sound = bytes_of(scratch() / "st" / name);
    put("st/" + name, input);
    auto const restore = [&] { put("st/" + name, sound); };
    try {
        static_cast<void>(bmae::read_sentence_transformer(scratch() / "st").width);
    } catch (...) {
        restore();
        throw;
    }
    restore();
}

void read_modules(std::string_view input) { read_sentence_folder("modules.json", input); }
void read_pooling(std::string_view input) { read_sentence_folder("1_Pooling/config.json", input); }
void read_dense(std::string_view input) { read_sentence_folder("2_Dense/config.json", input); }
void read_lengths(std::string_view input) { read_sentence_folder("sentence_bert_config.json", input); }
void read_similarity(std::string_view input) { read_sentence_folder("config_sentence_transformers.json", input); }
void read_transformer(std::string_view input) { read_sentence_folder("config.json", input); }

std::string const router_json =
    R"({"types":{"query_0_Transformer":"sentence_transformers.models.Transformer","query_1_Pooling":"sentence_transformers.models.Pooling",)"
    R"("document_0_Transformer":"sentence_transformers.models.Transformer","document_1_Pooling":"sentence_transformers.models.Pooling"},)"
    R"("structure":{"query":["query_0_Transformer","query_1_Pooling"],"document":["document_0_Transformer","document_1_Pooling"]},)"
    R"("parameters":{"default_route":"document","allow_empty_key":true}})";

/// The routes of a folder of two encoders.
void read_router(std::string_view input) {
    put("router/modules.json", R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Router"}])");
    for (std::string const route : {"router/query_", "router/document_"}) {
        put(route + "0_Transformer/config.json", bert_json);
        put(route + "0_Transformer/sentence_bert_config.json", lengths_json);
        put(route + "1_Pooling/config.json", pooling_json);
    }
    put("router/router_config.json", input);
    auto const layout = bmae::read_sentence_router(scratch() / "router");
    if (layout.query.include_prompt != layout.document.include_prompt) {
        throw std::logic_error("routes that take prompts in two ways were let pass");
    }
}

/// The manifest of a checkpoint, with its right checksum where it is JSON: no file outside of the folder may be read.
void read_checkpoint(std::string_view input) {
    auto const json = bmae::detail::parse_json_or_nothing<nlohmann::ordered_json>(input);
    std::string text(input);
    try {
        if (!json.is_discarded()) { text = bmae::detail::manifest_text(json); }
    } catch (nlohmann::json::exception const&) {}   // not UTF-8
    put("step-4/weights", "1234");
    put("step-4/manifest.json", text);
    if (auto const damage = bmae::explain_damage(scratch() / "step-4"); !damage.empty()) { throw bmae::InputError(damage); }
}

std::string checkpoint_seed() {
    nlohmann::ordered_json const files{{"weights", bmae::detail::fingerprint(put("step-4/weights", "1234"))}};
    return nlohmann::ordered_json{{"format", "bmae checkpoint 1"}, {"step", 4}, {"library", "0.2"}, {"files", files}}.dump();
}

/// The state of a run: what is accepted is written again as it was read.
void read_state(std::string_view input) {
    auto const json = bmae::detail::parse_json_text<nlohmann::ordered_json>(input, "trainer.json");
    try {
        auto const state = bmae::TrainState::from_json(json);
        auto const again = bmae::TrainState::from_json(state.to_json());
        if (again.to_json().dump() != state.to_json().dump()) {
            throw std::logic_error("a state that changes when it is read again");
        }
    } catch (nlohmann::json::exception const& error) {
        throw bmae::InputError(error.what());
    } catch (std::out_of_range const& error) { throw bmae::InputError(error.what()); }
}

std::string state_seed() {
    bmae::TrainState state{.step = 4, .cursor = {1, 32}, .tokens = 999, .budget = 60, .seconds = 12.5};
    state.plan = {{.step = 0, .progress = 0, .left = 10}};
    state.terms = {{.name = "mlm", .kind = "masked", .labels = 20, .loss = 4.5, .correct = 3, .has_accuracy = true}};
    return state.to_json().dump();
}

/// The description of an objective in trainer.json, which comes as a text.
void read_description(std::string_view input) {
    std::string const text(input);
    std::string const now =
        R"({"format": 3, "preset": "retromae", "terms": [{"name": "a", "weight": 1}], "numbers": {"x.decoder.family": "encoder"}})";
    static_cast<void>(bmae::format_of(text));
    static_cast<void>(bmae::newer_keys(now, text));
    static_cast<void>(bmae::first_difference(text, bmae::without_newer_keys(now, text)));
    static_cast<void>(bmae::DecoderPlaces(text).names_in(bmae::DecoderPlaces(text), "a.decoder.weight"));
}

std::string tensors_seed(bool pickled) {
    std::array<float, 6> const numbers{1, 2, 3, 4, 5, 6};
    auto const bytes = std::as_bytes(std::span(numbers));
    auto const path = scratch() / (pickled ? "seed.bin" : "seed.safetensors");
    bmae::TensorInfo const whole{"whole", bmae::ElementType::f32, {2, 3}};
    bmae::TensorInfo const half{"half", bmae::ElementType::f16, {3}};
    if (!pickled) {
        std::vector<bmae::TensorEntry> const entries{{whole, bytes}, {half, bytes.first(6)}};
        bmae::write_safetensors(path, entries, {{"format", "pt"}}, bmae::Existing::replace);
        return bytes_of(path);
    }
    bmae::TorchFileWriter writer(path, {whole, half}, bmae::Existing::replace);
    writer.append(bytes);
    writer.append(bytes.first(6));
    writer.commit();
    return bytes_of(path);
}

/// The old form of torch.save: a number, its version, what the machine was, an empty dictionary and no storages.
std::string legacy_seed() {
    using namespace std::string_literals;
    return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02\x4d\xe9\x03\x2e"s
           "\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03X\x0d\x00\x00\x00little_endianq\x02\x88X\x0a\x00\x00\x00type_sizesq\x03}q\x04u."s
           "\x80\x02}q\x00.\x80\x02]q\x00."s;
}

}  // namespace

std::vector<Target> model_targets() {
    std::string const index =
        R"({"metadata": {"total_size": 4}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})";
    std::string const description =
        R"({"format": 3, "preset": "retromae", "terms": [{"name": "a", "kind": "branch", "decoder": "enhanced", "decoder_layers": 1}], "numbers": {}})";
    std::vector<Target> targets{
        {"safetensors", read_safetensors, {tensors_seed(false)}},
        {"torch_file", read_torch_file, {tensors_seed(true), legacy_seed()}},
        {"weight_index", read_index, {index}},
        {"bert_config", read_bert_config, {bert_json}},
        {"modern_bert_config", read_modern_config, {modern_json}},
        {"checkpoint_manifest", read_checkpoint, {checkpoint_seed()}},
        {"train_state", read_state, {state_seed()}},
        {"description", read_description, {description}},
        {"transformer_config", read_transformer, {bert_json}},
        {"router", read_router, {router_json}},
    };
    try {   // makes the files that are the seeds
        read_transformer(bert_json);
    } catch (bmae::Error const&) {}
    auto const add = [&](char const* name, void (*read)(std::string_view), char const* file) {
        targets.push_back({name, read, {bytes_of(scratch() / "st" / file)}});
    };
    add("modules", read_modules, "modules.json");
    add("pooling", read_pooling, "1_Pooling/config.json");
    add("dense", read_dense, "2_Dense/config.json");
    add("lengths", read_lengths, "sentence_bert_config.json");
    add("similarity", read_similarity, "config_sentence_transformers.json");
    return targets;
}

}  // namespace fuzz
