/**
 * A tokenizer as the metadata of a GGUF (`tokenizer.ggml.*`): the way back of
 * `checkpoint/gguf/gguf-tokenizer.ts`. "gpt2" is byte-level BPE with its merges; "llama" is SentencePiece
 * BPE, whose merges become scores.
 */
import type { Checkpoint, TokenizerFiles } from "../../checkpoint/checkpoint.ts";
import { sentencePieceMerges } from "../../checkpoint/gguf/sentencepiece-merges.ts";
import { UnsupportedModelError } from "../../errors.ts";
import { chatTemplateSource } from "../../tokenizer/chat-template.ts";
import { type CheckedTokenizer, checkTokenizerJson } from "../../tokenizer/tokenizer-json.ts";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { GgufArray, GgufScalar } from "./gguf-header.ts";
import { preTokenizerName } from "./pre-tokenizer-name.ts";

/** `tokenizer.ggml.token_type`. */
const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

type Entry = readonly [key: string, value: GgufScalar | GgufArray];

/**
 * @param rows of the embedding: there is a token for each
 * @throws UnsupportedModelError for a tokenizer that a GGUF cannot say
 */
export function ggufVocabulary(checkpoint: Checkpoint, rows: number): Entry[] {
  const { tokenizer: files, name, generation } = checkpoint;
  if (!files) return [["tokenizer.ggml.model", ["string", "none"]]];
  const tokenizer = new Tokenizer(files, name);
  const checked = checkTokenizerJson(files.tokenizerJson, name);
  const where = `${name}: tokenizer.json`;
  const isPieces = checked.model.byteFallback;
  const tokens = Array.from({ length: rows }, (_, id) => checked.tokens[id] ?? `[PAD${id}]`);
  const types = tokenTypes(checked, isPieces, rows);
  const model: Entry[] = isPieces ? pieces(checked, tokens, types, where) : byteLevel(checked, where);
  return [
    ["tokenizer.ggml.model", ["string", isPieces ? "llama" : "gpt2"]],
    ["tokenizer.ggml.tokens", { kind: "string", values: tokens }],
    ["tokenizer.ggml.token_type", { kind: "i32", values: types }],
    ...model,
    ...specialTokens(tokenizer, generation.eosTokenIds, where),
    ...template(files),
  ];
}

function tokenTypes({ model, addedTokens, tokens }: CheckedTokenizer, isPieces: boolean, rows: number): number[] {
  const types = Array.from({ length: rows }, (_, id): number => {
    const token = tokens[id];
    if (token === undefined) return TYPE.unused;
    return isPieces && BYTE_TOKEN.test(token) ? TYPE.byte : TYPE.normal;
  });
  for (const { id, content, special } of addedTokens) {
    if (id >= rows) continue;
    types[id] = !special ? TYPE.userDefined : isPieces && content === model.unknown ? TYPE.unknown : TYPE.control;
  }
  return types;
}

function byteLevel({ json, model }: CheckedTokenizer, where: string): Entry[] {
  return [
    ["tokenizer.ggml.pre", ["string", preTokenizerName(json, model.ignoreMerges, where)]],
    ["tokenizer.ggml.merges", { kind: "string", values: model.merges.map(([left, right]) => `${left} ${right}`) }],
  ];
}

/**
 * Scores that put pieces in the order of their merges; those that no merge makes come last.
 *
 * @throws UnsupportedModelError if the merges that a reader makes of these are others
 */
function pieces({ json, model }: CheckedTokenizer, tokens: readonly string[], types: readonly number[], where: string): Entry[] {
  const ranks = new Map<string, number>();
  for (const [left, right] of model.merges) if (!ranks.has(left + right)) ranks.set(left + right, ranks.size);
  let others = ranks.size;
  const scores = tokens.map((token, id) => {
    if (types[id] !== TYPE.normal && types[id] !== TYPE.userDefined) return 0;
    return -(ranks.get(token) ?? others++);
  });
  const ids = Object.create(null) as Record<string, number>;
  for (const [id, token] of tokens.entries()) ids[token] = id;
  const isPiece = (id: number) => types[id] !== TYPE.control && types[id] !== TYPE.unknown;
  const again = sentencePieceMerges(tokens, ids, scores, isPiece);
  const pairs = new Set(model.merges.map(([left, right]) => `${left} ${right}`));
  const missing = again.find(([left, right]) => !pairs.has(`${left} ${right}`));
  if (again.length !== pairs.size || missing !== undefined)
    throw new UnsupportedModelError(
      `${where}: merges: got ${pairs.size}, need the ${again.length} that its pieces have: a GGUF keeps no others`,
    );
  return [
    ["tokenizer.ggml.pre", ["string", "default"]],
    ["tokenizer.ggml.scores", { kind: "f32", values: scores }],
    ["tokenizer.ggml.add_space_prefix", ["bool", startsWithSpace(json)]],
  ];
}

/** Whether a space is put before a text. */
function startsWithSpace(json: CheckedTokenizer["json"]): boolean {
  const steps = JSON.stringify([json["normalizer"] ?? null, json["pre_tokenizer"] ?? null]);
  return steps.includes('"Prepend"') || (steps.includes('"Metaspace"') && !steps.includes('"prepend_scheme":"never"'));
}

function specialTokens(tokenizer: Tokenizer, ends: readonly number[], where: string): Entry[] {
  const { bosTokenId: bos, eosTokenId, unkTokenId: unknown, padTokenId: padding, addedBosTokenId } = tokenizer;
  const around = tokenizer.encode("");
  const addsBos = addedBosTokenId !== undefined;
  const eos = eosTokenId ?? ends[0];
  const rest = around.slice(addsBos ? 1 : 0);
  const addsEos = rest.length === 1 && rest[0] === eos;
  if (rest.length > 0 && !addsEos)
    throw new UnsupportedModelError(
      `${where}: post_processor: got ${around.length} tokens around a text, need the beginning, the end, both or none`,
    );
  const [turn, message] = ends.filter((id) => id !== eos);
  const ids = { bos, eos, eot: turn, eom: message, unknown, padding };
  return [
    ...Object.entries(ids).flatMap(([role, id]): Entry[] =>
      id === undefined ? [] : [[`tokenizer.ggml.${role}_token_id`, ["u32", id]]],
    ),
    ["tokenizer.ggml.add_bos_token", ["bool", addsBos]],
    ["tokenizer.ggml.add_eos_token", ["bool", addsEos]],
  ];
}

function template({ tokenizerConfig }: TokenizerFiles): Entry[] {
  const source = chatTemplateSource(tokenizerConfig);
  return source === undefined ? [] : [["tokenizer.chat_template", ["string", source]]];
}
