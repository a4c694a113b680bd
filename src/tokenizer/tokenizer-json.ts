/**
 * `tokenizer.json` before `@huggingface/tokenizers` reads it: checked, and rewritten where that library
 * understands a step differently from the Rust implementation that defines the format.
 *
 * - `Digits` there means 0-9; the format means all numeric characters (Rust `char::is_numeric`).
 * - `ByteLevel` with `use_regex` there uses JavaScript's `\s`, which has U+FEFF and lacks U+0085.
 * - `Split` there ignores the behaviours MergedWithPrevious, MergedWithNext and Contiguous; they are refused.
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { GPT2_PATTERN } from "../checkpoint/gguf/gguf-pre-tokenizer.ts";
import { isWhole } from "../need.ts";
import { describe, isJsonObject, type JsonObject } from "../json-object.ts";

/** A bound for the ids taken from a file; the largest vocabularies in use have about 2^18 tokens. */
const MOST_TOKENS = 2 ** 22;

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** The facts about the file that the rest of the tokenizer needs. */
export interface CheckedTokenizer {
  readonly json: JsonObject;
  readonly addedTokens: readonly AddedToken[];
}

/**
 * @param name for messages
 * @throws CheckpointError if a part is missing or of the wrong kind
 * @throws UnsupportedModelError for a model other than BPE, or a step that would be carried out wrongly
 */
export function checkTokenizerJson(json: JsonObject, name: string): CheckedTokenizer {
  const { model } = json;
  if (!isJsonObject(model) || !isJsonObject(model["vocab"]))
    throw new CheckpointError(`${name}: tokenizer.json: model: got none with a vocab, need one`);
  if (model["type"] !== "BPE" && model["type"] !== undefined) {
    throw new UnsupportedModelError(`${name}: tokenizer.json: model: got type ${String(model["type"])}, need BPE`);
  }
  if (!Array.isArray(model["merges"]) || !model["merges"].every(isMerge))
    throw new CheckpointError(`${name}: tokenizer.json: merges: got something else, need pairs of tokens`);
  for (const [token, id] of Object.entries(model["vocab"])) checkId(token, id, name);
  const addedTokens = readAddedTokens(json["added_tokens"] ?? [], name);
  const unknown = model["unk_token"];
  if (
    typeof unknown === "string" &&
    !Object.hasOwn(model["vocab"], unknown) &&
    !addedTokens.some(({ content }) => content === unknown)
  ) {
    throw new CheckpointError(`${name}: tokenizer.json: unk_token: got "${unknown}", need a token of the vocabulary`);
  }
  return {
    addedTokens,
    json: {
      ...json,
      model: { ...model, type: "BPE" },
      added_tokens: json["added_tokens"] ?? [],
      normalizer: json["normalizer"] ?? null,
      pre_tokenizer: rewritten(json["pre_tokenizer"] ?? null, name),
      post_processor: json["post_processor"] ?? null,
      decoder: json["decoder"] ?? null,
    },
  };
}

function isMerge(merge: unknown): boolean {
  if (typeof merge === "string") return merge.includes(" ", 1);
  return Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string");
}

function checkId(token: string, id: unknown, name: string): void {
  if (!isWhole(id, 0, MOST_TOKENS - 1)) {
    throw new CheckpointError(
      `${name}: tokenizer.json: token "${token}": got id ${String(id)}, need an integer from 0 to ${MOST_TOKENS - 1}`,
    );
  }
}

function readAddedTokens(value: unknown, name: string): AddedToken[] {
  if (!Array.isArray(value))
    throw new CheckpointError(`${name}: tokenizer.json: added_tokens: got ${describe(value)}, need an array`);
  return value.map((token: unknown) => {
    if (!isJsonObject(token) || typeof token["content"] !== "string" || token["content"] === "") {
      throw new CheckpointError(`${name}: tokenizer.json: added_tokens: got a token without content, need one with it`);
    }
    checkId(token["content"], token["id"], name);
    return { id: token["id"] as number, content: token["content"], special: token["special"] === true };
  });
}

const split = (regex: string): JsonObject => ({ type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false });

/**
 * A pre-tokenizer, possibly a Sequence of them, in terms the library carries out as the format means them.
 */
function rewritten(step: unknown, name: string): unknown {
  if (!isJsonObject(step)) return step;
  switch (step["type"]) {
    case "Sequence": {
      const steps: unknown = step["pretokenizers"];
      if (!Array.isArray(steps))
        throw new CheckpointError(
          `${name}: tokenizer.json: pre_tokenizer: got a Sequence without pretokenizers, need an array of them`,
        );
      return { ...step, pretokenizers: steps.map((inner) => rewritten(inner, name)) };
    }
    case "Digits":
      return split(step["individual_digits"] === true ? String.raw`\p{N}` : String.raw`\p{N}+`);
    case "ByteLevel":
      if (step["use_regex"] === false || step["add_prefix_space"] === true) return step;
      return { type: "Sequence", pretokenizers: [split(GPT2_PATTERN), { ...step, use_regex: false }] };
    case "Split":
      if (step["behavior"] !== "Isolated" && step["behavior"] !== "Removed") {
        throw new UnsupportedModelError(
          `${name}: tokenizer.json: Split: got behavior ${String(step["behavior"])}, need Isolated or Removed`,
        );
      }
      return step;
    default:
      return step;
  }
}
