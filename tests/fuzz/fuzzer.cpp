// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The entry of libFuzzer for the target whose name is given by -DBMAE_FUZZ_TARGET: see run.sh. No part of the test program.
#ifdef BMAE_FUZZ_TARGET

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <bmae/values/error.hpp>

#include "targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    static fuzz::Target const& target = fuzz::target_named(BMAE_FUZZ_TARGET);
    try {
        target.read({reinterpret_cast<char const*>(data), size});
    } catch (bmae::Error const&) {}   // refused, as it should be; any other exception ends the program
    return 0;
}

#endif
