/** The server in Deno. */
import { createApp } from "../workers/src/app.ts";
import { readEnvironment } from "../workers/src/server-environment.ts";

const options = readEnvironment((name) => Deno.env.get(name));
Deno.serve({ hostname: options.hostname, port: options.port }, createApp(options).fetch);
