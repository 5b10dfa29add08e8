"""Explore: the corpus on a map, the labels as a whole, and what no label fits."""

from app.widgets import errors, explore_choice, explore_gaps, explore_labels, explore_map, gate, layout

TITLE, SENTENCE = "Explore", "What is in this corpus, how do the labels lie in it, and what do they miss?"
VIEWS = {"map": "Map", "labels": "Labels", "gaps": "Gaps"}
BODIES = {"map": explore_map.body, "labels": explore_labels.body, "gaps": explore_gaps.body}

workspace = gate.workspace(TITLE, SENTENCE)
with errors.shown():
    action = layout.header(TITLE, SENTENCE)
    gate.documents(workspace)
    view = explore_choice.of_address("view", tuple(VIEWS), "map")
    with action:
        forgets = ("by", "label", "part", "region", "counted")
        explore_choice.segmented("View", "view", view, VIEWS, forgets=forgets)
    if view != "map":
        gate.labels(workspace)
    BODIES[view](workspace)
