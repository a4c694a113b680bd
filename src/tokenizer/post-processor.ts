/**
 * The ids that `post_processor` of `tokenizer.json` puts before and after a text. What it does to pairs of
 * texts and to offsets is not needed here.
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../json-object.ts";
import { isWhole } from "../need.ts";

export interface AroundText {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const NOTHING: AroundText = { before: [], after: [] };

/**
 * @param where for messages
 * @param vocabSize ids are below it
 * @throws CheckpointError if a part is missing; UnsupportedModelError for a step that is not known
 */
export function aroundText(step: unknown, where: string, vocabSize: number): AroundText {
  if (step === null || step === undefined) return NOTHING;
  if (!isJsonObject(step)) throw new CheckpointError(`${where}: got ${describe(step)}, need an object or null`);
  switch (step["type"]) {
    case "ByteLevel":
      return NOTHING;
    case "BertProcessing":
    case "RobertaProcessing": {
      const id = (role: string) => {
        const token: unknown = step[role];
        return wholeId(Array.isArray(token) ? token[1] : undefined, `${where}: ${role}`, vocabSize);
      };
      return { before: [id("cls")], after: [id("sep")] };
    }
    case "Sequence": {
      const steps: unknown = step["processors"];
      if (!Array.isArray(steps)) throw new CheckpointError(`${where}: processors: got ${describe(steps)}, need an array`);
      // A later step is put around what the earlier ones gave.
      return steps
        .map((inner) => aroundText(inner, where, vocabSize))
        .reduce((all, { before, after }) => ({ before: [...before, ...all.before], after: [...all.after, ...after] }), NOTHING);
    }
    case "TemplateProcessing":
      return aroundByTemplate(step, where, vocabSize);
    default:
      throw new UnsupportedModelError(
        `${where}: got ${describe(step["type"])}, need ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing or Sequence`,
      );
  }
}

function aroundByTemplate(step: JsonObject, where: string, vocabSize: number): AroundText {
  const pieces: unknown = step["single"];
  if (!Array.isArray(pieces)) throw new CheckpointError(`${where}: single: got ${describe(pieces)}, need an array`);
  const special = step["special_tokens"];
  if (!isJsonObject(special)) throw new CheckpointError(`${where}: special_tokens: got ${describe(special)}, need an object`);
  const before: number[] = [];
  const after: number[] = [];
  let texts = 0;
  for (const piece of pieces as unknown[]) {
    const token = isJsonObject(piece) ? piece["SpecialToken"] : undefined;
    const sequence = isJsonObject(piece) ? piece["Sequence"] : undefined;
    if (isJsonObject(sequence) && sequence["id"] === "A") {
      texts++;
    } else if (isJsonObject(token)) {
      (texts === 0 ? before : after).push(...idsOf(token["id"], special, where, vocabSize));
    } else {
      throw new CheckpointError(`${where}: single: got ${describe(piece)}, need a SpecialToken or the Sequence A`);
    }
  }
  if (texts !== 1) throw new UnsupportedModelError(`${where}: single: got the text ${texts} times, need it once`);
  return { before, after };
}

function idsOf(name: unknown, special: JsonObject, where: string, vocabSize: number): number[] {
  const token = typeof name === "string" && Object.hasOwn(special, name) ? special[name] : undefined;
  const ids: unknown = isJsonObject(token) ? token["ids"] : undefined;
  if (!Array.isArray(ids)) throw new CheckpointError(`${where}: special_tokens: got no ids for ${describe(name)}, need them`);
  return ids.map((id) => wholeId(id, `${where}: special_tokens: ${describe(name)}`, vocabSize));
}

function wholeId(id: unknown, where: string, vocabSize: number): number {
  if (isWhole(id, 0, vocabSize - 1)) return id;
  throw new CheckpointError(`${where}: got id ${describe(id)}, need a whole number below ${vocabSize}`);
}
