/** What the fields of a request ask of the form of its answer, as a grammar. */
import type { Grammar } from "../../decoding/grammar/grammar.ts";
import { jsonSchemaGrammar, textGrammar } from "../../decoding/grammar/response-format.ts";
import { OptionError } from "../../errors.ts";
import type { FormFields } from "../requests/form-fields.ts";

/** What the request calls the schema of `response_format`. */
export const SCHEMA_FIELD = "response_format.json_schema.schema";

/**
 * @returns undefined for an answer that may be any text
 * @throws OptionError naming what answers cannot be held to, or for more than one of the fields
 */
export function answerForm(body: FormFields, schemaField: string = SCHEMA_FIELD): Grammar | undefined {
  const { response_format: format, grammar, json_schema: given, ignore_eos: ignoresEnd } = body;
  const asked = {
    response_format: format && format.type !== "text" ? () => formatGrammar(format, schemaField) : undefined,
    json_schema: given ? () => jsonSchemaGrammar(given, "json_schema") : undefined,
    grammar: grammar ? () => textGrammar(grammar, "grammar") : undefined,
  };
  const [first, second] = Object.entries(asked).flatMap(([field, make]) => (make ? [{ field, make }] : []));
  if (!first) return undefined;
  if (second) throw refusal(second.field, `got it beside ${first.field}, need one of them`);
  if (ignoresEnd) throw refusal("ignore_eos", `got true beside ${first.field}, which says where the answer ends, need false`);
  return first.make();
}

function formatGrammar(format: Exclude<FormFields["response_format"], null | undefined>, schemaField: string): Grammar {
  if (format.type === "json_schema") return jsonSchemaGrammar(format.json_schema.schema, schemaField);
  return jsonSchemaGrammar(
    (format.type === "json_object" ? format.schema : undefined) ?? { type: "object" },
    "response_format.schema",
  );
}

function refusal(field: string, reason: string): OptionError {
  return new OptionError(`${field}: ${reason}`);
}
