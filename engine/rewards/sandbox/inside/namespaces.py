"""Namespaces of one's own, and a root directory with nothing in it but what Python needs.

The process that enters has no network but a loopback that is down, sees no process but those it starts, and no file but
read-only copies of the paths it was given and one small empty directory in memory.
"""

import os

from . import kernel

SCRATCH = "/scratch"  # the only place where a confined program can write; its working directory
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
_ROOT_OPTIONS = "size=1m,nr_inodes=2000,mode=755"
_MAX_FILES = 1000  # in the scratch directory: each takes about 1 KB of kernel memory that its size does not show
_ALL = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)


def enter() -> bool:
    """New namespaces for this process; the pid namespace begins with its next child. True when it did so as root.

    Root needs no user namespace. Anybody else gets one, in which they are still themselves, and its capabilities until
    they are dropped.
    """
    if os.geteuid() == 0:
        try:
            kernel.unshare(_ALL)
            return True
        except PermissionError:  # root in a container, without the rights of root
            pass
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(_ALL | kernel.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return False


def confine_files(paths: list[str], scratch_bytes: int) -> None:
    """Make `paths`, read-only, and an empty SCRATCH, which becomes the working directory, all the files there are.

    A symbolic link among the paths becomes the same link.
    """
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    links = {path: os.readlink(path) for path in paths if os.path.islink(path)}
    trees = {path: kernel.clone_tree(path) for path in paths if path not in links}
    devices = {path: kernel.clone_tree(path) for path in DEVICES}
    new = "/tmp"  # covered by the new root until the switch, in this namespace alone
    kernel.mount("tmpfs", new, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, _ROOT_OPTIONS)
    for path, tree in trees.items():
        kernel.set_mount_attributes(kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV, tree=tree)
        _attach(tree, path, new)
    for path, tree in devices.items():
        kernel.set_mount_attributes(kernel.ATTR_NOSUID, tree=tree)
        _attach(tree, path, new)
    for path, target in links.items():
        os.makedirs(os.path.dirname(new + path), exist_ok=True)
        os.symlink(target, new + path)
    _make_scratch(new + SCRATCH, scratch_bytes)
    kernel.set_mount_attributes(kernel.ATTR_RDONLY, path=new)
    os.chdir(new)
    kernel.pivot_root(".", ".")
    kernel.unmount(".")
    os.chdir(SCRATCH)


def _make_scratch(path: str, size_bytes: int) -> None:
    os.makedirs(path)
    options = f"size={size_bytes},nr_inodes={_MAX_FILES},mode=777"
    kernel.mount("tmpfs", path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, options)


def _attach(tree: int, path: str, new: str) -> None:
    target = new + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
    kernel.attach_tree(tree, target)
    os.close(tree)
