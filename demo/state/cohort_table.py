"""The rows of a cohort as a searchable, sortable table, and as a CSV file without spreadsheet formulas."""

import csv
import re
from io import StringIO

from .cohort import CohortRow, Results

HEADERS = ["Image", "Class", "Probability", "In domain", "Label", "Remark"]
WRONG = "wrong"
ALL, FLAGGED, UNREAD, UNLABELLED = "all", "flagged", "unread", "unlabelled"
OF_CLASS = "class "  # with the class's index
UPLOADED, BY_NAME, UNSURE, FINDING, DISTANT = "uploaded", "name", "unsure", "finding", "distant"
# What a spreadsheet would carry out, at the start of a cell; some take ; or a tab for the end of one.
FORMULA = re.compile(r"(^|[;,\t\r\n])(\s*)(?=[=+\-@])")


def table_rows(
    results: Results, search: str = "", which: str = ALL, order: str = UPLOADED, positive: int = 0
) -> list[list[str | float | None]]:
    """The cells of HEADERS of the images whose name holds `search` and that are of the kind `which`, in an order.

    positive: the class that FINDING sorts by, and whose probability is given.
    """
    return [_cells(results.rows[i], results.classes, positive) for i in places(results, search, which, order, positive)]


def places(results: Results, search: str = "", which: str = ALL, order: str = UPLOADED, positive: int = 0) -> list[int]:
    """The places in the upload of the images that `table_rows` gives."""
    wanted = (search or "").strip().casefold()
    found = [i for i, row in enumerate(results.rows) if wanted in row.image.casefold() and _is_of(row, which)]
    if order == BY_NAME:
        found.sort(key=lambda i: results.rows[i].image.casefold())
    elif order in (UNSURE, FINDING, DISTANT):
        found.sort(key=lambda i: _place(results.rows[i], order, positive))
    return found


def _place(row: CohortRow, order: str, positive: int) -> float:
    """What sorts a row; those that could not be read come last."""
    if not row.probabilities:
        return float("inf")
    if order == DISTANT:
        return -(row.distance or 0.0)
    return max(row.probabilities) if order == UNSURE else -row.probabilities[positive]


def _is_of(row: CohortRow, which: str) -> bool:
    if which.startswith(OF_CLASS):
        return row.prediction is not None and f"{OF_CLASS}{row.prediction}" == which
    return {
        FLAGGED: row.known is False,
        WRONG: row.wrong,
        UNREAD: row.error is not None,
        UNLABELLED: row.label is None,
    }.get(which, True)


def _cells(row: CohortRow, classes: tuple[str, ...], positive: int) -> list[str | float | None]:
    """The probability is of the finding; of more than two classes, where there is none, of the class itself."""
    prediction = row.prediction
    of = positive if len(classes) == 2 else prediction
    return [
        row.image,
        "" if prediction is None else classes[prediction],
        None if of is None or not row.probabilities or row.known is False else round(row.probabilities[of], 3),
        {True: "yes", False: "no", None: ""}[row.known],
        "" if row.label is None else classes[row.label],
        row.error or (WRONG if row.wrong else ""),
    ]


def as_csv(results: Results) -> str:
    """All images as CSV; no cell is a formula to a spreadsheet."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    probabilities = [f"probability of {name}" for name in results.classes]
    writer.writerow(map(harmless, ["image", "class", *probabilities, "in_domain", "domain_score", "label", "error"]))
    for row in results.rows:
        writer.writerow(
            [
                harmless(row.image),
                "" if row.prediction is None else harmless(results.classes[row.prediction]),
                *([f"{value:.6f}" for value in row.probabilities] or [""] * len(results.classes)),
                {True: "yes", False: "no", None: ""}[row.known],
                "" if row.distance is None else f"{row.distance:.6f}",
                "" if row.label is None else harmless(results.classes[row.label]),
                harmless(row.error or ""),
            ]
        )
    return text.getvalue()


def harmless(cell: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before each place that could start one."""
    safe = FORMULA.sub(r"\1\2'", cell)
    return f"'{safe}" if safe[:1] in ("\t", "\r", "\n") else safe
