// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Checks what is installed, what is missing and how to get it: `doctor`.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <bmae/version.hpp>

#include "common.hpp"

namespace bmae::program {

namespace {

/// The words after `key` in a file of lines `key : value`, such as those below /proc.
std::string value_in(char const* file, std::string const& key) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(key)) {
            std::size_t const begin = line.find_first_not_of(" \t", line.find(':') + 1);
            return begin == std::string::npos ? std::string() : line.substr(begin);
        }
    }
    return {};
}

std::string yes_no(bool value) { return value ? "yes" : "no"; }

}  // namespace

int doctor(Common const& common, Path const& data) {
    Json result{{"command", "doctor"}};
    Json advice = Json::array();
    std::string text;
    auto const add = [&](std::string const& name, std::string const& value) {
        result[name] = value;
        text += name + std::string(name.size() < 18 ? 18 - name.size() : 1, ' ') + value + '\n';
    };
    add("bmae", std::string(version));
    add("libtorch", TORCH_VERSION);
    std::string const build = at::show_config();
    add("blas", build.find("BLAS_INFO=mkl") != std::string::npos || at::hasMKL() ? "mkl"
                : build.find("openblas") != std::string::npos                    ? "openblas"
                                                                                 : "another");
    add("onednn", yes_no(at::hasMKLDNN()));
    add("openmp", yes_no(build.find("OpenMP") != std::string::npos));
    add("processors", std::to_string(std::thread::hardware_concurrency()));
    add("torch threads", std::to_string(at::get_num_threads()));
    char const* const policy = std::getenv("OMP_WAIT_POLICY");
    char const* const spins = std::getenv("GOMP_SPINCOUNT");
    add("openmp waiting", spins != nullptr    ? "spin count " + std::string(spins)
                          : policy != nullptr ? policy
                                              : "as OpenMP does by default");
    std::string const flags = ' ' + value_in("/proc/cpuinfo", "flags") + ' ';
    std::string simd;
    for (char const* const flag : {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}) {
        if (flags.find(' ' + std::string(flag) + ' ') != std::string::npos) {
            simd += (simd.empty() ? "" : " ") + std::string(flag);
        }
    }
    add("simd", simd.empty() ? "none known" : simd);
    bool const fast_bf16 = simd.find("bf16") != std::string::npos;
    add("fast bf16", yes_no(fast_bf16));
    if (!fast_bf16) { advice.push_back("This processor has no bf16 instructions: --precision bf16 saves memory but no time."); }
    bool const cuda = at::globalContext().hasCUDA();
    add("cuda", cuda ? std::to_string(at::getNumGPUs()) + " devices" : "no");
    if (!cuda && std::filesystem::exists("/proc/driver/nvidia/version")) {
        advice.push_back(
            "There is an NVIDIA driver but this LibTorch is built without CUDA: build against a CUDA wheel of torch (pip install "
            "torch).");
    }
    add("memory", value_in("/proc/meminfo", "MemTotal"));
    add("memory free", value_in("/proc/meminfo", "MemAvailable"));
    std::error_code code;
    auto const space = std::filesystem::space(std::filesystem::current_path(), code);
    if (!code) {
        add("disk free", std::to_string(space.available >> 30) + " GiB here");
        if (space.available >> 30 < 2) {
            advice.push_back("Less than 2 GiB are free here: a checkpoint of bert-base takes 1.3 GB.");
        }
    }
    char const* const variable = std::getenv("BMAE_DATA");
    Path const folder = !data.empty() ? data : variable != nullptr ? Path(variable) : Path();
    if (folder.empty()) {
        add("data", "not given");
        advice.push_back(
            "Name a folder of data sets by --data or BMAE_DATA. Any BEIR folder will do: corpus.jsonl, queries.jsonl, "
            "qrels/test.tsv.");
    } else if (!std::filesystem::is_directory(folder)) {
        add("data", folder.string() + ": no such folder");
        advice.push_back("Check --data or BMAE_DATA.");
    } else {
        std::string sets;
        for (auto const& entry : std::filesystem::directory_iterator(folder, code)) {
            bool const is_set = std::filesystem::exists(entry.path() / "corpus.jsonl") ||
                                std::filesystem::exists(entry.path() / "corpus.jsonl.gz");
            if (is_set) { sets += (sets.empty() ? "" : ", ") + entry.path().filename().string(); }
        }
        bool const itself = std::filesystem::exists(folder / "corpus.jsonl");
        add("data", folder.string() + ": " +
                        (itself         ? "a BEIR collection"
                         : sets.empty() ? "no BEIR collection"
                                        : "BEIR collections " + sets));
    }
    for (auto const& line : advice) { text += "- " + line.get<std::string>() + '\n'; }
    result["advice"] = std::move(advice);
    print_result(common, result, text);
    return done;
}

}  // namespace bmae::program
