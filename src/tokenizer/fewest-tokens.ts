/**
 * A bound that is had without encoding: the fewest tokens a text can have. A text that is too long for a
 * context by far is refused by it at once; encoding a megabyte takes a second or more, in which no other
 * event runs.
 */
import { entriesOf, isJsonObject, type JsonObject } from "../json-object.ts";

/** Steps that take nothing away from a text. */
const KEEPING_PRE_TOKENIZERS = new Set(["ByteLevel", "Digits", "Metaspace", "Punctuation", "Split"]);
const UNICODE_FORMS = new Set(["NFC", "NFD", "NFKC", "NFKD"]);
const NOT_ASCII = String.raw`\x80-\uffff`;

/**
 * A function that gives a number of tokens that a text has at least, without those put around it: 1 for each
 * longest token it could be made of. Gives 0 for tokenizers in which a token may stand for more than its own
 * text, or none for some of it.
 *
 * @param json `tokenizer.json`, not checked
 * @param longestToken of all tokens, in UTF-16 units. In a byte alphabet they are its bytes, which are no
 *   fewer than the units of the text it stands for
 */
export function fewestTokens(json: JsonObject, longestToken: number): (text: string) => number {
  const without = uncounted(json);
  if (without === undefined) return () => 0;
  const pattern = without === "" ? undefined : new RegExp(`[${without}]+`, "g");
  const longest = Math.max(2, longestToken); // an unknown character has two
  return (text) => {
    const left = pattern ? (text.match(pattern) ?? []).reduce((sum, run) => sum + run.length, 0) : 0;
    return Math.ceil((text.length - left) / longest);
  };
}

/** The characters, as in a class of a pattern, that may have no token; undefined if there is no bound. */
function uncounted(json: JsonObject): string | undefined {
  const { model, normalizer, pre_tokenizer: preTokenizer, added_tokens: added = [], truncation } = json;
  const vocab = isJsonObject(model) ? entriesOf(model, "vocab") : undefined;
  if (isGiven(truncation) || !isJsonObject(model) || !vocab || !Array.isArray(added)) return undefined;
  // A token may take all spaces around it.
  if (!added.every((token) => isJsonObject(token) && token["lstrip"] !== true && token["rstrip"] !== true)) return undefined;
  const before = steps(preTokenizer, "pretokenizers");
  if (!before.every(keepsAll)) return undefined;
  const normalizers = steps(normalizer, "normalizers");
  if (!normalizers.every((step) => UNICODE_FORMS.has(String(step["type"])) || lengthens(step))) return undefined;
  // Composing makes one character of several, of which at most one is ASCII.
  const composed = normalizers.every(lengthens) ? "" : NOT_ASCII;
  // Unknown characters may become nothing, or many of them one token.
  const apart = isGiven(model["unk_token"]) && model["unk_token"] !== "" && model["fuse_unk"] !== true;
  if (apart || hasByteTokens(model, vocab)) return composed;
  if (!before.some(({ type }) => type === "ByteLevel")) return undefined;
  const missing = withoutBytes(vocab);
  return composed !== "" && missing.includes(NOT_ASCII) ? undefined : composed + missing;
}

/**
 * The characters with bytes that have no token, or more than those. The alphabet is GPT-2's: printable
 * Latin-1 for itself, and the characters from U+0100 on for the other bytes, in order.
 */
function withoutBytes(vocab: ReadonlyMap<string, unknown>): string {
  let [next, missing] = [0x100, ""];
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    const known = vocab.has(String.fromCodePoint(isPrintable ? byte : next++));
    const occurs = byte < 0xc0 || (byte > 0xc1 && byte < 0xf5); // in UTF-8 (RFC 3629)
    if (known || !occurs) continue;
    missing += byte < 0x80 ? String.raw`\x` + byte.toString(16).padStart(2, "0") : NOT_ASCII;
  }
  return missing;
}

function isGiven(value: unknown): boolean {
  return value !== null && value !== undefined;
}

function steps(step: unknown, inner: string): readonly JsonObject[] {
  if (!isJsonObject(step)) return isGiven(step) ? [{}] : [];
  if (step["type"] !== "Sequence") return [step];
  const list: unknown = step[inner];
  return Array.isArray(list) ? list.flatMap((one: unknown) => steps(one, inner)) : [{}];
}

function keepsAll(step: JsonObject): boolean {
  return step["behavior"] !== "Removed" && KEEPING_PRE_TOKENIZERS.has(String(step["type"]));
}

/** Whether a normalizer never makes a text shorter. */
function lengthens(step: JsonObject): boolean {
  const { type, pattern, content } = step;
  if (type === "Prepend") return true;
  const replaced = isJsonObject(pattern) ? pattern["String"] : undefined;
  return type === "Replace" && typeof replaced === "string" && typeof content === "string" && content.length >= replaced.length;
}

function hasByteTokens({ byte_fallback: fallback }: JsonObject, vocab: ReadonlyMap<string, unknown>): boolean {
  if (fallback !== true) return false;
  const names = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  return names.every((name) => vocab.has(name));
}
