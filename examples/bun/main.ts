/** The server in Bun. */
import { createApp } from "../workers/src/app.ts";
import { readEnvironment } from "../workers/src/server-environment.ts";

const options = readEnvironment((name) => Bun.env[name]);
// A request that waits for its turn sends nothing for a while.
const server = Bun.serve({ hostname: options.hostname, port: options.port, idleTimeout: 255, fetch: createApp(options).fetch });
console.error(`Listening on ${server.url}`);
