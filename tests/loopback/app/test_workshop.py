"""What rounds work with, built anew in place for other authorities."""

from dataclasses import replace
from pathlib import Path

import trustme

from portwatchd.app.workshop import opened
from portwatchd.config import Config, built_in_profiles
from portwatchd.metrics.own import OwnMetrics
from tests.running import descriptors


async def test_other_authorities_at_a_reload_leave_nothing_open(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.pem" for number in range(5)]
    for file in files:
        trustme.CA().cert_pem.write_to_path(file)
    config = Config(profiles=built_in_profiles(), ca_file=files[0])
    async with opened(config, {}, OwnMetrics()) as workshop:
        await workshop.tools.network.probe("127.0.0.1", 9, seconds=1)
        before = descriptors()
        for file in files[1:]:
            workshop.refit(replace(config, ca_file=file))
            await workshop.tools.network.probe("127.0.0.1", 9, seconds=1)
        assert descriptors() == before
