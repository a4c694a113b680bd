/** The server in Deno. */
import { loadModel } from "fptq";
import { createServer } from "fptq/server";

const variable = (name: string, fallback: string) => Deno.env.get(name) || fallback;
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
Deno.serve({ hostname: variable("HOST", "127.0.0.1"), port: Number(variable("PORT", "8080")) }, app.fetch);
