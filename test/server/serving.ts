/** A server over a tiny model, and a client of a few lines for it. */
import { loadModel, type LanguageModel } from "../../src/core.ts";
import { nodeHost } from "../../src/host/node.ts";
import { createServer, type ServerOptions } from "../../src/server.ts";
import { tinyModel } from "../tiny-model.ts";

export const SEED = 91;

export const loadTiny = () =>
  loadModel({ kind: "folder", folder: tinyModel(SEED) }, nodeHost, { threads: 1, contextSize: 256, cacheTokens: 4096 });

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the server says; tests look into it
  readonly json: any;
}

export interface Client {
  get(path: string, headers?: Record<string, string>): Promise<Reply>;
  post(path: string, body: unknown, init?: { headers?: Record<string, string>; signal?: AbortSignal }): Promise<Reply>;
  /** The chunks of a stream, which has to end with [DONE]. */
  stream(path: string, body: object): Promise<Reply["json"][]>;
  /** The events of a stream, each of which has to be named by its type. */
  events(path: string, body: object): Promise<Reply["json"][]>;
}

export function clientOf(model: LanguageModel, options: ServerOptions = {}): Client {
  const app = createServer(model, options);
  const reply = async (response: Response): Promise<Reply> => {
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json");
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
  };
  const client: Client = {
    async get(path, headers = {}) {
      return reply(await app.request(path, { headers }));
    },
    async post(path, body, { headers = {}, signal } = {}) {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const all = { "Content-Type": "application/json", ...headers };
      return reply(await app.request(path, { method: "POST", headers: all, body: text, ...(signal && { signal }) }));
    },
    async stream(path, body) {
      const { text } = await client.post(path, { ...body, stream: true });
      const events = text.trim().split("\n\n").map((event) => event.replace(/^data: /, "")); // prettier-ignore
      if (events.pop() !== "[DONE]") throw new Error(`a stream that does not end: ${text}`);
      return events.map((event) => JSON.parse(event) as unknown);
    },
    async events(path, body) {
      const { text } = await client.post(path, { ...body, stream: true });
      return text.trim().split("\n\n").map((event) => {
        const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(event)!;
        const json = JSON.parse(data!) as { type: string };
        if (json.type !== name) throw new Error(`an event of another name: ${event}`);
        return json;
      }); // prettier-ignore
    },
  };
  return client;
}
