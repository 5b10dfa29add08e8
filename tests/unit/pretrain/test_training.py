"""Objectives together, a training that is cut off, towers that differ, models in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lmtx.encoder import SentenceEncoder, load_encoder
from lmtx.encoder.assembly import assemble, spec_of
from lmtx.errors import InputError, JobCancelled, NothingToDoError
from lmtx.pretrain import Corpus, PretrainConfig, check_objectives, pretrain, pretrain_config, read_losses
from lmtx.pretrain.training import mixed

SMALL: dict[str, Any] = {
    "vocabulary": 600,
    "width": 16,
    "hidden": 16,
    "heads": 2,
    "layers": 1,
    "max_length": 32,
}
CONFIG = PretrainConfig(max_steps=24, epochs=1, batch=8, lr=1e-3, max_length=24, bf16=False, threads=1)


def saved(spec: Any, base: SentenceEncoder, corpus: Corpus, folder: Path) -> SentenceEncoder:
    assemble(spec_of(spec), base.model, corpus.texts).save(str(folder), create_model_card=False)
    return load_encoder(str(folder), "cpu", precision="fp32")


@pytest.fixture(scope="module")
def small(
    tiny_encoder: SentenceEncoder, demo_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> SentenceEncoder:
    folder = tmp_path_factory.mktemp("small") / "model"
    return saved({**SMALL, "encoder": "transformer"}, tiny_encoder, demo_corpus, folder)


def test_objectives_together_are_the_weighted_sum_of_each_alone(
    small: SentenceEncoder, demo_corpus: Corpus
) -> None:
    weights = {"mlm": 0.5, "inverse_cloze": 2.0, "tsdae": 0.25, "infonce": 1.0}
    items = np.arange(48).repeat(2)
    draws = torch.arange(8)

    def loss_and_slope(wanted: dict[str, float]) -> tuple[float, torch.Tensor]:
        model = small.model.eval()  # without dropout, which draws in the order of the passes
        model.zero_grad()
        loss = mixed(model, demo_corpus, wanted, items, CONFIG)
        # What predicts words starts from random weights: those of the objective, whatever others there are.
        for name, part in loss.parts.items():
            generator = torch.Generator().manual_seed(len(name))
            for value in part.state_dict().values():
                value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
        total = loss([], draws)
        total.backward()
        slopes = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
        return total.item(), torch.cat([s.flatten().clone() for s in slopes])

    alone = {name: loss_and_slope({name: 1.0}) for name in weights}
    together, slope = loss_and_slope(weights)
    small.model.zero_grad()

    assert together == pytest.approx(sum(w * alone[name][0] for name, w in weights.items()), rel=1e-5)
    summed = torch.stack([w * alone[name][1] for name, w in weights.items()]).sum(dim=0)
    assert (slope - summed).norm() < 1e-4 * summed.norm()


def test_a_pre_training_that_was_cut_off_continues_the_same_curve_of_losses(
    small: SentenceEncoder, demo_corpus: Corpus, tmp_path: Path
) -> None:
    weights = {"mlm": 1.0, "simcse": 0.5}
    whole = pretrain(small, demo_corpus, weights, tmp_path / "whole", CONFIG, losses=tmp_path / "whole.jsonl")

    def cancel(step: int, total: int, message: str) -> None:
        if step == 11:
            raise JobCancelled("enough")

    def again(progress: Any = lambda *_: None) -> Any:
        return pretrain(
            small, demo_corpus, weights, tmp_path / "cut", CONFIG, progress,
            checkpoints=tmp_path / "checkpoints", losses=tmp_path / "cut.jsonl",
        )  # fmt: skip

    with pytest.raises(JobCancelled):
        again(cancel)
    assert not (tmp_path / "cut").exists()
    before = read_losses(tmp_path / "cut.jsonl")
    done = again()

    one, two = (read_losses(tmp_path / f"{name}.jsonl") for name in ("whole", "cut"))
    assert list(one) == list(two) == list(range(1, 25))
    assert set(before) == set(range(1, 12))
    for step, losses in one.items():
        assert two[step] == pytest.approx(losses, abs=1e-4), step
    assert done.last == pytest.approx(whole.last, abs=1e-4)
    assert not (tmp_path / "checkpoints").exists()
    ours, theirs = (load_encoder(str(tmp_path / x), "cpu").encode(["a text"]) for x in ("whole", "cut"))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_documents_and_labels_may_have_towers_of_their_own(
    tiny_encoder: SentenceEncoder, demo_corpus: Corpus, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    spec = {**SMALL, "encoder": "bigru", "label_tower": {**SMALL, "encoder": "static", "width": 32}}
    start = saved(spec, tiny_encoder, demo_corpus, tmp_path / "start")
    config = replace(CONFIG, lr=5e-3, max_steps=50)
    done = pretrain(start, demo_corpus, {"title_content": 1.0, "bce": 0.1}, tmp_path / "two", config)

    assert done.last["title_content"] < done.first["title_content"]
    loaded = SentenceTransformer(str(tmp_path / "two"), device="cpu")
    text = demo_corpus.labels[:3]
    assert not np.allclose(loaded.encode_query(text), loaded.encode_document(text))
    served = load_encoder(str(tmp_path / "two"), "cpu", precision="fp32")
    np.testing.assert_allclose(served.encode(text), loaded.encode_query(text), atol=1e-5)
    np.testing.assert_allclose(served.encode(text, role="label"), loaded.encode_document(text), atol=1e-5)
    for role, task in (("document", "query"), ("label", "document")):  # both towers have learned
        old = start.encode(text, role=role)  # type: ignore[arg-type]
        assert not np.allclose(old, loaded.encode(text, task=task), atol=1e-3)


def test_towers_whose_vectors_differ_in_length_are_refused(
    tiny_encoder: SentenceEncoder, demo_corpus: Corpus
) -> None:
    spec = {**SMALL, "encoder": "bigru", "label_tower": {**SMALL, "encoder": "static"}}
    with pytest.raises(InputError, match="length 32, that of labels 16"):
        assemble(spec_of(spec), tiny_encoder.model, demo_corpus.texts)


@pytest.mark.parametrize(
    "load",
    [
        "import lmtx.encoder.assembly.gru_model; SentenceTransformer(path, device='cpu')",
        "SentenceTransformer(path, device='cpu', trust_remote_code=True)",
    ],
)
def test_a_gru_loads_in_a_process_that_has_not_made_it(
    load: str, tiny_encoder: SentenceEncoder, demo_corpus: Corpus, tmp_path: Path
) -> None:
    made = saved({**SMALL, "encoder": "bigru"}, tiny_encoder, demo_corpus, tmp_path / "gru")
    code = (
        "import sys; from sentence_transformers import SentenceTransformer; path = sys.argv[1]\n"
        f"{load.replace('SentenceTransformer(', 'model = SentenceTransformer(')}\n"
        "print(*model.encode(['a text'])[0][:4].tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, made.name],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_MODULES_CACHE": str(tmp_path / "code"), "HF_HUB_OFFLINE": "1"},
    )
    said = [float(x) for x in done.stdout.split()]
    np.testing.assert_allclose(said, made.encode(["a text"])[0][:4], atol=1e-5)


def test_what_does_not_go_together_is_refused_with_a_way_out(
    tiny_encoder: SentenceEncoder, small: SentenceEncoder, demo_corpus: Corpus, tmp_path: Path
) -> None:
    base = tiny_encoder.model
    with pytest.raises(InputError, match=r"No encoder is called 'rnn'. Known: pretrained"):
        assemble(spec_of("rnn"), base)
    with pytest.raises(InputError, match="no setting 'depth'"):
        spec_of({"encoder": "gru", "depth": 3})
    with pytest.raises(InputError, match="hidden: got 0"):
        spec_of({"encoder": "gru", "hidden": 0})
    with pytest.raises(InputError, match="can't be divided among 5 heads"):
        assemble(spec_of({**SMALL, "encoder": "transformer", "heads": 5}), base, demo_corpus.texts)
    with pytest.raises(InputError, match=r"word embeddings \(30522, 32\), expected \(30522, 16\)"):
        assemble(spec_of({"encoder": "gru", "width": 16, "start": "default"}), base)
    with pytest.raises(InputError, match="Weight of objective 'mlm': got 0"):
        check_objectives({"mlm": 0})
    with pytest.raises(InputError, match="No objective is called 'nsp'"):
        check_objectives({"nsp": 1})
    with pytest.raises(InputError, match="no setting 'epochs'"):
        pretrain_config(spec_of("gru"), 10, epochs=3)
    both = saved({**SMALL, "encoder": "bigru"}, tiny_encoder, demo_corpus, tmp_path / "both")
    with pytest.raises(InputError, match="reads from left to right"):
        pretrain(both, demo_corpus, {"clm": 1.0}, tmp_path / "no", CONFIG)
    with pytest.raises(NothingToDoError, match="Let a teacher judge"):
        pretrain(small, replace(demo_corpus, judged=None), {"bce": 1.0}, tmp_path / "no", CONFIG)
    with pytest.raises(NothingToDoError, match="1 training documents"):
        pretrain(small, replace(demo_corpus, texts=["one"]), {"mlm": 1.0}, tmp_path / "no", CONFIG)
    assert not (tmp_path / "no").exists()
