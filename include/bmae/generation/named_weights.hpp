// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The weights of a Hugging Face folder, read by name and checked; and its end-of-text tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/io/json_file.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/io/weight_files.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/shape.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae::detail {

/// Refuses a folder without config.json or without weights.
inline void require_generator_folder(std::filesystem::path const& folder) {
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        throw InputError(Diagnostic{
            .file = folder.string(), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    if (!std::filesystem::is_directory(folder)) {
        refuse("a folder with config.json and weights", std::filesystem::exists(folder) ? "a file" : "nothing of that name",
               "Check the path.");
    }
    if (!std::filesystem::exists(folder / "config.json")) {
        refuse("config.json", "none", "Name the folder of a GPT-2 or T5 model.");
    }
    static_cast<void>(find_weights(folder));
}

/// Returns tensors by name, in fp32 on one device; reports all missing and misshapen ones at once.
class NamedWeights {
public:
    /// \param prefixes  of names that some files have and others lack ("transformer.")
    NamedWeights(std::filesystem::path const& folder, std::vector<std::string> const& prefixes, at::Device device)
        : folder_(folder.string()), device_(device) {
        for (auto& [name, tensor] : load_hf_tensors(folder, Loading::mapped)) {
            std::string plain = name;
            for (std::string const& prefix : prefixes) {
                if (plain.starts_with(prefix)) { plain.erase(0, prefix.size()); }
            }
            tensors_.insert_or_assign(std::move(plain), tensor);
        }
    }

    [[nodiscard]] bool has(std::string const& name) const { return tensors_.contains(name); }

    /// The tensor, or an undefined one that `check` reports.
    at::Tensor take(std::string const& name, std::vector<std::int64_t> const& shape) {
        auto const found = tensors_.find(name);
        if (found == tensors_.end()) {
            complain("missing " + name);
            return {};
        }
        at::Tensor const tensor = found->second;
        if (tensor.sizes() != at::IntArrayRef(shape)) {
            complain(name + ' ' + shape_text(tensor.sizes().vec()) + " instead of " + shape_text(shape));
            return {};
        }
        if (!at::isFloatingType(tensor.scalar_type())) {
            complain(name + " without real numbers");
            return {};
        }
        return tensor.to(device_, at::kFloat);
    }

    /// \throws InputError  where a requested tensor is missing
    void check() const {
        if (diagnostics_ == 0) { return; }
        throw InputError(
            Diagnostic{.file = folder_,
                       .expected = "the tensors that config.json describes",
                       .found = std::to_string(diagnostics_) + " others: " + found_ + (diagnostics_ > listed ? " ..." : ""),
                       .hint = "Check that config.json and the weights belong to the same model."});
    }

private:
    static constexpr std::size_t listed = 8;

    void complain(std::string const& what) {
        if (diagnostics_++ < listed) { found_ += (found_.empty() ? "" : ", ") + what; }
    }

    std::string folder_;
    at::Device device_;
    NamedTensors tensors_;
    std::size_t diagnostics_ = 0;
    std::string found_;
};

/// Common base of the models of a folder: options and named weights.
template <class Config>
struct OpenedModel {
    Config config;
    NamedWeights weights;

    /// The output matrix: its own, or the word embeddings.                                                           [V, H]
    at::Tensor take_head(at::Tensor const& words) {
        return weights.has("lm_head.weight") ? weights.take("lm_head.weight", {config.vocab_size, config.width}) : words;
    }
};

/// \param read      of the model's config.json
/// \param prefixes  of names that some files have and others lack
/// \throws InputError  files that are missing, and errors of `read`
template <class Read>
auto open_model(std::filesystem::path const& folder, Read read, std::vector<std::string> const& prefixes, at::Device device) {
    require_generator_folder(folder);
    auto config = read(folder / "config.json");
    return OpenedModel<decltype(config)>{std::move(config), NamedWeights(folder, prefixes, device)};
}

/// The activation of a config. \throws InputError at an unknown one
inline Activation activation_of(JsonObject const& config, std::string const& name) {
    if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") { return Activation::gelu_tanh; }
    if (name == "gelu") { return Activation::gelu; }
    if (name == "relu") { return Activation::relu; }
    throw config.refuse("one of the activations relu, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast", '"' + name + '"');
}

/// A size of a network: an integer from 1 to `most`.
inline std::int64_t positive(JsonObject const& config, char const* key, std::optional<std::int64_t> fallback = {},
                             std::int64_t most = 100'000'000) {
    auto const value = fallback ? config.get<std::int64_t>(key, *fallback) : config.require<std::int64_t>(key);
    if (value < 1 || value > most) {
        throw config.refuse('"' + std::string(key) + "\" from 1 to " + std::to_string(most), std::to_string(value));
    }
    return value;
}

inline constexpr std::int64_t most_layers = 10'000;

/// Refuses token ids that are not in a vocabulary of `size` tokens.
inline void require_known(std::span<TokenId const> ids, std::int64_t size) {
    for (TokenId const id : ids) {
        if (id >= 0 && id < size) { continue; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "token ids below " + std::to_string(size),
                                    .found = std::to_string(id),
                                    .hint = "Use the tokenizer of this model."});
    }
}

/// "eos_token_id" of generation_config.json, else of config.json: a number or a list.
inline std::vector<TokenId> read_stop_tokens(std::filesystem::path const& folder) {
    for (char const* const name : {"generation_config.json", "config.json"}) {
        if (!std::filesystem::exists(folder / name)) { continue; }
        auto const file = JsonObject::read(folder / name);
        auto const found = file.json().find("eos_token_id");
        if (found == file.json().end() || found->is_null()) { continue; }
        std::vector<TokenId> ids;
        Json const list = found->is_array() ? *found : Json::array({*found});
        for (Json const& id : list) {
            if (!id.is_number_integer()) {
                throw file.refuse("a whole number or a list of them at \"eos_token_id\"", kind_of(id));
            }
            ids.push_back(id.get<TokenId>());
        }
        return ids;
    }
    return {};
}

}  // namespace bmae::detail
