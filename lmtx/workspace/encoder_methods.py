"""Encoders assembled and pre-trained on the user's own texts: that part of `Workspace`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lmtx.types import Progress, Run, no_progress
from lmtx.workspace import pretraining, switching, tagging
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    import pandas as pd

    from lmtx.workspace.encoder_models import EncoderEntry, EncoderPreview, ZooEntry
    from lmtx.workspace.switching import SwitchPreview


class EncoderMethods:
    """The part of `Workspace` that is about encoders."""

    _parts: Parts

    def encoder_parts(self) -> dict[str, dict[str, str]]:
        """Return what an encoder can be assembled of: kind of part -> name -> a sentence about it.

        Kinds are "embedding", "encoder", "pooling", "head" and "objective".
        """
        return pretraining.encoder_parts()

    def encoders(self) -> list[EncoderEntry]:
        """List the encoders that can be used: the default one, the one in use, those pre-trained here."""
        return pretraining.encoders(self._parts)

    def encoder_zoo(self) -> list[ZooEntry]:
        """List the configurations that ship with the product, with what was measured of each."""
        return pretraining.encoder_zoo()

    def encoder_preview(
        self, encoder: str | Mapping[str, Any] = "default", n_documents: int = 100
    ) -> EncoderPreview:
        """Assemble an encoder without training it, and measure it on documents of this corpus.

        Takes a second or two: it builds the model and encodes `n_documents` documents.

        Parameters
        ----------
        encoder : str or mapping
            As `encoder` of `pretrain`, or "default" for the packaged one, or the path of a saved model.
        n_documents : int
            So many documents are encoded to tell how many it does in a second.

        Raises
        ------
        InputError
            If the parts do not exist or do not go together.
        """
        return pretraining.encoder_preview(self._parts, encoder, n_documents)

    def pretrain(
        self,
        name: str,
        encoder: str | Mapping[str, Any] = "pretrained",
        objectives: Mapping[str, float] | None = None,
        steps: int = 500,
        progress: Progress = no_progress,
        **config: Any,
    ) -> dict[str, Any]:
        """Train an encoder on this corpus, and save it as a sentence-transformers model in the workspace.

        Reads texts of documents of role train and names of labels; the objectives "triplet", "infonce" and
        "bce" also verdicts and decisions on these documents. No gold label is read. Cancelled or killed, the
        same call goes on from the last checkpoint, on the same curve of losses.

        Parameters
        ----------
        name : str
            Name of the encoder; it is saved in `encoders/NAME`.
        encoder : str or mapping
            Name of an encoder part ("pretrained": the workspace's encoder is continued; "bigru",
            "gated_cnn", "static", ...), or fields of `lmtx.encoder.assembly.EncoderSpec`.
        objectives : mapping of str to float, optional
            Objective -> weight; their weighted losses are summed. None: masked LM and inverse cloze.
        steps : int
            Training steps. 0 only assembles, or for "static" distils.
        progress : callable
            Called with (step, steps, "Pre-training: mlm 6.120, inverse_cloze 0.310"); may raise
            `JobCancelled`.
        **config
            Fields of `lmtx.pretrain.PretrainConfig` ("batch", "lr", "max_length", "seed", ...).

        Returns
        -------
        dict
            "name", "path", "parameters", "bytes", "steps", "seconds", "cpu_seconds", "first" and "last" (mean
            loss by objective over the first and last tenth of the steps).

        Raises
        ------
        InputError
            If a name does not exist or parts do not go together, or there is an encoder of this name already.
        NothingToDoError
            If there is no document to train on, or an objective needs verdicts and there are none.
        """
        return pretraining.pretrain(self._parts, name, encoder, objectives, steps, progress, config)

    def pretraining_losses(self, name: str) -> pd.DataFrame:
        """Return the losses of a pre-training by name, also while it runs; columns step, objective, loss.

        The objective "total" is their weighted sum. Empty where there is none of that name.
        """
        return pretraining.pretraining_losses(self._parts, name)

    def forget_encoder(self, name: str) -> None:
        """Delete a pre-trained encoder; `InputError` if it is in use by the workspace."""
        pretraining.forget_encoder(self._parts, name)

    def switch_preview(self, encoder: str) -> SwitchPreview:
        """Say what `switch_encoder` would take; loads no model."""
        return switching.preview(self._parts, encoder)

    def switch_encoder(self, encoder: str, progress: Progress = no_progress) -> dict[str, Any]:
        """Use another encoder from now on; verdicts, decisions and completed documents stay.

        Documents and labels are encoded while the old encoder goes on answering. Then a run is trained with
        the new one and both take over together. Cancelled or killed, nothing has changed, and the same call
        goes on where it was; vectors of earlier encoders are kept, so that going back is quick.

        Parameters
        ----------
        encoder : str
            "minilm" (packaged), the name or folder of any sentence-transformers model, or
            `EncoderEntry.encoder` of one that was pre-trained here.
        progress : callable
            Called with (done, total, message); may raise `JobCancelled`.

        Returns
        -------
        dict
            "encoder", "encoded" (texts that had no vector), "run" (its id, or None where nothing is to be
            learned from), "seconds", "message" of the gate, and "quality_before" and "quality" where both
            runs were measured on the same documents.

        Raises
        ------
        EncoderError
            If it can't be loaded. Nothing has changed then.
        NothingToDoError
            If a run is in use and there is nothing to train another one from.
        """
        return switching.switch_encoder(self._parts, encoder, progress)

    def compare_encoders(
        self,
        encoders: Sequence[str],
        limit_docs: int = switching.COMPARED_DOCUMENTS,
        progress: Progress = no_progress,
    ) -> dict[str, Any]:
        """Rank the labels of some documents with each encoder, without any learning, and measure.

        Parameters
        ----------
        encoders : sequence of str
            As for `switch_encoder`.
        limit_docs : int
            At most so many documents. They are encoded where they were not; the vectors are kept.
        progress : callable

        Returns
        -------
        dict
            "truth": "gold" (test documents with gold labels) or "teacher" (held-out documents on which a
            teacher or a person said yes, and only what they said); "n_docs"; "encoders": a dict of each with
            "encoder", "P@1", "P@5", "R@10", the standard errors "P@1_se" and so on, and
            "documents_per_second" (None where nearly all had vectors already).

        Raises
        ------
        NothingToDoError
            If there is no gold and no held-out verdict.
        """
        return switching.compare_encoders(self._parts, encoders, limit_docs, progress)

    def reads_with(self, run: Run) -> bool:
        """Whether a run was trained with the encoder in use, so that it can answer."""
        return tagging.reads_with(self._parts, run)

    def keep_encoder(self) -> None:
        """Stay with the encoder of now, although another process may switch: for work that takes long."""
        self._parts.keep_encoder()
