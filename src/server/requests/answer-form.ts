/**
 * Fields that say what an answer must look like: OpenAI's `response_format`, and llama.cpp's `grammar` and
 * `json_schema`.
 */
import * as z from "zod";
import { jsonSchemaGrammar, textGrammar } from "../../decoding/grammar/response-format.ts";
import type { Grammar } from "../../decoding/grammar/grammar.ts";
import { OptionError } from "../../errors.ts";
import { ApiError } from "../api-error.ts";

const schema = z.record(z.string(), z.unknown());

export const formFields = {
  response_format: z
    .discriminatedUnion("type", [
      z.looseObject({ type: z.literal("text") }),
      // llama.cpp takes a schema here too.
      z.looseObject({ type: z.literal("json_object"), schema: schema.nullish() }),
      z.looseObject({ type: z.literal("json_schema"), json_schema: z.looseObject({ schema }) }),
    ])
    .nullish(),
  grammar: z.string().nullish(),
  json_schema: schema.nullish(),
};

export type FormFields = z.output<z.ZodObject<typeof formFields>> & { readonly ignore_eos?: boolean | null | undefined };

/** What the request calls the schema of `response_format`. */
export const SCHEMA_FIELD = "response_format.json_schema.schema";

/**
 * @returns undefined for an answer that may be any text
 * @throws ApiError 400 naming what answers cannot be held to, or for more than one of the fields
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
  return blaming(first.make);
}

function formatGrammar(format: Exclude<FormFields["response_format"], null | undefined>, schemaField: string): Grammar {
  if (format.type === "json_schema") return jsonSchemaGrammar(format.json_schema.schema, schemaField);
  return jsonSchemaGrammar(
    (format.type === "json_object" ? format.schema : undefined) ?? { type: "object" },
    "response_format.schema",
  );
}

/** Gives what is wrong with a grammar the name of the field in the request. */
export function blaming(make: () => Grammar): Grammar {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new ApiError(400, error.message, { param: error.message.slice(0, error.message.indexOf(": ")) });
  }
}

function refusal(param: string, reason: string): ApiError {
  return new ApiError(400, `${param}: ${reason}`, { param });
}
