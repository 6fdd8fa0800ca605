// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include "preset_figure.hpp"

#include <map>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/edge/finetuning_presets.hpp>
#include <bmae/edge/make_pretraining.hpp>
#include <bmae/model/composition_figure.hpp>
#include <bmae/model/composition_text.hpp>

namespace bmae::program {

int draw_preset(std::string const& preset, Path const& file) {
    check_new_file(file);
    std::vector<PresetDescription> all = describe_finetuning_presets();
    for (PresetDescription& described : describe_presets()) { all.push_back(std::move(described)); }
    for (PresetDescription const& described : all) {
        if (described.name != preset) { continue; }
        std::map<std::string, std::string> values;
        for (PresetDescription::Option const& option : described.paths) {
            Json const value = std::visit([](auto const& given) { return Json(given); }, option.value);
            values[option.name] = value.is_string() ? value.get<std::string>() : value.dump();
        }
        detail::write_file(file, composition_figure(read_composition(described.composition), values, preset));
        say(file.string() + ": the composition of " + preset);
        return done;
    }
    return done;   // `presets` refuses the name
}

}  // namespace bmae::program
