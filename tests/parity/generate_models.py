# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Small random GPT-2 and T5 folders with tokenizers trained on invented words, for generate_parity.py and the benchmark."""
import json
import random

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from generate_golden import randomize


def invented_texts(count, seed=1):
    rng = random.Random(seed)
    words = ["".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(rng.randint(1, 4))) for _ in range(300)]
    return [" ".join(rng.choice(words) for _ in range(rng.randint(3, 60))).capitalize() + rng.choice(".!?") for _ in range(count)]


def gpt2(folder, texts, numbers=None):
    """A GPT-2 of 128 positions whose table of words is a little larger than the tokenizer, as real ones are."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=500, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                         special_tokens=["<|endoftext|>"]))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|endoftext|>", bos_token="<|endoftext|>", unk_token="<|endoftext|>")
    tokenizer.save_pretrained(folder)
    model = GPT2LMHeadModel(GPT2Config(**{"vocab_size": len(tokenizer), "n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 0,
                                          "eos_token_id": 0, **(numbers or {})}))
    randomize(model, 41)
    model.eval().save_pretrained(folder)
    return model, tokenizer


def t5(folder, texts, numbers=None):
    inner = Tokenizer(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    inner.decoder = decoders.Metaspace()
    inner.train_from_iterator(texts, trainers.UnigramTrainer(vocab_size=400, show_progress=False, unk_token="<unk>", special_tokens=["<pad>", "</s>", "<unk>"]))
    inner.post_processor = processors.TemplateProcessing(single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    model = T5ForConditionalGeneration(T5Config(**{"vocab_size": len(tokenizer), "d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 64, "num_layers": 2,
                                                   "decoder_start_token_id": 0, "feed_forward_proj": "gated-gelu", **(numbers or {})}))
    randomize(model, 42)
    model.eval().save_pretrained(folder)
    return model, tokenizer


def write_rows(path, texts):
    rows = [{"id": f"d{i}", "title": f"title {i}", "text": text} for i, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


@torch.no_grad()
def greedy(model, tokenizer, text, new_tokens, prompt_tokens):
    """What transformers writes after one text, alone."""
    encoder = model.config.is_encoder_decoder
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=encoder, truncation=encoder, max_length=512 if encoder else None).input_ids
    ids = ids if encoder else ids[:, -prompt_tokens:]
    output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False, pad_token_id=0)
    return tokenizer.decode(output[0][0 if encoder else ids.shape[1]:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
