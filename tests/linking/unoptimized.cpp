// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// compiled without optimization
#include "both.hpp"

#ifdef __OPTIMIZE__
#error "This file is the one without optimization: see tests/CMakeLists.txt"
#endif

linking::Results linking::unoptimized() { return compute(); }
