"""Small real models, made on the spot: answers mean nothing, but all that is computed is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from lmtx.encoder.identity import packaged_folder

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PAIR_TEMPLATE = (
    '{% set query = messages | selectattr("role", "eq", "query") | map(attribute="content") | first %}'
    '{% set document = messages | selectattr("role", "eq", "document") | map(attribute="content") | first %}'
    "<|im_start|>user\nQuery: {{ query }}\nDocument: {{ document }}\nDoes it fit?<|im_end|>\n"
    "<|im_start|>assistant"
)
_WORDS = "yes no Yes No Does the tag topic fit? Answer yes or no. Document: You decide whether a tag fits"


def language_model(folder: Path, template: str | None = CHATML, seed: int = 0, **config: object) -> Path:
    """Write a Llama of three layers with random weights, and a byte-level tokenizer of 300 words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([_WORDS] * 20, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=template,
        model_max_length=4096,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "initializer_range": 0.15,  # large: else all answers would be about the same
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
        **config,
    }
    LlamaForCausalLM(LlamaConfig(**settings)).save_pretrained(folder)
    return folder


def reranker(folder: Path, classes: Sequence[str] = ("score",), seed: int = 0) -> Path:
    """Write a cross-encoder: one layer of the packaged encoder under a random output."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        packaged_folder(),
        num_labels=len(classes),
        id2label=dict(enumerate(classes)),
        label2id={name: i for i, name in enumerate(classes)},
        num_hidden_layers=1,
    )
    tokenizer = AutoTokenizer.from_pretrained(packaged_folder())
    torch.nn.init.normal_(model.classifier.weight, std=3)
    texts = tokenizer(["a topic", "another"], ["a text on it", ""], padding=True, return_tensors="pt")
    with torch.inference_mode():
        middle = model.eval()(**texts).logits.mean(0)
    model.classifier.bias.data -= middle  # so that yes and no are about as frequent
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
