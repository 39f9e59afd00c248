"""Runs a decoding program in this process and counts the decoder's rows (sentences x beams x steps) from outside.

`python count_rows.py MODULE:CLASS:METHOD PROGRAM ARGUMENT...`: PROGRAM is a file or a module; the first argument of the
method has a row for each hypothesis. Imports nothing of this project: it runs in a peer's environment too.
"""

import atexit
import importlib
import os
import runpy
import sys
import time


def main() -> None:
    """Patch the method, run the program, print the count at its end."""
    module, name, method = sys.argv[1].split(":")
    found = {"rows": 0, "first": 0.0, "last": 0.0}
    owner = getattr(importlib.import_module(module), name)
    inner = getattr(owner, method)

    def counted(self, *arguments, **named):
        found["first"] = found["first"] or time.perf_counter()
        result = inner(self, *arguments, **named)
        found["rows"] += (arguments[0] if arguments else next(iter(named.values()))).shape[0]
        found["last"] = time.perf_counter()
        return result

    setattr(owner, method, counted)

    def tell() -> None:
        speed = found["rows"] / max(found["last"] - found["first"], 1e-9)
        sys.stderr.write(f"{found['rows']} rows, {speed:.1f} rows/s\n")

    atexit.register(tell)
    sys.argv = sys.argv[2:]
    if os.path.exists(sys.argv[0]):  # noqa: PTH110  # a peer's Python may be old
        sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))  # noqa: PTH100, PTH120
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        sys.path[0] = os.getcwd()  # noqa: PTH109
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
