"""Guessing which column holds what, by name in several languages and by content."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lmtx.errors import InputError
from lmtx.ingest.cells import cell_text, guess_separator
from lmtx.ingest.records import ColumnMap, Kind

# In order of preference, without blanks, hyphens and underscores.
_ID = """id identifier docid documentid labelid uid uuid key identifikator kennung nummer nr dokumentid
identifiant identificador identificativo codigo code notation uri url 编号 编码 标识 标识符 文档编号
識別子 番号 идентификатор معرف المعرف الرقم מזהה מספר"""
_TEXT = """text body content fulltext document abstract summary description plaintext textbody message
comment review volltext inhalt textinhalt zusammenfassung beschreibung texte contenu résumé texto
contenido resumen conteúdo testo contenuto tekst 正文 内容 文本 全文 摘要 本文 テキスト текст содержание
نص النص المحتوى טקסט תוכן"""
_TITLE = """title headline heading subject name titel überschrift betreff titre título titulo titolo 标题
题名 題名 タイトル заголовок название عنوان العنوان כותרת"""
_SPLIT = "split set subset fold partition part aufteilung teilmenge 划分 集合"
_LABELS = """labels label labelids tags tag categories category subjects topics topic keywords classes
class annotations schlagwörter schlagworte schlagwort kategorien kategorie themen étiquettes motsclés
catégories etiquetas categorías palabrasclave etichette categorie 标签 主题词 主题 类别 关键词 ラベル
分類 метки теги рубрики وسوم التصنيفات الوسوم תגיות קטגוריות"""
_NAME = """name label preflabel preferredlabel labelname title term heading tag subject descriptor
category topic bezeichnung benennung schlagwort titel kategorie nom libellé étiquette terme nombre
etiqueta término nome etichetta 名称 标签 主题词 类别 名前 ラベル название метка термин اسم الاسم وسم שם
תגית"""
_DESCRIPTION = """description definition scopenote note gloss text explanation beschreibung definition
erläuterung définition descripción definición descrizione 描述 定义 说明 説明 описание определение وصف
الوصف تعريف תיאור הגדרה"""
_ALIASES = """aliases alias altlabel altlabels alternativelabel alternatives synonyms synonym usedfor
variants synonyme bezeichnungen nichtdeskriptoren sinónimos sinonimi alternativenames 别名 同义词 同義語
синонимы مرادفات נרדפות"""
_PARENTS = """parents parent parentid parentids broader broaderterm broaderterms bt oberbegriff
oberbegriffe übergeordnet parentlabel supérieur genérico termegénérique 上位 上位类 上位词 父类 родитель
الأصل הורה"""

_FIELDS: dict[Kind, dict[str, list[str]]] = {
    "corpus": {
        "id": _ID.split(),
        "text": _TEXT.split(),
        "title": _TITLE.split(),
        "split": _SPLIT.split(),
        "labels": _LABELS.split(),
    },
    "labels": {
        "id": _ID.split(),
        "name": _NAME.split(),
        "description": _DESCRIPTION.split(),
        "aliases": _ALIASES.split(),
        "parents": _PARENTS.split(),
    },
}
_LIST_FIELDS = ("labels", "aliases", "parents")
_MAIN: dict[Kind, str] = {"corpus": "text", "labels": "name"}
_TITLE_CHARS = 150


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column holds which field, settled, and what parts the entries of list columns."""

    columns: dict[str, str]
    separators: dict[str, str]

    def cell(self, field: str, cells: Mapping[str, object]) -> object:
        """Return the cell of a field, None where the file has no column for it."""
        column = self.columns.get(field)
        return None if column is None else cells.get(column)

    def as_map(self) -> ColumnMap:
        """Return the layout as a map to show and to change; fields without a column are ""."""
        fields = {name: self.columns.get(name, "") for names in _FIELDS.values() for name in names}
        separators = list(dict.fromkeys(self.separators.values()))
        return ColumnMap(**fields, label_separator=separators[0] if len(separators) == 1 else "")


def settle(
    kind: Kind,
    file: str,
    columns: Sequence[str],
    sample: Sequence[Mapping[str, object]],
    wanted: ColumnMap | None,
) -> Layout:
    """Settle the columns of a file: as the user says, the rest guessed.

    Parameters
    ----------
    kind : "corpus" or "labels"
    file : str
        Name for messages.
    columns : sequence of str
        The columns that the file has.
    sample : sequence of mappings
        Its first rows.
    wanted : ColumnMap or None
        What the user says; None guesses all.

    Raises
    ------
    InputError
        If a named column does not exist, or none can be the text (of labels: the name).
    """
    wanted = wanted or ColumnMap()
    chosen: dict[str, str] = {}
    for field in _FIELDS[kind]:
        column = getattr(wanted, field)
        if column and column not in columns:
            raise InputError(
                f"{file}: there is no column '{column}' for {field}. Columns: {_listed(columns)}."
            )
        if column:
            chosen[field] = column
    open_fields = [field for field in _FIELDS[kind] if getattr(wanted, field) is None]
    _guess_by_name(kind, columns, open_fields, chosen)
    _guess_by_content(kind, columns, sample, open_fields, chosen)
    main = _MAIN[kind]
    if main not in chosen:
        if kind == "corpus" and "title" in chosen:
            chosen["text"] = chosen.pop("title")
        else:
            raise InputError(
                f"{file}: no column for the {main}. Say which one it is. Columns: {_listed(columns)}."
            )
    separators = {
        field: wanted.label_separator or guess_separator([row.get(chosen[field]) for row in sample])
        for field in _LIST_FIELDS
        if field in chosen
    }
    return Layout(chosen, separators)


def _guess_by_name(
    kind: Kind, columns: Sequence[str], open_fields: list[str], chosen: dict[str, str]
) -> None:
    for field in open_fields:
        free = {_plain(column): column for column in reversed(columns) if column not in chosen.values()}
        match = next((free[word] for word in _FIELDS[kind][field] if word in free), None)
        if match is not None:
            chosen[field] = match


def _guess_by_content(
    kind: Kind,
    columns: Sequence[str],
    sample: Sequence[Mapping[str, object]],
    open_fields: list[str],
    chosen: dict[str, str],
) -> None:
    main = _MAIN[kind]
    if main not in open_fields or main in chosen:
        return
    free = [column for column in columns if column not in chosen.values()]
    lengths = {column: _mean_length(column, sample) for column in free}
    if kind == "corpus":
        # The longest column is the text; one that was taken for the title by name may be all there is.
        longest = max(free, key=lambda column: lengths[column], default=None)
        if longest is not None and (lengths[longest] >= 20 or "title" not in chosen):
            chosen["text"] = longest
    else:
        named = [column for column in free if 0 < lengths[column] <= _TITLE_CHARS]
        if len(columns) == 1:
            # One column of a label file is names, whatever it is called.
            chosen.clear()
            chosen["name"] = columns[0]
        elif named:
            chosen["name"] = named[0]
        elif "id" in chosen:
            chosen["name"] = chosen["id"]


def _mean_length(column: str, sample: Sequence[Mapping[str, object]]) -> float:
    texts = [cell_text(row.get(column)) for row in sample]
    lengths = [0 if _is_number(text) else len(text) for text in texts if text]
    return sum(lengths) / len(lengths) if lengths else 0.0


def _is_number(text: str) -> bool:
    return text.replace(".", "").replace(",", "").replace("-", "").isdigit()


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if char.isalnum() or unicodedata.category(char).startswith("M"))


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(f"'{column}'" for column in columns[:20])
    return shown + (", …" if len(columns) > 20 else "") if columns else "none"
