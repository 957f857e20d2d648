// A streaming export in LiteRT.js: frames in, outputs out, the states carried from call to call.

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

const STATE = "state_"; // inputs and outputs of this beginning are states; all start at zeros

export async function loadRuntime(folder) {
  const quiet = () => {}; // its log of every kernel that it registers would come as errors
  globalThis.Module = { print: quiet, printErr: quiet };
  await loadLiteRt(folder);
}

export class Stream {
  static async open(bytes) {
    return new Stream(await loadAndCompile(bytes, { accelerator: "wasm" }));
  }

  constructor(model) {
    this.model = model;
    const inputs = model.getInputDetails();
    this.stateDetails = inputs.filter(({ name }) => name.startsWith(STATE));
    const others = inputs.filter(({ name }) => !name.startsWith(STATE));
    if (others.length !== 1 || !this.stateDetails.length) {
      const names = inputs.map(({ name }) => name).join(", ");
      throw new Error(
        `A streaming export of one input is needed: to_tflite(..., streaming=True). It reads ${names}.`,
      );
    }
    [this.input] = others;
    this.output = model.getOutputDetails().find(({ name }) => !name.startsWith(STATE)).name;
    this.milliseconds = 0;
    this.states = {};
    this.reset();
  }

  /** Back to the start: every state zero. */
  reset() {
    for (const tensor of Object.values(this.states)) tensor.delete();
    this.states = {};
    for (const { name, shape } of this.stateDetails) {
      const zeros = new Float32Array(shape.reduce((product, size) => product * size, 1));
      this.states[name] = new Tensor(zeros, [...shape]);
    }
  }

  /** The output after these frames, as a Float32Array; `milliseconds` is what the call took. */
  async push(frames) {
    const start = performance.now();
    const input = new Tensor(frames, [...this.input.shape]);
    const results = await this.model.run({ [this.input.name]: input, ...this.states });
    const output = results[this.output].toTypedArray();
    input.delete();
    results[this.output].delete();
    for (const { name } of this.stateDetails) {
      this.states[name].delete();
      this.states[name] = results[name];
    }
    this.milliseconds = performance.now() - start;
    return output;
  }
}
