// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/io/pickle.hpp>
#include <bmae/io/tensor_folder.hpp>
#include <bmae/io/torch_file.hpp>
#include <bmae/io/torch_file_writer.hpp>
#include <bmae/io/torch_tensors.hpp>
#include <bmae/io/weight_files.hpp>
#include <bmae/io/zip_archive.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/rand.h>
#include <boost/test/unit_test.hpp>

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(torch_file)

namespace {

using io_test::contains;
using io_test::refusal;
using io_test::Scratch;
using namespace std::string_literals;

std::span<std::byte const> bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

std::string number(std::uint64_t value, std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i, value >>= 8) { text += static_cast<char>(value & 0xff); }
    return text;
}

struct Entry {
    std::string name = {};
    std::string bytes = {};
    unsigned method = 0;
    std::uint64_t shift = 0;   // of the header in the directory
};

/// A zip archive without checksums.
std::string archive_of(std::vector<Entry> const& entries) {
    std::string file;
    std::string directory;
    for (Entry const& entry : entries) {
        std::string const common = number(20, 2) + number(0, 2) + number(entry.method, 2) + number(0, 8) +
                                   number(entry.bytes.size(), 4) + number(entry.bytes.size(), 4) + number(entry.name.size(), 2);
        directory +=
            number(0x02014b50, 4) + number(20, 2) + common + number(0, 12) + number(file.size() - entry.shift, 4) + entry.name;
        file += number(0x04034b50, 4) + common + number(0, 2) + entry.name + entry.bytes;
    }
    std::size_t const begin = file.size();
    return file + directory + number(0x06054b50, 4) + number(0, 4) + number(entries.size(), 2) + number(entries.size(), 2) +
           number(directory.size(), 4) + number(begin, 4) + number(0, 2);
}

std::string text(std::string_view value) { return 'X' + number(value.size(), 4) + std::string(value); }

std::string storage(std::string_view key, unsigned elements, std::string_view type = "FloatStorage") {
    return '(' + text("storage") + "ctorch\n" + std::string(type) + '\n' + text(key) + text("cpu") + "J" + number(elements, 4) +
           "tQ";
}

/// A call that makes a tensor; `shape` and `strides` are programs of tuples.
std::string tensor(std::string const& storage, std::string const& shape, std::string const& strides, unsigned offset = 0) {
    return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + 'J' + number(offset, 4) + shape + strides +
           "\x89"
           "ccollections\nOrderedDict\n)RtR";
}

std::string tuple(std::vector<unsigned> const& numbers) {
    std::string program = "(";
    for (unsigned const value : numbers) { program += 'J' + number(value, 4); }
    return program + 't';
}

std::string const six_floats(24, '\0');

/// A file with that pickle and the storage "0" of 24 bytes.
std::string file_of(std::string const& program, std::string const& numbers = six_floats) {
    return archive_of({{"m/data.pkl", "\x80\x02" + program + '.'}, {"m/data/0", numbers}, {"m/version", "3\n"}});
}

bmae::TorchFile parse(std::string const& file) { return bmae::TorchFile::from_bytes(bytes_of(file), "x.bin"); }

std::string refused(std::string const& file) {
    std::string const message = refusal([&] { static_cast<void>(parse(file)); });
    BOOST_TEST(message.starts_with("x.bin: expected "), message);
    return message;
}

std::string refused_program(std::string const& program) { return refused(file_of(program)); }

std::string const good = tensor(storage("0", 6), tuple({2, 3}), tuple({3, 1}));

std::string dictionary(std::string const& pairs) { return "}(" + pairs + 'u'; }

}  // namespace

BOOST_AUTO_TEST_CASE(reads_a_dictionary_wherever_it_is) {
    std::string const inner = dictionary(text("a") + good);
    for (std::string const& program :
         {inner, dictionary(text("state_dict") + inner + text("epoch") + "K\x03"s), dictionary(text("model") + inner),
          dictionary(text("module") + dictionary(text("state_dict") + inner)), dictionary(text("module.a") + good)}) {
        std::string const bytes = file_of(program);
        auto const file = parse(bytes);
        BOOST_REQUIRE(file.entries().size() == 1U);
        BOOST_TEST(file.entries()[0].name == "a");
        BOOST_TEST((file.entries()[0].shape == std::vector<std::int64_t>{2, 3}));
        BOOST_TEST((file.entries()[0].type == bmae::ElementType::f32));
    }
    auto const checkpoint = file_of(dictionary(text("state_dict") + inner + text("epoch") + "K\x03"s));
    BOOST_TEST((parse(checkpoint).left_aside() == std::vector<std::string>{"epoch"}));
    auto const two = refused_program(dictionary(text("model") + inner + text("state_dict") + inner));
    BOOST_TEST(contains(two, "one dictionary of tensors, found \"model\" and \"state_dict\""));
    BOOST_TEST(contains(refused_program(dictionary(text("a") + good + text("b") + "K\x03"s)),
                        "a tensor under \"b\", found the number 3"));
    BOOST_TEST(contains(refused_program(dictionary(text("a") + good + text("a") + good)), "each tensor once, found \"a\" twice"));
    BOOST_TEST(contains(refused_program("K\x03"s), "a dictionary of tensors, found the number 3"));
    std::string const itself = "}q\x01" + text("model") + "h\x01s";
    BOOST_TEST(contains(refused_program(itself), "at most 4 levels deep"));
}

BOOST_AUTO_TEST_CASE(runs_nothing) {
    for (auto const& [program, found] : std::vector<std::pair<std::string, std::string>>{
             {"cos\nsystem\n(" + text("true") + "tR", "the name \"os.system\""},
             {text("builtins") + text("eval") + '\x93', "the name \"builtins.eval\""},
             {"ctorch._utils\n_rebuild_tensor_v3\n", "the name \"torch._utils._rebuild_tensor_v3\""},
             {"(ios\nsystem\n", "the opcode INST"},
             {"(" + good + "o", "the opcode OBJ"},
             {"ccollections\nOrderedDict\n)\x81", "the opcode NEWOBJ"},
             {"\x82\x01", "the opcode EXT1"},
             {"Pname\n", "the opcode PERSID"},
             {"ctorch\nFloatStorage\n)R", "a call of the name torch.FloatStorage"},
             {good + ")R", "a call of a tensor"},
             {"ccollections\nOrderedDict\n(" + text("a") + "tR", "a tuple of 1"},
             {"ccollections\nOrderedDict\n)R}" + text("x") + "Nsb", "a dictionary for a dictionary"},
             {good + "}b", "a dictionary for a tensor"}}) {
        std::string const message = refused_program(program);
        BOOST_TEST(contains(message, found), message);
        BOOST_TEST(contains(message, "at byte "), message);
    }
    BOOST_TEST(contains(refused_program("cos\nsystem\n"), "at byte 42. Nothing of it was run."));
    // What torch.nn.Module.state_dict() adds is read over.
    BOOST_TEST(
        parse(file_of("ccollections\nOrderedDict\n)R(" + text("a") + good + "u}" + text("_metadata") + "}sb")).entries().size() ==
        1U);
}

BOOST_AUTO_TEST_CASE(refuses_tensors_outside_of_their_storage) {
    auto const one = [](std::string const& made) { return refused_program(dictionary(text("a") + made)); };
    std::string const six = storage("0", 6);
    BOOST_TEST(
        contains(one(tensor(six, tuple({2, 3}), tuple({3, 2}))), "inside its storage \"0\" of 6 elements, found [2, 3] with"));
    BOOST_TEST(contains(one(tensor(six, tuple({2, 3}), tuple({3, 1}), 1)), "from element 1"));
    BOOST_TEST(contains(one(tensor(six, tuple({7}), tuple({0}))), "no more elements than its storage has"));
    BOOST_TEST(contains(one(tensor(six, tuple({1u << 31}), tuple({1}))), "a shape of at most 8 whole numbers"));
    BOOST_TEST(contains(one(tensor(six, tuple({0x7fffffff, 0x7fffffff, 0x7fffffff}), tuple({0, 0, 0}))), "inside its storage"));
    BOOST_TEST(contains(one(tensor(six, tuple({2, 3}), tuple({3}))), "as many strides as dimensions"));
    BOOST_TEST(contains(one(tensor(storage("0", 5), tuple({5}), tuple({1}))), "20 bytes of the storage \"0\""));
    BOOST_TEST(contains(one(tensor(storage("0", 6, "HalfStorage"), tuple({6}), tuple({1}))), "12 bytes of the storage"));
    BOOST_TEST(contains(one(tensor(storage("1", 6), tuple({6}), tuple({1}))), "the storage \"1\", found none of that name"));
    BOOST_TEST(contains(one(tensor(storage("0", 0xffffffff), tuple({6}), tuple({1}))), "found -1 elements"));
    std::string const both = text("a") + good + text("b") + tensor(storage("0", 3), tuple({3}), tuple({1}));
    BOOST_TEST(contains(refused_program(dictionary(both)), "one type and size of the storage"));
}

BOOST_AUTO_TEST_CASE(refuses_bombs_and_truncated_programs) {
    std::string const sound = "\x80\x02" + dictionary(text("a") + good) + '.';
    for (std::size_t size = 0; size < sound.size(); ++size) {
        std::string const message = refused(archive_of({{"m/data.pkl", sound.substr(0, size)}, {"m/data/0", six_floats}}));
        BOOST_TEST_REQUIRE(contains(message, "at byte "), message);
    }
    BOOST_TEST(contains(refused_program(std::string(300'000, ')')), "at most 262144 values"));
    BOOST_TEST(contains(refused_program(std::string(2'200'000, '(')), "at most 2097152 steps"));
    std::string doubled = ")";
    for (int i = 0; i < 100; ++i) { doubled += "q\x01h\x01\x86"; }   // 2^100 leaves, 100 tuples
    BOOST_TEST(contains(refused_program(doubled), "a dictionary of tensors, found a tuple of 2"));
    BOOST_TEST(contains(refused_program("h\x07"), "a value that was remembered as 7"));
    BOOST_TEST(contains(refused_program("X" + number(0xffffffff, 4)), "a complete pickle"));
    BOOST_TEST(contains(refused_program("NN"), "one value at the end"));
    BOOST_TEST(contains(refused_program("Nu"), "a mark on the stack"));
}

BOOST_AUTO_TEST_CASE(checks_the_archive) {
    std::string const pickle = "\x80\x02" + dictionary(text("a") + good) + '.';
    auto const with = [&](Entry entry) {
        return archive_of({{"m/data.pkl", pickle}, {"m/data/0", six_floats}, std::move(entry)});
    };
    BOOST_TEST(contains(refused(with({"m/x", "abc", 8})),
                        "stored entries, as PyTorch writes them, found \"m/x\" compressed by method 8"));
    BOOST_TEST(contains(refused(with({"m/data/0", "abc"})), "each entry once"));
    BOOST_TEST(contains(refused(with({"m/x", "abc", 0, 1})), "the header of \"m/x\""));
    BOOST_TEST(contains(refused(with({"n/data.pkl", pickle})), "one data.pkl in the archive"));
    BOOST_TEST(contains(refused(with({"m/byteorder", "big"})), "the byte order \"big\""));
    BOOST_TEST(contains(refused(with({"m/constants.pkl", ""})), "TorchScript"));
    BOOST_TEST(contains(refused(archive_of({{"data.txt", "x"}})), "data.pkl in a folder"));
    std::string const sound = file_of(dictionary(text("a") + good));
    for (std::size_t size = 2; size < sound.size(); ++size) { static_cast<void>(refused(sound.substr(0, size))); }
    BOOST_TEST(contains(refused("PK"), "a zip archive with a directory at its end"));
    BOOST_TEST(contains(refused(""), "found an empty file"));
    BOOST_TEST(contains(refused("{}"), "found another format"));
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
    Scratch const scratch;
    bmae::NamedTensors tensors{{"a.weight", at::rand({3, 5})},
                               {"b", at::arange(7)},
                               {"c", at::rand({2, 2, 2}).to(at::kBFloat16)},
                               {"d", at::rand({4}).to(at::kHalf)},
                               {"e", at::rand({}, at::kDouble)},
                               {"f", at::rand({0, 3})},
                               {"g", at::rand({5}).gt(0.5)}};
    bmae::save_torch_tensors(scratch / "model.pt", tensors);
    for (auto const loading : {bmae::Loading::copy, bmae::Loading::mapped}) {
        auto const read = bmae::load_torch_tensors(scratch / "model.pt", loading);
        BOOST_REQUIRE(read.size() == tensors.size());
        for (auto const& [name, tensor] : tensors) {
            BOOST_TEST(read.at(name).equal(tensor), name);
            BOOST_TEST((read.at(name).scalar_type() == tensor.scalar_type()));
        }
    }
    BOOST_CHECK_THROW(bmae::save_torch_tensors(scratch / "model.pt", tensors), bmae::InputError);   // nothing is overwritten
    BOOST_TEST(
        contains(refusal([&] { bmae::save_torch_tensors(scratch / "x.pt", {{"a", at::rand({2}).to(at::kComplexFloat)}}); }),
                 "a type of torch.save's storages, found C64"));
    std::string damaged = bmae::detail::read_file(scratch / "model.pt");
    damaged[damaged.find("data/0") + 70] ^= 1;
    BOOST_TEST(contains(refused(damaged), "bytes that match their checksum"));
}

BOOST_AUTO_TEST_CASE(a_writer_takes_what_it_announced) {
    Scratch const scratch;
    bmae::TorchFileWriter writer(scratch / "x.pt", {{"a", bmae::ElementType::f32, {2}}});
    BOOST_TEST(contains(refusal([&] { writer.append({}); }), "the bytes of \"a\", found 0 bytes"));
    BOOST_TEST(contains(refusal([&] { writer.commit(); }), "found 1 missing"));
    BOOST_TEST(
        contains(refusal([&] { bmae::TorchFileWriter(scratch / "y.pt", {{"a", bmae::ElementType::u8, {5'000'000'000}}}); }),
                 "less than 4 GiB"));
}

BOOST_AUTO_TEST_CASE(tensors_share_a_storage) {
    std::string const view = tensor(storage("0", 6), tuple({3, 2}), tuple({1, 3}));
    std::string const bytes = file_of(dictionary(text("a") + good + text("b") + view));
    auto const tensors = bmae::to_tensors(parse(bytes));
    BOOST_TEST(tensors.at("a").const_data_ptr() == tensors.at("b").const_data_ptr());
    BOOST_TEST(tensors.at("b").equal(tensors.at("a").t()));
    std::string const flags = file_of(dictionary(text("a") + tensor(storage("0", 24, "BoolStorage"), tuple({24}), tuple({1}))),
                                      std::string(23, '\0') + '\x02');
    BOOST_TEST(contains(refusal([&] { static_cast<void>(bmae::to_tensors(parse(flags))); }), "booleans 0 and 1"));
}

BOOST_AUTO_TEST_CASE(reads_the_form_before_1_6) {
    std::string const head = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s + "\x80\x02M\xe9\x03."s;
    std::string const system = "\x80\x02" + dictionary(text("little_endian") + '\x88') + '.';
    std::string const object = "\x80\x02" + dictionary(text("a") + good) + '.';
    std::string const keys = "\x80\x02](" + text("0") + "e.";
    std::string const sound = head + system + object + keys + number(6, 8) + six_floats;
    BOOST_TEST(parse(sound).entries().size() == 1U);
    for (std::size_t size = 15; size < sound.size(); ++size) { static_cast<void>(refused(sound.substr(0, size))); }
    BOOST_TEST(contains(refused(sound + 'x'), "the end of the file after the last storage"));
    BOOST_TEST(contains(refused(head + system + object + keys + number(5, 8) + six_floats), "6 elements of the storage"));
    std::string const big = "\x80\x02" + dictionary(text("little_endian") + '\x89') + '.';
    BOOST_TEST(contains(refused(head + big + object + keys + number(6, 8) + six_floats), "little-endian"));
}

BOOST_AUTO_TEST_CASE(finds_the_weights_of_a_folder) {
    Scratch const scratch;
    auto const find = [&] { return bmae::find_weights(scratch.path()); };
    BOOST_TEST(contains(refusal([&] { static_cast<void>(find()); }), "model.safetensors or pytorch_model.bin, found no weights"));
    bmae::NamedTensors const first{{"a", at::rand({2})}};
    bmae::NamedTensors const second{{"b", at::rand({3})}};
    bmae::save_torch_tensors(scratch / "pytorch_model-1.bin", first);
    bmae::save_torch_tensors(scratch / "pytorch_model-2.bin", second);
    auto const index = [&](std::string const& map) {
        bmae::detail::write_file(scratch / "pytorch_model.bin.index.json", "{\"weight_map\":{" + map + "}}",
                                 bmae::Existing::replace);
    };
    std::string const map = R"("a":"pytorch_model-1.bin","b":"pytorch_model-2.bin")";
    index(map);
    auto const read = bmae::detail::load_hf_tensors(scratch.path(), bmae::Loading::mapped);
    BOOST_TEST(read.at("a").equal(first.at("a")));
    BOOST_TEST(read.at("b").equal(second.at("b")));
    auto const load = [&] { static_cast<void>(bmae::detail::load_hf_tensors(scratch.path(), bmae::Loading::copy)); };
    index(map + R"(,"c":"pytorch_model-2.bin")");
    BOOST_TEST(contains(refusal(load), "the tensor \"c\" in pytorch_model-2.bin"));
    index(R"("a":"pytorch_model-2.bin")");
    BOOST_TEST(contains(refusal(load), "every tensor of pytorch_model-2.bin in weight_map, found \"b\" missing there"));
    index(R"("a":"../x.bin")");
    BOOST_TEST(contains(refusal(load), "names of files beside the index"));
    index("");
    BOOST_TEST(contains(refusal(load), "names of tensors under \"weight_map\""));
    bmae::save_torch_tensors(scratch / "pytorch_model.bin", second);
    BOOST_TEST(find().file.filename() == "pytorch_model.bin");
    bmae::save_tensors(scratch / "model.safetensors", first);
    BOOST_TEST(!find().pickled);
    BOOST_TEST(bmae::detail::load_hf_tensors(scratch.path(), bmae::Loading::copy).contains("a"));
}

BOOST_AUTO_TEST_SUITE_END()
