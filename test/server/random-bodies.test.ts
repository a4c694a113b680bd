/**
 * Random bodies at every endpoint: an answer or a refusal, never a failure. Most go to a server whose model
 * only says what it was told to, so that there can be many; the others go through the tiny model.
 *
 *   FPTQ_RANDOM_BODIES=10000 npx tsx test/server/random-bodies.test.ts
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ServerOptions, SlotStore } from "../../src/server.ts";
import { mulberry32 } from "../random.ts";
import { scriptedModel } from "./scripted-model.ts";
import { clientOf, loadTiny, SEED } from "./serving.ts";

const COUNT = Number(process.env["FPTQ_RANDOM_BODIES"] ?? 2000);
/** One in so many goes through the model. */
const THROUGH_MODEL = 20;
const test = suite(`${COUNT} random bodies (seed ${SEED})`);
const model = await loadTiny();
test.after(() => model.dispose());

const random = mulberry32(SEED);
const below = (count: number) => Math.floor(random() * count);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

const CHAT_KEYS = ["messages", "tools", "tool_choice", "parallel_tool_calls", "response_format", "logprobs", "top_logprobs", "max_completion_tokens", "chat_template_kwargs", "functions"]; // prettier-ignore
const TEXT_KEYS = ["prompt", "echo", "logprobs", "suffix", "best_of"];
const SAMPLING_KEYS = ["temperature", "stop", "n", "seed", "top_p", "top_k", "min_p", "stream", "logit_bias", "stream_options", "repeat_penalty", "presence_penalty", "id_slot", "grammar", "model", "ignore_eos"]; // prettier-ignore
/** What an endpoint knows; others come too. */
const ENDPOINTS: Readonly<Record<string, readonly string[]>> = {
  "/v1/chat/completions": [...CHAT_KEYS, ...SAMPLING_KEYS],
  "/v1/completions": [...TEXT_KEYS, ...SAMPLING_KEYS],
  "/v1/responses": ["input", "instructions", "text", "tools", "tool_choice", "store", "include", "metadata", "previous_response_id", ...SAMPLING_KEYS], // prettier-ignore
  "/v1/embeddings": ["input", "encoding_format", "dimensions", "prompt_name", "model"],
  "/v1/rerank": ["query", "documents", "top_n", "return_documents", "instruction"],
  "/tokenize": ["content", "prompt", "add_special", "parse_special", "with_pieces"],
  "/detokenize": ["tokens"],
  "/apply-template": ["messages", "tools", "chat_template_kwargs"],
  "/slots/0?action=save": ["filename"],
  "/slots/1?action=restore": ["filename"],
  "/slots/2?action=erase": ["filename"],
  "/slots/x?action=": [],
};
const PATHS = Object.keys(ENDPOINTS);
const INNER_KEYS = ["role", "content", "type", "text", "function", "name", "parameters", "arguments", "tool_calls", "format", "schema", "call_id", "output", "5", "__proto__"]; // prettier-ignore
const TEXTS = ["", "the", "<|im_end|>", "\ud800", "\u0000", "user", "assistant", "tool", "function", "function_call", "message", "auto", "json_schema", "json_object", "base64", "a.bin", "../a", "{{ 1/0 }}"]; // prettier-ignore
const MESSAGES = [{ role: "user", content: "hello" }];

function value(depth: number): unknown {
  return pick<() => unknown>([
    () => null,
    () => random() < 0.5,
    () => pick([0, 1, 2, -1, 0.5, 1e9, -1e-9, 1e308, 2 ** 53]),
    () => pick(TEXTS),
    () => pick(TEXTS),
    () => (depth > 3 ? [] : Array.from({ length: below(4) }, () => value(depth + 1))),
    () => (depth > 3 ? {} : Object.fromEntries(Array.from({ length: below(4) }, () => [pick(INNER_KEYS), value(depth + 1)]))),
    () => MESSAGES,
    () => [{ type: "function", name: "f", strict: true, parameters: schema(depth), function: { name: pick(TEXTS), strict: true, parameters: schema(depth) } }],
    () => ({ type: "json_schema", schema: schema(depth), json_schema: { schema: schema(depth) } }),
  ])(); // prettier-ignore
}

const KEYWORDS = ["type", "properties", "required", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "$defs", "pattern", "format", "minLength", "maxItems", "minimum", "multipleOf", "additionalProperties", "not"]; // prettier-ignore

/** What looks like a schema, mostly a wrong one. */
function schema(depth: number): unknown {
  const inner = () => (depth > 3 || random() < 0.2 ? value(depth + 1) : schema(depth + 1));
  const entry = (): [string, unknown] => {
    const keyword = pick(KEYWORDS);
    const fitting: Record<string, () => unknown> = {
      type: () => pick(["object", "array", "string", "number", "integer", "null", ["string", "object"]]),
      properties: () => ({ [pick(INNER_KEYS)]: inner(), a: inner() }),
      $defs: () => ({ a: inner() }),
      $ref: () => pick(["#", "#/$defs/a", "#/properties/a", "#/x"]),
      pattern: () => pick(["^a+$", "(", "(a|b)*a(a|b){20}", "\\p{L}"]),
      anyOf: () => [inner(), inner()],
      required: () => ["a"],
    };
    return [keyword, random() < 0.8 ? (fitting[keyword] ?? inner)() : value(depth + 1)];
  };
  return Object.fromEntries(Array.from({ length: below(4) }, entry));
}

function bodyFor(path: string): string {
  const keys = [...ENDPOINTS[path]!, "unknown"];
  // Most have what is needed, so that what else is in them matters.
  const isWhole = random() < 0.7;
  const prompt = path === "/tokenize" || path === "/v1/responses" ? {} : { prompt: "the" };
  const needed = { messages: MESSAGES, input: "the", query: "a", documents: ["b"], content: "x", tokens: [1] };
  const fields = Array.from({ length: isWhole ? below(3) : 1 + below(5) }, () => [pick(keys), value(0)] as const);
  const whole = isWhole ? { ...needed, ...prompt } : {};
  const most = path === "/v1/responses" ? "max_output_tokens" : "max_tokens";
  const json = JSON.stringify({ [most]: 2, ...whole, ...Object.fromEntries(fields) });
  return random() < 0.02 ? json.slice(0, below(json.length)) : json;
}

class Shelf implements SlotStore {
  readonly #files = new Map<string, Uint8Array>();

  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.#files.set(name, bytes);
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    return this.#files.get(name);
  }
}

test("an answer or a refusal", async () => {
  const failures: unknown[] = [];
  const options: ServerOptions = { embedding: true, pooling: "mean", maxTokens: 8, maxBodyBytes: 20_000, onError: (error) => failures.push(error) }; // prettier-ignore
  const scripted = scriptedModel(model, '<tool_call>{"name": "f"}</tool_call>', "<tool_call></tool_call>");
  const servers = [clientOf(scripted, options), clientOf(model, { ...options, slots: new Shelf() })] as const;
  const statuses = new Map<number, number>();
  for (let i = 0; i < COUNT; i++) {
    const path = pick(PATHS);
    const body = bodyFor(path);
    const { status, text } = await servers[i % THROUGH_MODEL === 0 ? 1 : 0].post(path, body);
    assert.ok([200, 400, 404].includes(status), `${path} ${body}: ${status} ${text}`);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  assert.equal(failures, []);
  // Neither all were refused nor all let through.
  assert.ok(statuses.get(200)! > COUNT / 20 && statuses.get(400)! > COUNT / 20, JSON.stringify([...statuses]));
  assert.is((await servers[1].post("/v1/completions", { prompt: "the", max_tokens: 2 })).status, 200);
});

test.run();
