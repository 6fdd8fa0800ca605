// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Python pickles of state dictionaries, read as data: nothing is imported, called or run.
///
/// A pickle is a program of a stack machine that may call anything by name. This reader has the opcodes that dictionaries of
/// tensors need and a closed list of names, which it understands itself; every other opcode and name is refused where it stands.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/io/element_type.hpp>
#include <bmae/io/zip_archive.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

enum class PickleKind : std::uint8_t {
    none,
    boolean,
    integer,
    real,
    text,
    bytes,
    tuple,
    list,
    dictionary,
    name,
    storage,
    tensor
};

/// A value of a pickle. Values refer to each other by number, so that a pickle that holds itself is no danger.
struct PickleValue {
    PickleKind kind = PickleKind::none;
    bool ordered = false;                    ///< a dictionary that is a collections.OrderedDict
    std::int64_t number = 0;                 ///< boolean, integer; the number of a name, a storage, a tensor
    std::string_view text = {};              ///< text and bytes, in the file
    std::vector<std::uint32_t> items = {};   ///< of a tuple or list; of a dictionary key, value, key, value ...
};

/// What a name of the closed list stands for.
enum class PickleRole : std::uint8_t { ordered_dictionary, tensor, parameter, storage };

struct PickleName {
    std::string_view module;
    std::string_view name;
    PickleRole role;
    ElementType type = ElementType::f32;   ///< of a storage
};

inline constexpr std::array<PickleName, 14> pickle_names{{{"collections", "OrderedDict", PickleRole::ordered_dictionary},
                                                          {"torch._utils", "_rebuild_tensor", PickleRole::tensor},
                                                          {"torch._utils", "_rebuild_tensor_v2", PickleRole::tensor},
                                                          {"torch._utils", "_rebuild_parameter", PickleRole::parameter},
                                                          {"torch", "DoubleStorage", PickleRole::storage, ElementType::f64},
                                                          {"torch", "FloatStorage", PickleRole::storage, ElementType::f32},
                                                          {"torch", "HalfStorage", PickleRole::storage, ElementType::f16},
                                                          {"torch", "BFloat16Storage", PickleRole::storage, ElementType::bf16},
                                                          {"torch", "LongStorage", PickleRole::storage, ElementType::i64},
                                                          {"torch", "IntStorage", PickleRole::storage, ElementType::i32},
                                                          {"torch", "ShortStorage", PickleRole::storage, ElementType::i16},
                                                          {"torch", "CharStorage", PickleRole::storage, ElementType::i8},
                                                          {"torch", "ByteStorage", PickleRole::storage, ElementType::u8},
                                                          {"torch", "BoolStorage", PickleRole::storage, ElementType::boolean}}};

/// A storage that a pickle refers to; its bytes are elsewhere in the file.
struct PickledStorage {
    std::string_view key = {};
    ElementType type = ElementType::f32;
    std::uint64_t elements = 0;
};

/// A tensor over a storage. All of its elements lie inside, and it has no more of them than the storage.
struct PickledTensor {
    std::size_t storage = 0;
    std::uint64_t offset = 0;   ///< of the first element, in elements
    std::vector<std::int64_t> shape = {};
    std::vector<std::int64_t> strides = {};   ///< in elements
};

inline constexpr std::size_t largest_pickle = std::size_t{64} << 20;   ///< bytes of one pickle, without the storages
inline constexpr std::size_t most_pickle_values = std::size_t{1} << 18;
inline constexpr std::size_t most_pickle_pushes = std::size_t{1} << 21;
inline constexpr std::size_t most_pickled_tensors = std::size_t{1} << 16;
inline constexpr std::size_t largest_pickle_rank = 8;

/// The machine. Its memory is bounded by the limits above, whatever the pickle says.
class PickleReader {
public:
    /// \param bytes  begins with the pickle; may go on behind it
    /// \param file   name of the file in messages
    /// \param start  byte of the file where `bytes` begins, for messages
    PickleReader(std::span<std::byte const> bytes, std::string file, std::uint64_t start)
        : bytes_(bytes.first(std::min(bytes.size(), largest_pickle))), file_(std::move(file)), start_(start) {}

    /// Reads up to the end of the pickle. \returns the number of its value
    /// \throws InputError  an opcode or a name that is not in the list, an argument that does not fit, a truncated pickle
    std::uint32_t read() {
        for (;;) {
            opcode_at_ = position_;
            auto const opcode = static_cast<unsigned char>(take(1));
            if (opcode == '.') { break; }
            step(opcode);
        }
        std::uint32_t const result = pop();
        if (!stack_.empty() || !marks_.empty()) { throw refuse("one value at the end", "more on the stack"); }
        return result;
    }

    [[nodiscard]] PickleValue const& operator[](std::uint32_t value) const { return values_[value]; }
    [[nodiscard]] std::vector<PickledStorage> const& storages() const noexcept { return storages_; }
    [[nodiscard]] std::vector<PickledTensor>& tensors() noexcept { return tensors_; }
    [[nodiscard]] std::size_t position() const noexcept { return position_; }   ///< bytes read

    /// A value in words, for messages.
    [[nodiscard]] std::string describe(std::uint32_t number) const {
        PickleValue const& value = values_[number];
        switch (value.kind) {
            case PickleKind::none:
                return "None";
            case PickleKind::boolean:
                return value.number != 0 ? "True" : "False";
            case PickleKind::integer:
                return "the number " + std::to_string(value.number);
            case PickleKind::real:
                return "a floating-point number";
            case PickleKind::text:
                return "the text " + quoted(value.text);
            case PickleKind::bytes:
                return "bytes";
            case PickleKind::tuple:
                return "a tuple of " + std::to_string(value.items.size());
            case PickleKind::list:
                return "a list";
            case PickleKind::dictionary:
                return "a dictionary";
            case PickleKind::name:
                return "the name " + full_name(pickle_names[static_cast<std::size_t>(value.number)]);
            case PickleKind::storage:
                return "a storage";
            case PickleKind::tensor:
                break;
        }
        return "a tensor";
    }

    [[nodiscard]] static std::string quoted(std::string_view text) {
        std::string shown;
        for (char const c : text.substr(0, 80)) { shown += static_cast<unsigned char>(c) < 0x20 ? '?' : c; }
        return '"' + shown + (text.size() > 80 ? "...\"" : "\"");
    }

private:
    static constexpr std::string_view not_run =
        "Nothing of it was run. Ask its author for safetensors; only if you trust the file, "
        "load it in Python and save its state_dict().";

    [[nodiscard]] static std::string full_name(PickleName const& name) {
        return std::string(name.module) + '.' + std::string(name.name);
    }

    [[nodiscard]] InputError refuse(std::string expected, std::string found,
                                    std::string_view hint = "The file is damaged.") const {
        return InputError(Diagnostic{.file = file_,
                                     .expected = std::move(expected),
                                     .found = std::move(found) + " at byte " + std::to_string(start_ + opcode_at_),
                                     .hint = std::string(hint)});
    }

    // ---- bytes ----
    [[nodiscard]] std::uint64_t take(std::size_t size) {
        require(size);
        std::uint64_t const value = little_endian(bytes_, position_, size);
        position_ += size;
        return value;
    }
    void require(std::uint64_t size) const {
        if (size <= bytes_.size() - position_) { return; }
        if (bytes_.size() == largest_pickle) { throw refuse("a pickle of at most 64 MiB", "a longer one", not_run); }
        throw refuse("a complete pickle", "its end after " + std::to_string(bytes_.size()) + " bytes, inside the opcode");
    }
    [[nodiscard]] std::string_view take_text(std::uint64_t size) {
        require(size);
        std::string_view const text(reinterpret_cast<char const*>(bytes_.data()) + position_, static_cast<std::size_t>(size));
        position_ += static_cast<std::size_t>(size);
        return text;
    }
    /// Up to a line end, which is taken too.
    [[nodiscard]] std::string_view take_line() {
        std::string_view const rest(reinterpret_cast<char const*>(bytes_.data()) + position_, bytes_.size() - position_);
        std::size_t const end = rest.substr(0, 4096).find('\n');
        if (end == rest.npos) { throw refuse("a name of at most 4096 bytes and a line end", "none"); }
        position_ += end + 1;
        return rest.substr(0, end);
    }

    // ---- stack and values ----
    void push(std::uint32_t value) {
        if (++pushes_ > most_pickle_pushes) { throw refuse("at most 2097152 steps", "more", not_run); }
        stack_.push_back(value);
    }
    std::uint32_t make(PickleValue value) {
        if (values_.size() == most_pickle_values) { throw refuse("at most 262144 values", "more", not_run); }
        values_.push_back(std::move(value));
        return static_cast<std::uint32_t>(values_.size() - 1);
    }
    void put(PickleKind kind, std::int64_t number = 0, std::string_view text = {}) {
        push(make({.kind = kind, .number = number, .text = text}));
    }
    [[nodiscard]] std::size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }
    std::uint32_t pop() {
        if (stack_.size() <= bottom()) { throw refuse("a value on the stack", "none"); }
        std::uint32_t const value = stack_.back();
        stack_.pop_back();
        return value;
    }
    [[nodiscard]] std::uint32_t top() const {
        if (stack_.size() <= bottom()) { throw refuse("a value on the stack", "none"); }
        return stack_.back();
    }
    std::vector<std::uint32_t> pop_to_mark() {
        if (marks_.empty()) { throw refuse("a mark on the stack", "none"); }
        auto const begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
        std::vector<std::uint32_t> items(begin, stack_.end());
        stack_.erase(begin, stack_.end());
        marks_.pop_back();
        return items;
    }
    void put_tuple(std::size_t size) {
        std::vector<std::uint32_t> items(size);
        for (std::size_t i = size; i-- > 0;) { items[i] = pop(); }
        push(make({.kind = PickleKind::tuple, .items = std::move(items)}));
    }
    void remember(std::uint64_t place) {
        if (memo_.size() == most_pickle_values) { throw refuse("at most 262144 remembered values", "more", not_run); }
        memo_[place] = top();
    }
    void recall(std::uint64_t place) {
        auto const at = memo_.find(place);
        if (at == memo_.end()) { throw refuse("a value that was remembered as " + std::to_string(place), "none"); }
        push(at->second);
    }
    void extend(std::vector<std::uint32_t> const& items, PickleKind kind) {
        PickleValue& target = values_[top()];
        bool const fits = target.kind == kind && (kind == PickleKind::list || items.size() % 2 == 0);
        if (!fits) {
            throw refuse(kind == PickleKind::list ? "a list to append to" : "a dictionary and pairs", describe(top()), not_run);
        }
        target.items.insert(target.items.end(), items.begin(), items.end());
    }

    // ---- opcodes ----
    void step(unsigned char opcode) {
        if (step_value(opcode) || step_container(opcode) || step_memo(opcode)) { return; }
        switch (opcode) {
            case 'c': {   // GLOBAL
                std::string_view const module = take_line();
                return put_name(module, take_line());
            }
            case 0x93: {   // STACK_GLOBAL
                PickleValue const& name = values_[pop()];
                PickleValue const& module = values_[pop()];
                if (name.kind != PickleKind::text || module.kind != PickleKind::text) {
                    throw refuse("a name in two texts", "others");
                }
                return put_name(module.text, name.text);
            }
            case 'Q':   // BINPERSID
                return put_storage(pop());
            case 'R':   // REDUCE
                return call();
            case 'b':   // BUILD
                return build();
            default:
                throw refuse("the opcodes of a state dictionary", "the opcode " + opcode_name(opcode), not_run);
        }
    }

    bool step_value(unsigned char opcode) {
        switch (opcode) {
            case 'N':
                return put(PickleKind::none), true;
            case 0x88:   // NEWTRUE
            case 0x89:   // NEWFALSE
                return put(PickleKind::boolean, opcode == 0x88), true;
            case 'J':   // BININT
                return put(PickleKind::integer, static_cast<std::int32_t>(take(4))), true;
            case 'K':   // BININT1
                return put(PickleKind::integer, static_cast<std::int64_t>(take(1))), true;
            case 'M':   // BININT2
                return put(PickleKind::integer, static_cast<std::int64_t>(take(2))), true;
            case 0x8a: {   // LONG1: two's complement
                auto const size = static_cast<std::size_t>(take(1));
                if (size > 8) { throw refuse("an integer of at most 8 bytes", std::to_string(size)); }
                std::uint64_t const value = take(size);
                auto const shift = static_cast<unsigned>(64 - 8 * size);
                return put(PickleKind::integer, size == 0 ? 0 : static_cast<std::int64_t>(value << shift) >> shift), true;
            }
            case 'G':   // BINFLOAT: a step count or a loss beside the tensors
                static_cast<void>(take(8));
                return put(PickleKind::real), true;
            case 'X':   // BINUNICODE
            case 'T':   // BINSTRING
                return put(PickleKind::text, 0, take_text(take(4))), true;
            case 0x8c:   // SHORT_BINUNICODE
            case 'U':    // SHORT_BINSTRING
                return put(PickleKind::text, 0, take_text(take(1))), true;
            case 0x8d:   // BINUNICODE8
                return put(PickleKind::text, 0, take_text(take(8))), true;
            case 'B':   // BINBYTES
                return put(PickleKind::bytes, 0, take_text(take(4))), true;
            case 'C':   // SHORT_BINBYTES
                return put(PickleKind::bytes, 0, take_text(take(1))), true;
            default:
                return false;
        }
    }

    bool step_container(unsigned char opcode) {
        switch (opcode) {
            case ')':
                return put(PickleKind::tuple), true;
            case ']':
                return put(PickleKind::list), true;
            case '}':
                return put(PickleKind::dictionary), true;
            case 0x85:   // TUPLE1
            case 0x86:   // TUPLE2
            case 0x87:   // TUPLE3
                return put_tuple(opcode - 0x84U), true;
            case 't':   // TUPLE
                return push(make({.kind = PickleKind::tuple, .items = pop_to_mark()})), true;
            case 'l':   // LIST
                return push(make({.kind = PickleKind::list, .items = pop_to_mark()})), true;
            case 'd': {   // DICT
                auto const items = pop_to_mark();
                put(PickleKind::dictionary);
                return extend(items, PickleKind::dictionary), true;
            }
            case 'a': {   // APPEND
                std::uint32_t const item = pop();
                return extend({item}, PickleKind::list), true;
            }
            case 'e':   // APPENDS
                return extend(pop_to_mark(), PickleKind::list), true;
            case 's': {   // SETITEM
                std::uint32_t const value = pop();
                std::uint32_t const key = pop();
                return extend({key, value}, PickleKind::dictionary), true;
            }
            case 'u':   // SETITEMS
                return extend(pop_to_mark(), PickleKind::dictionary), true;
            default:
                return false;
        }
    }

    bool step_memo(unsigned char opcode) {
        switch (opcode) {
            case 0x80: {   // PROTO
                std::uint64_t const protocol = take(1);
                if (protocol < 2 || protocol > 5) { throw refuse("protocol 2 to 5", std::to_string(protocol)); }
                return true;
            }
            case 0x95: {   // FRAME: its length is a hint for readers of streams
                require(take(8));
                return true;
            }
            case '(':
                if (++pushes_ > most_pickle_pushes) { throw refuse("at most 2097152 steps", "more", not_run); }
                return marks_.push_back(stack_.size()), true;
            case '0':   // POP
                return static_cast<void>(pop()), true;
            case 'q':   // BINPUT
                return remember(take(1)), true;
            case 'r':   // LONG_BINPUT
                return remember(take(4)), true;
            case 0x94:   // MEMOIZE
                return remember(memo_.size()), true;
            case 'h':   // BINGET
                return recall(take(1)), true;
            case 'j':   // LONG_BINGET
                return recall(take(4)), true;
            default:
                return false;
        }
    }

    [[nodiscard]] static std::string opcode_name(unsigned char opcode) {
        static constexpr std::array<std::pair<unsigned char, std::string_view>, 24> known{
            {{'i', "INST"},       {'o', "OBJ"},         {0x81, "NEWOBJ"},      {0x92, "NEWOBJ_EX"}, {0x82, "EXT1"},
             {0x83, "EXT2"},      {0x84, "EXT4"},       {'P', "PERSID"},       {'I', "INT"},        {'L', "LONG"},
             {0x8b, "LONG4"},     {'F', "FLOAT"},       {'S', "STRING"},       {'V', "UNICODE"},    {'p', "PUT"},
             {'g', "GET"},        {'2', "DUP"},         {'1', "POP_MARK"},     {0x8f, "EMPTY_SET"}, {0x90, "ADDITEMS"},
             {0x91, "FROZENSET"}, {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"}, {0x8e, "BINBYTES8"}}};
        for (auto const& [code, name] : known) {
            if (code == opcode) { return std::string(name); }
        }
        char number[8];
        std::snprintf(number, sizeof number, "0x%02x", static_cast<unsigned>(opcode));
        return number;
    }

    // ---- names and calls ----
    void put_name(std::string_view module, std::string_view name) {
        for (std::size_t i = 0; i < pickle_names.size(); ++i) {
            if (pickle_names[i].module == module && pickle_names[i].name == name) {
                return put(PickleKind::name, static_cast<std::int64_t>(i));
            }
        }
        throw refuse("only names that tensors need (collections.OrderedDict, torch._utils._rebuild_tensor_v2, storages)",
                     "the name " + quoted(std::string(module.substr(0, 60)) + '.' + std::string(name.substr(0, 60))), not_run);
    }

    [[nodiscard]] PickleName const* name_of(std::uint32_t value) const {
        bool const is_name = values_[value].kind == PickleKind::name;
        return is_name ? &pickle_names[static_cast<std::size_t>(values_[value].number)] : nullptr;
    }

    /// ("storage", type, key, location, elements), and in old files a view, which must be none.
    void put_storage(std::uint32_t id) {
        std::vector<std::uint32_t> const& items = values_[id].items;
        bool const fits = values_[id].kind == PickleKind::tuple && (items.size() == 5 || items.size() == 6) &&
                          values_[items[0]].text == "storage" && values_[items[2]].kind == PickleKind::text &&
                          values_[items[4]].kind == PickleKind::integer &&
                          (items.size() == 5 || values_[items[5]].kind == PickleKind::none);
        PickleName const* const type = fits ? name_of(items[1]) : nullptr;
        if (type == nullptr || type->role != PickleRole::storage) {
            throw refuse("a storage: its type, key, location and number of elements", describe(id));
        }
        std::int64_t const elements = values_[items[4]].number;
        PickledStorage const storage{values_[items[2]].text, type->type, static_cast<std::uint64_t>(elements)};
        if (elements < 0 || !dense_bytes(type->type, std::array{elements})) {
            throw refuse("a storage of a size that fits memory", std::to_string(elements) + " elements");
        }
        auto const [known, is_new] = by_key_.try_emplace(storage.key, storages_.size());
        if (is_new) {
            storages_.push_back(storage);
        } else if (storages_[known->second].type != storage.type || storages_[known->second].elements != storage.elements) {
            throw refuse("one type and size of the storage " + quoted(storage.key), "two");
        }
        put(PickleKind::storage, static_cast<std::int64_t>(known->second));
    }

    void call() {
        std::uint32_t const arguments = pop();
        std::uint32_t const called = pop();
        PickleName const* const name = name_of(called);
        if (name == nullptr || name->role == PickleRole::storage) {
            throw refuse("a call that makes a dictionary or a tensor", "a call of " + describe(called), not_run);
        }
        if (values_[arguments].kind != PickleKind::tuple) { throw refuse("a tuple of arguments", describe(arguments)); }
        std::vector<std::uint32_t> const& items = values_[arguments].items;
        if (name->role == PickleRole::ordered_dictionary) {
            if (!items.empty()) { throw refuse("an OrderedDict without arguments", describe(arguments), not_run); }
            return push(make({.kind = PickleKind::dictionary, .ordered = true}));
        }
        if (name->role == PickleRole::parameter) {
            if (items.size() != 3 || values_[items[0]].kind != PickleKind::tensor) {
                throw refuse("a parameter of a tensor", describe(arguments));
            }
            return push(items[0]);
        }
        put_tensor(items, arguments);
    }

    /// (storage, offset, shape, strides), and whatever autograd adds.
    void put_tensor(std::vector<std::uint32_t> const& items, std::uint32_t arguments) {
        bool const fits = items.size() >= 4 && items.size() <= 7 && values_[items[0]].kind == PickleKind::storage &&
                          values_[items[1]].kind == PickleKind::integer;
        if (!fits) { throw refuse("a tensor: its storage, offset, shape and strides", describe(arguments)); }
        PickledTensor tensor{.storage = static_cast<std::size_t>(values_[items[0]].number),
                             .shape = whole_numbers(items[2], "shape"),
                             .strides = whole_numbers(items[3], "strides")};
        std::int64_t const offset = values_[items[1]].number;
        if (offset < 0) { throw refuse("an offset of at least 0", std::to_string(offset)); }
        tensor.offset = static_cast<std::uint64_t>(offset);
        if (tensor.shape.size() != tensor.strides.size()) {
            throw refuse("as many strides as dimensions", shape_text(tensor.strides) + " for " + shape_text(tensor.shape));
        }
        require_inside(tensor);
        if (tensors_.size() == most_pickled_tensors) { throw refuse("at most 65536 tensors", "more", not_run); }
        tensors_.push_back(std::move(tensor));
        put(PickleKind::tensor, static_cast<std::int64_t>(tensors_.size() - 1));
    }

    [[nodiscard]] std::vector<std::int64_t> whole_numbers(std::uint32_t value, std::string const& what) const {
        std::vector<std::int64_t> numbers;
        PickleValue const& tuple = values_[value];
        bool fits = tuple.kind == PickleKind::tuple && tuple.items.size() <= largest_pickle_rank;
        for (std::size_t i = 0; fits && i < tuple.items.size(); ++i) {
            PickleValue const& item = values_[tuple.items[i]];
            fits = item.kind == PickleKind::integer && item.number >= 0;
            numbers.push_back(item.number);
        }
        if (!fits) {
            throw refuse("a " + what + " of at most 8 whole numbers of at least 0",
                         numbers.empty() ? describe(value) : shape_text(numbers));
        }
        return numbers;
    }

    void require_inside(PickledTensor const& tensor) const {
        PickledStorage const& storage = storages_[tensor.storage];
        std::uint64_t elements = 1;
        std::uint64_t last = tensor.offset;
        bool fits = true;
        bool const is_empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
        for (std::size_t i = 0; fits && !is_empty && i < tensor.shape.size(); ++i) {
            auto const size = static_cast<std::uint64_t>(tensor.shape[i]);
            std::uint64_t reach = 0;
            fits = !__builtin_mul_overflow(elements, size, &elements) &&
                   !__builtin_mul_overflow(size - 1, static_cast<std::uint64_t>(tensor.strides[i]), &reach) &&
                   !__builtin_add_overflow(last, reach, &last);
        }
        fits = fits && (is_empty ? tensor.offset <= storage.elements : last < storage.elements);
        std::string const found = shape_text(tensor.shape) + " with strides " + shape_text(tensor.strides) + " from element " +
                                  std::to_string(tensor.offset);
        if (!fits) {
            throw refuse(
                "a tensor inside its storage " + quoted(storage.key) + " of " + std::to_string(storage.elements) + " elements",
                found);
        }
        if (!is_empty && elements > storage.elements) {
            throw refuse("a tensor of no more elements than its storage has", found,
                         "Save a copy of expanded tensors (.contiguous()).");
        }
    }

    /// Attributes of a dictionary, as the versions that torch.nn.Module.state_dict() keeps in `_metadata`: they are dropped.
    void build() {
        std::uint32_t const state = pop();
        bool fits = values_[top()].ordered && values_[state].kind == PickleKind::dictionary;
        std::vector<std::uint32_t> const& items = values_[state].items;
        for (std::size_t i = 0; fits && i < items.size(); i += 2) { fits = values_[items[i]].text == "_metadata"; }
        if (!fits) {
            throw refuse("no attributes but _metadata of an OrderedDict", describe(state) + " for " + describe(top()), not_run);
        }
    }

    std::span<std::byte const> bytes_;
    std::string file_;
    std::uint64_t start_;
    std::size_t position_ = 0;
    std::size_t opcode_at_ = 0;
    std::size_t pushes_ = 0;
    std::deque<PickleValue> values_ = {};
    std::vector<std::uint32_t> stack_ = {};
    std::vector<std::size_t> marks_ = {};
    std::map<std::uint64_t, std::uint32_t> memo_ = {};
    std::vector<PickledStorage> storages_ = {};
    std::map<std::string_view, std::size_t> by_key_ = {};
    std::vector<PickledTensor> tensors_ = {};
};

}  // namespace bmae::detail
