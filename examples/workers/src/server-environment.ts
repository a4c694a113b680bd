/**
 * What a server that is a process reads from its environment: `MODEL`, `MODEL_NAME`, `CONTEXT_SIZE`,
 * `CORS_ORIGIN`, `HOST`, `PORT`.
 */
import type { ServerOptions } from "./app.ts";

export interface Listening {
  readonly hostname: string;
  readonly port: number;
}

/** The checkpoint of the repository this example belongs to. */
const EMBEDDED = new URL("../../../models/smollm2-135m-instruct-w4a8", import.meta.url);

/**
 * @param variable a variable of the environment
 * @throws RangeError for a number that is none
 */
export function readEnvironment(variable: (name: string) => string | undefined): ServerOptions & Listening {
  const number = (name: string, fallback: number, most: number) => {
    const text = variable(name) || String(fallback);
    if (!/^\d+$/.test(text) || Number(text) > most) throw new RangeError(`${name}: got "${text}", need 0 to ${most}`);
    return Number(text);
  };
  return {
    model: variable("MODEL") || decodeURIComponent(EMBEDDED.pathname),
    modelName: variable("MODEL_NAME") || "smollm2-135m-instruct-w4a8",
    loadOptions: { contextSize: number("CONTEXT_SIZE", 2048, 2 ** 20) },
    corsOrigin: variable("CORS_ORIGIN") || undefined,
    hostname: variable("HOST") || "127.0.0.1",
    port: number("PORT", 8080, 65_535),
  };
}
