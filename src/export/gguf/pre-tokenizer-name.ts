/**
 * `tokenizer.ggml.pre`: the name of a `tokenizer.json`'s way to cut text before byte-level BPE, of those in
 * `checkpoint/gguf/gguf-pre-tokenizer.ts`. A GGUF has no place for the rule itself.
 */
import { UnsupportedModelError } from "../../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../../json-object.ts";
import { PRE_TOKENIZERS } from "../../checkpoint/gguf/gguf-pre-tokenizer.ts";
import { EACH_NUMBER, GPT2_PATTERN, NUMBERS } from "../../checkpoint/gguf/split-patterns.ts";

/**
 * @param json a `tokenizer.json`
 * @throws UnsupportedModelError for a rule that no name stands for
 */
export function preTokenizerName(json: JsonObject, ignoreMerges: boolean, where: string): string {
  const patterns = patternsOf(json["pre_tokenizer"], `${where}: pre_tokenizer`);
  const { normalizer } = json;
  const isNfc = isJsonObject(normalizer) && normalizer["type"] === "NFC";
  if (normalizer !== null && normalizer !== undefined && !isNfc)
    throw new UnsupportedModelError(`${where}: normalizer: got ${describe(normalizer)}, need NFC or none in a byte-level GGUF`);
  for (const [name, rule] of PRE_TOKENIZERS) {
    const isSame = rule.pattern.length === patterns.length && rule.pattern.every((pattern, i) => pattern === patterns[i]);
    if (isSame && (rule.normalizer !== null) === isNfc && rule.ignoreMerges === ignoreMerges) return name;
  }
  throw new UnsupportedModelError(
    `${where}: pre_tokenizer: got ${patterns.map(describe).join(", then ")}${isNfc ? " after NFC" : ""}, need a rule that has a name in a GGUF`,
  );
}

/** The patterns by which text is cut, one after the other. */
function patternsOf(step: unknown, where: string): readonly string[] {
  if (!isJsonObject(step)) throw new UnsupportedModelError(`${where}: got ${describe(step)}, need steps that end in ByteLevel`);
  switch (step["type"]) {
    case "Sequence": {
      const inner: unknown = step["pretokenizers"];
      return Array.isArray(inner) ? inner.flatMap((one: unknown) => patternsOf(one, where)) : [];
    }
    case "ByteLevel":
      if (step["add_prefix_space"] === true)
        throw new UnsupportedModelError(`${where}: add_prefix_space: got true, need false in a byte-level GGUF`);
      return step["use_regex"] === false ? [] : [GPT2_PATTERN];
    case "Digits":
      return [step["individual_digits"] === true ? EACH_NUMBER : NUMBERS];
    case "Split": {
      const { pattern, behavior, invert = false } = step;
      const regex = isJsonObject(pattern) ? pattern["Regex"] : undefined;
      // Taking the matches and leaving the rest out is the same where a pattern leaves nothing.
      const isIsolated = behavior === "Isolated" ? invert === false : behavior === "Removed" && invert === true;
      if (typeof regex === "string" && isIsolated)
        return [regex.replaceAll("\r", String.raw`\r`).replaceAll("\n", String.raw`\n`)];
      break;
    }
  }
  throw new UnsupportedModelError(`${where}: got ${describe(step)}, need ByteLevel, Digits or Split by a pattern in a GGUF`);
}
