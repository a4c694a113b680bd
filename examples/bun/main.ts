/** The server in Bun. */
import { loadModel } from "fptq";
import { createServer } from "fptq/server";

const variable = (name: string, fallback: string) => Bun.env[name] || fallback;
/** The checkpoint of the repository this example belongs to. */
const embedded = new URL("../../models/smollm2-135m-instruct-w4a8", import.meta.url).href;

const parallel = Number(variable("PARALLEL", "4"));
const contextSize = Number(variable("CONTEXT_SIZE", "2048"));
const model = await loadModel(variable("MODEL", embedded), { contextSize, cacheTokens: parallel * contextSize });
const app = createServer(model, {
  alias: variable("MODEL_NAME", "smollm2-135m-instruct-w4a8"),
  parallel,
  apiKeys: [variable("API_KEY", "")].filter((key) => key !== ""),
  corsOrigin: variable("CORS_ORIGIN", "") || undefined,
});
const [hostname, port] = [variable("HOST", "127.0.0.1"), Number(variable("PORT", "8080"))];
// A request that waits for its turn sends nothing for a while.
const server = Bun.serve({ hostname, port, idleTimeout: 255, fetch: (request) => app.fetch(request) });
console.error(`Listening on ${server.url}`);
