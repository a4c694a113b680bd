/**
 * Hostile and damaged folders: nothing but typed errors, no read outside a file (`MemoryFile` throws a plain
 * error there), and never more bytes requested than the files have.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { readSafetensorsHeader } from "../../../src/checkpoint/safetensors/safetensors.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { MemoryFile, MemoryFolder } from "../../memory-folder.ts";
import { mulberry32 } from "../../random.ts";
import { tinyModel } from "../../tiny-model.ts";
import { quantizedFolder } from "../quantization/quantized-folder.ts";

const SEED = 31;
const test = suite(`safetensors fuzz (seed ${SEED})`);
const random = mulberry32(SEED);
const below = (n: number) => Math.floor(random() * n);
const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)]!;

const small = { layers: 1, hiddenSize: 8, heads: 2, kvHeads: 1, headDim: 4, ffnSize: 16, vocabSize: 259 };
const single = tinyModel(SEED, { config: small });
const sharded = tinyModel(SEED, { config: small, shards: 2 });

/** How a folder takes being opened and read whole; throws unless that is success or a typed error. */
async function outcome(folder: MemoryFolder, what: string): Promise<"read" | "refused"> {
  let result: "read" | "refused" = "read";
  try {
    const checkpoint = await openSafetensorsCheckpoint(folder);
    for (const name of checkpoint.tensors.keys()) await checkpoint.readRaw(name);
    await checkpoint.close();
  } catch (error) {
    if (!(error instanceof CheckpointError || error instanceof UnsupportedModelError)) {
      throw new Error(`${what}: ${String(error)}`, { cause: error });
    }
    result = "refused";
  }
  for (const file of folder.files.values())
    assert.ok(file.requestedBytes <= file.size, `${what}: ${file.name}: read more than it has`);
  assert.is(folder.openCount, 0, `${what}: files left open`);
  return result;
}

/** A folder that shares all files but one. */
function replaced(folder: MemoryFolder, fileName: string, content: Uint8Array | string): MemoryFolder {
  const copy = new MemoryFolder(folder.name, [...folder.files].map(([name, { bytes }]) => [name, bytes] as const)); // prettier-ignore
  copy.set(fileName, content);
  return copy;
}

function headerOf(file: Uint8Array): string {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return new TextDecoder().decode(file.subarray(8, 8 + length));
}

function withHeader(file: Uint8Array, header: string | Uint8Array, length?: bigint): Uint8Array {
  const old = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const bytes = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const result = new Uint8Array(8 + bytes.length + file.length - 8 - old);
  new DataView(result.buffer).setBigUint64(0, length ?? BigInt(bytes.length), true);
  result.set(bytes, 8);
  result.set(file.subarray(8 + old), 8 + bytes.length);
  return result;
}

const file = single.bytes("model.safetensors");

test("the folders are whole before they are damaged", async () => {
  assert.is(await outcome(single.copy(), "single"), "read");
  assert.is(await outcome(sharded.copy(), "sharded"), "read");
});

test("truncated anywhere in the header, and at and around every tensor's ends", async () => {
  const dataBegin = 8 + headerOf(file).length;
  const lengths = new Set(Array.from({ length: dataBegin + 1 }, (_, i) => i));
  for (const { offset, bytes } of (await readSafetensorsHeader(new MemoryFile("whole", file))).tensors.values()) {
    for (const at of [offset - 1, offset, offset + 1, offset + bytes - 1, offset + bytes]) if (at < file.length) lengths.add(at);
  }
  for (const length of lengths) {
    const error: unknown = await readSafetensorsHeader(new MemoryFile("cut", file.subarray(0, length))).catch(
      (reason: unknown) => reason,
    );
    assert.instance(error, CheckpointError, `${length} bytes`);
  }
  assert.is(await outcome(replaced(single, "model.safetensors", new Uint8Array([...file, 0])), "one byte more"), "refused");
});

test("header lengths from 0 to 2^64 - 1", async () => {
  const real = BigInt(headerOf(file).length);
  const lengths = [0n, 1n, 2n, real - 1n, real + 1n, BigInt(file.length) - 8n, BigInt(file.length), 100_000_000n, 100_000_001n];
  for (let bit = 0n; bit < 64n; bit++) lengths.push(1n << bit, (1n << bit) - 1n, real ^ (1n << bit));
  lengths.push((1n << 64n) - 1n);
  for (const length of lengths) {
    if (length === real) continue;
    const folder = replaced(single, "model.safetensors", withHeader(file, headerOf(file), length));
    assert.is(await outcome(folder, `header length ${length}`), "refused");
  }
});

const EXTREMES = ["-1", "0", "1", "7", "1.5", "1e3", "1e308", "-0", "9007199254740991", "9007199254740993", "18446744073709551616", "null", "[]",
  "{}", '"x"', "true", "[0]", "1e999", "00"]; // prettier-ignore

/**
 * One damage to the text: a number or name exchanged, characters flipped, removed, doubled, or a stretch
 * repeated elsewhere.
 */
function damage(text: string): string | Uint8Array {
  const at = below(text.length);
  switch (below(7)) {
    case 0: {
      const numbers = [...text.matchAll(/\d+/g)];
      const { index, 0: old } = pick(numbers);
      return text.slice(0, index) + pick([...EXTREMES, pick(numbers)[0], String(Number(old) + pick([-8, -4, -1, 1, 4, 8]))]) + text.slice(index + old.length);
    }
    case 1: {
      const strings = [...text.matchAll(/"[^"]*"/g)];
      const { index, 0: old } = pick(strings);
      const other = pick([pick(strings)[0], '""', '"F8_E4M3"', '"__proto__"', '"toString"', '"model.embed_tokens.weight_packed.7"', ...EXTREMES]);
      return text.slice(0, index) + other + text.slice(index + old.length);
    }
    case 2: {
      const bytes = new TextEncoder().encode(text);
      for (let flips = 1 + below(3); flips > 0; flips--) bytes[below(bytes.length)]! ^= 1 << below(8);
      return bytes;
    }
    case 3:
      return text.slice(0, at) + text.slice(at + 1 + below(40));
    case 4:
      return text.slice(0, at) + text.slice(at, at + below(200)).repeat(2) + text.slice(at);
    case 5:
      return text.slice(0, at) + pick(["{", "}", "[", "]", ",", ":", '"', "\\", "\u0000", "[".repeat(500), "9".repeat(400)]) + text.slice(at);
    default: {
      const from = below(text.length);
      return text.slice(0, at) + text.slice(from, from + below(100)) + text.slice(at);
    }
  }
} // prettier-ignore

/** Damages one file many times; most of it has to be noticed, or the damage is none. */
async function fuzz(
  what: string,
  folder: MemoryFolder,
  count: number,
  make: () => { fileName: string; content: Uint8Array | string },
): Promise<void> {
  let refused = 0;
  for (let i = 0; i < count; i++) {
    const { fileName, content } = make();
    if ((await outcome(replaced(folder, fileName, content), `${what}, case ${i}`)) === "refused") refused++;
  }
  assert.ok(refused > count / 3, `${refused} of ${count} refused`);
  console.log(`\nfigure: ${what} damaged ${count} times: ${refused} refused with a typed error, the others still a whole model`);
}

test("damaged headers", () =>
  fuzz("header", single, 5000, () => ({ fileName: "model.safetensors", content: withHeader(file, damage(headerOf(file))) })));

test("damaged headers whose length field is damaged too", () =>
  fuzz("header and its length", single, 1000, () => {
    const text = headerOf(file);
    return { fileName: "model.safetensors", content: withHeader(file, damage(text), BigInt(text.length + below(64) - 32)) };
  }));

test("damaged index files", () => {
  const index = new TextDecoder().decode(sharded.bytes("model.safetensors.index.json"));
  return fuzz("index", sharded, 2000, () => ({ fileName: "model.safetensors.index.json", content: damage(index) }));
});

const quantized = await quantizedFolder(SEED, small, 4, 1500);

test("damaged configurations, quantization included", async () => {
  assert.is(await outcome(quantized.folder.copy(), "quantized"), "read");
  const text = new TextDecoder().decode(quantized.folder.bytes("config.json"));
  await fuzz("config.json", quantized.folder, 3000, () => ({ fileName: "config.json", content: damage(text) }));
});

test("damaged headers and index of a folder with split tensors", () => {
  const names = [...quantized.folder.files.keys()].filter((name) => name.includes("safetensors"));
  return fuzz("header or index of split tensors", quantized.folder, 2000, () => {
    const fileName = pick(names);
    const bytes = quantized.folder.bytes(fileName);
    if (fileName.endsWith(".json")) return { fileName, content: damage(new TextDecoder().decode(bytes)) };
    return { fileName, content: withHeader(bytes, damage(headerOf(bytes))) };
  });
});

test("damaged tokenizer and generation files", async () => {
  for (const fileName of ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]) {
    const text = new TextDecoder().decode(single.bytes(fileName));
    for (let i = 0; i < 300; i++) await outcome(replaced(single, fileName, damage(text)), `${fileName} case ${i}`);
  }
});

test("a shape whose product overflows does not pass for a small tensor", async () => {
  for (const shape of [[2 ** 32, 2 ** 32, 0.25], [2 ** 53, 2 ** 53], [2 ** 52, 4096], [4294967296, 4294967297], [-8, -8], Array.from({ length: 9 }, () => 1)]) {
    const header = JSON.stringify({ w: { dtype: "F32", shape, data_offsets: [0, 0] } });
    const bytes = withHeader(new Uint8Array(8), header);
    const error: unknown = await readSafetensorsHeader(new MemoryFile("overflow", bytes)).catch((reason: unknown) => reason);
    assert.instance(error, CheckpointError, JSON.stringify(shape));
  }
}); // prettier-ignore

for (const [what, entries, pattern] of [
  ["a hole", { a: [0, 4], b: [8, 12] }, /tensor "b": got a hole of 4 bytes before it, need none/],
  ["an overlap", { a: [0, 4], b: [2, 6], c: [6, 12] }, /tensor "b": got an overlap with the one before it, need none/],
  ["two at one place", { a: [0, 4], b: [0, 4], c: [4, 12] }, /tensor "b": got an overlap with the one before it, need none/],
  ["bytes nobody owns at the end", { a: [0, 4], b: [4, 8] }, /4 bytes after the last tensor/],
  ["a first byte nobody owns", { a: [4, 8], b: [8, 12] }, /tensor "a": got a hole of 4 bytes before it, need none/],
  ["an end before the begin", { a: [4, 0] }, /tensor "a": data_offsets/],
  ["an end outside", { a: [0, 16] }, /within the 12 bytes of data/],
] as const) {
  test(`refuses ${what}`, async () => {
    const json = Object.entries(entries).map(([name, [begin, end]]) => [
      name,
      { dtype: "U8", shape: [end - begin], data_offsets: [begin, end] },
    ]);
    if (what === "an end before the begin") (json[0]![1] as { shape: number[] }).shape = [4];
    const bytes = withHeader(new Uint8Array(8 + 12), JSON.stringify(Object.fromEntries(json)));
    const error: unknown = await readSafetensorsHeader(new MemoryFile("file", bytes)).catch((reason: unknown) => reason);
    assert.instance(error, CheckpointError);
    assert.match((error as Error).message, pattern);
  });
}

test.run();
