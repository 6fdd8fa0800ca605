// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Vectors of a model against the judgments of people: `similarity`.
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/corpus/sts_files.hpp>
#include <bmae/metrics/sts.hpp>
#include <bmae/metrics/vector_pairs.hpp>

#include "common.hpp"
#include "embedding_tasks.hpp"
#include "models.hpp"
#include "stored_vectors.hpp"

namespace bmae::program {

namespace {

StsFormat format_from(std::string const& name) {
    std::string known;
    std::size_t number = 0;
    for (std::string_view const each : names_of(StsFormat{})) {
        if (each == name) { return static_cast<StsFormat>(number); }
        known += (number++ == 0 ? "" : ", ") + std::string(each);
    }
    throw InputError(Diagnostic{.file = {}, .expected = "--format as one of " + known, .found = '"' + name + '"'});
}

/// A folder means all STS.input.*.txt of it.
std::vector<Path> files_of(SimilarityOptions const& options) {
    std::vector<Path> files;
    for (Path const& input : options.inputs) {
        if (!std::filesystem::is_directory(input)) {
            files.push_back(input);
            continue;
        }
        std::size_t const before = files.size();
        for (auto const& entry : std::filesystem::directory_iterator(input)) {
            if (entry.path().filename().string().starts_with("STS.input.")) { files.push_back(entry.path()); }
        }
        if (files.size() == before || options.format != "sts") {
            throw InputError(Diagnostic{.file = input.string(),
                                        .expected = "a file, or with --format sts a folder of files STS.input.NAME.txt",
                                        .found = "another folder"});
        }
        std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
    }
    return files;
}

/// The vectors of all texts, each text once.
class TextVectors {
public:
    explicit TextVectors(std::vector<StsPairs> const& files) {
        for (StsPairs const& file : files) {
            for (auto const* side : {&file.first, &file.second}) {
                for (std::string const& text : *side) {
                    if (places_.emplace(text, texts_.size()).second) { texts_.push_back(text); }
                }
            }
        }
    }

    void encode(SentenceEncoder const& encoder, Common const& common, ModelOptions const& options) {
        Cancellation const cancellation;
        rows_ = encode_texts(encoder, texts_, common, options, [&] { cancellation.check(); }, "similarity").contiguous();
    }

    [[nodiscard]] std::size_t size() const { return texts_.size(); }
    [[nodiscard]] std::size_t width() const { return static_cast<std::size_t>(rows_.size(1)); }
    [[nodiscard]] std::span<float const> all() const {
        return {rows_.const_data_ptr<float>(), static_cast<std::size_t>(rows_.numel())};
    }
    /// Rows of some texts.
    [[nodiscard]] std::vector<float> rows_of(std::vector<std::string> const& texts) const {
        std::vector<float> rows;
        for (std::string const& text : texts) {
            auto const row = all().subspan(places_.at(text) * width(), width());
            rows.insert(rows.end(), row.begin(), row.end());
        }
        return rows;
    }

private:
    std::unordered_map<std::string, std::size_t> places_;
    std::vector<std::string> texts_;
    at::Tensor rows_;
};

Json number(std::optional<double> const& value) { return value ? Json(*value) : Json(); }

/// Both correlations of a task of one or more files.
Json correlations(std::span<StsSubset const> subsets, StsAggregation aggregation) {
    return {{"spearman", number(sts_correlation(subsets, aggregation, Correlation::spearman))},
            {"pearson", number(sts_correlation(subsets, aggregation, Correlation::pearson))}};
}

/// Alignment of the pairs that are rated as similar.
std::optional<double> alignment_of(std::vector<StsPairs> const& files, TextVectors const& vectors, double least) {
    std::vector<std::string> first, second;
    for (StsPairs const& file : files) {
        for (std::size_t i = 0; i < file.gold.size(); ++i) {
            if (file.gold[i] < least) { continue; }
            first.push_back(file.first[i]);
            second.push_back(file.second[i]);
        }
    }
    return alignment(vectors.rows_of(first), vectors.rows_of(second), vectors.width());
}

std::string score_cell(Json const& value) {
    char text[32];
    std::snprintf(text, sizeof text, "%8.2f", value.is_null() ? 0. : value.get<double>() * 100);
    return value.is_null() ? "       -" : text;
}

std::string table_of(Json const& result) {
    std::string text = "similarity  correlation       all    mean  weighted\n";
    for (auto const& [name, scores] : result["scores"].items()) {
        for (char const* const correlation : {"spearman", "pearson"}) {
            std::string line = name;
            line.append(12 - name.size(), ' ').append(correlation).append(correlation[0] == 's' ? "  " : "   ");
            for (char const* const aggregation : {"all", "mean", "weighted_mean"}) {
                line += score_cell(scores[aggregation][correlation]);
            }
            text += line + '\n';
        }
    }
    char line[160];
    auto const shown = [&](char const* key) {
        return result[key].is_null() ? std::string("-") : std::to_string(result[key].get<double>());
    };
    std::snprintf(line, sizeof line, "alignment %s, uniformity %s, isotropy %s\n", shown("alignment").c_str(),
                  shown("uniformity").c_str(), shown("isotropy").c_str());
    return text + line;
}

}  // namespace

int similarity(Common const& common, SimilarityOptions const& options) {
    use_threads(common);
    StsFormat const format = format_from(options.format);
    std::vector<StsPairs> files;
    std::size_t pairs = 0, unscored = 0;
    for (Path const& path : files_of(options)) {
        files.push_back(read_sts_pairs(path, format));
        pairs += files.back().gold.size();
        unscored += files.back().unscored;
    }
    if (unscored != 0) { say("similarity: " + count_text(unscored) + " pairs without a gold score are left out"); }
    SentenceEncoder const encoder = make_inference_encoder(common, options.model);
    TextVectors vectors(files);
    vectors.encode(encoder, common, options.model);

    Json result{{"command", "similarity"},      {"pairs", pairs},         {"unscored", unscored},    {"texts", vectors.size()},
                {"dimension", vectors.width()}, {"files", Json::array()}, {"scores", Json::object()}};
    for (StsPairs const& file : files) {
        result["files"].push_back({{"name", file.name}, {"pairs", file.gold.size()}, {"scores", Json::object()}});
    }
    std::size_t which = 0;
    for (std::string_view const name : names_of(PairScore{})) {
        std::vector<StsSubset> subsets;
        for (StsPairs const& file : files) {
            subsets.push_back({file.name, file.gold,
                               pair_scores(vectors.rows_of(file.first), vectors.rows_of(file.second), vectors.width(),
                                           static_cast<PairScore>(which))});
            result["files"][subsets.size() - 1]["scores"][std::string(name)] =
                correlations(std::span(&subsets.back(), 1), StsAggregation::all);
        }
        Json& scores = result["scores"][std::string(name)];
        for (auto const aggregation : {StsAggregation::all, StsAggregation::mean, StsAggregation::weighted_mean}) {
            scores[std::string(to_string(aggregation))] = correlations(subsets, aggregation);
        }
        ++which;
    }
    if (result["scores"]["cosine"]["all"]["spearman"].is_null()) {
        warn("a correlation is undefined: all gold scores, or all scores of the model, are one number");
    }
    result["alignment"] = number(alignment_of(files, vectors, options.positive));
    result["uniformity"] = number(uniformity(vectors.all(), vectors.width()));
    result["isotropy"] = number(isotropy(vectors.all(), vectors.width()));
    print_result(common, result, table_of(result));
    return done;
}

}  // namespace bmae::program
