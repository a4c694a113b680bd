/**
 * Sources of models in Node, Deno and Bun: paths, URLs, and Hub names by the variables that Hugging
 * Face's own programs heed.
 */
import { HUB_ENDPOINT } from "../../sources/hub.ts";
import type { SourceCapabilities } from "../../sources/locate-model.ts";
import { defaultCacheFolder, folderBlockStore, nodeSha256 } from "./node-block-store.ts";
import { openLocation } from "./node-files.ts";
import { hubCache } from "./node-hub-cache.ts";
import { hubCacheFolder, hubToken } from "./node-hub-environment.ts";
import { hubAdvice, proxyAdvice } from "./node-proxies.ts";

/** @param environment read when a model is located, not before */
export function nodeSources(environment: NodeJS.ProcessEnv = process.env): SourceCapabilities {
  return {
    fetch: (url, init) => fetch(url, init),
    createSha256: nodeSha256,
    defaultCache: () => Promise.resolve(folderBlockStore(defaultCacheFolder(environment))),
    openPath: openLocation,
    connectionAdvice: () => proxyAdvice(environment),
    hub: {
      get advice() {
        return hubAdvice(environment);
      },
      // Half a megabyte that only `hf:` names need.
      library: () => import("@huggingface/hub"),
      get endpoint() {
        return environment["HF_ENDPOINT"] || HUB_ENDPOINT;
      },
      token: () => hubToken(environment),
      get offline() {
        return /^(1|on|yes|true)$/i.test(environment["HF_HUB_OFFLINE"] ?? "");
      },
      cachedFolder: hubCache(() => hubCacheFolder(environment)),
    },
  };
}
