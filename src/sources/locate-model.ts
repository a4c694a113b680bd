/**
 * The way from what a caller names, a URL, a Hub name, dropped files, a path, to a location that can be
 * opened.
 */
import type { ModelLocation } from "../checkpoint/byte-source.ts";
import type { CreateSha256 } from "../checkpoint/sha256.ts";
import { CapabilityError, DownloadError, OptionError } from "../errors.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import { type OnProgress, paced } from "../progress.ts";
import { BlockCache, type BlockStore } from "./block-cache.ts";
import { shown } from "../need.ts";
import type { Clock } from "./clock.ts";
import { type FileLike, fileListLocation } from "./file-list.ts";
import { isFileUrl, isUrl, standsForFolder } from "./file-url.ts";
import { displayUrl, type Fetch, HttpClient } from "./http-client.ts";
import { chooseHubFiles, HUB_ENDPOINT, type HubAccess, type HubFile, hubFileName, hubFileUrl, type HubLibrary, type HubName, hubNameHint, hubNameOfPage, isHubName, parseHubName, siblingOf } from "./hub.ts"; // prettier-ignore
import { hubListing } from "./hub-listing.ts";
import { listedFolder, urlFolder } from "./remote-folder.ts";
import { Remote } from "./remote.ts";
import { openRemoteFile, type RemoteFileSpec } from "./remote-file.ts";

/** A path, a `file:` or http(s) URL, `hf:ORG/MODEL`, files chosen in a page, or another kind of location. */
export type ModelSource = string | URL | FileLike | Iterable<FileLike> | ArrayLike<FileLike> | ModelLocation;

/** How a model is found and downloaded. */
export interface SourceOptions {
  /** A `fetch` instead of the runtime's own: a Worker's asset binding, a proxy. */
  readonly fetch?: Fetch | undefined;
  /**
   * The place where downloads are kept; false for nowhere. By default where the runtime keeps such things, if
   * it does.
   */
  readonly cache?: BlockStore | false | undefined;
  /** Whether to use only what is in the cache. */
  readonly offline?: boolean | undefined;
  /** `Authorization` for the URL's origin, for instance "Bearer ..."; never sent to another one. */
  readonly authorization?: string | undefined;
  /** `import * as hub from "@huggingface/hub"`, for `hf:` names where the runtime does not bring it. */
  readonly hub?: HubLibrary | undefined;
  /** Ends the work with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
  /** Told of bytes read and the time left. */
  readonly onProgress?: OnProgress | undefined;
  /** Told of what goes on differently than expected, for a person. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export const SOURCE_OPTIONS: OptionKeys = optionKeys<SourceOptions>({
  fetch: 0, cache: 0, offline: 0, authorization: 0, hub: 0, signal: 0, onProgress: 0, onWarning: 0,
}); // prettier-ignore

/** The capabilities a runtime brings; whatever is absent is refused by name when it is needed. */
export interface SourceCapabilities {
  /** Function that asks servers; without it, no URLs. */
  readonly fetch?: Fetch | undefined;
  /** Clock for waits between attempts; the runtime's by default. */
  readonly clock?: Clock | undefined;
  /** Digests faster than those in JavaScript. */
  readonly createSha256?: CreateSha256 | undefined;
  /** The place where downloads are kept by default. Asked for when the first one begins. */
  readonly defaultCache?: (() => Promise<BlockStore | undefined>) | undefined;
  /** Opens a path or a `file:` URL. @throws CheckpointError if there is nothing */
  readonly openPath?: ((path: string | URL) => Promise<ModelLocation>) | undefined;
  /** Access to the Hugging Face Hub. */
  readonly hub?: HubCapability | undefined;
  /** What to say of a connection that could not be made: a proxy that is not heeded. */
  readonly connectionAdvice?: (() => string | undefined) | undefined;
}

export interface HubCapability {
  readonly library?: (() => Promise<HubLibrary>) | undefined;
  readonly endpoint?: string | undefined;
  readonly token?: (() => Promise<string | undefined>) | undefined;
  readonly offline?: boolean | undefined;
  /** What to do where the Hub cannot be reached. */
  readonly advice?: string | undefined;
  /** The Hub's own cache folder, which other programs share. Without it, files go where those of URLs go. */
  readonly cachedFolder?: ((name: HubName, request: HubCacheRequest) => Promise<ModelLocation>) | undefined;
}

/** The means a cache folder needs to fill itself. */
export interface HubCacheRequest {
  /** The access to the Hub; undefined when offline. */
  readonly access: HubAccess | undefined;
  readonly client: HttpClient;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: OnProgress | undefined;
  readonly onWarning: ((message: string) => void) | undefined;
}

/**
 * Finds what a source names, with the means of a runtime.
 *
 * @example
 * ```ts
 * import { loadModel, locateModel } from "fptq/core";
 *
 * const found = await locateModel("https://example.org/model.gguf", { fetch });
 * const model = await loadModel(found, host);
 * ```
 * @throws OptionError for a source of no kind; CapabilityError for one this runtime has no means for;
 *   DownloadError; AbortError
 */
export async function locateModel(
  source: ModelSource,
  capabilities: SourceCapabilities,
  options: SourceOptions = {},
): Promise<ModelLocation> {
  checkSource(source);
  if (typeof source === "string" && isHubName(source)) return locateOnHub(parseHubName(source), capabilities, options);
  if (!isFileUrl(source) && (isUrl(source) || (typeof source === "string" && /^https?:\/\//i.test(source)))) {
    const url = parseUrl(source);
    const page = hubNameOfPage(url);
    return page ? locateOnHub(page, capabilities, options) : locateByUrl(url, capabilities, options);
  }
  if (typeof source === "string" || isUrl(source)) {
    if (capabilities.openPath) return capabilities.openPath(source);
    const hint = typeof source === "string" ? hubNameHint(source) : "";
    throw new CapabilityError(
      `model: got the ${pathForm(source)}, need an http(s) URL, hf:ORG/MODEL or files: ${NO_PATHS}${hint}`,
    );
  }
  if ("kind" in source) return source;
  if ("slice" in source && "size" in source) return fileListLocation([source]);
  return fileListLocation(Array.from(source as ArrayLike<FileLike>));
}

/** Sources come from programs without types too. */
function checkSource(source: unknown): void {
  if ((typeof source === "string" && source !== "") || (typeof source === "object" && source !== null)) return;
  throw new OptionError(`model: got ${shown(source)}, need a path, a URL, hf:ORG/MODEL or files`);
}

const NO_PATHS = "there is no file system here, for a page or Worker cannot read files by their path";
const pathForm = (source: string | URL) => (isFileUrl(source) ? `file: URL ${String(source)}` : `path ${String(source)}`);

function parseUrl(source: string | URL): URL {
  const text = typeof source === "string" ? source : source.href;
  if (!URL.canParse(text)) throw new OptionError("model: got an http URL that cannot be parsed, need one that can");
  const url = new URL(text);
  if (url.protocol === "http:" || url.protocol === "https:") return url;
  throw new OptionError(`model: got a URL of ${url.protocol}, need http:, https: or, where there are files, file:`);
}

async function locateByUrl(url: URL, capabilities: SourceCapabilities, options: SourceOptions): Promise<ModelLocation> {
  const { username, password } = url;
  url.username = "";
  url.password = "";
  url.hash = "";
  const basic =
    username === "" ? undefined : `Basic ${base64(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)}`;
  const isFile = /\.gguf$/i.test(url.pathname);
  if (!isFile) {
    // The folder of a file that every model folder has, or the URL as a folder.
    const fileName = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
    const folder = standsForFolder(fileName) ? url.pathname.slice(0, -fileName.length) : url.pathname;
    url.pathname = folder.replace(/\/*$/, "/");
  }
  const client = httpClient(capabilities, options, url.origin, options.authorization ?? basic);
  const remote = await openRemote(capabilities, options, client, displayUrl(url));
  if (!isFile) return urlFolder(remote, url, options.signal);
  const siblingSpec = (fileName: string) => {
    const sibling = new URL(url);
    sibling.pathname = url.pathname.slice(0, url.pathname.lastIndexOf("/") + 1) + fileName;
    return { url: sibling };
  };
  return fileLocation(remote, { url }, siblingSpec, options.signal);
}

async function locateOnHub(name: HubName, capabilities: SourceCapabilities, options: SourceOptions): Promise<ModelLocation> {
  const { hub } = capabilities;
  const library = options.hub ?? (await hub?.library?.());
  if (!library) {
    throw new CapabilityError(
      `hf:${name.repository}: got no library for the Hub, need @huggingface/hub: install it and pass { hub: await import("@huggingface/hub") }`,
    );
  }
  const endpoint = hub?.endpoint ?? HUB_ENDPOINT;
  const token = await hub?.token?.();
  const offline = options.offline ?? hub?.offline ?? false;
  if (!URL.canParse(endpoint)) throw new OptionError(`HF_ENDPOINT: got ${JSON.stringify(endpoint)}, need an http(s) URL`);
  const authorization = options.authorization ?? (token === undefined ? undefined : `Bearer ${token}`);
  const client = httpClient(capabilities, options, new URL(endpoint).origin, authorization);
  const access: HubAccess = { library, endpoint, token: authorization?.replace(/^Bearer /, ""), client };
  try {
    return await openOnHub(name, access, capabilities, { ...options, offline });
  } catch (error) {
    if (!(error instanceof DownloadError) || error.status !== undefined) throw error;
    const why = options.offline === undefined && offline ? " (HF_HUB_OFFLINE is set)" : " (option offline is set)";
    const advice = offline ? `${why}; a path needs no network` : hub?.advice && `; ${hub.advice}`;
    if (!advice || !(offline || error.transient)) throw error;
    throw new DownloadError(`${error.message}${advice}`, { transient: error.transient, cause: error });
  }
}

async function openOnHub(
  name: HubName,
  access: HubAccess,
  capabilities: SourceCapabilities,
  options: SourceOptions,
): Promise<ModelLocation> {
  const { signal, onWarning, offline } = options;
  const { client, endpoint } = access;
  const onProgress = options.onProgress && paced(options.onProgress).report;
  if (capabilities.hub?.cachedFolder && options.cache === undefined) {
    const request = { access: offline ? undefined : access, client, signal, onProgress, onWarning };
    return capabilities.hub.cachedFolder(name, request);
  }
  const remote = await openRemote(capabilities, options, client, `hf:${name.repository}`);
  const { commit, files } = await hubListing(remote, access, name, signal);
  const specOf = ({ path, size, sha256 }: HubFile): RemoteFileSpec => ({
    url: hubFileUrl(endpoint, name.repository, commit, path),
    name: `hf:${name.repository}/${path}`,
    size,
    sha256,
  });
  const chosen = chooseHubFiles(name, files);
  if ("path" in chosen) {
    return fileLocation(remote, specOf(chosen), (fileName) => specOf(siblingOf(chosen, fileName, name, files)), signal);
  }
  const byName = new Map(chosen.map((file) => [hubFileName(file.path), specOf(file)]));
  return listedFolder(remote, `hf:${name.repository}`, byName, signal);
}

async function fileLocation(
  remote: Remote,
  spec: RemoteFileSpec,
  siblingSpec: (fileName: string) => RemoteFileSpec,
  signal: AbortSignal | undefined,
): Promise<ModelLocation> {
  return {
    kind: "file",
    file: await openRemoteFile(remote, spec, signal),
    openSibling: async (fileName) => openRemoteFile(remote, siblingSpec(fileName), signal),
    forgetUnverified: () => remote.forgetUnverified(),
  };
}

/** @param model its name, for who looks at what is kept */
async function openRemote(
  capabilities: SourceCapabilities,
  options: SourceOptions,
  client: HttpClient,
  model: string,
): Promise<Remote> {
  const { offline, onWarning, cache } = options;
  const store = cache === false ? undefined : (cache ?? (await capabilities.defaultCache?.()));
  if (cache === undefined && capabilities.defaultCache && !store)
    onWarning?.("cache: this page may keep nothing (a private window, or no https), so that it will be downloaded again");
  return new Remote({
    client,
    cache: new BlockCache(store, onWarning, model),
    offline,
    createSha256: capabilities.createSha256,
    onWarning,
  });
}

function httpClient(
  capabilities: SourceCapabilities,
  options: SourceOptions,
  origin: string,
  authorization: string | undefined,
): HttpClient {
  const value = authorization;
  return new HttpClient({
    fetch: fetchOf(capabilities, options),
    clock: capabilities.clock,
    authorization: value === undefined ? undefined : { origin, value },
    onWarning: options.onWarning,
    advice: capabilities.connectionAdvice,
  });
}

function fetchOf(capabilities: SourceCapabilities, options: SourceOptions): Fetch {
  const fetch = options.fetch ?? capabilities.fetch;
  if (!fetch) throw new CapabilityError("fetch: got nothing from this runtime, need a function: pass { fetch }");
  return fetch;
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
