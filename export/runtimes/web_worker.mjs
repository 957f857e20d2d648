// LiteRT.js under plain node; started by web.py.
//
// Answers tasks as `answering.py` and `serving.py` do: one JSON object a line from stdin, one to stdout
// with `error`, a text or null. Tasks: load (options: path, core), run, reset, close.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";
import v8 from "node:v8";
import vm from "node:vm";

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

function makeNodeLookLikeABrowserWorker() {
  // Browsers have relaxed SIMD; node 20 hides it behind a flag, later ones know no such flag.
  if (Number(process.versions.node.split(".")[0]) < 21) {
    v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  }
  for (const level of ["log", "info", "warn", "error"]) {
    console[level] = (...words) => process.stderr.write(words.join(" ") + "\n");
  }
  globalThis.self = globalThis;
  globalThis.importScripts = (script) => {
    globalThis.require = createRequire(script);
    globalThis.__filename = script;
    globalThis.__dirname = path.dirname(script);
    vm.runInThisContext(fs.readFileSync(script, "utf8"), { filename: script });
  };
}

let litert;

async function loadRuntime(core) {
  if (litert) return;
  const module = await import(pathToFileURL(path.join(core, "dist", "index.js")));
  await module.loadLiteRt(path.join(core, "wasm", path.sep));
  litert = module;
}

async function load({ path: file, core }) {
  await loadRuntime(core);
  const bytes = new Uint8Array(fs.readFileSync(file));
  const model = await litert.loadAndCompile(bytes, { accelerator: "wasm" });
  for (const { name, shape } of model.getInputDetails()) {
    if (shape.some((size) => size < 1)) {
      model.delete();
      throw new Error(`LiteRT.js knows no open sizes, and ${name} is of shape ${shape.join(", ")}`);
    }
  }
  return model;
}

async function run(model, inputs) {
  const tensors = {};
  for (const { name, dtype, shape } of model.getInputDetails()) {
    const given = inputs[name];
    const fits = given?.dtype === dtype && String(given.shape) === String(shape);
    if (!fits) {
      const received = given ? `${given.dtype} (${given.shape})` : "nothing";
      throw new TypeError(`${name} is ${dtype} (${shape}). Received: ${received}`);
    }
    const bytes = Uint8Array.from(Buffer.from(given.data, "base64")); // aligned, as others need it
    tensors[name] = new litert.Tensor(new ARRAYS[dtype](bytes.buffer), given.shape);
  }
  const start = performance.now();
  const results = await model.run(tensors);
  const milliseconds = performance.now() - start;
  const outputs = {};
  for (const [name, tensor] of Object.entries(results)) {
    const { buffer, byteOffset, byteLength } = tensor.toTypedArray();
    outputs[name] = {
      dtype: tensor.type.dtype,
      shape: [...tensor.type.layout.dimensions],
      data: Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
    };
  }
  for (const tensor of [...Object.values(tensors), ...Object.values(results)]) tensor.delete();
  return { outputs, milliseconds };
}

const loaded = new Map(); // a task's number to its options and model

async function handle(task) {
  if (task.do === "load") {
    const model = await load(task.options);
    const number = handle.count++;
    loaded.set(number, { options: task.options, model });
    return { number };
  }
  const entry = loaded.get(task.number);
  if (task.do === "run") return run(entry.model, task.inputs);
  entry.model.delete();
  if (task.do === "reset") entry.model = await load(entry.options);
  else loaded.delete(task.number);
  return {};
}
handle.count = 0;

makeNodeLookLikeABrowserWorker();
for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer, broken;
  try {
    answer = { error: null, ...(await handle(JSON.parse(line))) };
  } catch (error) {
    answer = { error: error?.message ?? String(error) };
    broken = error instanceof WebAssembly.RuntimeError; // its memory is not to be trusted any more
  }
  process.stdout.write(JSON.stringify(answer) + "\n", () => broken && process.exit(1));
  if (broken) break;
}
