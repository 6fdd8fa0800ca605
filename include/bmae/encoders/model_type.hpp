// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The families of encoders that differ from BERT in a few options and the names in their files.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace bmae {

/// The values of `model_type` in a config.json.
enum class ModelType {
    bert,          ///< Devlin et al., arXiv 1810.04805
    roberta,       ///< Liu et al., arXiv 1907.11692: positions start after the padding's
    electra,       ///< Clark et al., arXiv 2003.10555: embeddings may be narrower than the layers
    distilbert,    ///< Sanh et al., arXiv 1910.01108: no token types, no dropout after the attention
    xlm_roberta,   ///< Conneau et al., arXiv 1911.02116: RoBERTa over 100 languages, 250,002 pieces of a unigram tokenizer
    camembert      ///< Martin et al., arXiv 1911.03894: RoBERTa over French
};

/// All of them.
inline constexpr std::array<ModelType, 6> model_types{ModelType::bert,       ModelType::roberta,     ModelType::electra,
                                                      ModelType::distilbert, ModelType::xlm_roberta, ModelType::camembert};

namespace detail {

/// What a family is called.
struct ModelTypeNames {
    std::string_view name;      ///< in config.json
    std::string_view title;     ///< in messages
    std::string_view classes;   ///< how the names of its Python classes begin
    std::string_view prefix;    ///< of its tensors inside a model with a head
};

/// [model_types]
inline constexpr std::array<ModelTypeNames, 6> model_type_names{{{"bert", "BERT", "Bert", "bert."},
                                                                 {"roberta", "RoBERTa", "Roberta", "roberta."},
                                                                 {"electra", "ELECTRA", "Electra", "electra."},
                                                                 {"distilbert", "DistilBERT", "DistilBert", "distilbert."},
                                                                 {"xlm-roberta", "XLM-RoBERTa", "XLMRoberta", "roberta."},
                                                                 {"camembert", "CamemBERT", "Camembert", "roberta."}}};

constexpr ModelTypeNames const& names_of(ModelType type) noexcept { return model_type_names[static_cast<std::size_t>(type)]; }

}  // namespace detail

/// The name in config.json.
constexpr std::string_view to_string(ModelType type) noexcept { return detail::names_of(type).name; }

/// The display name: BERT, RoBERTa ...
constexpr std::string_view title(ModelType type) noexcept { return detail::names_of(type).title; }

/// RoBERTa's network under any of its names: positions start after the padding's, exact gelu in the head.
constexpr bool is_roberta(ModelType type) noexcept {
    return type == ModelType::roberta || type == ModelType::xlm_roberta || type == ModelType::camembert;
}

/// The Python class of a model: `class_name(ModelType::roberta, "ForMaskedLM")` is RobertaForMaskedLM.
inline std::string class_name(ModelType type, std::string_view kind) {
    return std::string(detail::names_of(type).classes).append(kind);
}

/// Nothing for any other name.
constexpr std::optional<ModelType> model_type_from(std::string_view text) noexcept {
    for (ModelType const type : model_types) {
        if (to_string(type) == text) { return type; }
    }
    return std::nullopt;
}

/// "bert, roberta ... or camembert", for messages.
inline std::string known_model_types() {
    std::string list;
    for (std::size_t i = 0; i < model_types.size(); ++i) {
        list.append(i == 0 ? "" : i + 1 == model_types.size() ? " or " : ", ").append(to_string(model_types[i]));
    }
    return list;
}

}  // namespace bmae
