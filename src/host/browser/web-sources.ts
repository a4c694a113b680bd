/** Sources of models without a file system: URLs, and what a caller hands over. */
import type { SourceCapabilities } from "../../sources/locate-model.ts";
import { browserBlockStore } from "./browser-block-stores.ts";

/** Nothing is kept between runs unless the caller says where. */
export const webSources: SourceCapabilities = { fetch: (url, init) => fetch(url, init) };

/** Downloads are kept in the page's own storage. */
export const pageSources: SourceCapabilities = { ...webSources, defaultCache: () => browserBlockStore() };
