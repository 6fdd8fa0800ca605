// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// bmae pipeline: runs the stages of a recipe one after another, each as a program of its own, and records what each read and made. A stage
// whose record still holds is skipped; one that was killed goes on where its command can resume, else it starts over.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/json_text.hpp>
#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

#include "model_checksum.hpp"
#include "option_table.hpp"
#include "pipeline.hpp"
#include "recipe.hpp"

namespace bmae::program {

namespace {

constexpr char const* record_file = "stage.json";      // of a finished stage
constexpr char const* command_file = "command.json";   // of a stage that has begun
constexpr char const* said_file = "stdout.txt";

/// Files of a stage that say when, where or how it ran, not what it made: a checkpoint keeps seconds in trainer.json, whose sum its
/// manifest has; run.json has absolute paths.
bool tells_the_way(Path const& file) {
    static std::set<std::string> const names{record_file, command_file, said_file, "log.jsonl", "run.json", "trainer.json"};
    std::string const name = file.filename().string();
    bool const of_checkpoint = name == "manifest.json" && file.parent_path().filename().string().starts_with("step-");
    return names.contains(name) || of_checkpoint;
}

/// Bytes and checksum of files and folders; what has not changed since is not read again.
class Checksums {
public:
    /// {"bytes": N, "xxh64": "..."} of a file, of a folder all of its files by name.
    Json of(Path const& path) {
        if (!std::filesystem::is_directory(path)) { return of_file(path); }
        detail::Xxh64 all;
        std::uint64_t bytes = 0;
        for (Path const& file : files_of(path)) {
            Json const one = of_file(path / file);
            all.update(file.string() + '\0' + one["xxh64"].get<std::string>());
            bytes += one["bytes"].get<std::uint64_t>();
        }
        return {{"bytes", bytes}, {"xxh64", detail::to_hex(all.digest())}};
    }

    /// Relative paths of the regular files of a folder that tell what was made, sorted.
    static std::vector<Path> files_of(Path const& folder) {
        std::vector<Path> files = files_below(folder);
        std::erase_if(files, [&](Path const& file) { return tells_the_way(folder / file); });
        return files;
    }

private:
    Json of_file(Path const& path) {
        if (!std::filesystem::is_regular_file(path)) { return {{"bytes", 0}, {"xxh64", "none"}}; }   // a pipe is read once
        auto const changed = std::filesystem::last_write_time(path).time_since_epoch().count();
        auto const bytes = std::filesystem::file_size(path);
        std::string const key =
            std::filesystem::absolute(path).string() + '\0' + std::to_string(changed) + ' ' + std::to_string(bytes);
        auto const known = known_.find(key);
        if (known != known_.end()) { return known->second; }
        Json const sum{{"bytes", bytes}, {"xxh64", detail::to_hex(detail::xxh64(detail::FileMap(path).bytes()))}};
        return known_[key] = sum;
    }

    std::map<std::string, Json> known_;
};

/// Runs command lines of this program, and hands an interrupt on to the one that runs.
class Runner {
public:
    /// \returns its exit status
    int run(std::vector<std::string> const& words, Path const& said) {
        Path const program = std::filesystem::read_symlink("/proc/self/exe");
        std::vector<std::string> arguments{program.string()};
        arguments.insert(arguments.end(), words.begin(), words.end());
        arguments.emplace_back("--json");
        detail::Descriptor const output(::open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
        if (!output.is_open()) { detail::fail_to_write(said, "create", errno); }
        pid_t const child = start(program, arguments, output.number());
        child_ = child;
        if (asked_) { ::kill(child, SIGINT); }
        int status = 0;
        while (::waitpid(child, &status, 0) < 0) {
            if (errno != EINTR) { throw RunError("cannot wait for a process: " + std::generic_category().message(errno)); }
        }
        child_ = 0;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }

    [[nodiscard]] bool was_interrupted() const noexcept { return asked_; }

private:
    static pid_t start(Path const& program, std::vector<std::string>& arguments, int output) {
        std::vector<char*> pointers;
        for (std::string& argument : arguments) { pointers.push_back(argument.data()); }
        pointers.push_back(nullptr);
        pid_t const parent = ::getpid();
        pid_t const child = ::fork();
        if (child < 0) { throw RunError("cannot start a process: " + std::generic_category().message(errno)); }
        if (child != 0) { return child; }
        ::setpgid(0, 0);                      // an interrupt of the terminal reaches it through its parent, once
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);   // a stage does not outlive a pipeline that is killed
        for (int const each : {SIGINT, SIGTERM}) { ::signal(each, SIG_DFL); }
        if (::getppid() != parent || ::dup2(output, STDOUT_FILENO) < 0) { ::_exit(127); }
        ::execv(program.c_str(), pointers.data());
        ::_exit(127);
    }

    void hand_on() {
        asked_ = true;
        if (pid_t const child = child_; child != 0) { ::kill(child, SIGINT); }
    }

    std::atomic<bool> asked_ = false;
    std::atomic<pid_t> child_ = 0;
    Interrupt interrupt_{[this] { hand_on(); }, "waiting for the stage", LateInterrupt::does_nothing};
};

/// What a stage printed: the text, and the object of --json behind it.
std::pair<std::string, Json> what_it_said(Path const& file) {
    std::string text = detail::read_file(file);
    while (text.ends_with('\n')) { text.pop_back(); }
    std::size_t const last = text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1;
    Json result = detail::parse_json_or_nothing<Json>(std::string_view(text).substr(last));
    if (!result.is_object()) { return {text + (text.empty() ? "" : "\n"), Json::object()}; }
    text.resize(last);
    return {std::move(text), std::move(result)};
}

bool measures(std::string const& command) {
    return command == "evaluate" || command == "similarity" || command == "transfer" || command == "glue";
}

class Pipeline {
public:
    Pipeline(Common const& common, PipelineOptions const& options, ParseStage const& parse)
        : common_(common),
          options_(options),
          parse_(parse),
          output_(options.output.lexically_normal()),
          recipe_(read_recipe(options.recipe, options.settings, output_)) {}

    int run() {
        auto const command_of = [this](std::vector<std::string> const& words) -> CLI::App const& {
            return *parse_(words).command;
        };
        check_stages(recipe_, output_, command_of);
        if (options_.dry_run) { return show(); }
        detail::create_folders(output_);
        detail::Descriptor const lock = lock_output();
        for (Stage const& stage : recipe_.stages) {
            int const status = run_stage(stage);
            if (status != done) { return status; }
            write_manifest();
            if (runner_.was_interrupted() && stage.name != recipe_.stages.back().name) { return interrupt_after(stage); }
        }
        report();
        return done;
    }

private:
    struct Row {
        std::string state;
        double seconds = 0;
    };

    [[nodiscard]] Path folder_of(Stage const& stage) const { return output_ / stage.name; }

    int show() const {
        std::string text;
        for (Stage const& stage : recipe_.stages) {
            text += "# " + stage.name + "\nbmae";
            for (std::string const& word : stage.words()) {
                bool const plain = word.find_first_of(" \t'\"$&|;<>()*?#~") == word.npos && !word.empty();
                text += ' ' + (plain ? word : '\'' + word + '\'');
            }
            text += '\n';
        }
        print_result(common_, {{"recipe", recipe_.name}, {"stages", recipe_.stages.size()}}, text);
        return done;
    }

    [[nodiscard]] detail::Descriptor lock_output() const {
        Path const file = output_ / ".lock";
        detail::Descriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
        if (!lock.is_open()) { detail::fail_to_write(file, "create", errno); }
        if (::flock(lock.number(), LOCK_EX | LOCK_NB) != 0) {
            throw InUseError(output_.string() +
                             ": another pipeline is writing there. Wait for it or choose another output folder.");
        }
        return lock;
    }

    /// A path below the output folder as one of that folder, so that a pipeline may be moved.
    [[nodiscard]] std::string relative(std::string text) const {
        for (std::size_t at = 0; (at = text.find(output_.string() + '/', at)) != text.npos;) {
            text.replace(at, output_.string().size(), "{output}");
        }
        return text;
    }

    /// What decides the result of a stage: the command, the version, and the content of all it reads.
    Json cause_of(Stage const& stage, ParsedStage const& parsed) {
        Json words = Json::array();
        for (std::string const& word : stage.words()) { words.push_back(relative(word)); }
        Json inputs = Json::array();
        for (std::string const& path : parsed.inputs) {
            std::string file = path;
            if (!std::filesystem::exists(file)) { file = file.substr(0, file.rfind(':')); }   // FILE:WEIGHT
            if (!std::filesystem::exists(file)) { continue; }   // a word that is no path, or an error of the command
            Json input{{"path", relative(file)}};
            input.update(sums_.of(file));
            inputs.push_back(std::move(input));
        }
        return {{"name", stage.name}, {"library", version}, {"words", std::move(words)}, {"inputs", std::move(inputs)}};
    }

    Json outputs_of(Stage const& stage) {
        Json outputs = Json::array();
        for (Path const& file : Checksums::files_of(folder_of(stage))) {
            Json output{{"path", file.string()}};
            output.update(sums_.of(folder_of(stage) / file));
            outputs.push_back(std::move(output));
        }
        return outputs;
    }

    static Json read_record(Path const& file) {
        if (!std::filesystem::is_regular_file(file)) { return {}; }
        Json record = detail::parse_json_or_nothing<Json>(detail::read_file(file));
        return record.is_object() ? record : Json();
    }

    /// Why a stage with a record runs again; empty: it need not.
    std::string what_changed(Stage const& stage, Json const& record, Json const& cause) {
        for (char const* const key : {"library", "words", "inputs"}) {
            if (!record.contains(key) || record[key] != cause[key]) {
                return std::string("its ") +
                       (std::strcmp(key, "words") == 0    ? "command"
                        : std::strcmp(key, "inputs") == 0 ? "input"
                                                          : "version of bmae") +
                       " changed";
            }
        }
        return record.contains("outputs") && record["outputs"] == outputs_of(stage) ? "" : "its output changed";
    }

    int run_stage(Stage const& stage) {
        ParsedStage const parsed = parse_(stage.words());
        Json const cause = cause_of(stage, parsed);
        Path const folder = folder_of(stage);
        Json const record = read_record(folder / record_file);
        if (record.is_object()) {
            std::string const change = what_changed(stage, record, cause);
            if (change.empty()) {
                say(stage.name + ": done before");
                rows_.emplace_back(stage.name, Row{.state = "done before"});
                records_.push_back(record);
                return done;
            }
            say(stage.name + ": runs again, as " + change);
        }
        bool const resume = !record.is_object() && read_record(folder / command_file) == cause && can_resume(stage, parsed);
        if (!resume) { clear(folder); }
        detail::create_folders(folder);
        detail::write_file(folder / command_file, cause.dump(1) + '\n', detail::Existing::replace);
        return run_begun(stage, cause, resume);
    }

    int run_begun(Stage const& stage, Json const& cause, bool resume) {
        say(stage.name + ": bmae " + stage.command + (resume ? ", resumed" : ""));
        std::vector<std::string> words = stage.words();
        if (resume) { words.emplace_back("--resume"); }
        auto const began = std::chrono::steady_clock::now();
        int const status = runner_.run(words, folder_of(stage) / said_file);
        double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        if (status != done) { return end_early(stage, status); }
        auto const [text, result] = what_it_said(folder_of(stage) / said_file);
        print(text);
        Json record = cause;
        record["outputs"] = outputs_of(stage);
        if (measures(stage.command)) { record["figures"] = result; }
        detail::write_file(folder_of(stage) / record_file, record.dump(1) + '\n', detail::Existing::replace);
        rows_.emplace_back(stage.name, Row{.state = resume ? "resumed" : "run", .seconds = seconds});
        records_.push_back(std::move(record));
        return done;
    }

    static int interrupt_after(Stage const& stage) {
        say("interrupted after the stage " + stage.name + "; the same command continues");
        return interrupted;
    }

    static int end_early(Stage const& stage, int status) {
        if (status == interrupted) {
            say("interrupted in the stage " + stage.name + "; the same command continues");
            return interrupted;
        }
        say("bmae: the stage " + stage.name + " ended with status " + std::to_string(status) +
            "; when the cause is mended, the same command continues");
        return status == bad_input ? bad_input : failed;
    }

    /// A command that writes a file at once has nothing to resume.
    static bool can_resume(Stage const& stage, ParsedStage const& parsed) {
        bool const has_option = parsed.command->get_option_no_throw("--resume") != nullptr;
        RecipeOption const* const output = stage.find("--output");
        bool const whole_file =
            stage.command == "encode" && output != nullptr && Path(output->values.front()).extension() == ".safetensors";
        return has_option && output != nullptr && !whole_file;
    }

    /// Removes what an earlier command of the stage left.
    static void clear(Path const& folder) {
        std::error_code code;
        std::filesystem::remove_all(folder, code);
        if (code) { detail::fail_to_write(folder, "remove the output of an earlier command from", code.value()); }
    }

    void write_manifest() const {
        Json settings = Json::object();
        for (auto const& [name, value] : recipe_.settings) { settings[name] = relative(value); }
        Json const manifest{{"recipe", recipe_.name},
                            {"recipe_xxh64", detail::to_hex(detail::xxh64(detail::read_file(recipe_.file)))},
                            {"library", version},
                            {"settings", std::move(settings)},
                            {"stages", records_}};
        detail::write_file(output_ / "manifest.json", manifest.dump(1, ' ', false, Json::error_handler_t::replace) + '\n',
                           detail::Existing::replace);
    }

    void report() const {
        std::string text = "\n";
        Json stages = Json::array();
        std::size_t longest = 5;
        for (auto const& [name, row] : rows_) { longest = std::max(longest, name.size()); }
        for (auto const& [name, row] : rows_) {
            text += name + std::string(longest + 2 - name.size(), ' ') + row.state +
                    (row.seconds > 0 ? ", " + duration_text(row.seconds) : "") + '\n';
            stages.push_back({{"name", name}, {"state", row.state}, {"seconds", row.seconds}});
        }
        text += "manifest: " + (output_ / "manifest.json").string() + '\n';
        print_result(common_, {{"recipe", recipe_.name}, {"manifest", (output_ / "manifest.json").string()}, {"stages", stages}},
                     text);
    }

    Common const& common_;
    PipelineOptions const& options_;
    ParseStage const& parse_;
    Path output_;
    Recipe recipe_;
    Checksums sums_ = {};
    std::vector<std::pair<std::string, Row>> rows_ = {};
    Json records_ = Json::array();
    Runner runner_ = {};
};

}  // namespace

int pipeline(Common const& common, PipelineOptions const& options, ParseStage const& parse) {
    return Pipeline(common, options, parse).run();
}

}  // namespace bmae::program
