/** Metadata of other writers: other widths, flags as numbers, ids that are no token's. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint.ts";
import { openGgufCheckpoint } from "../../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { CheckpointError } from "../../../src/errors.ts";
import { Tokenizer } from "../../../src/tokenizer/tokenizer.ts";
import {
  array, bool, buildGguf, f32, type FixtureValue, i32, i32s, memoryFile, string, strings, u32, u64,
} from "./gguf-fixture.ts"; // prettier-ignore
import { TINY, tinyGguf } from "./tiny-gguf.ts";

const test = suite("gguf-metadata-widths (seed 1)");
const { V } = TINY;

const LETTERS = [..."abcdefghijklmnopqrstuvwxyz0123456789", "ab"];
const TOKENS = ["<s>", "</s>", "<pad>", ...LETTERS];
const TYPES = TOKENS.map((_, id) => (id < 3 ? 3 : 1));
const TOKENIZER: Record<string, FixtureValue> = {
  "tokenizer.ggml.model": string("gpt2"),
  "tokenizer.ggml.pre": string("gpt-2"),
  "tokenizer.ggml.tokens": strings(TOKENS),
  "tokenizer.ggml.merges": strings(["a b"]),
  "tokenizer.ggml.token_type": i32s(TYPES),
  "tokenizer.ggml.bos_token_id": u32(0),
  "tokenizer.ggml.eos_token_id": u32(1),
  "tokenizer.ggml.padding_token_id": u32(2),
  "tokenizer.ggml.add_bos_token": bool(true),
};

const wide = (type: number, bytes: number, write: (view: DataView) => void): FixtureValue => {
  const data = new Uint8Array(bytes);
  write(new DataView(data.buffer));
  return { type, bytes: data };
};
const u8 = (value: number) => wide(0, 1, (view) => view.setUint8(0, value));
const i8 = (value: number) => wide(1, 1, (view) => view.setInt8(0, value));
const u16 = (value: number) => wide(2, 2, (view) => view.setUint16(0, value, true));
const i16 = (value: number) => wide(3, 2, (view) => view.setInt16(0, value, true));
const i64 = (value: number) => wide(11, 8, (view) => view.setBigInt64(0, BigInt(value), true));
const f64 = (value: number) => wide(12, 8, (view) => view.setFloat64(0, value, true));

function open(changes: Record<string, FixtureValue | undefined> = {}): Promise<Checkpoint> {
  const { fixture } = tinyGguf({ architecture: "llama" });
  const entries = Object.entries({ ...Object.fromEntries(fixture.metadata), ...TOKENIZER, ...changes });
  const metadata = entries.filter((entry): entry is [string, FixtureValue] => entry[1] !== undefined);
  return openGgufCheckpoint(memoryFile(buildGguf({ ...fixture, metadata }).bytes));
}

const contents = ({ config, configJson, generation, tokenizer }: Checkpoint) => ({ config, configJson, generation, tokenizer });

test("integers and floats of any width, flags as 0 and 1", async () => {
  assert.is(TOKENS.length, V);
  const plain = await open();
  assert.equal(plain.notes, []);
  for (const int of [u8, i8, u16, i16, u32, i32, (n: number) => u64(BigInt(n)), i64]) {
    const other = await open({
      "tokenizer.ggml.token_type": array(TYPES.map((type) => int(type))),
      "tokenizer.ggml.bos_token_id": int(0),
      "tokenizer.ggml.add_bos_token": int(1),
      "llama.embedding_length": int(TINY.E),
      "llama.attention.head_count_kv": array(Array.from({ length: TINY.L }, () => int(TINY.Hkv))),
    });
    assert.equal(contents(other), contents(plain));
    assert.equal(other.notes, []);
  }
  const doubles = { "llama.attention.layer_norm_rms_epsilon": f64(1e-5), "llama.rope.freq_base": f64(500000) };
  assert.equal(contents(await open(doubles)), contents(plain));
  assert.equal(contents(await open({ "llama.rope.freq_base": u32(500000) })), contents(plain));
});

const NO_TOKEN = [u32(0xffffffff), i32(-1), u64(2n ** 64n - 1n), i64(-1), u32(V), i16(V)];

test("an id that is no token's counts as not given, with a note", async () => {
  for (const role of ["bos", "eos", "padding", "unknown"]) {
    const key = `tokenizer.ggml.${role}_token_id`;
    const without = await open({ [key]: undefined });
    for (const id of NO_TOKEN) {
      const found = await open({ [key]: id });
      assert.equal(contents(found), contents(without), role);
      assert.is(found.notes.length, 1);
      assert.match(
        found.notes[0]!,
        new RegExp(`tiny\\.gguf: ${key}: got -?\\d+, which is none of the ${V} tokens, and is not used`),
      );
    }
  }
  const { tokenizer, name } = await open({ "tokenizer.ggml.bos_token_id": i32(-1) });
  const { encode } = { encode: (text: string) => new Tokenizer(tokenizer!, name).encode(text) };
  assert.equal(encode("ab"), [TOKENS.indexOf("ab")], "nothing is put in front");
});

test("an id that is no whole number is refused", async () => {
  for (const id of [f32(0.5), f32(NaN), string("1"), bool(true), i32s([1])]) {
    const error: unknown = await open({ "tokenizer.ggml.bos_token_id": id }).catch((reason: unknown) => reason);
    assert.instance(error, CheckpointError);
    assert.match((error as Error).message, /tiny\.gguf: metadata key "tokenizer\.ggml\.bos_token_id": got .*, need a token id/);
  }
});

test.run();
