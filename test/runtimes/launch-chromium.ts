/** Chromium: a page from a local server, driven by playwright. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { HERE, type Launched, LIMIT_MS, NotInstalledError } from "./launch.ts";
import type { SuiteResult } from "./suite.ts";

/** Debian's package; elsewhere say where it is. */
const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]; // prettier-ignore

/** As much of playwright-core as is used: the type check runs where it is not installed. */
interface Playwright {
  readonly chromium: {
    launch(options: { executablePath: string; args: string[]; timeout: number }): Promise<{
      version(): string;
      newPage(): Promise<{ goto(url: string): Promise<unknown>; evaluate(expression: string): Promise<unknown> }>;
      close(): Promise<void>;
    }>;
  };
}

export async function chromium(directory: string): Promise<Launched> {
  if (!existsSync(EXECUTABLE)) throw new NotInstalledError(`${EXECUTABLE}: no such file; set CHROMIUM to where it is`);
  const { chromium: browserType } = (await import(`${HERE}node_modules/playwright-core/index.mjs`)) as Playwright;
  const server = await serve(directory);
  try {
    const browser = await browserType.launch({ executablePath: EXECUTABLE, args: FLAGS, timeout: LIMIT_MS });
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      const work = page.evaluate(`import("/page.js").then((module) => module.run())`);
      return { version: browser.version(), result: (await withinLimit(work)) as SuiteResult };
    } finally {
      await browser.close();
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function withinLimit<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`chromium: no result after ${LIMIT_MS / 1000} s`)), LIMIT_MS);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

const MEDIA_TYPES: Record<string, string> = { js: "text/javascript", json: "application/json", wasm: "application/wasm" };

/** The files of the directory, once with their media types and once, under `/untyped/`, as plain bytes. */
async function serve(directory: string): Promise<Server> {
  const server = createServer(async (request, response) => {
    // A page isolated like this may share memory between threads, the stricter of the two ways to serve one.
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    const [, untyped, fileName, extension] = /^\/(untyped\/)?([\w-]+\.(\w+))$/.exec(request.url!) ?? [];
    if (request.url === "/") {
      response.setHeader("content-type", "text/html").end("<!doctype html><title>fptq</title>");
    } else if (fileName === undefined || !existsSync(`${directory}/${fileName}`)) {
      response.writeHead(404).end();
    } else {
      const type = untyped ? "application/octet-stream" : MEDIA_TYPES[extension!];
      response.setHeader("content-type", type ?? "application/octet-stream").end(await readFile(`${directory}/${fileName}`));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
