"""Every name of every registry trains, lowers its loss, is saved, and loads as a plain model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmtx.encoder import SentenceEncoder, load_encoder
from lmtx.encoder.assembly import REGISTRIES, assemble, spec_of
from lmtx.pretrain import OBJECTIVES, Corpus, pretrain, pretrain_config
from lmtx.student.trainer import quiet

SMALL: dict[str, Any] = {
    "vocabulary": 600,
    "width": 16,
    "hidden": 16,
    "heads": 2,
    "layers": 1,
    "max_length": 32,
    "start": "scratch",
}
GRU = {**SMALL, "encoder": "gru"}
BIGRU = {**SMALL, "encoder": "bigru"}  # its first token has seen the text too
BERT = {**SMALL, "encoder": "transformer"}
OF_EMBEDDING = {
    "word": ({**SMALL, "encoder": "none"}, "inverse_cloze"),
    "position": ({**SMALL, "encoder": "none", "embedding": ("word", "position")}, "inverse_cloze"),
    "segment": ({**BERT, "embedding": ("word", "position", "segment")}, "sentence_prediction"),
    "static": ({**SMALL, "embedding": ("static",)}, "inverse_cloze"),
}
OF_ENCODER = {"pretrained": ("pretrained", "mlm"), "static": ({**SMALL, "encoder": "static"}, "distillation")}
OF_HEAD = {"dense": ("dense", "normalise")}


def cases() -> list[Any]:
    found = []
    for kind, names in REGISTRIES.items():
        for name in names:
            if kind == "embedding":
                spec, objective = OF_EMBEDDING[name]
            elif kind == "encoder":
                spec, objective = OF_ENCODER.get(name, ({**SMALL, "encoder": name, "layers": 2}, "mlm"))
            elif kind == "pooling":
                spec, objective = {**BIGRU, "pooling": name}, "title_content"
            else:
                spec, objective = {**GRU, "head": OF_HEAD.get(name, (name,))}, "title_content"
            found.append(pytest.param(spec, objective, id=f"{kind}-{name}"))
    for name in OBJECTIVES:
        found.append(pytest.param(GRU if name == "clm" else BERT, name, id=f"objective-{name}"))
    return found


@pytest.mark.parametrize(("spec", "objective"), cases())
def test_a_name_trains_lowers_its_loss_and_loads_as_a_plain_model(
    spec: Any, objective: str, tiny_encoder: SentenceEncoder, demo_corpus: Corpus, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    built = spec_of(spec)
    with quiet():
        model = assemble(built, tiny_encoder.model, demo_corpus.texts)
        model.save(str(tmp_path / "start"), create_model_card=False)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    config = pretrain_config(built, 50, batch=8, lr=5e-3, max_length=32, bf16=False, threads=1)
    start = load_encoder(str(tmp_path / "start"), "cpu")
    done = pretrain(start, demo_corpus, {objective: 1.0}, tmp_path / "trained", config)

    assert done.last[objective] < done.first[objective]
    loaded = SentenceTransformer(str(tmp_path / "trained"), device="cpu")
    vectors = loaded.encode(demo_corpus.texts[:5])
    assert vectors.shape == (5, loaded.get_embedding_dimension())
    assert np.isfinite(vectors).all()
    after = loaded.state_dict()
    assert any(not np.allclose(after[name], value) for name, value in before.items())
    alone = np.stack([loaded.encode(text) for text in demo_corpus.texts[:5]])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)  # whatever it is batched with
