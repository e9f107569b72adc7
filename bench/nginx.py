"""nginx as a plain reverse proxy: the limit that others are compared with, where it is installed."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from bench.cases import CASES, measured
from bench.processes import cores, free_port, listening, running

_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 2048; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  client_body_buffer_size 128k; keepalive_requests 1000000;
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


def measure(upstream: int, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """The same load through nginx: CPU microseconds by case; empty where there is no nginx."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        return {}
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(_CONFIG.format(folder=folder, upstream=upstream, port=port))
    figures = {}
    with running([program, "-c", str(file), "-p", str(folder)], cores()[0]) as process:
        listening(port, process)
        for case in CASES:
            prefix = {"paced": "/paced", "translated": "/anthropic/burst", "translated-paced": "/anthropic/paced"}
            straight = case._replace(
                path=prefix.get(case.model, "/burst") + case.path,
                requests=max(100, int(case.requests * arguments.scale)),
            )
            figures[case.name] = measured(process.pid, port, straight, arguments.rounds, arguments.connections)
    return figures
