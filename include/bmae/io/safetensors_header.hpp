// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The JSON header of a safetensors file, validated rule by rule when read and written with the same bytes as the format's own
/// library.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/separate.hpp>
#include <bmae/io/element_type.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Metadata of a file besides its tensors ("format" -> "pt").
using FileMetadata = std::map<std::string, std::string>;

namespace detail {

inline constexpr std::uint64_t largest_safetensors_header = 100'000'000;   ///< bytes; the format's own limit
inline constexpr std::uint64_t largest_json_integer = std::uint64_t{1} << 53;
inline constexpr std::size_t largest_rank = 64;   ///< the limit of LibTorch and NumPy
inline constexpr std::string_view metadata_key = "__metadata__";

struct HeaderTensor : TensorInfo {
    std::uint64_t begin = 0;   ///< byte of the data section
    std::uint64_t end = 0;
};

struct SafetensorsHeader {
    std::vector<HeaderTensor> tensors = {};    ///< in the order of their data
    std::vector<std::uint32_t> by_name = {};   ///< the same in the order of their names
    FileMetadata metadata = {};
    std::size_t data_start = 0;   ///< byte of the file where the data section begins
};

/// The positions 0, 1 ... of `tensors`, sorted by name.
template <class Tensors>
std::vector<std::uint32_t> sorted_by_name(Tensors const& tensors) {
    std::vector<std::uint32_t> order(tensors.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&tensors](auto a, auto b) { return tensors[a].name < tensors[b].name; });
    return order;
}

/// A name that occurs twice, or null.
template <class Tensors>
std::string const* name_twice(Tensors const& tensors, std::span<std::uint32_t const> by_name) {
    auto const twice =
        std::adjacent_find(by_name.begin(), by_name.end(), [&](auto a, auto b) { return tensors[a].name == tensors[b].name; });
    return twice == by_name.end() ? nullptr : &tensors[*twice].name;
}

/// Reads and checks the header of a file. The tensors come back in the order of their data.
/// \param file  the whole file
/// \param name  its name in messages
BMAE_INLINE SafetensorsHeader parse_safetensors_header(std::span<std::byte const> file, std::string const& name);

/// The order in which the format's own library orders tensors: widest alignment first, then by name.
inline bool written_before(TensorInfo const& a, TensorInfo const& b) {
    return a.type != b.type ? a.type > b.type : a.name < b.name;
}

/// The first bytes of a file with `tensors`, which are in the order of `written_before`: length, header, padding.
BMAE_INLINE std::string safetensors_prefix(std::span<TensorInfo const> tensors, FileMetadata const& metadata,
                                           std::string const& file);

}  // namespace detail

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

namespace bmae::detail {

/// SAX handler of the JSON parser. It refuses at the first invalid event, so nesting and size cannot grow beyond
/// what the format allows; a tree of values would silently keep the last of two equal keys.
class SafetensorsHeaderListener {
public:
    using number_integer_t = nlohmann::ordered_json::number_integer_t;
    using number_unsigned_t = nlohmann::ordered_json::number_unsigned_t;
    using number_float_t = nlohmann::ordered_json::number_float_t;
    using string_t = nlohmann::ordered_json::string_t;
    using binary_t = nlohmann::ordered_json::binary_t;

    SafetensorsHeader header = {};
    std::string expected = {};   ///< of the first refusal
    std::string found = {};

    bool null() { return misplaced("null"); }
    bool boolean(bool value) { return misplaced(value ? "true" : "false"); }
    bool number_integer(number_integer_t value) { return misplaced(std::to_string(value)); }
    bool number_float(number_float_t, string_t const& text) { return misplaced(shortened(text)); }
    bool binary(binary_t&) { return misplaced("binary data"); }

    bool number_unsigned(number_unsigned_t value) {
        if (place_ != Place::shape && place_ != Place::offsets) { return misplaced(std::to_string(value)); }
        if (value > largest_json_integer) { return refuse("an integer up to 2^53", std::to_string(value) + where()); }
        auto& tensor = header.tensors.back();
        if (place_ == Place::shape) {
            if (tensor.shape.size() == largest_rank) { return refuse("at most 64 dimensions", "more" + where()); }
            tensor.shape.push_back(static_cast<std::int64_t>(value));
            return true;
        }
        if (offset_count_ == 2) { return refuse("two data_offsets", "a third one" + where()); }
        (offset_count_++ == 0 ? tensor.begin : tensor.end) = value;
        return true;
    }

    bool string(string_t& value) {
        if (place_ == Place::metadata) {
            if (!header.metadata.emplace(std::move(key_), std::move(value)).second) {
                return refuse("each metadata key once", "one twice");
            }
            return true;
        }
        if (place_ != Place::tensor || key_ != "dtype") { return misplaced("the text \"" + shortened(value) + '"'); }
        auto const type = element_type(value);
        if (!type) { return refuse("a dtype of the format (F32, BF16, I64 ...)", '"' + shortened(value) + '"' + where()); }
        header.tensors.back().type = *type;
        return true;
    }

    bool start_object(std::size_t) {
        switch (place_) {
            case Place::start:
                place_ = Place::root;
                return true;
            case Place::root:
                if (key_ == metadata_key) {
                    if (std::exchange(has_metadata_, true)) { return refuse("one __metadata__", "two"); }
                    place_ = Place::metadata;
                    return true;
                }
                place_ = Place::tensor;
                header.tensors.emplace_back();
                header.tensors.back().name = std::move(key_);
                seen_ = {};
                return true;
            default:
                return misplaced("an object");
        }
    }

    bool key(string_t& value) {
        key_ = std::move(value);
        if (place_ != Place::tensor) { return true; }
        auto const field = std::find(fields.begin(), fields.end(), key_);
        if (field == fields.end()) {
            return refuse("only dtype, shape and data_offsets", "the key \"" + shortened(key_) + '"' + where());
        }
        if (std::exchange(seen_[static_cast<std::size_t>(field - fields.begin())], true)) {
            return refuse("each key once", "\"" + key_ + "\" twice" + where());
        }
        return true;
    }

    bool end_object() {
        if (place_ == Place::tensor) {
            for (std::size_t i = 0; i < fields.size(); ++i) {
                if (!seen_[i]) { return refuse("dtype, shape and data_offsets", "no " + std::string(fields[i]) + where()); }
            }
        }
        place_ = place_ == Place::root ? Place::start : Place::root;
        return true;
    }

    bool start_array(std::size_t) {
        if (place_ != Place::tensor || key_ == "dtype") { return misplaced("an array"); }
        place_ = key_ == "shape" ? Place::shape : Place::offsets;
        offset_count_ = 0;
        return true;
    }

    bool end_array() {
        if (place_ == Place::offsets && offset_count_ != 2) {
            return refuse("two data_offsets", std::to_string(offset_count_) + where());
        }
        place_ = Place::tensor;
        return true;
    }

    bool parse_error(std::size_t position, std::string const& token, nlohmann::ordered_json::exception const&) {
        return refuse("a header in JSON",
                      "an error at byte " + std::to_string(8 + position) + ", near \"" + shortened(token) + '"');
    }

private:
    enum class Place { start, root, metadata, tensor, shape, offsets };
    static constexpr std::array<std::string_view, 3> fields{"dtype", "shape", "data_offsets"};

    static std::string shortened(std::string const& text) { return text.size() <= 60 ? text : text.substr(0, 60) + "..."; }

    [[nodiscard]] std::string where() const { return " in tensor \"" + shortened(header.tensors.back().name) + '"'; }

    bool refuse(std::string wanted, std::string seen) {
        expected = std::move(wanted);
        found = std::move(seen);
        return false;
    }

    bool misplaced(std::string const& what) {
        switch (place_) {
            case Place::start:
                return refuse("a JSON object", what);
            case Place::root:
                return refuse("an object under \"" + shortened(key_) + '"', what);
            case Place::metadata:
                return refuse("text under \"" + shortened(key_) + "\" of __metadata__", what);
            case Place::tensor:
                return refuse((key_ == "dtype" ? "text" : "an array") + std::string(" under \"") + key_ + '"', what + where());
            case Place::shape:
                return refuse("dimensions that are whole numbers of at least 0", what + where());
            default:
                return refuse("offsets that are whole numbers of at least 0", what + where());
        }
    }

    Place place_ = Place::start;
    std::string key_ = {};
    std::array<bool, 3> seen_ = {};
    std::size_t offset_count_ = 0;
    bool has_metadata_ = false;
};

BMAE_INLINE SafetensorsHeader parse_safetensors_header(std::span<std::byte const> file, std::string const& name) {
    auto const refuse = [&name](std::string expected, std::string found) -> InputError {
        return InputError(Diagnostic{.file = name,
                                     .expected = std::move(expected),
                                     .found = std::move(found),
                                     .hint = "The file is damaged or of another format: copy or export it again."});
    };
    if (file.size() < 8) {
        throw refuse("a safetensors file of at least 8 bytes",
                     std::to_string(file.size()) + (file.size() == 1 ? " byte" : " bytes"));
    }
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) { length = length << 8 | std::to_integer<std::uint64_t>(file[i]); }
    if (length > largest_safetensors_header) {
        throw refuse("a header of at most 100000000 bytes", "the length " + std::to_string(length));
    }
    if (length > file.size() - 8) {
        throw refuse("a header of " + std::to_string(length) + " bytes",
                     "only " + std::to_string(file.size() - 8) + " bytes after its length");
    }
    auto const text = file.subspan(8, static_cast<std::size_t>(length));
    if (text.empty() || text.front() != std::byte{'{'}) {
        throw refuse("a header that begins with '{'", text.empty() ? "an empty one" : "another byte");
    }
    // The parser treats a NUL as the end of its input and would ignore the rest.
    if (auto const nul = std::find(text.begin(), text.end(), std::byte{0}); nul != text.end()) {
        throw refuse("a header in JSON", "a NUL at byte " + std::to_string(8 + (nul - text.begin())));
    }
    SafetensorsHeaderListener listener;
    auto const* const characters = reinterpret_cast<char const*>(text.data());
    if (!nlohmann::ordered_json::sax_parse(characters, characters + text.size(), &listener)) {
        throw refuse(listener.expected, listener.found);
    }

    auto& tensors = listener.header.tensors;
    std::sort(tensors.begin(), tensors.end(),
              [](auto const& a, auto const& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::uint64_t const available = file.size() - 8 - length;
    std::uint64_t position = 0;
    for (auto const& tensor : tensors) {
        std::string const where = " in tensor \"" + tensor.name.substr(0, 60) + '"';
        std::string const range = '[' + std::to_string(tensor.begin) + ", " + std::to_string(tensor.end) + ']';
        if (tensor.end < tensor.begin) { throw refuse("data_offsets in ascending order", range + where); }
        if (tensor.begin != position) {
            throw refuse("data that starts at byte " + std::to_string(position) + " of the data section, without hole or overlap",
                         range + where);
        }
        if (tensor.end > available) {
            throw refuse(std::to_string(available) + " bytes of data", "data_offsets " + range + where);
        }
        auto const bytes = dense_bytes(tensor.type, tensor.shape);
        if (!bytes) { throw refuse("a shape that fills whole bytes and does not overflow", shape_text(tensor.shape) + where); }
        if (*bytes != tensor.end - tensor.begin) {
            throw refuse(
                std::to_string(*bytes) + " bytes for " + std::string(to_string(tensor.type)) + ' ' + shape_text(tensor.shape),
                std::to_string(tensor.end - tensor.begin) + where);
        }
        position = tensor.end;
    }
    if (position != available) {
        throw refuse("a file that ends with its last tensor, after " + std::to_string(position) + " bytes of data",
                     std::to_string(available));
    }
    listener.header.by_name = sorted_by_name(tensors);
    if (auto const* const twice = name_twice(tensors, listener.header.by_name)) {
        throw refuse("each tensor once", '"' + twice->substr(0, 60) + "\" twice");
    }
    listener.header.data_start = static_cast<std::size_t>(8 + length);
    return std::move(listener.header);
}

/// A text as a JSON string, quotes included.
/// \param file  name of the output in the message about invalid UTF-8
inline std::string json_text(std::string const& text, std::string const& file) {
    try {
        return nlohmann::ordered_json(text).dump();
    } catch (nlohmann::ordered_json::exception const&) {
        throw InputError(Diagnostic{.file = file, .expected = "text in UTF-8", .found = "other bytes in a name or in metadata"});
    }
}

BMAE_INLINE std::string safetensors_prefix(std::span<TensorInfo const> tensors, FileMetadata const& metadata,
                                           std::string const& file) {
    std::string header = "{";
    auto const comma = [&header] {
        if (header.back() != '{') { header += ','; }
    };
    if (!metadata.empty()) {
        header += json_text(std::string(metadata_key), file) + ":{";
        for (auto const& [key, value] : metadata) {
            comma();
            header += json_text(key, file) + ':' + json_text(value, file);
        }
        header += '}';
    }
    if (auto const* const twice = name_twice(tensors, sorted_by_name(tensors))) {
        throw InputError(Diagnostic{.file = file, .expected = "each tensor once", .found = '"' + *twice + "\" twice"});
    }
    std::uint64_t position = 0;
    for (TensorInfo const& tensor : tensors) {
        auto const refuse = [&](std::string expected, std::string found) {
            return InputError(Diagnostic{
                .file = file, .expected = std::move(expected), .found = std::move(found) + " in tensor \"" + tensor.name + '"'});
        };
        if (tensor.name == metadata_key) { throw refuse("a name other than __metadata__", "it"); }
        if (tensor.shape.size() > largest_rank) { throw refuse("at most 64 dimensions", std::to_string(tensor.shape.size())); }
        auto const bytes = dense_bytes(tensor.type, tensor.shape);
        if (!bytes || *bytes > largest_json_integer - position) {
            throw refuse("a shape that can be stored", shape_text(tensor.shape));
        }
        comma();
        header += json_text(tensor.name, file) + R"(:{"dtype":")" + std::string(to_string(tensor.type)) + R"(","shape":[)";
        for (std::size_t d = 0; d < tensor.shape.size(); ++d) { header += (d == 0 ? "" : ",") + std::to_string(tensor.shape[d]); }
        header += R"(],"data_offsets":[)" + std::to_string(position) + ',' + std::to_string(position + *bytes) + "]}";
        position += *bytes;
    }
    header += '}';
    header.append((8 - header.size() % 8) % 8, ' ');
    if (header.size() > largest_safetensors_header) {
        throw InputError(
            Diagnostic{.file = file, .expected = "a header of at most 100000000 bytes", .found = std::to_string(header.size())});
    }
    std::string prefix;
    for (unsigned i = 0; i < 8; ++i) { prefix += static_cast<char>(header.size() >> (8 * i) & 0xff); }
    return prefix + header;
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
