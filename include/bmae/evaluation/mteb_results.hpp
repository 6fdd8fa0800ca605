// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Result files of MTEB (Muennighoff et al., EACL 2023): one JSON object per task, with the scores of each split.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/corpus/collection_folders.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/evaluation/report.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// MTEB's name of a measure: "ndcg@10" is "ndcg_at_10"; empty where MTEB has none.
inline std::string mteb_name(std::string_view measure) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> names{{{"ndcg@", "ndcg_at_"},
                                                                                         {"map@", "map_at_"},
                                                                                         {"recall@", "recall_at_"},
                                                                                         {"p@", "precision_at_"},
                                                                                         {"mrr@", "mrr_at_"},
                                                                                         {"success@", "hit_rate_at_"}}};
    for (auto const& [ours, theirs] : names) {
        if (measure.starts_with(ours)) { return std::string(theirs) + std::string(measure.substr(ours.size())); }
    }
    return {};
}

/// A retrieval task by MTEB's names.
struct MtebTask {
    std::string name = {};
    std::string split = {};
};

/// MTEB's names of a collection in BEIR's layout, by the name of its folder: "webis-touche2020" is "Touche2020", "NanoNQ" is "NanoNQRetrieval". The only
/// split of NanoBEIR's collections is "train" there, whatever it is here (examples/nanobeir.py writes "test"). Others keep their names.
inline MtebTask mteb_task(std::string_view collection, std::string_view split) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 14> names{{{"arguana", "ArguAna"},
                                                                                          {"climate-fever", "ClimateFEVER"},
                                                                                          {"dbpedia-entity", "DBPedia"},
                                                                                          {"fever", "FEVER"},
                                                                                          {"fiqa", "FiQA2018"},
                                                                                          {"hotpotqa", "HotpotQA"},
                                                                                          {"msmarco", "MSMARCO"},
                                                                                          {"nfcorpus", "NFCorpus"},
                                                                                          {"nq", "NQ"},
                                                                                          {"quora", "QuoraRetrieval"},
                                                                                          {"scidocs", "SCIDOCS"},
                                                                                          {"scifact", "SciFact"},
                                                                                          {"trec-covid", "TRECCOVID"},
                                                                                          {"webis-touche2020", "Touche2020"}}};
    MtebTask task{.name = std::string(collection), .split = std::string(split)};
    for (auto const& [ours, theirs] : names) {
        if (collection == ours) { task.name = theirs; }
    }
    if (is_nanobeir(collection)) {
        if (collection == "NanoClimateFEVER") { task.name = "NanoClimateFever"; }
        if (!task.name.ends_with("Retrieval")) { task.name += "Retrieval"; }
        task.split = "train";
    }
    constexpr std::string_view forums = "cqadupstack/";
    if (collection.starts_with(forums) && collection.size() > forums.size()) {
        std::string forum(collection.substr(forums.size()));
        if (forum[0] >= 'a' && forum[0] <= 'z') { forum[0] = static_cast<char>(forum[0] - 32); }
        task.name = "CQADupstack" + forum + "Retrieval";
    }
    return task;
}

/// The scores of one task by split, by MTEB's names.
struct MtebResult {
    std::string task = {};
    std::map<std::string, std::map<std::string, double>> scores = {};   ///< of the subset "default", or of the only one

    /// The score of a split that the task is ranked by. \throws InputError  listing the splits where there is none of that name
    [[nodiscard]] double main_score(std::string const& split) const {
        auto const found = scores.find(split);
        if (found != scores.end()) { return found->second.at("main_score"); }
        std::string known;
        for (auto const& [name, values] : scores) { known += (known.empty() ? "" : ", ") + name; }
        throw InputError(
            Diagnostic{.file = {}, .expected = "scores of the split '" + split + "' of " + task, .found = "the splits " + known});
    }
};

/// A retrieval task as MTEB 2 stores it, with the measures of a report that MTEB has. Its data are said to be of an unknown revision.
/// \param task  MTEB's name: see `mteb_task`
/// \param main  the measure that the task is ranked by
/// \throws InputError  where the report lacks `main` or MTEB has no name for it
inline detail::Json mteb_result(std::string const& task, std::string const& split, Report const& report,
                                std::string const& main = "ndcg@10") {
    if (mteb_name(main).empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a measure of MTEB as main score",
                                    .found = '"' + main + '"',
                                    .hint = "Known: ndcg@K, map@K, recall@K, p@K, mrr@K, success@K."});
    }
    detail::Json scores{{"main_score", report[main]}, {"hf_subset", "default"}, {"languages", detail::Json::array({"eng-Latn"})}};
    for (std::size_t m = 0; m < report.measures.size(); ++m) {
        if (std::string const name = mteb_name(report.measures[m]); !name.empty()) { scores[name] = report.means[m]; }
    }
    return {{"dataset_revision", "unknown"}, {"task_name", task},
            {"mteb_version", nullptr},       {"scores", {{split, detail::Json::array({scores})}}},
            {"evaluation_time", nullptr},    {"kg_co2_emissions", nullptr}};
}

namespace detail {

/// The scores of one split: an object, or a list with one per subset.
inline std::map<std::string, double> mteb_scores(Json const& value, JsonObject const& file) {
    Json const* chosen = &value;
    if (value.is_array()) {
        chosen = value.size() == 1 ? &value[0] : nullptr;
        for (Json const& subset : value) {
            if (subset.is_object() && subset.value("hf_subset", std::string()) == "default") { chosen = &subset; }
        }
    }
    if (chosen == nullptr || !chosen->is_object()) {
        throw file.refuse("scores of one subset, or of the subset \"default\"", std::to_string(value.size()) + " subsets");
    }
    std::map<std::string, double> scores;
    for (auto const& [name, score] : chosen->items()) {
        if (score.is_number() && std::isfinite(score.get<double>())) { scores[name] = score.get<double>(); }
    }
    if (!scores.contains("main_score")) {
        auto const old = scores.find("ndcg_at_10");   // version 1 of retrieval
        if (old == scores.end()) { throw file.refuse("the number \"main_score\" in the scores", "none"); }
        scores["main_score"] = old->second;
    }
    return scores;
}

}  // namespace detail

/// Reads a result file of MTEB 2, and of retrieval as version 1 wrote it (`mteb_dataset_name`, splits at the top).
/// \throws InputError  with file and key where it is none
inline MtebResult read_mteb_result(std::filesystem::path const& path) {
    auto const file = detail::JsonObject::read(path);
    MtebResult result;
    if (auto const name = file.find<std::string>("task_name")) {
        result.task = *name;
        auto const scores = file.json().find("scores");
        if (scores == file.json().end() || !scores->is_object()) { throw file.refuse("an object under \"scores\"", "none"); }
        for (auto const& [split, value] : scores->items()) { result.scores[split] = detail::mteb_scores(value, file); }
    } else {
        result.task = file.require<std::string>("mteb_dataset_name", "Is this a result file of MTEB?");
        for (char const* const split : {"test", "dev", "validation", "train"}) {
            if (file.has(split)) { result.scores[split] = detail::mteb_scores(file.json()[split], file); }
        }
    }
    if (result.scores.empty()) { throw file.refuse("the scores of a split", "none"); }
    return result;
}

}  // namespace bmae
