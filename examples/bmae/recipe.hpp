// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A recipe: the commands of an experiment in one JSON file, checked whole before the first of them runs. docs/recipes.md
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common.hpp"

namespace CLI {
class App;
}

namespace bmae::program {

/// One option of a stage, its value after substitution.
struct RecipeOption {
    std::string name;                  ///< "--steps"; empty: a word without a name, as the runs of fuse
    std::vector<std::string> values;   ///< none: a flag
    std::size_t line = 0;
};

/// One command of a recipe. Its output lies in the folder OUTPUT/NAME.
struct Stage {
    std::string name;
    std::string command;
    std::vector<RecipeOption> options;
    std::size_t line = 0;

    /// The command line, without the program's name.
    [[nodiscard]] std::vector<std::string> words() const;
    [[nodiscard]] RecipeOption const* find(std::string const& option) const;
};

struct Recipe {
    Path file;
    std::string name;
    std::map<std::string, std::string> settings;   ///< after --set
    std::vector<Stage> stages;
};

/// Reads a recipe and substitutes {SETTING}, and {STAGE} by the folder of that stage. Stages of a grid are repeated over its values.
/// \param given   NAME=VALUE, in place of the recipe's settings
/// \param output  the folder of the pipeline
/// \throws InputError  FILE:LINE: an unknown key, a setting without a value, a stage that names a later one
Recipe read_recipe(Path const& file, std::vector<std::string> const& given, Path const& output);

/// Parses the command line of a stage without running it.
/// \returns its command, parsed, which lives as long as the program
/// \throws InputError  FILE:LINE: an unknown command or option, a value out of range, an option without effect
using ParseWords = std::function<CLI::App const&(std::vector<std::string> const&)>;

/// Checks all stages: their options, and that each writes into its own folder. \throws InputError
void check_stages(Recipe const& recipe, Path const& output, ParseWords const& parse);

}  // namespace bmae::program
