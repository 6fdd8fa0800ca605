# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Asks the Python that runs this about its packages.

    peers.py check FILE     status 0 if all pins of FILE (name==version, one a line) are installed whole; else says what is not
    peers.py whole NAME     status 0 if the package is installed whole
    peers.py mend           forgets packages whose installation was interrupted, so that pip installs them again
"""
import importlib.metadata
import pathlib
import re
import shutil
import sys
import sysconfig


def name_of(distribution):
    return re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()


def is_whole(distribution):
    """pip adds INSTALLER and its own name to the list of files as the last thing that it does; sizes tell of a file cut short."""
    files = distribution.files or []
    if not any(file.name == "INSTALLER" for file in files):
        return False
    for file in files:
        path = pathlib.Path(distribution.locate_file(file))
        if file.size is not None and (not path.is_file() or path.stat().st_size != file.size):
            return False
    return True


def check(pins):
    installed = {name_of(distribution): distribution for distribution in importlib.metadata.distributions()}
    wrong = []
    for line in pathlib.Path(pins).read_text(encoding="utf-8").splitlines():
        if pin := re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", line.strip()):
            found = installed.get(re.sub(r"[-_.]+", "-", pin[1]).lower())
            if found is None:
                wrong.append(f"{pin[1]} is not installed")
            elif found.version.partition("+")[0] != pin[2]:   # 2.13.0+cpu is a build of 2.13.0
                wrong.append(f"{pin[1]} is {found.version}, not {pin[2]}")
            elif not is_whole(found):
                wrong.append(f"{pin[1]} is not complete")
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"{pins}: expected name==version, found {line!r}")
    return wrong


def mend():
    if sys.prefix == sys.base_prefix:
        sys.exit("only the packages of a virtual environment are mended")
    for folder in pathlib.Path(sysconfig.get_path("purelib")).glob("*.dist-info"):
        if not is_whole(importlib.metadata.PathDistribution(folder)):
            print(f"{folder.stem} was installed in part: pip will install it again", file=sys.stderr)
            shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:] == ["mend"]:
        mend()
    elif len(sys.argv) == 3 and sys.argv[1] == "whole":
        sys.exit(0 if any(name_of(d) == sys.argv[2] and is_whole(d) for d in importlib.metadata.distributions()) else 1)
    elif len(sys.argv) == 3 and sys.argv[1] == "check":
        sys.exit("\n".join(check(sys.argv[2])) or 0)
    else:
        sys.exit(__doc__)
