// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Parallel.h>

namespace bmae::test {

/// A fixture of suites whose networks are so small that a second thread only costs.
struct OneThread {
    OneThread() { at::set_num_threads(1); }
};

}  // namespace bmae::test
