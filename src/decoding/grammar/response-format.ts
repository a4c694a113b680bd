/** What a caller asks of the form of an answer, as a grammar. */
import { OptionError } from "../../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../../json-object.ts";
import { shown } from "../../need.ts";
import { gbnfGrammar } from "./gbnf.ts";
import type { Grammar } from "./grammar.ts";
import { recognizerOf } from "./recognizer.ts";
import { JSON_NOTATION } from "./json/json-notation.ts";
import type { Notation } from "./json/notation.ts";
import { schemaGrammar } from "./json/schema-grammar.ts";

/** The form of an answer, as OpenAI's `response_format` has it. */
export type ResponseFormat =
  | { readonly type: "text" }
  /** Any JSON object. */
  | { readonly type: "json_object" }
  /** JSON that a schema holds for. `strict` makes no difference: every answer is held to it. */
  | {
      readonly type: "json_schema";
      readonly json_schema: {
        readonly schema: JsonObject;
        readonly name?: string | undefined;
        readonly description?: string | undefined;
        readonly strict?: boolean | null | undefined;
      };
    };

/** Grammars by what they are made of: a program asks for the same again and again, and masks go with them. */
const MOST_KNOWN = 64;
const known = new Map<string, Grammar>();

/**
 * @param where what the format is called in messages
 * @returns undefined for text
 * @throws OptionError naming what answers cannot be held to
 */
export function responseFormatGrammar(format: ResponseFormat, where: string): Grammar | undefined {
  if (!isJsonObject(format)) throw new OptionError(`${where}: got ${describe(format)}, need an object with a type`);
  switch (format.type) {
    case "text":
      return undefined;
    case "json_object":
      return jsonSchemaGrammar({ type: "object" }, where);
    case "json_schema":
      if (!isJsonObject(format.json_schema) || !isJsonObject(format.json_schema.schema))
        throw new OptionError(`${where}.json_schema.schema: got nothing, need a JSON schema`);
      return jsonSchemaGrammar(format.json_schema.schema, `${where}.json_schema.schema`);
    default:
      throw new OptionError(
        `${where}.type: got ${shown((format as JsonObject)["type"])}, need "text", "json_object" or "json_schema"`,
      );
  }
}

/**
 * JSON, or what a notation has for it, that a schema holds for.
 * @param where as above @throws OptionError as above
 */
export function jsonSchemaGrammar(schema: unknown, where: string, notation: Notation = JSON_NOTATION): Grammar {
  const key = `${notation.name} ${schemaText(schema, where)}`;
  return remembered(key, where, () => schemaGrammar(schema, where, notation));
}

/** @throws OptionError for one that is nested too deep to be written */
export function schemaText(schema: unknown, where: string): string {
  try {
    return JSON.stringify(schema) ?? "";
  } catch (cause) {
    throw new OptionError(`${where}: got one that cannot be written as JSON, need a schema`, { cause });
  }
}

/** llama.cpp's grammars. @throws OptionError for one that is malformed, naming the line */
export function textGrammar(source: string, where: string): Grammar {
  return remembered(`gbnf ${source}`, where, () => gbnfGrammar(source, where));
}

function remembered(key: string, where: string, make: () => Grammar): Grammar {
  const grammar = known.get(key) ?? make();
  recognizerOf(grammar, where);
  known.delete(key);
  known.set(key, grammar);
  if (known.size > MOST_KNOWN) known.delete(known.keys().next().value!);
  return grammar;
}
