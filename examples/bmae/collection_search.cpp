// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Searches every collection of a benchmark: `search --collections`.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <bmae/corpus/collection_folders.hpp>
#include <bmae/values/error.hpp>

#include "collection_sets.hpp"
#include "common.hpp"

namespace bmae::program {

int search_collections(Common const& common, SearchOptions const& search, CollectionsOptions const& options) {
    if (search.output.empty()) {
        throw InputError(Diagnostic{.file = {}, .expected = "--output with a folder for the runs", .found = "none"});
    }
    std::vector<NamedCollection> const collections = list_collections(options.folder);
    std::vector<SearchOptions> each;   // what is wrong with one is reported before the first is searched
    for (NamedCollection const& collection : collections) {
        SearchOptions& one = each.emplace_back(search);
        one.data = collection.path;
        one.split = chosen_split(collection, search.split);
        one.output = search.output / (collection.name + ".trec");
        std::filesystem::create_directories(one.output.parent_path());
        check_new_file(one.output);
    }
    Json result{{"command", "search"},
                {"method", search.method},
                {"documents", 0},
                {"split", search.split},
                {"queries", 0},
                {"hits", 0},
                {"output", search.output.string()},
                {"answers", nullptr},
                {"token_vectors", nullptr},
                {"malformed", Json::object()},
                {"collections", Json::array()}};
    for (std::size_t c = 0; c < collections.size(); ++c) {
        say(collections[c].name + ':');
        Json found = search_collection(common, each[c]);
        for (char const* const key : {"documents", "queries", "hits"}) {
            result[key] = result[key].get<std::uint64_t>() + found[key].get<std::uint64_t>();
        }
        for (auto const& [reason, count] : found["malformed"].items()) {
            result["malformed"][reason] = result["malformed"].value(reason, std::uint64_t{0}) + count.get<std::uint64_t>();
        }
        found["name"] = collections[c].name;
        result["collections"].push_back(std::move(found));
    }
    print_result(common, result, search.output.string() + ": runs of " + count_text(collections.size()) + " collections\n");
    return done;
}

}  // namespace bmae::program
