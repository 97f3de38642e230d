"""`tenon agent`, and tuning with it: over a real connection, with good hosts and bad ones, with agents that vanish and others that lie."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from tuning import SHAPE, model, tuned

TOKEN = "a-secret-of-some-length"


@contextlib.contextmanager
def agent(driver, *words, port=0, program=None, **environment):
    """A running agent: (process, address)."""
    process = subprocess.Popen([str(program or driver.tenon), "agent", "--listen", f"127.0.0.1:{port}", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, cwd=driver.folder, env={**os.environ, **environment})
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), line + (process.stderr.read() if process.poll() is not None else "")
        yield process, line.split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def token_file(driver, text=TOKEN):
    return driver.write("token", text.encode() + b"\n")


def tune(driver, address, *words):
    return driver.execute("tune", model(driver), *SHAPE, "--agent", address, "--threads", 1, *words)


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=20)


def greet(connection, token=""):
    connection.sendall(json.dumps({"tenon_agent": 1, "token": token}).encode() + b"\n")


def answer(connection):
    """The lines that come until the other side closes, or one object where it does not."""
    with connection.makefile("rb") as lines:
        return json.loads(lines.readline() or b"{}")


@contextlib.contextmanager
def session(address):
    """A connection that the agent serves, and the lines that come over it. The one before may still be ending: then the agent is busy."""
    deadline = time.monotonic() + 10
    while True:
        with connect(address) as connection, connection.makefile("rb") as lines:
            greet(connection)
            if "machine" in (reply := json.loads(lines.readline())):
                yield connection, lines
                return
        assert reply["busy"] and time.monotonic() < deadline, reply
        time.sleep(0.05)


def test_tunes_over_a_connection(driver):
    with agent(driver, "--token-file", token_file(driver)) as (_, address):
        done = tune(driver, address, "--token-file", "token", "--cache", "remote.jsonl", "--budget", "20s", "--verify", "--json", "-o", "remote.plan")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["candidates"] > 0 and report["untuned_ms"] > 0 and report["tuned_ms"] > 0, report
        assert not any(kernel["discarded"] for kernel in report["kernels"]), report
    driver.ok("bench", "remote.plan", "--duration", "0.1s", "--no-profile")


def test_describes_its_machine_as_the_compiler_does(driver):
    """What was tuned here counts for an agent on this machine: instruction set, CPU and threads are the same."""
    known = sum(kernel["state"] == "all tried" for kernel in tuned(driver)["kernels"])
    shutil.copy(driver.folder / "tuned.jsonl", driver.folder / "shared.jsonl")
    with agent(driver) as (_, address):
        done = tune(driver, address, "--cache", "shared.jsonl", "--budget", "2s", "--json")
    assert done.returncode == 0, done.stderr
    assert sum(kernel["state"] == "from the cache" for kernel in json.loads(done.stdout)["kernels"]) >= known > 0, done.stdout


def test_needs_no_compiler(driver):
    """Neither the agent nor what it starts maps the compiler."""
    with agent(driver) as (process, address), connect(address) as connection:
        greet(connection)
        assert "machine" in answer(connection)
        children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        assert children
        for pid in (process.pid, *children):
            mapped = Path(f"/proc/{pid}/maps").read_text()
            assert "libtenon_runtime" in mapped and not any(name in mapped for name in ("tenon-compiler-module", "libLLVM", "libMLIR")), mapped


def test_asks_for_its_token(driver):
    with agent(driver, "--token-file", token_file(driver)) as (_, address):
        driver.write("wrong", b"another-secret-of-some-length")
        for words in (("--token-file", "wrong"), ()):
            driver.fails("tune", model(driver), *SHAPE, "--agent", address, *words, message="refuses: wrong token")
        with connect(address) as connection:
            greet(connection, TOKEN[:-1])
            assert answer(connection)["error"] == "wrong token"
        with connect(address) as connection:
            greet(connection, TOKEN)
            assert "machine" in answer(connection)


def test_wrong_usage(driver):
    driver.fails("agent", "--listen", "0.0.0.0:0", code=2, message="needs --token-file")
    driver.fails("agent", "--listen", "nowhere", code=2, message="HOST:PORT")
    driver.fails("agent", "--listen", "127.0.0.1:99999", code=2, message="HOST:PORT")
    driver.fails("agent", "--listen", "no.such.host.invalid:1", message="cannot listen")
    driver.write("short", b"secret")
    driver.fails("agent", "--token-file", "short", message="16 to 1024")
    driver.fails("agent", "--token-file", "absent", message="absent")
    driver.fails("tune", model(driver), "--agent", "127.0.0.1", code=2, message="HOST:PORT")
    driver.fails("tune", model(driver), "--token-file", "short", code=2, message="--agent")
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    driver.fails("tune", model(driver), "--agent", f"127.0.0.1:{free}", message="no agent at.*refused")
    with agent(driver) as (_, address):
        driver.fails("tune", model(driver), "--agent", address, "--threads", 5000, code=2, message="cores")
        port = address.rsplit(":", 1)[1]
        driver.fails("agent", "--listen", f"127.0.0.1:{port}", message="cannot listen there")


def job(**changes):
    request = {"job": {"kind": 0, "plans": ["0"], "threads": 1, "verify": False, "seconds": 0.2}, "sizes": [100]}
    for key, value in changes.items():
        (request if key in request else request["job"])[key] = value
    return json.dumps(request).encode() + b"\n"


def test_survives_what_is_no_request(driver):
    with agent(driver) as (process, address):
        for noise in (b"", b"\n", b"\0" * 5000, b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"[" * 60000 + b"\n", b'{"tenon_agent": 2, "token": ""}\n', b'{"tenon_agent": 1, "token"', os.urandom(3000)):
            with connect(address) as connection:
                connection.sendall(noise)
                connection.shutdown(socket.SHUT_WR)
                answer(connection)
        with connect(address) as connection, contextlib.suppress(ConnectionError):
            for _ in range(400):  # a line without end: 26 MB
                connection.sendall(b"x" * 65536)
        for request in (b"no job\n", b"{}\n", job(sizes=[]), job(sizes=[-1]), job(sizes=[1 << 62]), job(plans=[]), job(plans=["../../x"]), job(plans=["1", "1"], sizes=[1, 1]),
                        job(plans=[str(i) for i in range(65)], sizes=[1] * 65), job(threads=0), job(threads=1 << 40), job(threads=4000), job(seconds=-1), job(seconds=1e300), job(kind=9), job(plans=7)):
            with session(address) as (connection, lines):
                connection.sendall(request)
                reply = json.loads(lines.readline())
                assert reply.get("error"), (request, reply)
                assert lines.readline() == b"", request
        with session(address):
            assert process.poll() is None
        assert peak_bytes(process.pid) < 200e6 or driver.sanitized


def peak_bytes(pid):
    return next(int(line.split()[1]) << 10 for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM:"))


def test_plans_that_are_none_and_half_ones(driver):
    with agent(driver) as (process, address):
        with session(address) as (connection, lines):
            connection.sendall(job())
            assert json.loads(lines.readline()) == {"ready": True}
            connection.sendall(b"\0" * 100)
            while "results" not in (reply := json.loads(lines.readline())):
                assert reply == {"working": True}, reply
            assert reply["results"][0]["problem"], reply
            connection.sendall(job())  # and the connection is still good
            assert json.loads(lines.readline()) == {"ready": True}
            connection.sendall(b"half")
        with session(address):
            assert process.poll() is None
        folders = [path for path in Path("/tmp").glob(f"tenon-tune-{process.pid}-*/*") if path.is_dir()]
        assert len(folders) <= 1, folders


def test_serves_one_host_at_a_time(driver):
    with agent(driver) as (_, address), connect(address) as first:
        greet(first)
        assert "machine" in answer(first)
        driver.fails("tune", model(driver), *SHAPE, "--agent", address, message="another host tunes")


def test_waits_for_the_host_before_to_end(driver):
    """An agent notices within a second or two that its host was killed; the same command, started again at once, is not refused."""
    with agent(driver) as (_, address), connect(address) as first:
        greet(first)
        assert "machine" in answer(first)
        threading.Timer(1.5, first.shutdown, [socket.SHUT_RDWR]).start()
        done = tune(driver, address, "--budget", "5s", "--cache", "waits.jsonl")
        assert done.returncode == 0, done.stderr


def measured(driver, faults, **changes):
    """What an agent says of three copies of a plan for this machine, of which some do what `faults` says."""
    plan = driver.plan("residual_convolutions", "--shape", "x=1x3x32x32").read_bytes()
    with agent(driver, TENON_TUNE_FAULT=faults) as (_, address), session(address) as (connection, lines):
        connection.sendall(job(plans=["0", "1", "2"], sizes=[len(plan)] * 3, verify=True, **changes))
        assert json.loads(lines.readline()) == {"ready": True}
        connection.sendall(plan * 3)
        while "results" not in (reply := json.loads(lines.readline())):
            assert reply == {"working": True}, reply
        return reply["results"]


def test_races_are_seen_in_the_first_round(driver):
    results = measured(driver, "1=race", seconds=0)
    assert [bool(result["problem"]) for result in results] == [False, True, False] and "races" in results[1]["problem"], results


def test_a_reference_that_races_is_blamed_itself(driver):
    for kind in (0, 1):
        results = measured(driver, "0=race", kind=kind, seconds=1)
        assert "races" in results[0]["problem"] and not results[1]["problem"] and not results[2]["problem"], (kind, results)


def test_an_agent_that_disappears_costs_its_job(driver):
    """Killed while it measures, and started again: tuning ends with all kernels, and says what was lost."""
    def host(address):
        return subprocess.Popen([str(driver.tenon), "tune", str(model(driver)), *SHAPE, "--agent", address, "--threads", "1", "--budget", "40s", "--cache", "disappears.jsonl"],
                                cwd=driver.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with agent(driver) as (process, address):
        tuning = host(address)
        while " tried, " not in (line := tuning.stderr.readline()):
            assert line, "tuning ended early"
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with agent(driver, port=address.rsplit(":", 1)[1]):
        output, errors = tuning.communicate(timeout=110)
    assert tuning.returncode == 0, errors
    assert "agent 127.0.0.1" in errors and "all tried" in output and "not reached" not in output.replace("0 not reached", ""), output + errors


def test_an_agent_that_stays_away_ends_tuning_with_a_plan(driver):
    with agent(driver) as (process, address):
        words = ("--shape", "x=1x3x32x32", "--agent", address, "--threads", "1", "--budget", "60s", "--cache", "away.jsonl", "-o", "away.plan")
        tuning = subprocess.Popen([str(driver.tenon), "tune", str(driver.model("residual_convolutions")), *words], cwd=driver.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while " tried, " not in (line := tuning.stderr.readline()):
            assert line, "tuning ended early"
        process.send_signal(signal.SIGKILL)
        output, errors = tuning.communicate(timeout=110)
    assert tuning.returncode == 0 and "not compared" in errors and "resume with the same cache" in errors, output + errors
    assert errors.count("agent 127.0.0.1") == 6, errors  # three jobs, each tried twice; nobody waits for an agent that was given up
    driver.ok("check", "away.plan")


def fake_agent(*connections):
    """A server that answers each line it receives by the next of the replies for this connection, then closes it; (thread, address)."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError), server:
            for replies in connections:
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as lines:
                    for reply in replies:
                        lines.readline()
                        connection.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread, f"127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def scripted_agent(machine, measure):
    """The address of a server that gives one host the results that `measure(job, contents of plans)` makes up."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError), server:
            connection, _ = server.accept()
            with connection, connection.makefile("rwb") as stream:
                def say(reply):
                    stream.write(json.dumps(reply).encode() + b"\n")
                    stream.flush()

                stream.readline()
                say({"machine": machine})
                while line := stream.readline():
                    asked = json.loads(line)
                    say({"ready": True})
                    say({"results": measure(asked["job"], [stream.read(size) for size in asked["sizes"]])})

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    server.close()
    thread.join(timeout=20)


def test_networks_of_a_gpu_choose_schedules(driver):
    """On a made-up GPU every schedule takes a little longer alone than the cost model's choice, and makes the network a tenth faster."""
    machine = {"cpu": "x", "target": "x86-64", "cores": 1, "l1_bytes": 32768, "l1_ways": 8, "l2_bytes": 0, "l3_bytes": 0, "gpu": "Made-up GPU", "gpu_target": "cuda:sm_90"}
    untuned, compared, jobs = {}, [], []

    def schedules(plan):
        return {kernel["name"]: kernel["schedule"] for kernel in driver.json("inspect", driver.write("made_up.plan", plan))["kernels"]}

    def measure(job, plans):
        times, kernels = [1000 + 20 * min(i, 5) for i in range(len(plans))], []
        if job["kind"] == 2:
            untuned.update(schedules(plans[0]))
            kernels = [[name, 1000] for name in untuned]
        if job["kind"] == 1:
            jobs.append(job)
            compared.append([sum(schedule != untuned[name] for name, schedule in schedules(plan).items()) for plan in plans])
            times = [10000 * 0.9**count for count in compared[-1]]
        return [{"ns": ns, "runs": 1, "problem": "", "kernels": kernels} for ns in times]

    words = ("--target", "cuda", "--precision", "fp16", "--cache", "network.jsonl", "--budget", "60s", "--json", "-o", "network.plan")
    with scripted_agent(machine, measure) as address:
        done = driver.execute("tune", model(driver), *SHAPE, "--agent", address, *words)
    assert done.returncode == 0, done.stderr
    network, changed = json.loads(done.stdout)["network"], [change["kernel"] for change in json.loads(done.stdout)["network"]["changes"]]
    assert len(changed) == len(set(changed)) == len(untuned) > 1 and network["tried"] > len(changed), (network, untuned)
    assert abs(network["gain"] - 0.9 ** -len(changed)) < 1e-6 and compared[-1] == [0, len(changed)], (network, compared)
    lines = [json.loads(line) for line in (driver.folder / "network.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines if line.get("network")] == changed, lines
    assert all(line["cpu"] == "Made-up GPU" and line["complete"] for line in lines), lines
    assert any(len(plans) > 2 for plans in compared), compared  # several are compared with the best at once
    assert not jobs[0]["verify"] and jobs[-1]["verify"] and jobs[-1]["tolerance"] == 1e-2, jobs  # the tuned plan's numbers always are
    final = schedules((driver.folder / "network.plan").read_bytes())
    assert all(final[name] != untuned[name] for name in untuned), (final, untuned)
    # Resumed, it starts with what was kept; nothing is faster any more.
    compared.clear()
    with scripted_agent(machine, measure) as address:
        done = driver.execute("tune", model(driver), *SHAPE, "--agent", address, *words)
    assert done.returncode == 0 and not json.loads(done.stdout)["network"]["changes"], done.stdout + done.stderr
    assert compared[0][0] == len(changed) and json.loads(done.stdout)["candidates"] == 0, compared


def test_agents_that_lie(driver):
    machine = json.dumps({"machine": {"cpu": "x", "target": "x86-64", "cores": 1, "l1_bytes": 32768, "l1_ways": 8, "l2_bytes": 0, "l3_bytes": 0}}).encode() + b"\n"
    cases = ((b"", "no agent at"), (b"SSH-2.0-x\r\n", "no agent"), (b"{}\n", "no tenon agent"), (b'{"machine": {"cores": -1}}\n', "no agent"),
             (machine.replace(b'"cores": 1', b'"cores": 99999999'), "no agent"), (machine.replace(b"x86-64", b"pdp-11"), "unknown target"), (b"x" * (17 << 20), "more than"))
    for reply, message in cases:
        thread, address = fake_agent([reply])
        driver.fails("tune", model(driver), *SHAPE, "--agent", address, "--budget", "5s", message=message)
        thread.join(timeout=20)
    # It takes the job, and then has nothing sensible to say; nobody listens when it is looked for again.
    for reply in (b'{"results": []}\n', b'{"results": [{"ns": -5, "runs": 1, "problem": "", "kernels": []}]}\n', b'{"results": 7}\n', b"nonsense\n"):
        thread, address = fake_agent([machine, b'{"ready": true}\n' + reply])
        done = tune(driver, address, "--budget", "5s", "--cache", "lies.jsonl")
        assert done.returncode == 1 and "cannot be measured" in done.stderr, done.stdout + done.stderr


def test_an_agent_that_comes_back_elsewhere_is_refused(driver):
    """Times of two machines are never compared: behind the same address there is another one now."""
    machine = {"cpu": "x", "target": "x86-64", "cores": 1, "l1_bytes": 32768, "l1_ways": 8, "l2_bytes": 0, "l3_bytes": 0, "gpu": "Small GPU", "gpu_target": "cuda:sm_90"}
    for changes in ({"cpu": "y"}, {"gpu": "Large GPU"}):
        first, second = (json.dumps({"machine": described}).encode() + b"\n" for described in (machine, machine | changes))
        thread, address = fake_agent([first], [second, b'{"ready": true}\n'])
        done = tune(driver, address, "--budget", "5s", "--cache", "elsewhere.jsonl")
        assert done.returncode == 1 and "it is on another machine now: " + (changes.get("gpu") or "Small GPU") in done.stderr, done.stdout + done.stderr
        thread.join(timeout=20)
