#!/usr/bin/env python3
"""Measures what a main node costs on this machine: a table on standard output, everything as JSON with --json FILE."""

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "..", "build", "release")
PAGE = os.sysconf("SC_PAGE_SIZE")


def program(name):
    folder = "tests" if name.startswith("provhub_bench") else "bin"
    return os.path.join(BUILD, folder, name)


class Hub:
    """A main node, or the naive one, in a process of its own."""

    def __init__(self, kind="ours", ca=""):
        self.process = subprocess.Popen([program("provhub_bench_hub"), kind, ca], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.ports = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait()

    def address(self, listener):
        return f"127.0.0.1:{self.ports[listener]}"

    def target(self, name, listener):
        return ["--target", f"{name}={self.address(listener)}={self.process.pid}"]

    def rss_kb(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE / 1024

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Nodes:
    """Simulated nodes, all connected when this is entered."""

    def __init__(self, hub, count, ca="", rate=1000, options=(), limit=300):
        way = ["--ca", ca] if ca else ["--plaintext"]
        self.count = count
        self.limit = limit
        self.process = subprocess.Popen(
            [program("provhub-nodesim"), "--server", hub.address("public"), "-n", str(count), "--rate", str(rate),
             "-o", "json", *way, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.summary = {}

    def __enter__(self):
        try:
            self.wait_connected()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def wait_connected(self):
        begun = time.monotonic()
        for line in self.process.stderr:
            if line.startswith(f"{self.count} of"):
                return
            if time.monotonic() - begun > self.limit:
                break
        raise SystemExit("the simulated nodes do not get connected")

    def __exit__(self, *unused):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate()
        self.summary = json.loads(out)


class MainNode:
    """provhub-main with a token of its own, for as long as it is entered."""

    LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"

    def __init__(self, directory, ca, *options):
        self.directory = directory
        self.options = options
        if not os.path.exists(self.file("config.json")):
            self.configure(ca)
        with open(self.file("config.json")) as file:
            self.protected = json.load(file)["iamProtectedServerUrl"]

    def file(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.file(name), "w") as file:
            file.write(text)

    def configure(self, ca):
        os.makedirs(self.file("tokens"))
        self.write("softhsm2.conf", f"directories.tokendir = {self.file('tokens')}\nobjectstore.backend = file\n")
        self.write("node-id", "main\n")
        self.write("config.json", json.dumps({
            "caCert": os.path.join(ca, "root.pem"), "certStorage": "iam", "workingDir": self.file("state"),
            "iamPublicServerUrl": f"127.0.0.1:{free_port()}", "iamProtectedServerUrl": f"127.0.0.1:{free_port()}",
            "provisioningTransport": "plaintext",
            "nodeInfo": {"nodeIdPath": self.file("node-id"), "provisioningStatePath": self.file("provisionstate")},
            "certModules": [{"id": "iam", "plugin": "pkcs11module", "algorithm": "ecc", "maxItems": 2,
                             "extendedKeyUsage": ["serverAuth", "clientAuth"], "alternativeNames": ["localhost"],
                             "params": {"library": self.LIBRARY, "tokenLabel": "bench",
                                        "userPinPath": self.file("pin")}}]}))

    def __enter__(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(self.file("notify"))
        notify.settimeout(30)
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [program("provhub-main"), "--config", self.file("config.json"), *self.options], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "SOFTHSM2_CONF": self.file("softhsm2.conf"), "NOTIFY_SOCKET": self.file("notify")})
        try:
            while b"READY=1" not in notify.recv(4096):
                pass
        except OSError as error:
            self.__exit__()
            raise SystemExit("the main node does not come up") from error
        finally:
            notify.close()
            os.unlink(self.file("notify"))
        self.ready_after_ms = 1000 * (time.monotonic() - begun)
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def provision(address, password, ca, nodes):
    subprocess.run([program("provctl"), "--server", address, "--plaintext", "provision", "--subject", "benchmark",
                    "--password-file", password, "--ca", ca, *nodes], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def load(mode, *arguments, ca=""):
    way = ["--ca", ca] if ca else []
    done = subprocess.run([program("provhub_bench_load"), mode, *map(str, arguments), *way], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout)


def spread(values):
    """Median, and the lowest and highest of the runs."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


class Bench:
    def __init__(self, options, ca):
        self.options = options
        self.ca = ca
        self.password = os.path.join(os.path.dirname(ca), "password")
        with open(self.password, "w") as file:
            file.write("benchmark\n")
        self.rows = []
        self.raw = {}

    def row(self, what, value, bar=""):
        self.rows.append((what, value, bar))
        print(f"{what}: {value}" + (f" (bar: {bar})" if bar else ""), file=sys.stderr, flush=True)

    def forwarding(self, name, ca, callers):
        seconds = self.options.seconds
        runs = []
        with Hub(ca=ca) as hub, Nodes(hub, 1, ca):
            for _ in range(self.options.runs):
                runs.append(load("closed-loop", *hub.target("direct", "direct"), *hub.target("forwarded", "protected"),
                                 "--callers", callers, "--seconds", seconds, ca=ca))
        self.raw[f"forwarding {name} {callers}"] = runs

        def ratios(key):
            return [run["forwarded"][key] / run["direct"][key] for run in runs]

        head = f"forwarded against direct, {name}, {callers} caller{'s' if callers > 1 else ''}"
        if callers == 1:
            self.row(f"{head}: p50", spread(ratios("p50_us")), "≤ 2.0")
            self.row(f"{head}: p99", spread(ratios("p99_us")), "≤ 3")
            self.row(f"{head}: p50, µs", f"{statistics.median(r['forwarded']['p50_us'] for r in runs):.0f} against "
                     f"{statistics.median(r['direct']['p50_us'] for r in runs):.0f}")
        else:
            self.row(f"{head}: hub CPU", spread(ratios("cpu_us")), "≤ 2.0")
            self.row(f"{head}: hub CPU, µs/call", f"{statistics.median(r['forwarded']['cpu_us'] for r in runs):.0f} "
                     f"against {statistics.median(r['direct']['cpu_us'] for r in runs):.0f}")

    def against_naive(self, name, ca):
        runs = []
        with Hub(ca=ca) as ours, Hub("naive", ca) as naive, Nodes(ours, 100, ca), Nodes(naive, 100, ca):
            for _ in range(self.options.runs):
                runs.append(load("closed-loop", *ours.target("ours", "protected"), *naive.target("naive", "protected"),
                                 "--callers", 64, "--nodes", 100, "--seconds", self.options.seconds, ca=ca))
        self.raw[f"naive {name}"] = runs
        self.row(f"hub CPU against the naive hub, {name}, 100 nodes, 64 callers",
                 spread([run["ours"]["cpu_us"] / run["naive"]["cpu_us"] for run in runs]), "≤ 0.40")
        self.row(f"calls/s against the naive hub, {name}", spread([r["ours"]["per_s"] / r["naive"]["per_s"] for r in runs]))

    def many_nodes(self, name, ca, count, bar_kb, rate):
        with Hub(ca=ca) as hub:
            before = hub.rss_kb()
            cpu = hub.cpu_s()
            with Nodes(hub, count, ca, rate) as nodes:
                cpu = hub.cpu_s() - cpu
                rss = hub.rss_kb()
                threads = hub.threads()
                idle = hub.cpu_s()
                time.sleep(5)
                idle = (hub.cpu_s() - idle) / 5
        self.raw[f"nodes {name}"] = {"nodes": count, "rss_kb": rss, "before_kb": before, "threads": threads,
                                     "cpu_s": cpu, "nodesim": nodes.summary}
        self.row(f"{count} nodes, {name}: RSS per node, kB", f"{(rss - before) / count:.1f}", f"≤ {bar_kb}")
        self.row(f"{count} nodes, {name}: RSS, threads", f"{rss / 1024:.0f} MB, {threads}",
                 "< 450 MB, ≤ 24" if count >= 10000 else "")
        self.row(f"{count} nodes, {name}: all connected after, s",
                 f"{nodes.summary['allConnectedAfterSeconds']} ({nodes.summary['attemptsFailed']} attempts failed)")
        self.row(f"{count} nodes, {name}: hub CPU per connect, ms; idle, %",
                 f"{1000 * cpu / nodes.summary['attempts']:.2f}; {100 * idle:.1f}")

    def pending(self, calls):
        with Hub() as hub, Nodes(hub, 100, options=["--latency", "15s"]):
            load("closed-loop", *hub.target("ours", "direct"), "--seconds", 0.5)
            before = hub.rss_kb()
            process = subprocess.Popen(
                [program("provhub_bench_load"), "at-once", *hub.target("ours", "protected"), "--calls", str(calls),
                 "--nodes", "100", "--seconds", "300"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            process.stderr.readline()
            time.sleep(5)
            rss = hub.rss_kb()
            threads = hub.threads()
            result = json.loads(process.communicate()[0])
        self.raw["pending"] = result
        self.row(f"{calls} pending calls: RSS per call, kB; threads", f"{(rss - before) / calls:.1f}; {threads}", "≤ 20")
        self.row(f"{calls} pending calls: answered", str(result["ended"].get("ok", 0)), str(calls))

    def crowd(self, calls):
        with Hub() as hub, Nodes(hub, 1, options=["--latency", "2s"]):
            result = load("at-once", *hub.target("ours", "protected"), "--calls", calls, "--seconds", 120)
        self.raw["crowd"] = result
        ended = result["ended"]
        self.row(f"{calls} calls at once to one node",
                 f"{ended.get('ok', 0)} answered, {ended.get('status 8', 0)} RESOURCE_EXHAUSTED, "
                 f"{calls - ended.get('ok', 0) - ended.get('status 8', 0)} otherwise", "none lost")

    def silence(self, samples):
        with Hub() as hub, Nodes(hub, 1):
            cpu = hub.cpu_s()
            begun = time.monotonic()
            times = load("after-silence", *hub.target("ours", "protected"), "--calls", samples)["milliseconds"]
            idle = (hub.cpu_s() - cpu) / (time.monotonic() - begun)
        self.raw["silence"] = times
        self.row(f"first call after a second of silence: over 10 ms, of {samples}", str(sum(t > 10 for t in times)), "< 1 %")
        self.row("first call after a second of silence: median, max, ms",
                 f"{statistics.median(times):.2f}, {max(times):.2f}; hub CPU meanwhile {100 * idle:.2f} %")

    def provisioning(self):
        def seconds(hub, nodes):
            begun = time.monotonic()
            provision(hub.address("protected"), self.password, self.ca, nodes)
            return time.monotonic() - begun

        ratios = []
        with Hub() as hub, Nodes(hub, 9 * self.options.runs, options=["--latency", "100ms"]):
            names = [f"sim-{i:05}" for i in range(1, 9 * self.options.runs + 1)]
            for run in range(self.options.runs):
                alone, *together = names[9 * run:9 * run + 9]
                one = seconds(hub, [alone])
                ratios.append(seconds(hub, together) / one)
        self.raw["provisioning"] = ratios
        self.row("8 nodes provisioned together against 1, each step 100 ms", spread(ratios), "≤ 1.3")

    def start_up(self, starts):
        with tempfile.TemporaryDirectory() as directory:
            with MainNode(directory, self.ca, "--provisioning") as node:
                provision(node.protected, self.password, self.ca, ["main"])
            times = []
            for _ in range(starts):
                with MainNode(directory, self.ca) as node:
                    times.append(node.ready_after_ms)
        self.raw["start-up"] = times
        self.row(f"provhub-main, provisioned, from start to serving, ms, of {starts}", spread(times), "≤ 150")

    def run(self):
        full = self.options.full
        sections = {
            "forwarding": lambda: [self.forwarding(name, ca, callers) for name, ca in self.transports()
                                   for callers in (1, 64)],
            "naive": lambda: [self.against_naive(name, ca) for name, ca in self.transports()],
            "nodes": lambda: [self.many_nodes("plaintext", "", 10000 if full else 2000, 40, 0 if full else 1000),
                              self.many_nodes("mTLS P-384", self.ca, 2000 if full else 200, 125, 100)],
            "pending": lambda: self.pending(10000),
            "crowd": lambda: self.crowd(100000 if full else 20000),
            "silence": lambda: self.silence(200 if full else 20),
            "provisioning": self.provisioning,
            "start-up": lambda: self.start_up(20),
        }
        for name, section in sections.items():
            if not self.options.only or name in self.options.only:
                section()

    def transports(self):
        return [("plaintext", ""), ("mTLS P-384", self.ca)]

    def table(self):
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
        memory = os.sysconf("SC_PHYS_PAGES") * PAGE / 2**30
        lines = [f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, "
                 f"{time.strftime('%Y-%m-%d')}. Hub, nodes and callers share the cores; median (lowest–highest) of "
                 f"{self.options.runs} runs.", "", "| | measured | bar |", "| --- | --- | --- |"]
        lines += [f"| {what} | {value} | {bar} |" for what, value, bar in self.rows]
        return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="10,000 nodes, 100,000 calls at once: about a quarter hour")
    parser.add_argument("--runs", type=int, default=3, help="of each comparison")
    parser.add_argument("--seconds", type=float, default=4, help="of each run")
    parser.add_argument("--only", nargs="*", help="forwarding naive nodes pending crowd silence provisioning start-up")
    parser.add_argument("--json", metavar="FILE", help="write every figure")
    options = parser.parse_args()
    # So that what was started is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as directory:
        ca = os.path.join(directory, "ca")
        subprocess.run([program("provctl"), "ca", "init", ca], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        bench = Bench(options, ca)
        bench.run()
    print(bench.table())
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"rows": bench.rows, "raw": bench.raw}, file, indent=2)


if __name__ == "__main__":
    main()
