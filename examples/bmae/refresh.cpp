// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include "refresh.hpp"

#include <filesystem>
#include <string>
#include <utility>

#include <bmae/detail/folders.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/values/error.hpp>

#include "option_text.hpp"
#include "runs.hpp"
#include "training.hpp"

namespace bmae::program {

namespace {

Path place_of(FinetuneOptions const& options, std::string const& name, std::uint64_t refresh, char const* end) {
    return options.training.output / "refresh" / (name + '-' + std::to_string(refresh) + end);
}

/// The last rank of "FIRST:LAST"; 0 where it is another text.
std::size_t last_rank(std::string const& window) {
    auto const ranks = rank_window_of(window);
    return ranks ? ranks->second : 0;
}

}  // namespace

std::uint64_t refreshes_done(FinetuneOptions const& options) {
    if (!options.refresh.is_used() || !is_resumed(options.training)) { return 0; }
    std::uint64_t const step = newest_checkpoint(options.training.output).step;
    bool const ended = options.training.steps != 0 && step >= options.training.steps;   // the last step mines nothing
    return (ended ? step - 1 : step) / options.refresh.every;
}

void require_refreshable(FinetuneOptions const& options, std::string const& kind) {
    if (!options.refresh.is_used()) { return; }
    if (kind != "sentence-transformer") {
        throw refuse("--refresh-every with a preset that makes dense vectors, which search the corpus", options.preset);
    }
    if (last_rank(options.refresh.window) == 0) {
        throw refuse("--refresh-window as ranks FIRST:LAST, from 1: 1:200", '"' + options.refresh.window + '"');
    }
}

Path refreshed_negatives(Common const& common, FinetuneOptions const& options, std::uint64_t refresh) {
    Path negatives = place_of(options, "negatives", refresh, ".tsv");
    if (std::filesystem::exists(negatives)) { return negatives; }
    std::uint64_t const step = refresh * options.refresh.every;
    Path const checkpoint = options.training.output / ("step-" + std::to_string(step));
    if (!std::filesystem::exists(checkpoint)) {
        throw InputError(Diagnostic{.file = negatives.string(),
                                    .expected = "the negatives that were mined at step " + std::to_string(step),
                                    .found = "none, and no checkpoint of that step",
                                    .hint = "Both were removed: start the run anew in another folder."});
    }
    say("refresh " + count_text(refresh) + ": searching and mining at step " + count_text(step));
    Path const run = place_of(options, "run", refresh, ".trec");
    detail::create_folders(run.parent_path());
    std::filesystem::remove(run);   // of a start that was killed
    Common own = common;
    own.json = false;
    own.seed = common.seed + refresh;   // other negatives of equal hits
    Path const& data = options.data.front();
    search(own, {.model = {.model = checkpoint},
                 .data = data,
                 .skip_malformed = options.skip_malformed,
                 .split = options.split,
                 .top_k = last_rank(options.refresh.window),
                 .output = run});
    mine(own, {.runs = {run},
               .data = data,
               .split = options.split,
               .window = options.refresh.window,
               .number = options.refresh.number,
               .skip_malformed = options.skip_malformed,
               .output = negatives});
    std::filesystem::remove(run);
    return negatives;
}

RefreshedObjective::RefreshedObjective(Objective& inner, RefreshOptions options, std::uint64_t first_pairs)
    : ObjectiveWrapper(inner), options_(std::move(options)), first_pairs_(first_pairs) {}

std::string RefreshedObjective::description() const {
    Json json = Json::parse(inner_.description());
    json["pairs"] = detail::to_hex(first_pairs_);
    json["refresh"] = {{"every", options_.every}, {"window", options_.window}, {"number", options_.number}};
    return json.dump();
}

}  // namespace bmae::program
