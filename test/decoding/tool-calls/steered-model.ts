/**
 * A model that says a text byte by byte as far as it is let: where a byte may not come it takes another, and
 * goes on with the text where it can.
 */
import { type TextModel } from "../../../src/decoding/generate.ts";
import { answerParsing } from "../../../src/decoding/tool-calls/answer-parsing.ts";
import { byteModel, bytes, BYTE_VOCABULARY, EOS } from "../byte-tokenizer.ts";
import { ToyForwardPass } from "../toy-model.ts";

export const PROMPT = bytes("Say: ");
/** What it takes instead, the first of these that may come: so that what it has begun ends soon. */
const OTHERS = bytes('"}]>7a1,');

/** @param template says how it calls functions */
export function steeredModel(answer: string, template: string, prompt: readonly number[] = PROMPT): TextModel {
  const script = [...bytes(answer), EOS];
  const logits = (ids: readonly number[]) => {
    let said = 0;
    for (const id of ids.slice(prompt.length)) if (id === script[said]) said++;
    const values = new Float32Array(BYTE_VOCABULARY);
    for (const [i, byte] of OTHERS.entries()) values[byte] = 10 - i;
    values[EOS] = 1;
    values[script[Math.min(said, script.length - 1)]!] = 20;
    return values;
  };
  const pass = new ToyForwardPass({ vocabSize: BYTE_VOCABULARY, contextSize: 1024, logits });
  const parsing = answerParsing(template);
  return { ...byteModel(pass), answers: () => parsing };
}
