// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Reads files of torch.save for pickle_parity.py: pairs INPUT OUTPUT, from a file or folder to safetensors; status 2 and a message
// where one is refused.
#include <cstdio>
#include <exception>
#include <filesystem>

#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/torch_tensors.hpp>

int main(int count, char** arguments) {
    try {
        for (int i = 1; i + 1 < count; i += 2) {
            std::filesystem::path const input = arguments[i];
            auto const tensors = std::filesystem::is_directory(input)
                                     ? bmae::detail::load_all_tensors(input, bmae::Loading::mapped)
                                     : bmae::load_torch_tensors(input, bmae::Loading::mapped);
            bmae::save_tensors(arguments[i + 1], tensors);
        }
    } catch (bmae::InputError const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
