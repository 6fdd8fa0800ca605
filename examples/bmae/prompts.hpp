// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
/// \file
/// The prompts of a model and of the command line.
#pragma once

#include <string>
#include <utility>

#include <bmae/values/error.hpp>
#include <bmae/values/prompts.hpp>

#include "common.hpp"

namespace bmae::program {

/// The prompts of a model as the command line changes them: --prompt NAME stands before queries.
/// \throws InputError  for a name that the model has no prompt of
inline Prompts prompts_by(Prompts prompts, PromptOptions const& options) {
    if (options.query) { prompts.texts["query"] = *options.query; }
    if (options.document) { prompts.texts["document"] = *options.document; }
    if (options.name.empty()) { return prompts; }
    auto const found = prompts.texts.find(options.name);
    if (found == prompts.texts.end()) {
        std::string known;
        for (auto const& [name, text] : prompts.texts) { known += (known.empty() ? "" : ", ") + name; }
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "--prompt as a name of a prompt of the model: " + (known.empty() ? "it has none" : known),
                       .found = '"' + options.name + '"',
                       .hint = "Give the text itself by --query-prompt or --document-prompt."});
    }
    prompts.texts["query"] = std::string(found->second);
    return prompts;
}

/// Says which prompts are read, where there are some.
inline void say_prompts(std::string const& what, std::string const& prompt) {
    if (!prompt.empty()) { say(what + ": prompt " + Json(prompt).dump()); }
}

}  // namespace bmae::program
