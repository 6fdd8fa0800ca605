// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tells glibc to keep the memory of a training step instead of returning it to the kernel after every tensor.
#pragma once

#include <cstdlib>   // defines __GLIBC__ where there is one

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace bmae {

/// Large blocks stay in the heap: the activations of the next step reuse the memory of the last.
///
/// By default glibc maps every large block with mmap and unmaps it when it is freed, so that each step faults all its pages in
/// again: about a quarter of the time of a step on a CPU. Affects the whole process until it ends, so no other part of the
/// library calls it: a program that trains does, once, before `Trainer::fit` or `pretrain`. Harmless to repeat.
/// \returns false where the C library is not glibc; nothing is changed then
inline bool keep_freed_memory() noexcept {
#if defined(__GLIBC__)
    bool const no_mapping = mallopt(M_MMAP_MAX, 0) == 1;
    bool const no_trimming = mallopt(M_TRIM_THRESHOLD, -1) == 1;   // -1: as an unsigned number, the largest
    bool const large_growth = mallopt(M_TOP_PAD, 64 << 20) == 1;   // bytes by which the heap grows at least
    return no_mapping && no_trimming && large_growth;
#else
    return false;
#endif
}

}  // namespace bmae
