// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BERT-like models in the folders of the Python library transformers: config.json and weights, whole or in shards.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/sum.h>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/encoders/bert_config.hpp>
#include <bmae/encoders/bert_config_json.hpp>
#include <bmae/encoders/bert_names.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A model of any `ModelType` as stored in a folder.
struct HfBert {
    BertConfig config = {};
    NamedTensors tensors = {};   ///< the names of `bert_tensors(config, has_head())`, in the types of the file
    NamedTensors aside = {};     ///< pooler, next-sentence head, discriminator, classifier: not used here, written back

    /// True where the folder has the language-model head.
    [[nodiscard]] bool has_head() const { return tensors.contains(bert_head_bias); }
};

namespace detail {

/// Collects all errors of the tensors of a model for one message.
class TensorDiagnostics {
public:
    void add(std::string const& kind, std::string text) { lists_[kind].push_back(std::move(text)); }

    void raise(std::string const& file, std::string const& expected,
               std::string const& hint = "Check that config.json and the weights belong to the same model.") const {
        if (lists_.empty()) { return; }
        std::string found;
        for (auto const& [kind, names] : lists_) {
            found += (found.empty() ? "" : "; ") + std::to_string(names.size()) + ' ' + kind + ':';
            for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 12); ++i) {
                found += (i == 0 ? " " : ", ") + names[i];
            }
            if (names.size() > 12) { found += " and " + std::to_string(names.size() - 12) + " more"; }
        }
        throw InputError(Diagnostic{.file = file, .expected = expected, .found = found, .hint = hint});
    }

private:
    std::map<std::string, std::vector<std::string>> lists_ = {};
};

/// Merges tensors that files may have twice: the bias of the head under two names, the decoder that is the word embedding.
inline void merge_tied(NamedTensors& tensors, BertConfig const& config, std::string const& file) {
    auto const refuse = [&file](std::string expected, std::string found, std::string hint) {
        throw InputError(
            Diagnostic{.file = file, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    auto const name = [&config](std::string_view canonical) { return bare_bert_name(canonical, config.model_type); };
    constexpr std::string_view second_bias = "cls.predictions.decoder.bias";
    if (auto const second = tensors.find(second_bias); second != tensors.end()) {
        auto const first = tensors.find(bert_head_bias);
        if (first == tensors.end()) {
            tensors.emplace(bert_head_bias, second->second);
        } else if (!first->second.equal(second->second)) {
            refuse(name(bert_head_bias) + " and " + name(second_bias) + " equal", "different ones",
                   "A head has one bias: remove the other.");
        }
        tensors.erase(second);
    }
    auto const decoder = tensors.find(bert_head_decoder);
    auto const words = tensors.find(bert_word_embedding);
    if (config.tie_word_embeddings && decoder != tensors.end() && words != tensors.end()) {
        if (decoder->second.scalar_type() != words->second.scalar_type() || !decoder->second.equal(words->second)) {
            refuse(name(bert_head_decoder) + " equal to the word embedding, as \"tie_word_embeddings\": true says",
                   "another tensor", "Set \"tie_word_embeddings\": false in config.json if the head has a decoder of its own.");
        }
        tensors.erase(decoder);
    }
}

/// True where no number is NaN or infinite. Reads memory once, without temporaries: a finite sum has finite terms.
inline bool all_finite(at::Tensor const& numbers) {
    at::Tensor const values = numbers.element_size() == 1 ? numbers.to(at::kFloat) : numbers;   // float8 has no sum
    at::ScalarType const type = values.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    if (std::isfinite(at::sum(values, type).item<double>())) { return true; }
    return at::isfinite(values).all().item<bool>();   // else only the sum overflowed
}

/// Refuses a set of tensors that is not exactly the model of the config, or not finite; one message lists all errors.
inline void check_bert_tensors(HfBert const& model, std::string const& file) {
    TensorDiagnostics diagnostics;
    NamedTensors rest = model.tensors;
    ModelType const type = model.config.model_type;
    bool const with_head =
        std::any_of(rest.begin(), rest.end(), [](auto const& pair) { return pair.first.starts_with(bert_head_prefix); });
    for (BertTensor const& wanted : bert_tensors(model.config, with_head)) {
        auto const found = rest.find(wanted.name);
        std::string const name = bare_bert_name(wanted.name, type);
        if (found == rest.end()) {
            diagnostics.add("missing", name);
            continue;
        }
        at::Tensor const& tensor = found->second;
        if (!tensor.defined()) {
            diagnostics.add("undefined", name);
        } else if (tensor.sizes() != at::IntArrayRef(wanted.shape)) {
            diagnostics.add("of a wrong shape",
                            name + ' ' + shape_text(tensor.sizes().vec()) + " instead of " + shape_text(wanted.shape));
        } else if (!at::isFloatingType(tensor.scalar_type())) {
            diagnostics.add("without real numbers", name + ' ' + c10::toString(tensor.scalar_type()));
        }
        rest.erase(found);
    }
    for (auto const& [name, tensor] : rest) { diagnostics.add("unexpected", bare_bert_name(name, type)); }
    diagnostics.raise(file, "the tensors of " + std::string(title(type)) + " with " +
                                std::to_string(model.config.num_hidden_layers) + " layers of " +
                                std::to_string(model.config.hidden_size));
    TensorDiagnostics numbers;
    for (auto const& [name, tensor] : model.tensors) {
        if (!all_finite(tensor)) { numbers.add("with NaN or infinity", bare_bert_name(name, type)); }
    }
    numbers.raise(file, "finite weights", "The training run diverged, or the file is damaged: take an earlier checkpoint.");
}

/// The name of the tensor's number format in a config.json. \throws InputError  a format that such a folder does not store
inline std::string python_element_name(at::Tensor const& tensor, std::filesystem::path const& folder) {
    static std::map<at::ScalarType, std::string> const names{
        {at::kFloat, "float32"}, {at::kDouble, "float64"}, {at::kHalf, "float16"}, {at::kBFloat16, "bfloat16"}};
    auto const found = names.find(tensor.scalar_type());
    if (found == names.end()) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "weights in float32, float64, float16 or bfloat16",
                                    .found = "another type",
                                    .hint = "Convert them first."});
    }
    return found->second;
}

/// Suffix of the Python class of a model. Only the bare Model has names without a prefix.
inline std::string python_class_kind(HfBert const& model) {
    auto const has_side = [&model](std::string_view prefix) {
        auto const at = model.aside.lower_bound(prefix);
        return at != model.aside.end() && at->first.starts_with(prefix);
    };
    if (model.has_head()) { return has_side("cls.seq_relationship.") ? "ForPreTraining" : "ForMaskedLM"; }
    if (has_side("discriminator_predictions.")) { return "ForPreTraining"; }
    return has_side("classifier.") ? "ForSequenceClassification" : "Model";
}

}  // namespace detail

/// Reads a folder: config.json and the weights that `find_weights` finds, safetensors or pytorch_model.bin.
/// \throws InputError  another architecture, tensors that are missing, unexpected, of a wrong shape or with a number that
///                     is not finite, all by name
inline HfBert read_hf_folder(std::filesystem::path const& folder, Loading loading = Loading::copy) {
    detail::require_model_folder(folder);
    HfBert model;
    model.config = read_bert_config(folder / "config.json");
    for (auto& [name, tensor] : detail::load_hf_tensors(folder, loading)) {
        std::string canonical = canonical_bert_name(name, model.config.model_type);
        if (is_ignored_bert_name(canonical)) { continue; }
        NamedTensors& home = is_side_bert_name(canonical) ? model.aside : model.tensors;
        if (!home.emplace(canonical, std::move(tensor)).second) {
            throw InputError(
                Diagnostic{.file = folder.string(), .expected = "each tensor once", .found = canonical + " under two names"});
        }
    }
    detail::merge_tied(model.tensors, model.config, folder.string());
    detail::check_bert_tensors(model, folder.string());
    return model;
}

/// Writes config.json and model.safetensors into an existing folder without them.
inline void write_hf_files(std::filesystem::path const& folder, HfBert model) {
    detail::merge_tied(model.tensors, model.config, folder.string());
    detail::check_bert_tensors(model, folder.string());
    ModelType const type = model.config.model_type;
    std::string const kind = detail::python_class_kind(model);
    NamedTensors named;
    for (NamedTensors const* const part : {&model.tensors, &model.aside}) {
        for (auto const& [name, tensor] : *part) {
            named.emplace(kind == "Model" ? bare_bert_name(name, type) : prefixed_bert_name(name, type), tensor);
        }
    }
    std::string const element = detail::python_element_name(model.tensors.find(bert_word_embedding)->second, folder);
    detail::write_file(folder / "config.json", to_json(model.config, class_name(type, kind), element));
    save_tensors(folder / "model.safetensors", named, {{"format", "pt"}});
}

/// Writes a new folder, which appears only when it is complete.
/// \param folder      must not exist, or be empty
/// \param write_more  called with the unfinished folder: writes further files (vocabulary, pooling)
/// \throws InputError  a folder that is not empty
template <class WriteMore>
void write_hf_folder(std::filesystem::path const& folder, HfBert model, WriteMore&& write_more) {
    detail::AtomicFolder output(folder);
    write_hf_files(output.partial(), std::move(model));
    write_more(output.partial());
    output.commit();
}

inline void write_hf_folder(std::filesystem::path const& folder, HfBert model) {
    write_hf_folder(folder, std::move(model), [](std::filesystem::path const&) {});
}

}  // namespace bmae
