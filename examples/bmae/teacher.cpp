// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include "teacher.hpp"

#include <filesystem>
#include <string>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/values/error.hpp>

#include "rerank_work.hpp"

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

}  // namespace

std::optional<Path> scores_of_teacher(Common const& common, FinetuneOptions const& options) {
    require_texts(options);
    Path const start = options.training.output / teacher_files;
    auto const named = [&](char const* end) { return Path(start) += end; };
    RerankOptions const how{.model = options.teacher,
                            .negatives = options.negatives,
                            .data = options.data.front(),
                            .split = options.split,
                            .skip_malformed = options.skip_malformed,
                            .output = named("trec"),
                            .resume = options.training.resume};
    RerankWork const work = read_work(how);
    detail::create_folders(options.training.output);
    ScoredCandidates const scored = score_candidates(common, how, work);
    if (!scored.finished) { return std::nullopt; }
    require_same_teacher(named("json"), scored.settings);
    return how.output;
}

}  // namespace bmae::program
