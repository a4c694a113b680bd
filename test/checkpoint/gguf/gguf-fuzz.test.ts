import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openGgufCheckpoint } from "../../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { Tokenizer } from "../../../src/tokenizer/tokenizer.ts";
import { mulberry32 } from "../../random.ts";
import { type FixtureFile, buildGguf, f32s, i32s, memoryFile, string, strings, u32 } from "./gguf-fixture.ts";
import { TINY, tinyGguf } from "./tiny-gguf.ts";

const SEED = 4242;
const MUTATIONS = 6000;
const test = suite(`gguf: ${MUTATIONS} mutations (seed ${SEED})`);

/** A whole tiny model with a tokenizer, so that every reader has something to read. */
function whole(): FixtureFile {
  const { fixture } = tinyGguf({ architecture: "llama", type: "Q4_1", attentionBias: "qkvo" });
  const tokens = Array.from({ length: TINY.V }, (_, i) =>
    i < 3 ? ["<unk>", "<s>", "</s>"][i]! : i < 29 ? String.fromCodePoint(94 + i) : `ab${i}`,
  );
  return buildGguf({
    tensors: fixture.tensors,
    metadata: [
      ...fixture.metadata,
      ["tokenizer.ggml.model", string("llama")],
      ["tokenizer.ggml.tokens", strings(tokens)],
      ["tokenizer.ggml.scores", f32s(tokens.map((_, i) => -i))],
      ["tokenizer.ggml.token_type", i32s(tokens.map((_, i) => (i < 3 ? 3 : 1)))],
      ["tokenizer.ggml.bos_token_id", u32(1)],
      ["tokenizer.chat_template", string("{{ messages }}")],
    ],
  });
}

const { bytes: original, boundaries } = whole();
/** Where the table ends and tensor data begins; after it nothing is structure. */
const header = boundaries.findLast((boundary) => boundary < original.length / 2 && boundary % 32 === 0)!;

/**
 * Opens, reads every tensor, makes the tokenizer.
 * @returns the error, which is one of the two kinds, or undefined
 */
async function attempt(bytes: Uint8Array, what: string): Promise<Error | undefined> {
  const file = memoryFile(bytes); // fails on a read outside the file
  try {
    const checkpoint = await openGgufCheckpoint(file);
    // The header is read once, in windows that double.
    assert.ok(file.bytesRead <= bytes.length + 64 * 1024, `${what}: ${file.bytesRead} bytes read of ${bytes.length}`);
    for (const name of checkpoint.tensors.keys()) await checkpoint.readF32(name);
    if (checkpoint.tokenizer !== undefined) new Tokenizer(checkpoint.tokenizer, file.name).decode([3]);
    return undefined;
  } catch (error) {
    const isTyped = error instanceof CheckpointError || error instanceof UnsupportedModelError;
    if (!isTyped) assert.unreachable(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    assert.match((error as Error).message, /^tiny\.gguf/, what);
    return error as Error;
  }
}

test("the file itself is whole", async () => {
  assert.is(await attempt(original, "original"), undefined);
  assert.ok(header > 1000 && header < original.length);
});

test("cut at every boundary, and a byte to either side", async () => {
  const last = boundaries.at(-1)!;
  for (const boundary of boundaries) {
    for (const end of [boundary - 1, boundary, boundary + 1]) {
      if (end >= last) continue;
      assert.instance(await attempt(original.slice(0, end), `cut at ${end}`), CheckpointError, `cut at ${end}`);
    }
  }
});

test("every field overwritten by hostile numbers", async () => {
  const hostile = [
    0n,
    1n,
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 40n,
    2n ** 53n,
    2n ** 62n,
    2n ** 63n,
    2n ** 64n - 1n,
    BigInt(original.length),
  ];
  for (const boundary of [4, 8, 16, ...boundaries.filter((at) => at < header)]) {
    for (const value of hostile) {
      const bytes = original.slice();
      new DataView(bytes.buffer).setBigUint64(boundary, value, true);
      await attempt(bytes, `${value} at ${boundary}`);
    }
  }
});

test("random mutations: bytes, numbers, pieces removed, repeated, swapped", async () => {
  const random = mulberry32(SEED);
  const below = (limit: number) => Math.floor(random() * limit);
  let refused = 0;
  for (let i = 0; i < MUTATIONS; i++) {
    let bytes = original.slice();
    const mutations = 1 + below(3);
    for (let m = 0; m < mutations; m++) {
      // Mostly in the header, where structure is.
      const at = below(random() < 0.9 ? Math.min(header, bytes.length) : bytes.length);
      const kind = below(5);
      if (kind === 0) bytes[at] = below(256);
      else if (kind === 1) bytes[at]! ^= 1 << below(8);
      else if (kind === 2) bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + below(16))]);
      else if (kind === 3) bytes = Uint8Array.from([...bytes.subarray(0, at + below(16)), ...bytes.subarray(at)]);
      else bytes.copyWithin(at, below(header), below(header));
    }
    if (await attempt(bytes, `mutation ${i}`)) refused++;
  }
  // Damage in text, scores and tensor data is not visible; damage in structure is, and that is a good part of
  // the file.
  assert.ok(refused > MUTATIONS / 4, `${refused} of ${MUTATIONS} refused`);
  console.log(`\nfigure: ${refused} of ${MUTATIONS} mutated GGUF files refused, the others read`);
});

test.run();
