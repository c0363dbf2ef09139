"""Commands that take a while on a disk that becomes full on the way, and again when it has room.

Disks of any size are mounted for it, in a namespace of its own: `unshare -rm python benchmarks/attack.py disks`.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
from attacks.kills import LONG, found_in, started, wholes


def _size(folder: Path) -> int:
    """KiB on a disk in memory, which gives each file whole pages."""
    return sum(-(-path.stat().st_size // 4096) * 4 if path.is_file() else 4 for path in folder.rglob("*"))


def try_disk(number: int, folder: Path) -> tuple[str, str]:
    """The command ends in one sentence, leaves nothing half, and ends as if nothing had happened when there is room."""
    if not (folder / "before-end").is_dir():
        wholes(folder)
    rng = np.random.default_rng(number)
    command, after = list(LONG)[number % len(LONG)], [*list(LONG)[1:], "end"][number % len(LONG)]
    before, whole, disk = folder / f"before-{command}", folder / f"before-{after}", folder / f"disk-{after}"
    disk.mkdir(exist_ok=True)
    most = _size(whole) - _size(before)
    left = int(rng.uniform(0, 1.05) * most) // 4 * 4
    about = f"{command} with {left} of {most} KiB"
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_size(before) + left + 8}k", "tmpfs", disk], check=True)
    try:
        shutil.copytree(before, disk, dirs_exist_ok=True)
        child = started(LONG[command], disk)
        _, said = child.communicate()
        lines = said.decode().strip().splitlines()
        errors = [line for line in lines if "Error:" in line]
        if child.returncode not in (0, 1, 2) or (child.returncode and len(errors) != 1) or "Traceback" in said.decode():
            return "not one sentence", f"{about}: {child.returncode}, {said.decode()[-3000:]}"
        ending = f"{about}: {errors[0] if errors else 'worked'}"
        names = [path.relative_to(disk).as_posix() for path in disk.rglob("*") if ".calvin-" in path.name]
        if names:
            return "left behind", f"{ending}: {', '.join(names)}"
        subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        again = started(LONG[command], disk)
        _, said = again.communicate()
        if again.returncode:
            return "other result", f"{ending}, then with room: {said.decode()[-1500:]}"
        one, other = found_in(whole), found_in(disk)
        differ = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
        return ("other result", f"{ending}: {', '.join(differ)}") if differ else ("said, then equal", ending)
    finally:
        subprocess.run(["umount", disk], check=True)
