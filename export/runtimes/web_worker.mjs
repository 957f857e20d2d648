// One .tflite file in LiteRT.js under plain node; started by web.py with the folder of @litertjs/core.
//
// Reads one JSON object a line from stdin and answers each with one on stdout:
//   {"open": path}  -> {"inputs": [...], "outputs": [...]} or {"refused": reason}; again for a reset
//   {"run": {name: {dtype, shape, data}}} -> {"outputs": {...}, "milliseconds"} or {"error": text}
// `data` are the bytes of an array in base64.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";
import v8 from "node:v8";
import vm from "node:vm";

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
const said = []; // what the runtime printed since the last request

function makeNodeLookLikeABrowserWorker() {
  // Browsers have relaxed SIMD; node 20 hides it behind a flag, later ones know no such flag.
  if (Number(process.versions.node.split(".")[0]) < 21) {
    v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  }
  for (const level of ["log", "info", "warn", "error"]) {
    console[level] = (...words) => process.stderr.write(words.join(" ") + "\n");
  }
  const note = (text) => {
    said.push(text);
    process.stderr.write(text + "\n");
  };
  globalThis.self = globalThis;
  globalThis.Module = { print: note, printErr: note };
  globalThis.importScripts = (script) => {
    globalThis.require = createRequire(script);
    globalThis.__filename = script;
    globalThis.__dirname = path.dirname(script);
    vm.runInThisContext(fs.readFileSync(script, "utf8"), { filename: script });
  };
}

async function loadRuntime(core) {
  const litert = await import(pathToFileURL(path.join(core, "dist", "index.js")));
  await litert.loadLiteRt(path.join(core, "wasm", path.sep));
  return litert;
}

function described(details) {
  return details.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] }));
}

async function open(litert, file) {
  const model = await litert.loadAndCompile(new Uint8Array(fs.readFileSync(file)), {
    accelerator: "wasm",
  });
  const answer = {
    inputs: described(model.getInputDetails()),
    outputs: described(model.getOutputDetails()),
  };
  return [model, answer];
}

async function run(litert, model, inputs) {
  const tensors = {};
  for (const [name, { dtype, shape, data }] of Object.entries(inputs)) {
    const bytes = Uint8Array.from(Buffer.from(data, "base64")); // aligned, as typed arrays need
    tensors[name] = new litert.Tensor(new ARRAYS[dtype](bytes.buffer), shape);
  }
  const start = performance.now();
  const results = await model.run(tensors);
  const milliseconds = performance.now() - start;
  const outputs = {};
  for (const [name, tensor] of Object.entries(results)) {
    const values = tensor.toTypedArray();
    outputs[name] = {
      dtype: tensor.type.dtype,
      shape: [...tensor.type.layout.dimensions],
      data: Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64"),
    };
  }
  for (const tensor of [...Object.values(tensors), ...Object.values(results)]) tensor.delete();
  return { outputs, milliseconds };
}

function reason(error) {
  const complaints = said.filter((line) => line.startsWith("ERROR"));
  return [error?.message ?? String(error), ...complaints].join(" ");
}

makeNodeLookLikeABrowserWorker();
let litert, failure, model;
try {
  litert = await loadRuntime(process.argv[2]);
} catch (error) {
  failure = error;
}
for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  said.length = 0;
  try {
    if (failure) throw failure;
    if (request.run) {
      answer = await run(litert, model, request.run);
    } else {
      model?.delete();
      model = undefined;
      [model, answer] = await open(litert, request.open);
    }
  } catch (error) {
    answer = { [request.run ? "error" : "refused"]: reason(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
