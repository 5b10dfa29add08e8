"""SKOS concept schemes (Turtle, N-Triples, RDF/XML) as rows of labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from xml.parsers import expat

from rdflib import Graph, Literal, URIRef
from rdflib.namespace import RDF, SKOS
from rdflib.term import Node

from lmtx.errors import InputError
from lmtx.ingest.encoding import encoding_of
from lmtx.ingest.records import ColumnMap, Reporter, Row, Table
from lmtx.ingest.source import Opened, looks_like_utf16

COLUMNS = ColumnMap(
    id="id", name="name", description="description", aliases="aliases", parents="parents", label_separator="|"
)
_MAX_BYTES = 200_000_000


def read_skos(opened: Opened, report: Reporter) -> Table:
    """Open a concept scheme. Ids are the concepts' URIs; broader concepts are the parents.

    Names are taken in one language: English if nearly all concepts have an English
    name, else the one that most have. The row number is the number of the concept.

    Raises
    ------
    InputError
        If it can't be parsed, defines XML entities, or holds no concepts.
    """
    with opened.errors(), opened.binary() as stream:
        data = opened.read_all(stream, _MAX_BYTES)
    is_xml = opened.head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<?xml") or (
        b"<rdf:RDF" in opened.head
    )
    graph = Graph()
    try:
        if is_xml:
            graph.parse(data=_xml_text(opened.name, data), format="xml", publicID="urn:import:")
        else:
            encoding = encoding_of(data)
            graph.parse(data=data.decode(encoding), format="turtle", publicID="urn:import:")
    except InputError:
        raise
    # rdflib's parsers share no error class and raise SAX, assertion and plain errors of their own.
    except Exception as error:
        raise InputError(
            f"{opened.name}: not valid {'RDF/XML' if is_xml else 'Turtle'} "
            f"({' '.join(str(error).split())[:160]}). Correct it, or export the scheme again."
        ) from error
    concepts = _concepts(graph)
    if not concepts:
        raise InputError(
            f"{opened.name}: no SKOS concepts with a prefLabel. Import them as CSV with a column 'name'."
        )
    columns = ["id", "name", "description", "aliases", "parents"]
    return Table("skos", "utf-8", columns, _rows(graph, concepts, report), n_rows=len(concepts))


def _xml_text(name: str, data: bytes) -> str:
    """Decode an XML document as it declares, without its declaration; refuse one with a DOCTYPE."""
    declared: list[str] = []

    def found(*_: object) -> None:
        raise InputError(
            f"{name}: has a DOCTYPE, which can define entities made to fill the memory or to read "
            "other files. Remove it, or convert the file to Turtle."
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = found
    parser.XmlDeclHandler = lambda version, encoding, standalone: declared.append(encoding or "")
    parser.Parse(data, True)
    wide = looks_like_utf16(data[:1000])
    text = data.decode(wide or (declared and declared[0]) or "utf-8").lstrip("\ufeff")
    return text[text.index("?>") + 2 :] if text.startswith("<?xml") else text


def _concepts(graph: Graph) -> list[URIRef]:
    found = {
        subject: None
        for predicate, object_ in ((RDF.type, SKOS.Concept), (SKOS.prefLabel, None))
        for subject in graph.subjects(predicate, object_)
        if isinstance(subject, URIRef) and (subject, RDF.type, SKOS.ConceptScheme) not in graph
    }
    return sorted(found)


def _main_language(graph: Graph, concepts: list[URIRef]) -> str:
    counts: Counter[str] = Counter()
    for concept in concepts:
        counts.update({_tag(name) for name in graph.objects(concept, SKOS.prefLabel)})
    if not counts:
        return ""
    most = max(counts.values())
    if counts["en"] >= 0.95 * most:
        return "en"
    return max(sorted(counts), key=lambda tag: counts[tag])


def _tag(literal: Node) -> str:
    return (literal.language or "").split("-")[0].lower() if isinstance(literal, Literal) else ""


def _rows(graph: Graph, concepts: list[URIRef], report: Reporter) -> Iterator[Row]:
    language = _main_language(graph, concepts)
    known = set(concepts)
    parents: defaultdict[URIRef, set[URIRef]] = defaultdict(set)
    for narrow, broad in graph.subject_objects(SKOS.broader):
        if isinstance(narrow, URIRef) and isinstance(broad, URIRef):
            parents[narrow].add(broad)
    for broad, narrow in graph.subject_objects(SKOS.narrower):
        if isinstance(narrow, URIRef) and isinstance(broad, URIRef):
            parents[narrow].add(broad)

    def texts(concept: URIRef, *predicates: URIRef) -> list[str]:
        values = [
            value for predicate in predicates for value in sorted(graph.objects(concept, predicate), key=str)
        ]
        return [str(value) for value in values if _tag(value) in (language, "")]

    for number, concept in enumerate(concepts, start=1):
        names = texts(concept, SKOS.prefLabel)
        if not names:
            names = [str(name) for name in sorted(graph.objects(concept, SKOS.prefLabel), key=str)]
            if names:
                report.warning(
                    number,
                    f"no name in '{language}', another language is taken. Add a prefLabel.",
                    column="name",
                    value=names[0],
                )
        missing = parents[concept] - known
        if missing:
            report.warning(
                number,
                "a broader concept is not in the file and is left out. Add it or drop the link.",
                column="parents",
                value=str(min(missing)),
            )
        notes = texts(concept, SKOS.definition) or texts(concept, SKOS.scopeNote)
        yield Row(
            number,
            {
                "id": str(concept),
                "name": names[0] if names else "",
                "description": " ".join(notes),
                "aliases": [*names[1:], *texts(concept, SKOS.altLabel, SKOS.hiddenLabel)],
                "parents": sorted(map(str, (parents[concept] & known) - {concept})),
            },
        )
