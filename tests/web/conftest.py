"""What these tests need; missing, it fails them in CI (CI=true) and skips them elsewhere."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "examples" / "web"
os.environ.setdefault("KERAS_RECURRENT_LITERTJS", str(PAGE))


def missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} In CI this is a failure.")
    pytest.skip(what)


@pytest.fixture(scope="session", autouse=True)
def litertjs():
    from keras_recurrent.export.runtimes.web import find_litertjs, find_node

    try:
        return find_node(), find_litertjs()
    except ImportError as error:
        missing(str(error))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """What prepare.py writes: a trained model, its export and recorded sessions."""
    folder = tmp_path_factory.mktemp("model")
    run = subprocess.run(
        [sys.executable, str(PAGE / "prepare.py"), "--quick", "--out", str(folder)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    return folder


@pytest.fixture
def serve():
    """Serves the page with a folder as its model; gives the address."""
    from examples.web.serve import server

    running = []

    def start(model: Path) -> str:
        running.append(server(model=model))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}/"

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window, driven through its own driver program."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if None in programs.values():
        missing(
            "The page is tested in Chromium: apt-get install chromium chromium-driver. Found: "
            f"{programs}."
        )
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    switches = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        "--disable-dev-shm-usage --hide-scrollbars"
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for switch in (*switches.split(), f"--user-data-dir={profile}"):
            options.add_argument(switch)
        service = webdriver.ChromeService(programs["chromedriver"])
        driver = webdriver.Chrome(options=options, service=service)
        driver.set_script_timeout(60)
        yield driver
        driver.quit()
