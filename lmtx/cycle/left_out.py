"""What a student that has not seen a document's verdicts says of them, kept beside a run.

Where it says otherwise than the teacher, the teacher is likely wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmtx.cycle.data import Training
from lmtx.tagger import Findings

if TYPE_CHECKING:
    import pandas as pd

FILE = "left_out.parquet"


def write(folder: Path, training: Training, findings: Findings) -> None:
    """Write the left-out probabilities of the training pairs into a run's folder."""
    import pandas as pd

    pairs, found = training.pairs, findings.pairs
    ids = np.array([d.id for d in training.documents()], dtype=object)
    labels = np.array([x.id for x in training.view.labels], dtype=object)
    frame = pd.DataFrame(
        {
            "document_id": ids[pairs.document_idx[found]],
            "label_id": labels[pairs.label_idx[found]],
            "probability": findings.left_out,
        }
    )
    frame.to_parquet(folder / FILE, index=False)


def read(folder: Path) -> pd.DataFrame | None:
    """Read them from a run's folder.

    Returns
    -------
    DataFrame or None
        document_id, label_id (strings) and probability (float32): that the pair is wanted, by a student that
        has seen no verdict or decision on that document. A row for each pair that was judged or decided when
        the run was trained, on at most `lmtx.tagger.MAX_LANDMARKS` documents. None where the run has none.
    """
    import pandas as pd

    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return pd.read_parquet(path, columns=["document_id", "label_id", "probability"])
    except (OSError, ValueError, KeyError):  # cut off or overwritten: as if there was none
        return None
