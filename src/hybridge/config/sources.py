"""Where a configuration comes from: a file, values, the environment; and which of them holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict, replace

from hybridge.config.decode import Decoder
from hybridge.config.document import Node, parse, tree
from hybridge.config.report import Problem, Report
from hybridge.config.rules import check
from hybridge.config.secrets import Secrets
from hybridge.config.settings import Admin, Config, Provider
from hybridge.config.units import OFF, Secret
from hybridge.config.unsupported import refuse
from hybridge.errors import ConfigError
from hybridge.providers.row import Row, load_rows
from hybridge.server.guard import is_loopback

#: Names the file where no option does.
VARIABLE = "HYBRIDGE_CONFIG"
FILE = Path("hybridge.yaml")

#: Opens the control plane where there is no file that says what does.
ADMIN_TOKEN = "HYBRIDGE_ADMIN_TOKEN"

#: The ledger of demo mode, which is nobody's accounts.
DEMO_STORAGE = "sqlite:///hybridge-demo.db"


class Overrides(Struct, frozen=True):
    """What the command line says over the `server` section; `admin_port` may be `off`."""

    host: str | None = None
    port: int | None = None
    admin_port: int | str | None = None
    workers: int | None = None


class Found(Struct, frozen=True):
    """A configuration that can be used. `path` is its file, if it has one; `demo` asks for simulated providers.

    `config.providers` holds those that have a usable key; `warnings` says which are off, and why. `report` knows the
    place of every key, for whoever finds more.
    """

    config: Config
    report: Report
    path: Path | None = None
    demo: bool = False

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the user should know, in the order of the file."""
        return self.report.warnings


NOTHING = Overrides()


def load(source: Path | str | Mapping[str, object], environ: Mapping[str, str]) -> Config:
    """The configuration of a file (`Path`), of YAML text (`str`) or of plain values. Raises `ConfigError`."""
    return read(source, environ).config


def find(
    file: Path | None,
    environ: Mapping[str, str],
    *,
    overrides: Overrides = NOTHING,
    demo: bool = False,
    need_keys: bool = True,
    today: dt.date | None = None,
) -> Found:
    """The configuration that holds: `file`, else `$HYBRIDGE_CONFIG`, else `./hybridge.yaml`, else the environment.

    With neither file nor key, or where `demo` asks for it, demo mode, on loopback only. `need_keys` makes it an error
    that no provider has a usable key. Raises `ConfigError`.
    """
    if demo:
        return _demonstrate(environ, overrides, today)
    named = file or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named is not None or FILE.is_file():
        return read(named or FILE, environ, overrides=overrides, need_keys=need_keys, today=today)
    found = from_environment(environ, overrides=overrides, today=today)
    return found if found.config.providers else _demonstrate(environ, overrides, today)


def read(
    source: Path | str | Mapping[str, object],
    environ: Mapping[str, str],
    *,
    overrides: Overrides = NOTHING,
    need_keys: bool = True,
    today: dt.date | None = None,
) -> Found:
    """A configuration with its warnings. Raises `ConfigError` with every problem, each at its place."""
    path = source if isinstance(source, Path) else None
    report = Report(str(path) if path else "configuration")
    secrets = Secrets(environ, path.parent if path else Path())
    config = Decoder(report, secrets).read(Config, _tree(source, report)) or Config()
    if not report.written(("providers",)):
        report.error(("providers",), "required")
    elif report.clean and not config.providers:
        report.error(("providers",), "expected at least one provider")
    config = _over(config, overrides, report)
    rows = load_rows()
    check(config, report, rows, today or _today())
    refuse(config, report)
    on, wanted = _switch_on(config, report, rows, environ, secrets)
    if need_keys and config.providers and not on:
        report.error(("providers",), f"no provider has a usable key{_set(wanted)}")
    report.settle()
    config = replace(config, providers=on)
    return Found(config, report, path)


def from_environment(
    environ: Mapping[str, str], *, overrides: Overrides = NOTHING, today: dt.date | None = None
) -> Found:
    """The providers whose variables are set, and defaults. Raises `ConfigError` if those cannot be used."""
    rows = load_rows()
    report = Report("environment")
    asked = ((name, _from_row(row, environ)) for name, row in rows.items())
    providers = {name: provider for name, provider in asked if provider.keys}
    config = _over(Config(providers=providers, admin=_admin(environ)), overrides, report)
    if providers:
        check(config, report, rows, today or _today())
        refuse(config, report)
    report.settle()
    return Found(config, report)


def _demonstrate(environ: Mapping[str, str], overrides: Overrides, today: dt.date | None) -> Found:
    report = Report("demo")
    config = _over(Config(storage=DEMO_STORAGE, admin=_admin(environ)), overrides, report)
    if not is_loopback(config.server.host):
        report.error(
            ("server", "host"),
            f"demo mode runs on loopback only, not on {config.server.host}: "
            "write a configuration file, or set the variable of a provider's key",
        )
    report.settle()
    check(config, report, {}, today or _today())
    refuse(config, report)
    report.settle()
    return Found(config, report, demo=True)


def _tree(source: Path | str | Mapping[str, object], report: Report) -> Node:
    if isinstance(source, Mapping):
        return tree(source)
    return parse(source if isinstance(source, str) else _text(source), report)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path}: the configuration cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: the configuration is not UTF-8"]) from error


def _over(config: Config, overrides: Overrides, report: Report) -> Config:
    given = {name: value for name, value in asdict(overrides).items() if value is not None}
    for name in given:
        report.override(("server", name), "command line")
    if given.get("admin_port") == OFF:
        given["admin_port"] = None
    return replace(config, server=replace(config.server, **given)) if given else config


def _switch_on(
    config: Config, report: Report, rows: Mapping[str, Row], environ: Mapping[str, str], secrets: Secrets
) -> tuple[dict[str, Provider], list[str]]:
    """The providers that have a usable key, or need none; the others are off, with a warning. And what they want."""
    on: dict[str, Provider] = {}
    missing: list[str] = []
    for name, given in config.providers.items():
        row = rows.get(name)
        written = report.written(("providers", name, "keys"))
        keys = given.keys if written or row is None else _from_row(row, environ).keys
        if keys or (row is not None and not row.key_required):
            on[name] = replace(given, keys=keys)
            continue
        wanted = secrets.missing_below(("providers", name)) if written else list(row.env if row else ())
        missing += wanted
        report.warn(("providers", name), f"off: it has no usable key{_set(wanted)}")
    return on, missing


def _from_row(row: Row, environ: Mapping[str, str]) -> Provider:
    """What the environment says of a provider: its key and its application's code."""
    named = next((name for name in row.env if environ.get(name, "").strip()), None)
    keys = (Secret(environ[named].strip(), f"env:{named}"),) if named else ()
    variable = f"{row.id.upper().replace('-', '_')}_APP_CODE"
    code = environ.get(variable, "").strip() if "app_code" in row.options else ""
    return Provider(keys=keys, app_code=Secret(code, f"env:{variable}") if code else None)


def _admin(environ: Mapping[str, str]) -> Admin:
    token = environ.get(ADMIN_TOKEN, "").strip()
    return Admin(token=Secret(token, f"env:{ADMIN_TOKEN}")) if token else Admin()


def _set(variables: list[str]) -> str:
    return f"; set {' or '.join(dict.fromkeys(variables))}" if variables else ""


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()
