// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// bmae report: runs and pipelines as one page, and as events for TensorBoard. Free of LibTorch.
#pragma once

#include <string>
#include <vector>

#include "common.hpp"

namespace bmae::program {

struct ReportOptions {
    std::vector<Path> folders = {};
    Path output = {};        ///< empty: no page
    Path tensorboard = {};   ///< empty: no events
};
int report(Common const& common, ReportOptions const& options);

struct ReportedFolders;
/// The page: HTML without scripts, which loads nothing.
std::string report_page(ReportedFolders const& folders);

}  // namespace bmae::program
