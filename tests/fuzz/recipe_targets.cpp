// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Recipes of the program, whose reader is compiled here with the sanitizers.
#include <string>
#include <string_view>
#include <vector>

#include "../../examples/bmae/recipe.cpp"   // NOLINT: no library holds the program's parts
#include "targets.hpp"

namespace fuzz {

namespace {

void read_recipe(std::string_view input) {
    auto const recipe = bmae::program::read_recipe(put("recipe.json", input), {}, "output");
    for (bmae::program::Stage const& stage : recipe.stages) { static_cast<void>(stage.words()); }
}

}  // namespace

std::vector<Target> recipe_targets() {
    return {
        {"recipe",
         read_recipe,
         {R"({"recipe": 1, "name": "small", "about": ["words"], "settings": {"data": "scifact", "steps": 100, "run": "{data}/x"},)"
          R"( "stages": [{"name": "store", "command": "prepare", "options": {"input": "{data}/corpus.jsonl", "titles": true}},)"
          "\n"
          R"( {"name": "model", "about": "trains", "command": "pretrain", "arguments": ["{run}"],)"
          R"( "options": {"data": "{store}/tokens", "set": ["a=1", "b={steps}"]}}]})"}}};
}

}  // namespace fuzz
