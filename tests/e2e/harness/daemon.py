"""One process of provhub-main or provhub-agent."""

import os
import signal
import subprocess
import time

BIN_DIR = os.environ["PROVHUB_BIN_DIR"]


def program(name):
    return os.path.join(BIN_DIR, name)


class Daemon:
    def __init__(self, name, arguments, environment, log_path):
        self.command = [program(name), *arguments]
        self._environment = {**os.environ, **environment}
        self.log_path = log_path
        self.process = None

    def start(self):
        assert self.process is None or self.process.poll() is not None, "running already"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a power cut does it."""
        self.process.kill()
        self.process.wait()

    def freeze(self):
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, within=15.0):
        """Exit status after SIGTERM."""
        if self.is_running():
            self.thaw()
            self.process.terminate()
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.command[0]} did not stop within {within} s of SIGTERM")
        return self.process.returncode

    def wait(self, within=20.0):
        return self.process.wait(within)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()


def run(name, *arguments, environment=None, stdin=None, within=60.0):
    """A program that ends by itself."""
    started = time.monotonic()
    done = subprocess.run(
        [program(name), *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=within,
    )
    done.elapsed = time.monotonic() - started
    return done
