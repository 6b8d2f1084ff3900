"""Disks of a test's own: one whose power can be cut, and a small one that can be full.

For a process in a mount namespace of its own (network.enter()): what is mounted here is gone with it.
"""

import fcntl
import os
import shutil
import struct
import tempfile
from pathlib import Path

from network import NetworkError, run

# Of ext4: it stops at once, and what was not written stays unwritten; the journal as well.
EXT4_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_NO_LOG_FLUSH = 2
# A database needs about 100 MB at first, for log files that are made in advance.
SIZE_MB = 512


def missing() -> str:
    """Why there are no such disks on this machine; empty when there are."""
    if shutil.which("mkfs.ext4") is None:
        return "mkfs.ext4 is not installed (Debian package e2fsprogs)"
    with tempfile.TemporaryDirectory() as folder:
        try:
            disk = LoopDisk(Path(folder), "probe", size_mb=16)
        except (OSError, NetworkError) as error:
            return f"no loop devices with ext4 here: {error}"
        try:
            disk.cut_power()
        except OSError as error:
            return f"ext4 cannot be shut down here: {error}"
        finally:
            disk.unmount()
    return ""


class LoopDisk:
    """ext4 in a file. Whoever makes one calls unmount() when nobody uses it any more."""

    def __init__(self, folder: Path, name: str, size_mb: int = SIZE_MB):
        self._image = folder / f"{name}.img"
        self.path = folder / f"{name}.disk"
        with open(self._image, "wb") as image:
            image.truncate(size_mb << 20)
        run("mkfs.ext4", "-q", "-m", "0", str(self._image))
        self.path.mkdir()
        self.mount()

    def mount(self) -> None:
        run("mount", "-o", "loop", str(self._image), str(self.path))

    def unmount(self) -> None:
        run("umount", str(self.path))

    def cut_power(self) -> None:
        """Of what was not synced, nothing or a part is on the disk; whoever writes gets an error."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", SHUTDOWN_NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def power_up(self) -> None:
        """Mounts it as it is now, which replays the journal."""
        self.unmount()
        self.mount()


def fill(folder: Path) -> Path:
    """Writes a file there until the disk is full; the file."""
    filler = folder / "filler"
    block = bytes(1 << 20)
    with open(filler, "wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12):
            try:
                while out.write(block[:size]) == size:
                    pass
                out.flush()
            except OSError:
                continue
        try:
            os.fsync(out.fileno())
        except OSError:
            pass
    return filler
