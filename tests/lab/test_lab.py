"""Proves the lab itself, before any code of portwatchd runs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .lab import Lab


def test_programs_in_the_monitor_resolve_the_schools_names(lab: Lab) -> None:
    """Both families come from the lab's name server, as an unprivileged program sees them."""
    seen = lab.monitor.run(["getent", "ahosts", lab.school.plan.host], check=True).stdout
    assert lab.school.plan.public_v4 in seen
    assert lab.school.plan.server_v6 in seen
