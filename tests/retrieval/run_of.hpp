// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <bmae/retrieval/run.hpp>

namespace test {

/// One query whose hits stand in the order of the run.
inline bmae::Run run_of(std::vector<std::pair<std::string, float>> const& hits, std::string const& query = "q") {
    std::vector<std::string> ids;
    std::vector<bmae::Hit> list;
    for (auto const& [id, score] : hits) {
        list.push_back({static_cast<std::uint32_t>(ids.size()), score});
        ids.push_back(id);
    }
    bmae::Run run(std::make_shared<bmae::IdTable>(ids));
    run.add(query, list);
    return run;
}

}  // namespace test
