"""What Grafana shows of portwatchd. `python -m grafana.build` writes dashboards/ and alerts from these modules."""

import warnings

with warnings.catch_warnings():
    # On import, the SDK calls classic dashboards deprecated. Every Grafana reads them, and only the newest the others.
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    import grafana_foundation_sdk.builders.bargauge
    import grafana_foundation_sdk.builders.dashboard
    import grafana_foundation_sdk.cog.plugins  # noqa: F401
