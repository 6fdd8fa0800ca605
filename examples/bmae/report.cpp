// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "report.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/io/event_file.hpp>
#include <bmae/values/error.hpp>

#include "run_folder.hpp"

namespace bmae::program {

namespace {

/// "term passes.0.terms.1 (branch, MKP): loss" as "terms/passes.0.terms.1 (branch, MKP): loss".
std::string tag_of(std::string const& curve) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> groups{
        {{"term ", "terms/"}, {"evaluation: ", "evaluation/"}}};
    for (auto const& [from, to] : groups) {
        if (curve.starts_with(from)) { return std::string(to) + curve.substr(from.size()); }
    }
    return "training/" + curve;
}

/// A folder of events for each run, which TensorBoard takes as its runs.
void write_events(ReportedFolders const& folders, Path const& output) {
    detail::AtomicFolder target(output);
    for (RunFolder const& run : folders.runs) {
        EventFile events;
        for (Curve const& curve : run.curves) {
            for (auto const& [step, value] : curve.points) {
                events.add(tag_of(curve.name), static_cast<std::uint64_t>(step), run.seconds_at(step), static_cast<float>(value));
            }
        }
        Path const folder = target.partial() / Path(run.name).relative_path();
        detail::create_folders(folder);
        detail::write_file(folder / "events.out.tfevents.0.bmae", events.bytes());
    }
    target.commit();
}

}  // namespace

int report(Common const& common, ReportOptions const& options) {
    if (options.output.empty() && options.tensorboard.empty()) {
        throw InputError(Diagnostic{.file = {}, .expected = "--output or --tensorboard", .found = "neither"});
    }
    if (!options.output.empty()) { check_new_file(options.output); }
    if (!options.tensorboard.empty()) { detail::require_nothing_lost(options.tensorboard); }
    ReportedFolders const folders = read_folders(options.folders);
    for (std::string const& problem : folders.problems) { warn(problem); }
    std::string text;
    if (!options.tensorboard.empty()) {
        write_events(folders, options.tensorboard);
        text += options.tensorboard.string() + '\n';
    }
    if (!options.output.empty()) {
        detail::write_file(options.output, report_page(folders));
        text += options.output.string() + '\n';
    }
    auto const place = [](Path const& path) { return path.empty() ? Json() : Json(path.string()); };
    Json const result{
        {"command", "report"},          {"runs", folders.runs.size()},     {"pipelines", folders.pipelines.size()},
        {"problems", folders.problems}, {"output", place(options.output)}, {"tensorboard", place(options.tensorboard)}};
    print_result(common, result, text);
    return done;
}

}  // namespace bmae::program
