/** OpenAI's protocol over HTTP: node server.mjs MODEL [PORT] */
import { serve } from "@hono/node-server";
import { loadModel } from "fptq";
import { createServer } from "fptq/server";

const [source, port = "8080"] = process.argv.slice(2);
const app = createServer(await loadModel(source, { cacheTokens: 8192 }), { alias: "model" });
serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(port) }, ({ port: bound }) =>
  console.log(`http://127.0.0.1:${bound}/v1`),
);
