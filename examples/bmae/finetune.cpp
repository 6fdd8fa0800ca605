// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A pre-trained encoder becomes a retriever: `finetune`.
#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/corpus/beir.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/finetuning/bi_encoder.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "common.hpp"
#include "models.hpp"
#include "training.hpp"

namespace bmae::program {

namespace {

InputError refuse(std::string expected, std::string found, std::string hint = {}) {
    return InputError(
        Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
}

std::vector<std::vector<TokenId>> tokenize_all(AnyTokenizer const& tokenizer, std::vector<std::string> const& texts,
                                               unsigned threads) {
    std::vector<std::vector<TokenId>> ids(texts.size());
    detail::parallel_for(texts.size(), 256, threads, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) { ids[i] = tokenizer.encode(texts[i]); }
    });
    return ids;
}

/// Calls `use(query, document)` for each line of a TREC run or of a file of two columns.
template <class Use>
void read_negatives(Path const& path, Use&& use) {
    detail::LineReader lines(path);
    std::size_t count = 0;
    for (std::string_view line; lines.next(line);) {
        auto const fields = detail::split_blanks(line);
        if (fields.count == 0) { continue; }
        if (fields.count != 2 && fields.count != 6) {
            throw InputError(lines.diagnostic("2 columns (query, document) or the 6 of a TREC run", std::to_string(fields.count),
                                              "Write one document per line."));
        }
        use(std::string(fields[0]), std::string(fields.count == 2 ? fields[1] : fields[2]));
        ++count;
    }
    if (count == 0) {
        throw InputError(Diagnostic{.file = path.string(), .expected = "hard negatives", .found = "an empty file"});
    }
}

RetrievalPairs make_pairs(Common const& common, FinetuneOptions const& options, AnyTokenizer const& tokenizer) {
    BeirCollection const collection = BeirCollection::open(options.data);
    say_report(collection.documents_report(), "corpus");
    JudgedPairs const judged = collection.judged_pairs(options.split);
    say_report(judged.report, "judgements");
    RetrievalPairs pairs;
    pairs.passages = tokenize_all(tokenizer, collection.texts(), common.threads);

    std::unordered_map<std::string, std::size_t> places;   // query id -> number in `pairs.queries`
    std::size_t absent = 0;
    for (JudgedPair const& pair : judged.pairs) {
        auto const document = collection.documents().find(pair.document_id);
        if (pair.grade <= 0) { continue; }
        if (!document) {
            ++absent;
            continue;
        }
        if (options.limit != 0 && places.size() == options.limit && !places.contains(pair.query_id)) { continue; }
        auto const [place, is_new] = places.try_emplace(pair.query_id, pairs.queries.size());
        if (is_new) {
            pairs.queries.push_back(
                {.query = tokenizer.encode(joined_text(collection.queries()[*collection.queries().find(pair.query_id)]))});
        }
        pairs.queries[place->second].positives.push_back(*document);
    }
    if (absent != 0) { warn(count_text(absent) + " relevant documents are not in the corpus and are left out"); }
    if (options.negatives.empty()) { return pairs; }
    std::size_t kept = 0;
    std::size_t unknown = 0;
    std::size_t relevant = 0;
    read_negatives(options.negatives, [&](std::string const& query, std::string const& document) {
        auto const place = places.find(query);
        if (place == places.end()) { return; }   // a run holds queries of all splits
        auto const number = collection.documents().find(document);
        RetrievalPair& pair = pairs.queries[place->second];
        if (!number) {
            ++unknown;
        } else if (std::ranges::find(pair.positives, *number) != pair.positives.end()) {
            ++relevant;
        } else {
            pair.negatives.push_back(*number);
            ++kept;
        }
    });
    if (unknown != 0) { warn(count_text(unknown) + " negatives are not in the corpus and are left out"); }
    if (kept == 0) {
        throw InputError(Diagnostic{.file = options.negatives.string(),
                                    .expected = "hard negatives of the training queries",
                                    .found = "none",
                                    .hint = "Search with --split " + options.split + "."});
    }
    say("negatives: " + count_text(kept) + " kept, " + count_text(relevant) + " relevant ones left out");
    return pairs;
}

}  // namespace

int finetune(Common const& common, FinetuneOptions const& options) {
    use_threads(common);
    TrainingOptions const& training = options.training;
    if (options.stage != "retriever") { throw refuse("a stage", '"' + options.stage + '"', "Known: retriever."); }
    if (training.steps == 0 && training.epochs == 0 && training.minutes <= 0) {
        throw refuse("--steps, --epochs or --minutes", "none");
    }
    check_output(training);
    at::Device const device = device_from(common.device);
    auto const load = [&] {
        LoadedModel model = load_model(options.model);
        if (training.dropout >= 0) {
            HfBert files = to_hf_bert(model.encoder);
            files.config.hidden_dropout_prob = files.config.attention_probs_dropout_prob = training.dropout;
            model.encoder = make_bert(files);
        }
        move_encoder(model.encoder, device);
        return model;
    };
    LoadedModel model = load();
    BiEncoderOptions settings{.normalize = options.normalize,
                              .contrast = retrieval_contrast_from(options.contrast),
                              .temperature = options.temperature,
                              .passages_per_query = options.passages_per_query,
                              .query_length = options.query_length,
                              .passage_length = options.passage_length};
    if (model.sentence) {
        settings.pooling = model.sentence->pooling;
        settings.normalize = settings.normalize || model.sentence->normalize;
    }
    if (!options.pooling.empty()) { settings.pooling = pooling_from(options.pooling); }
    if (needs_layers(settings.pooling)) {
        throw refuse("the pooling cls or mean, since the result is a sentence-transformers folder",
                     std::string(to_string(settings.pooling)), "It has no module that reads several layers.");
    }
    RetrievalPairs const pairs = make_pairs(common, options, model.tokenizer);
    auto const sidecars = [&model](Path const& folder) {
        detail::write_file(folder / "config.json", to_json(model.encoder.config()));
        model.tokenizer.save(folder);
    };
    BiEncoderObjective objective(model.encoder, pairs, model.tokenizer.traits(), settings, sidecars);
    say(count_text(pairs.queries.size()) + " training queries, " + count_text(pairs.passages.size()) + " passages, pooling " +
        std::string(to_string(settings.pooling)));
    if (settings.passages_per_query > 1 && options.negatives.empty()) {
        warn("no --negatives: the other passages of a query are drawn at random");
    }

    std::unique_ptr<LoadedModel> second;
    Trained const trained = train(common, training, objective, [&]() -> std::unique_ptr<Objective> {
        second = std::make_unique<LoadedModel>(load());
        return std::make_unique<BiEncoderObjective>(second->encoder, pairs, model.tokenizer.traits(), settings);
    });
    Json result{{"command", "finetune"},
                {"stage", options.stage},
                {"queries", pairs.queries.size()},
                {"passages", pairs.passages.size()}};
    result.update(trained.json);
    if (trained.to == TrainedTo::an_interrupt) {
        print_result(common, result);
        return interrupted;
    }
    move_encoder(model.encoder, at::Device(at::kCPU));
    std::string text;
    if (Path const folder = result_folder(trained, training, "sentence-transformer"); !folder.empty()) {
        save_sentence_transformer(SentenceEncoder(model.encoder, model.tokenizer,
                                                  {.pooling = settings.pooling,
                                                   .normalize = settings.normalize,
                                                   .max_length = std::max(settings.query_length, settings.passage_length)}),
                                  folder);
        result["sentence_transformer"] = folder.string();
        text = folder.string() + '\n';
    }
    print_result(common, result, text);
    return done;
}

}  // namespace bmae::program
