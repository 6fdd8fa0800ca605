// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The heads of lexical weights and token vectors beside an encoder, in the files of FlagEmbedding's BGE-M3.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <utility>

#include <bmae/io/tensors.hpp>
#include <bmae/io/torch_tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// The names of the heads: of the files without their end, and behind `shared.` of the parameters of `HybridVectors`.
inline constexpr std::array<char const*, 2> hybrid_head_names{"sparse_linear", "colbert_linear"};

inline std::filesystem::path hybrid_head_file(std::filesystem::path const& folder, std::string const& head) {
    return folder / (head + ".pt");
}

}  // namespace detail

/// True for a folder with sparse_linear.pt and colbert_linear.pt.
inline bool holds_hybrid_heads(std::filesystem::path const& folder) {
    for (char const* const head : detail::hybrid_head_names) {
        if (!std::filesystem::exists(detail::hybrid_head_file(folder, head))) { return false; }
    }
    return true;
}

/// Both heads by the names of the parameters of `HybridVectors`: `shared.sparse_linear.weight` [1, H] ..., fp32.
/// \throws InputError  other tensors than weight and bias, or of other shapes
inline NamedTensors load_hybrid_heads(std::filesystem::path const& folder) {
    NamedTensors heads;
    for (std::string const head : detail::hybrid_head_names) {
        std::filesystem::path const file = detail::hybrid_head_file(folder, head);
        NamedTensors const tensors = load_torch_tensors(file);
        auto const weight = tensors.find("weight");
        auto const bias = tensors.find("bias");
        bool const fits = tensors.size() == 2 && weight != tensors.end() && bias != tensors.end() && weight->second.dim() == 2 &&
                          bias->second.dim() == 1 && bias->second.size(0) == weight->second.size(0) &&
                          weight->second.size(0) == (head == "sparse_linear" ? 1 : weight->second.size(1));
        if (!fits) {
            throw InputError(
                Diagnostic{.file = file.string(),
                           .expected = head == "sparse_linear" ? "weight [1, H] and bias [1]" : "weight [H, H] and bias [H]",
                           .found = "others",
                           .hint = "Vectors of tokens are as wide as the encoder, as those of BGE-M3."});
        }
        for (auto const& [name, tensor] : tensors) { heads["shared." + head + '.' + name] = tensor.to(at::kFloat); }
    }
    return heads;
}

/// Writes sparse_linear.pt and colbert_linear.pt into an existing folder without them.
/// \param heads  by the same names; others are ignored
/// \throws InputError  one that is missing
inline void save_hybrid_heads(std::filesystem::path const& folder, NamedTensors const& heads) {
    for (std::string const head : detail::hybrid_head_names) {
        NamedTensors tensors;
        for (char const* const name : {"weight", "bias"}) {
            auto const found = heads.find("shared." + head + '.' + name);
            if (found == heads.end()) {
                throw InputError(Diagnostic{
                    .file = folder.string(), .expected = "shared." + head + '.' + name + " of a hybrid model", .found = "none"});
            }
            tensors[name] = found->second.detach().to(at::kCPU, at::kFloat).contiguous();
        }
        save_torch_tensors(detail::hybrid_head_file(folder, head), tensors);
    }
}

}  // namespace bmae
