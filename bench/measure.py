"""What the operating system knows about a tree of processes: CPU seconds spent and memory held."""

import os
import re

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """(parent, user + system ticks, those of its dead children) or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


def tree(root):
    """The process and all that descend from it."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(name)):
            parents.setdefault(stat[0], []).append(int(name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += parents.get(pid, [])
    return found


def cpu_seconds(*roots):
    """CPU time of these processes, their living descendants and their dead ones."""
    total = 0
    for root in roots:
        for pid in tree(root):
            if stat := _stat(pid):
                total += stat[1] + stat[2]
    return total / TICKS


def memory_mib(*roots):
    """(PSS, private) in MiB, summed: PSS counts a page shared by n processes as 1/n in each."""
    sums = {"Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for root in roots:
        for pid in tree(root):
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                    for key, value in re.findall(r"^(\w+): +(\d+) kB", file.read(), re.MULTILINE):
                        if key in sums:
                            sums[key] += int(value)
            except OSError:
                pass
    return sums["Pss"] / 1024, (sums["Private_Clean"] + sums["Private_Dirty"]) / 1024
