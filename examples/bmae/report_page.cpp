// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// The page of bmae report: tables and curves of runs side by side.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/svg.hpp>
#include <bmae/model/composition_figure.hpp>
#include <bmae/model/composition_text.hpp>
#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

#include "line_chart.hpp"
#include "report.hpp"
#include "run_folder.hpp"
#include "spread.hpp"

namespace bmae::program {

namespace {

using detail::escaped_markup;

constexpr char const* style =
    "body{font:15px/1.45 sans-serif;margin:2em auto;max-width:1500px;padding:0 1em;color:#222;background:#fff}\n"
    "h1{font-size:1.6em}h2{font-size:1.25em;margin-top:2em;border-bottom:1px solid #ccc}h3{font-size:1em}\n"
    "table{border-collapse:collapse;margin:.6em 0}td,th{border:1px solid #ccc;padding:.2em "
    ".6em;text-align:left;vertical-align:top;"
    "overflow-wrap:anywhere}th{background:#f3f3f3}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".charts{display:flex;flex-wrap:wrap;gap:1em}.wide{overflow-x:auto}.problems li{color:#900}\n"
    ".key{display:inline-block;margin-right:1.4em;white-space:nowrap}code{font-size:.92em}\n";

std::string number_text(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.5g", value);
    return text;
}

/// A table: its head, then rows. The first column is text; others are numbers where they look like one.
class Table {
public:
    explicit Table(std::vector<std::string> const& head) {
        for (std::string const& name : head) { text_ += "<th>" + escaped_markup(name) + "</th>"; }
        text_ = "<div class=\"wide\"><table>\n<tr>" + text_ + "</tr>\n";
    }
    void row(std::vector<std::string> const& cells) {
        text_ += "<tr>";
        for (std::string const& cell : cells) {
            bool const number = !cell.empty() && cell.find_first_not_of("0123456789.+-e ") == cell.npos;
            text_ += (number ? "<td class=\"n\">" : "<td>") + escaped_markup(cell) + "</td>";
        }
        text_ += "</tr>\n";
    }
    [[nodiscard]] std::string html() const { return text_ + "</table></div>\n"; }

private:
    std::string text_ = {};
};

std::string section(std::string const& title, std::string const& body) {
    return body.empty() ? body : "<h2>" + escaped_markup(title) + "</h2>\n" + body;
}

/// The last value of a curve.
std::optional<double> last_of(RunFolder const& run, std::string const& curve) {
    Curve const* const found = run.find(curve);
    return found == nullptr || found->points.empty() ? std::nullopt : std::optional(found->points.back().second);
}

std::string setting(RunFolder const& run, std::string const& name) {
    auto const found = run.settings.find(name);
    return found == run.settings.end() ? std::string() : found->second;
}

/// Names of the curves of all runs, in order of their first appearance.
std::vector<std::string> curve_names(std::vector<RunFolder> const& runs) {
    std::vector<std::string> names;
    std::set<std::string> known;
    for (RunFolder const& run : runs) {
        for (Curve const& curve : run.curves) {
            if (known.insert(curve.name).second) { names.push_back(curve.name); }
        }
    }
    return names;
}

std::string runs_table(std::vector<RunFolder> const& runs) {
    Table table({"run", "folder", "preset", "last step", "seed", "training time", "loss at the end"});
    for (RunFolder const& run : runs) {
        Curve const* const loss = run.find("loss");
        bool const any = loss != nullptr && !loss->points.empty();
        table.row({run.name, run.path.string(), run.preset, any ? number_text(loss->points.back().first) : "-",
                   setting(run, "training: seed"), run.seconds.empty() ? "-" : duration_text(run.seconds.back().second),
                   any ? number_text(loss->points.back().second) : "-"});
    }
    return table.html();
}

std::string legend(std::vector<RunFolder> const& runs) {
    std::string text = "<p>";
    for (std::size_t r = 0; r < runs.size(); ++r) {
        text += "<span class=\"key\"><svg width=\"34\" height=\"10\"><path d=\"M0 5H34\" " + series_stroke(r) + "/></svg> " +
                escaped_markup(runs[r].name) + "</span>\n";
    }
    return text + "</p>\n";
}

std::string charts(std::vector<RunFolder> const& runs) {
    std::string text;
    for (std::string const& name : curve_names(runs)) {
        std::vector<ChartSeries> series;
        for (std::size_t r = 0; r < runs.size(); ++r) {
            if (Curve const* const curve = runs[r].find(name)) { series.push_back({.number = r, .points = curve->points}); }
        }
        text += line_chart(name, "step", series);
    }
    return text.empty() ? text : legend(runs) + "<div class=\"charts\">\n" + text + "</div>\n";
}

/// All settings of a run but its seed: runs that agree in them are repetitions of one experiment.
std::string experiment_of(RunFolder const& run) {
    std::string key;
    for (auto const& [name, value] : run.settings) {
        if (name != "--seed" && name != "training: seed") { key += name + '\0' + value + '\0'; }
    }
    return key;
}

/// Mean and spread of the last values over runs that differ in the seed alone.
std::string spread_tables(std::vector<RunFolder> const& runs) {
    std::map<std::string, std::vector<RunFolder const*>> groups;
    std::vector<std::string> order;
    for (RunFolder const& run : runs) {
        std::string const key = experiment_of(run);
        if (!groups.contains(key)) { order.push_back(key); }
        groups[key].push_back(&run);
    }
    std::string text;
    for (std::string const& key : order) {
        auto const& group = groups[key];
        if (group.size() < 2) { continue; }
        std::string names;
        for (RunFolder const* const run : group) { names += (names.empty() ? "" : ", ") + run->name; }
        Table table({"last value of", "runs", "mean", "standard deviation", "least", "greatest"});
        for (std::string const& curve : curve_names(runs)) {
            std::vector<double> values;
            for (RunFolder const* const run : group) {
                if (auto const value = last_of(*run, curve)) { values.push_back(*value); }
            }
            if (values.empty() || curve == "learning_rate" || curve == "tokens_per_second") { continue; }
            Spread const spread = spread_of(values);
            auto const [least, most] = std::ranges::minmax(values);
            table.row({curve, std::to_string(values.size()), number_text(spread.mean),
                       spread.deviation ? number_text(*spread.deviation) : "-", number_text(least), number_text(most)});
        }
        text += "<h3>" + escaped_markup(names) + "</h3>\n" + table.html();
    }
    return text;
}

/// The settings in which runs differ.
std::string differences(std::vector<RunFolder> const& runs) {
    if (runs.size() < 2) { return {}; }
    std::set<std::string> names;
    for (RunFolder const& run : runs) {
        for (auto const& [name, value] : run.settings) { names.insert(name); }
    }
    std::vector<std::string> head{"setting"};
    for (RunFolder const& run : runs) { head.push_back(run.name); }
    Table table(head);
    bool found = false;
    for (std::string const& name : names) {
        std::vector<std::string> cells{name};
        std::set<std::string> values;
        for (RunFolder const& run : runs) {
            auto const value = run.settings.find(name);
            cells.push_back(value == run.settings.end() ? "-" : value->second);
            values.insert(cells.back());
        }
        if (values.size() < 2) { continue; }
        found = true;
        table.row(cells);
    }
    return found ? table.html() : "<p>The runs have the same settings.</p>\n";
}

/// The settings of a single run, all of them.
std::string settings_table(std::vector<RunFolder> const& runs) {
    if (runs.size() != 1) { return {}; }
    Table table({"setting", "value"});
    for (auto const& [name, value] : runs.front().settings) { table.row({name, value}); }
    return table.html();
}

/// Each composition once, with the runs that have it.
std::string figures(std::vector<RunFolder> const& runs) {
    std::map<std::string, std::pair<std::string, std::string>> drawn;   // by drawing: title and runs
    std::vector<std::string> order;
    for (RunFolder const& run : runs) {
        if (run.text.empty()) { continue; }
        std::string drawing;
        try {
            drawing =
                composition_figure(read_composition(run.text), run.composition, run.preset.empty() ? "composition" : run.preset);
        } catch (InputError const& error) { drawing = "<p>" + escaped_markup(error.what()) + "</p>\n"; }
        if (!drawn.contains(drawing)) { order.push_back(drawing); }
        std::string& names = drawn[drawing].second;
        names += (names.empty() ? "" : ", ") + run.name;
        drawn[drawing].first = run.text;
    }
    std::string text;
    for (std::string const& drawing : order) {
        text += "<h3>" + escaped_markup(drawn[drawing].second) + "</h3>\n<div class=\"wide\">" + drawing + "</div>\n<p><code>" +
                escaped_markup(drawn[drawing].first) + "</code></p>\n";
    }
    return text;
}

std::string pipelines(std::vector<PipelineFolder> const& all) {
    std::string text;
    for (PipelineFolder const& pipeline : all) {
        Table stages({"stage", "command", "files", "bytes"});
        std::vector<std::string> names;
        for (ReportedStage const& stage : pipeline.stages) {
            stages.row({stage.name, "bmae " + stage.command, std::to_string(stage.outputs), count_text(stage.bytes)});
            for (auto const& [name, value] : stage.figures) {
                if (std::ranges::find(names, name) == names.end()) { names.push_back(name); }
            }
        }
        text += "<h3>" + escaped_markup(pipeline.name + ": " + pipeline.recipe) + "</h3>\n";
        if (!names.empty()) {
            std::vector<std::string> head{"stage"};
            head.insert(head.end(), names.begin(), names.end());
            Table table(head);
            for (ReportedStage const& stage : pipeline.stages) {
                if (stage.figures.empty()) { continue; }
                std::vector<std::string> cells{stage.name};
                for (std::string const& name : names) {
                    auto const found = std::ranges::find(stage.figures, name, [](auto const& figure) { return figure.first; });
                    cells.push_back(found == stage.figures.end() ? "-" : number_text(found->second));
                }
                table.row(cells);
            }
            text += table.html();
        }
        text += stages.html();
    }
    return text;
}

std::string problems_list(std::vector<std::string> const& problems) {
    std::string text;
    for (std::string const& problem : problems) { text += "<li>" + escaped_markup(problem) + "</li>\n"; }
    return text.empty() ? text : "<ul class=\"problems\">\n" + text + "</ul>\n";
}

}  // namespace

std::string report_page(ReportedFolders const& folders) {
    std::string body = section("Problems", problems_list(folders.problems));
    if (!folders.pipelines.empty()) { body += section("Pipelines", pipelines(folders.pipelines)); }
    if (!folders.runs.empty()) {
        body += section("Runs", runs_table(folders.runs));
        body += section("Curves", charts(folders.runs));
        body += section("Spread over seeds", spread_tables(folders.runs));
        body += section("Differences between the runs", differences(folders.runs));
        body += section("Compositions", figures(folders.runs));
        body += section("Settings", settings_table(folders.runs));
    }
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>bmae report</title>\n<style>\n" +
           std::string(style) + "</style>\n</head>\n<body>\n<h1>Report</h1>\n<p>Written by bmae " + escaped_markup(version) +
           ". The page loads nothing and runs no script.</p>\n" + body + "</body>\n</html>\n";
}

}  // namespace bmae::program
