// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoders of dense vectors and lexical weights to and from folders: a masked language model of transformers, a reduction and
/// dense_lexical.json. No other library has a form of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <tuple>
#include <utility>

#include <bmae/bottlenecks/dual.hpp>
#include <bmae/edge/encoder_folders.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/lexical_files.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/dense_lexical_encoder.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

inline constexpr char const* reduction_file = "reduction.safetensors";

/// The pair over `encoder`, which keeps all word weights.
inline DualBottleneck dual_bottleneck(AnyEncoder const& encoder, std::int64_t width) {
    DualBottleneck::Options options;
    std::get<0>(options.parts).width = width;
    return DualBottleneck(options, encoder, 0, {});
}

}  // namespace detail

/// Writes a folder that `load_dense_lexical_encoder` reads; transformers reads it as a masked language model.
/// \param folder   must not exist, or be empty; appears when all of it is on the disk
/// \param encoder  with its language-model head
/// \param head     holds `shared.reduction.weight` [R, H] and `shared.reduction.bias` [R]; others are ignored
/// \throws InputError  a reduction that is missing or of another shape, a folder that is not empty
inline void save_dense_lexical_encoder(std::filesystem::path const& folder, AnyEncoder const& encoder,
                                       AnyTokenizer const& tokenizer, NamedTensors const& head,
                                       DenseLexicalOptions const& options) {
    auto const weight = head.find("shared.reduction.weight");
    DualBottleneck pair = detail::dual_bottleneck(encoder, weight == head.end() ? 1 : weight->second.size(0));
    take_tensors(pair, head, folder.string());
    DenseLexicalEncoder const checked(encoder, pair, tokenizer, options);   // refuses what could not be loaded again
    save_encoder(folder, encoder, /*with_head=*/true, [&](std::filesystem::path const& unfinished) {
        detail::save_tokenizer(tokenizer, unfinished, options.max_length);
        pair.part<0>().save(unfinished / detail::reduction_file);
        detail::write_json(unfinished / detail::dense_lexical_file, {{"width", checked.dense_width()},
                                                                     {"terms", options.terms},
                                                                     {"query_length", options.query_length},
                                                                     {"max_length", options.max_length}});
    });
}

/// Reads such a folder. \throws InputError  a folder without a language-model head, files that do not match
inline DenseLexicalEncoder load_dense_lexical_encoder(std::filesystem::path const& folder) {
    auto const object = detail::JsonObject::read(folder / detail::dense_lexical_file);
    DenseLexicalOptions const options{.terms = object.require<std::size_t>("terms"),
                                      .query_length = object.require<std::size_t>("query_length"),
                                      .max_length = object.require<std::size_t>("max_length")};
    AnyEncoder encoder = load_encoder(folder, 0, TokenHead::required);
    auto const width = object.require<std::int64_t>("width");
    NamedTensors const reduction = load_tensors(folder / detail::reduction_file);
    auto const weight = reduction.find("linear.weight");
    bool const fits = weight != reduction.end() && weight->second.dim() == 2 && weight->second.size(0) == width;
    if (!fits) {   // before a map of that width is made
        throw object.refuse("the width of linear.weight in " + std::string(detail::reduction_file), std::to_string(width));
    }
    DualBottleneck pair = detail::dual_bottleneck(encoder, width);
    pair.part<0>().load(folder / detail::reduction_file);
    return {std::move(encoder), std::move(pair), AnyTokenizer::from_file(folder), options};
}

}  // namespace bmae
