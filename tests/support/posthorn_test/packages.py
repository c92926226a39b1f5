"""The Debian package of the build that is tested, and the same as the version before it."""

import os
import pathlib
import re
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[3]


def make_packages(directory):
    """The package, and the same as the version before it; {version: path}."""
    subprocess.run([SOURCE / "packaging/make-deb", "--build", pathlib.Path(os.environ["POSTHORN"]).parent, "--output", directory, "--version", "0.1.0"],
                   check=True, stdout=subprocess.DEVNULL)
    made = next(pathlib.Path(directory).glob("posthorn_0.1.0_*.deb"))
    earlier = made.with_name(made.name.replace("0.1.0", "0.0.9"))
    with tempfile.TemporaryDirectory() as scratch:
        tree = pathlib.Path(scratch, "tree")
        subprocess.run(["dpkg-deb", "--raw-extract", made, tree], check=True)
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text(encoding="utf-8").replace("\nVersion: 0.1.0\n", "\nVersion: 0.0.9\n"), encoding="utf-8")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, earlier], check=True, stdout=subprocess.DEVNULL)
    return {"0.1.0": made, "0.0.9": earlier}


def dependencies(deb):
    """Names of the packages it needs; of alternatives the first."""
    fields = subprocess.run(["dpkg-deb", "--show", "--showformat", "${Pre-Depends}, ${Depends}", deb], check=True, stdout=subprocess.PIPE, text=True).stdout
    return sorted({match[0] for part in fields.split(",") if (match := re.match(r"\S+", part.strip()))})
