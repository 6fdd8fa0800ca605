// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Declares the command that reports of runs: report.
#include "commands.hpp"

namespace bmae::program {

namespace {

class ReportCommand : CommandGroup {
public:
    using CommandGroup::CommandGroup;

    void declare() {
        ReportOptions& options = all_.report;
        CLI::App& app = add("report", "Runs and pipelines as one HTML page that opens offline, or as events for TensorBoard",
                            "bmae report run-1 run-2 experiment --output report.html",
                            [&all = all_] { return bmae::program::report(all.common, all.report); });
        table_.path(app, "folders", options.folders, "Output folders of pretrain, finetune and pipeline").required();
        table_.path(app, "--output", options.output,
                    "New HTML file: curves, spread over seeds, differences, compositions, stages");
        table_.path(app, "--tensorboard", options.tensorboard,
                    "New folder of TensorBoard event files, one folder per run; seconds of training are the times");
    }
};

}  // namespace

void declare_report_command(CLI::App& program, OptionTable& table, Options& all, std::vector<Command>& commands) {
    ReportCommand(program, table, all, commands).declare();
}

}  // namespace bmae::program
