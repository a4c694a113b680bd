/** What a Hugging Face Hub answers for one model, on a server that fails on purpose. */
import { createHash } from "node:crypto";
import type { MemoryFolder } from "../memory-folder.ts";
import type { FaultServer } from "./fault-server.ts";

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
export const TOKEN = "hf_secret";

export interface HubModelOptions {
  /** Answers 401 without the token. */
  readonly isPrivate?: boolean;
  /** Where a large file is, as the Hub redirects to its content network. */
  readonly contentOrigin?: string;
}

/**
 * Serves a folder as `org/model`, revision "main". Tensors are large files with SHA-256, others have git's
 * blob ids.
 */
export function serveModel(server: FaultServer, folder: MemoryFolder, options: HubModelOptions = {}): void {
  const entries = [...folder.files].map(([path, { bytes }]) => {
    const oid = gitOid(bytes);
    const lfs = /\.(safetensors|gguf)$/.test(path) ? { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } : undefined;
    return { type: "file", path, size: bytes.length, oid, lfs };
  });
  server.addFolder(`/org/model/resolve/${COMMIT}`, folder.files);
  server.respond = (request, response) => {
    const { pathname } = new URL(request.url!, "http://any");
    const json = (value: unknown) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (server.faults.has(pathname) || server.always.has(pathname)) return false;
    if (options.isPrivate && request.headers.authorization !== `Bearer ${TOKEN}`) {
      response.writeHead(401, { "content-type": "application/json" }).end('{"error":"Invalid username or password."}');
    } else if (pathname === "/api/models/org/model/revision/main" || pathname === `/api/models/org/model/revision/${COMMIT}`) {
      json({ _id: "1", id: "org/model", sha: COMMIT, lastModified: "2026-01-01T00:00:00.000Z", downloads: 0, likes: 0 });
    } else if (pathname === `/api/models/org/model/tree/${COMMIT}`) json(entries);
    else if (options.contentOrigin && pathname.endsWith(".safetensors")) {
      response.writeHead(302, { location: `${options.contentOrigin}${pathname}` }).end();
    } else if (pathname.startsWith("/api/")) {
      response.writeHead(404, { "content-type": "application/json" }).end('{"error":"Repository not found"}');
    } else return false;
    return true;
  };
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export function gitOid(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}
