/** A `fetch` handler behind Node's HTTP server, with limits for clients that are slow or never end. */
import type { AddressInfo } from "node:net";
import { createServer } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { CapabilityError } from "../../errors.ts";

export interface ListenOptions {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface ListeningServer {
  readonly port: number;
  /**
   * Resolves when the signal is aborted and everybody has been answered, or cut off after `grace`
   * milliseconds.
   */
  untilEnded(signal: AbortSignal, grace: number): Promise<void>;
}

/** Milliseconds in which the headers of a request have to come, and all of it: a slow body holds a socket. */
const HEADERS_TIMEOUT = 15_000;
const REQUEST_TIMEOUT = 60_000;
/** Bytes of headers; twice what browsers send at most. */
const MAX_HEADER_BYTES = 16 * 1024;

/** @throws CapabilityError for an address or port that cannot be listened at */
export async function listen(
  app: { fetch(request: Request): Response | Promise<Response> },
  { hostname, port }: ListenOptions,
): Promise<ListeningServer> {
  const server = createAdaptorServer({
    fetch: (request) => app.fetch(request),
    createServer,
    serverOptions: {
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: HEADERS_TIMEOUT,
    },
  }) as ReturnType<typeof createServer>;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new CapabilityError(`server: cannot listen at ${hostname}, port ${port}: ${cause.message}`, { cause })),
    );
    server.listen(port, hostname, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    untilEnded: (signal, grace) =>
      new Promise((resolve) => {
        const end = () => {
          const cut = setTimeout(() => server.closeAllConnections(), grace);
          server.close(() => {
            clearTimeout(cut);
            resolve();
          });
          server.closeIdleConnections();
        };
        if (signal.aborted) end();
        else signal.addEventListener("abort", end, { once: true });
      }),
  };
}
