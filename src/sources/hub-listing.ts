/** What a folder on the Hub has: asked for, kept in the cache, and taken from there without a network. */
import { DownloadError } from "../errors.ts";
import { isJsonObject, type JsonObject } from "../json-object.ts";
import { type HubAccess, type HubFile, hubFolderOf, type HubListing, type HubName, listHubFolder } from "./hub.ts";
import type { Remote } from "./remote.ts";

/** The listing of a folder; without a network, that of the last time. */
export async function hubListing(remote: Remote, access: HubAccess, name: HubName, signal: AbortSignal | undefined) {
  const { cache, offline } = remote.options;
  const folder = hubFolderOf(name);
  const key = `${access.endpoint}/${name.repository}@${name.revision}/${folder}`;
  const known = parseListing(await cache.named(key));
  if (offline && known) return known;
  if (offline) throw new DownloadError(`hf:${name.repository}: got nothing in the cache, need it there or a network: offline`);
  try {
    // What is known need not wait for a Hub that does not answer.
    const listing = await listHubFolder(access, name, folder, { retries: !known, signal });
    await cache.putNamed(key, { ...listing });
    return listing;
  } catch (error) {
    if (!known || !(error as { transient?: boolean }).transient) throw error;
    remote.warnOnce(`${(error as Error).message}; using what the cache has of hf:${name.repository}`);
    return known;
  }
}

/** A listing as it was kept; undefined if it is none. */
function parseListing(value: JsonObject | undefined): HubListing | undefined {
  const { commit, files } = value ?? {};
  if (typeof commit !== "string" || !Array.isArray(files)) return undefined;
  return files.every((file) => isJsonObject(file) && typeof file["path"] === "string")
    ? { commit, files: files as HubFile[] }
    : undefined;
}
