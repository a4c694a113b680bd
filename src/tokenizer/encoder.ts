/**
 * Text to ids, without what is put around a text: added tokens found as they are, the rest normalized, added
 * tokens found in that, the rest cut into pieces and encoded one by one. The order is that of Rust's
 * `tokenizers` (`tokenizer/added_vocabulary.rs`, `extract_and_normalize`).
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { isJsonObject } from "../json-object.ts";
import { AddedTokenFinder, type SpecialTexts } from "./added-tokens.ts";
import { BytePairEncoding } from "./bpe/byte-pair-encoding.ts";
import { normalizer, type Normalize } from "./normalizer.ts";
import { preTokenizer, type PreTokenize } from "./pre-tokenizer.ts";
import type { AddedToken, BpeModel, CheckedTokenizer } from "./tokenizer-json.ts";

/** Characters encoded between two pauses: a few milliseconds of them. */
const STEP_CHARACTERS = 1 << 14;

export class Encoder {
  readonly #asTheyAre: AddedTokenFinder;
  readonly #normalized: AddedTokenFinder;
  readonly #normalize: Normalize | undefined;
  readonly #cut: PreTokenize | undefined;
  readonly #model: BytePairEncoding;
  /** Special tokens that merges, or a piece taken whole, could give for letters of a text. */
  readonly #barred: ReadonlySet<number>;
  readonly #makeTextModel: (() => BytePairEncoding) | undefined;
  /** For pieces that must not become special tokens and would; made when there is one. */
  #textModel: BytePairEncoding | undefined;
  /** Added tokens as they are found in normalized texts, by id, where that is another text than theirs. */
  readonly spellings: ReadonlyMap<number, string>;

  /**
   * @param name for messages
   * @throws CheckpointError if a part is damaged; UnsupportedModelError if a step is not known
   */
  constructor({ json, model, addedTokens }: CheckedTokenizer, name: string) {
    const where = `${name}: tokenizer.json`;
    this.#normalize = normalizer(json["normalizer"], `${where}: normalizer`);
    this.#cut = preTokenizer(json["pre_tokenizer"], `${where}: pre_tokenizer`);
    checkStartIsKept(json, where);
    this.#model = new BytePairEncoding(model, name);
    const barred = specialsOfModel(model, addedTokens);
    this.#barred = new Set(barred.map(({ id }) => id));
    const texts = new Set(barred.map(({ content }) => content));
    // Without such tokens nothing keeps the list of merges, the largest part of the file.
    if (barred.length > 0) this.#makeTextModel = () => new BytePairEncoding(without(model, texts), name);
    const asTheyAre = new Map<string, AddedToken>();
    const normalized = new Map<string, AddedToken>();
    const spellings = new Map<number, string>();
    for (const token of addedTokens) {
      const found = token.flags.normalized ? normalized : asTheyAre;
      const text = token.flags.normalized ? (this.#normalize?.(token.content) ?? token.content) : token.content;
      const other = found.get(text);
      if (text === "" || (other !== undefined && other.id !== token.id)) {
        throw new CheckpointError(
          `${where}: added token ${token.id}: got ${text === "" ? "nothing" : `the text of ${other!.id}`} when normalized, need a text of its own`,
        );
      }
      found.set(text, token);
      if (text !== token.content) spellings.set(token.id, text);
    }
    this.spellings = spellings;
    this.#asTheyAre = new AddedTokenFinder(asTheyAre);
    this.#normalized = new AddedTokenFinder(normalized);
  }

  /** Entries of the tables, for an estimate of memory. */
  get entries(): number {
    return this.#model.entries;
  }

  /** @param special which texts of special tokens become those tokens */
  encode(text: string, special: SpecialTexts): number[] {
    const ids: number[] = [];
    for (const section of this.#sections(text, special)) {
      if (typeof section === "number") ids.push(section);
      else for (const piece of section) this.#encodePiece(piece, special, ids);
    }
    return ids;
  }

  /** The same ids; other events run now and then. @param pause lets them, and may throw to end it */
  async encodeInSteps(text: string, special: SpecialTexts, pause: () => Promise<void>): Promise<number[]> {
    const ids: number[] = [];
    let left = STEP_CHARACTERS;
    for (const section of this.#sections(text, special)) {
      if (typeof section === "number") {
        ids.push(section);
        continue;
      }
      for (const piece of section) {
        this.#encodePiece(piece, special, ids);
        if ((left -= piece.length) > 0) continue;
        left = STEP_CHARACTERS;
        await pause();
      }
    }
    return ids;
  }

  #encodePiece(piece: string, special: SpecialTexts, ids: number[]): void {
    const begin = ids.length;
    this.#model.encode(piece, ids);
    if (special === "all" || this.#barred.size === 0) return;
    for (let i = begin; i < ids.length; i++) {
      if (!this.#barred.has(ids[i]!)) continue;
      ids.length = begin;
      this.#textModel ??= this.#makeTextModel!();
      return this.#textModel.encode(piece, ids);
    }
  }

  /** Everything but the model: ids of added tokens, and pieces of the texts between them. */
  *#sections(text: string, special: SpecialTexts): Generator<number | readonly string[], void, void> {
    for (const section of this.#asTheyAre.split(text, special)) {
      if ("id" in section) {
        yield section.id;
        continue;
      }
      const normalized = this.#normalize?.(section.text) ?? section.text;
      for (const inner of this.#normalized.split(normalized, special)) {
        if ("id" in inner) {
          yield inner.id;
          continue;
        }
        const pieces = { texts: [inner.text], isStart: section.start === 0 && inner.start === 0 };
        yield (this.#cut?.(pieces) ?? pieces).texts;
      }
    }
  }
}

/** Special tokens that the model itself may give: for one character, a merge, or a piece taken whole. */
function specialsOfModel({ vocab, merges, ...model }: BpeModel, addedTokens: readonly AddedToken[]): AddedToken[] {
  const prefix = model.continuingPrefix.length;
  const specials = new Set(addedTokens.flatMap(({ special, content }) => (special ? [content] : [])));
  const lengths = new Set([...specials].map(({ length }) => length));
  // The lengths first: a text of both is made for a few of all merges.
  const merged = new Set<string>();
  for (let i = 0; i < merges.length; i++) {
    const pair = merges[i]!;
    const right = prefix === 0 ? pair[1] : pair[1].slice(prefix);
    if (lengths.has(pair[0].length + right.length)) merged.add(pair[0] + right);
  }
  return addedTokens.filter(({ special, content }) => {
    if (!special || content === model.unknown || !vocab.has(content)) return false;
    // A character that has no other token is itself, or it would be lost.
    const isSpellable = model.byteFallback || model.unknown !== undefined;
    return model.ignoreMerges || merged.has(content) || ([...content].length === 1 && isSpellable);
  });
}

/** The same model without some of its tokens, and what merges to them. */
function without(model: BpeModel, barred: ReadonlySet<string>): BpeModel {
  const merges = model.merges.filter((pair) => [...pair, pair[0] + pair[1]].every((text) => !barred.has(text)));
  return { ...model, vocab: new Map([...model.vocab].filter(([text]) => !barred.has(text))), merges };
}

/**
 * Metaspace with the scheme "first" asks whether a piece begins where the text began before it was
 * normalized, which is not known behind a step that may take the beginning away.
 */
function checkStartIsKept(json: Readonly<Record<string, unknown>>, where: string): void {
  const asks = steps(json["pre_tokenizer"]).some((step) => step["type"] === "Metaspace" && step["prepend_scheme"] === "first");
  if (!asks) return;
  for (const step of steps(json["normalizer"])) {
    const pattern = isJsonObject(step["pattern"]) ? step["pattern"]["String"] : undefined;
    const keepsStart =
      step["type"] === "Replace"
        ? typeof pattern === "string" && [...pattern].length === 1 && step["content"] !== ""
        : !["Strip", "StripAccents", "Nmt"].includes(String(step["type"]));
    if (!keepsStart)
      throw new UnsupportedModelError(
        `${where}: Metaspace: got prepend_scheme "first" behind ${String(step["type"])}, need "always" or "never"`,
      );
  }
}

/** The steps of a Sequence, or the one step there is. */
function steps(step: unknown): Record<string, unknown>[] {
  if (!isJsonObject(step)) return [];
  const inner = step["normalizers"] ?? step["pretokenizers"];
  return Array.isArray(inner) ? inner.flatMap(steps) : [step];
}
