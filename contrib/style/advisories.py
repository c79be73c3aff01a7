"""Tell which versions of a lock file have known holes: ``python advisories.py FILE``.

Ends with 0 where none has, 1 where one has, and 2 where nobody could be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys

UNKNOWN = 2


def main() -> int:
    """Ask pip-audit, and print a line for each hole."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"]
    command += ["--progress-spinner", "off", "-f", "json", "-r", sys.argv[1]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        print(
            "The advisories cannot be had, so nothing is known: pip-audit asks for them on the "
            f"network. It said: {last}",
            file=sys.stderr,
        )
        return UNKNOWN
    holes = [(one, hole) for one in dependencies for hole in one.get("vulns", ())]
    for one, hole in holes:
        fixed = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"{one['name']} {one['version']}: {hole['id']}, closed in {fixed}")
    print(f"{len(dependencies)} packages, {len(holes)} known holes")
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
