/**
 * `tokenizer.json`, checked: the vocabulary, merges and added tokens. Its steps are checked where they are
 * made.
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { isWhole } from "../need.ts";
import { describe, entriesOf, isJsonObject, type JsonObject } from "../json-object.ts";

/** A bound for the ids taken from a file; the largest vocabularies in use have about 2^18 tokens. */
const MOST_TOKENS = 2 ** 22;
/**
 * In UTF-16 units. A text is compared with the added tokens at each of its characters; the longest in use are
 * runs of about 80 spaces.
 */
const LONGEST_ADDED = 1024;
/** All of them together, each character with a node of a tree; the most in use are about 100,000. */
const MOST_ADDED = 2 ** 20;

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly flags: {
    /** Takes the spaces before it. */
    readonly lstrip: boolean;
    readonly rstrip: boolean;
    /** Is not found beside a letter or digit. */
    readonly singleWord: boolean;
    /** Is normalized and looked for in normalized texts. */
    readonly normalized: boolean;
  };
}

/** A model of byte-pair encoding. */
export interface BpeModel {
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [left: string, right: string])[];
  /** The token for what is in no vocabulary. */
  readonly unknown: string | undefined;
  /** Put before every character of a piece but the first. */
  readonly continuingPrefix: string;
  /** Put behind the last character of a piece. */
  readonly endOfWordSuffix: string;
  /** Whether unknown characters become tokens of their bytes. */
  readonly byteFallback: boolean;
  /** Whether unknown characters in a row become one token. */
  readonly fuseUnknown: boolean;
  /** Whether a piece that is a token is taken whole, whatever the merges say. */
  readonly ignoreMerges: boolean;
}

/** The facts about the file that the rest of the tokenizer needs. */
export interface CheckedTokenizer {
  readonly json: JsonObject;
  readonly model: BpeModel;
  readonly addedTokens: readonly AddedToken[];
  /** By id; undefined where no token has it. */
  readonly tokens: readonly (string | undefined)[];
  /** UTF-16 units of the longest of them. */
  readonly longestToken: number;
}

/**
 * @param name for messages
 * @throws CheckpointError if a part is missing or of the wrong kind, or an id has two tokens
 * @throws UnsupportedModelError for a model other than BPE
 */
export function checkTokenizerJson(json: JsonObject, name: string): CheckedTokenizer {
  const where = `${name}: tokenizer.json`;
  const model = readModel(json["model"], where);
  const addedTokens = readAddedTokens(json["added_tokens"] ?? [], where);
  const tokens: (string | undefined)[] = [];
  let longestToken = 0;
  const take = (token: string, id: unknown): void => {
    checkId(token, id, where);
    const other = tokens[id as number];
    if (other !== undefined && other !== token)
      throw new CheckpointError(
        `${where}: token ${describe(token)}: got id ${String(id)}, which ${describe(other)} has, need one of its own`,
      );
    tokens[id as number] = token;
    longestToken = Math.max(longestToken, token.length);
  };
  model.vocab.forEach((id, token) => take(token, id));
  const added = new Map<string, number>();
  for (const { content, id } of addedTokens) {
    const other = model.vocab.get(content) ?? added.get(content);
    if (other !== undefined && other !== id)
      throw new CheckpointError(`${where}: token ${describe(content)}: got the ids ${other} and ${id}, need one`);
    added.set(content, id);
    take(content, id);
  }
  if (model.unknown !== undefined && !model.vocab.has(model.unknown) && !added.has(model.unknown)) {
    throw new CheckpointError(`${where}: unk_token: got "${model.unknown}", need a token of the vocabulary`);
  }
  return { json, model, addedTokens, tokens, longestToken };
}

function readModel(model: unknown, where: string): BpeModel {
  const vocab = isJsonObject(model) ? entriesOf(model, "vocab") : undefined;
  if (!isJsonObject(model) || !vocab) throw new CheckpointError(`${where}: model: got none with a vocab, need one`);
  if (model["type"] !== "BPE" && model["type"] !== undefined)
    throw new UnsupportedModelError(`${where}: model: got type ${String(model["type"])}, need BPE`);
  if ((model["dropout"] ?? 0) !== 0)
    throw new UnsupportedModelError(`${where}: model: dropout: got ${describe(model["dropout"])}, need none`);
  const merges = model["merges"];
  if (!Array.isArray(merges) || merges.length > MOST_TOKENS || !merges.every(isMerge))
    throw new CheckpointError(`${where}: merges: got something else, need pairs of tokens, at most ${MOST_TOKENS}`);
  const text = (key: string): string | undefined => {
    const value = model[key] ?? undefined;
    if (value === undefined || typeof value === "string") return value;
    throw new CheckpointError(`${where}: model: ${key}: got ${describe(value)}, need a text`);
  };
  return {
    vocab: vocab as ReadonlyMap<string, number>, // ids are checked by the caller
    // "a b", as older files write a merge, is ["a", "b"].
    merges: merges.some((merge) => typeof merge === "string")
      ? merges.map((merge: string | [string, string]) => (typeof merge === "string" ? splitMerge(merge) : merge))
      : (merges as [string, string][]),
    unknown: text("unk_token"),
    continuingPrefix: text("continuing_subword_prefix") ?? "",
    endOfWordSuffix: text("end_of_word_suffix") ?? "",
    byteFallback: model["byte_fallback"] === true,
    fuseUnknown: model["fuse_unk"] === true,
    ignoreMerges: model["ignore_merges"] === true,
  };
}

function isMerge(merge: unknown): boolean {
  if (typeof merge === "string") return merge.split(" ").length === 2;
  return Array.isArray(merge) && merge.length === 2 && typeof merge[0] === "string" && typeof merge[1] === "string";
}

function splitMerge(merge: string): [string, string] {
  const space = merge.indexOf(" ");
  return [merge.slice(0, space), merge.slice(space + 1)];
}

function checkId(token: string, id: unknown, where: string): void {
  if (isWhole(id, 0, MOST_TOKENS - 1)) return;
  throw new CheckpointError(
    `${where}: token ${describe(token)}: got id ${describe(id)}, need an integer from 0 to ${MOST_TOKENS - 1}`,
  );
}

function readAddedTokens(value: unknown, where: string): AddedToken[] {
  if (!Array.isArray(value)) throw new CheckpointError(`${where}: added_tokens: got ${describe(value)}, need an array`);
  let characters = 0;
  return value.map((token: unknown) => {
    if (!isJsonObject(token) || typeof token["content"] !== "string" || token["content"] === "")
      throw new CheckpointError(`${where}: added_tokens: got a token without content, need one with it`);
    const { content, id } = token;
    if (content.length > LONGEST_ADDED)
      throw new CheckpointError(
        `${where}: added token ${describe(id)}: got ${content.length} characters, need at most ${LONGEST_ADDED}`,
      );
    characters += content.length;
    if (characters > MOST_ADDED)
      throw new CheckpointError(`${where}: added_tokens: got more than ${MOST_ADDED} characters, need at most that`);
    checkId(content, id, where);
    const special = token["special"] === true;
    const flags = {
      lstrip: token["lstrip"] === true,
      rstrip: token["rstrip"] === true,
      singleWord: token["single_word"] === true,
      normalized: (token["normalized"] ?? !special) === true,
    };
    return { id: id as number, content, special, flags };
  });
}
