"""examples/web in Chromium: it streams a session, shows what Keras says, and works by key and click."""

import base64
import json
import time
from pathlib import Path

import keras
import numpy as np
import pytest

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SCREENSHOTS = Path("outputs/web")


class Page:
    """The page in the browser, in the words of its visitors."""

    def __init__(self, driver, address: str):
        self.driver, self.address = driver, address

    def open(self, scheme: str = "light", size: str = "desktop", calm: bool = True) -> None:
        width, height = SIZES[size]
        features = {
            "prefers-color-scheme": scheme,
            "prefers-reduced-motion": "reduce" if calm else "no-preference",
        }
        self.tell(
            "Emulation.setEmulatedMedia",
            features=[{"name": name, "value": value} for name, value in features.items()],
        )
        phone = size == "phone"
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.driver.get_log("browser")  # empties it
        self.driver.get(self.address)
        self.wait("window.page?.ready || !document.getElementById('problem').hidden")

    def tell(self, command: str, **arguments) -> dict:
        return self.driver.execute_cdp_cmd(command, arguments)

    def ask(self, expression: str):
        return self.driver.execute_script(f"return {expression}")

    def wait(self, condition: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not self.ask(condition):
            assert time.monotonic() < end, f"{condition} did not come; {self.problems()}"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()

    def press(self, key: str) -> None:
        self.driver.find_element("css selector", "body").send_keys(key)

    def pause(self) -> None:
        if self.ask("page.playing"):  # at the end of a session the button begins anew
            self.click("#play")

    def text(self, name: str) -> str:
        return self.driver.find_element("id", name).text

    def run_to_the_end(self) -> np.ndarray:
        """The outputs after the last frame."""
        self.click('#speed label:has([value="Infinity"])')
        self.click("#play")
        self.wait("page.progress.done && !page.playing")
        return np.array(self.ask("[...page.progress.outputs]"), np.float32)

    def problems(self) -> list[str]:
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        shot = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture
def page(browser, serve, prepared):
    return Page(browser, serve(prepared))


@pytest.fixture(scope="module")
def told_by_keras(prepared):
    """For each session the probabilities after every frame, and the names of the exercises."""
    model = keras.models.load_model(prepared / "exercises.keras")
    content = json.loads((prepared / "sessions.json").read_text())
    probabilities = [
        np.asarray(model(np.frombuffer(base64.b64decode(s["frames"]), "<f4").reshape(1, -1, 6)))[0]
        for s in content["sessions"]
    ]
    return probabilities, content["exercises"]


def test_streams_a_session_to_what_keras_says(page, told_by_keras):
    probabilities, exercises = told_by_keras
    page.open()
    for index in (0, 1):
        page.driver.execute_script(
            "const s = document.getElementById('session'); s.value = arguments[0];"
            "s.dispatchEvent(new Event('change', {bubbles: true}))",
            index,
        )
        outputs, expected = page.run_to_the_end(), probabilities[index]
        assert page.ask("page.progress.position") == len(expected)
        np.testing.assert_allclose(outputs, expected[-1], rtol=0, atol=1e-5)
        assert page.text("exercise") == exercises[expected[-1].argmax()]
        told = np.array(page.ask("[...page.progress.told]"))
        top, second = np.sort(expected, axis=1)[:, :-3:-1].T
        clear = top - second > 1e-4
        np.testing.assert_array_equal(told[clear], expected.argmax(1)[clear])
        assert page.ask("page.progress.difference") <= 1e-5
    assert page.problems() == []


def test_reset_forgets_the_states(page):
    page.open()
    first = page.run_to_the_end()
    page.click("#reset")
    assert page.ask("page.progress.position") == 0
    np.testing.assert_array_equal(page.run_to_the_end(), first)
    # Play at the end begins anew; stopped in the middle, what follows goes on from there.
    page.click('#speed label:has([value="4"])')
    page.click("#play")
    page.wait("page.progress.position > 20 && page.progress.position < 1500")
    page.click("#play")
    assert not page.ask("page.playing")
    np.testing.assert_array_equal(page.run_to_the_end(), first)
    assert page.problems() == []


def test_shows_the_report_that_the_file_carries(page, prepared):
    from keras_recurrent import export

    page.open()
    held = export.inspect(prepared / "step.tflite")
    report = page.ask("page.report")
    assert report["form"] == "step"
    assert report["target"] == "web"
    assert {t["name"] for t in report["states"]} < {t.name for t in held.inputs}
    facts = page.text("facts")
    assert f"{(prepared / 'step.tflite').stat().st_size:,} bytes" in facts
    assert all(t["name"] in facts for t in report["states"])
    assert "CompiledModel, LiteRT.js" in facts


def test_keys(page):
    page.open()
    assert not page.ask("page.playing")
    page.press(" ")
    page.wait("page.playing && page.progress.position > 5")
    assert page.text("play") == "Pause"
    page.press(" ")
    assert page.text("play") == "Play"
    page.press("r")
    assert page.ask("page.progress.position") == 0


def test_starts_by_itself_unless_motion_is_unwelcome(page):
    page.open(calm=False)
    page.wait("page.progress.position > 5")


def test_speed_follows_the_clock(page):
    page.open()
    page.click('#speed label:has([value="4"])')
    page.click("#play")
    page.wait("page.progress.position > 0")
    start, begun = time.monotonic(), page.ask("page.progress.position")
    time.sleep(1.5)
    frames = page.ask("page.progress.position") - begun
    assert frames == pytest.approx(4 * 50 * (time.monotonic() - start), rel=0.35)


def test_asks_no_other_server(page):
    page.open()
    page.run_to_the_end()
    asked = page.ask("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert any(name.endswith(".wasm") for name in asked)
    assert [name for name in asked if not name.startswith((page.address, "data:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_both_schemes_on_both_screens(page, scheme, size):
    page.open(scheme, size)
    page.click('#speed label:has([value="16"])')
    page.click("#play")
    page.wait("page.progress.position > 1250")
    page.pause()
    page.picture(f"{size}-{scheme}")
    assert page.ask("document.documentElement.scrollWidth") <= SIZES[size][0]

    def lightness() -> int:
        colour = page.ask("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour[4:-1].split(","))

    assert (lightness() < 200) == (scheme == "dark")
    drawn = page.ask(
        "[...document.querySelectorAll('canvas')].map((canvas) => new Set(canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height).data).size)"
    )
    assert min(drawn) > 3
    page.click("#theme")
    assert (lightness() < 200) == (scheme == "light")
    assert page.problems() == []


def test_without_a_model_it_says_what_to_run(browser, serve, tmp_path):
    page = Page(browser, serve(tmp_path))
    page.open()
    assert "prepare.py" in page.text("problem")
    assert not page.ask("page.ready")


def test_without_litertjs_it_says_what_to_run(page):
    page.tell("Network.enable")
    page.tell("Network.setCacheDisabled", cacheDisabled=True)
    page.tell("Network.setBlockedURLs", urls=["*/node_modules/*"])
    try:
        page.open()
        assert "npm ci" in page.text("problem")
    finally:
        page.tell("Network.setBlockedURLs", urls=[])
        page.tell("Network.disable")
