/** What the options of a generation ask of its text. */
import { OptionError } from "../../errors.ts";
import { describe } from "../../json-object.ts";
import type { GenerateOptions } from "../generation-options.ts";
import type { Grammar } from "./grammar.ts";
import { responseFormatGrammar, textGrammar } from "./response-format.ts";
import { TokenConstraint } from "./token-constraint.ts";
import type { VocabularyTokens } from "./vocabulary-trie.ts";

/**
 * @param beside what the form becomes where functions may be called
 * @returns undefined where nothing is asked
 * @throws OptionError for a form that texts cannot be held to, or two of them
 */
export function constraintOf(
  { responseFormat, grammar, ignoreEos }: GenerateOptions,
  tokenizer: VocabularyTokens,
  endTokenIds: readonly number[],
  beside: (form: Grammar | undefined) => Grammar | undefined = (form) => form,
): TokenConstraint | undefined {
  const format = responseFormat === undefined ? undefined : responseFormatGrammar(responseFormat, "responseFormat");
  const given = grammar === undefined ? undefined : grammarOf(grammar);
  if (format && given) throw new OptionError("grammar: got one beside a responseFormat, need one of them");
  const asked = beside(format ?? given);
  if (!asked) return undefined;
  if (ignoreEos === true) throw new OptionError("ignoreEos: got true beside a grammar, responseFormat or calls, which say where the text ends, need false"); // prettier-ignore
  return new TokenConstraint(asked, tokenizer, endTokenIds);
}

function grammarOf(grammar: unknown): Grammar {
  if (typeof grammar === "string") return textGrammar(grammar, "grammar");
  if (typeof grammar === "object" && grammar !== null && "kind" in grammar) return grammar as Grammar;
  throw new OptionError(`grammar: got ${describe(grammar)}, need a text in GBNF`);
}
