"""A report made by hand: one failure, one warning, everything that a report may hold."""

from datetime import UTC, datetime

import numpy as np

from ft_assets.picture import Picture
from ft_assets.reports import CheckOutcome, MadeWith, Provenance, Report
from ft_assets.statistics import Stage

DAYS = [f"2026-11-0{day}" for day in range(1, 4)]
HOSTILE = '<script>alert(1)</script> & "quotes" ]]> \x00\x1b[31m\u2028\ud800 \'; drop'
BROKEN = CheckOutcome(
    "pair_features", "inside_session", DAYS[1], False, "ERROR", True, "Both items were shown.", 12,
    [{"session_id": "s1", "negative_id": "n9", "rank": np.float32(0.5)}],
    datetime(2026, 11, 4, 8, 30, tzinfo=UTC), "run-1", "Look at the session.",
)  # fmt: skip
OUTCOMES = [
    CheckOutcome("items", "unique_ids", None, True, description="An id occurs once."),
    *(CheckOutcome("fine_tuning_features", "enough_kept", day, day != DAYS[0], "WARN", rows=1) for day in DAYS),
    *(
        CheckOutcome("pair_features", "inside_session", day, True, "ERROR", True, "Both items were shown.")
        if day != DAYS[1]
        else BROKEN
        for day in DAYS
    ),
]
NOT_RUN_YET = CheckOutcome(
    "sampled_inputs",
    "all_there",
    DAYS[2],
    False,
    "ERROR",
    True,
    "Nobody is lost.",
    run_id="run-7",
    was_run=False,
)
REPORT = Report(
    outcomes=OUTCOMES,
    days=DAYS,
    home="shop",
    stages=[
        Stage("sessions logged", 1063, "sessions"),
        Stage("sessions with a text", 1000, "sessions", {"without a text": 63, "flagged": 0}),
        Stage("pairs extracted", 9000, "pairs"),
        Stage("pairs inside the window", 8000, "pairs", {"too close": 900, "too far apart": 100}),
    ],
    arrivals={"files": 12, "records": 1234, "rejected_by_reason": {"not_json": 2}, "accepted_by_kind": {}},
    day_numbers=[
        {"session_date": DAYS[0], "pairs": 4000, "share_clamped": 0.125},
        {"session_date": DAYS[1], "pairs": None, "share_clamped": None},
        {"session_date": DAYS[2], "pairs": 5000, "share_clamped": 0.1},
    ],
    pictures=[
        Picture("ranks", "Ranks", "How ranks lie.", None),
        Picture("nothing", "Nothing", "There is nothing to draw.", None),
    ],
    provenance=Provenance(
        "0.1.0",
        {"items": 1, "pair_features": 3},
        [
            MadeWith("pair_features", tuple(DAYS[:2]), {"ranker": "cosine", "window_size": 3}, "m-1", "2",
                     {DAYS[0]: 1, DAYS[1]: 2}, {DAYS[0]: {"items": 1}}, datetime(2026, 11, 4, 8, tzinfo=UTC)),
            MadeWith("pair_features", (DAYS[2],), {"ranker": "dot"}, "m-1", "2", {DAYS[2]: 3}),
        ],
    ),
    made_at=datetime(2026, 11, 4, 9, tzinfo=UTC),
)  # fmt: skip
