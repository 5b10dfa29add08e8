"""The tokeniser of an assembled encoder: the base encoder's, or one that is trained on the corpus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def trained_tokeniser(texts: Iterable[str], size: int) -> Any:
    """Train a tokeniser on texts: for a language or a domain that the base encoder cuts to bits.

    Pieces are of bytes, so no text is unknown; case is folded. The same texts give the same pieces, which
    WordPiece of the same library does not promise.

    Parameters
    ----------
    texts : iterable of str
    size : int
        Word pieces at most; bytes and marks are there at least.

    Returns
    -------
    transformers.PreTrainedTokenizerFast

    References
    ----------
    Sennrich, Haddow and Birch, Neural Machine Translation of Rare Words with Subword Units, ACL 2016; on
    bytes as in Radford et al., Language Models are Unsupervised Multitask Learners, 2019. Through the library
    tokenizers.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokeniser = Tokenizer(models.BPE(unk_token=SPECIAL["unk_token"]))
    tokeniser.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokeniser.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokeniser.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokeniser.train_from_iterator(texts, trainer)
    first, last = SPECIAL["cls_token"], SPECIAL["sep_token"]
    tokeniser.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B:1 {last}:1",
        special_tokens=[(x, tokeniser.token_to_id(x)) for x in (first, last)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokeniser,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **SPECIAL,
    )
