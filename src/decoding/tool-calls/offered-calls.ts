/** What one generation makes of the functions it offers. */
import type { TextTokenizer } from "../generate.ts";
import type { GenerateOptions } from "../generation-options.ts";
import type { Grammar } from "../grammar/grammar.ts";
import { answerGrammar } from "./answer-grammar.ts";
import type { AnswerParsing, AnswerReading } from "./answer-parsing.ts";
import { askedCalls } from "./asked-calls.ts";

export interface OfferedCalls {
  /** Special tokens and stop strings of calls. */
  readonly keptTokens: readonly string[];
  readonly stop: readonly string[];
  /**
   * @param form of an answer that is no call
   * @param end of what the model was shown
   */
  grammar(form: Grammar | undefined, end: string): Grammar | undefined;
  /** Thoughts stay in the text. */
  reading(end: string): AnswerReading;
}

/**
 * @param parsing what the chat template says of calls; undefined for a model without one
 * @returns undefined where no function may be called
 * @throws OptionError as `askedCalls`
 */
export function offeredCalls(options: GenerateOptions, parsing: AnswerParsing | undefined): OfferedCalls | undefined {
  const asked = askedCalls(options, parsing?.calls !== undefined);
  const calls = parsing?.calls;
  if (!asked || !calls) return undefined;
  return {
    keptTokens: calls.marks ?? [],
    stop: calls.stop ?? [],
    grammar: (form, end) => answerGrammar(form, asked, parsing, end),
    reading: (end) => parsing.reading(end, true, true),
  };
}

/** Texts of the caller's and further ones; what is no list is left to who checks it. */
export function withMore(texts: readonly string[] | undefined, more: readonly string[] = []): readonly string[] {
  return Array.isArray(texts ?? []) ? [...(texts ?? []), ...more] : texts!;
}

/** Tokens that a template may write behind the beginning of thoughts, and those that begin them. */
const END_TOKENS = 16;

/** The end of a prompt as text: a template may open the model's thoughts there. */
export function endOf(ids: readonly number[], tokenizer: TextTokenizer): string {
  const stream = tokenizer.streamDecoder({ skipSpecialTokens: false, continues: false });
  return ids.slice(-END_TOKENS).map((id) => stream.push(id)).join("") + stream.flush(); // prettier-ignore
}
