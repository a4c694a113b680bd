/**
 * A model folder behind URLs: a base URL whose files are found out by asking for them, or files that a hub
 * has listed.
 */
import type { ByteSource, Folder, ModelLocation } from "../checkpoint/byte-source.ts";
import { DENSE_FILES, DENSE_FOLDERS, MODULES_FILE, POOLING_FILE, PROMPTS_FILE } from "../checkpoint/pooling.ts";
import { parseJsonObject } from "../json-object.ts";
import { INDEX_FILE } from "../checkpoint/safetensors/safetensors.ts";
import { parseSafetensorsIndex } from "../checkpoint/safetensors/safetensors-index.ts";
import { CheckpointError, DownloadError } from "../errors.ts";
import { displayUrl } from "./http-client.ts";
import type { Remote } from "./remote.ts";
import { openRemoteFile, type RemoteFileSpec } from "./remote-file.ts";

const CONFIG_FILE = "config.json";
const SINGLE_FILE = "model.safetensors";
/**
 * Further files a folder may have, in the names Hugging Face gives them. A server does not list its files.
 */
const OPTIONAL_FILES = ["generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", MODULES_FILE];
/** Those of a model of vectors, beside its list of modules. */
const POOLING_FILES = [POOLING_FILE, PROMPTS_FILE];
/** The largest text read: several times the largest `tokenizer.json` in use. */
const MOST_TEXT_BYTES = 128 * 2 ** 20;
/**
 * Not there, and gone; storage services say 403 of a file that is not there to those who may not list the
 * folder.
 */
const ABSENT = new Set([403, 404, 410]);

/** A folder whose files are known: from a hub's listing. */
export function listedFolder(
  remote: Remote,
  name: string,
  files: ReadonlyMap<string, RemoteFileSpec>,
  signal?: AbortSignal,
): ModelLocation {
  const folder: Folder = {
    name,
    list: () => Promise.resolve([...files.keys()]),
    async open(fileName) {
      const spec = files.get(fileName);
      if (!spec) throw new CheckpointError(`${name}: ${fileName} is missing`);
      return openRemoteFile(remote, spec, signal);
    },
  };
  return { kind: "folder", folder, forgetUnverified: () => remote.forgetUnverified() };
}

/**
 * A folder by its URL. The query, where a token may be, goes with every file.
 *
 * @param url ends with a slash
 */
export function urlFolder(remote: Remote, url: URL, signal?: AbortSignal): ModelLocation {
  const folder = new UrlFolder(remote, url, signal);
  const forgetUnverified = () => {
    folder.forget();
    return remote.forgetUnverified();
  };
  return { kind: "folder", folder, forgetUnverified };
}

class UrlFolder implements Folder {
  readonly name: string;
  readonly #remote: Remote;
  readonly #url: URL;
  readonly #signal: AbortSignal | undefined;
  readonly #specs = new Map<string, RemoteFileSpec>();
  /** Small files that had to be read to know that they are there, until they are opened. */
  readonly #texts = new Map<string, Uint8Array>();

  constructor(remote: Remote, url: URL, signal: AbortSignal | undefined) {
    this.#remote = remote;
    this.#url = url;
    this.#signal = signal;
    this.name = displayUrl(url);
  }

  /**
   * @throws DownloadError if there is no `config.json`, or a file cannot be had; CheckpointError for an index
   *   that leads elsewhere
   */
  async list(): Promise<string[]> {
    if (this.#specs.size > 0) return [...this.#specs.keys()];
    try {
      await this.#find();
    } catch (error) {
      this.forget();
      throw error;
    }
    return [...this.#specs.keys()];
  }

  /** Files are looked for again. */
  forget(): void {
    this.#specs.clear();
    this.#texts.clear();
  }

  async #find(): Promise<void> {
    const { cache, offline } = this.#remote.options;
    const known = (await cache.named(this.#url.href))?.["files"];

    await this.#text(CONFIG_FILE);
    // What is absent is not in the cache: where nobody can be asked, the list of last time tells it from what
    // was never asked for.
    const isKnown = (offline || this.#remote.isUnreachable) && Array.isArray(known);
    const mayBeThere = (file: string) => !isKnown || known.includes(file);
    for (const file of OPTIONAL_FILES) if (mayBeThere(file)) await this.#text(file).catch(unlessAbsent);
    if (this.#specs.has(MODULES_FILE)) {
      const denseFiles = DENSE_FOLDERS.map((folder) => `${folder}/${DENSE_FILES.config}`);
      for (const file of [...POOLING_FILES, ...denseFiles]) if (mayBeThere(file)) await this.#text(file).catch(unlessAbsent);
      for (const folder of DENSE_FOLDERS) {
        const weights = `${folder}/${DENSE_FILES.weights}`;
        if (this.#specs.has(`${folder}/${DENSE_FILES.config}`)) this.#specs.set(weights, this.#spec(weights));
      }
    }
    const index = mayBeThere(INDEX_FILE) ? await this.#text(INDEX_FILE).catch(unlessAbsent) : undefined;
    if (index !== undefined) this.#addShards(index);
    else {
      const single = await openRemoteFile(this.#remote, this.#spec(SINGLE_FILE), this.#signal);
      await single.close();
      this.#specs.set(SINGLE_FILE, this.#spec(SINGLE_FILE));
    }
    await cache.putNamed(this.#url.href, { files: [...this.#specs.keys()] });
  }

  async open(fileName: string): Promise<ByteSource> {
    const spec = this.#specs.get(fileName);
    if (!spec) throw new CheckpointError(`${this.name}: ${fileName} is missing`);
    const text = this.#texts.get(fileName);
    this.#texts.delete(fileName);
    return text ? new BytesInMemory(`${this.name}${fileName}`, text) : openRemoteFile(this.#remote, spec, this.#signal);
  }

  #spec(fileName: string): RemoteFileSpec {
    const url = new URL(fileName.split("/").map(encodeURIComponent).join("/"), this.#url);
    url.search = this.#url.search;
    return { url };
  }

  async #text(fileName: string): Promise<string> {
    const spec = this.#spec(fileName);
    const file = await openRemoteFile(this.#remote, spec, this.#signal);
    try {
      if (file.size > MOST_TEXT_BYTES) {
        throw new CheckpointError(`${file.name}: got ${file.size} bytes, need at most ${MOST_TEXT_BYTES}`);
      }
      const bytes = await file.read(0, file.size, this.#signal);
      const text = new TextDecoder().decode(bytes);
      // Servers of single-page applications answer with their page to whatever they do not have.
      if (/^\s*<(!doctype|html)/i.test(text))
        throw new DownloadError(`${file.name}: got a web page, need the file`, { status: 404 });
      this.#specs.set(fileName, spec);
      this.#texts.set(fileName, bytes);
      return text;
    } finally {
      await file.close();
    }
  }

  #addShards(indexText: string): void {
    const where = `${this.name}${INDEX_FILE}`;
    const { weightMap, shards } = parseSafetensorsIndex(parseJsonObject(indexText, where), where);
    for (const fileName of new Set(weightMap.values())) {
      const { bytes: size, sha256 } = shards.get(fileName) ?? {};
      this.#specs.set(fileName, { ...this.#spec(fileName), size, sha256 });
    }
  }
}

function unlessAbsent(error: unknown): undefined {
  if (error instanceof DownloadError && error.status !== undefined && ABSENT.has(error.status)) return undefined;
  throw error;
}

class BytesInMemory implements ByteSource {
  readonly name: string;
  readonly #bytes: Uint8Array;

  constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.#bytes.slice(offset, offset + length));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
