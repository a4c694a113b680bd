/**
 * `fptq/server`: a server of OpenAI's protocol, for any runtime with `fetch` handlers.
 *
 *     import { loadModel } from "fptq";
 *     import { createServer } from "fptq/server";
 *
 *     const app = createServer(await loadModel("SmolLM2-w4a8"));
 *     export default app;
 *
 * @module fptq/server
 */
export { createServer } from "./server/create-server.ts";
export type { ServedModel, ServerOptions } from "./server/server-options.ts";
export type { SlotStore } from "./server/slots.ts";
