// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Text files written atomically, as gzip where their name ends in .gz: what `LineReader` reads.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <zlib.h>

#include <bmae/detail/separate.hpp>
#include <bmae/detail/whole_files.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// A text file that appears under its name only after `commit`.
class TextFile {
public:
    /// \throws InputError  as `AtomicFile` does
    explicit TextFile(std::filesystem::path const& path, Existing existing = Existing::refuse);

    /// \throws InputError on a full disk
    void write(std::string_view text) { packer_ == nullptr ? file_.write(text) : pack(text, Z_NO_FLUSH); }

    void commit();

private:
    struct End {
        void operator()(z_stream* stream) const;
    };

    void pack(std::string_view text, int flush);

    AtomicFile file_;
    std::unique_ptr<z_stream, End> packer_ = {};
};

}  // namespace bmae::detail

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE TextFile::TextFile(std::filesystem::path const& path, Existing existing) : file_(path, existing) {
    if (path.extension() != ".gz") { return; }
    packer_.reset(new z_stream{});
    constexpr int gzip_window = 15 + 16;   // the largest window, and gzip's header
    if (::deflateInit2(packer_.get(), Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw RunError(path.string() + ": cannot start the compression: out of memory");
    }
}

BMAE_INLINE void TextFile::commit() {
    if (packer_ != nullptr) { pack({}, Z_FINISH); }
    file_.commit();
}

BMAE_INLINE void TextFile::End::operator()(z_stream* stream) const {
    ::deflateEnd(stream);
    std::default_delete<z_stream>()(stream);
}

BMAE_INLINE void TextFile::pack(std::string_view text, int flush) {
    constexpr std::size_t piece = std::size_t{1} << 20;   // zlib counts in 32 bits
    std::array<unsigned char, 1U << 16> packed;
    do {
        std::string_view const part = text.substr(0, piece);
        text.remove_prefix(part.size());
        packer_->next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(part.data()));
        packer_->avail_in = static_cast<uInt>(part.size());
        do {
            packer_->next_out = packed.data();
            packer_->avail_out = static_cast<uInt>(packed.size());
            ::deflate(packer_.get(), flush);   // fails only where its own state is broken
            file_.write(std::as_bytes(std::span(packed)).first(packed.size() - packer_->avail_out));
        } while (packer_->avail_out == 0);
    } while (!text.empty());
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
