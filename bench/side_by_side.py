#!/usr/bin/env python3
"""Two builds of Posthorn in one run, turn by turn: what a change costs, as a ratio, on a machine that does other things as well.

    bench/side_by_side.py BEFORE AFTER [--turns 5] [--messages 5000]

    accept      messages/s answered 250 while nothing is delivered, and CPU seconds per 1,000 of them
    end to end  messages/s from the first byte in to the last byte out, signed

As bench/end_to_end.py measures them (20 sessions, 4 KiB, Postfix's smtp-source and smtp-sink; a disk, not a tmpfs). Each turn runs both
builds, in changing order; the ratio is of the medians. CPU is the daemon's alone, so it says more than the pace when others work, too.
"""

import argparse
import atexit
import os
import pathlib
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import end_to_end  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--reuse", action="store_true", help="many messages over each session [one session a message]")
    arguments = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    directory.chmod(0o755)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    stacks = end_to_end.Stacks(directory)
    print(f"{end_to_end.machine()}; {arguments.turns} turns of {arguments.messages:,} messages", flush=True)
    parts = {
        "accept": lambda: end_to_end.accept(stacks.posthorn(hold=True), arguments.messages, arguments.reuse),
        "end to end": lambda: end_to_end.end_to_end(stacks.posthorn, arguments.messages, arguments.reuse),
    }
    for part, measured in parts.items():
        results = {"before": [], "after": []}
        for turn in range(arguments.turns):
            names = ["before", "after"] if turn % 2 == 0 else ["after", "before"]
            for name in names:
                os.environ["POSTHORN"] = str(getattr(arguments, name).resolve())
                results[name].append(measured())
        pace = {name: statistics.median(r[0] for r in rows) for name, rows in results.items()}
        cpu = {name: statistics.median(r[1] for r in rows) for name, rows in results.items()}
        print(f"{part:<12} {pace['before']:8,.0f}/s before, {pace['after']:8,.0f}/s after: {pace['after'] / pace['before']:.3f} x; "
              f"CPU s per 1,000: {cpu['before']:.3f} before, {cpu['after']:.3f} after: {cpu['after'] / cpu['before']:.3f} x", flush=True)


if __name__ == "__main__":
    main()
