"""Type errors of each module: a committed count that may only fall.

``python .ci/ratchet.py`` runs mypy and compares with ``ratchet.json`` beside this file. Where there
are more, it shows them; where there are fewer, it writes the table anew, which then wants a commit.
A module that moved is a new one: ``--moved`` writes the table if the sum has not risen.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

TABLE = Path(__file__).with_suffix(".json")


def changed(old: dict, new: dict) -> tuple[list[str], list[str]]:
    """Return the modules with more errors than before, and those with fewer."""
    every = sorted({*old, *new})
    more = [path for path in every if new.get(path, 0) > old.get(path, 0)]
    return more, [path for path in every if new.get(path, 0) < old.get(path, 0)]


def main(arguments: list[str]) -> int:
    """Compare; return the exit status."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--no-pretty"]
    done = subprocess.run(command, capture_output=True, text=True)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    if done.returncode > 1 or done.stderr or bool(errors) != bool(done.returncode):
        print(done.stdout + done.stderr, file=sys.stderr)
        return 2
    new = dict(sorted(Counter(line.split(":")[0] for line in errors).items()))
    old = json.loads(TABLE.read_text())
    more, fewer = changed(old, new)
    total = f"{sum(new.values())} type errors in {len(new)} modules"
    moved = "--moved" in arguments and sum(new.values()) <= sum(old.values())
    for path in () if moved else more:
        print(*(line for line in errors if line.startswith(f"{path}:")), sep="\n")
        print(f"{path}: {new[path]} type errors, {old.get(path, 0)} are allowed\n")
    if moved or (fewer and not more):
        TABLE.write_text(json.dumps(new, indent=2) + "\n")
        print(f"{total}, {sum(old.values())} before: commit {TABLE.parent.name}/{TABLE.name}")
        return 1
    print(total)
    return 1 if more else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
