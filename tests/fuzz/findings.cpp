// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include "findings.hpp"

#include <cstdint>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include "targets.hpp"

namespace fuzz {

namespace {

using Json = nlohmann::ordered_json;
using Input = std::function<std::string()>;

std::string const levels = "at most 64 levels of JSON";

std::string nested() { return std::string(200'000, '[') + std::string(200'000, ']'); }

/// The first sound file of a target.
std::string sound(std::string_view target, std::size_t number = 0) { return target_named(target).seeds.at(number); }

/// It, with another value at a JSON pointer.
Input with(std::string_view target, std::string pointer, Json value, std::size_t number = 0) {
    return [=] {
        Json json = Json::parse(sound(target, number));
        json[Json::json_pointer(pointer)] = value;
        return json.dump();
    };
}

/// It, with 200,000 levels there.
Input deep(std::string_view target, std::string pointer, std::size_t number = 0) {
    return [=] {
        std::string text = with(target, pointer, "DEEP", number)();
        return text.replace(text.find("\"DEEP\""), 6, nested());
    };
}

constexpr std::size_t wordpiece = 0, bpe = 1, unigram = 2;   // the seeds of tokenizer_json

/// A file of the token store, by its place in the order of their names, its bytes replaced from `at` on.
Input stored(std::string_view target, std::size_t file, std::size_t at, std::string bytes) {
    return [=] {
        std::string input = sound(target, file);
        return input.replace(1 + at, bytes.size(), bytes);
    };
}

template <class T>
std::string raw(std::initializer_list<T> numbers) {
    std::string bytes(numbers.size() * sizeof(T), '\0');
    std::memcpy(bytes.data(), std::data(numbers), bytes.size());
    return bytes;
}

std::string many_added_tokens() {
    Json json = Json::parse(sound("tokenizer_json", bpe));
    auto& entries = static_cast<std::vector<Json::object_t::value_type>&>(json["model"]["vocab"].get_ref<Json::object_t&>());
    for (int i = 0; i < 20'000; ++i) {   // filled directly: an ordered object searches all its keys at each insertion
        std::string const name = "<|added " + std::string(static_cast<std::size_t>(i % 50), 'x') + std::to_string(i) + "|>";
        entries.emplace_back(name, 9 + i);
        json["added_tokens"].push_back({{"id", 9 + i}, {"content", name}, {"special", true}});
    }
    return json.dump();
}

std::string doubling_normalizer(std::size_t seed) {
    Json json = Json::parse(sound("tokenizer_json", seed));
    json["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array()}};
    for (int i = 0; i < 24; ++i) {
        json["normalizer"]["normalizers"].push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
    }
    return json.dump();
}

std::string long_token(std::size_t seed) {
    Json json = Json::parse(sound("tokenizer_json", seed));
    std::string const token(100'000, 'a');
    if (seed == unigram) {
        json["model"]["vocab"].push_back(Json::array({token, -1}));
    } else {
        json["model"]["vocab"][token] = json["model"]["vocab"].size();
    }
    return json.dump();
}

void add_tokenizers(std::vector<Finding>& list) {
    std::string_view const file = "tokenizer_json";
    for (auto const& [name, number] : {std::pair{"WordPiece", wordpiece}, {"BPE", bpe}, {"unigram", unigram}}) {
        std::string const of = std::string(" of ") + name;
        list.push_back({"deep model" + of, file, deep(file, "/model", number), levels});
        list.push_back({"deep added tokens" + of, file, deep(file, "/added_tokens", number), levels});
        list.push_back({"deep post-processor" + of, file, deep(file, "/post_processor", number), levels});
        list.push_back(
            {"added tokens as text" + of, file, with(file, "/added_tokens", "text", number), "an array at \"added_tokens\""});
        list.push_back({"an id of .5" + of, file, with(file, "/added_tokens/0/id", .5, number), "a whole number at \"id\""});
        list.push_back({"an id of -1" + of, file, with(file, "/added_tokens/0/id", -1, number), "a whole number at \"id\""});
        list.push_back(
            {"text after NUL" + of, file, [=] { return sound(file, number) + std::string("\0{", 2); }, "a NUL at byte"});
        list.push_back(
            {"a key twice" + of, file, [=] { return R"({"version": 1, )" + sound(file, number).substr(1); }, "each key once"});
        std::string const special = number == wordpiece ? "[CLS]"
                                    : number == bpe     ? "<|end|>"
                                                        : "<~1s>";   // as a JSON pointer has it
        list.push_back({"another token's id" + of, file,
                        with(file, "/post_processor/special_tokens/" + special + "/ids/0", 4, number), "in the post_processor"});
        for (Json const& wrong : {Json::object({{"type", "x"}}), Json("text"), Json(5)}) {
            std::string const at = number == wordpiece ? "/pre_tokenizer" : "/pre_tokenizer/pretokenizers";
            auto const input = [=] {
                Json json = Json::parse(with(file, at, Json(), number)());
                if (number != wordpiece) { json["pre_tokenizer"]["type"] = "Sequence"; }
                json[Json::json_pointer(at)] = wrong;
                return json.dump();
            };
            list.push_back({"pre-tokenizers " + wrong.dump() + of, file, input, "pre_tokenizer"});
        }
    }
    for (Json const& wrong : {Json(1e300), Json(2.5), Json(-1)}) {
        list.push_back(
            {"longest word " + wrong.dump(), file, with(file, "/model/max_input_chars_per_word", wrong), "a whole number"});
    }
    list.push_back({"longest word 0", file, with(file, "/model/max_input_chars_per_word", 0), "at least 1"});
    for (Json const& wrong : {Json(2.7), Json((std::uint64_t{1} << 32) + 2), Json(-1)}) {
        list.push_back(
            {"unknown id " + wrong.dump(), file, with(file, "/model/unk_id", wrong, unigram), "a whole number at \"unk_id\""});
    }
    list.push_back({"a unigram token twice", file, with(file, "/model/vocab/4/0", "b", unigram), "each once"});
    list.push_back({"an empty unigram token", file, with(file, "/model/vocab/4/0", "", unigram), "not empty"});
    list.push_back(
        {"a normalizer that doubles", file, [] { return doubling_normalizer(unigram); }, "a normalizer that gives at most"});
    list.push_back({"a WordPiece normalizer that doubles", file, [] { return doubling_normalizer(wordpiece); },
                    "a normalizer that gives at most"});
    list.push_back({"20,000 added tokens", file, many_added_tokens, ""});
    list.push_back({"a token of 100,000 bytes", file, [] { return long_token(wordpiece); }, "at most 1024 bytes"});
    list.push_back({"a unigram token of 100,000 bytes", file, [] { return long_token(unigram); }, "at most 1024 bytes"});
    list.push_back(
        {"an expression of 10,000 groups", "word_pattern", [] { return std::string(10'000, '('); }, "groups more than"});
    list.push_back(
        {"an expression of a megabyte", "word_pattern", [] { return std::string(1'000'000, 'a'); }, "bytes, more than"});
    list.push_back({"an expression of repeats of repeats", "word_pattern",
                    [] { return std::string("(((a{999}){999}){999}){999}"); }, "repeats of characters"});
    list.push_back({"an expression of exponential effort", "word_pattern", [] { return std::string("(?:a+)+c"); }, "retries"});
    list.push_back({"deep vocab.json", "vocab_json", nested, levels});
    list.push_back({"deep tokenizer_config.json", "tokenizer_config", nested, levels});
    list.push_back({"deep special_tokens_map.json", "special_tokens_map", nested, levels});
    std::string pieces = "un";
    for (int i = 0; i < 200'000; ++i) { pieces += "##a"; }
    std::string const refused = "words whose pieces the vocabulary has";
    list.push_back({"a word of 200,000 pieces", "word_dictionary", [=] { return "{\"" + pieces + "\": 1}"; }, refused});
    list.push_back({"a last piece that is none", "word_dictionary",
                    [=] { return "{\"" + pieces.substr(0, 36'000) + "##zz\": 1}"; }, refused});
    list.push_back({"## within pieces", "word_dictionary", [=] { return "{\"un" + std::string(600, '#') + "a\": 1}"; }, refused});
    list.push_back({"deep dictionary", "word_dictionary", nested, "an object of words"});
}

void add_stores(std::vector<Finding>& list) {
    std::string_view const manifest = "token_store_manifest";
    std::string const range = "numbers in their range";
    list.push_back({"deep manifest", manifest, nested, "something that is not JSON"});
    for (Json const& wrong : {Json(64), Json(-2), Json(std::uint64_t{1} << 40), Json(2.5)}) {
        list.push_back({"special id " + wrong.dump(), manifest, with(manifest, "/tokenizer/special_ids/mask", wrong), range});
        list.push_back({"special id of pairs " + wrong.dump(), "pair_store_manifest",
                        with("pair_store_manifest", "/tokenizer/special_ids/cls", wrong), range});
    }
    list.push_back({"unknown blocks", manifest, with(manifest, "/options/blocks", "halves"), "\"blocks\": \"halves\""});
    list.push_back({"max_length 0", manifest, with(manifest, "/options/max_length", 0), "\"max_length\": 0"});
    list.push_back({"version 1.5", manifest, with(manifest, "/version", 1.5), "version 1.5"});
    for (char const* const count : {"longest_passage", "shortest_passage", "passage_tokens", "unknown_tokens", "continuations"}) {
        list.push_back({std::string("wrong ") + count, manifest, with(manifest, std::string("/counts/") + count, 77),
                        std::string(" as ") + count});
    }
    list.push_back({"a count of -1", manifest, with(manifest, "/counts/queries", -1), range});
    list.push_back({"a count of 2^63", manifest, with(manifest, "/counts/documents", std::uint64_t{1} << 63), "elements"});
    // The files in the order of their names: continuations, continues_word, documents, field_ends, fields, ids, passages,
    // queries, query_ends, sentence_ends, titles, tokens.
    list.push_back(
        {"sentence ends 7 1 15", "token_store", stored("token_store", 9, 0, raw<std::uint32_t>({7, 1, 15})), "sentence_ends"});
    list.push_back({"rows that underflow", "token_store",
                    stored("token_store", 2, 56, raw<std::uint64_t>({std::uint64_t{1} << 60})), "documents"});
    list.push_back({"an id outside of the vocabulary", "token_store", stored("token_store", 11, 0, raw<std::int32_t>({-5})),
                    "ids below 64"});
    list.push_back({"a passage of no document", "token_store", stored("token_store", 6, 0, raw<std::uint64_t>({9})), "passages"});
}

void add_runs(std::vector<Finding>& list) {
    std::string_view const manifest = "checkpoint_manifest";
    for (char const* const path : {"/dev/zero", "../../file", "../step-4/weights"}) {
        auto const input = [=] {
            Json json = Json::parse(sound(manifest));
            json["files"] = {{path, {{"size", 4}, {"xxh64", "0"}}}};
            return json.dump();
        };
        list.push_back({std::string("a manifest that names ") + path, manifest, input, "outside of the folder"});
    }
    list.push_back({"a manifest without files", manifest, with(manifest, "/files", Json::object()), "names no files"});
    list.push_back({"deep checkpoint manifest", manifest, nested, "damaged"});
    std::string_view const state = "train_state";
    for (Json const& wrong : {Json(-1), Json(4.5), Json(std::uint64_t{1} << 63), Json(1e300), Json("4")}) {
        list.push_back({"step " + wrong.dump(), state, with(state, "/step", wrong), "\"step\": "});
        list.push_back({"position " + wrong.dump(), state, with(state, "/position", wrong), "\"position\": "});
    }
    list.push_back({"labels 1e300", state, with(state, "/window/terms/0/labels", 1e300), "\"labels\": "});
    list.push_back({"a negative budget", state, with(state, "/budget", -5), "\"budget\": "});
    list.push_back({"terms as an object", state, with(state, "/window/terms", Json::object({{"a", 1}})), "\"terms\": an object"});
    list.push_back({"a plan as text", state, with(state, "/plan", "x"), "\"plan\": "});
    list.push_back({"a deep objective", "description", nested, ""});
    list.push_back({"a decoder that is a number", "description", with("description", "/terms/0/decoder", 5), ""});
}

void add_folders(std::vector<Finding>& list) {
    list.push_back({"width 2^62", "pooling", with("pooling", "/word_embedding_dimension", std::uint64_t{1} << 62),
                    "a width from 1 to 1000000"});
    list.push_back({"a pooling mode twice", "pooling", with("pooling", "/pooling_mode", Json::array({"cls", "cls"})),
                    "each pooling mode once"});
    list.push_back({"positions -5", "transformer_config", with("transformer_config", "/max_position_embeddings", -5),
                    "max_position_embeddings"});
    for (Json const& wrong : {Json(std::int64_t{-1} << 62), Json(std::uint64_t{1} << 62)}) {
        auto const input = [=] {
            Json json = Json::parse(sound("transformer_config"));
            json["model_type"] = "roberta";
            json["pad_token_id"] = wrong;
            return json.dump();
        };
        bool const is_negative = wrong < 0;
        list.push_back(
            {"padding " + wrong.dump(), "transformer_config", input, is_negative ? "a pad_token_id of at least 0" : ""});
    }
    list.push_back(
        {"a path that leaves the folder", "modules", with("modules", "/1/path", "../st/1_Pooling"), "a path inside the folder"});
    list.push_back({"a shard that leaves the folder", "weight_index", with("weight_index", "/weight_map/a", "../x.safetensors"),
                    "beside the index"});
    list.push_back({"deep modules.json", "modules", nested, levels});
    list.push_back({"deep config.json", "bert_config", nested, levels});
    list.push_back({"2^40 layers", "bert_config", with("bert_config", "/num_hidden_layers", std::uint64_t{1} << 40),
                    "num_hidden_layers between"});
    list.push_back({"2^40 layers of ModernBERT", "modern_bert_config",
                    with("modern_bert_config", "/num_hidden_layers", std::uint64_t{1} << 40), "num_hidden_layers"});
}

void add_collections(std::vector<Finding>& list) {
    auto const long_row = [] {
        std::string table = "sent0,sent1\na,\"";
        while (table.size() < std::size_t{12} << 20) { table += "a line of text that a quote has opened\n"; }
        return packed(table);
    };
    list.push_back({"a quote that is never closed, in gzip", "nli", long_row, "a row of at most"});
    auto const long_line = [] { return packed(R"({"_id": "1", "text": ")" + std::string(std::size_t{60} << 20, 'a') + "\"}\n"); };
    list.push_back({"58 KB of gzip in one line", "jsonl", long_line, "a line of at most"});
    auto const long_document = [] {
        std::string text = "<DOC>\n<DOCNO>1</DOCNO>\n<TEXT>\n";
        while (text.size() < std::size_t{12} << 20) { text += "a line of a document that has no end\n"; }
        return packed(text);
    };
    list.push_back({"a document without end, in gzip", "trec_sgml", long_document, "a document of at most"});
    auto const crowded = [] {
        std::string line = R"({"_id": "1", "text": "a", "x": [)";
        for (int i = 0; i < 2'000'000; ++i) { line += "[],"; }
        return line + "1]}\n";
    };
    list.push_back({"two million empty lists", "jsonl", crowded, "values"});
    list.push_back({"deep rows", "master_rows", [] { return "{\"text\": " + nested() + "}\n"; }, "levels"});
    list.push_back({"deep lines", "jsonl", [] { return "{\"text\": " + nested() + "}\n"; }, "200001 levels, above 64"});
    list.push_back({"a judgment without a query", "qrels", [] { return std::string("query-id\tcorpus-id\tscore\n\td1\t1\n"); },
                    "found an empty one"});
    list.push_back({"a judgment without a document", "qrels", [] { return std::string("query-id\tcorpus-id\tscore\nq1\t\t1\n"); },
                    "found an empty one"});
}

/// A word of a megabyte, of each kind of letter: plain, decomposed, a mark alone, an ideograph, one of four bytes, bytes that are no UTF-8.
void add_long_words(std::vector<Finding>& list) {
    for (std::string const piece :
         {"a", "ab", "\xc3\xa9", "e\xcc\x81", "\xcc\x81", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80", "\xff", "#", "<", "'s"}) {
        auto const input = [piece] {
            std::string word;
            while (word.size() < 1'000'000) { word += piece; }
            return word;
        };
        list.push_back({"a megabyte of " + Json(piece).dump(-1, ' ', true, Json::error_handler_t::replace), "text", input, ""});
    }
}

/// The shard of sparse vectors, whose data are three offsets, three terms and three weights, with other offsets.
Input with_offsets(std::vector<std::int64_t> offsets) {
    return [=] {
        std::string input = sound("sparse_folder", 1);
        std::memcpy(input.data() + input.size() - 48, offsets.data(), 24);
        return input;
    };
}

void add_sparse_folders(std::vector<Finding>& list) {
    std::string_view const shard = "sparse_folder", manifest = "sparse_folder_manifest";
    std::string const fit = "sparse vectors with as many ids";
    list.push_back({"offsets that descend", shard, with_offsets({0, 4, 3}), fit});
    list.push_back({"offsets beyond the weights", shard, with_offsets({0, 2, std::int64_t{1} << 62}), fit});
    list.push_back({"offsets below 0", shard, with_offsets({-1, 2, 3}), fit});
    list.push_back({"offsets that begin late", shard, with_offsets({1, 2, 3}), fit});
    list.push_back({"sparse texts 2^63", manifest, with(manifest, "/shards/0/texts", std::uint64_t{1} << 63), fit});
    list.push_back({"a scale of impacts below 0", manifest, with(manifest, "/impact_scale", -1), "\"impact_scale\""});
}

void add_indexes(std::vector<Finding>& list) {
    std::string_view const dense = "dense_index_manifest", terms = "lexical_index_manifest", vectors = "vector_folder_manifest";
    for (char const* const type : {"int8", "binary"}) {
        list.push_back(
            {std::string("finer rows of ") + type, dense, with(dense, "/finer_rows", type), "finer rows of fp32 or bf16"});
    }
    list.push_back({"rows of another type", dense, with(dense, "/rows", "fp32"), "elements"});
    list.push_back({"a dimension of 2^40", dense, with(dense, "/dimension", std::uint64_t{1} << 40), "a dimension of 1 to"});
    for (std::string_view const file : {dense, terms}) {
        std::string const of = " of " + std::string(file);
        list.push_back({"documents 2^61" + of, file, with(file, "/documents", std::uint64_t{1} << 61), "elements"});
        list.push_back({"documents -1" + of, file, with(file, "/documents", -1), "\"documents\""});
        list.push_back({"a file in another folder" + of, file,
                        with(file, "/files/..~1ids", Json::object({{"bytes", 4}, {"xxh64", "0000000000000000"}})),
                        "a name, its bytes and a checksum"});
        list.push_back({"deep manifest" + of, file, nested, levels});
    }
    for (Json const& wrong : {Json(1e300), Json(-1), Json("3")}) {
        list.push_back({"shortest term " + wrong.dump(), terms, with(terms, "/analyzer/min_characters", wrong),
                        "the settings of an analyzer"});
    }
    list.push_back({"an index of another kind", terms, with(terms, "/kind", "dense"), "an index of BM25"});
    list.push_back({"2^63 postings", terms, with(terms, "/postings", std::uint64_t{1} << 63), "elements"});
    for (Json const& wrong : {Json(0), Json(-3), Json(std::int64_t{1} << 62)}) {
        list.push_back(
            {"vectors of dimension " + wrong.dump(), vectors, with(vectors, "/model/dimension", wrong), "a dimension of 1 to"});
    }
    list.push_back(
        {"texts 2^63 of a shard", vectors, with(vectors, "/shards/0/texts", std::uint64_t{1} << 63), "with as many ids"});
    list.push_back(
        {"a shard outside of the folder", vectors, with(vectors, "/shards/0/ids", "../ids"), "shards named by their number"});
    list.push_back(
        {"a shard of another model", vectors, with(vectors, "/model/weights", "ff"), "vectors of the manifest's model"});
    list.push_back({"deep manifest of vectors", vectors, nested, levels});
    list.push_back(
        {"vectors of another kind", vectors, with(vectors, "/model/kind", "many"), "the kind dense, sparse or tokens"});
    list.push_back({"dense vectors as sparse ones", vectors, with(vectors, "/model/kind", "sparse"), "the manifest's model"});
    add_sparse_folders(list);
}

void add_recipes(std::vector<Finding>& list) {
    std::string_view const file = "recipe";
    auto const doubling = [] {
        Json json = Json::parse(sound("recipe"));
        json["settings"]["s0"] = "0123456789";
        for (int i = 1; i < 40; ++i) {
            std::string const before = "{s" + std::to_string(i - 1) + '}';
            json["settings"]["s" + std::to_string(i)] = before + before;
        }
        return json.dump();
    };
    list.push_back({"settings that double", file, doubling, "bytes put in place of"});
    auto const long_key = [] {
        std::string text = R"({"recipe": 1, "name": "a", ")" + std::string(500'000, 'k') + "\": [";
        for (int i = 0; i < 200'000; ++i) { text += "\"\","; }
        return text + "1]}";
    };
    list.push_back({"a long key of many values", file, long_key, "a key of recipe, name"});
    auto const long_names = [] {
        Json json = Json::parse(sound("recipe"));
        json["settings"][std::string(300'000, 'a')] = 1;
        json["stages"][0]["options"]["input"] = '{' + std::string(300'000, 'b') + '}';
        return json.dump();
    };
    list.push_back({"long names that are compared", file, long_names, "{NAME} of a setting"});
    list.push_back({"a brace that is not closed", file, with(file, "/stages/0/options/input", "{data"), "a } behind"});
    list.push_back({"a recipe of version 2", file, with(file, "/recipe", 2), "the version of the format"});
    list.push_back(
        {"a stage without a command", file, with(file, "/stages/0", Json::object({{"name", "a"}})), "the text \"command\""});
    list.push_back({"deep recipe", file, nested, levels});
}

}  // namespace

std::vector<Finding> const& findings() {
    static std::vector<Finding> const list = [] {
        std::vector<Finding> made;
        add_tokenizers(made);
        add_stores(made);
        add_runs(made);
        add_folders(made);
        add_collections(made);
        add_long_words(made);
        add_indexes(made);
        add_recipes(made);
        return made;
    }();
    return list;
}

}  // namespace fuzz
