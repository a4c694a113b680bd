/** A GGUF in parts is the GGUF it was cut from. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteSource, ModelLocation } from "../../../src/checkpoint/byte-source.ts";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint.ts";
import { firstPart } from "../../../src/checkpoint/gguf/gguf-parts.ts";
import { openCheckpoint } from "../../../src/checkpoint/open-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { buildGguf, f32, type Fixture, memoryFile, string, u16, u32 } from "./gguf-fixture.ts";
import { partName, splitGguf, type SplitOptions } from "./split-gguf.ts";
import { tinyGguf } from "./tiny-gguf.ts";

const test = suite("gguf-parts (seed 1)");
const { fixture, expected } = tinyGguf({ architecture: "llama", type: "Q4_1", isTied: false });

/** A folder that knows which of its files are open. */
function folderOf(files: ReadonlyMap<string, Uint8Array>) {
  const opened: (ByteSource & { isClosed: boolean })[] = [];
  const open = (fileName: string) => {
    const bytes = files.get(fileName);
    if (!bytes) return Promise.reject(new CheckpointError(`models/${fileName} is missing`));
    const file = memoryFile(bytes, `models/${fileName}`);
    opened.push(file);
    return Promise.resolve(file);
  };
  return { folder: { name: "models", list: () => Promise.resolve([...files.keys()]), open }, opened };
}

/** @param place which part is named; undefined for the folder */
async function locate(files: ReadonlyMap<string, Uint8Array>, place?: number) {
  const { folder, opened } = folderOf(files);
  const name = [...files.keys()][place ?? 0]!;
  const location: ModelLocation =
    place === undefined ? { kind: "folder", folder } : { kind: "file", file: await folder.open(name), openSibling: folder.open };
  return { location, opened };
}

async function refuses(files: ReadonlyMap<string, Uint8Array>, place: number, ...parts: string[]): Promise<void> {
  const { location, opened } = await locate(files, place);
  const error = await openCheckpoint(location).catch((reason: unknown) => reason);
  assert.ok(error instanceof CheckpointError || error instanceof UnsupportedModelError, String(error));
  for (const part of parts) assert.ok((error as Error).message.includes(part), `"${part}" in: ${String(error)}`);
  assert.ok(
    opened.every(({ isClosed }) => isClosed),
    "files left open",
  );
}

async function assertWhole(checkpoint: Checkpoint): Promise<void> {
  assert.equal([...checkpoint.tensors.keys()], [...expected.keys()]);
  for (const [name, { shape, values }] of expected) {
    assert.equal(checkpoint.tensors.get(name)!.shape, shape, name);
    assertSameBits(await checkpoint.readF32(name), values, name);
  }
}

const WAYS: readonly [count: number, options: SplitOptions, of?: Fixture][] = [
  [2, {}],
  [3, {}],
  [3, { bareFirst: true }],
  [7, { name: "a-00001-of-00002" }],
  [2, {}, { ...fixture, alignment: 64 }],
];
for (const [count, options, of = fixture] of WAYS) {
  const files = splitGguf(of, count, options);
  for (const place of [undefined, 0, 1, count - 1]) {
    const which = place === undefined ? "by their folder" : `by part ${place + 1}`;
    test(`${count} parts ${JSON.stringify(options)}, ${which}`, async () => {
      const { location, opened } = await locate(files, place);
      const checkpoint = await openCheckpoint(location);
      await assertWhole(checkpoint);
      assert.is(checkpoint.name, `models/${[...files.keys()][0]}`);
      const inFiles = [...checkpoint.tensors.values()].map(({ file }) => file);
      assert.is(new Set(inFiles).size, options.bareFirst ? count - 1 : count);
      assert.equal(inFiles, inFiles.toSorted());
      await checkpoint.close();
      assert.is(opened.length, count);
      assert.ok(opened.every(({ isClosed }) => isClosed));
    });
  }
}

test("a count of one, or none, is a whole file under any name", async () => {
  for (const count of [0, 1]) {
    const { bytes } = buildGguf({ ...fixture, metadata: [...fixture.metadata, ["split.count", u16(count)]] });
    const checkpoint = await openCheckpoint({ kind: "file", file: memoryFile(bytes, "whole.gguf") });
    await assertWhole(checkpoint);
    await checkpoint.close();
  }
});

test("a part that is missing, be it the first, is named, and what was opened is closed", async () => {
  for (const missing of [0, 1, 2]) {
    const files = splitGguf(fixture, 3);
    const name = partName("tiny", missing, 3);
    files.delete(name);
    await refuses(files, 0, "models/tiny-0000", "of 3 of a split GGUF", `part ${missing + 1}`, `models/${name} is missing`);
  }
});

test("a part alone, and one under another name", async () => {
  const files = splitGguf(fixture, 3);
  const [bytes] = files.values();
  const alone = await openCheckpoint({ kind: "file", file: memoryFile(bytes!, partName("tiny", 0, 3)) }).catch(
    (error: unknown) => error,
  );
  assert.match(String(alone), /CheckpointError: tiny-00001-of-00003\.gguf: got part 1 of 3 of a split GGUF alone, need all/);
  await refuses(new Map([["tiny.gguf", bytes!]]), 0, "models/tiny.gguf", "part 1 of 3", "NAME-00001-of-00003.gguf");
  await refuses(new Map([[partName("tiny", 0, 2), bytes!]]), 0, "part 1 of 3", "NAME-00001-of-00003.gguf");
});

test("wrong numbers", async () => {
  const set = (place: number, key: string, value = u16(0)) => {
    const files = splitGguf(fixture, 3);
    const metadata = new Map([
      ["split.no", u16(place)],
      ["split.count", u16(3)],
      ["split.tensors.count", u32(fixture.tensors.length)],
    ]).set(key, value);
    const tensors = fixture.tensors.slice(place === 1 ? 8 : 0, place === 1 ? 16 : 8);
    const entries = [...(place === 0 ? fixture.metadata : []), ...metadata];
    files.set(partName("tiny", place, 3), buildGguf({ metadata: entries, tensors }).bytes);
    return files;
  };
  await refuses(set(0, "split.no", u16(3)), 0, "split.no: got 3");
  await refuses(set(0, "split.no", string("0")), 0, '"split.no"', "string");
  await refuses(set(0, "split.count", u16(513)), 0, "split.count: got 513 parts, need at most 512");
  await refuses(set(1, "split.no", u16(2)), 0, "tiny-00002-of-00003.gguf", "got 3 of 3", "need part 2 of 3");
  await refuses(set(1, "split.count", u16(1)), 0, "tiny-00002-of-00003.gguf", "got no part", "need part 2 of 3");
  await refuses(set(1, "split.count", u16(4)), 0, "tiny-00002-of-00003.gguf", "got 2 of 4", "need part 2 of 3");
  await refuses(set(1, "split.tensors.count", u32(4)), 0, "tiny-00002-of-00003.gguf", "with 4 tensors");
  const without = { ...fixture, metadata: [...fixture.metadata, ["split.count", u16(3)] as const] };
  const name = partName("tiny", 0, 3);
  await refuses(new Map([[name, buildGguf(without).bytes]]), 0, 'metadata key "split.no" is missing');
});

test("parts of another model", async () => {
  const files = splitGguf(fixture, 3);
  const put = (of: Fixture, options: SplitOptions = {}) =>
    new Map([...files, [partName("tiny", 1, 3), splitGguf(of, 3, options).get(partName("tiny", 1, 3))!]]);
  const norm = fixture.tensors.find((tensor) => tensor.name === "output_norm.weight");
  // The same counts, and tensors of which some are in another part, or nowhere.
  const other = { ...fixture, tensors: [...fixture.tensors.slice(3), ...fixture.tensors.slice(0, 3)] };
  await refuses(put(other), 0, "got it in models/tiny-0000", "too, need it in one part");
  const half = { ...fixture, tensors: fixture.tensors.map((tensor, i) => (i === 9 ? { ...norm!, name: "x" } : tensor)) };
  await refuses(put(half), 2, 'models/tiny-00002-of-00003.gguf: tensor: got "x"');
  const architecture = () => [["general.architecture", string("qwen2")]] as const;
  await refuses(put(fixture, { more: architecture }), 1, "tiny-00002-of-00003.gguf", '"general.architecture"', "of one model");
  const base = () => [["llama.rope.freq_base", f32(10000)]] as const;
  await refuses(put(fixture, { more: base }), 1, "tiny-00002-of-00003.gguf", '"llama.rope.freq_base"');
  const fewer = { ...fixture, tensors: fixture.tensors.slice(0, -1) };
  const short = new Map([...splitGguf(fewer, 3)].map(([name, bytes], place) => [name, place === 2 ? bytes : files.get(name)!]));
  await refuses(short, 0, "tiny-00003-of-00003.gguf", `with ${fewer.tensors.length} tensors`);
  const same = splitGguf(fixture, 3, { more: () => [["general.architecture", string("llama")], ["general.name", string("x")]] }); // prettier-ignore
  assert.is((await openCheckpoint((await locate(same, 0)).location)).format, "gguf");
});

test("a part that is damaged is named", async () => {
  const files = splitGguf(fixture, 3);
  const name = partName("tiny", 1, 3);
  files.set(name, files.get(name)!.slice(0, 300));
  await refuses(files, 0, `models/${name}`);
  files.set(name, new TextEncoder().encode("no GGUF, but long enough for its header"));
  await refuses(files, 2, `models/${name}: magic`);
});

test("names of one GGUF", () => {
  const three = [0, 1, 2].map((place) => partName("m", place, 3));
  assert.is(firstPart(three.toReversed()), three[0]);
  assert.is(firstPart(three.slice(1)), three[1]);
  assert.is(firstPart(["m-00001-of-00002.GGUF"]), "m-00001-of-00002.GGUF");
  for (const others of [["n.gguf"], [partName("n", 1, 3)], [partName("m", 1, 2)]]) {
    assert.is(firstPart([...three, ...others]), undefined, others.join());
  }
  assert.is(firstPart([]), undefined);
  assert.is(firstPart(["a.gguf", "b.gguf"]), undefined);
});

test.run();
