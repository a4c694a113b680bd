/**
 * Keeps the page itself, so that it opens without a network after the first visit. Models are kept by the
 * library (in private files); of those that lie beside the page only what describes them is kept here.
 *
 * Scripts and styles have a hash in their names and are taken from what is kept. The document is asked for
 * first, so that a new version is seen at once. Their headers are kept with them: the page is as isolated,
 * and its policy as strict, as when it came from its server.
 */

/** As much of a service worker's globals as is used: TypeScript has them in a library that excludes `dom`. */
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/** What was built, put here when the page is built (`site.ts`). */
const { version, files } = JSON.parse("SHELL_OF_THE_PAGE") as { version: string; files: string[] };
const CACHE = `fptq-playground-${version}`;
const DOCUMENT = "./";
/** Small files of the model beside the page that the page asks for by itself. */
const DESCRIPTIONS = ["model/quantization-report.json", "model/model.safetensors.index.json"];

const address = (file: string) => new URL(file, location.href).href;
const shell = new Set(files.map(address));
const fresh = new Set([DOCUMENT, ...DESCRIPTIONS].map(address));

addEventListener("install", (event) => (event as ExtendableEvent).waitUntil(install()));
addEventListener("activate", (event) => (event as ExtendableEvent).waitUntil(activate()));
addEventListener("fetch", (event) => {
  const { request } = event as FetchEvent;
  const url = request.url.replace(/[?#].*$/, "");
  if (request.method !== "GET" || request.headers.has("range")) return;
  if (fresh.has(url)) (event as FetchEvent).respondWith(newest(request, url));
  else if (shell.has(url)) (event as FetchEvent).respondWith(kept(request, url));
});

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll([DOCUMENT, ...files].map((file) => new Request(address(file), { cache: "no-cache" })));
  await Promise.all(DESCRIPTIONS.map((file) => cache.add(address(file)).catch(() => undefined)));
}

async function activate(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith("fptq-playground-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function newest(request: Request, url: string): Promise<Response> {
  try {
    const response = await fetch(request);
    if (response.status === 200) await (await caches.open(CACHE)).put(url, response.clone());
    return response;
  } catch (error) {
    const found = await (await caches.open(CACHE)).match(url);
    if (found) return found;
    throw error;
  }
}

async function kept(request: Request, url: string): Promise<Response> {
  return (await (await caches.open(CACHE)).match(url)) ?? fetch(request);
}
