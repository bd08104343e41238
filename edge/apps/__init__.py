"""Micro-apps that arrive while the gateway runs: signed, judged, bounded, and run in the sandbox only."""

from edge.apps.admission import Known, Proving
from edge.apps.apps import Apps
from edge.apps.judge import judge
from edge.apps.manifest import Manifest, complete
from edge.apps.parcel import Parcel, heaviest, pack, unpack
from edge.apps.records import Action, Entry, State
from edge.apps.refusal import AppsError, NoSuchApp, Reason, Refused
from edge.apps.rehearsal import dry_run
from edge.apps.running import Permit, Running
from edge.apps.views import App, Verdict

__all__ = ["Action", "App", "Apps", "AppsError", "Entry", "Known", "Manifest", "NoSuchApp", "Parcel", "Permit",
           "Proving", "Reason", "Refused", "Running", "State", "Verdict", "complete", "dry_run", "heaviest", "judge",
           "pack", "unpack"]  # fmt: skip
