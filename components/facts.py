"""Facts about a release that the program finds out, and preflight insists on; and the record that it leaves."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

import pulumi

from sluice.components.stack import Stack
from sluice.core.backup.room import Room
from sluice.core.database import Database
from sluice.core.errors import ConfigError, SluiceError
from sluice.core.foreseen import foresee
from sluice.core.journal import Source
from sluice.core.migration.alembic import Alembic
from sluice.core.plan import Plan
from sluice.core.record import Built, Record
from sluice.core.requirement import Fact
from sluice.core.settings import Ask, Given, Leave, Permission, ask, closed, leave, missing, production
from sluice.core.settings.permission import SKIPS
from sluice.core.settings.tree import RELEASE, path
from sluice.core.spec import Spec
from sluice.core.store import Store
from sluice.systems import actor

# Of all revisions there are: the last are those that somebody means.
SHOWN = 10


def gather(stack: Stack, plan: Plan) -> list[Fact]:
    """Return every fact. A settled release has nothing to insist on, and the way back to a warm one is always open: it was
    approved, staged and proven, and a bad night is no time to wait for a window."""
    if plan.settled or plan.returning:
        return []
    return [*_window(stack), *_approvals(stack, plan), *_skips(stack, plan), *_content(stack, plan), *_required(stack, plan)]


def standing(stack: Stack, plan: Plan) -> list[Fact]:
    """Return the facts that a release would meet which has been let in before."""
    return [*_window(stack), *_content(stack, plan)]


def _window(stack: Stack) -> list[Fact]:
    why = closed(stack.settings.rollout.windows, stack.now)
    return [Fact(name="deployment window", ok=False, why=why)] if why else []


def _approvals(stack: Stack, plan: Plan) -> list[Fact]:
    whys = missing(stack.settings.rollout.approvals, plan.release, _spent(stack))
    # Each ends in the command that mends it; another stack may be the selected one.
    return [Fact(name="approval", ok=False, why=f"{why} --stack {pulumi.get_stack()}") for why in whys]


def _spent(stack: Stack) -> set[str]:
    return {nonce for record in stack.proven for nonce in record.approvals}


def left(stack: Stack) -> Leave:
    """Return what people allow the configured release."""
    return leave(stack.settings.rollout.permissions, stack.settings.release.id, _spent(stack))


def asked(stack: Stack, plan: Plan) -> Ask:
    """Return how to ask them for it."""
    return ask(stack.settings.rollout.permissions, plan.release, _spent(stack), pulumi.get_stack())


def _skips(stack: Stack, plan: Plan) -> list[Fact]:
    """Return why a release may not go without its backup or its tests, as far as that is known without asking a database."""
    if not plan.skipped:
        return []
    rollout = stack.settings.rollout
    requires = rollout.requires.stack.rsplit("/", 1)[-1] if rollout.requires else ""
    why = production(pulumi.get_stack(), requires, rollout.approvals.required)
    return [_skip(stack, plan, what, who, why) for what, who in plan.skipped.items()] if why else []


def _skip(stack: Stack, plan: Plan, what: str, who: str, why: str) -> Fact:
    permissions = stack.settings.rollout.permissions
    number = next(number for number, one in enumerate(permissions) if one.skip == what and one.release == plan.release)
    command = f"pulumi config rm --path 'sluice:rollout.permissions[{number}].skip' --stack {pulumi.get_stack()}"
    said = f"'{who}' lets '{plan.release}' go without {SKIPS[what]}, and this stack is production: {why}"
    return Fact(name="smoke tests" if what == "tests" else what, ok=False, why=said, command=command)


def _content(stack: Stack, plan: Plan) -> list[Fact]:
    """Compare what is there with what config trusts, where it names a digest."""
    asked = {name: service.digest for name, service in stack.settings.release.services.items() if service.digest}
    return [_other(name, digest, plan.target[name]) for name, digest in asked.items() if plan.target[name].digest != _bare(digest)]


def _other(service: str, digest: str, spec: Spec) -> Fact:
    where = path(RELEASE, ["services", service, "digest"])
    seen = f"{service} {spec.version} in '{spec.artifact}' is {_short(spec.digest)}, and {where} is {_short(digest)}"
    # No command: whoever writes down what happens to be there trusts it.
    return Fact(name="content", ok=False, why=f"{seen}: put that content there, or name the one that you trust")


def _required(stack: Stack, plan: Plan) -> list[Fact]:
    """What another stack must have proven first: the same versions, with the same content."""
    requires = stack.settings.rollout.requires
    if requires is None or stack.required is None:
        return []
    tried = [record for record in stack.required if "tests" not in record.skipped]
    proven = {_key(name, built) for record in tried for name, built in record.services.items()}
    missing = [spec for spec in plan.target.values() if spec.name in plan.new and (spec.service, spec.version, spec.digest) not in proven]
    return [_untried(requires.stack, stack.required, spec) or _unproven(requires.stack, tried, spec) for spec in missing]


def _key(service: str, built: Built) -> tuple[str, str, str]:
    return service, built.version, built.digest


def _untried(where: str, theirs: Sequence[Record], spec: Spec) -> Fact | None:
    """Say that another stack has proven this very version, but for its smoke tests: what it left out proves nothing here."""
    mine = (spec.service, spec.version, spec.digest)
    found = next((one for one in theirs if any(_key(name, built) == mine for name, built in one.services.items())), None)
    if found is None:
        return None
    short = where.rsplit("/", 1)[-1]
    why = f"'{where}' has proven {spec.service} {spec.version} without its smoke tests, by leave of '{found.skipped['tests']}'"
    # Another kind makes it another release, which goes through all gates again, and moves no traffic.
    kind = "patch" if found.kind == "configuration" else "configuration"
    command = f"pulumi config set --path sluice:release.kind {kind} --stack {short} && pulumi up --stack {short}"
    return Fact(name="proven elsewhere first", ok=False, why=f"{why}; they are walked when it is brought out there again", command=command)


def _unproven(where: str, theirs: Sequence[Record], spec: Spec) -> Fact:
    service, version, digest = spec.service, spec.version, spec.digest
    known = {built.digest for record in theirs for name, built in record.services.items() if (name, built.version) == (service, version)}
    what = f"{service} {version}"
    short = where.rsplit("/", 1)[-1]
    why = f"'{where}' has not proven {what}"
    if known:
        why = f"'{where}' has proven {what} with other content ({', '.join(_short(one) for one in known)}, here {_short(digest)})"
    configure = f"pulumi config set --path sluice:release.version {version} --stack {short}"
    return Fact(name="proven elsewhere first", ok=False, why=why, command=f"{configure} && pulumi up --stack {short}")


def _short(digest: str) -> str:
    return _bare(digest)[:12]


def _bare(digest: str) -> str:
    return digest.removeprefix("sha256:")


def record(stack: Stack, plan: Plan) -> dict[str, Any]:
    """Return what a release leaves behind once it is proven, but for the time; of a settled one, which has left it, {}."""
    if plan.settled:
        return {}
    release = stack.settings.release
    rollout = stack.settings.rollout
    given: list[Given | Permission] = [*rollout.approvals.given, *rollout.permissions]
    spent = list(dict.fromkeys(one.nonce for one in given if one.release == plan.release))
    services = {
        service: {"name": spec.name, "version": spec.version, "digest": spec.digest, "spec": spec.text}
        for service, spec in plan.target.items()
    }
    return {
        "id": plan.release,
        "version": release.version,
        "kind": release.kind,
        "services": services,
        "schema": release.schema_,
        "approvals": spent,
        **({"skipped": dict(plan.skipped)} if plan.skipped else {}),
        "git": actor.commit(Path.cwd()),
        "by": actor.user(),
    }


def source(journal: str) -> Source:
    """Return where this update writes down what happens, and as whom. Updates of one release are told apart by a random word."""
    return Source(path=journal, stack=pulumi.get_stack(), run=token_hex(4), actor=actor.here(Path.cwd()))


def declared(migrations: str | Path | Alembic) -> dict[str, Any]:
    """Return what a database has of its migrations: a folder of SQL files, or an Alembic tree, which a folder may be too."""
    if isinstance(migrations, Alembic):
        places = {"folder": _absolute(migrations.folder), "path": tuple(_absolute(one) for one in migrations.path)}
        return {"alembic": migrations.model_copy(update={**places, "ini": migrations.ini and _absolute(migrations.ini)})}
    folder = Path(migrations).absolute()
    tree = any((folder / name).is_file() for name in ("env.py", "alembic.ini"))
    return {"alembic": Alembic(folder=str(folder))} if tree else {"folder": str(folder)}


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def nowhere(name: str, target: str, migrations: Mapping[str, str | Path | Alembic]) -> Database:
    """Return a database of which only the migrations are known."""
    return Database(store=Store(host="", user="", dbname=name), target=target, **declared(migrations[name]))


def unknown(schema: Mapping[str, str], migrations: Mapping[str, str | Path | Alembic]) -> list[str]:
    """Return which revisions of config no file has, and everything that is wrong with the files, each with its path."""
    return [why for name, target in schema.items() for why in _unknown(name, target, migrations)]


def _unknown(name: str, target: str, migrations: Mapping[str, str | Path | Alembic]) -> list[str]:
    from sluice.systems import scheme

    where = path(RELEASE, ["schema", name])
    if name not in migrations:
        known = ", ".join(migrations) or "none"
        return [f"{where}: the program has no migrations of a database '{name}': known are {known}"]
    database = nowhere(name, target, migrations)
    try:
        ids = [one.id for one in scheme.of(database).all()]
    except ConfigError as error:
        return error.problems
    if target in ids:
        return []
    meant = [id for id in ids if target in _numbers(id)]
    hint = _meant(where, meant) if meant else f"{_moving(target)}known are {', '.join(_last(ids)) or 'none'}"
    folder = database.alembic.folder if database.alembic else migrations[name]
    return [f"{where}: '{folder}' has no revision '{target}': {hint}"]


def _numbers(id: str) -> list[str]:
    """Return what a revision may have become that was written without its quotes: in YAML 0008 is 8, and so is 0010, in octal."""
    octal = [str(int(id, 8))] if re.fullmatch("0[0-7]+", id) else []
    return [id.lstrip("0") or "0", *octal]


def _meant(where: str, ids: Sequence[str]) -> str:
    command = f"pulumi config set --path {shlex.quote(where)} {ids[-1]} --stack {pulumi.get_stack()}"
    return f"did you mean {' or '.join(map(repr, ids))}? it needs quotes, which the CLI writes; run: {command}"


def _moving(target: str) -> str:
    """Say why a name that follows the files is no revision: a release written back must want what it wanted then."""
    return "write the revision out, or the release would change with its files; " if target.split("@")[-1] in ("head", "heads") else ""


def _last(ids: Sequence[str]) -> Sequence[str]:
    return ids if len(ids) <= SHOWN else ["...", *ids[-SHOWN:]]


def alone(agreed: Mapping[str, Mapping[str, str]], databases: Sequence[str]) -> list[str]:
    """Return which agreements nobody could ask, and those of one database, which has nothing to agree with."""
    wrong = [f"agreed: '{name}' names one database, and two or more agree" for name, queries in agreed.items() if len(queries) < 2]
    asked: dict[str, dict[str, str]] = {}
    for name, queries in agreed.items():
        for database, query in queries.items():
            asked.setdefault(database, {})[name] = query
    return wrong + unasked(asked, databases, what="agreed")


def unasked(proofs: Mapping[str, Mapping[str, str]], databases: Sequence[str], *, what: str = "proofs") -> list[str]:
    """Return which proofs nobody could ask: of a database that the program does not have, and what is not one SELECT."""
    if not proofs:
        return []
    from sluice.core.migration.header import select

    known = ", ".join(databases) or "none"
    wrong = [f"{what}: the program has no database '{name}': known are {known}" for name in proofs if name not in databases]
    for database, queries in proofs.items():
        for name, query in queries.items():
            try:
                select(query)
            except ValueError as error:
                wrong.append(f"{what} of '{database}', '{name}': {error}")
    return wrong


def took(stack: Stack) -> dict[str, str]:
    """Return how long migrations took on the stack that `rollout.requires` names, as sentences by 'database/key'; the newest counts."""
    requires = stack.settings.rollout.requires
    where = requires.stack.rsplit("/", 1)[-1] if requires else ""
    found = [(name, seconds, record) for record in reversed(stack.required or ()) for name, seconds in record.took.items()]
    return {name: f"{seconds:.2f} s on '{where}', {record.at:%Y-%m-%d}" for name, seconds, record in found}


def _of(database: str, took: Mapping[str, str]) -> dict[str, str]:
    """Return what is known of one database's migrations, by their keys."""
    return {name.removeprefix(f"{database}/"): said for name, said in took.items() if name.startswith(f"{database}/")}


def outline(schema: Mapping[str, str], migrations: Mapping[str, str | Path | Alembic], took: Mapping[str, str]) -> list[str]:
    """Return what preview says of the migrations of databases that are not there yet."""
    from sluice.systems import schema as live

    return [line for name, target in schema.items() for line in live.outline(nowhere(name, target, migrations), _of(name, took))]


def explain(
    wires: Sequence[Any], place: Room, took: Mapping[str, str], release: pulumi.Resource, *, when: str, ask: Ask, skip: str
) -> None:
    """Say what every pending migration will do to the databases as they are now, and what will be refused.

    `place` is where backups go, with what their rehearsals took; `took` is what other stacks know; `when`: what is to be saved; `ask`
    writes the command that would allow a way back; `skip` is who lets the release go without a backup.
    """
    from sluice.systems import able
    from sluice.systems import schema as live

    databases = [one for one in map(Database.read, wires) if one.target]
    try:
        pulumi.log.info("\n".join(line for one in databases for line in live.story(one, _estimates(one.name, place.folder, took))), release)
        refusals = able.refusals(databases, when, ask, skip=skip, place=place)
    except SluiceError as error:
        pulumi.log.warn(f"what the migrations will do cannot be said: {error}", release)
        return
    if refusals:
        pulumi.log.warn(foresee(refusals), release)


def _estimates(database: str, folder: str, took: Mapping[str, str]) -> dict[str, str]:
    """Return the best word on each migration's duration: a rehearsal on this very data is better than another stack."""
    from sluice.systems import shelf

    return {**_of(database, took), **shelf.estimates(Path(folder), database=database)}
