/** Edits of safetensors files: header, lengths, types and places of tensors, and what is in them. */
import type { Choices } from "../choices.ts";
import { editBytes, editNumbers, joined } from "./byte-edits.ts";
import { brief, type Edit, named, ofFile, textOf, utf8 } from "./edit.ts";
import { editJson, type JsonWords, neutralJson } from "./json-edits.ts";

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const WEIGHTS = named(/\.safetensors$/);
const TYPES = ["F32", "F16", "BF16", "F64", "I8", "U8", "I16", "I32", "I64", "BOOL", "F8_E4M3", "U32", "F4"];
const WORDS: JsonWords = {
  values: [...TYPES, [0, 0], [0, 4], [4, 0], [0, 2 ** 53], [2 ** 32, 2 ** 32], [0], [], [1, 1, 1, 1, 1, 1, 1, 1, 1]],
  entries: [
    ["dtype", TYPES],
    ["shape", [[], [0], [1], [2 ** 26, 2 ** 27], [32, 32], [264, 32]]],
    ["model.layers.0.self_attn.q_proj.lora_A.weight", [{ dtype: "F32", shape: [0, 32], data_offsets: [0, 0] }]],
    ["model.layers.0.mlp.down_proj.weight_packed.7", [{ dtype: "I32", shape: [0, 4], data_offsets: [0, 0] }]],
    ["model.layers.0.self_attn.k_scale", [{ dtype: "F32", shape: [0], data_offsets: [0, 0] }]],
    ["model.layers.0.self_attn.q_proj.weight_zero_point", [{ dtype: "I32", shape: [0, 1], data_offsets: [0, 0] }]],
    ["model.layers.0.self_attn.q_proj.qweight", [{ dtype: "I32", shape: [4, 0], data_offsets: [0, 0] }]],
    ["model.layers.0.self_attn.q_proj.g_idx", [{ dtype: "I32", shape: [0], data_offsets: [0, 0] }]],
    ["model.layers.0.self_attn.q_proj.bias", [{ dtype: "F16", shape: [0], data_offsets: [0, 0] }]],
  ],
};

/** Header and data; undefined if an edit before has broken them. */
function parts(bytes: Uint8Array): { text: string; data: Uint8Array } | undefined {
  if (bytes.length < 8) return undefined;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  return length <= bytes.length - 8
    ? { text: textOf(bytes.subarray(8, 8 + length)), data: bytes.subarray(8 + length) }
    : undefined;
}

function header(bytes: Uint8Array): { entries: [string, Entry][]; data: Uint8Array; begin: number } | undefined {
  const found = parts(bytes);
  if (!found) return undefined;
  try {
    const entries = Object.entries(JSON.parse(found.text) as Record<string, Entry>);
    const tensors = entries.filter(([name, entry]) => name !== "__metadata__" && isWhole(entry, found.data.length));
    return { entries: tensors, data: found.data, begin: bytes.length - found.data.length };
  } catch {
    return undefined;
  }
}

/** Whether an entry is still one that can be laid out again. */
function isWhole(entry: Partial<Entry> | null, length: number): boolean {
  const isSizes = (value: unknown) => Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
  return isSizes(entry?.shape) && isSizes(entry?.data_offsets) && entry!.data_offsets![1] <= length;
}

function withHeader(text: string, data: Uint8Array, length?: bigint): Uint8Array {
  const json = utf8.encode(text);
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  return joined(prefix, json, data);
}

const LENGTHS = [0n, 1n, 2n, 8n, 99_999_999n, 100_000_001n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

export const headerJson: Edit = ofFile(WEIGHTS, (bytes, choices) => {
  const found = parts(bytes);
  if (!found) return undefined;
  const [text, what] = editJson(found.text, choices, WORDS);
  return [withHeader(text, found.data), `header: ${what}`];
});

export const headerLength: Edit = ofFile(WEIGHTS, (bytes, choices) => {
  const found = parts(bytes);
  if (!found) return undefined;
  const real = BigInt(found.text.length);
  const length = choices.pick([...LENGTHS, real - 1n, real + 1n, real + 8n, BigInt(bytes.length) - 8n, BigInt(bytes.length)]);
  return [withHeader(found.text, found.data, length), `header's length := ${length}`];
});

/** The tensors laid out again, so that all is consistent but one of them. */
function rebuilt(tensors: readonly { name: string; dtype: string; shape: readonly number[]; data: Uint8Array }[]): Uint8Array {
  let offset = 0;
  const entries = tensors.map(({ name, dtype, shape, data }) => {
    const begin = offset;
    offset += data.length;
    return [name, { dtype, shape, data_offsets: [begin, offset] }];
  });
  return withHeader(JSON.stringify(Object.fromEntries([["__metadata__", { format: "pt" }], ...entries])), joined(...tensors.map(({ data }) => data)));
} // prettier-ignore

function tensorsOf(bytes: Uint8Array) {
  const found = header(bytes);
  return found?.entries.map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [begin, end],
      },
    ]) => ({
      name,
      dtype,
      shape,
      data: found.data.subarray(begin, end),
    }),
  );
}

/** Another type, shape or name with as many bytes as it needs: nothing is wrong with the container. */
export const consistentTensor: Edit = ofFile(WEIGHTS, (bytes, choices) => {
  const tensors = tensorsOf(bytes);
  if (!tensors || tensors.length === 0) return undefined;
  const at = choices.below(tensors.length);
  const tensor = tensors[at]!;
  switch (choices.below(6)) {
    case 0: {
      const [dtype, width] = choices.pick([["F32", 4], ["F16", 2], ["BF16", 2], ["F64", 8], ["I32", 4], ["I64", 8], ["I8", 1], ["BOOL", 1]] as const); // prettier-ignore
      const elements = tensor.shape.reduce((product, size) => product * size, 1);
      tensors[at] = { ...tensor, dtype, data: filled(width * elements, tensor.data) };
      return [rebuilt(tensors), `${tensor.name}: stored as ${dtype}`];
    }
    case 1: {
      const shape = tensor.shape.slice();
      const axis = choices.below(shape.length);
      const size = choices.pick([0, 1, (shape[axis] ?? 0) + 1, Math.max(0, (shape[axis] ?? 0) - 1), 2 * (shape[axis] ?? 0)]);
      const width = tensor.data.length / Math.max(1, tensor.shape.reduce((product, n) => product * n, 1)); // prettier-ignore
      shape[axis] = size;
      tensors[at] = { ...tensor, shape, data: filled(width * shape.reduce((product, n) => product * n, 1), tensor.data) };
      return [rebuilt(tensors), `${tensor.name}: stored with shape [${shape.join(", ")}]`];
    }
    case 2: {
      const name = choices.pick([...tensors.map((other) => `${other.name}.0`), `${tensor.name}.0`, tensor.name.replace("weight", "bias"),
        tensor.name.replace(/weight_scale|weight$/, "weight_zero_point"), tensor.name.replace(/\d/, "1"), "__proto__", `x.${tensor.name}`,
        tensor.name.replace("model.", "")]); // prettier-ignore
      tensors[at] = { ...tensor, name };
      return [rebuilt(tensors), `${tensor.name}: renamed to ${brief(name)}`];
    }
    case 3:
      tensors.splice(at, 1);
      return [rebuilt(tensors), `${tensor.name}: left out`];
    case 4: {
      const name = `${tensor.name}${choices.pick([".0", ".1", "_zero_point", ".rotary_emb.inv_freq", "_g_idx"])}`;
      tensors.push({ ...tensor, name });
      return [rebuilt(tensors), `${tensor.name}: also as ${name}`];
    }
    default: {
      const other = choices.below(tensors.length);
      tensors[at] = { ...tensor, data: filled(tensor.data.length, tensors[other]!.data) };
      return [rebuilt(tensors), `${tensor.name}: with the bytes of ${tensors[other]!.name}`];
    }
  }
});

/** So many bytes, those of `data` again and again. */
function filled(length: number, data: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: Math.min(length, 1e6) }, (_, i) => data[i % Math.max(1, data.length)] ?? 0);
}

/** Numbers of tensors that match. */
export const tensorNumbers = (pattern: RegExp): Edit =>
  ofFile(WEIGHTS, (bytes, choices) => {
    const found = header(bytes);
    const entries = found?.entries.filter(([name]) => pattern.test(name)) ?? [];
    if (!found || entries.length === 0) return undefined;
    const [name, { dtype, data_offsets: offsets }] = choices.pick(entries);
    const place: [number, number] = [found.begin + offsets[0], found.begin + offsets[1]];
    if (place[0] === place[1]) return undefined;
    const isFloat = /^B?F(16|32)$/.test(dtype);
    const [changed, what] = isFloat
      ? editNumbers(bytes, dtype === "F32" ? 4 : 2, choices, place)
      : editBytes(bytes, choices, place);
    return [changed, `${name}: ${what}`];
  });

export const anyBytes: Edit = ofFile(WEIGHTS, (bytes, choices) => {
  const begin = header(bytes)?.begin ?? bytes.length;
  return editBytes(bytes, choices, choices.chance(0.7) ? [0, begin] : [0, bytes.length]);
});

/** Tensors in another order, another metadata text, white space behind the header, another writing of it. */
export const neutralHeader: Edit = ofFile(WEIGHTS, (bytes, choices) => {
  const found = parts(bytes)!;
  switch (choices.below(4)) {
    case 0:
      return [rebuilt(choices.shuffled(tensorsOf(bytes)!)), "tensors in another order"];
    case 1: {
      const json = JSON.parse(found.text) as Record<string, unknown>;
      const text = choices.pick(["", "x".repeat(1000), "\u0000", "{}", "\ud83d\ude00"]);
      return [withHeader(JSON.stringify({ ...json, __metadata__: { format: "pt", note: text } }), found.data), `metadata: a note, ${brief(text)}`];
    }
    case 2:
      return [withHeader(found.text + " ".repeat(1 + choices.below(100)), found.data), "spaces behind the header"];
    default: {
      const [text, what] = neutralJson(found.text, choices, false);
      return [withHeader(text, found.data), `header: ${what}`];
    }
  }
}); // prettier-ignore

/** A file beside the others that nothing asks for. */
export const neutralFile: Edit = (files, choices: Choices) => {
  const name = choices.pick(["README.md", "model.safetensors.bak", "optimizer.pt", "tokenizer.model"]);
  files.set(
    name,
    Uint8Array.from({ length: choices.below(200) }, () => choices.below(256)),
  );
  return `${name}: a file nobody reads`;
};
