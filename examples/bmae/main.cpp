// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// The command-line program: finds the command, parses its options and runs it. Its commands are declared in commands_*.cpp.
#include <algorithm>
#include <csignal>
#include <deque>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

#include "commands.hpp"
#include "common.hpp"
#include "errors.hpp"
#include "option_table.hpp"
#include "pipeline.hpp"
#include "run_options.hpp"

namespace {

using namespace bmae::program;

bmae::InputError unknown_command(std::string const& word, std::vector<Command> const& commands) {
    std::vector<std::string> known;
    std::string list;
    for (Command const& each : commands) {
        known.push_back(each.app->get_name());
        list += (list.empty() ? "" : ", ") + known.back();
    }
    std::string const guess = did_you_mean(word, known);
    return bmae::InputError(bmae::Diagnostic{.file = {},
                                             .expected = "a command",
                                             .found = '"' + word + '"',
                                             .hint = guess + (guess.empty() ? "" : " ") + "Known: " + list + '.'});
}

/// A parser of one command line, with the options that it fills.
class Parser {
public:
    Parser() {
        program_.set_version_flag("--version", std::string("bmae ").append(bmae::version));
        program_.require_subcommand(1);
        program_.footer(
            "`bmae COMMAND --help` shows the options and an example, `bmae options` those of all commands. Exit status: 0 done,\n"
            "2 bad usage, bad input, or an output that is full or in use, 1 failure while running, 130 interrupted (pretrain,\n"
            "finetune, glue, generate, rerank and encode into a folder go on with --resume, pipeline with the same command; "
            "other\n"
            "commands leave no output).");
        declare_data_commands(program_, table_, options_, commands_);
        declare_training_commands(program_, table_, options_, commands_);
        declare_index_command(program_, table_, options_, commands_);
        declare_search_commands(program_, table_, options_, commands_);
        declare_embedding_commands(program_, table_, options_, commands_);
        declare_model_commands(program_, table_, options_, commands_);
        declare_pipeline_command(program_, table_, options_, commands_, parse_stage);
        declare_report_command(program_, table_, options_, commands_);
        table_.format(program_);
    }
    Parser(Parser const&) = delete;
    Parser& operator=(Parser const&) = delete;

    /// \returns the command, or nothing where help was asked for and shown
    Command const* parse(std::vector<std::string> arguments) {
        if (!arguments.empty() && !arguments.front().starts_with('-')) {
            auto const of_name = [&](Command const& command) { return command.app->get_name() == arguments.front(); };
            auto const command = std::ranges::find_if(commands_, of_name);
            if (command == commands_.end()) {
                throw unknown_command(arguments.front(), commands_);
            }   // CLI11: "a command is missing"
            arguments = with_options_of_run(std::move(arguments), program_);
            table_.refuse_unknown(*command->app, {arguments.begin() + 1, arguments.end()});
        }
        try {
            program_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));   // CLI11 takes them from the end
        } catch (CLI::ParseError const& error) {
            show(error);
            return nullptr;
        }
        auto const command = std::ranges::find_if(commands_, [](Command const& each) { return each.app->parsed(); });
        table_.refuse_unread(*command->app);
        options_.pretrain.training.record = options_.finetune.training.record = options_.glue.training.record =
            record_of(*command->app);
        return &*command;
    }

private:
    /// Prints help and version. \throws InputError for all else
    void show(CLI::ParseError const& error) const {
        std::ostringstream shown;
        std::ostringstream said;
        int const status = program_.exit(error, shown, said);
        bmae::program::print(shown.str());
        if (status == 0) { return; }
        std::string const text = said.str();
        throw bmae::InputError(text.substr(0, text.find_last_not_of('\n') + 1));
    }

    /// A stage is parsed as its own process will.
    static ParsedStage parse_stage(std::vector<std::string> const& words) {
        static std::deque<Parser> parsers;   // the command lives in its parser
        Parser& parser = parsers.emplace_back();
        Command const* const command = parser.parse(words);
        if (command == nullptr) { throw bmae::InputError("a stage that shows help"); }
        return {.command = command->app, .inputs = parser.table_.given_inputs(*command->app)};
    }

    CLI::App program_{"bmae: bottlenecked masked auto-encoders, from text to a measured retriever", "bmae"};
    OptionTable table_;
    Options options_;
    std::vector<Command> commands_;
};

int run(std::vector<std::string> const& arguments) {
    Parser parser;
    Command const* const command = parser.parse(arguments);
    return command == nullptr ? done : command->run();
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);   // a closed pipe becomes an error of the write, with a message
    std::signal(SIGXFSZ, SIG_IGN);   // and so does a limit of the size of files
    std::vector<std::string> const arguments(argv + std::min(argc, 1), argv + argc);
    try {
        return run(arguments);
    } catch (...) { return report_error(arguments); }
}
