// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// compiled without optimisation
#include "both.hpp"

#ifdef __OPTIMIZE__
#error "This file is the one without optimisation: see tests/CMakeLists.txt"
#endif

linking::Results linking::unoptimized() { return compute(); }
