/** The page without a network: its service worker, and where a model has to come from. */

/** Has the page kept for the next visit. Without https, or in private browsing, it works without. */
export function keepPage(): void {
  if (!("serviceWorker" in navigator)) return;
  // Not during the first loading of the model, which wants the network for itself.
  addEventListener("load", () => void navigator.serviceWorker.register("./sw.js", { scope: "./" }).catch(() => undefined));
}

/**
 * Whether the server of a model is out of reach, so that only what is kept can be used. A browser that says
 * it has a network may still not reach the server of this page, which is asked.
 */
export async function isOutOfReach(source: string): Promise<boolean> {
  if (source.startsWith("hf:") || new URL(source, location.href).origin !== location.origin) return !navigator.onLine;
  try {
    await fetch(location.origin, { method: "HEAD", cache: "no-store" });
    return false;
  } catch {
    return true;
  }
}
