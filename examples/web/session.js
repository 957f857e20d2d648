// The recorded sessions that prepare.py writes.

/** `{rate, exercises, sessions}`; frames, labels and Keras's own outputs as typed arrays. */
export function unpackSessions({ rate, channels, exercises, sessions }) {
  return {
    rate,
    channels,
    exercises,
    sessions: sessions.map(({ name, frames, labels, keras }) => ({
      name,
      frames: new Float32Array(bytesOf(frames).buffer),
      labels: bytesOf(labels),
      keras: new Float32Array(bytesOf(keras).buffer),
      length: bytesOf(labels).length,
    })),
  };
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** What was measured while a session is streamed; it starts anew with each. */
export class Progress {
  constructor(session, classes) {
    this.session = session;
    this.classes = classes;
    this.position = 0;
    this.told = new Uint8Array(session.length);
    this.outputs = null;
    this.right = 0;
    this.difference = 0;
    this.times = [];
  }

  get done() {
    return this.position >= this.session.length;
  }

  get predicted() {
    return this.position ? this.told[this.position - 1] : null;
  }

  get frame() {
    const width = this.session.frames.length / this.session.length;
    return this.session.frames.slice(this.position * width, (this.position + 1) * width);
  }

  add(outputs, milliseconds) {
    const reference = this.session.keras.subarray(this.position * this.classes);
    for (let i = 0; i < this.classes; i++) {
      this.difference = Math.max(this.difference, Math.abs(outputs[i] - reference[i]));
    }
    const predicted = outputs.indexOf(Math.max(...outputs));
    this.told[this.position] = predicted;
    this.right += predicted === this.session.labels[this.position];
    this.outputs = outputs;
    this.position += 1;
    this.times.push(milliseconds);
    if (this.times.length > 500) this.times.shift();
  }

  get medianMilliseconds() {
    if (!this.times.length) return null;
    return [...this.times].sort((a, b) => a - b)[this.times.length >> 1];
  }
}
