import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readGguf } from "../../../src/checkpoint/gguf/gguf.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import {
  type Fixture,
  array,
  bool,
  buildGguf,
  concatenate,
  f32,
  f32s,
  i32,
  i32s,
  memoryFile,
  string,
  strings,
  u32,
  u64,
} from "./gguf-fixture.ts";

const test = suite("gguf");

const vector = (name: string, length = 8) => ({ name, dims: [length], typeId: 0, data: new Uint8Array(4 * length).fill(1) });
const fixture: Fixture = {
  metadata: [["general.architecture", string("llama")]],
  tensors: [vector("a"), vector("b", 3), vector("c")],
};

function read(bytes: Uint8Array) {
  return readGguf(memoryFile(bytes));
}

async function refuses(bytes: Uint8Array, kind: new (message: string) => Error, ...parts: string[]): Promise<void> {
  try {
    await read(bytes);
  } catch (error) {
    assert.instance(error, kind, String(error));
    for (const part of ["tiny.gguf", ...parts])
      assert.ok((error as Error).message.includes(part), `"${part}" in: ${String(error)}`);
    return;
  }
  assert.unreachable(`not refused: ${parts.join(" ")}`);
}

/** The file with some bytes replaced by a little-endian 32-bit or 64-bit number. */
function patched({ bytes }: { bytes: Uint8Array }, offset: number, value: number | bigint): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  if (typeof value === "bigint") view.setBigUint64(offset, value, true);
  else view.setUint32(offset, value, true);
  return copy;
}

test("every kind of metadata value", async () => {
  const i16 = { type: 3, bytes: Uint8Array.of(0xfe, 0xff) };
  const f64 = { type: 12, bytes: new Uint8Array(Float64Array.of(0.1).buffer) };
  const i64 = { type: 11, bytes: u64(2n ** 64n - 5n).bytes };
  const { metadata } = await read(
    buildGguf({
      metadata: [
        ["u8", { type: 0, bytes: Uint8Array.of(255) }],
        ["i8", { type: 1, bytes: Uint8Array.of(255) }],
        ["u16", { type: 2, bytes: Uint8Array.of(0xfe, 0xff) }],
        ["i16", i16],
        ["u32", u32(0xffffffff)],
        ["i32", i32(-7)],
        ["f32", f32(0.5)],
        ["f64", f64],
        ["bool", bool(true)],
        ["string", string("schön \u{1f600} \ufeff")],
        ["empty", string("")],
        ["u64", u64(2n ** 53n - 1n)],
        ["large", u64(2n ** 63n)],
        ["i64", i64],
        ["strings", strings(["a", "", "\ufeffb"])],
        ["i32s", i32s([1, -2])],
        ["f32s", f32s([1.5])],
        ["i16s", array([i16])],
        ["bools", array([bool(false), bool(true)])],
        ["i64s", array([i64])],
        ["large64s", array([u64(2n ** 63n)])],
        ["nested", array([strings(["x"]), i32s([3])])],
        ["none", strings([])],
      ],
      tensors: [],
    }).bytes,
  );
  assert.equal(Object.fromEntries(metadata), {
    u8: 255, i8: -1, u16: 65534, i16: -2, u32: 0xffffffff, i32: -7, f32: 0.5, f64: 0.1, bool: true, string: "schön \u{1f600} \ufeff",
    empty: "", u64: 2 ** 53 - 1, large: 2n ** 63n, i64: -5, strings: ["a", "", "\ufeffb"], i32s: Int32Array.of(1, -2),
    f32s: Float32Array.of(1.5), i16s: Int32Array.of(-2), bools: [false, true], i64s: Float64Array.of(-5), large64s: [2n ** 63n], nested: [["x"], Int32Array.of(3)], none: [],
  }); // prettier-ignore
});

for (const version of [2, 3]) {
  for (const alignment of [8, 32, 4096]) {
    test(`version ${version}, alignment ${alignment}: tensors lie where they were written`, async () => {
      const { bytes } = buildGguf({ ...fixture, version, alignment });
      const { tensors } = await read(bytes);
      assert.equal([...tensors.keys()], ["a", "b", "c"]);
      for (const { offset, bytes: length, dims } of tensors.values()) {
        assert.is(offset % alignment, 0);
        assert.is(length, 4 * dims[0]!);
        assert.ok(bytes.subarray(offset, offset + length).every((byte) => byte === 1));
      }
    });
  }
}

test("the header is read, the tensors are not", async () => {
  const tokens = Array.from({ length: 40000 }, (_, i) => `token ${i}`);
  const large = { name: "large", dims: [1 << 21], typeId: 0, data: new Uint8Array(1 << 23) };
  const { bytes } = buildGguf({ metadata: [["tokens", strings(tokens)]], tensors: [large] });
  const file = memoryFile(bytes);
  const { metadata, tensors } = await readGguf(file);
  assert.equal(metadata.get("tokens"), tokens);
  const header = tensors.get("large")!.offset;
  // Windows double, so at most about as much again is read ahead.
  assert.ok(file.bytesRead < 3 * header, `${file.bytesRead} bytes read of a header of ${header}`);
  assert.ok(file.bytesRead < bytes.length / 2);
});

test("versions and byte orders", async () => {
  const file = buildGguf(fixture);
  await refuses(patched(file, 4, 1), UnsupportedModelError, "GGUF version: got 1, need 2 or 3");
  await refuses(patched(file, 4, 4), UnsupportedModelError, "version: got 4");
  await refuses(patched(file, 4, 0x03000000), UnsupportedModelError, "big-endian");
  await refuses(patched(file, 0, 0x12345678), CheckpointError, "GGUF");
  await refuses(new Uint8Array(0), CheckpointError, "got 0 bytes", "need 24");
});

test("counts and lengths the file has no room for", async () => {
  const file = buildGguf(fixture);
  const firstKey = 24;
  const firstType = firstKey + 8 + "general.architecture".length;
  for (const hostile of [1000n, 2n ** 31n, 2n ** 53n, 2n ** 64n - 1n]) {
    await refuses(patched(file, 8, hostile), CheckpointError, `tensors: got a count of ${hostile},`);
    await refuses(patched(file, 16, hostile), CheckpointError, `metadata entries: got a count of ${hostile},`);
    await refuses(patched(file, firstKey, hostile), CheckpointError, "key of metadata entry 0", `${hostile} bytes`);
    await refuses(patched(file, firstType + 4, hostile), CheckpointError, `"general.architecture"`, `${hostile} bytes`);
    for (const values of [strings(["a"]), i32s([1]), array([bool(true)]), array([u64(1n)]), array([i32s([1])])]) {
      const hostileArray = buildGguf({ metadata: [["list", values]], tensors: [] });
      await refuses(patched(hostileArray, 24 + 8 + 4 + 4 + 4, hostile), CheckpointError, `"list"`, `${hostile} elements`);
    }
  }
  await refuses(patched(file, firstKey, 0n), CheckpointError, "key of metadata entry 0");
});

const metadata = (value: Fixture["metadata"][number][1]) => buildGguf({ metadata: [["key", value]], tensors: [] }).bytes;

test("values that are none", async () => {
  await refuses(metadata({ type: 13, bytes: new Uint8Array(8) }), CheckpointError, `"key"`, "type 13");
  await refuses(metadata({ type: 7, bytes: Uint8Array.of(2) }), CheckpointError, `"key"`, "bool of value 2");
  await refuses(metadata({ type: 8, bytes: concatenate([u64(2n).bytes, Uint8Array.of(0xc3, 0x28)]) }), CheckpointError, "UTF-8");
  await refuses(metadata(array([u32(1)], 77)), CheckpointError, `"key"`, "type 77");
  let nested = array([u32(1)]);
  for (let depth = 0; depth < 1000; depth++) nested = array([nested]);
  await refuses(metadata(nested), CheckpointError, `"key"`, "arrays nested");
  await refuses(
    buildGguf({ ...fixture, metadata: [...fixture.metadata, ...fixture.metadata] }).bytes,
    CheckpointError,
    "general.architecture",
    "twice",
  );
  for (const alignment of [u32(0), u32(48), f32(NaN), string("32")]) {
    await refuses(
      buildGguf({ ...fixture, metadata: [["general.alignment", alignment]] }).bytes,
      CheckpointError,
      "general.alignment",
    );
  }
});

test("tensors that are none", async () => {
  const tensors = (...list: Fixture["tensors"][number][]) => buildGguf({ ...fixture, tensors: list });
  await refuses(tensors(vector("a"), vector("a")).bytes, CheckpointError, `"a"`, "twice");
  await refuses(tensors({ ...vector("a"), dims: [] }).bytes, CheckpointError, `"a"`, "0 dimensions");
  await refuses(tensors({ ...vector("a"), dims: [1, 1, 1, 1, 8] }).bytes, CheckpointError, `"a"`, "5 dimensions");
  await refuses(tensors({ ...vector("a"), dims: [8, 0] }).bytes, CheckpointError, `"a"`, "0 elements");
  await refuses(
    tensors({ ...vector("a"), dims: [2 ** 52, 2 ** 52, 2 ** 52, 2 ** 52] }).bytes,
    CheckpointError,
    `"a"`,
    "elements",
  );
  await refuses(tensors({ ...vector("a"), dims: [2 ** 40] }).bytes, CheckpointError, `"a"`, "need bytes");
  await refuses(tensors({ ...vector("a"), typeId: 21 }).bytes, UnsupportedModelError, `"a"`, "IQ3_S (type 21)", "Q4_1");
  await refuses(tensors({ ...vector("a"), typeId: 77 }).bytes, UnsupportedModelError, `"a"`, "type 77");
  await refuses(tensors({ ...vector("a"), typeId: 3 }).bytes, CheckpointError, `"a"`, "multiple of 32");
  await refuses(tensors(vector("x".repeat(65))).bytes, CheckpointError, "name of tensor 0", "65 bytes");

  const two = buildGguf({ ...fixture, tensors: [vector("a"), vector("b")] });
  const lastOffset = two.boundaries[two.boundaries.length - 5]!; // end of the table: the field before is b's offset
  assert.ok(lastOffset < two.bytes.length);
  await refuses(patched(two, lastOffset - 8, 0n), CheckpointError, `"a"`, `"b"`, "overlap");
  await refuses(patched(two, lastOffset - 8, 4n), CheckpointError, `"b"`, "offset 4", "32");
  await refuses(patched(two, lastOffset - 8, 2n ** 63n), CheckpointError, `"b"`);
  await refuses(patched(two, lastOffset - 8, 64n), CheckpointError, `"b"`, "got a file of");
});

test("a file cut anywhere before its last tensor ends is refused", async () => {
  const { bytes } = buildGguf({
    ...fixture,
    metadata: [...fixture.metadata, ["list", strings(["a", "bc"])], ["numbers", f32s([1])]],
  });
  const { tensors } = await read(bytes);
  const { offset, bytes: length } = tensors.get("c")!;
  for (let end = 0; end < offset + length; end++) await refuses(bytes.slice(0, end), CheckpointError);
  await read(bytes.slice(0, offset + length));
});

test.run();
