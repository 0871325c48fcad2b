"""A program that runs in the team's own Python, beside the team's packages, and knows nothing of Sluice: Alembic by lines of JSON.

`env.py` is loaded in Alembic's offline mode, and what it configures is written down; revisions run on the connection that this program
was given, which is opened before any of the team's code is loaded. From then on nothing here opens a connection or starts a program:
settings of the team name the live database, also while a copy of it is tried.
"""

from __future__ import annotations

import ast
import ctypes
import errno
import hashlib
import importlib
import io
import json
import os
import platform
import re
import struct
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

# What reaches out, as the interpreter itself announces it.
EVENTS = {
    "socket.connect",
    "socket.sendto",
    "socket.sendmsg",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
}
DRIVERS = {
    "psycopg": (("psycopg", "connect"), ("psycopg.Connection", "connect"), ("psycopg.AsyncConnection", "connect")),
    "psycopg2": (("psycopg2", "connect"), ("psycopg2", "_connect"), ("psycopg2._psycopg", "_connect")),
}
# The architecture's number, then connect, execve, execveat, io_uring_setup: from the kernel's audit.h and its tables of calls.
CALLS = {"x86_64": (0xC000003E, 42, 59, 322, 425), "aarch64": (0xC00000B7, 203, 221, 281, 425)}
# What `context.configure` is given that is the connection's, or ours to say.
OURS = {"connection", "url", "dialect", "dialect_name", "dialect_opts", "transaction_per_migration", "on_version_apply", "fn", "script"}
OURS |= {"as_sql", "output_buffer", "starting_rev", "tag", "purge", "transactional_ddl", "literal_binds"}
# Rows are changed often, and have nothing that must not be rehearsed.
ROWS = re.compile(r"\s*(select|insert|update|delete|with|show|commit)\b", re.IGNORECASE)
COMMIT = re.compile(r"\s*commit\b", re.IGNORECASE)
TEXT = re.compile(r"'(?:[^']|'')*(?:'|$)|\$(\w*)\$.*?(?:\$\1\$|$)", re.DOTALL)
SHOWN = 60


class Blocked(PermissionError):
    """A way out that is closed: what tolerates that something is not there goes on."""


class Stopped(BaseException):
    """The parent said no, or is gone: no team's code may catch it."""


class Wrong(Exception):
    """The tree cannot be read as it is."""


class Lines:
    """The talk with the parent: nobody else may print into it, or read from it."""

    def __init__(self) -> None:
        self.out, self.back = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(0))
        os.dup2(2, 1)
        # Who asks a person is told that there is none.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def say(self, said: Mapping[str, Any]) -> None:
        """Write one line."""
        self.out.write(json.dumps(said) + "\n")
        self.out.flush()

    def hear(self) -> Any:
        """Return the next line; None at the end, when the parent is gone."""
        line = self.back.readline()
        return json.loads(line) if line else None

    def ask(self, said: Mapping[str, Any]) -> None:
        """Ask whether to go on."""
        self.say(said)
        answer = self.hear()
        if not answer or answer.get("stop"):
            raise Stopped((answer or {}).get("stop", "the deployer is gone"))


def shut() -> None:
    """Close every way out that Python code takes."""

    def hook(event: str, given: Any) -> None:
        if event in EVENTS and not (event == "os.exec" and not given):
            raise Blocked(f"{event}: {CLOSED}")

    kernel()
    sys.addaudithook(hook)
    for driver, places in DRIVERS.items():
        try:
            importlib.import_module(driver)
        except ImportError:
            continue
        for place, name in places:
            setattr(_found(place), name, _blocked)


def kernel() -> None:
    """Have Linux itself refuse new connections and programs for the rest of this process: what is written in C asks no interpreter."""
    numbers = CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if numbers is None:
        return
    arch, *calls = numbers
    # Load the architecture, go on if it is ours; load the call's number, refuse if it is one of these, else allow.
    steps = [(0x20, 0, 0, 4), (0x15, 0, len(calls) + 2, arch), (0x20, 0, 0, 0)]
    steps += [(0x15, len(calls) - place, 0, call) for place, call in enumerate(calls)]
    code = b"".join(struct.pack("HBBI", *step) for step in [*steps, (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | errno.EPERM)])
    kept = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(kept)))
    libc = ctypes.CDLL(None, use_errno=True)
    # PR_SET_NO_NEW_PRIVS, without which the next needs root; PR_SET_SECCOMP with a filter.
    for call in ((38, 1, 0, 0, 0), (22, 2, ctypes.addressof(program), 0, 0)):
        if libc.prctl(*(ctypes.c_ulong(word) for word in call)):
            raise Wrong(f"this system does not let a program close its own ways out (prctl: {os.strerror(ctypes.get_errno())})")


CLOSED = "a migration works on the connection it is given (`op.get_bind()`) and opens no other, nor starts programs"


def _blocked(*_: Any, **__: Any) -> NoReturn:
    raise Blocked(CLOSED)


def _found(place: str) -> Any:
    module, _, name = place.partition(".")
    found: Any = importlib.import_module(place if name.islower() or name.startswith("_") else module)
    return getattr(found, name) if name and not (name.islower() or name.startswith("_")) else found


def connect(given: Mapping[str, Any]) -> Any:
    """Open the one connection; a second one of its pool is refused at once."""
    from sqlalchemy import create_engine

    name = driver()
    more: dict[str, Any] = {"prepare_threshold": None} if name == "psycopg" else {}
    engine = create_engine(
        f"postgresql+{name}://", connect_args={**given, **more}, pool_size=1, max_overflow=0, pool_timeout=0.1, pool_reset_on_return=None
    )
    return engine.connect()


def driver() -> str:
    """Return the driver of this Python."""
    for name in DRIVERS:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        return name
    raise Wrong(f"{sys.executable} has neither psycopg nor psycopg2: install one of them there")


class Tree:
    """A tree with its `env.py` loaded."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        self.spec = spec
        self.callbacks: list[Any] = []
        self.config = Config(spec["ini"] or None)
        if spec["folder"]:
            self.config.set_main_option("script_location", spec["folder"].replace("%", "%%"))
        # Whoever builds an engine of it gets nowhere.
        self.config.set_main_option("sqlalchemy.url", f"postgresql+{driver()}://nobody@sluice.invalid/none")
        self.scripts = ScriptDirectory.from_config(self.config)
        self.folder = Path(self.scripts.dir)
        self.given, self.words = self._configured() if spec["env"] else (self._named(), {})

    def _named(self) -> dict[str, Any]:
        return {"version_table": self.spec["version_table"], "version_table_schema": self.spec["version_schema"] or None}

    def _configured(self) -> tuple[dict[str, Any], dict[str, Any]]:
        seen: list[tuple[dict[str, Any], dict[str, Any]]] = []
        with recorder(self.config, self.scripts, seen):
            self.scripts.run_env()
        if len(seen) != 1:
            raise Wrong(f"env.py calls context.configure() {len(seen)} times in offline mode, and must do so once")
        ((given, words),) = seen
        own = given.get("on_version_apply") or ()
        self.callbacks = [own] if callable(own) else list(own)
        return {key: value for key, value in given.items() if key not in OURS and value is not None}, words

    def revisions(self) -> Iterator[Any]:
        """Yield the revisions, parents first."""
        yield from reversed(list(self.scripts.walk_revisions("base", "heads")))

    def environment(self, fn: Any = None) -> Any:
        """Return Alembic's context for this tree, not yet configured."""
        from alembic.runtime.environment import EnvironmentContext

        return EnvironmentContext(self.config, self.scripts, fn=fn or (lambda heads, context: []))


def recorder(config: Any, scripts: Any, seen: list[Any]) -> Any:
    """Return a context that writes down what `env.py` configures, and does nothing of it."""
    from alembic.runtime.environment import EnvironmentContext

    # Alembic hands out the methods of its own class alone, so they are replaced one by one instead of in a class below it.
    context: Any = EnvironmentContext(config, scripts, as_sql=True)
    configure = context.configure

    def record(*args: Any, **given: Any) -> None:
        if args:
            raise Wrong("env.py gives context.configure() a connection in offline mode: that path must not connect")
        seen.append((given, {}))
        more = {"url": None, "connection": None, "dialect_name": "postgresql", "output_buffer": io.StringIO()}
        configure(**{**given, **more})

    context.is_offline_mode = lambda: True
    context.configure = record
    context.run_migrations = lambda **words: seen[-1][1].update(words)
    context.begin_transaction = nullcontext
    context.execute = _unrecorded
    return context


def _unrecorded(*_: Any, **__: Any) -> NoReturn:
    raise Wrong("env.py runs statements by context.execute(), which nobody records: put them into a revision")


def read(tree: Tree) -> dict[str, Any]:
    """Return all that is known of a tree without a database."""
    revisions = [_revision(tree, one) for one in tree.revisions()]
    return {
        "revisions": revisions,
        # Last, when all that a revision loads has been loaded.
        "loaded": prints(loaded(tree)),
        "heads": sorted(tree.scripts.get_heads()),
        "table": tree.given.get("version_table", "alembic_version"),
        "schema": tree.given.get("version_table_schema"),
        "models": tree.given.get("target_metadata") is not None,
    }


def loaded(tree: Tree) -> set[str]:
    """Return the files of the team's code that were loaded, `env.py` and its ini with them: all but what the Python itself brings."""
    roots = [os.path.realpath(one) for one in (tree.folder, *tree.spec["path"])]
    own = [os.path.realpath(one) for one in (sys.prefix, sys.base_prefix)]
    modules = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if name != "__main__"}
    files = {os.path.realpath(file) for file in modules.values() if file}
    team = {file for file in files if _within(file, roots) or not _within(file, own)}
    return {one for one in team | {os.path.realpath(one) for one in _config(tree)} if Path(one).is_file()}


def _config(tree: Tree) -> Iterator[str]:
    if tree.spec["env"]:
        yield str(tree.folder / "env.py")
    if tree.spec["ini"]:
        yield tree.spec["ini"]


def _within(file: str, roots: list[str]) -> bool:
    return any(Path(file).is_relative_to(root) for root in roots)


def prints(files: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each file, "" of one that is gone."""
    return {one: hashlib.sha256(Path(one).read_bytes()).hexdigest() if Path(one).is_file() else "" for one in sorted(files)}


def _revision(tree: Tree, one: Any) -> dict[str, Any]:
    source = Path(one.path).read_text(encoding="utf-8")
    said = {name: getattr(one.module, f"sluice_{name}", None) for name in ("phase", "way", "loses")}
    body = _bodies(source)
    empty = body.get("downgrade", True) and not body.get("upgrade", True)
    facts = {
        "id": one.revision,
        "doc": one.doc or "",
        "file": one.path,
        "print": prints([os.path.realpath(one.path)]),
        "source": source,
        "empty": empty,
    }
    rendered = {"up": _rendered(tree, one, "upgrade"), "down": _rendered(tree, one, "downgrade")}
    return {**facts, **said, **rendered, "revises": list(dict.fromkeys(_parents(one)))}


def _parents(one: Any) -> Iterator[str]:
    # Alembic's own names: dependencies may be labels, and are ids once resolved.
    for found in (one._versioned_down_revisions, one._resolved_dependencies):
        yield from found


def _bodies(source: str) -> dict[str, bool]:
    """Say of each function whether it does nothing, or only says that it cannot."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {one.name: all(_idle(part) for part in one.body) for one in functions}


def _idle(node: ast.stmt) -> bool:
    nothing = isinstance(node, ast.Return) and (node.value is None or isinstance(node.value, ast.Constant))
    return nothing or isinstance(node, ast.Pass | ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _rendered(tree: Tree, one: Any, name: str) -> dict[str, str]:
    """Return the SQL of one direction as far as it can be seen without a connection, and why no further."""
    from alembic.operations import Operations

    buffer, unseen = io.StringIO(), ""
    environment = tree.environment()
    environment.context_opts["as_sql"] = True
    with environment:
        environment.configure(
            **{**tree.given, "dialect_name": "postgresql", "dialect_opts": {"paramstyle": "named"}, "literal_binds": True},
            output_buffer=buffer,
        )
        try:
            with Operations.context(environment.get_context()):
                getattr(one.module, name, lambda **_: None)(**tree.words)
        except Exception as error:
            unseen = f"{spot(tree.folder, error)}{_reason(error)}"
    return {"sql": buffer.getvalue(), "unseen": unseen}


def _reason(error: BaseException) -> str:
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def spot(folder: Path, error: BaseException) -> str:
    """Say where in the team's tree an error comes from."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).is_relative_to(folder)]
    return f"line {frames[-1].lineno} of {Path(frames[-1].filename).name}: " if frames else ""


class Step:
    """One revision in one direction, on the one connection."""

    def __init__(self, runner: Runner, asked: Mapping[str, Any]) -> None:
        self.runner, self.asked = runner, asked
        self.at, self.sql, self.open, self.over = 0, "", False, False
        self.own = ""

    def within(self, do: Callable[..., Any]) -> Callable[..., Any]:
        """Return the revision's function, after which the parent knows its transaction, whatever becomes of this program."""

        @wraps(do)
        def begun(*given: Any, **words: Any) -> Any:
            self._same()
            self.own = self._now(self.runner.connection)
            self.runner.lines.ask({"ask": "own", "own": self.own})
            return do(*given, **words)

        return begun

    def _same(self) -> None:
        """See that all files are those of the plan, also those that are only loaded on the way."""
        now = prints(self.asked["files"])
        if other := [file for file, print in self.asked["files"].items() if now[file] != print]:
            raise Stopped(f"'{other[0]}' has changed since this was planned")

    def _now(self, connection: Any) -> str:
        with connection.connection.cursor() as cursor:
            cursor.execute("select pg_current_xact_id()::text")
            return str(cursor.fetchone()[0])

    def _broken(self) -> NoReturn:
        self.over = self.open = True
        raise Stopped("it has ended its own transaction by a way that nobody sees: an `autocommit_block` is seen")

    @property
    def said(self) -> str:
        """Return the first words of the statement at work, texts left out: one may be a password, or a person."""
        line = " ".join(TEXT.sub("'…'", self.sql).split())
        return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"

    def before(self, connection: Any, sql: str) -> None:
        """Ask before a statement that is more than rows, and write down one that stays whatever comes."""
        self.at, self.sql = self.at + 1, sql
        alone = connection.connection.dbapi_connection.autocommit
        if (
            self.own
            and not alone
            and not self.open
            and not self.over
            and not connection.connection.dbapi_connection.info.transaction_status
        ):
            self._broken()
        # What commits by itself, and what may be several statements, is asked for too.
        if alone or ";" in sql or not ROWS.match(sql):
            self._ask({"ask": "statement", "sql": sql})
        if alone:
            self._mark(connection)
            if "concurrently" in sql.lower():
                # It waits for old transactions to end, and nobody queues behind it.
                self._raw(connection, "select set_config('lock_timeout', %(wait)s, false)", {"wait": self.asked["patience"]})
        elif COMMIT.match(sql):
            self._mark(connection)

    def after(self, connection: Any, sql: str) -> None:
        """Wait no longer for locks than before."""
        if "concurrently" in sql.lower() and connection.connection.dbapi_connection.autocommit:
            self._raw(connection, "select set_config('lock_timeout', %(wait)s, false)", {"wait": self.asked["lock"]})

    def commit(self, connection: Any) -> None:
        """Write down, with a part of a revision that stays, that it does."""
        if not self.over:
            self.at += 1
            self._mark(connection)
            self.at -= 1

    def _ask(self, said: Mapping[str, Any]) -> None:
        # What is stopped, or is asking for its end, commits no part of itself any more.
        self.over = True
        self.runner.lines.ask(said)
        self.over = False

    def _mark(self, connection: Any) -> None:
        self.open = True
        self._raw(connection, self.asked["doing"], {"id": self.asked["revision"], "number": max(self.at, 1), "error": self.said})

    def apply(self, **_: Any) -> None:
        """Change the history in the transaction of the revision, the last thing before it ends."""
        connection = self.runner.connection
        self._same()
        if not self.open and self._now(connection) != self.own:
            self._broken()
        self._ask({"ask": "commit"})
        self._raw(connection, self.asked["end"], self.asked["given"], one=True)
        self.over = True

    def _raw(self, connection: Any, query: str, given: Mapping[str, Any], *, one: bool = False) -> None:
        with connection.connection.cursor() as cursor:
            cursor.execute(query, given)
            if one and cursor.rowcount != 1:
                raise Stopped("the row of this revision in sluice_history.migration is not as this run left it: another run is at work")


class Runner:
    """The tree on a connection."""

    def __init__(self, lines: Lines, tree: Tree, connection: Any) -> None:
        from sqlalchemy import event

        self.lines, self.tree, self.connection = lines, tree, connection
        self.step: Step | None = None
        event.listen(connection.engine, "before_cursor_execute", self._before)
        event.listen(connection.engine, "after_cursor_execute", self._after)
        event.listen(connection.engine, "commit", self._commit)

    def _before(self, connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if self.step:
            self.step.before(connection, sql)

    def _after(self, connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if self.step:
            self.step.after(connection, sql)

    def _commit(self, connection: Any) -> None:
        if self.step:
            self.step.commit(connection)

    def asked(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the parent asks for."""
        if asked["do"] == "prepare":
            return self.prepare()
        return self.drift() if asked["do"] == "drift" else self.run(asked)

    def prepare(self) -> dict[str, Any]:
        """Make Alembic's own table, as it makes it before its first revision."""
        with self.configured() as environment:
            environment.run_migrations()
        self.connection.commit()
        return {}

    def run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Run one revision; what Alembic's table says changes in its transaction."""
        for name, value in (
            ("lock_timeout", asked["lock"]),
            ("statement_timeout", asked["statement"]),
            ("application_name", asked["name"]),
        ):
            self.connection.exec_driver_sql("select set_config(%(name)s, %(value)s, false)", {"name": name, "value": value})
        self.connection.commit()
        step = Step(self, asked)
        try:
            self._go(asked, step)
        except (Exception, Stopped) as error:
            self.step = None
            return self._failed(step, error)
        self.step = None
        return {"done": step.at}

    def _go(self, asked: Mapping[str, Any], step: Step) -> None:
        from alembic.runtime.migration import MigrationStep

        make = MigrationStep.upgrade_from_script if asked["do"] == "up" else MigrationStep.downgrade_from_script
        only = make(self.tree.scripts.revision_map, self.tree.scripts.get_revision(asked["revision"]))

        only.migration_fn = step.within(only.migration_fn)

        def begun(heads: Any, context: Any) -> Iterator[Any]:
            # The version table is there now; what comes is the revision's own.
            self.step = step
            yield only

        with self.configured(begun, step.apply) as environment:
            environment.run_migrations(**self.tree.words)

    @contextmanager
    def configured(self, fn: Callable[..., Any] | None = None, apply: Any = None) -> Iterator[Any]:
        """Configure Alembic as `env.py` does, on our connection."""
        environment = self.tree.environment(fn)
        with environment:
            callbacks = [*self.tree.callbacks, apply] if apply else []
            environment.configure(connection=self.connection, transaction_per_migration=True, on_version_apply=callbacks, **self.tree.given)
            yield environment

    def _failed(self, step: Step, error: BaseException) -> dict[str, Any]:
        origin = getattr(error, "orig", None) or error
        state = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None)
        reason = getattr(getattr(origin, "diag", None), "message_primary", None) or _reason(origin)
        where = spot(self.tree.folder, error)
        gone = bool(getattr(error, "connection_invalidated", False))
        if not gone:
            self.connection.rollback()
        told = {"at": step.at, "sql": step.said, "open": step.open, "gone": gone, "stopped": isinstance(error, Stopped)}
        return {"error": str(error) if isinstance(error, Stopped) else reason, "state": state, "where": where, **told}

    def drift(self) -> dict[str, Any]:
        """Return how the models differ from the database, a line each."""
        from alembic.autogenerate import compare_metadata

        with self.configured() as environment:
            found = compare_metadata(environment.get_context(), self.tree.given["target_metadata"])
        self.connection.rollback()
        return {"drift": [_words(one) for one in found if not _ours(one)]}


def _ours(difference: Any) -> bool:
    # Seen by an env.py that includes all schemas.
    return isinstance(difference, tuple) and getattr(difference[1], "schema", None) == "sluice_history"


def _words(difference: Any) -> str:
    # Several changes of one column come as a list.
    parts = difference if isinstance(difference, tuple) else difference[0]
    return " ".join(str(getattr(part, "name", None) or part) for part in parts if part is not None and not isinstance(part, dict | bool))


def main() -> None:
    """Answer what the parent asks, until it has nothing more."""
    lines = Lines()
    asked = lines.hear()
    sys.path[:0] = asked["path"]
    try:
        connection = connect(asked["connect"]) if asked.get("connect") else None
        shut()
        tree = Tree(asked)
        found = read(tree) if connection is None else {}
    except Exception as error:
        lines.say({"error": f"{spot(Path(asked['folder'] or '.'), error)}{_reason(error)}"})
        return
    if connection is None:
        lines.say(found)
        return
    runner = Runner(lines, tree, connection)
    lines.say({"ready": connection.connection.dbapi_connection.info.backend_pid})
    while (asked := lines.hear()) is not None:
        lines.say(runner.asked(asked))


if __name__ == "__main__":
    main()
