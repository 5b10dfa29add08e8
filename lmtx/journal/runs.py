"""Runs and which of them is in use; jobs and how far they are."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from lmtx.errors import InputError, NotFoundError
from lmtx.journal import schema as s
from lmtx.journal.rows import JobRow
from lmtx.journal.store import Store, from_micros, micros_now, to_micros
from lmtx.types import TO_COMPARE, Run

_JOB_FIELDS: Final = frozenset(
    {"state", "done", "total", "message", "rate", "pid", "started", "ended", "error", "result", "params"}
)
_JSON: Final = frozenset({"params", "result"})
_TIMES: Final = frozenset({"started", "ended"})


class Runs(Store):
    """The part of the journal that keeps runs, promotions and jobs."""

    def put_run(self, run: Run) -> None:
        """Record a run, or a newer version of one (say, with metrics). `promoted` is ignored."""
        with self._write() as tx:
            row = {
                "seq": tx.take("run_records"),
                "id": run.id,
                "created": to_micros(run.created),
                "kind": run.kind,
                "config": _dump(run.config),
                "fingerprint": run.fingerprint,
                "folder": run.folder,
                "metrics": _dump(run.metrics),
                "note": run.note,
                "at": micros_now(),
            }
            tx.conn.execute(insert(s.run_records), [row])

    def runs(self, limit: int | None = None) -> list[Run]:
        """List runs, the newest first: at most `limit`, or all."""
        with self._read() as conn:
            return _runs(conn, limit=limit)

    def newest_training(self) -> Run | None:
        """Return the newest run that learned from verdicts or decisions, promoted or not."""
        with self._read() as conn:
            found = _runs(conn, s.run_records.c.kind.not_in(TO_COMPARE), limit=1)
        return found[0] if found else None

    def run(self, id: str) -> Run:
        """Return a run by id.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        with self._read() as conn:
            found = _runs(conn, s.run_records.c.id == id)
        if not found:
            raise NotFoundError(f"Run {id!r} does not exist. The page Train lists the runs there are.")
        return found[0]

    def promote(self, run_id: str) -> Run:
        """Put a run in use. To roll back, promote an older one; every promotion is recorded.

        Raises
        ------
        NotFoundError
            If there is no such run.
        """
        self.run(run_id)
        with self._write() as tx:
            row = {"seq": tx.take("promotions"), "run_id": run_id, "at": micros_now()}
            tx.conn.execute(insert(s.promotions), [row])
        return self.run(run_id)

    def promoted(self) -> Run | None:
        """Return the run in use."""
        with self._read() as conn:
            id_ = _promoted(conn)
            found = _runs(conn, s.run_records.c.id == id_) if id_ is not None else []
        return found[0] if found else None

    def promotions(self) -> list[tuple[str, Any]]:
        """List (run id, time) of every promotion, the oldest first."""
        with self._read() as conn:
            rows = conn.execute(select(s.promotions.c.run_id, s.promotions.c.at).order_by(s.promotions.c.seq))
            return [(run_id, from_micros(at)) for run_id, at in rows]

    # Jobs: their rows are overwritten; they are no record of anyone's work.

    def job_put(self, id: str, verb: str, params: dict[str, object], *, state: str = "queued") -> JobRow:
        """Add a job.

        Raises
        ------
        InputError
            If there is one with this id.
        """
        with self._write() as tx:
            if tx.conn.scalar(select(s.jobs.c.id).where(s.jobs.c.id == id)) is not None:
                raise InputError(f"Job {id!r} exists already. Give a new one a new id.")
            row = {
                "id": id,
                "verb": verb,
                "params": _dump(params),
                "state": state,
                "done": 0,
                "total": 0,
                "message": "",
                "created": micros_now(),
                "error": "",
            }
            tx.conn.execute(insert(s.jobs), [row])
        return self.job(id)

    def job_update(self, id: str, *, if_state: Collection[str] | None = None, **fields: object) -> bool:
        """Change fields of a job, and note the time as its heartbeat.

        Parameters
        ----------
        if_state : collection of str, optional
            Change it only if it is in one of these states, tested in the same transaction.
        **fields
            state, done, total, message, rate, pid, started, ended (datetimes), error, result, params.

        Returns
        -------
        bool
            Whether it was changed; False if `if_state` did not hold.

        Raises
        ------
        NotFoundError
            If there is no such job.
        """
        unknown = sorted(fields.keys() - _JOB_FIELDS)
        if unknown:
            raise InputError(
                f"Unknown job field {unknown[0]!r}. Expected some of {', '.join(sorted(_JOB_FIELDS))}."
            )
        values: dict[str, Any] = dict(fields)
        for name in fields.keys() & _JSON:
            values[name] = None if fields[name] is None else _dump(fields[name])
        for name in fields.keys() & _TIMES:
            values[name] = None if values[name] is None else to_micros(values[name])
        values["heartbeat"] = micros_now()
        c = s.jobs.c
        statement = update(s.jobs).where(c.id == id)
        if if_state is not None:
            statement = statement.where(c.state.in_(list(if_state)))
        with self._write() as tx:
            if tx.conn.execute(statement.values(values)).rowcount:
                return True
            if tx.conn.scalar(select(c.id).where(c.id == id)) is None:
                raise NotFoundError(f"Job {id!r} does not exist.")
        return False

    def job(self, id: str) -> JobRow:
        """Return a job by id.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        with self._read() as conn:
            row = conn.execute(_JOB.where(s.jobs.c.id == id)).first()
        if row is None:
            raise NotFoundError(f"Job {id!r} does not exist.")
        return _job(row)

    def jobs(self, limit: int = 100, *, states: Collection[str] | None = None) -> list[JobRow]:
        """List jobs, the newest first."""
        statement = _JOB.order_by(s.jobs.c.created.desc(), s.jobs.c.id.desc()).limit(limit)
        if states is not None:
            statement = statement.where(s.jobs.c.state.in_(list(states)))
        with self._read() as conn:
            return [_job(row) for row in conn.execute(statement)]


_JOB: Final = select(
    *(
        s.jobs.c[name]
        for name in (
            "id", "verb", "params", "state", "done", "total", "message", "rate", "pid", "created", "started",
            "ended", "heartbeat", "error", "result",
        )
    )
)  # fmt: skip


def _job(row: Any) -> JobRow:
    values = dict(row._mapping)
    values["params"] = json.loads(values["params"])
    values["result"] = None if values["result"] is None else json.loads(values["result"])
    for name in ("created", "started", "ended", "heartbeat"):
        values[name] = None if values[name] is None else from_micros(values[name])
    return JobRow(**values)


def _promoted(conn: Connection) -> str | None:
    c = s.promotions.c
    return conn.scalar(select(c.run_id).order_by(c.seq.desc()).limit(1))


def _runs(conn: Connection, *conditions: Any, limit: int | None = None) -> list[Run]:
    c = s.run_records.c
    newest = select(func.max(c.seq)).group_by(c.id)
    rows = conn.execute(
        select(c.id, c.created, c.kind, c.config, c.fingerprint, c.folder, c.metrics, c.note)
        .where(c.seq.in_(newest), *conditions)
        .order_by(c.created.desc(), c.seq.desc())
        .limit(limit)
    ).all()
    promoted = _promoted(conn)
    return [
        Run(
            id=id_,
            created=from_micros(created),
            kind=kind,
            config=json.loads(config),
            fingerprint=fingerprint,
            folder=folder,
            metrics=json.loads(metrics),
            promoted=id_ == promoted,
            note=note,
        )
        for id_, created, kind, config, fingerprint, folder, metrics, note in rows
    ]


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    # numpy scalars and paths find their way into configurations and metrics
    return value.item() if hasattr(value, "item") else str(value)
