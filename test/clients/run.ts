/**
 * The clients that people have, against servers on loopback.
 *
 *   npm run test:clients
 *
 * They are installed beside this file, at the versions of its lockfile, and need Node 22 or newer.
 */
import { aiSdkChecks } from "./ai-sdk.ts";
import { Checks } from "../checks.ts";
import { langchainChecks } from "./langchain.ts";
import { openaiChecks } from "./openai.ts";
import { loadTiny } from "./serve.ts";

const counted = new Checks();
const model = await loadTiny();
await openaiChecks(counted, model);
await aiSdkChecks(counted, model);
await langchainChecks(counted, model);
await model.dispose();
counted.end();
