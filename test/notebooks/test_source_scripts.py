"""Scripts that prepare sources and queries that check them, as far as no test can run them: every statement is read by the
grammar of its dialect, and statements inside a block are taken out of it and read as well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

GOLDEN = Path(__file__).resolve().parents[1] / "unit" / "source" / "golden"
DIALECTS = {
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlserver": "tsql",
    "oracle": "oracle",
}
FILES = sorted(GOLDEN.glob("*.sql"))
# What sqlglot knows by its first word only: it checks that quotes and brackets close, not more.
TAKEN_AS_THEY_ARE = re.compile(
    r"(GRANT|REVOKE|CALL|EXEC|USE|SET|CREATE (USER|ROLE|LOGIN|PUBLICATION)|ALTER|DROP|RESET PERSIST|RAISE|THROW|RAISE_APPLICATION_ERROR)\b",
    re.IGNORECASE,
)


def statements(text: str, dialect: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.startswith("-- ") and line != "SET DEFINE OFF"]
    end = {"tsql": r";\nGO\n", "oracle": r"(?<=END;)\n/\n|;\n(?=\n|$)"}.get(dialect, r";\n(?=\n|$)")
    return [part.strip() for part in re.split(end, "\n".join(lines) + "\n") if part.strip()]


def read(statement: str, dialect: str) -> None:
    parsed = [one for one in sqlglot.parse(statement, dialect=dialect) if one is not None]
    assert parsed, statement
    for one in parsed:
        if isinstance(one, exp.Command):
            assert TAKEN_AS_THEY_ARE.match(statement), statement


def inside(block: str) -> list[str]:
    """The SQL in a block of PL/pgSQL, PL/SQL or T-SQL, without what only steers it."""
    quoted = re.match(r"DO \$(\w+)\$\n(.*)\n\$\1\$", block, re.DOTALL)
    body = quoted.group(2) if quoted else block
    body = re.sub(r"^\s*DECLARE\n(.*?)\nBEGIN\n", "BEGIN\n", body, flags=re.DOTALL)
    found = re.findall(r"EXISTS \((SELECT\b.*?)\)(?: AND \w+)? THEN\n", body, re.DOTALL)
    found += re.findall(r"EXECUTE IMMEDIATE '((?:[^']|'')*)'", body)
    found = [text.replace("''", "'") for text in found]
    steering = re.compile(
        r"^(BEGIN|END|IF|ELSE|ELSIF|LOOP|FOR|UNION|EXECUTE|DECLARE|INSERT|keys :=|logged :=|RAISE|rdsadmin|COMMIT)\b"
    )
    for line in body.splitlines():
        text = line.strip().rstrip(";")
        if re.match(r"(CREATE|ALTER|GRANT|REVOKE|DROP) ", text) and not steering.match(text):
            found.append(text)
    return found


def is_block(statement: str) -> bool:
    return re.match(r"(DO \$|DECLARE\n|BEGIN\n|IF |USE .*\nIF )", statement) is not None


def test_there_is_a_script_for_every_engine_and_hosting() -> None:
    names = {path.name.split(".")[0] for path in FILES}
    for engine in DIALECTS:
        assert any(name.startswith(f"{engine}-self-managed") for name in names)
        assert any(name.startswith(f"{engine}-rds") for name in names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_statement_is_of_its_dialect(path: Path) -> None:
    dialect = DIALECTS[path.name.split("-")[0]]
    found = statements(path.read_text(), dialect)
    assert found
    for statement in found:
        if dialect == "tsql":
            # sqlglot has no THROW, nor rows from a procedure: what is thrown is read as what is selected, the call by itself.
            statement = re.sub(r"\bINSERT INTO @jobs (?=EXEC)", "", statement)
            statement = re.sub(r"\bTHROW 50000, (N'(?:[^']|'')*'), 1\b", r"SELECT \1", statement)
        if dialect != "tsql" and is_block(statement):
            for one in inside(statement):
                read(one, dialect)
        else:
            read(statement, dialect)


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.name.endswith("-check.sql")], ids=lambda path: path.name
)
def test_queries_that_check_only_read(path: Path) -> None:
    dialect = DIALECTS[path.name.split("-")[0]]
    for statement in statements(path.read_text(), dialect):
        if statement == "EXEC sys.sp_cdc_help_jobs":
            continue
        (parsed,) = sqlglot.parse(statement, dialect=dialect)
        assert isinstance(parsed, exp.Query), statement
