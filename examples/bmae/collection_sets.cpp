// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// Evaluates a benchmark of many collections: `evaluate --collections`.
#include "collection_sets.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/corpus/beir_folder.hpp>
#include <bmae/corpus/collection_folders.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/evaluation/mteb_results.hpp>
#include <bmae/metrics/any_metric.hpp>

#include "measures.hpp"
#include "option_text.hpp"

namespace bmae::program {

namespace {

/// The run of a collection, plain or gzip.
Path run_of_collection(Path const& folder, NamedCollection const& collection) {
    for (char const* const ending : {".trec", ".trec.gz"}) {
        Path path = folder / (collection.name + ending);
        if (std::filesystem::exists(path)) { return path; }
    }
    throw InputError(Diagnostic{.file = folder.string(),
                                .expected = "a run of every collection, NAME.trec or NAME.trec.gz",
                                .found = "none of " + collection.name,
                                .hint = "`bmae search --collections` writes them."});
}

/// The main score of a collection among the result files of a folder; nothing where there is none, with a warning.
std::optional<double> score_beside(std::vector<MtebResult> const& results, NamedCollection const& collection,
                                   std::string const& split, std::string const& folder) {
    MtebTask const task = mteb_task(collection.name, split);
    std::string splits;
    for (MtebResult const& result : results) {
        if (result.task != collection.name && result.task != task.name) { continue; }
        std::string const& theirs = result.task == task.name ? task.split : split;
        if (result.scores.contains(theirs)) { return result.main_score(theirs); }
        for (auto const& [name, scores] : result.scores) { splits += (splits.empty() ? "" : ", ") + name; }
    }
    warn(folder + " has no main score of " + collection.name +
         (splits.empty() ? ": no result file of the task " + task.name : " in the split " + task.split + ", only in " + splits));
    return std::nullopt;
}

std::vector<MtebResult> read_results(Path const& folder) {
    std::vector<MtebResult> results;
    for (Path const& file : list_files(std::span(&folder, 1))) {
        if (file.extension() == ".json" && file.filename() != "model_meta.json") { results.push_back(read_mteb_result(file)); }
    }
    if (results.empty()) {
        throw InputError(Diagnostic{.file = folder.string(), .expected = "result files of MTEB, TASK.json", .found = "none"});
    }
    return results;
}

/// All reports: of each collection, those of all systems.
struct Measured {
    std::vector<NamedCollection> collections;
    std::vector<std::string> splits = {};                          ///< [collections]
    std::vector<std::string> systems = {};                         ///< names of the folders of runs
    std::vector<std::vector<NamedReport>> reports = {};            ///< [collections][systems]
    std::vector<std::string> beside = {};                          ///< names of the folders of results
    std::vector<std::vector<std::optional<double>>> scores = {};   ///< [beside][collections]
    ReadReport read = {};

    [[nodiscard]] double mean(std::size_t system, std::size_t measure) const {
        std::vector<double> values;
        for (auto const& of_collection : reports) { values.push_back(of_collection[system].report.means[measure]); }
        return mean_over_collections(collections, values);
    }
    /// Nothing where a collection has no result.
    [[nodiscard]] std::optional<double> mean_beside(std::size_t folder) const {
        std::vector<double> values;
        for (auto const& score : scores[folder]) {
            if (!score) { return std::nullopt; }
            values.push_back(*score);
        }
        return mean_over_collections(collections, values);
    }
};

/// Names of folders: the last part of their paths, or their paths where two have one name.
std::vector<std::string> names_of_folders(std::vector<Path> const& folders) {
    std::vector<std::string> names;
    for (Path const& folder : folders) {
        auto const last = [](Path const& path) { return detail::without_slash(path).filename(); };
        auto const same =
            std::count_if(folders.begin(), folders.end(), [&](Path const& other) { return last(other) == last(folder); });
        names.push_back(same > 1 ? folder.string() : last(folder).string());
    }
    return names;
}

/// A mean over some of NanoBEIR's collections, or over others besides, is not what others publish.
void say_if_partial(std::vector<NamedCollection> const& collections) {
    std::size_t const known = count_nanobeir(collections);
    if (known == 0 || name_of_mean(collections) == "NanoBEIR") { return; }
    warn("the mean is not NanoBEIR's: " + std::to_string(known) + " of its " + std::to_string(nanobeir_names.size()) +
         " collections are there, and " + std::to_string(collections.size() - known) + " of others");
}

Measured measure_all(Common const& common, EvaluateOptions const& evaluate, CollectionsOptions const& options,
                     std::vector<std::string> const& measures) {
    Measured all{.collections = list_collections(options.folder),
                 .systems = names_of_folders(evaluate.runs),
                 .beside = names_of_folders(options.beside)};
    say_if_partial(all.collections);
    std::vector<std::vector<MtebResult>> results;
    for (Path const& folder : options.beside) { results.push_back(read_results(folder)); }
    std::vector<std::vector<Path>> runs;   // all are known before the first is read
    for (NamedCollection const& collection : all.collections) {
        all.splits.push_back(chosen_split(collection, options.split));
        auto& files = runs.emplace_back();
        for (Path const& folder : evaluate.runs) { files.push_back(run_of_collection(folder, collection)); }
    }
    all.scores.resize(options.beside.size());
    for (std::size_t c = 0; c < all.collections.size(); ++c) {
        EvaluateOptions one = evaluate;
        one.qrels = BeirFolder(all.collections[c].path).qrels(all.splits[c]);
        one.runs = runs[c];
        say(all.collections[c].name + ':');
        ReadReport read;
        all.reports.push_back(measure(common, one, measures, read));
        all.read.add(read);
        for (std::size_t r = 0; r < all.systems.size(); ++r) { all.reports.back()[r].name = all.systems[r]; }
        for (std::size_t b = 0; b < results.size(); ++b) {
            all.scores[b].push_back(score_beside(results[b], all.collections[c], all.splits[c], all.beside[b]));
        }
    }
    return all;
}

/// A table per measure: a row per collection and one of the mean, a column per system; main scores beside stand with the first measure.
std::string tables_of(Measured const& all, TableFormat format) {
    std::string text;
    auto const& labels = all.reports[0][0].report.labels;
    for (std::size_t m = 0; m < labels.size(); ++m) {
        std::vector<std::vector<std::string>> rows(1);
        rows[0].push_back(detail::cell_of(labels[m], format));
        for (std::string const& system : all.systems) { rows[0].push_back(detail::cell_of(system, format)); }
        for (std::string const& name : all.beside) {
            if (m == 0) { rows[0].push_back(detail::cell_of(name + " (main score)", format)); }
        }
        for (std::size_t c = 0; c <= all.collections.size(); ++c) {
            bool const is_mean = c == all.collections.size();
            auto& row = rows.emplace_back();
            row.push_back(is_mean ? name_of_mean(all.collections) : detail::cell_of(all.collections[c].name, format));
            for (std::size_t r = 0; r < all.systems.size(); ++r) {
                row.push_back(detail::digits_of(is_mean ? all.mean(r, m) : all.reports[c][r].report.means[m], 4));
            }
            for (std::size_t b = 0; m == 0 && b < all.beside.size(); ++b) {
                auto const score = is_mean ? all.mean_beside(b) : all.scores[b][c];
                row.push_back(score ? detail::digits_of(*score, 4) : "-");
            }
        }
        text += (m == 0 ? "" : "\n") + detail::table_of(rows, format);
    }
    return text;
}

Json summary_of(Measured const& all, EvaluateOptions const& evaluate) {
    auto const number = [](std::optional<double> const& value) { return value ? Json(*value) : Json(); };
    Json collections = Json::array();
    for (std::size_t c = 0; c < all.collections.size(); ++c) {
        Json entry{{"name", all.collections[c].name},
                   {"group", all.collections[c].group},
                   {"split", all.splits[c]},
                   {"runs", Json::array()},
                   {"beside", Json::object()}};
        for (NamedReport const& run : all.reports[c]) {
            Json& report = entry["runs"].emplace_back(json_of(run.report, evaluate.per_query));
            report["run"] = run.name;
        }
        for (std::size_t b = 0; b < all.beside.size(); ++b) { entry["beside"][all.beside[b]] = number(all.scores[b][c]); }
        collections.push_back(std::move(entry));
    }
    std::string const name = name_of_mean(all.collections);
    Json means = Json::array();
    auto const& labels = all.reports[0][0].report.labels;
    for (std::size_t r = 0; r < all.systems.size(); ++r) {
        Json& entry = means.emplace_back(Json{{"name", name}, {"run", all.systems[r]}, {"measures", Json::object()}});
        for (std::size_t m = 0; m < labels.size(); ++m) { entry["measures"][labels[m]] = all.mean(r, m); }
    }
    for (std::size_t b = 0; b < all.beside.size(); ++b) {
        means.push_back({{"name", name}, {"run", all.beside[b]}, {"main_score", number(all.mean_beside(b))}});
    }
    return {{"collections", collections}, {"means", means}};
}

/// One result file per collection and system, in a folder of the system where there are several.
void write_results(Measured const& all, Path const& folder) {
    for (std::size_t c = 0; c < all.collections.size(); ++c) {
        for (std::size_t r = 0; r < all.systems.size(); ++r) {
            Path const place = all.systems.size() == 1 ? folder : folder / Path(all.systems[r]).filename();
            std::filesystem::create_directories(place);
            Report const& report = all.reports[c][r].report;
            MtebTask const task = mteb_task(all.collections[c].name, all.splits[c]);
            std::string const text = mteb_result(task.name, task.split, report, report.measures[0]).dump(2) + '\n';
            std::string file = task.name + ".json";
            std::replace(file.begin(), file.end(), '/', '-');
            detail::write_file(place / file, text);
        }
    }
}

}  // namespace

std::string chosen_split(NamedCollection const& collection, std::string const& wanted) {
    std::string split = split_of(collection, wanted);
    if (split != wanted) { say(collection.name + " has no split " + wanted + ": its split " + split + " is taken"); }
    return split;
}

int evaluate_collections(Common const& common, EvaluateOptions const& evaluate, CollectionsOptions const& options) {
    TableFormat const format =
        evaluate.format.empty() ? TableFormat::text : named_value<TableFormat>("--format", evaluate.format);
    for (Path const& output : {evaluate.output, options.mteb}) {
        if (!output.empty()) { check_new_file(output); }
    }
    auto const measures = evaluate.measures.empty() ? std::vector<std::string>{"ndcg@10,recall@100"} : evaluate.measures;
    if (!options.mteb.empty() && mteb_name(names_of_metrics(measures).front()).empty()) {
        throw refuse("--measures with a measure of MTEB first, which becomes the main score",
                     '"' + names_of_metrics(measures).front() + '"', "As ndcg@10.");
    }
    Measured const all = measure_all(common, evaluate, options, measures);
    std::string const text = tables_of(all, format);
    if (!evaluate.output.empty()) { detail::write_file(evaluate.output, text); }
    if (!options.mteb.empty()) { write_results(all, options.mteb); }
    Json result{{"command", "evaluate"}, {"profile", evaluate.profile}};
    for (char const* const key : {"measures", "queries", "judged_queries", "missing_queries", "left_out_queries",
                                  "unjudged_queries", "queries_without_relevant", "tied_hits", "own_hits", "own_queries",
                                  "unjudged_share", "per_query", "runs", "comparisons", "test", "correction"}) {
        result[key] = nullptr;   // of one collection
    }
    result["malformed"] = malformed_json(all.read);
    result.update(summary_of(all, evaluate));
    print_result(common, result, text);
    return done;
}

}  // namespace bmae::program
