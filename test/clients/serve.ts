/** Servers on loopback for the clients: over the tiny model, and over one that says what is asked of it. */
import { poolingJson } from "../../src/checkpoint/pooling.ts";
import { loadModel, type LanguageModel } from "../../src/core.ts";
import { nodeHost } from "../../src/host/node.ts";
import { listen } from "../../src/host/node/node-http-server.ts";
import { createServer, type ServerOptions } from "../../src/server.ts";
import { scriptedModel } from "../server/scripted-model.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 57;

export interface Serving {
  /** Ends in /v1. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A language model that also says how its states become vectors. */
export function loadTiny(): Promise<LanguageModel> {
  const folder = tinyModel(SEED);
  const pooling = poolingJson({ kind: "last", normalize: true, prompts: {} });
  folder.set("config.json", JSON.stringify({ ...folder.json("config.json"), fptq: pooling }));
  return loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 256, cacheTokens: 4096 });
}

export async function serve(model: LanguageModel, options: ServerOptions = {}): Promise<Serving> {
  const { port, untilEnded } = await listen(createServer(model, { alias: "tiny", ...options }), {
    hostname: "127.0.0.1",
    port: 0,
  });
  const end = new AbortController();
  const ended = untilEnded(end.signal, 0);
  return {
    url: `http://127.0.0.1:${port}/v1`,
    stop: () => {
      end.abort();
      return ended;
    },
  };
}

/** What a template of Hermes shows: enough to read its calls. */
const HERMES = "<tool_call></tool_call><think></think>";
export const CITY = "Łódź";

/** A model that calls a function. */
export const calling = (model: LanguageModel): LanguageModel =>
  scriptedModel(model, `Let me see.\n<tool_call>{"name": "weather", "arguments": {"city": "${CITY}"}}</tool_call>`, HERMES);
