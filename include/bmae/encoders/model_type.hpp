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
    bert,        ///< Devlin et al., arXiv 1810.04805
    roberta,     ///< Liu et al., arXiv 1907.11692: positions start after the padding's
    electra,     ///< Clark et al., arXiv 2003.10555: embeddings may be narrower than the layers
    distilbert   ///< Sanh et al., arXiv 1910.01108: no token types, no dropout after the attention
};

/// All of them.
inline constexpr std::array<ModelType, 4> model_types{ModelType::bert, ModelType::roberta, ModelType::electra,
                                                      ModelType::distilbert};

/// The name in config.json.
constexpr std::string_view to_string(ModelType type) noexcept {
    switch (type) {
        case ModelType::roberta:
            return "roberta";
        case ModelType::electra:
            return "electra";
        case ModelType::distilbert:
            return "distilbert";
        case ModelType::bert:
            break;
    }
    return "bert";
}

/// The display name: BERT, RoBERTa ...
constexpr std::string_view title(ModelType type) noexcept {
    switch (type) {
        case ModelType::roberta:
            return "RoBERTa";
        case ModelType::electra:
            return "ELECTRA";
        case ModelType::distilbert:
            return "DistilBERT";
        case ModelType::bert:
            break;
    }
    return "BERT";
}

/// The Python class of a model: `class_name(ModelType::roberta, "ForMaskedLM")` is RobertaForMaskedLM.
inline std::string class_name(ModelType type, std::string_view kind) {
    std::string name;
    switch (type) {
        case ModelType::roberta:
            name = "Roberta";
            break;
        case ModelType::electra:
            name = "Electra";
            break;
        case ModelType::distilbert:
            name = "DistilBert";
            break;
        case ModelType::bert:
            name = "Bert";
            break;
    }
    return name.append(kind);
}

/// Nothing for any other name.
constexpr std::optional<ModelType> model_type_from(std::string_view text) noexcept {
    for (ModelType const type : model_types) {
        if (to_string(type) == text) { return type; }
    }
    return std::nullopt;
}

/// "bert, roberta, electra or distilbert", for messages.
inline std::string known_model_types() {
    std::string list;
    for (std::size_t i = 0; i < model_types.size(); ++i) {
        list.append(i == 0 ? "" : i + 1 == model_types.size() ? " or " : ", ").append(to_string(model_types[i]));
    }
    return list;
}

}  // namespace bmae
