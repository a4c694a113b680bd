/** The entry point of the Worker: the model is an asset, loaded by the first request that needs it. */
import { env, waitUntil } from "cloudflare:workers";
import { CapabilityError, loadModel } from "fptq";
import { createServer } from "fptq/server";

interface Environment {
  readonly ASSETS: { fetch: typeof fetch };
  readonly API_KEY?: string;
  readonly CORS_ORIGIN?: string;
}

const { ASSETS, API_KEY, CORS_ORIGIN } = env as Environment;

/** An isolate has 128 MiB, and the rest of the program needs some of it. */
const MEMORY_BUDGET = 120e6;

async function load() {
  // Bindings ignore the host. The short context and the small chunks are for the memory.
  const options = { fetch: (url: string, init?: RequestInit) => ASSETS.fetch(url, init), contextSize: 512, chunkSize: 16 };
  const model = await loadModel("https://assets.local/", options);
  const { total } = model.memory();
  if (total <= MEMORY_BUDGET) return model;
  await model.dispose();
  throw new CapabilityError(`memory: the model needs ${total} bytes, the budget is ${MEMORY_BUDGET}; lower contextSize`);
}

export default createServer(load, {
  alias: "smollm2-135m-instruct-w4a8",
  parallel: 1,
  maxWaiting: 4,
  maxTokens: 256,
  maxBodyBytes: 64 * 1024,
  apiKeys: API_KEY ? [API_KEY] : [],
  corsOrigin: CORS_ORIGIN || undefined,
  waitUntil,
});
