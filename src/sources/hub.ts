/**
 * Models by their name on the Hugging Face Hub:
 *
 *     hf:ORG/MODEL                  the repository's folder, or its only GGUF
 *     hf:ORG/MODEL@REVISION         a branch, a tag or a commit; "main" by default
 *     hf:ORG/MODEL/PATH             a folder or a GGUF file in it; the folder also by its config.json
 *     hf:ORG/MODEL:Q4_1             the GGUF whose name has this in it, as in llama.cpp's -hf
 *
 * The Hub's API is `@huggingface/hub`'s business. Its functions are handed in, because the package does not
 * resolve in every bundler (esbuild takes its Node build for a page), and a page that loads from its own
 * server needs none of it.
 */
import { DENSE_FOLDERS, FILES_BELOW, MODULES_FILE, POOLING_FOLDER } from "../checkpoint/pooling.ts";
import { firstPart } from "../checkpoint/gguf/gguf-parts.ts";
import { AbortError, CheckpointError, DownloadError, OptionError } from "../errors.ts";
import { isWhole } from "../need.ts";
import { standsForFolder } from "./file-url.ts";
import type { HttpClient } from "./http-client.ts";
import { hubFetch } from "./hub-fetch.ts";

/** The part of `@huggingface/hub` that is used: `import * as hub from "@huggingface/hub"` fits. */
export interface HubLibrary {
  modelInfo(params: HubParams & { name: string; additionalFields: ["sha"] }): Promise<{ sha: string }>;
  listFiles(params: HubParams & { repo: { type: "model"; name: string }; path?: string }): AsyncIterable<HubEntry>;
}

interface HubParams {
  revision?: string;
  hubUrl?: string;
  accessToken?: string;
  fetch?: typeof fetch;
}

interface HubEntry {
  readonly type: string;
  readonly path: string;
  readonly size: number;
  readonly oid?: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
}

export interface HubName {
  /** "org/model" */
  readonly repository: string;
  readonly revision: string;
  /** Path in the repository; empty for its root. */
  readonly path: string;
  /** Part of a GGUF file's name. */
  readonly tag: string | undefined;
}

export interface HubFile {
  /** Path in the repository. */
  readonly path: string;
  readonly size: number;
  /** The digest of a large file, by which the Hub stores it. */
  readonly sha256: string | undefined;
  /** The SHA-1 of git's blob, for any other file. */
  readonly gitOid: string | undefined;
}

export interface HubListing {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

export const HUB_ENDPOINT = "https://huggingface.co";
/**
 * The characters the Hub allows in names (`huggingface_hub`, `validate_repo_id`), which keeps them harmless
 * in paths and URLs.
 */
const SEGMENT = "[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?";
const NAME = new RegExp(`^hf:(${SEGMENT}/${SEGMENT})(?:@([^/@:\\s]+))?(?:/([^:\\s]+?))?/?(?::([A-Za-z0-9_.-]+))?$`);

export const isHubName = (text: string): boolean => text.startsWith("hf:");

/** @throws OptionError for a text that is no such name */
export function parseHubName(text: string): HubName {
  const [, repository, revision = "main", path = "", tag] = NAME.exec(text) ?? [];
  if (repository === undefined || `${revision}/${path}`.split("/").includes("..")) {
    throw new OptionError(
      `model: got ${JSON.stringify(text)}, need hf:ORG/MODEL, hf:ORG/MODEL@REVISION, hf:ORG/MODEL/PATH or hf:ORG/MODEL:TAG`,
    );
  }
  const fileName = path.slice(path.lastIndexOf("/") + 1);
  const folder = standsForFolder(fileName) ? path.slice(0, -fileName.length).replace(/\/$/, "") : path;
  return { repository, revision, path: folder, tag };
}

/** `; did you mean hf:ORG/MODEL?` for a path that may have been meant as a name on the Hub; else nothing. */
export function hubNameHint(path: string): string {
  const [organization = "", model = "", ...below] = path.split("/");
  const isFile = /\.(gguf|json|safetensors|txt|md|bin)$/i.test(model);
  const looksLikeName = below.join("") === "" && organization !== "" && !isFile && NAME.test(`hf:${path}`);
  return looksLikeName ? `; did you mean hf:${path.replace(/\/$/, "")}?` : "";
}

const PAGE = new RegExp(`^/(${SEGMENT}/${SEGMENT})(?:/(?:tree|blob)/((?:[\\w.-]|%2F)+)(/[^%]*)?)?/?$`, "i");

/** The name of a model by the URL of its page, or of the page of a folder or file in it; else undefined. */
export function hubNameOfPage({ hostname, pathname }: URL): HubName | undefined {
  if (!/^(www\.)?(huggingface\.co|hf\.co)$/.test(hostname)) return undefined;
  const [, repository, encoded = "main", path = ""] = PAGE.exec(pathname) ?? [];
  const revision = encoded.replaceAll(/%2F/gi, "/");
  if (repository === undefined || revision.split("/").includes("..")) return undefined;
  return { ...parseHubName(`hf:${repository}${path}`), revision };
}

export interface HubAccess {
  readonly library: HubLibrary;
  readonly endpoint: string;
  readonly token?: string | undefined;
  readonly client: HttpClient;
}

export interface ListingOptions {
  /** Whether to ask again after what may pass; false where something else can take the listing's place. */
  readonly retries: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The commit of a revision and the files of one folder in it.
 *
 * @throws DownloadError if the Hub does not answer, does not have it, or does not show it to the token;
 *   CheckpointError for a listing that leads elsewhere; AbortError
 */
export async function listHubFolder(
  access: HubAccess,
  name: HubName,
  folder: string,
  { retries, signal }: ListingOptions,
): Promise<HubListing> {
  for (let failures = 0; ;) {
    try {
      return await listOnce(access, name, folder, signal);
    } catch (error) {
      if (!retries) throw error;
      await access.client.afterFailure(error, ++failures, signal);
    }
  }
}

async function listOnce(
  { library, endpoint, token, client }: HubAccess,
  name: HubName,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<HubListing> {
  const { repository, revision } = name;
  try {
    const params = {
      hubUrl: endpoint,
      fetch: hubFetch(client, new URL(endpoint).origin, signal),
      ...(token !== undefined && { accessToken: token }),
    };
    const { sha } = await library.modelInfo({ ...params, name: repository, revision, additionalFields: ["sha"] });
    if (!/^[0-9a-f]{40}$/.test(sha))
      throw new CheckpointError(`hf:${repository}: commit: got ${JSON.stringify(sha)}, need 40 hexadecimal digits`);
    const repo = { type: "model", name: repository } as const;
    const list = async (of: string) => {
      const files: HubFile[] = [];
      const folders = new Set<string>();
      for await (const { type, path, size, oid, lfs } of library.listFiles({ ...params, repo, revision: sha, path: of })) {
        if (type === "directory") folders.add(path.slice(path.lastIndexOf("/") + 1));
        if (type !== "file") continue;
        if (!isWhole(size, 0))
          throw new CheckpointError(`hf:${repository}/${path}: listing: got ${String(size)} bytes, need a size`);
        files.push({ path: checkPath(path, of, repository), size, sha256: lfs?.oid, gitOid: lfs ? undefined : oid });
      }
      return { files, folders };
    };
    const { files, folders } = await list(folder);
    const isOfVectors = files.some(({ path }) => hubFileName(path) === MODULES_FILE);
    if (!isOfVectors) return { commit: sha, files };
    for (const module of [POOLING_FOLDER, ...DENSE_FOLDERS.filter((dense) => folders.has(dense))]) {
      const below = await list(folder === "" ? module : `${folder}/${module}`);
      files.push(...below.files.filter(({ path }) => FILES_BELOW.has(hubFileName(path))));
    }
    return { commit: sha, files };
  } catch (error) {
    throw hubError(name, endpoint, error);
  }
}

/** The URL of a file of a commit. */
export function hubFileUrl(endpoint: string, repository: string, commit: string, path: string): URL {
  return new URL(
    `${endpoint.replace(/\/+$/, "")}/${repository}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`,
  );
}

/**
 * The meaning of a name among the files of its folder: one GGUF file, or the folder.
 * @throws OptionError for a tag that fits none or several
 */
export function chooseHubFiles(name: HubName, files: readonly HubFile[]): HubFile | readonly HubFile[] {
  const asked = files.find(({ path }) => path === name.path);
  if (asked) return asked;
  if (name.tag === undefined) return files;
  const ggufs = files.filter(({ path }) => /\.gguf$/i.test(path));
  const fitting = ggufs.filter(({ path }) => path.toLowerCase().includes(name.tag!.toLowerCase()));
  const only = fitting.length === 1 ? fitting[0]!.path : firstPart(fitting.map(({ path }) => path));
  if (only !== undefined) return fitting.find(({ path }) => path === only)!;
  const found = (fitting.length > 1 ? fitting : ggufs).map(({ path }) => path).join(", ") || "none";
  throw new OptionError(
    `hf:${name.repository}:${name.tag}: got ${fitting.length} GGUF files with this in their name, need one; there are ${found}`,
  );
}

/** The file of this name in the folder of another. @throws CheckpointError if it is not listed */
export function siblingOf({ path }: HubFile, fileName: string, { repository }: HubName, files: readonly HubFile[]): HubFile {
  const sibling = path.slice(0, path.lastIndexOf("/") + 1) + fileName;
  const found = files.find((file) => file.path === sibling);
  if (found) return found;
  throw new CheckpointError(`hf:${repository}/${sibling} is missing`);
}

/** What a file of a listing is called in its folder. */
export function hubFileName(path: string): string {
  const parts = path.split("/");
  const below = parts.slice(-2).join("/");
  return FILES_BELOW.has(below) ? below : parts.at(-1)!;
}

/** The folder to list: that of the path, or the path itself. */
export function hubFolderOf({ path }: HubName): string {
  return /\.gguf$/i.test(path) ? path.slice(0, Math.max(0, path.lastIndexOf("/"))) : path;
}

function checkPath(path: string, folder: string, repository: string): string {
  const fileName = path.slice(folder === "" ? 0 : folder.length + 1);
  const isInside = folder === "" || path.startsWith(`${folder}/`);
  // The listing says where a file goes on disk, so it is not taken at its word.
  if (isInside && fileName !== "" && fileName !== ".." && fileName !== "." && !/[/\\\0]/.test(fileName)) return path;
  throw new CheckpointError(
    `hf:${repository}: listing: got ${JSON.stringify(path)}, need a file of ${folder || "the repository's root"}`,
  );
}

function hubError({ repository, revision }: HubName, endpoint: string, error: unknown): Error {
  if (error instanceof AbortError || (error instanceof CheckpointError && !(error instanceof DownloadError))) return error;
  const what = `hf:${repository}@${revision}`;
  if (error instanceof DownloadError) {
    const { message, status, transient, cause } = error;
    return new DownloadError(`${what}: cannot be listed: ${message}`, {
      ...(status !== undefined && { status }),
      transient,
      cause,
    });
  }
  const { statusCode: status } = error as { statusCode?: unknown };
  if (typeof status !== "number") {
    // The library's own refusals, of a token's form for one, and answers that are no listing.
    const reason = error instanceof Error ? error.message : String(error);
    return new DownloadError(`${what}: cannot be listed by ${endpoint}: ${reason}`, { cause: error });
  }
  const meaning = [401, 403, 404].includes(status) ? " (no such model or revision, or a token is needed: HF_TOKEN)" : "";
  return new DownloadError(`${what}: got HTTP status ${status}${meaning}, need 200`, { status, cause: error });
}
