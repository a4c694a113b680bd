/** The server of the pages, as a page sees it. */

/** A folder of models, on the same server. */
export const modelUrl = (name: string) => `/${name}/`;

/** Where a page posts what came out. */
export const OUTCOME = "/outcome";

/** Worker threads the browser has now, by name, as Linux counts them. */
export async function countWorkers(): Promise<number> {
  return Number(await (await fetch("/workers")).text());
}

/** How the error of a page begins whose browser starts no worker. */
export const NO_WORKER = "no worker started";
