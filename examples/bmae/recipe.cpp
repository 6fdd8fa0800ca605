// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "recipe.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string_view>
#include <utility>

#include <bmae/detail/files.hpp>
#include <bmae/detail/json_lines.hpp>
#include <bmae/detail/json_text.hpp>
#include <bmae/values/error.hpp>

#include "did_you_mean.hpp"
#include "option_text.hpp"

namespace bmae::program {

namespace {

bool is_name(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

/// Reads one file; its methods share the document and the place of each value in it.
class RecipeReader {
public:
    RecipeReader(Path const& file, std::string const& text, Path const& output)
        : file_(file.string()), json_(detail::parse_json_text<Json>(text, file_)), lines_(text), output_(output) {}

    Recipe read(std::vector<std::string> const& given) {
        require_object(json_, "", "a recipe");
        require_keys(json_, "", {"recipe", "name", "about", "settings", "stages"});
        if (!json_.contains("recipe") || json_["recipe"] != 1) {
            throw refuse("/recipe", "\"recipe\": 1, the version of the format",
                         json_.contains("recipe") ? detail::kind_of_json(json_["recipe"]) : "none");
        }
        Recipe recipe{.file = file_, .name = text_of(json_, "", "name"), .settings = {}, .stages = {}};
        read_settings(given);
        recipe.settings = settings_;
        if (!json_.contains("stages") || !json_["stages"].is_array() || json_["stages"].empty()) {
            throw refuse("/stages", "\"stages\", an array of one stage or more", "none");
        }
        for (std::size_t i = 0; i < json_["stages"].size(); ++i) {
            std::string const path = "/stages/" + std::to_string(i);
            Json const& json = json_["stages"][i];
            bool const is_grid = json.is_object() && json.contains("grid");
            is_grid ? read_grid(json, path, recipe.stages) : recipe.stages.push_back(read_stage(json, path));
        }
        return recipe;
    }

private:
    InputError refuse(std::string const& path, std::string expected, std::string found, std::string hint = {}) const {
        return InputError(Diagnostic{.file = file_,
                                     .line = lines_.of(path),
                                     .expected = std::move(expected),
                                     .found = std::move(found),
                                     .hint = std::move(hint)});
    }

    void require_object(Json const& value, std::string const& path, std::string const& what) const {
        if (!value.is_object()) { throw refuse(path, what + ", a JSON object", detail::kind_of_json(value)); }
    }

    void require_keys(Json const& object, std::string const& path, std::vector<std::string> const& known) const {
        for (auto const& [key, value] : object.items()) {
            if (std::ranges::find(known, key) != known.end()) { continue; }
            std::string list;
            for (std::string const& each : known) { list += (list.empty() ? "" : ", ") + each; }
            throw refuse(path + '/' + key, "a key of " + list, '"' + key + '"', did_you_mean(key, known));
        }
    }

    std::string text_of(Json const& object, std::string const& path, std::string const& key) const {
        if (!object.contains(key) || !object[key].is_string()) {
            throw refuse(path + '/' + key, "the text \"" + key + '"',
                         object.contains(key) ? detail::kind_of_json(object[key]) : "none");
        }
        return object[key].get<std::string>();
    }

    /// A value as it is written on a command line.
    std::string word_of(Json const& value, std::string const& path) const {
        if (value.is_string()) { return substituted(value.get<std::string>(), path); }
        if (value.is_number()) { return value.dump(); }
        throw refuse(path, "a text or a number", detail::kind_of_json(value));
    }

    void read_settings(std::vector<std::string> const& given) {
        Json const none = Json::object();
        Json const& stated = json_.contains("settings") ? json_["settings"] : none;
        require_object(stated, "/settings", "settings");
        std::vector<std::string> names;
        for (auto const& [name, value] : stated.items()) {
            if (!is_name(name)) { throw refuse("/settings/" + name, "a name of a-z, 0-9, - and _", '"' + name + '"'); }
            names.push_back(name);
            if (!value.is_null()) { settings_[name] = word_of(value, "/settings/" + name); }
        }
        for (std::string const& word : given) {
            std::size_t const equals = word.find('=');
            std::string const name = word.substr(0, equals);
            bool const known = std::ranges::find(names, name) != names.end();
            if (equals == word.npos || !known) {
                std::string list;
                for (std::string const& each : names) { list += (list.empty() ? "" : ", ") + each; }
                throw InputError(Diagnostic{.file = {},
                                            .expected = "--set NAME=VALUE with a setting of " + file_,
                                            .found = '"' + word + '"',
                                            .hint = list.empty() ? "It has no settings." : "Its settings: " + list + '.'});
            }
            settings_[name] = word.substr(equals + 1);
        }
        for (std::string const& name : names) {
            if (settings_.contains(name)) { continue; }
            throw refuse("/settings/" + name, "a value of the setting \"" + name + '"', "null",
                         "Give it by --set " + name + "=VALUE.");
        }
    }

    /// One name of a grid with the values that it takes in turn.
    struct GridAxis {
        std::string name;
        std::vector<std::string> values;
    };

    /// Values as an array, or as one text with commas, which may be a setting.
    GridAxis read_axis(std::string const& name, Json const& given, std::string const& path) const {
        bool const taken = settings_.contains(name) || std::ranges::find(stages_, name) != stages_.end();
        if (!is_name(name) || taken) {
            throw refuse(path, "a name of a-z, 0-9, - and _ that no setting and no stage has", '"' + name + '"');
        }
        GridAxis axis{.name = name, .values = {}};
        if (given.is_array()) {
            for (Json const& value : given) { axis.values.push_back(word_of(value, path)); }
        } else {
            axis.values = parts_of(word_of(given, path));
        }
        for (auto value = axis.values.begin(); value != axis.values.end(); ++value) {
            if (value->empty() || std::find(axis.values.begin(), value, *value) != value) {
                throw refuse(path, "values that differ, none of them empty", '"' + *value + '"');
            }
        }
        if (axis.values.empty()) { throw refuse(path, "one value or more", "an empty array"); }
        return axis;
    }

    /// A value as the end of a stage's name: "0.3" as "0_3".
    static std::string suffix_of(std::string value) {
        for (char& c : value) {
            if (c >= 'A' && c <= 'Z') { c = static_cast<char>(c - 'A' + 'a'); }
            if (!is_name(std::string_view(&c, 1))) { c = '_'; }
        }
        return '-' + value;
    }

    /// Stages repeated over all combinations of values, the last name first: their names end in the values.
    void read_grid(Json const& json, std::string const& path, std::vector<Stage>& stages) {
        require_keys(json, path, {"grid", "about", "stages"});
        require_object(json["grid"], path + "/grid", "a grid");
        std::vector<GridAxis> axes;
        std::size_t combinations = 1;
        for (auto const& [name, values] : json["grid"].items()) {
            axes.push_back(read_axis(name, values, path + "/grid/" + name));
            combinations *= axes.back().values.size();
            constexpr std::size_t most = 1000;
            if (combinations > most) { throw refuse(path + "/grid", "at most 1000 combinations", std::to_string(combinations)); }
        }
        bool const holds_stages = json.contains("stages") && json["stages"].is_array() && !json["stages"].empty();
        if (axes.empty() || !holds_stages) {
            throw refuse(path, "a name with values and \"stages\" of one stage or more in a grid", "none");
        }
        for (std::size_t c = 0; c < combinations; ++c) {
            std::size_t rest = c;
            grid_suffix_.clear();
            for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
                std::string const& value = axis->values[rest % axis->values.size()];
                rest /= axis->values.size();
                settings_[axis->name] = value;
                grid_suffix_.insert(0, suffix_of(value));
            }
            in_grid_.clear();
            for (std::size_t i = 0; i < json["stages"].size(); ++i) {
                stages.push_back(read_stage(json["stages"][i], path + "/stages/" + std::to_string(i)));
            }
        }
        for (GridAxis const& axis : axes) { settings_.erase(axis.name); }
        in_grid_.clear();
        grid_suffix_.clear();
    }

    Stage read_stage(Json const& json, std::string const& path) {
        require_object(json, path, "a stage");
        require_keys(json, path, {"name", "about", "command", "options", "arguments"});
        Stage stage{.name = text_of(json, path, "name"),
                    .command = text_of(json, path, "command"),
                    .options = {},
                    .line = lines_.of(path)};
        if (!is_name(stage.name)) { throw refuse(path + "/name", "a name of a-z, 0-9, - and _", '"' + stage.name + '"'); }
        if (!grid_suffix_.empty()) {
            in_grid_.push_back(stage.name);
            stage.name += grid_suffix_;
        }
        if (settings_.contains(stage.name) || std::ranges::find(stages_, stage.name) != stages_.end()) {
            throw refuse(path + "/name", "a name that no other stage and no setting has", '"' + stage.name + '"');
        }
        stages_.push_back(stage.name);   // a stage may name its own folder
        if (json.contains("arguments")) { read_arguments(json["arguments"], path + "/arguments", stage); }
        if (!json.contains("options")) { return stage; }
        require_object(json["options"], path + "/options", "options");
        for (auto const& [key, value] : json["options"].items()) { read_option(key, value, path + "/options/" + key, stage); }
        return stage;
    }

    void read_arguments(Json const& values, std::string const& path, Stage& stage) const {
        if (!values.is_array()) { throw refuse(path, "an array of texts", detail::kind_of_json(values)); }
        RecipeOption words{.name = {}, .values = {}, .line = lines_.of(path)};
        for (Json const& value : values) { words.values.push_back(word_of(value, path)); }
        stage.options.push_back(std::move(words));
    }

    void read_option(std::string const& key, Json const& value, std::string const& path, Stage& stage) const {
        if (key.empty() || key.front() == '-') { throw refuse(path, "the name of an option without dashes", '"' + key + '"'); }
        RecipeOption option{.name = "--" + key, .values = {}, .line = lines_.of(path)};
        if (value.is_boolean()) {
            if (value.get<bool>()) { stage.options.push_back(std::move(option)); }
            return;
        }
        if (value.is_array()) {
            if (value.empty()) { throw refuse(path, "one value or more", "an empty array"); }
            for (Json const& one : value) { option.values.push_back(word_of(one, path)); }
        } else {
            option.values.push_back(word_of(value, path));
        }
        stage.options.push_back(std::move(option));
    }

    std::string substituted(std::string const& text, std::string const& path) const {
        std::string made;
        for (std::size_t at = 0; at < text.size();) {
            if (text[at] != '{') {
                made += text[at++];
                continue;
            }
            std::size_t const end = text.find('}', at);
            std::string const name = text.substr(at + 1, end == text.npos ? text.npos : end - at - 1);
            if (end == text.npos) { throw refuse(path, "a } behind {" + name, "none"); }
            std::string const value = value_of(name, path);
            made += value;
            at = end + 1;
            if (substituted_ += value.size(); substituted_ > most_substituted) {   // settings that repeat each other double
                throw refuse(path, "at most " + std::to_string(most_substituted) + " bytes put in place of {NAME}",
                             "more in the recipe");
            }
        }
        return made;
    }

    std::string value_of(std::string const& name, std::string const& path) const {
        if (auto const found = settings_.find(name); found != settings_.end()) { return found->second; }
        if (std::ranges::find(in_grid_, name) != in_grid_.end()) { return (output_ / (name + grid_suffix_)).string(); }
        if (std::ranges::find(stages_, name) != stages_.end()) { return (output_ / name).string(); }
        std::vector<std::string> known = stages_;
        known.insert(known.end(), in_grid_.begin(), in_grid_.end());
        for (auto const& [setting, value] : settings_) { known.push_back(setting); }
        throw refuse(path, "{NAME} of a setting, of this stage or of one before it", '{' + name + '}', did_you_mean(name, known));
    }

    static constexpr std::size_t most_substituted = std::size_t{16} << 20;

    std::string file_;
    Json json_;
    detail::JsonLines lines_;
    Path output_;
    mutable std::size_t substituted_ = 0;   // bytes, of all values
    std::map<std::string, std::string> settings_ = {};
    std::vector<std::string> stages_ = {};
    std::vector<std::string> in_grid_ = {};   ///< stages of the present combination, by the names in the file
    std::string grid_suffix_ = {};            ///< of the present combination; empty outside of a grid
};

/// The line of the option that an error of the parser is about, else of the stage.
std::size_t line_of_option(Stage const& stage, std::string const& message) {
    std::size_t line = stage.line;
    std::size_t longest = 0;
    for (RecipeOption const& option : stage.options) {
        if (option.name.size() > longest && message.find(option.name) != message.npos) {
            line = option.line;
            longest = option.name.size();
        }
    }
    return line;
}

/// Whether `path` lies in `folder`, by their names.
bool lies_in(Path const& path, Path const& folder) {
    Path const relative = path.lexically_normal().lexically_relative(folder.lexically_normal());
    return !relative.empty() && relative != "." && *relative.begin() != "..";
}

}  // namespace

std::vector<std::string> Stage::words() const {
    std::vector<std::string> words{command};
    for (RecipeOption const& option : options) {
        if (option.name.empty()) {
            words.insert(words.end(), option.values.begin(), option.values.end());
        } else if (option.values.empty()) {
            words.push_back(option.name);
        }
        for (std::string const& value : option.values) {
            if (!option.name.empty()) { words.push_back(option.name + '=' + value); }
        }
    }
    return words;
}

RecipeOption const* Stage::find(std::string const& option) const {
    auto const found = std::ranges::find(options, option, &RecipeOption::name);
    return found == options.end() ? nullptr : &*found;
}

Recipe read_recipe(Path const& file, std::vector<std::string> const& given, Path const& output) {
    constexpr std::uint64_t largest_recipe = std::uint64_t{1} << 24;
    std::string const text = detail::read_file(file, largest_recipe);
    return RecipeReader(file, text, output).read(given);
}

void check_stages(Recipe const& recipe, Path const& output, ParseWords const& parse) {
    for (Stage const& stage : recipe.stages) {
        auto const refuse = [&](std::size_t line, std::string expected, std::string found, std::string hint = {}) {
            return InputError(Diagnostic{.file = recipe.file.string(),
                                         .line = line,
                                         .expected = std::move(expected),
                                         .found = std::move(found),
                                         .hint = std::move(hint)});
        };
        if (stage.command == "pipeline") { throw refuse(stage.line, "a command that is one stage", "pipeline"); }
        for (char const* const not_of_a_stage : {"--resume", "--json"}) {
            if (RecipeOption const* const option = stage.find(not_of_a_stage)) {
                throw refuse(option->line, "an option of the stage \"" + stage.name + '"', not_of_a_stage,
                             "The pipeline gives it where it is needed.");
            }
        }
        try {
            static_cast<void>(parse(stage.words()));
        } catch (InputError const& error) {
            Diagnostic said = error.diagnostic();
            std::size_t const line =
                line_of_option(stage, said.expected.empty() ? error.what() : said.found + ' ' + said.expected);
            if (said.expected.empty()) {
                throw InputError(recipe.file.string() + ':' + std::to_string(line) + ": stage \"" + stage.name +
                                 "\": " + error.what());
            }
            said.file = recipe.file.string();
            said.line = line;
            said.expected = "in the stage \"" + stage.name + "\" " + said.expected;
            throw InputError(std::move(said));
        }
        RecipeOption const* const written = stage.find("--output");
        if (written != nullptr && !lies_in(written->values.front(), output / stage.name)) {
            throw refuse(written->line, "an output in the folder of the stage: {" + stage.name + "}/...",
                         '"' + written->values.front() + '"');
        }
    }
}

}  // namespace bmae::program
