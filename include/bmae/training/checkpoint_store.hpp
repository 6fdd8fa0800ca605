// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A folder of checkpoints that is robust against kills, damaged files and full disks. It handles files, not their content.
///
///     OUTPUT/step-100/manifest.json    sizes and checksums of all files beside it, written last
///     OUTPUT/latest                    "step-100\n", for users and other programs; the loader does not use it
///     OUTPUT/step-50.damaged           a checkpoint that did not match its manifest on resume
///     OUTPUT/.lock                     held while a trainer writes here
#pragma once

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <nlohmann/json_fwd.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>
#include <bmae/version.hpp>

namespace bmae {

/// One finished checkpoint.
struct CheckpointFolder {
    std::filesystem::path path = {};
    std::uint64_t step = 0;   ///< optimizer steps done when it was written
};

namespace detail {

inline constexpr char const* manifest_name = "manifest.json";

/// N of "step-N"; nothing for any other name.
BMAE_INLINE std::optional<std::uint64_t> step_of(std::string_view name);

/// Size and checksum of a file, read from the disk.
BMAE_INLINE nlohmann::ordered_json fingerprint(std::filesystem::path const& path);

/// The manifest is checked too: its text is canonical and ends with a checksum of the rest.
BMAE_INLINE std::string manifest_text(nlohmann::ordered_json const& content);

BMAE_INLINE void sync_file(std::filesystem::path const& path);

/// Relative paths of all regular files below `folder`, sorted; each is fsynced, and so is every folder.
BMAE_INLINE std::vector<std::string> sync_tree(std::filesystem::path const& folder);

}  // namespace detail

/// The reason why a checkpoint must not be loaded; empty if all its files match the manifest.
BMAE_INLINE std::string explain_damage(std::filesystem::path const& folder);

/// All folders named step-N in `root`, newest first, damaged ones included.
BMAE_INLINE std::vector<CheckpointFolder> list_checkpoints(std::filesystem::path const& root);

/// The newest undamaged checkpoint of `root`. Changes nothing on the disk.
/// \param warn  called once for every newer checkpoint that is damaged
/// \throws InputError if there is no checkpoint at all, RunError if all are damaged
BMAE_INLINE CheckpointFolder newest_checkpoint(std::filesystem::path const& root,
                                               std::function<void(std::string const&)> const& warn = {});

/// The checkpoint that is the result of a run: the best one where the run keeps it, else the newest. Changes nothing on the disk.
/// \param warn  called once for every checkpoint that is passed over as it is damaged
/// \throws InputError if there is no checkpoint at all, RunError if all are damaged
BMAE_INLINE CheckpointFolder result_checkpoint(std::filesystem::path const& root,
                                               std::function<void(std::string const&)> const& warn = {});

/// The checkpoints of one run. Only one object of all processes can lock a folder at a time.
class CheckpointStore {
public:
    /// Creates and locks `root` and removes the remains of interrupted saves.
    /// \param keep_last  number of newest checkpoints that are kept; 0: all
    /// \throws InputError if it cannot be written, InUseError if another trainer has locked the folder
    explicit CheckpointStore(std::filesystem::path root, std::size_t keep_last = 2);

    [[nodiscard]] std::filesystem::path const& root() const noexcept { return root_; }

    /// Temporary folder in which `save` writes a checkpoint before it is renamed.
    [[nodiscard]] static std::filesystem::path unfinished_folder(std::filesystem::path const& root, std::uint64_t step);

    /// Writes one checkpoint atomically.
    /// \param write  writes into the given folder
    /// \throws InputError on a full disk, RunError on a failing one; older checkpoints are unchanged
    CheckpointFolder save(std::uint64_t step, std::function<void(std::filesystem::path const&)> const& write);

    /// The checkpoint of this step, saved before or next, is kept besides the newest ones, in place of one that was named before; 0: none.
    void keep_best(std::uint64_t step) noexcept { best_ = step; }

    /// The newest undamaged checkpoint; newer damaged ones are renamed to step-N.damaged.
    /// \returns nothing if there is no checkpoint at all
    /// \throws RunError if there are some but all are damaged: a run never silently starts from scratch
    std::optional<CheckpointFolder> recover(std::function<void(std::string const&)> const& warn = {});

private:
    static constexpr std::string_view unfinished = ".tmp";

    /// True for remains of a killed save: half a checkpoint, or a file of any name that was not finished (see detail::AtomicFile).
    static bool is_rest(std::string_view name);

    /// Renames the file at `path`, if anything, to the first free of PATH.damaged, PATH.damaged-2 ...
    static void set_aside(std::filesystem::path const& path);

    static void remove(std::filesystem::path const& path);

    static void discard(std::filesystem::path const& path) noexcept;

    /// Old checkpoints are renamed before they are deleted, so that a kill leaves no partial one under its name.
    void prune();

    std::filesystem::path root_;
    std::size_t keep_last_;
    std::uint64_t best_ = 0;
    detail::Descriptor lock_;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae::detail {

BMAE_INLINE std::optional<std::uint64_t> step_of(std::string_view name) {
    constexpr std::string_view prefix = "step-";
    if (!name.starts_with(prefix)) { return std::nullopt; }
    std::uint64_t step = 0;
    auto const [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), step);
    if (error != std::errc() || end != name.data() + name.size() || name.size() == prefix.size()) { return std::nullopt; }
    return name == "step-" + std::to_string(step) ? std::optional(step) : std::nullopt;   // no other spelling such as step-007
}

BMAE_INLINE nlohmann::ordered_json fingerprint(std::filesystem::path const& path) {
    Descriptor const file = open_regular(path);
    std::vector<std::byte> buffer(std::size_t{1} << 20);
    Xxh64 hash;
    std::uint64_t size = 0;
    while (true) {
        ssize_t const got = ::read(file.number(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) { throw read_failure(path, errno); }
        if (got == 0) { break; }
        size += static_cast<std::uint64_t>(got);
        hash.update(std::span(buffer).first(static_cast<std::size_t>(got)));
    }
    return {{"size", size}, {"xxh64", to_hex(hash.digest())}};
}

BMAE_INLINE std::string manifest_text(nlohmann::ordered_json const& content) {
    return nlohmann::ordered_json{{"manifest", content}, {"xxh64", to_hex(xxh64(content.dump()))}}.dump(1) + '\n';
}

BMAE_INLINE void sync_file(std::filesystem::path const& path) {
    Descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open() || ::fsync(file.number()) != 0) { fail_to_write(path, "write", errno); }
}

BMAE_INLINE std::vector<std::string> sync_tree(std::filesystem::path const& folder) {
    std::vector<std::string> files;
    for (auto const& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_directory()) {
            sync_folder(entry.path());
        } else {
            sync_file(entry.path());
            files.push_back(entry.path().lexically_relative(folder).generic_string());
        }
    }
    std::ranges::sort(files);
    sync_folder(folder);
    return files;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE std::string explain_damage(std::filesystem::path const& folder) {
    try {
        std::string const text = detail::read_file(folder / detail::manifest_name, std::uint64_t{1} << 26);
        auto const json = detail::parse_json_or_nothing<nlohmann::ordered_json>(text);
        if (!json.is_object() || !json.contains("manifest") || detail::manifest_text(json["manifest"]) != text) {
            return "manifest.json is damaged";
        }
        auto const& manifest = json["manifest"];
        if (manifest.value("format", "") != "bmae checkpoint 1") {
            return "manifest.json has the format \"" + manifest.value("format", "") + "\", expected \"bmae checkpoint 1\"";
        }
        if (detail::step_of(folder.filename().string()) != manifest.value("step", std::uint64_t{0})) {
            return "manifest.json belongs to step " + std::to_string(manifest.value("step", std::uint64_t{0}));
        }
        if (manifest.at("files").empty()) { return "manifest.json names no files"; }
        for (auto const& [name, expected] : manifest.at("files").items()) {
            if (detail::leaves_folder(name)) { return "manifest.json names " + name + ", outside of the folder"; }
            auto const found = detail::fingerprint(folder / name);
            if (found != expected) {
                return name + " does not match its manifest: expected " + expected.dump() + ", found " + found.dump();
            }
        }
        return {};
    } catch (Error const& error) { return error.what(); } catch (std::exception const& error) {   // JSON of an unexpected shape
        return std::string("manifest.json is damaged: ") + error.what();
    }
}

BMAE_INLINE std::vector<CheckpointFolder> list_checkpoints(std::filesystem::path const& root) {
    std::vector<CheckpointFolder> found;
    std::error_code code;
    for (auto it = std::filesystem::directory_iterator(root, code); !code && it != std::filesystem::directory_iterator();
         it.increment(code)) {
        auto const step = detail::step_of(it->path().filename().string());
        std::error_code ignored;
        if (step && it->is_directory(ignored)) { found.push_back({it->path(), *step}); }
    }
    std::ranges::sort(found, std::ranges::greater{}, &CheckpointFolder::step);
    return found;
}

BMAE_INLINE CheckpointFolder newest_checkpoint(std::filesystem::path const& root,
                                               std::function<void(std::string const&)> const& warn) {
    auto const all = list_checkpoints(root);
    if (all.empty()) { throw InputError(Diagnostic{root.string(), 0, "a checkpoint (step-N)", "none"}); }
    for (CheckpointFolder const& folder : all) {
        std::string const damage = explain_damage(folder.path);
        if (damage.empty()) { return folder; }
        if (warn) { warn(folder.path.string() + " is skipped: " + damage); }
    }
    throw RunError(root.string() + ": all " + std::to_string(all.size()) + " checkpoints are damaged; the newest: " +
                   explain_damage(all.front().path) + ". Restore one from a copy, or start a new run in another folder.");
}

BMAE_INLINE CheckpointFolder result_checkpoint(std::filesystem::path const& root,
                                               std::function<void(std::string const&)> const& warn) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(root / "best", ignored)) { return newest_checkpoint(root, warn); }
    std::string name = detail::read_file(root / "best", 64);
    name.erase(name.find_last_not_of('\n') + 1);
    auto const step = detail::step_of(name);
    std::string const damage = step ? explain_damage(root / name) : "the file `best` names no checkpoint";
    if (damage.empty()) { return {root / name, *step}; }
    if (warn) { warn((root / "best").string() + " is passed over: " + damage); }
    return newest_checkpoint(root, warn);
}

BMAE_INLINE CheckpointStore::CheckpointStore(std::filesystem::path root, std::size_t keep_last)
    : root_(std::move(root)), keep_last_(keep_last) {
    detail::create_folders(root_);
    lock_ = detail::Descriptor(::open((root_ / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!lock_.is_open()) { detail::fail_to_write(root_ / ".lock", "create", errno); }
    if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {   // other errors: a file system without locks
        throw InUseError(root_.string() + ": another trainer is writing there. Wait for it or choose another output folder.");
    }
    for (auto const& entry : std::filesystem::directory_iterator(root_)) {
        if (is_rest(entry.path().filename().string())) { remove(entry.path()); }
    }
}

BMAE_INLINE std::filesystem::path CheckpointStore::unfinished_folder(std::filesystem::path const& root, std::uint64_t step) {
    return root / ("step-" + std::to_string(step) + std::string(unfinished));
}

BMAE_INLINE CheckpointFolder CheckpointStore::save(std::uint64_t step,
                                                   std::function<void(std::filesystem::path const&)> const& write) {
    CheckpointFolder const done{root_ / ("step-" + std::to_string(step)), step};
    std::filesystem::path const work = unfinished_folder(root_, step);
    try {
        remove(work);
        detail::create_folders(work);
        write(work);
        nlohmann::ordered_json files = nlohmann::ordered_json::object();
        for (std::string const& name : detail::sync_tree(work)) { files[name] = detail::fingerprint(work / name); }
        detail::write_file(
            work / detail::manifest_name,
            detail::manifest_text({{"format", "bmae checkpoint 1"}, {"step", step}, {"library", version}, {"files", files}}));
        detail::sync_folder(work);
        set_aside(done.path);
        detail::rename_durably(work, done.path, detail::Existing::refuse);
        detail::write_file(root_ / "latest", done.path.filename().string() + '\n', detail::Existing::replace);
        if (best_ != 0) { detail::write_file(root_ / "best", "step-" + std::to_string(best_) + '\n', detail::Existing::replace); }
    } catch (std::filesystem::filesystem_error const& error) {
        discard(work);
        detail::fail_to_write(error.path1().empty() ? done.path : error.path1(), "save", error.code().value());
    } catch (...) {
        discard(work);
        throw;
    }
    prune();
    return done;
}

BMAE_INLINE std::optional<CheckpointFolder> CheckpointStore::recover(std::function<void(std::string const&)> const& warn) {
    auto const all = list_checkpoints(root_);
    if (all.empty()) { return std::nullopt; }
    CheckpointFolder const newest = newest_checkpoint(root_, warn);
    for (CheckpointFolder const& folder : all) {
        if (folder.step > newest.step) { set_aside(folder.path); }
    }
    return newest;
}

BMAE_INLINE bool CheckpointStore::is_rest(std::string_view name) {
    if (detail::AtomicFile::is_remains(name)) { return true; }
    return name.ends_with(unfinished) && detail::step_of(name.substr(0, name.size() - unfinished.size()));
}

BMAE_INLINE void CheckpointStore::set_aside(std::filesystem::path const& path) {
    for (int count = 1; std::filesystem::exists(path); ++count) {
        std::filesystem::path aside = path;
        aside += count == 1 ? std::string(".damaged") : ".damaged-" + std::to_string(count);
        if (!std::filesystem::exists(aside)) { detail::rename_durably(path, aside, detail::Existing::refuse); }
    }
}

BMAE_INLINE void CheckpointStore::remove(std::filesystem::path const& path) {
    std::error_code code;
    std::filesystem::remove_all(path, code);
    if (code) { detail::fail_to_write(path, "remove", code.value()); }
}

BMAE_INLINE void CheckpointStore::discard(std::filesystem::path const& path) noexcept {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
}

BMAE_INLINE void CheckpointStore::prune() {
    if (keep_last_ == 0) { return; }
    auto const all = list_checkpoints(root_);
    for (std::size_t i = keep_last_; i < all.size(); ++i) {
        if (all[i].step == best_) { continue; }
        std::filesystem::path doomed = all[i].path;
        doomed += unfinished;
        detail::rename_durably(all[i].path, doomed, detail::Existing::refuse);
        remove(doomed);
    }
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
