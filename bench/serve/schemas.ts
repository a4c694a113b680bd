/** Answers that a server holds to schemas, each looked at by a validator that is not ours. */
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { schemaGrammar } from "../../src/decoding/grammar/json/schema-grammar.ts";
import { type Position, recognizerOf } from "../../src/decoding/grammar/recognizer.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { SCHEMAS } from "../../test/decoding/grammar/schemas.ts";

/** Tokens of an answer, and of every tenth, which is to be cut. */
const [TOKENS, FEW_TOKENS] = [200, 8];
const CLIENTS = 4;

export interface SchemaFigures {
  readonly schemas: number;
  readonly asked: number;
  /** Ended by themselves, JSON, and the schema holds for them. */
  readonly valid: number;
  /** Cut, said so, and are the beginning of a text that the schema holds for. */
  readonly cut: number;
  /** All others, with what is wrong. */
  readonly wrong: readonly string[];
}

interface Reply {
  readonly choices: readonly [{ readonly message: { readonly content: string }; readonly finish_reason: string }];
}

/** @throws Error for a status other than 200 */
export async function measureSchemas(origin: string, answers: number): Promise<SchemaFigures> {
  const schemas = Object.entries(SCHEMAS);
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  const wrong: string[] = [];
  let [valid, cut] = [0, 0];

  const one = async (i: number): Promise<void> => {
    const [name, schema] = schemas[i % schemas.length]!;
    const { message, finish_reason: reason } = (await asked(origin, name, schema, i)).choices[0];
    const text = message.content;
    const problem = reason === "stop" ? invalid(ajv, schema, text) : reason === "length" ? astray(schema, text) : reason;
    if (problem !== undefined) wrong.push(`${name} (${reason}): ${problem}: ${text}`);
    else if (reason === "stop") valid++;
    else cut++;
  };
  const waiting = Array.from({ length: answers }, (_, i) => i).values();
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (const i of waiting) await one(i);
    }),
  );
  return { schemas: schemas.length, asked: answers, valid, cut, wrong };
}

async function asked(origin: string, name: string, schema: JsonObject, seed: number): Promise<Reply> {
  const body = {
    messages: [{ role: "user", content: `Give me a short example, as JSON: ${name}` }],
    max_tokens: seed % 10 === 9 ? FEW_TOKENS : TOKENS,
    temperature: 1,
    seed,
    response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } },
  };
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${origin}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${name}: status ${response.status}: ${await response.text()}`);
  return (await response.json()) as Reply;
}

function invalid(ajv: Ajv2020, schema: JsonObject, text: string): string | undefined {
  try {
    return ajv.validate(schema, JSON.parse(text)) ? undefined : ajv.errorsText();
  } catch (error) {
    return String(error);
  }
}

/** The last character may be cut too. */
function astray(schema: JsonObject, text: string): string | undefined {
  const recognizer = recognizerOf(schemaGrammar(schema, "schema"));
  let position: Position | null = recognizer.start;
  for (const byte of new TextEncoder().encode(text.replace(/\ufffd$/, ""))) position &&= recognizer.after(position, byte);
  return position ? undefined : "no beginning of such a text";
}
