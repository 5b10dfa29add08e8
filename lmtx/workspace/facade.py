"""The workspace: what can be done with one project, each thing in one call.

Heavy libraries (torch, sentence-transformers, chromadb) are imported by the calls that need them.
A `Workspace` may be used from several threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from lmtx.config import Settings, home
from lmtx.ingest import ColumnMap, Preview, Source
from lmtx.jobs import Job, WarmPool
from lmtx.types import Document, Label, Progress, Role, Run, State, no_progress
from lmtx.workspace import (
    browsing,
    calibrating,
    elsewhere,
    exporting,
    icxml,
    importing,
    learning,
    measuring,
    prompting,
    tagging,
    teaching,
    trials,
)
from lmtx.workspace.compare_methods import CompareMethods
from lmtx.workspace.decisions_file import import_decisions
from lmtx.workspace.encoder_methods import EncoderMethods
from lmtx.workspace.explore_methods import ExploreMethods
from lmtx.workspace.models import (
    DocumentDetail,
    Example,
    Hit,
    ImportReport,
    LabelDetail,
    Status,
    Tag,
    TeachPreview,
    WorkspaceInfo,
)
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_methods import PrecisionMethods
from lmtx.workspace.review_methods import ReviewMethods
from lmtx.workspace.thresholds import Threshold
from lmtx.workspace.trials import Trial, TrialPair, TrialReport

if TYPE_CHECKING:
    import pandas as pd

    from lmtx.cycle import CycleReport
    from lmtx.journal import DocumentRow, Journal, JudgedDecision, LabelRow, Page, PairRow
    from lmtx.teacher import JudgeReport
    from lmtx.teacher.position import PositionReport
    from lmtx.teacher.prompts import FewShot, Prompt
    from lmtx.workspace.elsewhere import RequestsReport, VerdictsReport

LabelSort = Literal["name", "id", "children", "gold", "accepted", "rejected", "proposed", "declined"]
OnBad = Literal["stop", "skip"]


class Workspace(ReviewMethods, PrecisionMethods, CompareMethods, ExploreMethods, EncoderMethods):
    """One project in one folder.

    Make one with `create`, open it with `open`; both are context managers. Everything durable is in
    the journal; the Chroma index is a view that this process keeps in step if it owns it.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # ---- opening ------------------------------------------------------------------------------

    @classmethod
    def create(cls, folder: Path | str, name: str = "", **settings: Any) -> Workspace:
        """Make a workspace in a folder that holds none, and open it.

        Raises
        ------
        InputError
            If the folder already holds a workspace or other files, or a setting is not usable.
        """
        return cls(Parts.create(Path(folder), name, settings))

    @classmethod
    def open(cls, folder: Path | str, own_index: bool | None = None, *, read_only: bool = False) -> Workspace:
        """Open the workspace in a folder.

        Parameters
        ----------
        folder : path
            Its folder.
        own_index : bool, optional
            Whether this process is to own the Chroma index: True raises `LockedError` where another
            does; None takes it where it is free, when it is first needed; False never does.
        read_only : bool
            Whether it is only looked at. Then nothing in the folder changes, whatever is called: what would
            write to the journal or the settings, or start a job, raises `ReadOnlyError`; what is computed is
            kept in memory; and the index is not owned, so that others may work on the workspace meanwhile.
        """
        return cls(Parts.open(Path(folder), own_index, read_only))

    def close(self) -> None:
        """Give up the index and the database. Jobs go on."""
        self._parts.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def list_workspaces(root: Path | None = None) -> list[WorkspaceInfo]:
        """List the workspaces in a folder (default: `lmtx.config.home()`), by name."""
        return browsing.list_workspaces(root or home())

    @property
    def folder(self) -> Path:
        """Folder of the workspace."""
        return self._parts.folder

    @property
    def read_only(self) -> bool:
        """Whether it was opened to be looked at."""
        return self._parts.read_only

    @property
    def settings(self) -> Settings:
        """Settings as they stand; change them with `update_settings`."""
        return self._parts.settings

    @property
    def journal(self) -> Journal:
        """The record of everything; see `lmtx.journal`."""
        return self._parts.journal

    def update_settings(self, **values: Any) -> Settings:
        """Change settings by name; `InputError` where one is not usable or can't change any more."""
        return self._parts.update_settings(values)

    def status(self) -> Status:
        """State of the workspace and the next best step."""
        return browsing.status(self._parts)

    # ---- data in ------------------------------------------------------------------------------

    def preview(
        self, source: Source, kind: Literal["corpus", "labels"], columns: ColumnMap | None = None
    ) -> Preview:
        """Show how a file would be read; nothing is written."""
        return importing.preview(self._parts, source, kind, columns)

    def import_corpus(
        self,
        source: Source,
        columns: ColumnMap | None = None,
        *,
        labels_are: Literal["gold", "completed", "none"] = "gold",
        on_bad: OnBad = "stop",
        delete_missing: bool = False,
        create_labels: bool = False,
        progress: Progress = no_progress,
    ) -> ImportReport:
        """Import documents, all or nothing.

        Parameters
        ----------
        source : path or UploadedBytes
            What to read.
        columns : ColumnMap, optional
            Which column is what; guessed where None.
        labels_are : {"gold", "completed", "none"}
            What labels in the file are: for evaluation only, settled by people (theirs to train on),
            or to be ignored.
        on_bad : {"stop", "skip"}
            What a bad row does: end the import with nothing written, or be left out.
        delete_missing : bool
            Delete the documents that the file does not have; none where bad rows were left out.
        create_labels : bool
            Make labels of the names in the file that no label has.
        progress : callable
            Called with (done, total, message); total is 0 where it is not known.

        Raises
        ------
        InputError
            If a row is bad and `on_bad` is "stop", or the file can't be read.
        """
        return importing.import_corpus(
            self._parts,
            source,
            columns,
            labels_are=labels_are,
            on_bad=on_bad,
            delete_missing=delete_missing,
            create_labels=create_labels,
            progress=progress,
        )

    def import_labels(
        self,
        source: Source,
        columns: ColumnMap | None = None,
        *,
        on_bad: OnBad = "stop",
        delete_missing: bool = False,
        progress: Progress = no_progress,
    ) -> ImportReport:
        """Import a label set, all or nothing; parameters as for `import_corpus`."""
        return importing.import_labels(
            self._parts, source, columns, on_bad=on_bad, delete_missing=delete_missing, progress=progress
        )

    def import_decisions(
        self, source: Source, reviewer: str | None = None, progress: Progress = no_progress
    ) -> ImportReport:
        """Import decisions as `export("decisions")` writes them; those already there are left out.

        `reviewer` replaces the reviewer in the file, and is needed where the file names none.
        """
        return import_decisions(self._parts, source, reviewer, progress)

    def import_demo(self, progress: Progress = no_progress) -> ImportReport:
        """Import the demo corpus and its label set (a library catalogue, made for this product)."""
        return importing.import_demo(self._parts, progress)

    def demo(self, progress: Progress = no_progress) -> dict[str, float]:
        """Import the demo, judge it by the evidence teacher, train, and measure; returns the figures.

        What is done already is not done again.
        """
        return learning.demo(self._parts, progress)

    def embed(self, progress: Progress = no_progress) -> int:
        """Encode the documents and labels that have no vector yet; returns how many."""
        return self._parts.embed_all(progress)

    def n_without_vector(self) -> int:
        """Documents and labels that have no vector yet."""
        return self._parts.n_without_vector()

    def preload(self) -> None:
        """Load the encoder in the background, so that the first search or text need not wait."""
        self._parts.preload()

    # ---- index --------------------------------------------------------------------------------

    def sync_index(self, progress: Progress = no_progress) -> int:
        """Bring the Chroma index up to the journal; returns the items written.

        Does nothing where another process owns the index: the owner catches up by itself.
        """
        return self._parts.sync_index(progress)

    def sync_soon(self) -> None:
        """Bring the index up to the journal in the background, if this process owns it."""
        self._parts.sync_soon()

    def index_report(self) -> str:
        """Say in a sentence how the search index is."""
        return self._parts.index_report()

    def rebuild_index(self, progress: Progress = no_progress) -> int:
        """Build the Chroma index anew from the journal; returns the items written."""
        return self._parts.rebuild_index(progress)

    # ---- looking around -----------------------------------------------------------------------

    def documents_page(
        self,
        *,
        query: str = "",
        role: Role | None = None,
        label_id: str | None = None,
        state: State | None = None,
        completed: bool | None = None,
        page: int = 0,
        page_size: int = 50,
    ) -> Page[DocumentRow]:
        """One page of the documents that match all filters."""
        return self.journal.documents_page(
            query=query,
            role=role,
            label_id=label_id,
            state=state,
            completed=completed,
            page=page,
            page_size=page_size,
        )

    def labels_page(
        self,
        *,
        query: str = "",
        parent: str | None = None,
        sort: LabelSort = "name",
        descending: bool = False,
        page: int = 0,
        page_size: int = 50,
    ) -> Page[LabelRow]:
        """One page of the labels that match."""
        return self.journal.labels_page(
            query=query, parent=parent, sort=sort, descending=descending, page=page, page_size=page_size
        )

    def document_detail(self, document_id: str, *, predict: bool = True) -> DocumentDetail:
        """Return one document with its pseudo labels, predictions, history and similar documents."""
        return browsing.document_detail(self._parts, document_id, predict=predict)

    def label_detail(self, label_id: str) -> LabelDetail:
        """One label with its place, counts, examples and neighbours."""
        return browsing.label_detail(self._parts, label_id)

    def label_pairs(self, label_id: str, state: State | None = None, page: int = 0) -> Page[PairRow]:
        """One page of a label's pairs, with document titles."""
        return self.journal.label_pairs(label_id, state=state, page=page)

    def search(
        self,
        text: str,
        mode: Literal["keyword", "semantic"] = "keyword",
        n: int = 20,
        *,
        label_id: str | None = None,
        state: State | None = None,
    ) -> list[Hit]:
        """Find documents by words, or by meaning; optionally those where a label has a state."""
        return browsing.search(self._parts, text, mode, n, label_id=label_id, state=state)

    def find_labels(self, query: str, limit: int = 20, document_id: str | None = None) -> list[Label]:
        """Find labels by any word of name, alias or definition.

        With `document_id`, labels already accepted there are left out, and an empty query gives the
        labels that the tagger ranks next for that document.
        """
        return browsing.find_labels(self._parts, query, limit, document_id)

    # ---- learning -----------------------------------------------------------------------------

    def teach_preview(
        self,
        teacher: str | None = None,
        top_k: int | None = None,
        limit_docs: int | None = None,
        *,
        rounds: int | None = None,
        only_changed: bool = False,
    ) -> TeachPreview:
        """Say what `teach` (with `rounds`: `cycle`) would ask and what that takes; nothing is asked."""
        return teaching.teach_preview(
            self._parts, teacher, top_k, limit_docs, rounds=rounds, only_changed=only_changed
        )

    def teach(
        self,
        teacher: str | None = None,
        top_k: int | None = None,
        limit_docs: int | None = None,
        *,
        budget: Mapping[str, float | None] | None = None,
        only_changed: bool = False,
        progress: Progress = no_progress,
    ) -> JudgeReport:
        """Ask the teacher about the shortlist of each train document; no pair twice.

        Parameters
        ----------
        teacher : str, optional
            Specification; the one last used where None.
        top_k, limit_docs : int, optional
            Labels of a document, and documents, to ask about.
        budget : mapping, optional
            Where it ends: "pairs", "tokens", "dollars", "minutes".
        only_changed : bool
            Ask only about pairs that this teacher has judged, and whose texts have changed since.

        Raises
        ------
        ConsentError
            If texts would be sent to a machine that `consent` was not given for.
        """
        return teaching.teach(
            self._parts,
            teacher,
            top_k,
            limit_docs,
            budget=budget,
            only_changed=only_changed,
            progress=progress,
        )

    def consent(self, host: str, *, withdraw: bool = False) -> None:
        """Allow that texts of this workspace are sent to a machine; once is enough."""
        teaching.consent(self._parts, host, withdraw=withdraw)

    def export_requests(
        self,
        path: Path | str,
        teacher: str | None = None,
        top_k: int | None = None,
        limit_docs: int | None = None,
        *,
        format: elsewhere.RequestsFormat = "lmtx",
        only_changed: bool = False,
        progress: Progress = no_progress,
    ) -> RequestsReport:
        """Write what `teach` with these arguments would ask to a file, to be judged elsewhere.

        Nothing is asked, and no consent is needed: a person moves the file.

        Parameters
        ----------
        path : path
            File of JSON lines, written whole or not at all.
        teacher : str, optional
            Specification of a language model; the teacher last used where None.
        top_k, limit_docs, only_changed : as for `teach`
        format : {"lmtx", "openai-batch"}
            For `lmtx judge` on another machine, or for a batch service with the OpenAI interface; then a map
            is written beside it, which its output is imported with.

        Raises
        ------
        NothingToDoError
            If no pair is open.
        TeacherError
            If the teacher can't be asked elsewhere.
        """
        return elsewhere.export_requests(
            self._parts,
            Path(path),
            teacher,
            top_k,
            limit_docs,
            format=format,
            only_changed=only_changed,
            progress=progress,
        )

    def import_verdicts(
        self,
        source: Source,
        map_file: Source | str | None = None,
        *,
        progress: Progress = no_progress,
    ) -> VerdictsReport:
        """Record verdicts that were made elsewhere, all or nothing; those already there are left out.

        Parameters
        ----------
        source : path or UploadedBytes
            Verdicts of `lmtx judge`, or the output of a batch service.
        map_file : path or UploadedBytes, optional
            The map of a batch; where None, the one beside `source` that fits.

        Raises
        ------
        InputError
            If a line is not usable (it is named), or the verdicts are under a key that is not theirs.
        """
        found = Path(map_file) if isinstance(map_file, str) else map_file
        return elsewhere.import_verdicts(self._parts, source, found, progress)

    def trial(
        self,
        teachers: Sequence[str],
        n: int = 30,
        top_k: int | None = None,
        seed: int | None = None,
        progress: Progress = no_progress,
    ) -> Trial:
        """Let one or two teachers judge some undecided pairs, for a person to label without seeing that.

        Each answer is on record as it comes in; the same call goes on with a trial that was cut off.
        """
        return trials.trial(self._parts, teachers, n, top_k, seed, progress)

    def trials(self) -> list[Trial]:
        """List the trials, the newest first."""
        return trials.trials(self._parts)

    def next_trial_pair(self, trial_id: str) -> TrialPair | None:
        """Return the next pair that nobody has decided, without any teacher's opinion; None where all are."""
        return trials.next_pair(self._parts, trial_id)

    def label_trial_pair(
        self, trial_id: str, document_id: str, label_id: str, wanted: bool, reviewer: str = ""
    ) -> None:
        """Record what a person says of a pair: a decision like any other, of policy "trial"."""
        trials.label_pair(self._parts, trial_id, document_id, label_id, wanted, reviewer)

    def trial_report(self, trial_id: str) -> TrialReport:
        """Compare what the teachers said with what people decided so far."""
        return trials.report(self._parts, trial_id)

    def judged_decisions(self, teacher_key: str) -> list[JudgedDecision]:
        """List the pairs that a teacher judged and people decided, for holding its probabilities against.

        Without documents of the reserve, and without pairs whose answer is among its few-shot examples.
        """
        return prompting.judged_decisions(self._parts, teacher_key)

    def calibrate(self, teacher_key: str, progress: Progress = no_progress) -> str:
        """Fit where a reranker's yes begins to people's decisions; returns the new teacher's specification.

        It becomes the teacher of the workspace, and what the old one judged is judged by it too, from the
        scores that were kept: no model is asked. Decisions on the reserve are not read.

        Raises
        ------
        InputError
            If the teacher is no reranker, or there are too few decisions on what it judged.
        """
        return calibrating.calibrate(self._parts, teacher_key, progress)

    def check_positions(
        self, teacher: str | None = None, n_documents: int = 20, progress: Progress = no_progress
    ) -> PositionReport:
        """Ask a teacher about some documents in several orders of their candidates, and compare.

        Nothing of it becomes a judgment. For teachers that are asked pair by pair the order can't matter.
        """
        return teaching.check_positions(self._parts, teacher, n_documents, progress)

    def prompts(self) -> list[Prompt]:
        """List the prompt templates: those that come with the product, then the user's own."""
        return prompting.prompts(self._parts)

    def save_prompt(self, base: str, text: str) -> Prompt:
        """Keep a template of the user's under the next free version of a name; `InputError` if unusable."""
        return prompting.save(self._parts, base, text)

    def few_shots(self) -> list[str]:
        """Names of the frozen sets of examples."""
        return prompting.few_shots(self._parts)

    def few_shot_from_decisions(self, name: str, n: int = 8, seed: int = 0) -> FewShot:
        """Freeze a set of examples under a new name: decisions on training documents, half of them rejected.

        Never of reserved, held-out or test documents, never gold, and no pair of a trial, which is to tell
        how good a teacher is.
        """
        return prompting.few_shot_from_decisions(self._parts, name, n, seed)

    def render_prompt(
        self, text: str, document_id: str, label_ids: Sequence[str], few_shot: str | None = None
    ) -> list[dict[str, str]]:
        """Messages ("role", "content") that a template makes of a document and of labels to ask about."""
        return prompting.render(self._parts, text, document_id, label_ids, few_shot)

    def train(self, progress: Progress = no_progress, student: str = "adapter", **config: Any) -> Run:
        """Train student and tagger on what is known now; promoted unless a gate says no.

        Cancelled or killed, a student with an encoder of its own goes on from its last checkpoint when the
        same is asked for again.

        Parameters
        ----------
        progress : callable
        student : {"adapter", "finetune", "official", "maclr", "rts"}
            A layer on the frozen encoder; a fine-tuned copy of the encoder; that by the procedure that LMTX
            was published with; or a pre-training on texts and label names, which reads no verdict and is
            never promoted by itself.
        **config
            Settings of that kind, see `lmtx.student.kinds`.
        """
        return learning.train(self._parts, progress, student, config)

    def cycle(
        self,
        teacher: str | None = None,
        rounds: int | None = None,
        limit_docs: int | None = None,
        seed: int | None = None,
        progress: Progress = no_progress,
        *,
        budget: Mapping[str, float | None] | None = None,
        student: str = "adapter",
        **config: Any,
    ) -> CycleReport:
        """Run rounds of shortlist, judge, train, score, until the held-out score stops improving.

        `budget` as for `teach`, over all rounds; what was answered by its end is trained on. `student` and
        `config` as for `train`, but for the kinds that read no verdicts. A student of kind "finetune" is
        trained at the end, and the rounds rank with an adapter; with `finetune_every_round=True` it ranks
        them all.
        """
        return learning.cycle(
            self._parts,
            teacher,
            rounds,
            limit_docs,
            seed,
            budget=budget,
            student=student,
            settings=config,
            progress=progress,
        )

    def runs(self) -> list[Run]:
        """All trainings, newest first."""
        return self.journal.runs()

    def promote(self, run_id: str) -> None:
        """Make a run the one that predicts; an older run rolls back."""
        learning.promote(self._parts, run_id)

    def icxml(
        self,
        teacher: str | None = None,
        limit_docs: int | None = 20,
        variant: Literal["content", "label"] = "content",
        *,
        document_ids: Sequence[str] | None = None,
        budget_tokens: int | None = None,
        progress: Progress = no_progress,
        **settings: Any,
    ) -> Run:
        """Let a language model label documents by ICXML, with no training; see `lmtx.baselines.icxml`.

        Each answer is kept as it comes in: the same call goes on where it was cut off and asks nothing twice.

        Parameters
        ----------
        teacher : str, optional
            Specification of a language model that writes text; the teacher last used where None.
        limit_docs : int, optional
            Only the first so many documents.
        variant : {"content", "label"}
            Demonstrations: near documents whose labels the model writes, or near labels for which it writes
            a title.
        document_ids : sequence of str, optional
            Documents to label; where None, test documents with gold labels, in row order.
        budget_tokens : int, optional
            Most tokens of this call; documents that are not done by then are left out.
        **settings
            Fields of `IcxmlConfig`.

        Returns
        -------
        Run
            Of kind "icxml". It holds predictions for these documents, and is never put in use.

        Raises
        ------
        InputError
            If the teacher writes no text.
        ConsentError
            If texts would be sent to a machine that `consent` was not given for.
        NothingToDoError
            If there is no document to label, or the budget does not suffice for one.
        """
        return icxml.icxml(
            self._parts, teacher, variant, limit_docs, document_ids, budget_tokens, progress, settings
        )

    # ---- measuring ----------------------------------------------------------------------------

    def evaluate(
        self,
        split: Literal["test"] = "test",
        system: str = "tagger",
        limit_docs: int | None = None,
        progress: Progress = no_progress,
    ) -> dict[str, float]:
        """Ranking metrics against gold.

        Parameters
        ----------
        split : {"test"}
            Documents of the file's split that have gold labels. Those of the split "train" were trained on
            or are kept for other measures: a figure on them would say nothing.
        system : str
            "tagger" (the promoted run), "student", "zero-shot", the id of a run, or that and "/student".
        limit_docs : int, optional
            Only the first so many documents.

        Returns
        -------
        dict
            "P@1", "P@3", "P@5", "R@10", "nDCG@5" as fractions, the standard error of each over documents
            ("P@1_se" and so on), "n_docs", "n_labels".
        """
        return measuring.evaluate(self._parts, split, system, limit_docs, progress)

    def label_quality(
        self, system: str = "tagger", cut: int | float | None = None, progress: Progress = no_progress
    ) -> pd.DataFrame:
        """Precision, recall, F1 and support of every label against gold of the test split.

        Columns label_id, name, precision, recall, f1, support, n_predicted; kept per run, so that a
        second call is quick. `cut` is a number of tags per document (int) or a probability (float);
        None: 5 tags, or fewer where documents have fewer in gold.
        """
        return measuring.label_quality(self._parts, system, cut, progress)

    def label_outcomes(
        self, label_id: str, outcome: Literal["tp", "fp", "fn"], system: str = "tagger", limit: int = 50
    ) -> list[Example]:
        """Documents where a label was rightly predicted, wrongly predicted, or missed."""
        return measuring.label_outcomes(self._parts, label_id, outcome, system, limit)

    # ---- using --------------------------------------------------------------------------------

    def predict(
        self,
        texts: Sequence[Document | str],
        top_k: int = 5,
        system: str = "tagger",
        words: bool = True,
        threshold: Threshold | None = None,
    ) -> list[list[Tag]]:
        """Tag texts: the best labels of each, best first.

        Without a promoted run the zero-shot ranking answers.

        Parameters
        ----------
        texts : sequence of Document or str
        top_k : int
            At most so many labels of each.
        system : str
            As for `evaluate`.
        words : bool
            False leaves out the words and parts, which is quicker for many texts.
        threshold : float or {"promised", "promised by group"}, optional
            Only tags of at least this probability. "promised": of the lowest one at which the audit promises
            that the target (`settings.precision_target`) is right, for texts like those of the corpus. "by
            group": of that of each label's group; labels of groups without one are not given.

        Raises
        ------
        InputError
            If nothing calibrates the system.
        NothingToDoError
            If nothing can be promised yet; the message says what that would take.
        """
        return tagging.predict(self._parts, texts, top_k, system, words, threshold)

    def export(
        self,
        what: Literal["corpus", "pairs", "decisions", "model"],
        format: str,
        out: Path | str,
        progress: Progress = no_progress,
        reviewer: str | None = None,
        threshold: Threshold | None = None,
    ) -> Path:
        """Write the corpus with its tags, the pairs, the decisions, or the promoted model.

        `format` is "csv", "jsonl" or "parquet"; the model is a folder ("folder") or "zip". Decisions can also
        be had as "label-studio", "argilla" (both JSON) or "prodigy" (JSON lines), by document and with what
        teacher and tagger propose; `reviewer` leaves in only theirs. `threshold` is as for `predict`, and for
        what the tagger adds to the corpus; labels that people accepted stay.
        """
        return exporting.export(self._parts, what, format, Path(out), progress, reviewer, threshold)

    # ---- jobs ---------------------------------------------------------------------------------

    def start_job(
        self, verb: str, params: Mapping[str, Any] | None = None, warm: WarmPool | None = None
    ) -> str:
        """Start long work in a process of its own; returns the job's id.

        `verb` is the name of a method that takes `progress`; `params` its other arguments as JSON.
        """
        return self._parts.job_store.start(verb, dict(params or {}), warm)

    def jobs(self, limit: int = 20) -> list[Job]:
        """Jobs, newest first."""
        return self._parts.jobs(limit)

    def job(self, job_id: str) -> Job:
        """One job."""
        return self._parts.job_store.get(job_id)

    def cancel_job(self, job_id: str) -> None:
        """Ask a job to stop; what it committed stays."""
        self._parts.job_store.cancel(job_id)

    def resume_job(self, job_id: str, warm: WarmPool | None = None) -> str:
        """Go on with a job that was interrupted, cancelled or failed; the same id."""
        return self._parts.job_store.resume(job_id, warm)

    def job_log(self, job_id: str, tail: int = 4000) -> str:
        """Return the end of a job's log."""
        return self._parts.job_store.log(job_id, tail)
