// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// The command-line program: finds the command, parses its options and runs it. Its commands are declared in commands_*.cpp.
#include <algorithm>
#include <csignal>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

#include "commands.hpp"
#include "common.hpp"
#include "errors.hpp"
#include "option_table.hpp"
#include "run_options.hpp"

namespace {

using namespace bmae::program;

std::vector<Command> declare_commands(CLI::App& program, OptionTable& table, Options& options) {
    std::vector<Command> commands;
    declare_data_commands(program, table, options, commands);
    declare_training_commands(program, table, options, commands);
    declare_search_commands(program, table, options, commands);
    declare_model_commands(program, table, options, commands);
    table.format(program);
    return commands;
}

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

int run(std::vector<std::string> arguments) {
    CLI::App program("bmae: bottlenecked masked auto-encoders, from text to a measured retriever", "bmae");
    program.set_version_flag("--version", std::string("bmae ").append(bmae::version));
    program.require_subcommand(1);
    program.footer(
        "`bmae COMMAND --help` shows the options and an example, `bmae options` those of all commands. Exit status: 0 done,\n"
        "2 bad usage, bad input, or an output that is full or in use, 1 failure while running, 130 interrupted (pretrain,\n"
        "finetune, generate and encode into a folder go on with --resume, other commands leave no output).");
    Options options;
    OptionTable table;
    auto const commands = declare_commands(program, table, options);
    if (!arguments.empty() && !arguments.front().starts_with('-')) {
        auto const command = std::ranges::find(commands, arguments.front(), [](Command const& c) { return c.app->get_name(); });
        if (command == commands.end()) { throw unknown_command(arguments.front(), commands); }   // CLI11: "a command is missing"
        arguments = with_options_of_run(std::move(arguments), program);
        table.refuse_unknown(*command->app, {arguments.begin() + 1, arguments.end()});
    }
    try {
        program.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));   // CLI11 takes them from the end
    } catch (CLI::ParseError const& error) {
        std::ostringstream shown;
        std::ostringstream said;
        int const status = program.exit(error, shown, said);
        bmae::program::print(shown.str());
        if (status == 0) { return done; }
        std::string const text = said.str();
        throw bmae::InputError(text.substr(0, text.find_last_not_of('\n') + 1));
    }
    for (Command const& command : commands) {
        if (!command.app->parsed()) { continue; }
        table.refuse_unread(*command.app);
        options.pretrain.training.record = options.finetune.training.record = record_of(*command.app);
        return command.run();
    }
    return bad_input;
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
