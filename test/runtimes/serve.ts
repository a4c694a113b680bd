/** The server that browsers and workerd get everything from: the files of a directory, with ranges. */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { textOf } from "./launch.ts";
import { OUTCOME } from "./page-server.ts";

const MEDIA_TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" }; // prettier-ignore

/** The strictest policy this package is to work under. */
const POLICY = "script-src 'self' 'wasm-unsafe-eval'";

export interface FileServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** What a page posts as its outcome. */
  readonly outcome: Promise<unknown>;
  /** Bytes of files sent so far. */
  sent(): number;
  close(): void;
}

export interface ServeOptions {
  /** Whether pages may share memory between threads. */
  readonly isolated: boolean;
  /** Answers `GET /workers`. */
  countWorkers(): number;
}

/** Under `/untyped/`, the same files as plain bytes. Everything else is served with its media type. */
export async function serve(directory: string, { isolated, countWorkers }: ServeOptions): Promise<FileServer> {
  let post!: (outcome: unknown) => void;
  const outcome = new Promise((resolve) => (post = resolve));
  let sent = 0;
  const server = createServer(async (request, response) => {
    response.setHeader("Content-Security-Policy", POLICY);
    if (isolated) {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    const { pathname } = new URL(request.url!, "http://localhost");
    if (pathname === OUTCOME) {
      post(JSON.parse(await textOf(request)));
      response.end();
    } else if (pathname === "/workers") {
      response.end(String(countWorkers()));
    } else {
      const untyped = pathname.startsWith("/untyped/");
      const path = untyped ? pathname.slice("/untyped".length) : pathname;
      sendFile(
        join(directory, normalize(path === "/" ? "/index.html" : path)),
        untyped,
        request,
        response,
        (bytes) => (sent += bytes),
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    outcome,
    sent: () => sent,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function sendFile(
  file: string,
  untyped: boolean,
  request: IncomingMessage,
  response: ServerResponse,
  onSent: (bytes: number) => void,
): void {
  if (!existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
  const { size, mtimeMs } = statSync(file);
  // Small files of a model, whose digest nobody states, are kept only by such a tag.
  const etag = `"${size}-${mtimeMs}"`;
  if (request.headers["if-none-match"] === etag) return void response.writeHead(304).end();
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const start = Number(from ?? 0);
  const end = Math.min(to ? Number(to) : size - 1, size - 1);
  const headers = {
    "content-type": (!untyped && MEDIA_TYPES[extname(file)]) || "application/octet-stream",
    "content-length": size === 0 ? 0 : end - start + 1,
    "accept-ranges": "bytes",
    etag,
    ...(from !== undefined && { "content-range": `bytes ${start}-${end}/${size}` }),
  };
  response.writeHead(from === undefined ? 200 : 206, headers);
  if (request.method === "HEAD" || size === 0) response.end();
  else createReadStream(file, { start, end }).on("data", ({ length }) => onSent(length)).pipe(response); // prettier-ignore
}
