"""What is measured: gateways that run, and how each wants to be asked."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.answers import fault
from bench.cases import MESSAGES, UNARY, Case, body
from bench.load import Asked
from bench.processes import PYTHON, REPOSITORY, Process, cores, cpu_seconds, free_port, listening, running
from bench.upstream import text

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 2048; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  client_body_buffer_size 128k; keepalive_requests 1000000;
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""

#: Our providers: dialect, and the model's name there.
_PROVIDERS = {
    "burst": ("openai", "gpt-4o-mini"),
    "paced": ("openai", "gpt-4o-mini-paced"),
    "translated": ("anthropic", "claude-3-haiku"),
    "translated-paced": ("anthropic", "claude-3-haiku-paced"),
    "flaky": ("openai", "gpt-4o-mini-flaky"),
    "dead": ("openai", "gpt-4o-mini-dead"),
}


class Gateway(NamedTuple):
    """A gateway that runs. `models` are its names for those of the cases, `headers` whole lines that it wants.

    `prefix` stands before its paths. One that is `straight` changes nothing, so it is asked at the provider's path.
    `ready_s` is the time from its start to its first answer, `ready_cpu_s` the CPU time that it took.
    """

    name: str
    port: int
    pid: int
    ready_s: float = 0.0
    ready_cpu_s: float = 0.0
    headers: str = ""
    models: Mapping[str, str] = {}
    prefix: str = ""
    straight: bool = False

    def asked(self, case: Case) -> Asked:
        """A case's request, as this gateway wants it."""
        path = self.prefix + (case.straight if self.straight else case.path)
        said = text(case.stream, case.straight == MESSAGES)
        return Asked(path, body(self.models.get(case.model, case.model), case.stream), case.stream, said, self.headers)


def config(port: int, upstream: int, folder: Path, workers: int = 1) -> Path:
    """A configuration with everything on: plan, breaker, own prices, ledger."""
    lines = [
        f"server: {{port: {port}, admin_port: off, workers: {workers}}}",
        f"storage: sqlite:///{folder / 'bench.db'}",
        "providers:",
    ]
    for name, (dialect, _) in _PROVIDERS.items():
        address = f"http://127.0.0.1:{upstream}/v1"
        lines.append(f"  {name}: {{kind: direct, dialect: {dialect}, base_url: '{address}', keys: [bench]}}")
    lines.append("models:")
    for name, (_, model) in _PROVIDERS.items():
        deployment = f"{name}/{model}"
        others = ", fallbacks: [burst]" if name in ("flaky", "dead") else ""
        price = f"price: {{{deployment}: {{input: 0.15, output: 0.60}}}}"
        lines.append(f"  {name}: {{deployments: [{deployment}], {price}{others}}}")
    file = folder / "hybridge.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


@contextlib.contextmanager
def upstream(pin: set[int] | None = None) -> Iterator[Gateway]:
    """The mock upstream, which may also be asked without a gateway."""
    port = free_port()
    with running([PYTHON, "-m", "bench.upstream", str(port)], pin or cores()[1], cwd=REPOSITORY) as process:
        listening(port, process)
        yield Gateway("nothing between", port, process.pid, straight=True)


@contextlib.contextmanager
def hybridge(provider: Gateway, folder: Path, workers: int = 1, pin: set[int] | None = None) -> Iterator[Gateway]:
    """Hybridge, in a folder of its own."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [PYTHON, "-m", "hybridge", "serve", "--config", str(config(port, provider.port, folder, workers))]
    with running(command, pin or cores()[0], cwd=folder) as process:
        yield answering(Gateway("Hybridge", port, process.pid), process)


@contextlib.contextmanager
def nginx(provider: Gateway, folder: Path) -> Iterator[Gateway]:
    """nginx as a plain reverse proxy: the limit that others are compared with. Only where `has_nginx`."""
    folder.mkdir(parents=True)
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(_NGINX.format(folder=folder, upstream=provider.port, port=port))
    with running([_program(), "-c", str(file), "-p", str(folder)], cores()[0]) as process:
        yield answering(Gateway("nginx", port, process.pid, straight=True), process)


def has_nginx() -> bool:
    """Whether nginx is installed."""
    return bool(_program())


def _program() -> str:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or ""


def answering(gateway: Gateway, process: Process, within_s: float = 120.0) -> Gateway:
    """Wait for a gateway's first answer; the gateway with what it took until then.

    Raises `RuntimeError` with what it said if there is none, or a wrong one.
    """
    last = "nobody listens"
    while process.age_s < within_s:
        process.must_run()
        with contextlib.suppress(OSError):
            status, answer = post(gateway.port, gateway.asked(UNARY))
            wrong = fault(answer, False, gateway.asked(UNARY).expected) if status == 200 else ""
            if status == 200 and not wrong:
                return gateway._replace(ready_s=process.age_s, ready_cpu_s=cpu_seconds(process.pid))
            last = wrong or f"{status} {answer[:500]!r}"
        time.sleep(0.005)
    raise RuntimeError(f"{gateway.name} does not answer: {last}; {process.said[-1000:]}")


def verify(gateway: Gateway, cases: Sequence[Case]) -> None:
    """Ask each case once and read the whole answer. Raises `RuntimeError` if one is not what the upstream said."""
    for case in cases:
        asked = gateway.asked(case)
        status, answer = post(gateway.port, asked)
        wrong = fault(answer, case.stream, asked.expected) if status == 200 else f"{status} {answer[:500]!r}"
        if wrong:
            raise RuntimeError(f"{gateway.name}, {case.name}: {wrong}")


def post(port: int, asked: Asked, timeout_s: float = 60.0) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body. Raises `OSError`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    headers = dict(line.split(": ", 1) for line in asked.headers.splitlines())
    try:
        connection.request("POST", asked.path, asked.body, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as exc:
        raise OSError(f"no answer: {exc!r}") from exc
    finally:
        connection.close()
