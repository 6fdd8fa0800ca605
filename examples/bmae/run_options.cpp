// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// run.json: the options of a training run, for its --resume.
#include "run_options.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>

#include <bmae/detail/files.hpp>
#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

namespace bmae::program {

namespace {

/// Options of one start, not of the run.
bool is_of_one_start(std::string_view name) {
    return name == "--help" || name == "--resume" || name == "--output" || name == "--json" || name == "--dump-step";
}

/// Options whose value is a path, and --config, which may be one.
bool names_a_path(std::string_view name) {
    static std::set<std::string_view> const known{"--model",          "--init",       "--data",      "--tokenizer",
                                                  "--config",         "--dictionary", "--generator", "--negatives",
                                                  "--teacher-scores", "--teacher",    "--plan",      "--eval-data"};
    return known.contains(name);
}

bool is_flag(CLI::Option const& option) { return option.get_items_expected_max() == 0; }

/// "--steps" of "--steps=5"; empty for any other word.
std::string_view option_of(std::string_view word) {
    return word.starts_with("--") ? word.substr(0, word.find('=')) : std::string_view();
}

/// The value of an option on a command line; nothing where it is absent.
std::optional<std::string> value_of(std::vector<std::string> const& words, std::string_view name) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (option_of(words[i]) != name) { continue; }
        if (words[i].size() > name.size()) { return words[i].substr(name.size() + 1); }
        if (i + 1 < words.size()) { return words[i + 1]; }
    }
    return std::nullopt;
}

Json read_record(Path const& file) {
    Json const json = Json::parse(detail::read_file(file), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("command") || !json.contains("options") || !json["options"].is_object()) {
        throw InputError(Diagnostic{.file = file.string(),
                                    .expected = "the options of a run",
                                    .found = "something else",
                                    .hint = "Remove the file and give all options of the run again."});
    }
    return json;
}

InputError no_record(Path const& output) {
    bool const there = std::filesystem::is_directory(output);
    return InputError(Diagnostic{.file = output.string(),
                                 .expected = "the output folder of a run that began, with its options in run.json",
                                 .found = there ? "a folder without that file" : "nothing of that name",
                                 .hint = there ? "Give all options of the run again, --resume included."
                                               : "Check --output; a run that never began is started with all its options."});
}

/// An option excludes others (--epochs and --steps); a time limit belongs to the plan that it was given with.
bool is_replaced(CLI::App& command, CLI::Option* option, std::string const& name, std::set<std::string> const& given) {
    if (given.contains(name)) { return true; }
    if (name == "--minutes" && (given.contains("--steps") || given.contains("--epochs"))) { return true; }
    return std::ranges::any_of(given, [&](std::string const& other) {
        CLI::Option* const stated = command.get_option_no_throw(other);
        return stated != nullptr && (stated->get_excludes().contains(option) || option->get_excludes().contains(stated));
    });
}

}  // namespace

std::string record_of(CLI::App const& command) {
    Json options = Json::object();
    for (CLI::Option const* const option : command.get_options()) {
        std::string const name = "--" + (option->get_lnames().empty() ? std::string() : option->get_lnames().front());
        if (option->count() == 0 || is_of_one_start(name)) { continue; }
        Json& values = options[name] = Json::array();
        if (is_flag(*option)) { continue; }
        for (std::string const& value : option->results()) {
            bool const is_path = names_a_path(name) && std::filesystem::exists(value);
            values.push_back(is_path ? std::filesystem::absolute(value).lexically_normal().string() : value);
        }
    }
    Json const record{{"library", version}, {"command", command.get_name()}, {"options", std::move(options)}};
    return record.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::vector<std::string> with_options_of_run(std::vector<std::string> words, CLI::App& program) {
    bool const trains = !words.empty() && (words.front() == "pretrain" || words.front() == "finetune" || words.front() == "glue");
    std::optional<std::string> const output = value_of(words, "--output");
    if (!trains || !output || std::ranges::find(words, "--resume") == words.end()) { return words; }
    Path const file = Path(*output) / run_options_file;
    if (!std::filesystem::exists(file)) {
        if (!value_of(words, "--data")) { throw no_record(*output); }
        return words;   // a new run, or one of an earlier version
    }
    Json const record = read_record(file);
    if (record["command"] != words.front()) {
        throw InputError(Diagnostic{.file = file.string(),
                                    .expected = "a run of `bmae " + words.front() + '`',
                                    .found = "one of `bmae " + record["command"].get<std::string>() + '`'});
    }
    CLI::App& command = *program.get_subcommand(words.front());
    std::set<std::string> given;
    for (std::string const& word : words) {
        if (option_of(word).empty()) { continue; }
        CLI::Option const* const option = command.get_option_no_throw(std::string(option_of(word)));   // perhaps by an alias
        given.emplace(option == nullptr ? std::string(option_of(word)) : "--" + option->get_lnames().front());
    }
    for (auto const& [name, values] : record["options"].items()) {
        CLI::Option* const option = command.get_option_no_throw(name);
        if (option == nullptr) {
            throw InputError(Diagnostic{.file = file.string(), .expected = "options of this version", .found = name});
        }
        if (is_replaced(command, option, name, given)) { continue; }
        if (values.empty()) { words.push_back(name); }
        for (auto const& value : values) { words.push_back(name + '=' + value.get<std::string>()); }
    }
    return words;
}

}  // namespace bmae::program
