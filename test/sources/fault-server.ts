/**
 * An HTTP server on the loopback that serves files from memory, fails on purpose, and remembers what it was
 * asked.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * What goes wrong, once for each time it stands in a file's list; then the file is served as it should be.
 */
export type Fault =
  | { readonly kind: "status"; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly kind: "redirect"; readonly to: string }
  /** The connection is cut after so many bytes of the body. */
  | { readonly kind: "cut"; readonly after: number }
  /** The answer ends in order after so many bytes, and says that was all. */
  | { readonly kind: "short"; readonly after: number }
  /** Another length is declared than is sent. */
  | { readonly kind: "length"; readonly bytes: number }
  /** One bit of the body is another one. */
  | { readonly kind: "flip"; readonly at: number }
  /** The body comes slowly: a piece, then silence. */
  | { readonly kind: "slow"; readonly piece: number };

export interface Request {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  /** Known once it has been answered. */
  readonly status: number;
}

const tags = new WeakMap<Uint8Array, string>();

/** A validator made from the content, once. */
function tagOf(file: Uint8Array): string {
  let tag = tags.get(file);
  if (tag === undefined) tags.set(file, (tag = `"${createHash("md5").update(file).digest("hex")}"`));
  return tag;
}

export class FaultServer implements AsyncDisposable {
  readonly files = new Map<string, Uint8Array>();
  readonly requests: Request[] = [];
  /** Path -> faults still to come. */
  readonly faults = new Map<string, Fault[]>();
  /** Path -> the fault of every request. */
  readonly always = new Map<string, Fault>();
  ranges = true;
  validators = true;
  lengths = true;
  /** Answered before files are looked up. */
  respond: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  readonly #server = createServer((request, response) => this.#answer(request, response));

  static async start(): Promise<FaultServer> {
    const server = new FaultServer();
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  addFolder(path: string, files: Iterable<readonly [string, { readonly bytes: Uint8Array }]>): void {
    for (const [name, { bytes }] of files) this.files.set(`${path}/${name}`, bytes);
  }

  asked(path: string): Request[] {
    return this.requests.filter((request) => request.path === path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname: path } = new URL(request.url!, "http://any");
    const { range, authorization } = request.headers;
    this.requests.push({
      path,
      range,
      authorization,
      get status() {
        return response.statusCode;
      },
    });
    if (this.respond?.(request, response)) return;
    const fault = this.faults.get(path)?.shift() ?? this.always.get(path);
    if (fault?.kind === "status") return void response.writeHead(fault.status, fault.headers).end("no");
    if (fault?.kind === "redirect") return void response.writeHead(302, { location: fault.to }).end();
    const file = this.files.get(decodeURIComponent(path));
    if (!file) return void response.writeHead(404).end("not found");

    const etag = this.validators ? { etag: tagOf(file) } : undefined;
    if (etag && request.headers["if-none-match"] === etag.etag) return void response.writeHead(304, etag).end();
    const begin = this.ranges && range ? Number(/^bytes=(\d+)-$/.exec(range)![1]) : 0;
    let body = fault?.kind === "flip" ? file.slice(begin) : file.subarray(begin);
    if (fault?.kind === "flip" && fault.at >= begin) body[fault.at - begin]! ^= 4;
    const declared =
      fault?.kind === "length" ? fault.bytes : fault?.kind === "short" ? Math.min(fault.after, body.length) : body.length;
    if (fault?.kind === "short") body = body.subarray(0, fault.after);
    const partial = this.ranges && range !== undefined;
    const length = this.lengths ? { "content-length": String(declared) } : undefined;
    const end = fault?.kind === "short" ? file.length : begin + body.length;
    response.writeHead(partial ? 206 : 200, {
      ...etag,
      ...length,
      ...(partial && { "content-range": `bytes ${begin}-${end - 1}/${file.length}` }),
    });
    if (fault?.kind === "cut") {
      response.write(body.subarray(0, fault.after), () => setTimeout(() => response.destroy(), 5));
    } else if (fault?.kind === "slow") response.write(body.subarray(0, fault.piece));
    else response.end(body);
  }
}
