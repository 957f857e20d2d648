// The page: plays a session through the exported model and shows what comes out.

import { drawLines, drawStrip, readColours } from "./charts.js";
import { readMetadata } from "./metadata.js";
import { Progress, unpackSessions } from "./session.js";
import { loadRuntime, Stream } from "./stream.js";
import { bars, facts, listen, say, switchTheme } from "./view.js";

const WASM = "./node_modules/@litertjs/core/wasm/";
const BUDGET = 9; // milliseconds of a displayed picture that may go into the model
const SECONDS_SHOWN = 6;

const page = { playing: false, speed: 1, ready: false };
window.page = page; // for a look from the console, and for the tests

async function load(file) {
  const response = await fetch(file);
  if (!response.ok) {
    throw new Error(`${file} is not there (${response.status}). Run examples/web/prepare.py first.`);
  }
  return response;
}

async function start() {
  const bytes = new Uint8Array(await (await load("model/step.tflite")).arrayBuffer());
  page.data = unpackSessions(await (await load("model/sessions.json")).json());
  page.report = readMetadata(bytes);
  await loadRuntime(WASM);
  page.stream = await Stream.open(bytes);
  page.bars = bars(page.data.exercises);
  facts(page.report, bytes.length);
  listen(page.data.sessions, { play, reset, speed, choose, theme });
  page.colours = readColours(page.data.exercises.length);
  choose(0);
  page.ready = true;
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play(true);
}

function choose(index) {
  page.session = page.data.sessions[index];
  reset();
}

function reset() {
  page.stream.reset();
  page.progress = new Progress(page.session, page.data.exercises.length);
  play(false);
  show();
}

function speed(factor) {
  page.speed = factor;
  restartClock();
}

function play(on = !page.playing) {
  if (on && page.progress.done) reset();
  page.playing = on;
  say({ playing: on });
  restartClock();
  if (on) page.loop ??= requestAnimationFrame(tick); // never two loops: they would share the states
}

function restartClock() {
  page.from = { time: performance.now(), position: page.progress.position };
}

/** Streams the frames that are due, as far as the time of one displayed picture allows.
 *
 * LiteRT.js computes on this thread, so that no click comes between a call and its result. */
async function tick() {
  page.loop = null;
  if (!page.playing) return;
  const { progress, stream } = page;
  const begun = performance.now();
  const due = page.from.position + ((begun - page.from.time) / 1000) * page.data.rate * page.speed;
  while (!progress.done && progress.position < due && performance.now() - begun < BUDGET) {
    progress.add(await stream.push(progress.frame), stream.milliseconds);
  }
  show();
  if (progress.done) play(false);
  else page.loop = requestAnimationFrame(tick);
}

function show() {
  const { progress, session, colours, data } = page;
  const shown = SECONDS_SHOWN * data.rate;
  for (const [id, first] of [["acceleration", 0], ["turn", 3]]) {
    const canvas = document.getElementById(id);
    drawLines(canvas, session, first, progress.position, shown, data.rate, colours);
  }
  const [done, told] = ["done", "told"].map((id) => document.getElementById(id));
  drawStrip(done, session.labels, session.length, colours, progress.position);
  drawStrip(told, progress.told, progress.position, colours, progress.position);
  page.bars(progress.outputs, progress.predicted);
  say({ progress, exercises: data.exercises });
}

function theme() {
  switchTheme();
  page.colours = readColours(page.data.exercises.length);
  show();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (!page.ready) return;
  page.colours = readColours(page.data.exercises.length);
  show();
});
addEventListener("resize", () => page.ready && show());

start().catch((error) => say({ problem: error }));
