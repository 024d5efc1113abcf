"""A worker of ``ft-assets run`` that goes as a test wants it to: slow on one day, broken on another, dead on a third.

``FT_ASSETS_TESTS_DAYS`` holds ``{"slow": day, "broken": day, "dead": day, "counted": folder}``, each of which may be missing;
in the folder every process writes the texts that it encodes.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ft_assets import engine
from ft_assets.encoder_contract import Role
from ft_assets.hashing_encoder import HashingEncoder
from ft_assets.headless import DayMaker
from ft_assets.lake import Slice

PLANTED = "FT_ASSETS_TESTS_DAYS"
SECONDS = 6.0


class Planted(DayMaker):
    """Makes days, but not all of them well."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        super().__init__(tell)
        said = json.loads(os.environ[PLANTED])
        flagged, pairs, encode = engine.fine_tuning_inputs, engine.pair_features, HashingEncoder.encode

        def inputs(sessions: Slice, *rest: Any) -> engine.DayRows:
            print("what a step prints must not get into the answers")
            if str(sessions.session_date) == said.get("slow"):
                time.sleep(SECONDS)
            if str(sessions.session_date) == said.get("dead"):
                os.kill(os.getpid(), signal.SIGKILL)
            return flagged(sessions, *rest)

        def pair_features(inputs: Slice, *rest: Any) -> engine.DayRows:
            if str(inputs.session_date) == said.get("broken"):
                raise RuntimeError("the device is gone")
            return pairs(inputs, *rest)

        def counted(self: HashingEncoder, texts: Sequence[str], role: Role) -> Any:
            with (Path(said["counted"]) / str(os.getpid())).open("a", encoding="utf-8") as log:
                log.writelines(json.dumps([role, text]) + "\n" for text in texts)
            return encode(self, texts, role)

        engine.fine_tuning_inputs, engine.pair_features = inputs, pair_features  # type: ignore[assignment]
        if "counted" in said:
            HashingEncoder.encode = counted  # type: ignore[method-assign]
