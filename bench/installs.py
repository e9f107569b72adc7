"""The peers: what is installed, how it is configured and started, and how it wants to be asked.

Each lives in an environment of its own, below a folder that is no part of the repository. Versions of the peers are
pinned here, those of what they need are what their makers ask for. What they would tell their makers is switched off.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

#: The cases' models, where a peer passes names on.
_SAME = {"burst": "gpt-4o-mini", "paced": "gpt-4o-mini-paced"}
_KEY = "bench"
_LONGEST_INSTALL_S = 1800


class Peer(NamedTuple):
    """A gateway to compare with: a Python requirement, or a Node package (with the versions to take within it).

    In `command`, `files` and `headers` stand `@home` (where it is installed), `@port`, `@spare` (a port for what else
    it serves) and `@upstream` (the mock's port). It runs where its `files` are. `says` finds the port in what it
    prints, where it takes one of its own.
    """

    name: str
    version: str
    package: str
    command: Sequence[str]
    node: Mapping[str, str] | None = None
    files: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    headers: str = ""
    models: Mapping[str, str] = _SAME
    prefix: str = ""
    says: str = ""

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"


_LITELLM = """
model_list:
  - model_name: gpt-4o-mini
    litellm_params: {model: openai/gpt-4o-mini, api_base: "http://127.0.0.1:@upstream/v1", api_key: bench}
  - model_name: gpt-4o-mini-paced
    litellm_params: {model: openai/gpt-4o-mini-paced, api_base: "http://127.0.0.1:@upstream/v1", api_key: bench}
general_settings: {master_key: sk-bench}
litellm_settings: {telemetry: false}
"""

_TENSORZERO = """
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true
[models.gpt-4o-mini]
routing = ["mock"]
[models.gpt-4o-mini.providers.mock]
type = "openai"
model_name = "gpt-4o-mini"
api_base = "http://127.0.0.1:@upstream/v1/"
api_key_location = "env::OPENAI_API_KEY"
[models.gpt-4o-mini-paced]
routing = ["mock"]
[models.gpt-4o-mini-paced.providers.mock]
type = "openai"
model_name = "gpt-4o-mini-paced"
api_base = "http://127.0.0.1:@upstream/v1/"
api_key_location = "env::OPENAI_API_KEY"
"""

#: The gateway within the Python package, which is the one that it starts for its own clients.
_TENSORZERO_START = """
import signal
from tensorzero import _start_http_gateway as start
stores = dict.fromkeys(("clickhouse_url", "postgres_url", "valkey_url"))
gateway = start(config_file="tensorzero.toml", async_setup=False, **stores)
print(gateway.base_url, flush=True)
signal.pause()
"""

PEERS = (
    Peer(
        name="LiteLLM",
        version="1.106.2",
        package="litellm[proxy]==1.106.2",
        command=("@home/bin/litellm", "--config", "litellm.yaml", "--host", "127.0.0.1", "--port", "@port"),
        files={"litellm.yaml": _LITELLM},
        env={"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        headers="authorization: Bearer sk-bench\r\n",
    ),
    Peer(
        name="TensorZero",
        version="2026.6.0",
        package="tensorzero==2026.6.0",
        command=("@home/bin/python", "-c", _TENSORZERO_START),
        files={"tensorzero.toml": _TENSORZERO},
        env={"OPENAI_API_KEY": _KEY, "TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS": "1"},
        models={name: f"tensorzero::model_name::{model}" for name, model in _SAME.items()},
        prefix="/openai",
        says=r"http://[^/]+:(\d+)/",
    ),
    Peer(
        name="SGLang gateway",
        version="0.3.2",
        package="sglang-router==0.3.2",
        command=(
            *("@home/bin/python", "-m", "sglang_router.launch_router", "--backend", "openai", "--log-level", "error"),
            *("--worker-urls", "http://127.0.0.1:@upstream", "--host", "127.0.0.1", "--port", "@port"),
            *("--prometheus-host", "127.0.0.1", "--prometheus-port", "@spare"),
        ),
        headers="authorization: Bearer bench\r\n",
    ),
    Peer(
        name="Portkey",
        version="1.15.2",
        package="@portkey-ai/gateway",
        # Later ones of what it serves with leave answers without an end.
        node={"@hono/node-server": "1.13.8"},
        command=("node", "@home/node_modules/@portkey-ai/gateway/build/start-server.js", "--port=@port", "--headless"),
        env={"NODE_ENV": "production"},
        headers=(
            "authorization: Bearer bench\r\nx-portkey-provider: openai\r\n"
            "x-portkey-custom-host: http://127.0.0.1:@upstream/v1\r\n"
        ),
    ),
)


class CannotInstall(Exception):
    """A peer that this machine does not get; says why."""


def installed(peer: Peer, cache: Path) -> Path:
    """Where a peer is installed, which happens the first time. Raises `CannotInstall`."""
    home = cache / f"{peer.name.lower().replace(' ', '-')}-{peer.version}"
    done = home / "installed"
    if done.exists() and done.read_text() == peer.package:
        return home
    home.mkdir(parents=True, exist_ok=True)
    if peer.node is None:
        _run([sys.executable, "-m", "venv", str(home)], home)
        _run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", peer.package], home)
    else:
        wanted = {"private": True, "dependencies": {peer.package: peer.version}, "overrides": peer.node}
        (home / "package.json").write_text(json.dumps(wanted))
        _run(["npm", "install", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"], home)
    done.write_text(peer.package)
    return home


def _run(command: Sequence[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        raise CannotInstall(f"there is no {command[0]}")
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_LONGEST_INSTALL_S
        )
    except subprocess.TimeoutExpired as exc:
        raise CannotInstall(f"{command[0]} took longer than {_LONGEST_INSTALL_S} s") from exc
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"it ended with {done.returncode}"]
        # Where packages come from is this machine's affair.
        raise CannotInstall(re.sub(r"\w+://\S+", "…", said[-1])[:300])
