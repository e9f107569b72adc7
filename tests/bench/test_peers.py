"""A peer gets a folder, an environment and an address of its own, and one that cannot be had is said so."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from bench.gateways import upstream
from bench.installs import PEERS, CannotInstall, Peer, installed
from bench.loopback import address, foreign, strangers
from bench.peers import started
from bench.processes import REPOSITORY

#: A peer that only says what it was given, and then answers as the upstream would.
_START = """
import os, runpy, sys
sys.path.insert(0, "REPOSITORY")
print(open("given").read(), sorted(set(os.environ) - {"LC_CTYPE"}), flush=True)
sys.argv[1:] = sys.argv[2:]
runpy.run_module("bench.upstream", run_name="__main__")
"""


def peer(**more: object) -> Peer:
    command = (sys.executable, "-c", _START.replace("REPOSITORY", str(REPOSITORY)), "@home", "@port")
    return Peer(name="Mine", version="1", package="mine==1", command=command, **more)  # type: ignore[arg-type]


def test_a_peer_is_started_with_its_files_and_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    given = "upstream @upstream, port @port, spare @spare, home @home, @portkey"
    mine = peer(files={"given": given}, env={"OWN": "1"}, headers="x-to: @upstream\r\n")
    with upstream() as provider, started(mine, tmp_path / "home", provider, tmp_path / "there") as gateway:
        assert gateway.name == "Mine 1"
        assert gateway.headers == f"x-to: {provider.port}\r\n"
        assert gateway.ready_s > 0
        assert gateway.ready_cpu_s > 0
        assert strangers(gateway.pid) == []
        written = (tmp_path / "there" / "given").read_text()
        assert written.startswith(f"upstream {provider.port}, port {gateway.port}, spare ")
        assert written.endswith(f"home {tmp_path / 'home'}, @portkey")
        environ = Path(f"/proc/{gateway.pid}/environ").read_text().split("\0")
        assert {line.partition("=")[0] for line in environ if line} == {"PATH", "HOME", "LANG", "OWN"}
        assert f"HOME={tmp_path / 'there'}" in environ


def test_a_peer_may_take_a_port_of_its_own(tmp_path: Path) -> None:
    start = f"print('on http://127.0.0.1:@spare/v1', flush=True)\n{_START}".replace("REPOSITORY", str(REPOSITORY))
    mine = peer(files={"given": ""}, says=r"http://[^/]+:(\d+)/")._replace(
        command=(sys.executable, "-c", start, "", "@spare")
    )
    with upstream() as provider, started(mine, tmp_path, provider, tmp_path / "there") as gateway:
        assert gateway.ready_s > 0


def test_a_peer_that_does_not_start_says_why(tmp_path: Path) -> None:
    silent = peer()._replace(command=(sys.executable, "-c", "raise SystemExit('no licence')"))
    for mine in (silent, silent._replace(says=r"(\d+)")):
        with (
            upstream() as provider,
            pytest.raises(RuntimeError, match="no licence"),
            started(mine, tmp_path, provider, tmp_path / f"there{mine.says}"),
        ):
            pass


def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    (tmp_path / "mine-1").mkdir()
    (tmp_path / "mine-1" / "installed").write_text("mine==1")
    assert installed(peer(), tmp_path) == tmp_path / "mine-1"


def test_a_peer_that_this_machine_does_not_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotInstall, match="there is no npm"):
        installed(peer(node={}), tmp_path)
    program = tmp_path / "npm"
    program.write_text("#!/bin/sh\necho 'not found at https://index.example/mine' >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(CannotInstall, match=r"^not found at …$"):
        installed(peer(node={}), tmp_path)
    assert not (tmp_path / "mine-1" / "installed").exists()


@pytest.mark.parametrize("each", PEERS, ids=lambda each: each.name)
def test_a_version_is_pinned_and_addresses_are_loopback(each: Peer) -> None:
    assert each.package.endswith(f"=={each.version}") or each.node is not None
    for text in (*each.command, *each.files.values(), each.headers):
        assert text.count("http://") == text.count("http://127.0.0.1:@") + text.count('"http://[')


def test_addresses_as_the_kernel_writes_them() -> None:
    native = socket.inet_aton("127.0.0.1")
    assert str(address(f"{int.from_bytes(native, sys.byteorder):08X}")) == "127.0.0.1"
    far = int.from_bytes(socket.inet_aton("192.0.2.7"), sys.byteorder)
    prefix = f"{0:08X}{0:08X}{int.from_bytes(bytes.fromhex('0000ffff'), sys.byteorder):08X}"
    assert str(address(f"{prefix}{far:08X}")) == "192.0.2.7"
    assert address(f"{0:024X}{int.from_bytes(bytes.fromhex('00000001'), sys.byteorder):08X}").is_loopback


def test_who_talks_to_others_is_found_out() -> None:
    def row(remote: str, state: str, inode: int) -> str:
        return f"   0: 0100007F:1F90 {remote}:01BB {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1 0"

    near, far, mapped = "0100007F", "07000000", f"{0:016X}FFFF00000100007F"
    table = "\n".join(
        ["sl local rem st", row(near, "01", 1), row(far, "02", 2), row(far, "0A", 3), row(mapped, "01", 4)]
    )
    assert list(foreign(table, {"1", "2", "3", "4"})) == [str(address(far))]
    assert list(foreign(table, {"1", "3", "4", "5"})) == []
