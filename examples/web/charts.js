// Canvases: moving lines of the sensors, and the session as coloured strips.

function prepared(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  const [columns, rows] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** Three channels of a session up to `position`, the newest frame at the right edge; a line a second. */
export function drawLines(canvas, session, first, position, shown, rate, colours) {
  const { context, width, height } = prepared(canvas);
  const channels = session.frames.length / session.length;
  const limit = largest(session, first);
  const middle = height / 2;
  const right = width - 6;
  const dx = right / (shown - 1);
  const y = (value) => middle - (value / limit) * (middle - 4);

  context.lineWidth = 1;
  context.strokeStyle = colours.grid;
  context.beginPath();
  context.moveTo(0, middle);
  context.lineTo(width, middle);
  for (let t = position - (position % rate); t > position - shown; t -= rate) {
    const x = right - (position - t) * dx;
    context.moveTo(x, 0);
    context.lineTo(x, height);
  }
  context.stroke();

  const start = Math.max(0, position - shown);
  context.lineWidth = 1.75;
  context.lineJoin = "round";
  for (let axis = 0; axis < 3; axis++) {
    context.strokeStyle = context.fillStyle = colours.axes[axis];
    context.beginPath();
    let lastY = middle;
    for (let t = start; t < position; t++) {
      lastY = y(session.frames[t * channels + first + axis]);
      context.lineTo(right - (position - 1 - t) * dx, lastY);
    }
    context.stroke();
    if (position) {
      context.beginPath();
      context.arc(right, lastY, 3, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

const limits = new Map();

/** Where the scale of three channels ends: all but the rare peaks of the session lie inside. */
function largest(session, first) {
  const key = `${session.name}/${first}`;
  if (!limits.has(key)) {
    const channels = session.frames.length / session.length;
    const group = session.frames.filter((_, i) => i % channels >= first && i % channels < first + 3);
    const sorted = group.map(Math.abs).sort();
    limits.set(key, 1.1 * sorted[Math.floor(0.995 * (sorted.length - 1))]);
  }
  return limits.get(key);
}

/** Labels as runs of colour over the whole session; only the first `upTo` of them. */
export function drawStrip(canvas, labels, upTo, colours, playhead) {
  const { context, width, height } = prepared(canvas);
  const scale = width / labels.length;
  for (let start = 0; start < upTo; ) {
    let end = start + 1;
    while (end < upTo && labels[end] === labels[start]) end += 1;
    context.fillStyle = colours.classes[labels[start]];
    context.fillRect(start * scale, 0, (end - start) * scale + 0.5, height);
    start = end;
  }
  if (playhead > 0 && playhead < labels.length) {
    context.fillStyle = colours.ink;
    context.fillRect(Math.min(playhead * scale, width - 2), 0, 2, height);
  }
}

/** The colours of the style sheet as the scheme on display has them. */
export function readColours(classes) {
  const probe = document.body.appendChild(document.createElement("i"));
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    ink: colour("--ink"),
    grid: colour("--grid"),
    axes: ["--axis-x", "--axis-y", "--axis-z"].map(colour),
    classes: Array.from({ length: classes }, (_, i) => colour(`--class-${i}`)),
  };
  probe.remove();
  return colours;
}
