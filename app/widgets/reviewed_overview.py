"""The audited view's overview: how often a tag is right, of all, of groups, and what can be promised."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import charts, services
from app.widgets import downloads, layout, table, words
from app.widgets import reviewed_behind as behind
from app.widgets import reviewed_frame as frame
from app.widgets.inert import escape, markdown, shorten
from app.widgets.reviewed_frame import Asked
from lmtx.quality.estimates import Interval
from lmtx.quality.promises import Promise
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import GroupFigure, PrecisionReport

HOW = (
    "One document in five is the **reserve**: nothing learns from it and nothing is chosen by it. The audit "
    "draws from it at random, documents or single tags, and a person says what is right. Only these answers "
    "count, up to the point to which their order was answered; what other queues brought does not, as they "
    "look for errors.\n\n"
    "**Precision**: of the given tags the share that is right. The tagger's own probabilities of the whole "
    "reserve make its interval narrower, and would not make it wrong if they were off. **Mean over labels**: "
    "each label counts the same, however often it is given. **Recall**: of the labels that documents should "
    "have, the share that is given; it comes from documents that were completed in the audit. Brackets hold "
    "95 % intervals, for one look; they pay for the draw of documents, whose tags are right or wrong "
    "together.\n\n"
    "**Not valid** where people's answers are wrong, where tags were put off because they were hard, or for "
    "a run that was chosen because this figure says it is better."
)
HOW_PROMISE = (
    "Thresholds are tried in a fixed order, the highest first; the first that can't be promised ends it. "
    "Each needs evidence that holds at all looks at once, so looking often, and at many thresholds, is paid "
    "for. "
    "It is about the tags of the run that is measured, at the number of tags chosen above, and holds while "
    "new documents are like those of the corpus.\n\n"
    "A promise is worked out anew with each answer: near its edge it may come, go and come again. Where more "
    "than 5 % of what was asked was put off, nothing is promised."
)
FEW = "not enough reviews"
_FIRM_DOCUMENTS = 20
"""Audited documents from which the spread between them is known well enough."""
_FOREST = 16
_WORST = 3
_ROW = 33
"""Height of a table's row, in pixels: all groups show at once."""
_TARGETS = (50, 60, 70, 75, 80, 85, 90, 95, 97, 99)


def draw(workspace: Workspace, asked: Asked, report: PrecisionReport) -> None:
    """Draw it."""
    _sentence(asked, report)
    _figures(report)
    _rests_on(workspace, report)
    behind.of_report(workspace, report)
    _promise(workspace, asked, report)
    _worst(report)
    _groups(report)
    _plots(report)


def _sentence(asked: Asked, report: PrecisionReport) -> None:
    p = report.precision
    who, few = frame.who(asked), p.n < frame.FIRM_PAIRS
    known = (
        f"{words.count(report.n_known(frame.KNOWN))} of {words.many(report.n_labels, 'label')} "
        f"are known to ±{100 * frame.KNOWN:.0f} points."
    )
    if p.value is None:
        frame.finding(
            f"Not enough reviews yet to say how many of the tags that {escape(who)} gives are right."
            + (f" {escape(put_off(report))}" if report.put_off else ""),
            pale=True,
        )
        return
    share = escape(words.percent(p.value, (p.low, p.high)))
    first = f" A first impression: it is firm from {frame.FIRM_PAIRS} audited tags on." if few else ""
    doubt = f" {escape(put_off(report))}" if report.put_off else ""
    frame.finding(
        f"Of the tags that {escape(who)} gives, <b>{share}</b> are right; {escape(known)}{first}{doubt}",
        pale=few or report.put_off,
    )


def put_off(report: PrecisionReport) -> str:
    """Say how many of the tags that were asked were put off, and what that may do to the figure."""
    n, asked = report.n_passed, report.n_passed + report.n_pairs
    what = "figures are" if report.precision.value is None else "the figure is"
    worst = "" if report.worst is None else f"; at worst {words.percent(report.worst)}"
    return (
        f"{words.count(n)} of {words.many(asked, 'tag')} that were asked {'was' if n == 1 else 'were'} put "
        f"off: if these are the hard ones, {what} too high{worst}."
    )


def _figures(report: PrecisionReport) -> None:
    cut = f"of the {frame.which(report.cut)}"
    layout.figures(
        [
            ("Precision", _share(report.precision), cut if report.precision.value is not None else FEW),
            (
                "Mean over labels",
                _share(report.macro),
                f"{words.many(report.n_labels, 'label')}, each counts the same"
                if report.macro.value is not None
                else FEW,
            ),
            ("Recall", _share(report.recall), _of_recall(report)),
            (
                "Labels known to ±10",
                words.count(report.n_known(frame.KNOWN)),
                f"of {words.count(report.n_labels)} that are given",
            ),
            (
                "Audited tags",
                words.count(report.precision.n),
                f"of the {words.many(report.n_tags, 'tag')} of "
                f"{words.many(report.n_looked_at, 'reserved document')}",
            ),
        ]
    )


def _share(found: Interval) -> str:
    return words.percent(found.value, (found.low, found.high))


def _of_recall(report: PrecisionReport) -> str:
    if report.recall.value is None:
        return f"{FEW} of whole documents"
    by = f"by {words.many(report.n_documents, 'audited document')}"
    return by if report.n_documents >= _FIRM_DOCUMENTS else f"{by}, a first impression"


def _rests_on(workspace: Workspace, report: PrecisionReport) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_rests"):
        behind.toggles(report)
        frame.decisions_links(workspace)
        frame.how(HOW, key="overview")
        frame.audit_buttons(main=True, key="overview")
    gaps = [
        f"{words.many(report.n_passed, 'tag')} put off, taken to be like the others"
        if report.n_passed and not report.put_off  # else the sentence on top says it
        else "",
        f"{words.many(report.n_left_open, 'tag')} left open in the order" if report.n_left_open else "",
        ""
        if report.n_looked_at >= report.n_reserve
        else f"of {words.many(report.n_reserve, 'reserved document')} the first "
        f"{words.count(report.n_looked_at)} in the audit's order are looked at",
    ]
    if any(gaps):
        text = "; ".join(x for x in gaps if x)
        layout.note(f"{text[:1].upper()}{text[1:]}.")


# ---- promise ------------------------------------------------------------------------------------------


def _promise(workspace: Workspace, asked: Asked, report: PrecisionReport) -> None:
    frame.section("What can be promised")
    if report.promise is None:
        remedy = (
            " Complete some documents outside the reserve and train: then its probabilities are calibrated."
            if asked.system == "tagger"
            else ""
        )
        who = frame.who(asked)
        layout.note(
            f"{who[:1].upper()}{who[1:]} gives no probabilities, so no threshold can be promised.{remedy}"
        )
    else:
        st.html(f'<p style="margin:.1rem 0">{escape(promised(report.promise))}</p>')
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_target"):
        frame.beside("I want at least")
        now = round(100 * workspace.settings.precision_target)
        st.session_state["reviewed_target"] = now
        st.selectbox(
            "I want at least",
            sorted({*_TARGETS, now}),
            key="reviewed_target",
            format_func=lambda x: f"{x}{words.THIN}% right",
            label_visibility="collapsed",
            width=130,
            disabled=workspace.read_only,
            on_change=_set_target,
            args=(workspace,),
        )
        promise = report.promise
        if promise is not None and promise.threshold and promise.threshold != asked.cut.threshold:
            st.button(
                "Measure these tags",
                key="promised_cut",
                type="tertiary",
                on_click=frame.show,
                args=("overview",),
                kwargs={"from": str(round(100 * promise.threshold))},
            )
        frame.how(HOW_PROMISE, key="promise")


def promised(found: Promise) -> str:
    """Say in a sentence what is promised, or what it would take."""
    target = frame.whole(found.target)
    so_far = f"{words.count(found.right)} of {words.many(found.n, 'audited tag')} right"
    if found.threshold is not None:
        which = (
            f"Tags of probability {frame.whole(found.threshold)} or more" if found.threshold else "All tags"
        )
        kept = f"; that keeps {words.percent(found.kept)} of the tags" if found.threshold else ""
        return (
            f"{which} are right at least {target} of the time, promised with 95 % confidence "
            f"({so_far}){kept}."
        )
    if not found.n:
        return "Nothing can be promised yet: no tag was audited."
    if found.withheld:
        return f"Nothing is promised at {target} ({so_far}): {found.withheld}."
    if found.needed is None and found.too_few:
        return "Too few answers yet to say from which probability on: about 30 give a first idea."
    if found.needed is None:
        return (
            f"{target} can't be promised at any threshold, and it does not look as if it could be "
            f"({so_far}). Choose a lower target, or make the tagger better."
        )
    return (
        f"Nothing can be promised yet at {target} ({so_far}): that takes at "
        f"least about {words.many(found.needed, 'audited tag')} in all, if it goes on like this."
    )


def _set_target(workspace: Workspace) -> None:
    services.update_settings(workspace, precision_target=st.session_state["reviewed_target"] / 100)


# ---- groups -------------------------------------------------------------------------------------------


def _worst(report: PrecisionReport) -> None:
    """Name the labels that most wrong tags come from, where work pays most."""
    rows = report.labels.assign(wrong=frame.wrong_tags(report.labels)).nlargest(_WORST, "wrong")
    rows = rows[rows["wrong"] >= 1]
    if rows.empty:
        return
    layout.section("Where work pays most", "labels that give most wrong tags", truth="reviewed")
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_worst"):
        for label_id, name, wrong in rows[["label_id", "name", "wrong"]].to_numpy().tolist():
            st.button(
                f"{markdown(shorten(str(name), 40))} · at least {words.count(float(wrong))}",
                key=f"worst_{label_id}",
                on_click=frame.show,
                args=("labels",),
                kwargs={"label": str(label_id)},
                help="Its wrong tags, what it is confused with, and its definition.",
            )
        st.button(
            "All, by wrong tags",
            key="worst_all",
            type="tertiary",
            on_click=frame.show,
            args=("labels",),
            kwargs={"sort": "wrong"},
        )


def _groups(report: PrecisionReport) -> None:
    if not report.groups:
        return
    frame.section("Groups of labels", "choose one to see its labels")
    rows = pd.DataFrame([_group(g) for g in report.groups])
    chosen = table.table(
        rows if any(rows["Promised from"]) else rows.drop(columns="Promised from"),
        [g.name for g in report.groups],
        key="reviewed_groups",
        height=_ROW * (len(report.groups) + 1) + 4,
        opens=True,
        columns={
            "Group": st.column_config.TextColumn(width="medium"),
            "Promised from": st.column_config.TextColumn(width="medium"),
            "Precision": table.share("Precision"),
            **{n: table.number(n) for n in ("Labels", "Audited", "In the corpus, about")},
        },
    )
    downloads.csv(lambda: _plain_groups(report), "precision-by-group", key="csv_groups")
    if chosen:
        frame.show("labels", group=chosen)
        st.rerun()


def _group(group: GroupFigure) -> dict[str, object]:
    p = group.precision
    return {
        "Group": group.name,
        "Precision": table.rounded(p.value),
        "Interval": interval(p.low, p.high, p.n),
        "Audited": p.n,
        "Labels": group.n_labels,
        "In the corpus, about": p.population,
        "Promised from": _promised_from(group.promise),
    }


def _plain_groups(report: PrecisionReport) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "group": g.name,
                "n_labels": g.n_labels,
                "value": g.precision.value,
                "low": g.precision.low,
                "high": g.precision.high,
                "n": g.precision.n,
                "population": g.precision.population,
                "target": report.target,
                "promised_from": None if g.promise is None else g.promise.threshold,
                "system": report.system,
                "run": report.run_id or "",
                "tags": report.cut.k,
                "from_probability": report.cut.threshold,
                "truth": "reviewed",
            }
            for g in report.groups
        ]
    )


def _promised_from(found: Promise | None) -> str:
    if found is None:
        return ""
    if found.threshold is not None:
        kept = f"{frame.whole(found.threshold)}, keeps {100 * found.kept:.0f}{words.THIN}%"
        return kept if found.threshold else "all tags"
    if found.n and found.withheld:
        return f"no: {found.withheld}"
    if found.too_few or not found.n:
        return "not yet"
    if found.needed is None:
        return "not within reach"
    return f"not yet, about {words.many(found.needed, 'answer')}"


def interval(low: float, high: float, n: int) -> str:
    """Write an interval in whole percent; nothing where nothing was audited."""
    return f"[{100 * low:.0f}, {100 * high:.0f}]" if n else ""


# ---- plots --------------------------------------------------------------------------------------------


def _plots(report: PrecisionReport) -> None:
    rows = report.labels
    audited = rows[rows["n"] > 0]
    if audited.empty:
        layout.note("No tag of any label has been audited yet, so no label can be drawn.")
        return
    top = audited.nlargest(_FOREST, "n").sort_values("value", ascending=False)
    top = top.rename(columns={"n": "n_predicted"}).assign(precision=lambda x: x["value"])
    if not st.session_state.get("reviewed_pooled"):  # the switch of the table of labels
        top = top.drop(columns=["pooled", "pooled_low", "pooled_high"])
    firm = int((audited["n"] >= frame.FIRM_LABEL).sum())
    good = int((top["low"] >= 0.5).sum())
    title = (
        f"{good} of the {len(top)} labels audited most are shown to be right more often than not"
        if firm
        else f"No label has {frame.FIRM_LABEL} audited tags yet: first impressions only"
    )
    frame.section("Labels", "a point opens the label")
    with st.grid(min_column_width=400, gap="medium"):
        points = downloads.plot(
            charts.forest(top, title, dark=layout.dark()), "precision-of-labels", key="forest", selects=True
        )
        points += downloads.plot(
            charts.volume(_volumes(rows), _volume_title(rows), dark=layout.dark()),
            "precision-and-volume",
            key="volume",
            selects=True,
        )
    if points:
        frame.show("labels", label=str(points[0]["customdata"][0]))
        st.rerun()


def _volumes(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(precision=rows["value"], volume=rows["population"])


def _volume_title(rows: pd.DataFrame) -> str:
    common = rows["population"] >= 100
    known, n = rows["known"] <= frame.KNOWN, rows["n"] > 0
    if not common.any():
        return "No label is given to 100 documents or more"
    return (
        f"Of {int(common.sum())} labels given to 100 documents or more, "
        f"{int((common & known & n).sum())} are known to ±10"
    )
