// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Turns two packed texts into tensors: headers, LibTorch and its libraries work together.
#include <iostream>

#include <bmae/batch/to_tensors.hpp>

int main() {
    bmae::PackedView view;
    view.input_ids = view.original_ids = {2, 5, 3, 2, 6, 7, 3};
    view.labels.assign(7, bmae::ignored_label);
    view.labels[1] = 9;
    view.flags.assign(7, 0);
    view.positions = {0, 1, 2, 0, 1, 2, 3};
    view.offsets = {0, 3, 7};
    auto const input = bmae::to_tensors(view);
    std::cout << input.texts() << " texts, " << input.input_ids.numel() << " tokens, " << input.labels.numel() << " label\n";
    return input.tokens() == 7 && input.labels.numel() == 1 ? 0 : 1;
}
