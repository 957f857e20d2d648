// What the page says in words and bars, and how it listens.

const element = (id) => document.getElementById(id);
const PLAY = "M6 4l10 6-10 6z";
const PAUSE = "M5 4h3.5v12H5zM11.5 4H15v12h-3.5z";

/** One bar a class; returns what shows probabilities on them. */
export function bars(names) {
  const items = names.map((name, index) => {
    const item = document.createElement("li");
    item.style.setProperty("--colour", `var(--class-${index})`);
    item.innerHTML = '<span class="name"></span><span class="track"><i></i></span><output></output>';
    item.querySelector(".name").textContent = name;
    return item;
  });
  element("bars").replaceChildren(...items);
  return (chances, best) => {
    items.forEach((item, index) => {
      const chance = chances ? chances[index] : 0;
      item.classList.toggle("best", index === best);
      item.querySelector("i").style.transform = `scaleX(${chance.toFixed(4)})`;
      item.querySelector("output").textContent = chances ? `${Math.round(100 * chance)} %` : "–";
    });
  };
}

/** The report of the export, as the file carries it. */
export function facts(report, bytes) {
  const states = report?.states ?? [];
  const runtimes = (report?.runtimes ?? []).filter(({ refused }) => refused === null);
  const entries = {
    form: report?.form,
    size: `${bytes.toLocaleString("en")} bytes`,
    weights: report && (report.quantize ?? "float32"),
    states: states.map(({ name, shape }) => `${name} ${shape.join(" × ")}`).join(", "),
    "differs from Keras by": report?.largest_difference != null && scientific(report.largest_difference),
    "checked in": runtimes.map(({ runtime }) => runtime).join(", "),
  };
  const rows = Object.entries(entries).filter(([, value]) => value);
  element("reason").textContent = report?.reason ?? "";
  element("facts").replaceChildren(
    ...rows.map(([name, value]) => {
      const row = document.createElement("div");
      const [term, description] = ["dt", "dd"].map((tag) => document.createElement(tag));
      term.textContent = name;
      description.textContent = value;
      row.append(term, description);
      return row;
    }),
  );
}

export function say({ playing, progress, exercises, problem }) {
  if (playing !== undefined) {
    element("play-label").textContent = playing ? "Pause" : "Play";
    element("play-icon").setAttribute("d", playing ? PAUSE : PLAY);
  }
  if (progress) measure(progress, exercises);
  if (problem) {
    element("problem").textContent = problem.message;
    element("problem").hidden = false;
    element("truth").textContent = "Not loaded";
  }
}

function measure(progress, exercises) {
  const { position, session, predicted, medianMilliseconds: median } = progress;
  const truth = session.labels[Math.max(0, position - 1)];
  const name = predicted === null ? "–" : exercises[predicted];
  // Spoken by screen readers, so it only changes when it must.
  if (element("exercise").textContent !== name) element("exercise").textContent = name;
  element("exercise").style.setProperty("--colour", `var(--class-${predicted ?? 0})`);
  element("truth").textContent = `truth: ${exercises[truth]}`;
  element("verdict").dataset.right = predicted === null ? "" : String(predicted === truth);
  element("position").textContent = position.toLocaleString("en");
  element("length").textContent = `of ${session.length.toLocaleString("en")}`;
  element("latency").textContent = median === null ? "–" : median.toFixed(median < 0.1 ? 3 : 2);
  element("right").textContent = position ? `${((100 * progress.right) / position).toFixed(1)} %` : "–";
  element("difference").textContent = position ? scientific(progress.difference) : "–";
}

function scientific(value) {
  if (value === 0) return "0";
  const [digits, power] = value.toExponential(1).split("e");
  const raised = [...power.replace("+", "")].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
  return `${digits}·10${raised}`;
}

/** Connects the controls, by mouse and keyboard. */
export function listen(sessions, { play, reset, speed, choose, theme }) {
  const options = sessions.map(({ name }, index) => new Option(name, index));
  element("session").replaceChildren(...options);
  for (const id of ["play", "reset", "session"]) element(id).disabled = false;
  element("play").addEventListener("click", () => play());
  element("reset").addEventListener("click", () => reset());
  element("speed").addEventListener("change", ({ target }) => speed(Number(target.value)));
  element("session").addEventListener("change", ({ target }) => choose(Number(target.value)));
  element("theme").addEventListener("click", () => theme());
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onControl = event.target.closest("button, input, select");
    if (event.key === " " && !onControl) {
      event.preventDefault(); // else the page scrolls
      play();
    } else if (event.key === "r") {
      reset();
    }
  });
}

/** The other scheme than the one on display, whatever the system's. */
export function switchTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
}
