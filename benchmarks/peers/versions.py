"""The versions of packages in the environment that runs this, as JSON.

python -m benchmarks.peers.versions PACKAGE …
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version


def main() -> None:
    print(json.dumps({name: version(name) for name in sys.argv[1:]}))


if __name__ == "__main__":
    main()
