// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/io/safetensors.hpp>

#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
#include <numeric>

#include <sys/resource.h>
#include <boost/test/unit_test.hpp>

#include <bmae/values/draw.hpp>

#include "support.hpp"

namespace {

using io_test::contains;
using io_test::refusal;
using io_test::Scratch;

/// A file of that header and data, with the right length in front.
std::string file_of(std::string_view header, std::string_view data = {}) {
    std::string file;
    for (unsigned i = 0; i < 8; ++i) { file += static_cast<char>(header.size() >> (8 * i) & 0xff); }
    return file.append(header).append(data);
}

std::string length_only(std::uint64_t length, std::string_view rest) {
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, 8);
    return file.append(rest);
}

bmae::SafetensorsFile parse(std::string const& file) {
    return bmae::SafetensorsFile::from_bytes(std::as_bytes(std::span(file)), "x.safetensors");
}

std::string refused(std::string const& file) {
    std::string const message = refusal([&] { static_cast<void>(parse(file)); });
    BOOST_TEST(message.starts_with("x.safetensors: expected "));
    BOOST_TEST(contains(message, "copy or export it again"));
    return message;
}

std::string slurp(std::filesystem::path const& path) { return bmae::detail::read_file(path); }

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return '"' + std::string(name) + R"(":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) +
           R"(,"data_offsets":)" + std::string(offsets) + '}';
}

/// A tensor "a" of four bytes, as JSON text.
std::string const good = entry("a", "U8", "[2,2]", "[0,4]");

}  // namespace

BOOST_AUTO_TEST_SUITE(safetensors_reader)

BOOST_AUTO_TEST_CASE(reads_what_is_there) {
    std::string const text = file_of(
        R"({"__metadata__":{"format":"pt","":"x"},)" + entry("late", "F32", "[1]", "[4,8]") + ',' + good + "}  ", "abcdefgh");
    auto const file = parse(text);
    BOOST_REQUIRE(file.entries().size() == 2U);
    BOOST_TEST(file.entries()[0].name == "a");
    BOOST_TEST((file.entries()[0].shape == std::vector<std::int64_t>{2, 2}));
    BOOST_TEST((file.entries()[0].type == bmae::ElementType::u8));
    BOOST_TEST(std::to_integer<char>(file.at("late").bytes[0]) == 'e');
    BOOST_TEST(file.metadata().at("format") == "pt");
    BOOST_TEST(file.metadata().at("") == "x");
    BOOST_TEST(file.find("b") == nullptr);
    BOOST_TEST(contains(refusal([&] { static_cast<void>(file.at("b")); }),
                        "expected the tensor \"b\", found 2 others, such as \"a\" \"late\""));
}

BOOST_AUTO_TEST_CASE(accepts_scalars_empty_tensors_and_packed_numbers) {
    auto const check = [](std::string const& header, std::string_view data) {
        return parse(file_of('{' + header + '}', data)).entries().size();
    };
    BOOST_TEST(check("", "") == 0U);
    BOOST_TEST(check(entry("s", "F64", "[]", "[0,8]"), "12345678") == 1U);
    BOOST_TEST(check(entry("z", "F32", "[0,3]", "[0,0]"), "") == 1U);
    BOOST_TEST(check(entry("z", "F32", "[3,0]", "[4,4]") + ',' + entry("y", "F32", "[1]", "[0,4]"), "1234") == 2U);
    BOOST_TEST(check(entry("z", "F32", "[0]", "[0,0]") + ',' + entry("y", "F32", "[1]", "[0,4]"), "1234") == 2U);
    BOOST_TEST(check(entry("f", "F4", "[2]", "[0,1]"), "1") == 1U);
    BOOST_TEST(check(entry("f", "F6_E3M2", "[4]", "[0,3]"), "123") == 1U);
    BOOST_TEST(check(entry("", "U8", "[1]", "[0,1]"), "1") == 1U);
    BOOST_TEST(check(entry("\\u00e9\xc3\xa9", "U8", "[1]", "[0,1]"), "1") == 1U);
    for (auto const& [name, bits] : bmae::detail::element_types) {
        std::string const data(bits, 'x');   // eight elements
        BOOST_TEST(check(entry("t", name, "[8]", "[0," + std::to_string(bits) + "]"), data) == 1U);
    }
}

BOOST_AUTO_TEST_CASE(refuses_a_broken_length) {
    BOOST_TEST(contains(refused(""), "at least 8 bytes, found 0 bytes"));
    BOOST_TEST(contains(refused("1234567"), "found 7 bytes"));
    BOOST_TEST(contains(refused(length_only(0, "")), "begins with '{', found an empty one"));
    BOOST_TEST(contains(refused(length_only(3, "{}")), "a header of 3 bytes, found only 2"));
    BOOST_TEST(contains(refused(length_only(100'000'001, "{}")), "at most 100000000 bytes, found the length 100000001"));
    BOOST_TEST(contains(refused(length_only(~std::uint64_t{0}, "{}")), "18446744073709551615"));
    BOOST_TEST(contains(refused(length_only(std::uint64_t{1} << 63, "{}")), "9223372036854775808"));
}

BOOST_AUTO_TEST_CASE(refuses_a_header_that_is_not_json) {
    BOOST_TEST(contains(refused(file_of(" {}")), "begins with '{', found another byte"));
    BOOST_TEST(contains(refused(file_of("[]")), "begins with '{'"));
    BOOST_TEST(contains(refused(file_of("\xef\xbb\xbf{}")), "begins with '{'"));
    BOOST_TEST(contains(refused(file_of("{")), "a header in JSON, found an error at byte"));
    BOOST_TEST(contains(refused(file_of("{]")), "a header in JSON"));
    BOOST_TEST(contains(refused(file_of("{}{}")), "a header in JSON"));
    BOOST_TEST(contains(refused(file_of("{} x")), "a header in JSON"));
    BOOST_TEST(contains(refused(file_of("{'a':1}")), "a header in JSON"));
    BOOST_TEST(contains(refused(file_of("{/* */}")), "a header in JSON"));
    BOOST_TEST(contains(refused(file_of('{' + good + ",}", "1234")), "a header in JSON"));
    BOOST_TEST(contains(refused(file_of(std::string("{}\0\0", 4))), "found a NUL at byte 10"));
    BOOST_TEST(contains(refused(file_of(std::string("{}\0{\"a\"", 8))), "found a NUL"));
    BOOST_TEST(contains(refused(file_of("{\"\xff\":1}")), "a header in JSON"));
    BOOST_TEST(contains(refused(file_of("{\"\xc0\xaf\":1}")), "a header in JSON"));
    BOOST_TEST(contains(refused(file_of(R"({"\ud800":1})")), "a header in JSON"));
}

BOOST_AUTO_TEST_CASE(refuses_wrong_entries) {
    auto const field = [](std::string const& fields) { return refused(file_of("{\"a\":{" + fields + "}}", "1234")); };
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[4])"), "found no data_offsets in tensor \"a\""));
    BOOST_TEST(contains(field(R"("dtype":"U8","data_offsets":[0,4])"), "found no shape"));
    BOOST_TEST(contains(field(R"("shape":[4],"data_offsets":[0,4])"), "found no dtype"));
    BOOST_TEST(contains(field(""), "found no dtype"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[4],"data_offsets":[0,4],"strides":[1])"), "found the key \"strides\""));
    BOOST_TEST(contains(field(R"("dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4])"), "\"dtype\" twice"));
    BOOST_TEST(contains(field(R"("dtype":"float32","shape":[1],"data_offsets":[0,4])"), "a dtype of the format"));
    BOOST_TEST(contains(field(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), "found \"f32\" in tensor \"a\""));
    BOOST_TEST(contains(field(R"("dtype":null,"shape":[4],"data_offsets":[0,4])"), "text under \"dtype\", found null"));
    BOOST_TEST(contains(field(R"("dtype":["U8"],"shape":[4],"data_offsets":[0,4])"), "found an array"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":4,"data_offsets":[0,4])"), "an array under \"shape\", found 4"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":"[4]","data_offsets":[0,4])"), "an array under \"shape\", found the text"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[-4],"data_offsets":[0,4])"), "whole numbers of at least 0, found -4"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[4.0],"data_offsets":[0,4])"), "found 4.0"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":["4"],"data_offsets":[0,4])"), "found the text \"4\""));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[true],"data_offsets":[0,4])"), "found true"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[9007199254740993],"data_offsets":[0,4])"), "an integer up to 2^53"));
    BOOST_TEST(
        contains(field(R"("dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,4])"), "found 18446744073709551616"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[4e0],"data_offsets":[0,4])"), "found 4e0"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[1e999],"data_offsets":[0,4])"), "a header in JSON"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[4],"data_offsets":[0])"), "two data_offsets, found 1"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[4],"data_offsets":[0,4,4])"), "a third one"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[4],"data_offsets":[])"), "two data_offsets, found 0"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[4],"data_offsets":[-1,3])"), "offsets that are whole numbers"));
    BOOST_TEST(contains(field(R"("dtype":"U8","shape":[4],"data_offsets":{})"), "found an object"));
    BOOST_TEST(contains(refused(file_of(R"({"a":["U8",[4],[0,4]]})", "1234")), "an object under \"a\", found an array"));
    BOOST_TEST(contains(refused(file_of(R"({"a":1})")), "an object under \"a\", found 1"));
    BOOST_TEST(contains(refused(file_of('{' + good + ',' + good + '}', "1234")), "without hole or overlap"));
    std::string const nothing = entry("a", "U8", "[0]", "[0,0]");
    BOOST_TEST(contains(refused(file_of('{' + nothing + ',' + nothing + '}')), "each tensor once, found \"a\" twice"));
}

BOOST_AUTO_TEST_CASE(refuses_wrong_metadata) {
    BOOST_TEST(contains(refused(file_of(R"({"__metadata__":{"a":1}})")), "text under \"a\" of __metadata__, found 1"));
    BOOST_TEST(contains(refused(file_of(R"({"__metadata__":{"a":{}}})")), "found an object"));
    BOOST_TEST(contains(refused(file_of(R"({"__metadata__":{"a":null}})")), "found null"));
    BOOST_TEST(contains(refused(file_of(R"({"__metadata__":null})")), "an object under \"__metadata__\", found null"));
    BOOST_TEST(contains(refused(file_of(R"({"__metadata__":"x"})")), "an object under \"__metadata__\""));
    BOOST_TEST(contains(refused(file_of(R"({"__metadata__":{"a":"1","a":"1"}})")), "each metadata key once"));
    BOOST_TEST(contains(refused(file_of(R"({"__metadata__":{},"__metadata__":{}})")), "one __metadata__, found two"));
}

BOOST_AUTO_TEST_CASE(refuses_data_that_does_not_fit) {
    auto const tensors = [](std::string const& list, std::string_view data) { return refused(file_of('{' + list + '}', data)); };
    BOOST_TEST(contains(tensors(good, "12345"), "a file that ends with its last tensor, after 4 bytes of data, found 5"));
    BOOST_TEST(contains(tensors(good, "123"), "3 bytes of data, found data_offsets [0, 4] in tensor \"a\""));
    BOOST_TEST(contains(tensors("", "1"), "after 0 bytes of data, found 1"));
    // hole
    BOOST_TEST(contains(tensors(good + ',' + entry("b", "U8", "[4]", "[5,9]"), "123456789"), "starts at byte 4"));
    // overlap
    BOOST_TEST(contains(tensors(good + ',' + entry("b", "U8", "[4]", "[3,7]"), "1234567"), "starts at byte 4"));
    BOOST_TEST(contains(tensors(entry("b", "U8", "[4]", "[1,5]"), "12345"), "starts at byte 0"));
    BOOST_TEST(contains(tensors(entry("b", "U8", "[4]", "[4,0]"), "1234"), "ascending order, found [4, 0]"));
    BOOST_TEST(contains(tensors(entry("b", "U8", "[3]", "[0,4]"), "1234"), "3 bytes for U8 [3], found 4"));
    BOOST_TEST(contains(tensors(entry("b", "F32", "[]", "[0,2]"), "12"), "4 bytes for F32 [], found 2"));
    BOOST_TEST(contains(tensors(entry("b", "F4", "[3]", "[0,1]"), "1"), "fills whole bytes"));
    BOOST_TEST(contains(tensors(entry("b", "F32", "[1099511627776,1099511627776]", "[0,0]"), ""), "does not overflow"));
    BOOST_TEST(contains(tensors(entry("b", "F32", "[0,1099511627776,1099511627776]", "[0,0]"), ""), "does not overflow"));
    // 2^64 = 0
    BOOST_TEST(contains(tensors(entry("b", "U8", "[4294967296,4294967296]", "[0,0]"), ""), "does not overflow"));
    BOOST_TEST(contains(tensors(entry("b", "U8", "[9007199254740992]", "[0,9007199254740992]"), "x"), "1 bytes of data"));
}

BOOST_AUTO_TEST_CASE(bombs_stay_small) {
    std::string deep = "{\"a\":";
    deep.append(2'000'000, '[');
    BOOST_TEST(contains(refused(file_of(deep)), "an object under \"a\", found an array"));
    std::string shape = "[1";
    for (int i = 0; i < 1'000'000; ++i) { shape += ",1"; }
    BOOST_TEST(contains(refused(file_of('{' + entry("a", "U8", shape + ']', "[0,1]") + '}', "x")), "at most 64 dimensions"));
    std::string const name(3'000'000, 'n');
    BOOST_TEST(refused(file_of('{' + entry(name, "U8", "[2]", "[0,1]") + '}', "x")).size() < 400U);
    BOOST_TEST(refused(file_of("{\"a\":{\"" + name + "\":1}}")).size() < 400U);
}

/// Whatever happens to a file, the reader either refuses it with an InputError or gives spans inside it that tile its data.
BOOST_AUTO_TEST_CASE(survives_ten_thousand_mutations) {
    std::string const valid = file_of(R"({"__metadata__":{"format":"pt"},)" + entry("w", "F32", "[2,3]", "[8,32]") + ',' +
                                          entry("i", "I64", "[1]", "[0,8]") + ',' + entry("s", "BF16", "[]", "[32,34]") + "}   ",
                                      std::string(34, 'd'));
    static constexpr std::string_view alphabet = "{}[]\",:0123456789-+.eE\\ \x7f\xff";
    std::size_t accepted = 0;
    for (std::uint64_t round = 0; round < 10'000; ++round) {
        bmae::Draw draw(bmae::DrawKey{.seed = 7, .example = round});
        std::string file = valid;
        for (std::uint64_t edits = 1 + draw.below(3); edits > 0; --edits) {
            std::size_t const at = draw.below(file.size());
            switch (draw.below(7)) {
                case 0:
                    file[at] = static_cast<char>(draw.below(256));
                    break;
                case 1:
                    file[at] = static_cast<char>(file[at] ^ (1 << draw.below(8)));
                    break;
                case 2:
                    file[at] = alphabet[draw.below(alphabet.size())];
                    break;
                case 3:
                    file.insert(at, 1, alphabet[draw.below(alphabet.size())]);
                    break;
                case 4:
                    file.erase(at, 1 + draw.below(4));
                    break;
                case 5:
                    file.resize(at);
                    break;
                default:
                    file.insert(at, file.substr(draw.below(file.size()), draw.below(40)));
                    break;
            }
            if (file.empty()) { break; }
        }
        std::string const exact(file.data(), file.size());
        try {
            auto const read = parse(exact);
            ++accepted;
            auto const whole = std::as_bytes(std::span(exact));
            std::byte const* next = nullptr;
            for (auto const& tensor : read.entries()) {
                BOOST_REQUIRE(tensor.bytes.data() >= whole.data() &&
                              tensor.bytes.data() + tensor.bytes.size() <= whole.data() + whole.size());
                BOOST_REQUIRE((next == nullptr || tensor.bytes.data() == next));
                next = tensor.bytes.data() + tensor.bytes.size();
                BOOST_REQUIRE(bmae::dense_bytes(tensor.type, tensor.shape).value() == tensor.bytes.size());
                BOOST_REQUIRE(read.find(tensor.name) == &tensor);
            }
            BOOST_REQUIRE((next == nullptr || next == whole.data() + whole.size()));
        } catch (bmae::InputError const&) {   // refused: fine
        }
    }
    BOOST_TEST(accepted > 100U);   // edits of the numbers, of names and of spaces leave a valid file
    BOOST_TEST(accepted < 6'000U);
    BOOST_TEST_MESSAGE("10000 mutations, " << accepted << " of them valid files, no crash");
}

BOOST_AUTO_TEST_CASE(opens_a_real_file) {
    auto const data = io_test::data_folder();
    if (data.empty()) {
        BOOST_TEST_MESSAGE("skipped: no data folder (BMAE_DATA)");
        return;
    }
    auto const file = bmae::SafetensorsFile::open(data / "safetensors_fixtures" / "jfk-codes.safetensors");
    BOOST_REQUIRE(file.entries().size() == 1U);
    auto const& codes = file.at("codes");
    BOOST_TEST((codes.type == bmae::ElementType::i64));
    BOOST_TEST((codes.shape == std::vector<std::int64_t>{1, 2, 828}));
    std::vector<std::int64_t> numbers(1656);
    BOOST_REQUIRE(codes.bytes.size() == numbers.size() * 8);
    std::memcpy(numbers.data(), codes.bytes.data(), codes.bytes.size());
    BOOST_TEST(*std::min_element(numbers.begin(), numbers.end()) >= 0);
    BOOST_TEST(*std::max_element(numbers.begin(), numbers.end()) < 1024);   // a codebook of 1024
}

BOOST_AUTO_TEST_CASE(names_files_that_cannot_be_opened) {
    Scratch const scratch;
    BOOST_TEST(contains(refusal([&] { static_cast<void>(bmae::SafetensorsFile::open(scratch / "none.safetensors")); }),
                        "none.safetensors"));
    BOOST_TEST(contains(refusal([&] { static_cast<void>(bmae::SafetensorsFile::open(scratch.path())); }), "a folder"));
    std::ofstream(scratch / "empty") << "";
    BOOST_TEST(contains(refusal([&] { static_cast<void>(bmae::SafetensorsFile::open(scratch / "empty")); }), "found 0 bytes"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(safetensors_writer)

BOOST_AUTO_TEST_CASE(writes_the_documented_bytes) {
    Scratch const scratch;
    std::array<float, 6> const numbers{0, 1, 2, 3, 4, 5};
    bmae::TensorEntry const attn{{"attn0", bmae::ElementType::f32, {1, 1, 2, 3}}, std::as_bytes(std::span(numbers))};
    bmae::write_safetensors(scratch / "x", std::span(&attn, 1));
    std::string expected = file_of(R"({"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       )");
    expected.append(reinterpret_cast<char const*>(numbers.data()), 24);
    BOOST_TEST(slurp(scratch / "x") == expected);
    bmae::write_safetensors(scratch / "none", {});
    BOOST_TEST(slurp(scratch / "none") == file_of("{}      "));
    bmae::write_safetensors(scratch / "meta", {}, {{"framework", "pt"}});
    BOOST_TEST(slurp(scratch / "meta") == file_of(R"({"__metadata__":{"framework":"pt"}}     )"));
}

BOOST_AUTO_TEST_CASE(orders_by_type_then_name_and_reads_back) {
    Scratch const scratch;
    std::vector<std::byte> bytes(64);
    for (std::size_t i = 0; i < bytes.size(); ++i) { bytes[i] = static_cast<std::byte>(i); }
    std::span<std::byte const> const all(bytes);
    std::vector<bmae::TensorEntry> const entries{{{"b", bmae::ElementType::u8, {3}}, all.subspan(0, 3)},
                                                 {{"z", bmae::ElementType::f32, {}}, all.subspan(3, 4)},
                                                 {{"a", bmae::ElementType::f32, {0, 7}}, {}},
                                                 {{"h", bmae::ElementType::bf16, {2}}, all.subspan(9, 4)},
                                                 {{"i", bmae::ElementType::i64, {1, 1}}, all.subspan(13, 8)},
                                                 {{"\"\n\\\xc3\xa9\x01", bmae::ElementType::boolean, {1}}, all.subspan(1, 1)}};
    bmae::write_safetensors(scratch / "x", entries, {{"format", "pt"}, {"k", "\t\"v\""}});
    auto const file = bmae::SafetensorsFile::open(scratch / "x");
    std::vector<std::string> names;
    for (auto const& entry : file.entries()) { names.push_back(entry.name); }
    BOOST_TEST((names == std::vector<std::string>{"i", "a", "z", "h", "b", "\"\n\\\xc3\xa9\x01"}));
    for (auto const& entry : entries) {
        auto const& back = file.at(entry.name);
        BOOST_TEST((static_cast<bmae::TensorInfo const&>(back) == entry));
        BOOST_TEST(std::equal(back.bytes.begin(), back.bytes.end(), entry.bytes.begin(), entry.bytes.end()));
        // aligned in the map
        BOOST_TEST(reinterpret_cast<std::uintptr_t>(back.bytes.data()) % (bmae::bits_of(back.type) / 8) == 0U);
    }
    BOOST_TEST(file.metadata().at("k") == "\t\"v\"");
}

BOOST_AUTO_TEST_CASE(streams_in_pieces) {
    Scratch const scratch;
    bmae::SafetensorsWriter writer(scratch / "x",
                                   {{"small", bmae::ElementType::u8, {2}}, {"big", bmae::ElementType::f32, {1000, 1000}}});
    BOOST_TEST(writer.order()[0].name == "big");
    std::vector<float> row(1000);
    for (int i = 0; i < 1000; ++i) {
        std::iota(row.begin(), row.end(), static_cast<float>(i));
        writer.append(std::as_bytes(std::span(row)));
    }
    std::array<std::byte, 3> const tail{std::byte{1}, std::byte{2}, std::byte{3}};
    BOOST_TEST(contains(refusal([&] { writer.append(tail); }), "at most 2 further bytes"));
    writer.append(std::span(tail).first(1));
    BOOST_TEST(contains(refusal([&] { writer.commit(); }), "found 1 missing"));
    BOOST_TEST(!std::filesystem::exists(scratch / "x"));
    writer.append(std::span(tail).subspan(1, 1));
    writer.commit();
    auto const file = bmae::SafetensorsFile::open(scratch / "x");
    float last = 0;
    std::memcpy(&last, file.at("big").bytes.data() + 4 * 999'999, 4);
    BOOST_TEST(last == 1998.0F);
}

BOOST_AUTO_TEST_CASE(an_open_map_survives_the_replacement_of_its_file) {
    Scratch const scratch;
    std::vector<std::byte> const before(100'000, std::byte{1});
    std::vector<std::byte> const after(10, std::byte{2});
    bmae::TensorEntry entry{{"t", bmae::ElementType::u8, {100'000}}, before};
    bmae::write_safetensors(scratch / "x", std::span(&entry, 1));
    auto const file = bmae::SafetensorsFile::open(scratch / "x");
    entry = {{"t", bmae::ElementType::u8, {10}}, after};
    BOOST_TEST(
        contains(refusal([&] { bmae::write_safetensors(scratch / "x", std::span(&entry, 1)); }), "Nothing is overwritten"));
    bmae::write_safetensors(scratch / "x", std::span(&entry, 1), {}, bmae::Existing::replace);
    BOOST_TEST(std::to_integer<int>(file.at("t").bytes.back()) == 1);
    BOOST_TEST(bmae::SafetensorsFile::open(scratch / "x").at("t").bytes.size() == 10U);
}

BOOST_AUTO_TEST_CASE(refuses_what_cannot_be_stored) {
    Scratch const scratch;
    std::array<std::byte, 4> const bytes{};
    auto const write = [&](std::vector<bmae::TensorEntry> const& entries, bmae::FileMetadata const& metadata = {}) {
        std::string const message = refusal([&] { bmae::write_safetensors(scratch / "x", entries, metadata); });
        BOOST_TEST(std::filesystem::is_empty(scratch.path()));
        return message;
    };
    bmae::TensorEntry const a{{"a", bmae::ElementType::u8, {4}}, bytes};
    bmae::TensorEntry const other_type{{"a", bmae::ElementType::f32, {1}}, bytes};
    BOOST_TEST(contains(write({a, a}), "\"a\" twice"));
    BOOST_TEST(contains(write({a, other_type}), "\"a\" twice"));
    BOOST_TEST(contains(write({{{"a", bmae::ElementType::u8, {5}}, bytes}}), "bytes for U8 [5], found 4"));
    BOOST_TEST(contains(write({{{"a", bmae::ElementType::u8, {-4}}, bytes}}), "[-4]"));
    BOOST_TEST(contains(write({{{"__metadata__", bmae::ElementType::u8, {4}}, bytes}}), "other than __metadata__"));
    BOOST_TEST(contains(write({{{"\xff", bmae::ElementType::u8, {4}}, bytes}}), "UTF-8"));
    BOOST_TEST(contains(write({a}, {{"k", "\xc3"}}), "UTF-8"));
    BOOST_TEST(contains(write({{{"a", bmae::ElementType::u8, std::vector<std::int64_t>(65, 1)}, std::span(bytes).first(1)}}),
                        "64 dimensions"));
    BOOST_TEST(contains(refusal<bmae::InputError>([&] { bmae::write_safetensors(scratch / "no" / "x", std::span(&a, 1)); }),
                        "trying to create"));
}

/// A limit on the size of files stands for a full disk: write(2) fails half way.
BOOST_AUTO_TEST_CASE(a_failed_write_leaves_nothing) {
    Scratch const scratch;
    std::vector<std::byte> const bytes(3'000'000);
    bmae::TensorEntry const entry{{"t", bmae::ElementType::u8, {3'000'000}}, bytes};
    rlimit old{};
    BOOST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit const small{1'000'000, old.rlim_max};
    BOOST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    std::string const message = refusal<bmae::InputError>([&] { bmae::write_safetensors(scratch / "x", std::span(&entry, 1)); });
    BOOST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
    std::signal(SIGXFSZ, handler);
    BOOST_TEST(contains(message, "trying to write"));
    BOOST_TEST(std::filesystem::is_empty(scratch.path()));
}

/// The format's own library reads what is written here and writes the same bytes; it accepts all that the reader accepts.
BOOST_AUTO_TEST_CASE(python_writes_the_same_bytes) {
    Scratch const scratch;
    std::vector<std::byte> const bytes(24, std::byte{1});
    std::vector<bmae::TensorEntry> entries;
    for (auto const& [name, bits] : bmae::detail::element_types) {
        if (bits < 8 || name.starts_with("F8") || name == "BF16") { continue; }   // NumPy lacks them
        auto const type = bmae::element_type(name).value();
        entries.push_back({{std::string(name) + "/\xc3\xa9\"", type, {3, 1}}, std::span(bytes).first(3 * bits / 8)});
        entries.push_back({{"scalar " + std::string(name), type, {}}, std::span(bytes).first(bits / 8)});
        entries.push_back({{"empty " + std::string(name), type, {0, 2}}, {}});
    }
    bmae::write_safetensors(scratch / "cpp_0", entries, {{"format", "pt"}});
    bmae::write_safetensors(scratch / "cpp_1", std::span(entries).first(1));
    bmae::write_safetensors(scratch / "cpp_2", {});
    if (!io_test::python_agrees("safetensors_parity.py", scratch.path())) { return; }
    auto const file = bmae::SafetensorsFile::open(scratch / "py_0");
    BOOST_TEST(file.at("ramp").bytes.size() == 40U);
    std::array<double, 5> ramp{};
    std::memcpy(ramp.data(), file.at("ramp").bytes.data(), 40);
    BOOST_TEST(ramp[4] == 4.0);
    BOOST_TEST((file.at("bf16").type == bmae::ElementType::bf16));
}

BOOST_AUTO_TEST_SUITE_END()
