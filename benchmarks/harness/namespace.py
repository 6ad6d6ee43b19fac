"""A network of a benchmark's own: a process in a user and network namespace, whose loopback `tc` may spoil.

    choice = choose("auto")     # outside: can there be one, and has its kernel netem? If not, why
    run_apart(..., through=choice.through, ...)
    enter()                     # inside: loopback up, and an address that peers offer each other
    set_qdisc(["netem", ...])   # inside: instead of what was there; [] for nothing

Whatever is set ends with the last process in the namespace. `enter` and `set_qdisc` refuse to run anywhere else:
`is_inside`.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from engine.errors import ConfigError, DeviceError

Link = Literal["auto", "namespace", "deterministic"]
LINKS = get_args(Link)
TOOLS = {"unshare": "util-linux", "ip": "iproute2", "tc": "iproute2"}  # and the packages that bring them
UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--")
OUTSIDE = "VISEMA_NETWORK_OUTSIDE"
OWN_NETWORK = "/proc/self/ns/net"
ADDRESS = "198.51.100.1"  # for documentation (RFC 5737): no host has it. Peers do not offer 127.0.0.1 to each other
TRY = ("netem", "delay", "1ms")
PATIENCE_S = 20.0
NO_NETWORK, NO_QDISC = 3, 4  # how the trial ends
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Choice:
    """through: what a command is started with to be in a namespace; empty: the deterministic link is taken.

    why: in words, why there is no namespace; empty where there is one.
    """

    through: tuple[str, ...] = ()
    why: str = ""


def choose(wanted: Link = "auto") -> Choice:
    """What the line of a benchmark can be here. ConfigError: no such word; DeviceError: `namespace` cannot be had."""
    if wanted not in LINKS:
        raise ConfigError(f"--link is one of {', '.join(LINKS)}, not {wanted!r}")
    if wanted == "deterministic":
        return Choice(why="it was not asked for (--link deterministic)")
    why = what_lacks()
    if why and wanted == "namespace":
        raise DeviceError(f"no network namespace can be used here: {why}; or take --link deterministic")
    return Choice(why=why) if why else Choice(through())


def what_lacks(qdisc: tuple[str, ...] = TRY) -> str:
    """Why no namespace with that qdisc can be had, and what to do about it; empty if one can: it was tried."""
    if not os.path.exists(OWN_NETWORK):
        return "only Linux has network namespaces"
    for tool, package in TOOLS.items():
        if find_tool(tool) is None:
            return f"the program `{tool}` is missing (apt install {package})"
    found = _run([*through(), "true"])
    if found.returncode:
        return (
            f"no permission to make one ({_words(found)}); user namespaces must be allowed (sysctl "
            "user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; "
            "a container needs CAP_SYS_ADMIN), or try it as root"
        )
    found = _run([*through(), sys.executable, "-m", "benchmarks.harness.namespace", json.dumps(qdisc)])
    if not found.returncode:
        return ""
    if found.returncode == NO_QDISC:
        name = qdisc[0]
        return f"the kernel has no {name} ({_words(found)}); load it (modprobe sch_{name}), or take a kernel with it"
    return f"its loopback cannot be set up ({_words(found)})"


def through() -> tuple[str, ...]:
    """What a command is started with to be in a namespace of its own that knows what its outside is."""
    return "env", f"{OUTSIDE}={os.readlink(OWN_NETWORK)}", *UNSHARE


def enter() -> None:
    """Make the namespace that this process is in fit for peers: loopback is up, and so is ADDRESS.

    DeviceError if that fails, or if this is no namespace of its own.
    """
    call("ip", "link", "set", "lo", "up")
    # Browsers offer no address of a loopback interface. What two addresses of one machine send each other passes
    # `lo` whatever interface they belong to, so that is still the only one to spoil.
    try:
        call("ip", "link", "add", "visema0", "type", "veth", "peer", "name", "visema1")
    except DeviceError:  # a kernel without such pairs: enough for our own peer
        call("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
        return
    call("ip", "address", "add", f"{ADDRESS}/24", "dev", "visema0")
    call("ip", "link", "set", "visema0", "up")
    call("ip", "link", "set", "visema1", "up")
    call("ip", "route", "add", "default", "dev", "visema0")


def set_qdisc(qdisc: list[str]) -> None:
    """What packets on loopback meet from now on: the words after `root` of `tc qdisc add`; [] for nothing at all.

    What waits in the old one is lost. DeviceError as `enter`.
    """
    if any(one["kind"] != "noqueue" for one in json.loads(call("tc", "-j", "qdisc", "show", "dev", "lo") or "[]")):
        call("tc", "qdisc", "delete", "dev", "lo", "root")
    if qdisc:
        call("tc", "qdisc", "add", "dev", "lo", "root", *qdisc)


def change_qdisc(qdisc: list[str]) -> None:
    """Other numbers for the one that is there; what waits in it stays. DeviceError as `enter`."""
    call("tc", "qdisc", "change", "dev", "lo", "root", *qdisc)


def call(tool: str, *words: str) -> str:
    """What `ip` or `tc` answers. Every change of a network goes through here. DeviceError if it fails, or outside of a
    namespace that `through` made."""
    if not is_inside():
        raise DeviceError("this process is in no network namespace of its own: nothing is changed here")
    found = _run([find_tool(tool) or tool, *words])
    if found.returncode:
        raise DeviceError(f"{tool} {' '.join(words)}: {_words(found)}")
    return found.stdout


def is_inside() -> bool:
    """Whether this process is in a namespace that `through` made: its network is another than that of who started it,
    and it is root over itself alone, so that the kernel would refuse what concerns anybody else's network."""
    outside = os.environ.get(OUTSIDE)
    if not outside or os.readlink(OWN_NETWORK) == outside:
        return False
    maps = Path("/proc/self/uid_map").read_text().splitlines()
    return len(maps) == 1 and maps[0].split()[2] == "1"


def find_tool(name: str) -> str | None:
    """Where a program is, also where only administrators have it in their path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT,
                              stdin=subprocess.DEVNULL, check=False)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _words(found: "subprocess.CompletedProcess[str]") -> str:
    """The last line that a program said of what went wrong."""
    lines = found.stderr.strip().splitlines()
    return lines[-1].strip().removesuffix(".") if lines else f"code {found.returncode}"


def main(argv: list[str]) -> int:
    """The trial of `what_lacks`, inside: the code tells what failed, stderr says it."""
    code = NO_NETWORK
    try:
        enter()
        code = NO_QDISC
        set_qdisc(json.loads(argv[0]))
    except DeviceError as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
