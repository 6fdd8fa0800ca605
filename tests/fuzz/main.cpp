// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Replays what fuzzing found and some thousand malformed files under AddressSanitizer and UndefinedBehaviorSanitizer.
//
// usage: test_fuzz                    all of them
//        test_fuzz --list             the names of the targets
//        test_fuzz --seeds FOLDER     writes their sound files, FOLDER/TARGET/N
//        test_fuzz TARGET FILE...     reads files of one's own
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <bmae/detail/hash.hpp>
#include <bmae/values/error.hpp>

#include "findings.hpp"
#include "limits.hpp"
#include "mutate.hpp"
#include "targets.hpp"

namespace fuzz {

namespace {

std::string current;   // for the message where a reader hangs

int faults = 0;

void fault(std::string const& name, std::string const& what) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), what.c_str());
    ++faults;
}

struct Outcome {
    std::string refusal = {};   ///< the message; empty where the input was accepted
    std::string complaint = {};
};

Outcome replay(Target const& target, std::string const& name, std::string_view input) {
    current = name;
    ::alarm(240);
    Outcome outcome;
    Usage const usage;
    try {
        target.read(input);
    } catch (bmae::Error const& error) { outcome.refusal = error.what(); } catch (std::exception const& error) {
        outcome.complaint = std::string("ended with ") + error.what();
    }
    if (outcome.complaint.empty()) { outcome.complaint = usage.complaint(input.size()); }
    ::alarm(0);
    return outcome;
}

void replay_findings() {
    for (Finding const& finding : findings()) {
        Outcome const outcome = replay(target_named(finding.target), finding.name, finding.input());
        if (!outcome.complaint.empty()) { fault(finding.name, outcome.complaint); }
        bool const fits =
            finding.says.empty() ? outcome.refusal.empty() : outcome.refusal.find(finding.says) != std::string::npos;
        if (!fits) { fault(finding.name, "expected \"" + finding.says + "\", found \"" + outcome.refusal.substr(0, 300) + '"'); }
    }
    std::printf("%zu findings refused with their messages\n", findings().size());
}

void replay_damaged() {
    constexpr std::uint64_t rounds = 2;
    std::size_t files = 0, refused = 0, broken = 0;
    for (Target const& target : all_targets()) {
        for (std::size_t s = 0; s < target.seeds.size(); ++s) {
            std::string const place = std::string(target.name) + " seed " + std::to_string(s);
            Outcome const sound = replay(target, place, target.seeds[s]);
            if (!sound.complaint.empty()) { fault(place, sound.complaint); }
            bool const is_sound = sound.refusal.empty();
            broken += is_sound ? 0 : 1;
            if (!is_sound) { std::printf("  %s is refused: %.160s\n", place.c_str(), sound.refusal.c_str()); }
            for (int kind = 0; kind < kinds_of_damage; ++kind) {
                for (std::uint64_t round = 0; round < rounds; ++round) {
                    std::uint64_t const number = bmae::detail::xxh64(target.name) + s * 100 + static_cast<std::uint64_t>(kind);
                    bmae::Draw draw({.seed = round, .example = number});
                    std::string const name = place + " damage " + std::to_string(kind) + " round " + std::to_string(round);
                    Outcome const outcome = replay(target, name, damaged(target.seeds[s], kind, draw));
                    if (!outcome.complaint.empty()) { fault(name, outcome.complaint); }
                    ++files;
                    refused += outcome.refusal.empty() ? 0 : 1;
                }
            }
        }
    }
    std::printf("%zu malformed files of %zu targets, %zu refused, %zu faults; %zu seeds are refused themselves\n", files,
                all_targets().size(), refused, static_cast<std::size_t>(faults), broken);
}

int write_seeds(std::filesystem::path const& folder) {
    for (Target const& target : all_targets()) {
        std::filesystem::create_directories(folder / target.name);
        for (std::size_t s = 0; s < target.seeds.size(); ++s) {
            std::ofstream(folder / target.name / std::to_string(s), std::ios::binary) << target.seeds[s];
        }
    }
    return 0;
}

int replay_files(Target const& target, std::vector<std::string> const& files) {
    for (std::string const& file : files) {
        Outcome const outcome = replay(target, file, bytes_of(file));
        if (!outcome.complaint.empty()) { fault(file, outcome.complaint); }
        std::printf("%s: %s\n", file.c_str(), outcome.refusal.empty() ? "accepted" : outcome.refusal.c_str());
    }
    return faults == 0 ? 0 : 1;
}

}  // namespace

int run(std::vector<std::string> const& arguments) {
    if (arguments.size() == 1 && arguments[0] == "--list") {
        for (Target const& target : all_targets()) { std::printf("%s\n", std::string(target.name).c_str()); }
        return 0;
    }
    if (arguments.size() == 2 && arguments[0] == "--seeds") { return write_seeds(arguments[1]); }
    watch_memory();
    if (arguments.size() > 1) { return replay_files(target_named(arguments[0]), {arguments.begin() + 1, arguments.end()}); }
    replay_findings();
    replay_damaged();
    return faults == 0 ? 0 : 1;
}

}  // namespace fuzz

int main(int count, char** arguments) {
    std::set_terminate([] {
        std::fprintf(stderr, "ended while reading %s\n", fuzz::current.c_str());
        std::abort();
    });
    ::signal(SIGALRM, [](int) {
        constexpr std::string_view words = "a reader hangs: ";
        static_cast<void>(!::write(2, words.data(), words.size()));
        static_cast<void>(!::write(2, fuzz::current.data(), fuzz::current.size()));
        ::_exit(3);
    });
    return fuzz::run({arguments + 1, arguments + count});
}
