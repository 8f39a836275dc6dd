"""The run files of the wheel: all of ``runs/`` but its output, found and not listed."""

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RunFiles(BuildHookInterface):
    """Put them where `circuits.runfiles.catalogue` looks in an installed package."""

    def initialize(self, version, build_data):
        """Add them to a wheel; an editable install reads those of the clone."""
        for path in Path(self.root, "runs").iterdir() if version != "editable" else ():
            if path.name != "out":
                build_data["shared_data"][str(path)] = f"share/pulvinar/runs/{path.name}"
