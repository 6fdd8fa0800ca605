// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A stored family of any encoder whose class says how its files are named.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/detail/folders.hpp>
#include <bmae/encoders/described_folder.hpp>
#include <bmae/encoders/stored_family.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The part of a `StoredFamily` that follows from the names of its files. A family derives from it and adds model types, what a run
/// records of a config, rates of dropout and the names of classification heads.
template <EncoderFiles F>
struct DescribedFamily {
    using EncoderType = typename F::EncoderType;
    using Options = typename EncoderType::Options;

    static EncoderType load(std::filesystem::path const& folder, TokenHead head, std::uint64_t seed) {
        auto const files = detail::read_encoder_folder<F>(folder, Loading::mapped);
        require_head(files, head, folder.string(), "Name a folder saved by " + std::string(F::class_name) + "ForMaskedLM.");
        return detail::make_encoder(files, seed);
    }
    static bool stores_head(std::filesystem::path const& folder) {
        return detail::read_encoder_folder<F>(folder, Loading::mapped).has_head();
    }
    static void save(std::filesystem::path const& folder, EncoderType const& encoder, bool with_head,
                     WriteMore const& write_more) {
        write(folder, detail::to_stored<F>(encoder, with_head), write_more);
    }
    static std::pair<EncoderType, NamedTensors> load_classifier(std::filesystem::path const& folder) {
        auto files = detail::read_encoder_folder<F>(folder, Loading::mapped);
        return {detail::make_encoder(files, 0), std::move(files.aside)};
    }
    static void save_classifier(std::filesystem::path const& folder, EncoderType const& encoder, NamedTensors head,
                                std::string extra_json, WriteMore const& write_more) {
        auto files = detail::to_stored<F>(encoder, /*with_head=*/false);
        files.aside = std::move(head);
        files.config.extra_json = std::move(extra_json);
        write(folder, std::move(files), write_more);
    }
    static Options read_config(std::filesystem::path const& file) { return F::read_config(file); }
    static std::string config_text(Options const& config, bool with_head) {
        return to_json(config, std::string(F::class_name) + (with_head ? "ForMaskedLM" : "Model"));
    }
    static std::string_view title(Options const&) { return F::title; }
    static EncoderType from_parameters(Options config, NamedTensors const& parameters, TokenHead head, std::string const& file) {
        StoredEncoder<F> files{.config = std::move(config)};
        for (auto const& [name, tensor] : parameters) {   // decoders and the like are skipped
            if (name.starts_with("encoder.") || name.starts_with(F::head)) { files.tensors.emplace(name, tensor); }
        }
        detail::check_encoder_tensors(files, file);
        require_head(files, head, file, "Pre-train a generator: --preset mlm.");
        return detail::make_encoder(files, 0);
    }

private:
    static void write(std::filesystem::path const& folder, StoredEncoder<F> files, WriteMore const& write_more) {
        detail::AtomicFolder output(folder);
        detail::write_encoder_files(output.partial(), std::move(files));
        write_more(output.partial());
        output.commit();
    }
    static void require_head(StoredEncoder<F> const& files, TokenHead head, std::string const& file, std::string hint) {
        if (head == TokenHead::optional || files.has_head()) { return; }
        throw InputError(Diagnostic{.file = file,
                                    .expected = "a language-model head (" + std::string(F::head_example) + " ...)",
                                    .found = "none",
                                    .hint = std::move(hint)});
    }
};

}  // namespace bmae
