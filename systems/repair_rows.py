"""Rows of a copy beside those of the live database: loaded, compared, and put in place.

Names of tables are as the server writes them in SQL (`format('%I.%I')`), so that they are used as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.restore.repair import Change, Link, Part, Table

# Both sides write and read values in one way, whatever their databases and roles have set; and none is hidden by a policy.
PLAIN = (
    "set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set extra_float_digits = 1; set timezone = 'UTC'; set row_security = off"
)
FOUND = "select format('%%I.%%I', n.nspname, c.relname), c.oid, c.relkind in ('r', 'p') {} where c.oid = to_regclass(%s)"
IN = "from pg_class c join pg_namespace n on n.oid = c.relnamespace"
COLUMNS = """
    select attname, format_type(atttypid, atttypmod), attgenerated <> '' from pg_attribute
    where attrelid = %s and attnum > 0 and not attisdropped order by attnum
"""
KEY = """
    select a.attname from pg_index i cross join unnest(i.indkey::int2[]) with ordinality as k (number, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number where i.indrelid = %s and i.indisprimary order by k.place
"""
TRIGGERS = "select tgname, tgenabled::text from pg_trigger where tgrelid = %s and not tgisinternal and tgenabled <> 'D' order by tgname"
ENABLE = {"O": "enable", "A": "enable always", "R": "enable replica"}
LINKS = f"""
    select (select format('%I.%I', n.nspname, c.relname) {IN} where c.oid = conrelid),
        (select format('%I.%I', n.nspname, c.relname) {IN} where c.oid = confrelid), confdeltype::text
    from pg_constraint where contype = 'f' and conparentid = 0 order by conname
"""
# Sequences that hand out a column's values, by a default or as its identity.
SEQUENCES = """
    select a.attname, format('%%I.%%I', n.nspname, c.relname) from pg_depend d join pg_class c on c.oid = d.objid
    join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    join pg_sequence s on s.seqrelid = c.oid
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and d.refobjid = %s
        and s.seqincrement > 0 order by 1
"""


def table(connection: psycopg.Connection[Any], name: str) -> Table | None:
    """Return a table as it is, by a name as people write it; None when there is none."""
    row = connection.execute(FOUND.format(IN).encode(), [name]).fetchone()
    if row is None:
        return None
    columns = connection.execute(COLUMNS, [row[1]]).fetchall()
    return Table(
        name=row[0],
        columns={column: kind for column, kind, _ in columns},
        computed=tuple(column for column, _, computed in columns if computed),
        key=tuple(column for (column,) in connection.execute(KEY, [row[1]])),
        triggers=tuple(trigger for trigger, _ in connection.execute(TRIGGERS, [row[1]])),
        plain=row[2],
    )


def links(connection: psycopg.Connection[Any]) -> list[Link]:
    """Return every foreign key of the database."""
    return [Link(child=child, parent=parent, takes=takes) for child, parent, takes in connection.execute(LINKS.encode())]


@dataclass(frozen=True)
class Rows:
    """The chosen rows of one table, of the backup, in a table that goes with the transaction: `place` numbers it."""

    connection: psycopg.Connection[Any]
    now: Table
    then: Table
    part: Part
    place: int

    @property
    def _own(self) -> str:
        return f"sluice_part_{self.place}"

    @property
    def _shared(self) -> list[str]:
        return [_name(column) for column in self.now.shared(self.then)]

    @property
    def _where(self) -> str:
        return f"(\n{self.part.where}\n)" if self.part.where else "true"

    def _same(self, one: str, other: str) -> str:
        return " and ".join(f"{one}.{_name(column)} = {other}.{_name(column)}" for column in self.now.key)

    @property
    def _differs(self) -> str:
        """Byte for byte: of some types (json, points) values cannot be compared, and 1.0 is not 1.00 where somebody wrote it so."""
        rest = [_name(column) for column in self.now.shared(self.then) if column not in self.now.key]
        one, other = (", ".join(f"{side}.{column}" for column in rest) for side in "ts")
        # Cast, or the server would compare column by column.
        return f"row({one})::record operator(pg_catalog.*<>) row({other})::record" if rest else "false"

    @property
    def _extra(self) -> str:
        """Chosen by what they are now; the condition may name its table, so that stands alone."""
        key = ", ".join(_name(column) for column in self.now.key)
        mine = f"(select {key} from {self.now.name} where {self._where})"
        return f"{mine} e where not exists (select from {self._own} s where {self._same('s', 'e')})"

    def load(self, copy: psycopg.Connection[Any]) -> None:
        """Bring the rows over, in a stream."""
        columns = ", ".join(self._shared)
        self._run(f"create temp table {self._own} on commit drop as select {columns} from {self.now.name} limit 0")
        source = f"copy (select {columns} from {self.then.name} where {self._where}) to stdout"
        with (
            copy.cursor().copy(source.encode()) as rows,
            self.connection.cursor().copy(f"copy {self._own} from stdin".encode()) as target,
        ):
            for chunk in rows:
                target.write(chunk)
        key = ", ".join(_name(column) for column in self.now.key)
        self._run(f"alter table {self._own} add primary key ({key})")
        self._run(f"analyze {self._own}")

    def change(self) -> Change:
        """Count what differs now."""
        missing = f"{self._own} s where not exists (select from {self.now.name} t where {self._same('t', 's')})"
        changed = f"{self._own} s join {self.now.name} t on {self._same('t', 's')} where {self._differs}"
        add, change, extra = (self._count(text) for text in (missing, changed, self._extra))
        return Change(add=add, change=change, extra=extra)

    def _count(self, text: str) -> int:
        row = self.connection.execute(f"select count(*) from {text}".encode()).fetchone()
        return int(row[0]) if row else 0

    def remove(self) -> None:
        """Take away what is there and not in the backup."""
        self._run(f"delete from {self.now.name} t using (select * from {self._extra}) x where {self._same('t', 'x')}")

    def put(self) -> None:
        """Change rows back, and add those that are missing."""
        rest = [_name(column) for column in self.now.shared(self.then) if column not in self.now.key]
        if rest:
            told = ", ".join(f"{column} = s.{column}" for column in rest)
            self._run(f"update {self.now.name} t set {told} from {self._own} s where {self._same('t', 's')} and {self._differs}")
        columns = ", ".join(self._shared)
        missing = f"where not exists (select from {self.now.name} t where {self._same('t', 's')})"
        self._run(f"insert into {self.now.name} ({columns}) overriding system value select {columns} from {self._own} s {missing}")

    def advance(self) -> list[str]:
        """Move on each sequence whose numbers are in use by now; return a sentence for each that was."""
        found = self.connection.execute(SEQUENCES, [self._oid]).fetchall()
        return [line for column, name in found if (line := self._advance(column, name))]

    def _advance(self, column: str, name: str) -> str:
        row = self.connection.execute(
            f"select max({_name(column)}), (select last_value - (not is_called)::int from {name}) from {self.now.name}".encode()
        ).fetchone()
        most, last = row or (None, 0)
        if most is None or most <= last:
            return ""
        self.connection.execute("select setval(%s, %s)", [name, most])
        return f"sequence {name}: goes on after {most}, it was at {last}"

    @property
    def _oid(self) -> int:
        row = self.connection.execute("select to_regclass(%s)::oid", [self.now.name]).fetchone()
        assert row is not None
        return int(row[0])

    def quiet(self) -> Mapping[str, str]:
        """Turn the team's triggers off in this transaction, those of foreign keys not; return how each was on."""
        modes = dict(self.connection.execute(TRIGGERS, [self._oid]).fetchall())
        for trigger in modes:
            self._run(f"alter table {self.now.name} disable trigger {_name(trigger)}")
        return modes

    def loud(self, modes: Mapping[str, str]) -> None:
        """Turn them on again, each as it was."""
        for trigger, mode in modes.items():
            self._run(f"alter table {self.now.name} {ENABLE[mode]} trigger {_name(trigger)}")

    def _run(self, text: str) -> None:
        self.connection.execute(text.encode())


def lock(connection: psycopg.Connection[Any], names: Sequence[str], limit: float) -> None:
    """Keep others from writing to these tables until the transaction ends; they can be read. psycopg's LockNotAvailable after `limit` s."""
    connection.execute("select set_config('lock_timeout', %s, true)", [f"{limit * 1000:.0f}ms"])
    connection.execute(f"lock table {', '.join(sorted(names))} in share row exclusive mode".encode())


def _name(column: str) -> str:
    return sql.Identifier(column).as_string()
