/** What a model's chat template says of its answers: how it calls functions, and whether it thinks aloud. */
import { type AnswerParser, type Section, SectionParser } from "./answer-parser.ts";
import { type CallFormat, callFormatOf } from "./call-formats.ts";

const THOUGHTS = { open: "<think>", close: "</think>" } as const satisfies Section;

/** Reads the choices of one request. */
export interface AnswerReading {
  /** Finds calls and thoughts in the text of one choice. */
  parser(): AnswerParser;
  /** Gives a call the name by which its result comes back. */
  callId(): string;
}

export interface AnswerParsing {
  /** Undefined where the template has no calls, or writes them in a way this package does not read. */
  readonly calls: CallFormat | undefined;
  /** Marks around thoughts, and whether a prompt has opened them; undefined for a model that has none. */
  thoughts(prompt: string): { readonly open: string; readonly close: string; readonly isOpen: boolean } | undefined;
  /**
   * @param prompt what the model was shown: a template may open the thoughts itself
   * @param withTools whether functions were offered
   * @param keepsThoughts whether thoughts stay in the text. Default false
   */
  reading(prompt: string, withTools: boolean, keepsThoughts?: boolean): AnswerReading;
}

/** @param template the source of the chat template; empty for none */
export function answerParsing(template: string): AnswerParsing {
  const calls = callFormatOf(template);
  const thinks = template.includes(THOUGHTS.close);
  const isOpen = (prompt: string) => thinks && prompt.trimEnd().endsWith(THOUGHTS.open);
  return {
    calls,
    thoughts: (prompt) => (thinks ? { ...THOUGHTS, isOpen: isOpen(prompt) } : undefined),
    reading(prompt, withTools, keepsThoughts = false) {
      const thoughts: Section = keepsThoughts ? { ...THOUGHTS, staysText: true } : THOUGHTS;
      const sections = thinks ? [thoughts] : [];
      const inside = isOpen(prompt) ? thoughts : undefined;
      return {
        parser: () => (withTools && calls ? calls.parser(sections, inside) : new SectionParser(sections, inside)),
        callId: () => calls?.callId?.() ?? `call_${crypto.randomUUID()}`,
      };
    },
  };
}
