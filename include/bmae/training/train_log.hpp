// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Reports of a training run, and the log file that stores them: one JSON object per line.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json_fwd.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/training/figures.hpp>
#include <bmae/training/plan.hpp>

namespace bmae {

/// One term of the loss over some steps.
struct TermReport {
    std::string name = {};
    std::string kind = {};
    double weight = 1;
    std::int64_t labels = 0;
    std::int64_t absent = 0;               ///< texts without a label for it: empty, too short, without a partner
    double loss = 0;                       ///< mean over the labels; 0 if there were none
    std::optional<double> accuracy = {};   ///< share of labels predicted correctly; nothing where not applicable
    std::string task = {};                 ///< name of the paper where it has one: MASTER's "MKP", "NPR" ...
};

/// Sums of one term, from which means over several steps are computed.
struct TermSums {
    std::string name = {};
    std::string kind = {};
    double weight = 1;
    std::int64_t labels = 0;
    std::int64_t absent = 0;   ///< texts without a label
    double loss = 0;           ///< sum over labels
    double correct = 0;
    bool has_accuracy = false;
    std::string task = {};

    TermSums& operator+=(TermSums const& other);

    [[nodiscard]] TermReport report() const;
};

/// One optimizer step.
struct StepReport {
    std::uint64_t step = 0;    ///< counted from 1: steps done
    std::uint64_t epoch = 0;   ///< of the step's last micro-batch
    double loss = 0;           ///< weighted sum of the terms
    double learning_rate = 0;
    double gradient_norm = 0;   ///< before clipping
    std::size_t examples = 0;
    std::size_t tokens = 0;   ///< that encoders read, padding and decoders' views not counted
    double seconds = 0;
    double waited = 0;      ///< of those, seconds without a batch
    bool skipped = false;   ///< it was not finite and was skipped
};

/// The steps since the last report.
struct LogReport {
    std::uint64_t step = 0;    ///< optimizer steps done
    std::uint64_t steps = 0;   ///< of the whole run
    std::uint64_t epoch = 0;
    double loss = 0;            ///< weighted sum of the terms' means
    double learning_rate = 0;   ///< of the last step
    double gradient_norm = 0;   ///< mean over the steps, before clipping
    double tokens_per_second = 0;
    double waiting = 0;          ///< share of the time spent waiting for a batch: above a few percent, use more loader threads
    std::uint64_t tokens = 0;    ///< since the start of the run
    std::uint64_t skipped = 0;   ///< steps skipped since the start of the run
    std::vector<TermReport> terms = {};
    std::vector<PlanSegment> plan = {};   ///< of a run by the clock: what was planned again since the last report
};

BMAE_INLINE nlohmann::ordered_json to_json_line(LogReport const& report);

/// A log of steps consistent with the checkpoints: after a resume it has every step once.
class TrainLog {
public:
    /// Opens `path` for appending and drops the lines of steps after `step`, which will be repeated, and a partial last line.
    TrainLog(std::filesystem::path path, std::uint64_t step);

    /// \throws InputError on a full disk
    void append(LogReport const& report);
    /// A line {"step": N, "figures": {...}}.
    void append(std::uint64_t step, Figures const& figures);

    /// Writes all lines so far to the disk (fsync). Called before a checkpoint that depends on them.
    void sync();

private:
    void append_line(nlohmann::ordered_json const& json);

    std::filesystem::path path_;
    detail::Descriptor file_;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae {

BMAE_INLINE TermSums& TermSums::operator+=(TermSums const& other) {
    if (name.empty() || other.labels != 0) { weight = other.weight; }   // undefined where there are no labels
    name = other.name;
    kind = other.kind;
    task = other.task;
    labels += other.labels;
    absent += other.absent;
    loss += other.loss;
    correct += other.correct;
    has_accuracy = has_accuracy || other.has_accuracy;
    return *this;
}

BMAE_INLINE TermReport TermSums::report() const {
    double const count = labels == 0 ? 1 : static_cast<double>(labels);
    TermReport result{.name = name, .kind = kind, .weight = weight, .labels = labels, .absent = absent, .loss = loss / count};
    if (has_accuracy && labels != 0) { result.accuracy = correct / count; }
    result.task = task;
    return result;
}

BMAE_INLINE nlohmann::ordered_json to_json_line(LogReport const& report) {
    nlohmann::ordered_json json{{"step", report.step},
                                {"steps", report.steps},
                                {"epoch", report.epoch},
                                {"loss", report.loss},
                                {"learning_rate", report.learning_rate},
                                {"gradient_norm", report.gradient_norm},
                                {"tokens_per_second", report.tokens_per_second},
                                {"waiting", report.waiting},
                                {"tokens", report.tokens},
                                {"skipped", report.skipped},
                                {"terms", nlohmann::ordered_json::array()}};
    for (TermReport const& term : report.terms) {
        nlohmann::ordered_json line{
            {"name", term.name}, {"kind", term.kind}, {"task", term.task}, {"weight", term.weight}, {"loss", term.loss}};
        if (term.accuracy) { line["accuracy"] = *term.accuracy; }
        line["labels"] = term.labels;
        line["absent"] = term.absent;
        json["terms"].push_back(std::move(line));
    }
    if (!report.plan.empty()) { json["plan"] = to_json(report.plan); }
    return json;
}

BMAE_INLINE TrainLog::TrainLog(std::filesystem::path path, std::uint64_t step) : path_(std::move(path)) {
    if (std::filesystem::exists(path_)) {
        std::string const old = detail::read_file(path_);
        std::string kept;
        for (std::size_t begin = 0, end = 0; begin < old.size(); begin = end + 1) {
            end = old.find('\n', begin);
            if (end == std::string::npos) { break; }
            auto const line = std::string_view(old).substr(begin, end - begin + 1);
            auto const json = detail::parse_json_or_nothing<nlohmann::ordered_json>(line);
            bool const later =
                json.is_object() && json.contains("step") && json["step"].is_number() && json["step"].get<std::uint64_t>() > step;
            if (!later) { kept += line; }
        }
        if (kept != old) { detail::write_file(path_, kept, detail::Existing::replace); }
    }
    file_ = detail::Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
    if (!file_.is_open()) { detail::fail_to_write(path_, "open", errno); }
}

BMAE_INLINE void TrainLog::append(LogReport const& report) { append_line(to_json_line(report)); }

BMAE_INLINE void TrainLog::append(std::uint64_t step, Figures const& figures) {
    nlohmann::ordered_json json{{"step", step}, {"figures", nlohmann::ordered_json::object()}};
    for (auto const& [name, value] : figures) { json["figures"][name] = value; }
    append_line(json);
}

BMAE_INLINE void TrainLog::append_line(nlohmann::ordered_json const& json) {
    std::string const line = json.dump() + '\n';
    for (std::string_view rest = line; !rest.empty();) {
        ssize_t const done = ::write(file_.number(), rest.data(), rest.size());
        if (done < 0 && errno == EINTR) { continue; }
        if (done < 0) { detail::fail_to_write(path_, "write", errno); }
        rest.remove_prefix(static_cast<std::size_t>(done));
    }
}

BMAE_INLINE void TrainLog::sync() {
    if (::fsync(file_.number()) != 0) { detail::fail_to_write(path_, "write", errno); }
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
