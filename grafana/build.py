"""Writes dashboards/ and provisioning/: `python -m grafana.build` in the project's folder; `--check` only compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard

from . import alerting, certificates, fleet, monitor, ports, school

HERE = Path(__file__).parent
BOARDS = (fleet, school, ports, certificates, monitor)


def encoded(board: dashboard.Dashboard) -> str:
    """Return a dashboard's JSON, the same every time.

    The SDK says defaults where they have no meaning, and Grafana's own types do not know them there. They are left out.
    """
    whole = json.loads(json.dumps(board, cls=JSONEncoder))
    for one in whole["templating"]["list"]:
        for name in ("auto", "auto_min", "auto_count") if one["type"] != "interval" else ():
            del one[name]
    for panel in whole["panels"]:
        if panel["type"] == "table":
            del panel["options"]["footer"]
    return json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read(text: str) -> dashboard.Dashboard:
    """Return a dashboard as the SDK reads it."""
    register_default_plugins()
    return dashboard.Dashboard.from_json(json.loads(text))


def files() -> Mapping[Path, str]:
    """Return what belongs where."""
    base = alerting.runbooks()
    boards = [board.build(base) for board in BOARDS]
    made = {HERE / "dashboards" / f"{board.uid}.json": encoded(board) for board in boards}
    panels = {
        (str(board.uid), str(panel.title)): int(panel.id_val or 0) for board in boards for panel in board.panels or []
    }
    own, both = [*alerting.alerts()], [*alerting.agreed()]
    made[HERE / "provisioning" / "alerting" / "portwatch.yml"] = alerting.provisioned(panels, own, alerting.HEAD)
    made[HERE / "quorum" / "portwatch.yml"] = alerting.provisioned(panels, both, alerting.QUORUM_HEAD)
    return made


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` name those that are not current."""
    old = [path for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in old:
        sys.stdout.write(f"{path.relative_to(HERE.parent)}\n")
        if arguments != ["--check"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], "utf-8")
    return 1 if old and arguments == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
