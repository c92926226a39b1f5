#!/usr/bin/env python3
"""Two builds of Posthorn in one run, turn by turn: what a change costs, as a ratio, on a machine that does other things as well.

    bench/side_by_side.py BEFORE AFTER [--turns 5] [--messages 5000]

    accept      messages/s answered 250 while nothing is delivered, and CPU seconds per 1,000 of them
    end to end  messages/s from the first byte in to the last byte out, signed

As bench/end_to_end.py measures them (20 sessions, 4 KiB, Postfix's smtp-source and smtp-sink; a disk, not a tmpfs). Each turn runs both
builds, one after the other, in changing order; a ratio is the median of the turns' own ratios, with the lowest and the highest of them. CPU
is the daemon's alone, so it says more than the pace when others work, too.
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
        for column, unit in ((0, "messages/s"), (1, "CPU s per 1,000")):
            before, after = ([row[column] for row in results[name]] for name in ("before", "after"))
            ratios = sorted(b / a for a, b in zip(before, after))
            print(f"{part:<12} {unit:<16} {statistics.median(before):9,.3f} before {statistics.median(after):9,.3f} after: "
                  f"{statistics.median(ratios):.3f} x ({ratios[0]:.3f} - {ratios[-1]:.3f})", flush=True)


if __name__ == "__main__":
    main()
