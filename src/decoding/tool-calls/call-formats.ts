/**
 * How models write calls of functions, told from their chat template, which shows the model its own words:
 *
 *   Hermes, Qwen, SmolLM3   <tool_call>{"name": "f", "arguments": {...}}</tool_call>, one or several
 *   Llama 3                 {"name": "f", "parameters": {...}}, the whole answer
 *   Mistral                 as in `mistral-calls.ts`
 *   FunctionGemma           as in `gemma-calls.ts`
 */
import { JSON_NOTATION } from "../grammar/json/json-notation.ts";
import type { Notation } from "../grammar/json/notation.ts";
import { type AnswerParser, type AnswerPart, callParts, type Section, SectionParser } from "./answer-parser.ts";
import {
  type CallGrammars,
  gemmaGrammars,
  hermesGrammars,
  llamaGrammars,
  mistralGrammars,
  UNQUOTED_NAME,
} from "./call-grammars.ts";
import { GEMMA_MARKS, GEMMA_STOP, gemmaCalls } from "./gemma-calls.ts";
import { GEMMA_NOTATION } from "./gemma-notation.ts";
import { callIn, markBehindJson } from "./json-call.ts";
import { MISTRAL_MARKS, mistralCallId, mistralCalls } from "./mistral-calls.ts";

export interface CallFormat {
  readonly name: "hermes" | "llama3" | "mistral" | "function-gemma";
  parser(sections: readonly Section[], inside: Section | undefined): AnswerParser;
  /** Where the template does not take any name for a call. */
  readonly callId?: () => string;
  /** Special tokens that are part of a call. */
  readonly marks?: readonly string[];
  /** Text that ends an answer with calls. */
  readonly stop?: readonly string[];
  readonly grammars: CallGrammars;
  /** How arguments are written. */
  readonly notation: Notation;
  /** Names of functions that it can write; absent for any. */
  readonly names?: RegExp;
}

const HERMES_MARKS = ["<tool_call>", "</tool_call>"] as const;
const hermesCalls: Section = {
  open: HERMES_MARKS[0],
  close: (held) => markBehindJson(held, HERMES_MARKS[1]),
  read(inner) {
    const call = callIn(inner, "arguments");
    return call && [call];
  },
};

const HERMES: CallFormat = {
  name: "hermes",
  marks: HERMES_MARKS,
  grammars: hermesGrammars,
  notation: JSON_NOTATION,
  parser: (sections, inside) => new SectionParser([...sections, hermesCalls], inside),
};

const mistral = (template: string): CallFormat => ({
  name: "mistral",
  marks: MISTRAL_MARKS,
  callId: mistralCallId,
  grammars: mistralGrammars(template),
  notation: JSON_NOTATION,
  ...(/\[(?:ARGS|CALL_ID)\]/.test(template) && { names: UNQUOTED_NAME }),
  parser: (sections, inside) => new SectionParser([...sections, mistralCalls], inside),
});

const FUNCTION_GEMMA: CallFormat = {
  name: "function-gemma",
  grammars: gemmaGrammars,
  notation: GEMMA_NOTATION,
  names: UNQUOTED_NAME,
  marks: GEMMA_MARKS,
  stop: [GEMMA_STOP],
  parser: (sections, inside) => new SectionParser([...sections, gemmaCalls], inside),
};

const LLAMA_3: CallFormat = {
  name: "llama3",
  grammars: llamaGrammars,
  notation: JSON_NOTATION,
  parser: (sections, inside) => new WholeAnswerCall(new SectionParser(sections, inside)),
};

/** @returns undefined for a template that shows no way this package reads */
export function callFormatOf(template: string): CallFormat | undefined {
  // Qwen3-Coder and GLM write something else than JSON between these marks.
  if (template.includes("<tool_call>")) return /<function=|<arg_key>/.test(template) ? undefined : HERMES;
  if (template.includes(mistralCalls.open)) return mistral(template);
  if (template.includes(gemmaCalls.open)) return FUNCTION_GEMMA;
  if (/"parameters"/.test(template) && template.includes("ipython")) return LLAMA_3;
  return undefined;
}

/** An answer that begins with a brace is a call if all of it is one, and held back until that is known. */
class WholeAnswerCall implements AnswerParser {
  readonly #parser: AnswerParser;
  #held = "";
  #isText = false;

  constructor(parser: AnswerParser) {
    this.#parser = parser;
  }

  push(piece: string): AnswerPart[] {
    if (this.#isText) return this.#parser.push(piece);
    this.#held += piece;
    const begin = this.#held.trimStart();
    if (begin === "" || begin.startsWith("{")) return [];
    return this.#give();
  }

  flush(): AnswerPart[] {
    const held = this.#held;
    const call = this.#isText ? undefined : callIn(held, "parameters");
    const calls = callParts(call && [call], held);
    this.#held = "";
    this.#isText = true;
    return calls ?? [...this.#parser.push(held), ...this.#parser.flush()];
  }

  #give(): AnswerPart[] {
    this.#isText = true;
    const held = this.#held;
    this.#held = "";
    return this.#parser.push(held);
  }
}
