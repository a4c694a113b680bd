/** Edits of a GGUF: fields of its header, metadata by key and type, tensors by name, shape and type. */
import {
  bool,
  f32,
  f32s,
  type FixtureValue,
  i32,
  i32s,
  string,
  strings,
  u32,
  u64,
} from "../../../test/checkpoint/gguf/gguf-fixture.ts";
import type { Choices } from "../choices.ts";
import { editBytes, editNumbers, joined } from "./byte-edits.ts";
import { brief, type Edit, named, ofFile } from "./edit.ts";
import { BLOCK_SIZES, type GgufForm, GGUF_TYPE, putTogether, takeApart } from "./gguf-form.ts";
import { HOSTILE_TEMPLATES } from "./template-edits.ts";

const FILE = named(/\.gguf$/);
const HOSTILE = [0n, 1n, 2n, 8n, 9n, 255n, 65536n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 40n, 2n ** 53n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n]; // prettier-ignore

/** Eight or four bytes where a field begins. */
export const field: Edit = ofFile(FILE, (bytes, choices) => {
  const form = takeApart(bytes);
  if (!form) return undefined;
  // Fields of the vocabulary are most of them, and all alike.
  const fields = choices.chance(0.5) ? form.fields.filter((at) => at < 24 || at >= form.begins[1]) : form.fields;
  const at = choices.pick(fields);
  const value = choices.pick([...HOSTILE, BigInt(bytes.length)]);
  const width = choices.pick([4, 8]);
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, value, true);
  const what = `field at ${at} := ${value} in ${width} bytes`;
  return [joined(bytes.subarray(0, at), number.subarray(0, width), bytes.subarray(at + width)), what];
});

const VALUES: readonly (() => FixtureValue)[] = [
  () => u32(0), () => u32(1), () => u32(3), () => u32(7), () => u32(0xffffffff), () => i32(-1), () => u64(2n ** 63n), () => u64(2n ** 53n + 1n),
  () => f32(Number.NaN), () => f32(Infinity), () => f32(-1), () => f32(0), () => f32(1e-45), () => f32(3.4e38), () => bool(true), () => bool(false),
  () => string(""), () => string("x"), () => string("\u0000"), () => string("llama"), () => string("a".repeat(3000)),
  () => strings([]), () => strings([""]), () => strings(["a", "a"]), () => strings(["__proto__", "constructor"]),
  () => i32s([-1]), () => i32s([0, 1, 2]), () => f32s([Number.NaN]), () => f32s([]), () => u32(2 ** 31),
]; // prettier-ignore

const KEYS: readonly (readonly [key: string, values: readonly FixtureValue[]])[] = [
  ["general.alignment", [u32(0), u32(1), u32(8), u32(3), u32(2 ** 31), u32(64), string("32"), f32(32)]],
  [
    "general.architecture",
    ["llama", "qwen2", "qwen3", "gpt2", "phi2", "gptneox", "bloom", "stablelm", "command-r", "lfm2", "mamba", ""].map(string),
  ],
  ["split.count", [u32(0), u32(1), u32(2), u32(3), u32(4), u32(65535), i32(-1)]],
  ["split.no", [u32(0), u32(1), u32(2), u32(3), u32(65535), i32(-1)]],
  ["split.tensors.count", [u32(0), u32(3), u32(2 ** 31), i32(-1)]],
  ["tokenizer.ggml.model", ["llama", "gpt2", "bert", "t5", "none", "no_vocab", ""].map(string)],
  ["tokenizer.ggml.pre", ["gpt-2", "llama-bpe", "smollm", "qwen2", "deepseek-llm", "x", ""].map(string)],
  ["tokenizer.ggml.add_bos_token", [bool(true), bool(false)]],
  ["tokenizer.ggml.add_eos_token", [bool(true), bool(false)]],
  ["tokenizer.ggml.add_space_prefix", [bool(true), bool(false)]],
  ["tokenizer.ggml.unknown_token_id", [u32(0), u32(39), u32(40), u32(2 ** 31)]],
  ["tokenizer.ggml.bos_token_id", [u32(0), u32(5), u32(1000), i32(-1)]],
  ["tokenizer.ggml.padding_token_id", [u32(0), u32(5), u32(1000), i32(-1)]],
  ["tokenizer.ggml.precompiled_charsmap", [i32s([1, 2, 3]), strings(["x"])]],
  ["tokenizer.huggingface.json", [string("{}"), string("[]"), string('{"model":{"vocab":{}}}'), string("{".repeat(1000))]],
  ["tokenizer.chat_template", HOSTILE_TEMPLATES.map(string)],
  ["general.sampling.temp", [f32(-1), f32(Number.NaN), f32(0), string("x")]],
  ["general.sampling.top_k", [u32(0), i32(-1), f32(0.5)]],
];
/** Behind the name of the architecture. */
const OF_ARCHITECTURE: readonly (readonly [key: string, values: readonly FixtureValue[]])[] = [
  ["rope.scaling.type", ["none", "linear", "yarn", "longrope", "x", ""].map(string)],
  ["rope.scaling.factor", [0, 1, -1, 1e30, 1e-30, Number.NaN].map(f32)],
  ["rope.scaling.original_context_length", [u32(0), u32(1), u32(2 ** 31), u32(64)]],
  ["rope.scaling.attn_factor", [0, 1, 2, Number.NaN].map(f32)],
  ["rope.dimension_count", [u32(0), u32(1), u32(2), u32(6), u32(16), u32(2 ** 31)]],
  ["rope.freq_base", [0, -1, 1e-45, 1, 3.4e38, Number.NaN].map(f32)],
  ["attention.sliding_window", [u32(0), u32(1), u32(2), u32(2 ** 31), i32(-1), i32s([1, 2])]],
  ["attention.layer_norm_rms_epsilon", [0, -1, 1e-45, 1e30, Number.NaN].map(f32)],
  ["attention.layer_norm_epsilon", [0, -1, 1e-45, 1e30, Number.NaN].map(f32)],
  ["attention.head_count", [u32(0), u32(1), u32(3), u32(2 ** 31), i32s([2, 2])]],
  ["attention.head_count_kv", [u32(0), u32(1), u32(3), u32(2 ** 31), i32s([2, 2]), i32s([0, 2, 0]), i32s([0, 0, 0])]],
  ["shortconv.l_cache", [u32(0), u32(1), u32(3), u32(65), u32(2 ** 31), i32s([3, 3])]],
  ["logit_scale", [0, -1, 1e-45, 1, 3.4e38, Number.NaN].map(f32)],
  ["pooling_type", [u32(0), u32(1), u32(3), u32(4), u32(2 ** 31)]],
  ["attention.key_length", [u32(0), u32(1), u32(3), u32(2 ** 31), u32(32)]],
  ["attention.value_length", [u32(0), u32(1), u32(3), u32(2 ** 31), u32(32)]],
  ["block_count", [u32(0), u32(1), u32(3), u32(1000), u32(2 ** 31)]],
  ["context_length", [u32(0), u32(1), u32(2), u32(3), u32(2 ** 20), u32(2 ** 31), u32(2 ** 32 - 1)]],
  ["vocab_size", [u32(0), u32(1), u32(41), u32(2 ** 31)]],
  ["expert_count", [u32(0), u32(8)]],
  ["logit_scale", [0, 1, 2].map(f32)],
  ["use_parallel_residual", [bool(true), bool(false), u32(1)]],
];

type Entries = (readonly [string, FixtureValue])[];

export const metadataEntry: Edit = ofFile(FILE, (bytes, choices) => {
  const form = takeApart(bytes);
  if (!form || form.metadata.length === 0) return undefined;
  const entries: Entries = form.metadata.slice();
  const what = editEntries(entries, choices);
  return [putTogether({ ...form, metadata: entries }), `metadata: ${what}`];
});

function editEntries(entries: Entries, choices: Choices): string {
  const at = choices.below(entries.length);
  const [key, value] = entries[at]!;
  switch (choices.below(7)) {
    case 0:
      entries.splice(at, 1);
      return `${key} removed`;
    case 1: {
      entries.splice(at, 0, [key, choices.pick(VALUES)()]);
      return `${key} twice`;
    }
    case 2: {
      const made = choices.pick(VALUES)();
      entries[at] = [key, made];
      return `${key} := ${shown(made)}`;
    }
    case 3: {
      if (value.type !== GGUF_TYPE.array) return editEntries(entries, choices);
      const [changed, what] = editBytes(value.bytes, choices, choices.chance(0.3) ? [0, 12] : undefined);
      entries[at] = [key, { type: value.type, bytes: changed }];
      return `${key}: ${what}`;
    }
    default: {
      const prefix = entries.find(([name]) => name.endsWith(".block_count"))?.[0].slice(0, -"block_count".length) ?? "llama.";
      const [name, values] = choices.pick(choices.chance(0.5) ? KEYS : OF_ARCHITECTURE.map(([last, some]) => [prefix + last, some] as const));
      const made = choices.pick(values);
      const there = entries.findIndex(([known]) => known === name);
      if (there >= 0) entries[there] = [name, made];
      else entries.push([name, made]);
      return `${name} := ${shown(made)}`;
    }
  }
} // prettier-ignore

const shown = ({ type, bytes }: FixtureValue) =>
  `type ${type}, ${type === GGUF_TYPE.string ? brief(new TextDecoder().decode(bytes.subarray(8))) : `bytes ${[...bytes.subarray(0, 16)].join(" ")}`}`;

export const tensor: Edit = ofFile(FILE, (bytes, choices) => {
  const form = takeApart(bytes);
  if (!form || form.tensors.length === 0) return undefined;
  const tensors = form.tensors.slice();
  const at = choices.below(tensors.length);
  const { name, dims, typeId, data } = tensors[at]!;
  let what: string;
  switch (choices.below(8)) {
    case 0:
      tensors.splice(at, 1);
      what = `${name}: left out`;
      break;
    case 1: {
      const other = choices.pick([
        "rope_freqs.weight", "output.weight", "blk.0.attn_rot_embd", "__proto__", `${name}.x`, name.replace("0", "1"),
        "token_embd.weight", name.replace("weight", "bias"), "x".repeat(64), "x".repeat(65)]); // prettier-ignore
      if (choices.chance(0.5)) tensors.push({ name: other, dims, typeId, data });
      else tensors[at] = { name: other, dims, typeId, data };
      what = `${name}: named ${brief(other)}`;
      break;
    }
    case 2: {
      const type = choices.pick([0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 21, 23, 24, 26, 27, 28, 30, 39, 77, 2 ** 31]);
      tensors[at] = { name, dims, typeId: type, data };
      what = `${name}: type ${type}`;
      break;
    }
    case 3: {
      const axis = choices.below(dims.length);
      const changed = dims.map((size, i) => (i === axis ? choices.pick([0, 1, size - 1, size + 1, 2 * size, 2 ** 32, 2 ** 53]) : size));
      const sizes = choices.pick([changed, dims.toReversed(), [...dims, 1], [...dims, 0], dims.slice(0, 1), [1, ...dims]]);
      tensors[at] = { name, dims: sizes, typeId, data };
      what = `${name}: sizes ${sizes.join(" x ")}`;
      break;
    }
    case 4: {
      const freqs = Float32Array.from({ length: choices.pick([0, 1, 7, 8, 16]) }, () => choices.pick([1, 0, -1, Number.NaN, 1e38, 1e-45]));
      tensors.push({ name: "rope_freqs.weight", dims: [freqs.length], typeId: 0, data: new Uint8Array(freqs.buffer) });
      what = `rope_freqs.weight: ${freqs.join(" ")}`;
      break;
    }
    case 5: {
      // Another type, and as long as that: neighbours of one layer that are stored in different ways.
      const [type, [elements, blockBytes]] = choices.pick([...BLOCK_SIZES]);
      const size = dims.reduce((product, length) => product * length, 1);
      if (dims[0]! % elements !== 0 || size > 2 ** 20) return undefined;
      tensors[at] = { name, dims, typeId: type, data: filledTo(data, (size / elements) * blockBytes) };
      what = `${name}: stored as type ${type}`;
      break;
    }
    case 6: {
      // Scales are float16 or, of MXFP4, a byte: infinity, NaN, -0, the least and the largest.
      if (data.length < 4) return undefined;
      const [changed, place] = [data.slice(), choices.below(data.length - 1)];
      const bits = choices.pick([0x7c00, 0x7e00, 0xfc00, 0xffff, 0x8000, 0x0001, 0x7bff]);
      changed.set([bits & 255, bits >> 8], place);
      tensors[at] = { name, dims, typeId, data: changed };
      what = `${name}: float16 ${bits.toString(16)} at ${place}`;
      break;
    }
    default: {
      if (data.length < 4) return undefined;
      const [changed, how] = typeId === 0 ? editNumbers(data, 4, choices) : editBytes(data, choices);
      tensors[at] = { name, dims, typeId, data: filledTo(changed, data.length) };
      what = `${name}: ${how}`;
    }
  }
  return [putTogether({ ...form, tensors }), what];
}); // prettier-ignore

/** Parts left out, exchanged, twice, or of other numbers by their names. */
export const partOfGguf: Edit = (files, choices) => {
  const names = [...files.keys()];
  const [name, other] = [choices.pick(names), choices.pick(names)];
  const bytes = files.get(name);
  if (!bytes) return undefined;
  switch (choices.below(4)) {
    case 0:
      files.delete(name);
      return `${name}: left out`;
    case 1:
      files.set(name, files.get(other)!);
      files.set(other, bytes);
      return `${name} and ${other}: exchanged`;
    case 2:
      files.set(other, bytes);
      return `${other}: as ${name}`;
    default: {
      const renamed = choices.pick([name.replace("of-00003", "of-00002"), name.replace(/-0000\d/, "-00004"), "other.gguf"]);
      files.delete(name);
      files.set(renamed, bytes);
      return `${name}: named ${renamed}`;
    }
  }
};

function filledTo(bytes: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(bytes.subarray(0, length));
  return result;
}

export const anyGgufBytes: Edit = ofFile(FILE, (bytes, choices) => {
  const end = takeApart(bytes)?.begins[2] ?? bytes.length;
  return editBytes(bytes, choices, choices.chance(0.8) ? [0, Math.min(end, bytes.length)] : undefined);
});

/** What no reader uses: padding, what nobody asks for, order, alignment, bytes behind the last tensor. */
export const neutralGguf: Edit = ofFile(FILE, (bytes, choices) => {
  const form = takeApart(bytes)!;
  const rebuild = (changes: Partial<GgufForm>) => putTogether({ ...form, ...changes });
  switch (choices.below(6)) {
    case 0: {
      const key = choices.pick(["general.name", "general.author", "general.file_type", `x.${choices.below(1000)}`, "quantize.imatrix.file"]);
      const value = choices.pick(VALUES)();
      const others = form.metadata.filter(([name]) => name !== key);
      return [rebuild({ metadata: [...others, [key, value]] }), `metadata: ${key} := ${shown(value)}`];
    }
    case 1:
      return [rebuild({ metadata: choices.shuffled(form.metadata) }), "metadata in another order"];
    case 2:
      return [rebuild({ tensors: choices.shuffled(form.tensors) }), "tensors in another order"];
    case 3: {
      const alignment = choices.pick([1, 8, 64, 256, 4096]);
      return [rebuild({ alignment }), `alignment := ${alignment}`];
    }
    case 4: {
      // Padding is from each tensor's end to the next multiple of the alignment.
      const result = bytes.slice();
      const { alignment = 32 } = form;
      for (const end of form.ends) {
        for (let at = end; at % alignment !== 0 && at < result.length; at++) result[at] = choices.below(256);
      }
      return [result, "padding between tensors := random bytes"];
    }
    default: {
      const more = Uint8Array.from({ length: 1 + choices.below(100) }, () => choices.below(256));
      return [joined(bytes, more), `${more.length} bytes behind the last tensor`];
    }
  }
}); // prettier-ignore
