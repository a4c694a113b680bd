import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { joinTensors } from "../../../src/checkpoint/safetensors/split-tensors.ts";
import { encodeSafetensors } from "../../../src/checkpoint/safetensors/safetensors-layout.ts";
import { MAX_SHARD_BYTES, SafetensorsWriter, type TensorPlan } from "../../../src/checkpoint/safetensors/safetensors-writer.ts";
import {
  INDEX_FILE,
  readSafetensorsHeader,
  readSafetensorsRows,
  tensorBytes,
} from "../../../src/checkpoint/safetensors/safetensors.ts";
import { CheckpointError } from "../../../src/errors.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../../memory-folder.ts";
import { mulberry32 } from "../../random.ts";

const test = suite("safetensors writer (seed 11)");
const random = mulberry32(11);
const below = (n: number) => Math.floor(random() * n);

function randomBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, () => below(256));
}

const PACKED = "model.embed_tokens.weight_packed";
/**
 * Several types, an empty tensor, a scalar, a name that needs escapes, one tensor far above the small limit
 * used here.
 */
const PLANS: readonly TensorPlan[] = [
  { name: "a.weight", type: "F32", shape: [7, 3] },
  { name: "a.bias", type: "F16", shape: [7] },
  { name: 'quote " back\\slash é', type: "BF16", shape: [3, 5] },
  { name: "empty", type: "F32", shape: [0, 4] },
  { name: "scalar", type: "I64", shape: [] },
  { name: "large.weight", type: "F16", shape: [100, 30] },
  { name: "b.weight_packed", type: "I32", shape: [5, 9] },
  { name: "bytes", type: "U8", shape: [13] },
  { name: "last", type: "I8", shape: [2, 2, 2] },
];

/** Writes `data` in pieces of random sizes, tensors in the order of `names`. */
async function write(
  plans: readonly TensorPlan[],
  data: ReadonlyMap<string, Uint8Array>,
  names: readonly string[],
  limit: number,
) {
  const output = new MemoryOutputFolder("out");
  const writer = new SafetensorsWriter(output, plans, { maxShardBytes: limit });
  for (const name of names) {
    for (let bytes = data.get(name)!; bytes.length > 0;) {
      const piece = bytes.slice(0, 1 + below(bytes.length));
      await writer.write(name, piece);
      bytes = bytes.subarray(piece.length);
      piece.fill(0xee); // the caller may reuse it
    }
  }
  const files = await writer.finish();
  await output.commit();
  assert.equal([...output.result.files.keys()].toSorted(), files.toSorted(), "files reported");
  return { output, writer, folder: output.result };
}

/** Every tensor of every file, parts joined; checks that the index says the same as the headers. */
async function readAll(folder: MemoryFolder): Promise<Map<string, Uint8Array>> {
  const weightMap = folder.json(INDEX_FILE)["weight_map"] as Record<string, string>;
  const entries = [];
  for (const fileName of [...folder.files.keys()].filter((name) => name !== INDEX_FILE)) {
    const file = await readSafetensorsHeader(folder.files.get(fileName)!);
    assert.equal([...file.metadata], [["format", "pt"]]);
    for (const tensor of file.tensors.values()) {
      assert.is(weightMap[tensor.name], fileName);
      assert.is(
        tensor.offset %
          (tensor.bytes /
            Math.max(
              1,
              tensor.shape.reduce((a, b) => a * b, 1),
            ) || 1),
        0,
        `${tensor.name} aligned`,
      );
      entries.push({ file, tensor });
    }
  }
  assert.is(entries.length, Object.keys(weightMap).length);
  const values = new Map<string, Uint8Array>();
  for (const [name, parts] of joinTensors(entries, "out")) {
    const pieces = await Promise.all(parts.map(({ file, tensor }) => readSafetensorsRows(file.source, tensor)));
    values.set(name, new Uint8Array(Buffer.concat(pieces)));
  }
  return values;
}

const contents = (plans: readonly TensorPlan[]) =>
  new Map(plans.map(({ name, type, shape }) => [name, randomBytes(tensorBytes(type, shape))]));

for (const limit of [300, 500, 1000, 2000, 10_000, MAX_SHARD_BYTES]) {
  test(`what is written is read back, shards of at most ${limit} bytes`, async () => {
    const data = contents(PLANS);
    const names = PLANS.map(({ name }) => name);
    const { output, writer, folder } = await write(PLANS, data, names, limit);
    const back = await readAll(folder);
    assert.equal([...back.keys()].toSorted(), names.toSorted());
    for (const [name, bytes] of data) assert.equal(back.get(name), bytes, name);
    assert.is(output.maxOpen, 1, "one shard at a time when tensors come in order");

    for (const { file, bytes } of writer.shards) {
      assert.is(folder.bytes(file).length, bytes);
      const count = (await readSafetensorsHeader(folder.files.get(file)!)).tensors.size;
      assert.ok(bytes <= limit || count === 1, `${file}: ${bytes} bytes, ${count} tensors`);
    }
    const total = [...data.values()].reduce((sum, { length }) => sum + length, 0);
    const shards = writer.shards.map(({ file, bytes }) => {
      return [file, { bytes, sha256: createHash("sha256").update(folder.bytes(file)).digest("hex") }] as const;
    });
    assert.equal(folder.json(INDEX_FILE)["metadata"], { total_size: total, shards: Object.fromEntries(shards) });
    assert.is(writer.totalBytes, total);
  });

  test(`the order of writing leaves no trace, shards of at most ${limit} bytes`, async () => {
    const data = contents(PLANS);
    const names = PLANS.map(({ name }) => name);
    const { folder } = await write(PLANS, data, names, limit);
    const { folder: other } = await write(PLANS, data, names.toReversed(), limit);
    for (const [name, { bytes }] of folder.files) assert.equal(other.bytes(name), bytes, name);
  });
}

test("the bytes of a small file", () => {
  const header =
    '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[3],"data_offsets":[8,14]}}';
  const file = encodeSafetensors(
    [
      { name: "b", type: "F16", shape: [3] },
      { name: "w", type: "F32", shape: [1, 2] },
    ],
    [Uint16Array.of(0x3c00, 0xc000, 0x7bff), Float32Array.of(1, -2)],
  );
  const padding = (8 - (header.length % 8)) % 8;
  assert.is(
    Buffer.from(file.subarray(0, 8)).toString("hex"),
    Buffer.of(header.length + padding, 0, 0, 0, 0, 0, 0, 0).toString("hex"),
  );
  assert.is(Buffer.from(file.subarray(8, 8 + header.length + padding)).toString(), header + " ".repeat(padding));
  assert.is(Buffer.from(file.subarray(8 + header.length + padding)).toString("hex"), "0000803f000000c0003c00c0ff7b");
});

test("beside a packed embedding, packed weights above the limit are split by rows; others and float ones stay whole", async () => {
  const plans: TensorPlan[] = [
    { name: PACKED, type: "I32", shape: [50, 12] },
    { name: "model.embed_tokens.weight_scale", type: "F32", shape: [50, 1] },
    { name: "lm_head.weight_packed", type: "I32", shape: [41, 12] },
    { name: "small.weight_packed", type: "I32", shape: [2, 12] },
    { name: "wide.weight", type: "F32", shape: [50, 12] },
  ];
  const data = contents(plans);
  const { folder, writer } = await write(plans, data, [...data.keys()], 1000);
  const names = Object.keys(folder.json(INDEX_FILE)["weight_map"] as object);
  const parts = (name: string) =>
    names.filter((stored) => stored.startsWith(`${name}.`)).map((stored) => stored.slice(name.length));
  assert.equal(parts(PACKED), [".0", ".1", ".2"]); // 50 rows of 48 bytes, at most 17 of which fit beside the header
  assert.equal(parts("lm_head.weight_packed"), [".0", ".1", ".2"]);
  for (const whole of ["small.weight_packed", "wide.weight", "model.embed_tokens.weight_scale"]) assert.ok(names.includes(whole));
  for (const { file, bytes } of writer.shards) assert.ok(bytes <= 1000 || file === folderOf(folder, "wide.weight"), file);
  const back = await readAll(folder);
  for (const [name, bytes] of data) assert.equal(back.get(name), bytes, name);
});

function folderOf(folder: MemoryFolder, tensor: string): string | undefined {
  return (folder.json(INDEX_FILE)["weight_map"] as Record<string, string>)[tensor];
}

test("without a packed embedding nothing is split", async () => {
  const plans: TensorPlan[] = [
    { name: "model.embed_tokens.weight", type: "F16", shape: [50, 12] },
    { name: "lm_head.weight_packed", type: "I32", shape: [41, 12] },
  ];
  const { folder } = await write(plans, contents(plans), ["model.embed_tokens.weight", "lm_head.weight_packed"], 1000);
  assert.equal(Object.keys(folder.json(INDEX_FILE)["weight_map"] as object), [
    "lm_head.weight_packed",
    "model.embed_tokens.weight",
  ]);
});

test("shards of SmolLM2-135M are at most 24 MiB, the packed embedding included", () => {
  const plans: TensorPlan[] = [
    { name: PACKED, type: "I32", shape: [49152, 144] },
    { name: "model.embed_tokens.weight_scale", type: "F32", shape: [49152, 1] },
  ];
  for (let layer = 0; layer < 30; layer++) {
    for (const [module, N, K] of [["q_proj", 576, 576], ["k_proj", 192, 576], ["v_proj", 192, 576], ["o_proj", 576, 576],
      ["gate_proj", 1536, 576], ["up_proj", 1536, 576], ["down_proj", 576, 1536]] as const) {
      const name = `model.layers.${layer}.${module}`;
      plans.push({ name: `${name}.weight_packed`, type: "I32", shape: [N, K / 8] });
      plans.push({ name: `${name}.weight_scale`, type: "F32", shape: [N, K / 64] });
      plans.push({ name: `${name}.weight_shape`, type: "I64", shape: [2] });
    }
  } // prettier-ignore
  const { shards } = new SafetensorsWriter(new MemoryOutputFolder("out"), plans);
  assert.ok(shards.every(({ bytes }) => bytes <= MAX_SHARD_BYTES), JSON.stringify(shards)); // prettier-ignore
  assert.is(shards.length, 4);
  assert.is(shards[0]!.file, "model-00001-of-00004.safetensors");
});

test("misuse is an error that names the tensor", async () => {
  const plans: TensorPlan[] = [
    { name: "x", type: "F32", shape: [2] },
    { name: "y", type: "F32", shape: [2] },
  ];
  const rejects = async (work: (writer: SafetensorsWriter) => Promise<unknown>, pattern: RegExp) => {
    const error: unknown = await work(new SafetensorsWriter(new MemoryOutputFolder("out"), plans)).catch(
      (reason: unknown) => reason,
    );
    assert.instance(error, CheckpointError);
    assert.match((error as Error).message, pattern);
  };
  await rejects((writer) => writer.write("z", new Uint8Array(1)), /tensor z: got bytes of a tensor outside the plan, need/);
  await rejects((writer) => writer.write("x", new Uint8Array(9)), /tensor x: got 9 bytes, need 8/);
  await rejects(async (writer) => {
    await writer.write("x", new Float32Array(2));
    await writer.write("y", new Float32Array(1));
    await writer.finish();
  }, /tensor y: got 4 bytes, need 8/);
  assert.throws(
    () => new SafetensorsWriter(new MemoryOutputFolder("out"), [plans[0]!, plans[0]!]),
    /tensor x: got it twice in the plan, need it once/,
  );
});

const part = (name: string, shape: number[], type: "I32" | "F32" = "I32") => ({
  file: undefined,
  tensor: { name, shape, type, offset: 0, bytes: tensorBytes(type, shape) },
});

test("parts that do not fit are refused", () => {
  const join = (...parts: ReturnType<typeof part>[]) => joinTensors(parts, "folder");
  assert.is(join(part(`${PACKED}.1`, [1, 4]), part(`${PACKED}.0`, [2, 4])).get(PACKED)?.length, 2);
  assert.throws(() => join(part(`${PACKED}.0`, [2, 4]), part(`${PACKED}.2`, [1, 4])), /part 1 of 3 is missing/);
  assert.throws(() => join(part(`${PACKED}.1`, [2, 4])), /part 0 of 2 is missing/);
  assert.throws(() => join(part(`${PACKED}.9999`, [2, 4])), /part 0 of 10000 is missing/);
  assert.throws(() => join(part(PACKED, [2, 4]), part(`${PACKED}.0`, [2, 4])), /both whole and in parts/);
  assert.throws(() => join(part(`${PACKED}.1`, [2, 4]), part(PACKED, [2, 4])), /both whole and in parts/);
  assert.throws(
    () => join(part(`${PACKED}.0`, [2, 4]), part(`${PACKED}.1`, [2, 5])),
    /part 1: got another type or row shape than part 0, need the same/,
  );
  assert.throws(
    () => join(part(`${PACKED}.0`, [2, 4]), part(`${PACKED}.1`, [2, 4], "F32")),
    /part 1: got another type or row shape than part 0, need the same/,
  );
  assert.ok(join(part(`${PACKED}.00`, [2, 4])).has(`${PACKED}.00`), "no part: a number has one spelling");
});

test.run();
