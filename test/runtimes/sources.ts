/**
 * Loading over HTTP, as each runtime does it: from a `fetch` that answers out of memory, so that no runtime
 * needs a server, into each kind of cache the runtime has. Names no runtime; the library comes from the
 * caller.
 */
import type { BlockStore, LanguageModel, LoadOptions, MemoryBlockStore, ModelSource, SourceOptions } from "../../src/core.ts";
import type { MemoryFolder } from "../memory-folder.ts";
import type { Check } from "./suite.ts";

export interface SourcesLibrary {
  open(source: ModelSource, options: LoadOptions & SourceOptions): Promise<LanguageModel>;
  readonly MemoryBlockStore: typeof MemoryBlockStore;
}

const IDS = [5, 4, 3, 2, 1, 0];

/** @param stores besides memory, by name */
export async function sourceChecks(
  { open: load, MemoryBlockStore: Memory }: SourcesLibrary,
  folder: MemoryFolder,
  stores: Readonly<Record<string, BlockStore | undefined>> = {},
): Promise<Check[]> {
  const direct = await firstLogits(load({ kind: "folder", folder }, {}));
  const checks: Check[] = [];
  for (const [name, cache] of Object.entries({ nothing: undefined, memory: new Memory(), ...stores })) {
    const server = new MemoryServer(folder.copy());
    const open = async (offline = false) => load(`${SERVER}/model/`, { fetch: server.fetch, cache: cache ?? false, offline });
    const check = async (what: string, run: () => Promise<boolean>) => {
      const outcome = await run().catch((error: unknown) => String(error));
      checks.push({ name: `over HTTP, kept in ${name}: ${what}`, ok: outcome === true, detail: String(outcome) });
    };
    await check("one flipped bit is found, though every connection breaks once", async () => {
      const shard = server.flipABit();
      const error: unknown = await open().catch((caught: unknown) => caught);
      server.flipABit();
      if (error instanceof Error && error.name === "CheckpointError" && error.message.includes(`${shard}: got SHA-256`))
        return true;
      throw error;
    });
    await check("the same logits", async () => same(await firstLogits(open()), direct));
    if (!cache) continue;
    await check("the same logits offline", async () => {
      server.requests = 0;
      return same(await firstLogits(open(true)), direct) && server.requests === 0;
    });
  }
  return checks;
}

const SERVER = "https://server.invalid";

async function firstLogits(loading: Promise<LanguageModel>): Promise<Float32Array> {
  const model = await loading;
  const logits = await model.logits(IDS);
  await model.dispose();
  return logits;
}

const same = (a: Float32Array, b: Float32Array) => a.length === b.length && a.every((value, i) => Object.is(value, b[i]));

class MemoryServer {
  requests = 0;
  readonly #folder: MemoryFolder;
  readonly #broken = new Set<string>();

  constructor(folder: MemoryFolder) {
    this.#folder = folder;
  }

  /** @returns the file */
  flipABit(): string {
    const shard = [...this.#folder.files.keys()].find((name) => name.endsWith(".safetensors"))!;
    const bytes = this.#folder.bytes(shard);
    bytes[bytes.length - 100]! ^= 16;
    return shard;
  }

  readonly fetch = (url: string, { headers }: RequestInit): Promise<Response> => {
    this.requests++;
    const file = this.#folder.files.get(url.slice(`${SERVER}/model/`.length));
    if (!file) return Promise.resolve(new Response("not found", { status: 404 }));
    const tag = `"${file.size}"`;
    const { range, "if-none-match": known } = headers as Record<string, string>;
    if (known === tag) return Promise.resolve(new Response(null, { status: 304 }));
    const begin = Number(/\d+/.exec(range!)![0]);
    const breaks = !this.#broken.has(url);
    this.#broken.add(url);
    const bytes = file.bytes.slice(begin);
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(breaks ? bytes.slice(0, bytes.length >> 1) : bytes);
        controller.close();
      },
    });
    const answer = { etag: tag, "content-range": `bytes ${begin}-${file.size - 1}/${file.size}` };
    return Promise.resolve(new Response(body, { status: 206, headers: answer }));
  };
}
