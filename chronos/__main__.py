"""`python3 -m chronos`: refuses an old Python in words, else hands over to the starter.

This file alone must be readable by any Python, so it has no syntax younger than Python 2.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older one is what it is here to refuse
    sys.exit(
        "chronos: this is Python %d.%d and Chronos needs 3.11 or later: install one (on Debian "  # noqa: UP031 - an f-string is younger than Python 2
        "and Ubuntu: apt-get install python3.11 python3.11-venv) and run "
        "python3.11 -m chronos" % sys.version_info[:2]
    )

from chronos.bootstrap import start

if __name__ == "__main__":
    start(sys.argv[1:])
