// The report that keras_recurrent writes into a .tflite file, read from its flatbuffer.

// Places of fields in the tables of the TFLite schema.
const BUFFERS = 4;
const METADATA = 6;
const NAME = 0;
const BUFFER = 1;
const DATA = 0;

/** The JSON of the metadata entry `name`, parsed, or null if the file has none. */
export function readMetadata(bytes, name = "keras_recurrent") {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const root = follow(view, 0);
  const entries = vector(view, root, METADATA);
  const buffers = vector(view, root, BUFFERS);
  for (let i = 0; entries && i < entries.length; i++) {
    const entry = follow(view, entries.start + 4 * i);
    if (text(bytes, vector(view, entry, NAME)) !== name) continue;
    const index = view.getUint32(field(view, entry, BUFFER), true);
    const buffer = follow(view, buffers.start + 4 * index);
    return JSON.parse(text(bytes, vector(view, buffer, DATA)));
  }
  return null;
}

function follow(view, place) {
  return place + view.getUint32(place, true);
}

/** The place of a table's field, or null if it is left out. */
function field(view, table, number) {
  const layout = table - view.getInt32(table, true);
  const at = 4 + 2 * number;
  const offset = at < view.getUint16(layout, true) ? view.getUint16(layout + at, true) : 0;
  return offset ? table + offset : null;
}

function vector(view, table, number) {
  const place = field(view, table, number);
  if (place === null) return null;
  const start = follow(view, place);
  return { start: start + 4, length: view.getUint32(start, true) };
}

function text(bytes, found) {
  return new TextDecoder().decode(bytes.subarray(found.start, found.start + found.length));
}
