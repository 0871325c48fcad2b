"""The entry point of a PostgreSQL image for tests: it is told what it shall do as the official images are, and does the same."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

HBA = "local all all trust\nhost all all all scram-sha-256\n"


def main(argv: list[str]) -> None:
    """Make the cluster unless there is one, then become the server, as a user that is not root."""
    data, user = Path(os.environ["PGDATA"]), pwd.getpwnam("postgres")
    word = Path(os.environ["POSTGRES_PASSWORD_FILE"]).read_text()
    for place in (data.parent, data):
        place.mkdir(parents=True, exist_ok=True)
        os.chown(place, user.pw_uid, user.pw_gid)
    data.chmod(0o700)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if not (data / "PG_VERSION").exists():
        pwfile = Path("/tmp/pwfile")
        pwfile.write_text(word)
        initdb = ["initdb", "-D", str(data), "-U", os.environ["POSTGRES_USER"], f"--pwfile={pwfile}", "--locale=C", "--encoding=UTF8"]
        subprocess.run(initdb, check=True)
        pwfile.unlink()
        (data / "pg_hba.conf").write_text(HBA)
    os.execvp(argv[0], [argv[0], "-D", str(data), *argv[1:]])


main(sys.argv[1:])
