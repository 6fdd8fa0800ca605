// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Decoders in the files of the authors' code, both ways: RetroMAE and DupMAE, SimLM, Condenser, MASTER.
///
/// | layout | files beside the encoder | decoder |
/// |---|---|---|
/// | retromae, dupmae | pytorch_model.bin with the whole state, the encoder in encoder_model/ | c_head, one layer |
/// | simlm | decoder.pt | a list of layers |
/// | condenser | model.pt | c_head, a list of layers |
/// | master | model.pt | c_head (MKP), query_head (DOR), gpt_head (GOR), next_head (NPR), overlap_head (CMP) |
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <bmae/detail/files.hpp>
#include <bmae/edge/decoder_places.hpp>
#include <bmae/io/reference_state.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/io/torch_tensors.hpp>
#include <bmae/io/weight_files.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A layout of files with decoders.
enum class ReferenceLayout { retromae, dupmae, simlm, condenser, master };

/// The layout of that name, or nothing.
constexpr std::optional<ReferenceLayout> reference_layout(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 5> names{"retromae", "dupmae", "simlm", "condenser", "master"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) { return static_cast<ReferenceLayout>(i); }
    }
    return std::nullopt;
}

namespace detail {

/// "layer.2.output.dense.weight" for "2.output.dense.weight"; that of layer 0 where there is no number.
inline std::string layer_name(std::string_view rest) {
    bool const numbered = !rest.empty() && rest.front() >= '0' && rest.front() <= '9';
    return (numbered ? "layer." : "layer.0.") + std::string(rest);
}

}  // namespace detail

/// The decoders of a folder that the authors' code wrote.
struct ReferenceDecoders {
    std::filesystem::path file = {};
    bool enhanced = false;                            ///< RetroMAE's decoder of one layer with two streams; else plain layers
    std::map<std::string, NamedTensors> heads = {};   ///< "c_head" ... or "decoder" -> "layer.0.attention.self.query.weight" ...
};

/// Reads model.pt or decoder.pt, or else the decoder of a whole state in the weights of the folder; nothing where there is none.
/// Throws InputError for a damaged file.
inline std::optional<ReferenceDecoders> read_reference_decoders(std::filesystem::path const& folder) {
    ReferenceDecoders found;
    NamedTensors tensors;
    bool const is_list = std::filesystem::exists(folder / "decoder.pt");   // SimLM's: names are numbers
    for (char const* const name : {"decoder.pt", "model.pt"}) {
        if (found.file.empty() && std::filesystem::exists(folder / name)) { found.file = folder / name; }
    }
    if (!found.file.empty()) {
        tensors = load_torch_tensors(found.file, Loading::mapped);
    } else if (holds_weights(folder)) {
        found.file = find_weights(folder).file;
        tensors = detail::load_all_tensors(folder, Loading::mapped);
        if (detail::encoder_prefix(tensors).empty()) { return std::nullopt; }
    }
    for (auto const& [name, tensor] : tensors) {
        if (is_list) {
            found.heads["decoder"].emplace(detail::layer_name(name), tensor);
            continue;
        }
        std::string const head = name.substr(0, name.find('.'));
        bool const known = head == "decoder" || std::any_of(detail::master_heads.begin(), detail::master_heads.end(),
                                                            [&](auto const& pair) { return pair.second == head; });
        if (!known || head.size() == name.size()) { continue; }   // the encoder, a generator, coCondenser's labels
        std::string_view const rest = std::string_view(name).substr(head.size() + 1);
        found.enhanced = found.enhanced || (head == "c_head" && rest.starts_with("attention."));
        found.heads[head].emplace(detail::layer_name(rest), tensor);
    }
    if (found.heads.empty()) { return std::nullopt; }
    return found;
}

/// What became of the decoders of such a folder.
struct ReferenceInit {
    std::size_t loaded = 0;                 ///< parameters
    std::vector<std::string> fresh = {};    ///< parameters of decoders that the file lacks
    std::vector<std::string> unused = {};   ///< "c_head" ...: decoders of the file that the model lacks
};

/// The head of `found` that belongs to a decoder of a model, or null: by task where the file has several, else the only one, where
/// the model has one decoder and of that kind.
inline NamedTensors const* head_for(ReferenceDecoders const& found, std::vector<detail::DecoderPlace> const& places,
                                    detail::DecoderPlace const& place, std::string& name) {
    if (found.heads.size() > 1 || !place.task.empty()) {
        for (auto const& [task, head] : detail::master_heads) {
            if (task == place.task) { name = std::string(head); }
        }
    } else if (places.size() == 1 && (place.kind == "enhanced") == found.enhanced) {
        name = found.heads.begin()->first;
    }
    auto const at = found.heads.find(name);
    return at == found.heads.end() ? nullptr : &at->second;
}

/// Gives the decoders of a model the weights of a folder of the authors' code.
/// \param description  of the model's objective
/// \param visit        `visit(f)` calls `f(name, tensor, ...)` for every parameter
/// \throws InputError  a parameter of another shape
template <class Visit>
ReferenceInit load_reference_decoders(ReferenceDecoders const& found, std::string const& description, Visit&& visit) {
    auto const places = detail::decoder_places(description);
    ReferenceInit result;
    std::map<std::string, bool> used;
    for (auto const& [head, tensors] : found.heads) { used[head] = false; }
    at::NoGradGuard const no_gradients;
    visit([&](std::string const& name, at::Tensor& value, auto const&...) {
        for (detail::DecoderPlace const& place : places) {
            if (!name.starts_with(place.prefix)) { continue; }
            std::string head;
            NamedTensors const* const tensors = head_for(found, places, place, head);
            auto const at = tensors == nullptr ? NamedTensors::const_iterator() : tensors->find(name.substr(place.prefix.size()));
            if (tensors == nullptr || at == tensors->end()) {
                result.fresh.push_back(name);
                return;
            }
            if (at->second.sizes() != value.sizes()) {
                throw InputError(Diagnostic{.file = found.file.string(),
                                            .expected = name + ' ' + shape_text(value.sizes().vec()) + " as in this model",
                                            .found = shape_text(at->second.sizes().vec()) + " in " + head,
                                            .hint = "The decoder belongs to an encoder of another size."});
            }
            value.copy_(at->second);
            used[head] = true;
            ++result.loaded;
        }
    });
    for (auto const& [head, is_used] : used) {
        if (!is_used) { result.unused.push_back(head); }
    }
    return result;
}

namespace detail {

/// The decoders of a checkpoint by their names in a layout: "c_head" -> prefix of its parameters here.
inline std::vector<std::pair<std::string, std::string>> reference_heads(ReferenceLayout layout, std::string const& description,
                                                                        std::string const& file) {
    auto const places = decoder_places(description);
    auto const refuse = [&](std::string expected) {
        std::string found;
        for (DecoderPlace const& place : places) {
            found += (found.empty() ? "" : ", ") + (place.task.empty() ? "" : place.task + ' ') + place.kind +
                     (place.query.empty() ? "" : ' ' + place.query) + " of " + std::to_string(place.layers);
        }
        return InputError(Diagnostic{.file = file,
                                     .expected = std::move(expected),
                                     .found = found.empty() ? "no decoder" : found,
                                     .hint = "The code of that layout has no other decoder: choose another --format."});
    };
    std::vector<std::pair<std::string, std::string>> heads;
    if (layout == ReferenceLayout::master) {
        for (DecoderPlace const& place : places) {
            auto const known = std::find_if(master_heads.begin(), master_heads.end(),
                                            [&](auto const& pair) { return pair.first == place.task; });
            if (known == master_heads.end() || place.prefix.starts_with("shared.")) {
                throw refuse("decoders of MASTER's tasks, one each");
            }
            heads.emplace_back(known->second, place.prefix);
        }
        if (heads.empty()) { throw refuse("decoders of MASTER's tasks, one each"); }
        return heads;
    }
    bool const one = places.size() == 1;
    auto const is = [&](std::string_view kind, std::string_view query) {
        return one && places.front().kind == kind && places.front().query == query;
    };
    bool const enhanced = layout == ReferenceLayout::retromae || layout == ReferenceLayout::dupmae;
    std::string_view const query = layout == ReferenceLayout::retromae ? "plain" : "layer_norm";
    if (enhanced && !(is("enhanced", query) && places.front().layers == 1)) {
        throw refuse("one enhanced decoder of 1 layer with the query " + std::string(query));
    }
    if (layout == ReferenceLayout::simlm && !is("basic", "")) { throw refuse("one basic decoder, as SimLM's"); }
    if (layout == ReferenceLayout::condenser && !is("tap", "")) { throw refuse("one decoder behind a tap, as Condenser's"); }
    heads.emplace_back(layout == ReferenceLayout::simlm ? "" : "c_head", places.front().prefix);
    return heads;
}

/// The tensors of `head` under the names of the authors' code.
inline void add_head(NamedTensors& named, NamedTensors const& checkpoint, std::string const& head, std::string const& prefix,
                     bool numbered) {
    constexpr std::string_view layer = "layer.";
    for (auto const& [name, tensor] : checkpoint) {
        if (!name.starts_with(prefix)) { continue; }
        std::string_view rest = std::string_view(name).substr(prefix.size());
        if (rest.starts_with(layer)) { rest.remove_prefix(numbered ? layer.size() : layer.size() + 2); }
        named.emplace((head.empty() ? "" : head + '.') + std::string(rest), tensor);
    }
}

/// A model of transformers as its Python class counts its parameters: the tied decoder of the head and its bias twice.
inline NamedTensors python_state(NamedTensors tensors) {
    auto const copy = [&](std::string const& from, std::string const& to) {
        if (auto const at = tensors.find(from); at != tensors.end() && !tensors.contains(to)) { tensors.emplace(to, at->second); }
    };
    copy("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight");
    copy("cls.predictions.bias", "cls.predictions.decoder.bias");
    copy("roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight");
    copy("lm_head.bias", "lm_head.decoder.bias");
    return tensors;
}

}  // namespace detail

/// Writes a checkpoint of the trainer as the authors' code reads it.
/// \param checkpoint     a folder of the trainer
/// \param description    of its objective, as trainer.json has it
/// \param folder         must not exist, or be empty; appears when it is complete
/// \param write_encoder  `write_encoder(path)` writes encoder, head and tokenizer into a new folder
/// \throws InputError  a checkpoint whose decoders the layout does not have
template <class WriteEncoder>
void write_reference_layout(ReferenceLayout layout, std::filesystem::path const& checkpoint, std::string const& description,
                            std::filesystem::path const& folder, WriteEncoder&& write_encoder) {
    auto const heads = detail::reference_heads(layout, description, checkpoint.string());
    bool const whole = layout == ReferenceLayout::retromae || layout == ReferenceLayout::dupmae;
    NamedTensors const tensors = load_tensors(checkpoint / "model.safetensors", Loading::mapped);
    NamedTensors named;
    for (auto const& [head, prefix] : heads) { detail::add_head(named, tensors, head, prefix, !whole); }
    detail::AtomicFolder output(folder);
    if (!whole) {
        std::filesystem::path const encoder = output.partial() / "encoder";
        write_encoder(encoder);
        for (auto const& entry : std::filesystem::directory_iterator(encoder)) {
            std::filesystem::rename(entry.path(), output.partial() / entry.path().filename());
        }
        std::filesystem::remove(encoder);
        save_torch_tensors(output.partial() / (layout == ReferenceLayout::simlm ? "decoder.pt" : "model.pt"), named);
    } else {
        write_encoder(output.partial() / "encoder_model");
        for (auto const& [name, tensor] :
             detail::python_state(load_tensors(output.partial() / "encoder_model" / "model.safetensors", Loading::mapped))) {
            named.emplace("lm." + name, tensor);
            if (auto const at = name.find(".embeddings."); at != name.npos) {   // a second name of the same module
                named.emplace("decoder_embeddings." + name.substr(at + std::string_view(".embeddings.").size()), tensor);
            }
        }
        save_torch_tensors(output.partial() / "pytorch_model.bin", named);
    }
    output.commit();
}

}  // namespace bmae
