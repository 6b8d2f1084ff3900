"""A smoke run of every supported client version, each in its own virtual environment."""

import pathlib
import subprocess
import unittest

from fixture import ServerTest, zeo_servers

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE.parent / "requirements"


class VersionsTest(ServerTest):
    def run_version(self, name):
        python = zeo_servers.ROOT / "build/python" / name / "bin/python"
        if not (python.parent.parent / "stamp").exists():
            self.skipTest(f"no build/python/{name}: tools/python_env.sh {name} says why")
        host, port = self.server.address
        client = subprocess.Popen(
            [python, "-W", "ignore", HERE / "smoke_client.py", host, str(port)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            if client.stdout.readline() == "restart\n":
                self.server.stop()
                self.server.start()
            _, errors = client.communicate("go on\n", timeout=self.limit_s)
        finally:
            client.kill()
            client.wait()
        self.assertEqual(0, client.returncode, errors)


def test_of(name):
    return lambda self: self.run_version(name)


for path in sorted(REQUIREMENTS.glob("*.txt")):
    method = "test_" + path.stem.replace("-", "_").replace(".", "_")
    setattr(VersionsTest, method, test_of(path.stem))


if __name__ == "__main__":
    unittest.main()
