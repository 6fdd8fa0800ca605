// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoders of every family to and from folders with config.json and model.safetensors. The list of families is here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>

#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/bert_family.hpp>
#include <bmae/encoders/modern_bert_family.hpp>
#include <bmae/encoders/nomic_bert_family.hpp>
#include <bmae/encoders/stored_family.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// All families. A new one is a `StoredFamily` in a header of its own, as `BertFamily` is, and its name here.
using EncoderFamilies = std::tuple<BertFamily, ModernBertFamily, NomicBertFamily>;

namespace detail {

/// Calls `visit(family)` for each family.
template <class Visit>
void for_each_family(Visit&& visit) {
    auto const each = [&]<StoredFamily... F>(std::tuple<F...> const*) { (visit(F()), ...); };
    each(static_cast<EncoderFamilies const*>(nullptr));
}

/// `visit(family, encoder)` for the family of a held encoder; nothing where it has none.
template <class Result, class Visit>
std::optional<Result> with_family(AnyEncoder const& encoder, Visit&& visit) {
    std::optional<Result> result;
    for_each_family([&]<class F>(F family) {
        if (auto const* const held = encoder.as<typename F::EncoderType>()) { result.emplace(visit(family, *held)); }
    });
    return result;
}

/// "bert, roberta, electra or distilbert", of all families.
inline std::string known_families() {
    std::vector<std::string_view> names;
    for_each_family([&](auto family) {
        for (std::string_view const name : family.model_types()) { names.push_back(name); }
    });
    std::string list;
    for (std::size_t i = 0; i < names.size(); ++i) {
        list.append(i == 0 ? "" : i + 1 == names.size() ? " or " : ", ").append(names[i]);
    }
    return list;
}

/// `visit(family)` for the family that a config.json names.
/// \throws InputError  which lists the known ones
template <class Result, class Visit>
Result with_named_family(std::filesystem::path const& config, Visit&& visit) {
    auto const object = JsonObject::read(config);
    auto const type = object.require<std::string>("model_type", "Add \"model_type\": \"bert\" if this is a BERT model.");
    std::optional<Result> result;
    for_each_family([&](auto family) {
        for (std::string_view const name : family.model_types()) {
            if (name == type) { result.emplace(visit(family)); }
        }
    });
    if (!result) {
        throw object.refuse("\"model_type\" " + known_families(), '"' + type + '"', "Only these encoders can be read.");
    }
    return *std::move(result);
}

inline InputError no_folder_for(AnyEncoder const& encoder, std::string const& folder) {
    return InputError(Diagnostic{.file = folder,
                                 .expected = "an encoder of a family with folders: " + known_families(),
                                 .found = "the encoder " + std::string(encoder.held_name()),
                                 .hint = "Use the model itself: save_parameters, load_parameters."});
}

}  // namespace detail

/// Reads a folder of any family by the model_type of its config.json.
/// \param head  `required`: a folder without a language-model head is refused, instead of initializing a new one by `seed`
/// \throws InputError  an unknown model_type, and what the reader of the family refuses
inline AnyEncoder load_encoder(std::filesystem::path const& folder, std::uint64_t seed = 0,
                               TokenHead head = TokenHead::optional) {
    detail::require_model_folder(folder);
    return detail::with_named_family<AnyEncoder>(folder / "config.json",
                                                 [&](auto family) { return AnyEncoder(family.load(folder, head, seed)); });
}

/// Whether a folder of any family has a language-model head; where it has none, `load_encoder` initializes a new one.
/// \throws InputError  as `load_encoder`
inline bool stores_token_head(std::filesystem::path const& folder) {
    detail::require_model_folder(folder);
    return detail::with_named_family<bool>(folder / "config.json", [&](auto family) { return family.stores_head(folder); });
}

/// Writes a folder that transformers and `load_encoder` read; it appears when all of it is on the disk.
/// \param folder      must not exist, or be empty
/// \param write_more  called with the unfinished folder: writes further files
/// \throws InputError  a folder that is not empty; an encoder of a type that has no folders
inline void save_encoder(
    std::filesystem::path const& folder, AnyEncoder const& encoder, bool with_head = true,
    WriteMore const& write_more = [](std::filesystem::path const&) {}) {
    auto const saved = detail::with_family<bool>(encoder, [&](auto family, auto const& held) {
        family.save(folder, held, with_head, write_more);
        return true;
    });
    if (!saved) { throw detail::no_folder_for(encoder, folder.string()); }
}

/// The config.json of an encoder.
/// \throws InputError  an encoder of a type that has no folders
inline std::string encoder_config_text(AnyEncoder const& encoder, bool with_head) {
    auto const text = detail::with_family<std::string>(
        encoder, [&](auto family, auto const& held) { return family.config_text(held.config(), with_head); });
    if (!text) { throw detail::no_folder_for(encoder, {}); }
    return *text;
}

/// An encoder with new parameters of the family and the sizes that a config.json names.
inline AnyEncoder::Options read_encoder_config(std::filesystem::path const& file) {
    return detail::with_named_family<AnyEncoder::Options>(
        file, [&]<class F>(F) { return AnyEncoder::Options::of<typename F::EncoderType>(F::read_config(file)); });
}

/// "BERT", "RoBERTa" ... of a folder, by its config.json.
inline std::string folder_title(std::filesystem::path const& folder) {
    detail::require_model_folder(folder);
    std::filesystem::path const file = folder / "config.json";
    return detail::with_named_family<std::string>(
        file, [&](auto family) { return std::string(family.title(family.read_config(file))); });
}

/// The encoder of a checkpoint: `parameters` by the names of `for_each_parameter`; others are ignored.
/// \param config  the config.json beside them
/// \param file    their name in messages
/// \throws InputError  tensors that are missing or of another shape
inline AnyEncoder encoder_from_parameters(std::filesystem::path const& config, NamedTensors const& parameters,
                                          std::string const& file, TokenHead head = TokenHead::optional) {
    return detail::with_named_family<AnyEncoder>(config, [&](auto family) {
        return AnyEncoder(family.from_parameters(family.read_config(config), parameters, head, file));
    });
}

/// An encoder with the same values, in tensors of its own, and another rate of dropout everywhere.
/// \throws InputError  an encoder of a type that has no folders
inline AnyEncoder with_dropout(AnyEncoder const& encoder, double rate) {
    auto changed = detail::with_family<AnyEncoder>(encoder, [&]<class E>(auto family, E const& held) {
        typename E::Options options = held.config();
        family.set_dropout(options, rate);
        E copy(std::move(options), 0);
        at::NoGradGuard const no_gradients;
        copy_parameters(held, copy);
        return AnyEncoder(std::move(copy));
    });
    if (!changed) { throw detail::no_folder_for(encoder, {}); }
    return *std::move(changed);
}

/// "BERT", "RoBERTa" ...; the name of the encoder where its type has no folders.
inline std::string encoder_title(AnyEncoder const& encoder) {
    return detail::with_family<std::string>(
               encoder, [](auto family, auto const& held) { return std::string(family.title(held.config())); })
        .value_or(std::string(encoder.held_name()));
}

/// An encoder with the same values that reads texts of up to `positions` tokens: the rows of its table of positions are repeated. Texts
/// that fitted before have the results that they had; longer ones need training. config.json tells where the rows came from.
/// \throws InputError  as many positions as there are, or fewer; an encoder without a table, as one with rotary positions
inline AnyEncoder with_positions(AnyEncoder const& encoder, std::int64_t positions) {
    std::int64_t const known = encoder.shape().positions;
    auto const refuse = [](std::string expected, std::string found, std::string hint) {
        return InputError(
            Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    auto longer = detail::with_family<AnyEncoder>(encoder, [&]<class F>(F family, auto const& held) {
        if constexpr (requires { family.with_positions(held, positions); }) {
            if (positions <= known) {
                throw refuse("more positions than the " + std::to_string(known) + " of the model", std::to_string(positions),
                             "Shorter texts need no other table: set --max-length.");
            }
            return AnyEncoder(family.with_positions(held, positions));
        } else {
            throw refuse("an encoder with a table of learned positions, to repeat its rows",
                         encoder_title(encoder) + ", which has none",
                         "It reads texts of up to " + std::to_string(known) + " tokens.");
            return encoder;
        }
    });
    if (!longer) { throw detail::no_folder_for(encoder, {}); }
    return *std::move(longer);
}

}  // namespace bmae
