// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include "teacher.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/values/error.hpp>

#include "folder_kind.hpp"
#include "rerank_work.hpp"
#include "scorers.hpp"

namespace bmae::program {

namespace {

void require_texts(FinetuneOptions const& options) {
    Path const& data = options.data.front();
    bool const lines = options.data.size() > 1 || !std::filesystem::is_directory(data);
    bool const store = !lines && std::filesystem::exists(data / "manifest.json");
    if (!lines && !store) { return; }
    throw InputError(Diagnostic{.file = data.string(),
                                .expected = "a BEIR folder with --teacher, which reads its texts",
                                .found = store ? "a pair store, which holds tokens of another tokenizer" : "files of rows",
                                .hint = "Such data hold the scores of a teacher themselves: `bmae pairs --teacher-scores`."});
}

/// The settings of the scores are kept beside them: a resumed run must have the same.
void require_same_teacher(Path const& file, std::string const& settings) {
    if (!std::filesystem::exists(file)) { return detail::write_file(file, settings, detail::Existing::replace); }
    std::string const before = detail::read_file(file);
    if (before == settings) { return; }
    throw InputError(
        Diagnostic{.file = file.string(),
                   .expected = "the teacher and the data of the run, " + before,
                   .found = settings,
                   .hint = "Resume with the same --teacher, --data, --split and --negatives, or choose another output folder."});
}

/// What the names of the files of a teacher begin with.
Path start_of(FinetuneOptions const& options, std::size_t teacher) {
    std::size_t const count = options.teachers.size();
    std::string const place = count == 1 ? std::string() : std::to_string(teacher + 1) + "-of-" + std::to_string(count) + '.';
    return options.training.output / (std::string(teacher_files) + place);
}

/// Files of another number of teachers are of another run.
void require_same_number(FinetuneOptions const& options) {
    if (!std::filesystem::is_directory(options.training.output)) { return; }
    for (auto const& entry : std::filesystem::directory_iterator(options.training.output)) {
        std::string const name = entry.path().filename().string();
        if (!name.starts_with(teacher_files)) { continue; }
        std::size_t const of = name.find("-of-", teacher_files.size());
        std::string const count = of == name.npos ? "1" : name.substr(of + 4, name.find('.', of) - of - 4);
        if (count == std::to_string(options.teachers.size())) { continue; }
        throw InputError(Diagnostic{.file = entry.path().string(),
                                    .expected = "as many teachers as the run has, " + count,
                                    .found = std::to_string(options.teachers.size()),
                                    .hint = "Resume with the same --teacher, or choose another output folder."});
    }
}

}  // namespace

std::vector<Path> scores_of_teachers(Common const& common, FinetuneOptions const& options) {
    require_texts(options);
    require_same_number(options);
    std::vector<RerankOptions> teachers;
    for (std::size_t t = 0; t < options.teachers.size(); ++t) {
        teachers.push_back({.model = options.teachers[t],
                            .negatives = options.negatives,
                            .data = options.data.front(),
                            .split = options.split,
                            .skip_malformed = options.skip_malformed,
                            .output = start_of(options, t) += "trec",
                            .resume = options.training.resume});
    }
    RerankWork const work = read_work(teachers.front());
    for (std::size_t t = 1; t < teachers.size(); ++t) {   // before hours of scoring by the first
        static_cast<void>(load_scorer(common, model_folder(teachers[t].model), {}));
    }
    detail::create_folders(options.training.output);
    std::vector<Path> files;
    for (std::size_t t = 0; t < teachers.size(); ++t) {
        if (teachers.size() > 1) {
            say("teacher " + std::to_string(t + 1) + " of " + std::to_string(teachers.size()) + ": " +
                teachers[t].model.string());
        }
        ScoredCandidates const scored = score_candidates(common, teachers[t], work);
        if (!scored.finished) { return {}; }
        require_same_teacher(start_of(options, t) += "json", scored.settings);
        files.push_back(teachers[t].output);
    }
    return files;
}

}  // namespace bmae::program
