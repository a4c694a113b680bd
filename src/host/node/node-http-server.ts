/** A `fetch` handler behind Node's HTTP server, with limits for clients that are slow or never end. */
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { CapabilityError } from "../../errors.ts";

export interface ListenOptions {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly limits?: Partial<HttpLimits>;
}

/** How long a client may take, in milliseconds, before it is cut off. */
export interface HttpLimits {
  /** Until the headers of a request are there. */
  readonly headers: number;
  /** Until all of it is there: a slow body holds a socket. */
  readonly request: number;
  /** In which it takes nothing of an answer that lies ready: a text nobody reads holds room in the cache. */
  readonly reading: number;
  /** Between two requests. */
  readonly idle: number;
  /** How often the first two are looked at. */
  readonly interval: number;
}

const LIMITS: HttpLimits = { headers: 15_000, request: 60_000, reading: 30_000, idle: 15_000, interval: 1000 };

export interface ListeningServer {
  readonly port: number;
  /**
   * Resolves when the signal is aborted and everybody has been answered, or cut off: after `grace`
   * milliseconds `late` is called, to tell them, and soon after connections are closed.
   */
  untilEnded(signal: AbortSignal, grace: number, late?: () => void): Promise<void>;
}

/** Bytes of headers; twice what browsers send at most. */
const MAX_HEADER_BYTES = 16 * 1024;
/** How often connections that wait for a next request are closed at the end. */
const CLOSING_INTERVAL = 100;
/** What is left to those that were told that they are late. */
const LAST_WORDS = 1000;

/** The address a request came from. */
export const remoteAddress = (c: Parameters<typeof getConnInfo>[0]): string | undefined => getConnInfo(c).remote.address;

/** @throws CapabilityError for an address or port that cannot be listened at */
export async function listen(
  app: { fetch(request: Request, env?: unknown): Response | Promise<Response> },
  { hostname, port, limits = {} }: ListenOptions,
): Promise<ListeningServer> {
  const { headers, request: whole, reading, idle, interval } = { ...LIMITS, ...limits };
  const server = createAdaptorServer({
    fetch: (request, env) => app.fetch(request, env),
    createServer,
    serverOptions: {
      headersTimeout: headers,
      requestTimeout: whole,
      connectionsCheckingInterval: interval,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: idle,
    },
  }) as ReturnType<typeof createServer>;
  const answering = new WeakSet<Socket>();
  server.on("request", ({ socket }, response) => {
    answering.add(socket);
    response.once("close", () => answering.delete(socket));
  });
  // Told where nothing has gone over a socket for so long: who waits for an answer has nothing to read yet.
  server.setTimeout(reading, (socket) => {
    if (!answering.has(socket) || socket.writableLength > 0) socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new CapabilityError(`server: cannot listen at ${hostname}, port ${port}: ${cause.message}`, { cause })),
    );
    server.listen(port, hostname, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    untilEnded: (signal, grace, late = () => {}) =>
      new Promise((resolve) => {
        const end = () => {
          const timers = [
            setTimeout(late, grace),
            setTimeout(() => server.closeAllConnections(), grace + LAST_WORDS),
            // Connections that clients keep for a next request become idle one after the other.
            setInterval(() => server.closeIdleConnections(), CLOSING_INTERVAL),
          ];
          server.close(() => {
            timers.forEach(clearTimeout);
            resolve();
          });
        };
        if (signal.aborted) end();
        else signal.addEventListener("abort", end, { once: true });
      }),
  };
}
