/** The page as it is published, built once and served with a model of choice. */
import { build, preview } from "vite";
import { site, type Site } from "../site.ts";

/** @param model the folder whose name and size the page tells; by default neither */
export async function buildPage(model = ""): Promise<void> {
  await build({ ...site({ model }), configFile: false, logLevel: "warn" });
}

export async function servePage(options: Site): Promise<{ url: string; headers: Headers; close(): Promise<void> }> {
  const config = site(options);
  const server = await preview({ ...config, configFile: false, logLevel: "warn", preview: { ...config.preview, port: 0 } });
  const url = server.resolvedUrls!.local[0]!;
  const { headers } = await fetch(url);
  return { url, headers, close: () => server.close() };
}
