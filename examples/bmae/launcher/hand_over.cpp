// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
// The commands that need LibTorch, in the executable that is linked without it: each becomes bmae-torch, which lies beside. LibTorch takes
// a quarter of a second to load, which `bmae --version`, `bmae evaluate` or a mistyped option should not cost.
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <unistd.h>

#include <bmae/detail/files.hpp>
#include <bmae/values/error.hpp>

#include "../collection_sets.hpp"
#include "../common.hpp"
#include "../embedding_tasks.hpp"
#include "../glue.hpp"
#include "../index.hpp"
#include "../preset_figure.hpp"
#include "../ranking.hpp"

namespace bmae::program {

namespace {

/// The words that this process was started with.
std::vector<std::string> own_arguments() {
    std::string const words = detail::read_file("/proc/self/cmdline");
    std::vector<std::string> arguments;
    for (std::size_t begin = 0; begin < words.size();) {
        std::size_t const end = words.find('\0', begin);
        arguments.push_back(words.substr(begin, end - begin));
        begin = end == std::string::npos ? words.size() : end + 1;
    }
    return arguments;
}

/// Threads that spin at OpenMP's barriers take the processor from the thread that they wait for, where other programs run as well: a step
/// with two threads was a third as fast as with one. A thousand turns, then sleep: as fast on an idle machine, where sleeping at once costs
/// small models a tenth. OpenMP reads the setting when it is loaded; one of the user's is kept.
void wait_briefly() {
    if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) { return; }
    ::setenv("GOMP_SPINCOUNT", "1000", 1);
}

/// Runs the same command line in bmae-torch; returns only by an exception.
int hand_over() {
    wait_briefly();
    Path const program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bmae-torch";
    std::vector<std::string> arguments = own_arguments();
    std::vector<char*> pointers;
    for (std::string& argument : arguments) { pointers.push_back(argument.data()); }
    pointers.push_back(nullptr);
    ::execv(program.c_str(), pointers.data());
    throw RunError(program.string() + ": cannot start the program that has LibTorch: " + std::generic_category().message(errno) +
                   ". It belongs beside bmae.");
}

}  // namespace

int pretrain(Common const&, PretrainOptions const&) { return hand_over(); }
int similarity(Common const&, SimilarityOptions const&) { return hand_over(); }
int transfer(Common const&, TransferTaskOptions const&) { return hand_over(); }
int glue(Common const&, GlueOptions const&) { return hand_over(); }
int presets(Common const&, std::string const&) { return hand_over(); }
int draw_preset(std::string const&, Path const&) { return hand_over(); }
int finetune(Common const&, FinetuneOptions const&) { return hand_over(); }
int encode(Common const&, EncodeOptions const&) { return hand_over(); }
int search(Common const&, SearchOptions const&) { return hand_over(); }
int search_collections(Common const&, SearchOptions const&, CollectionsOptions const&) { return hand_over(); }
int index_by_model(Common const&, IndexOptions const&) { return hand_over(); }
int search_index_by_model(Common const&, SearchOptions const&, SearchIndexOptions const&) { return hand_over(); }
int rerank(Common const&, RerankOptions const&) { return hand_over(); }
int generate(Common const&, GenerateOptions const&) { return hand_over(); }
int export_model(Common const&, ExportOptions const&) { return hand_over(); }
int doctor(Common const&, Path const&) { return hand_over(); }

}  // namespace bmae::program
