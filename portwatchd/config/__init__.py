"""Owns what the daemon is told: `load` makes a `Config` of files, or a `ConfigError` that names every problem."""

from portwatchd.config.load import built_in_profiles, load
from portwatchd.config.problem import ConfigError, Problem
from portwatchd.config.settings import Config, FileSd, HttpSd, LatencyHistograms
from portwatchd.config.show import describe, effective, profiles_table
from portwatchd.config.values import Endpoint, duration, host, spell

__all__ = [
    "Config",
    "ConfigError",
    "Endpoint",
    "FileSd",
    "HttpSd",
    "LatencyHistograms",
    "Problem",
    "built_in_profiles",
    "describe",
    "duration",
    "effective",
    "host",
    "load",
    "profiles_table",
    "spell",
]
