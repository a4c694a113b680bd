/**
 * Engines that run in a page: Debian's Chromium through playwright, a page from a local server, isolated so
 * that threads work.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Session, withinLimit } from "./session.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]; // prettier-ignore
const TYPES: Record<string, string> = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

export class Chromium {
  readonly #browser: Browser;
  readonly #server: Server;

  private constructor(browser: Browser, server: Server) {
    this.#browser = browser;
    this.#server = server;
  }

  /** @param files what pages get beside the files of this folder, by path: `/model.gguf` */
  static async launch(files: Readonly<Record<string, string>>): Promise<Chromium> {
    if (!existsSync(EXECUTABLE)) throw new Error(`${EXECUTABLE}: no such file; set CHROMIUM to where it is`);
    const server = createServer((request, response) => {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
      response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
      const path = new URL(request.url!, "http://localhost").pathname;
      if (path === "/") return void response.setHeader("Content-Type", "text/html").end("<!doctype html><title>peer</title>");
      const file = files[path] ?? resolve(HERE, `.${path}`);
      if (!files[path] && !file.startsWith(HERE)) return void response.writeHead(404).end();
      readFile(file).then(
        (bytes) => response.setHeader("Content-Type", TYPES[extname(file)] ?? "application/octet-stream").end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    try {
      return new Chromium(await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS }), server);
    } catch (error) {
      server.close();
      throw error;
    }
  }

  get version(): string {
    return `Chromium ${this.#browser.version()}`;
  }

  /** @param script a module beside this file that defines `globalThis.startEngine` */
  async open(script: string, engine: string): Promise<Session> {
    const page = await this.#browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("crash", () => errors.push("the page crashed"));
    await page.goto(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`);
    await page.evaluate(`import("/${script}").then(() => startEngine(${JSON.stringify(engine)}))`);
    return new PageSession(page, errors);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

class PageSession implements Session {
  readonly #page: Page;
  readonly #errors: readonly string[];

  constructor(page: Page, errors: readonly string[]) {
    this.#page = page;
    this.#errors = errors;
  }

  async call<T>(operation: string, request: object): Promise<T> {
    try {
      const work = this.#page.evaluate(`engine[${JSON.stringify(operation)}](${JSON.stringify(request)})`);
      return (await withinLimit(work, operation)) as T;
    } catch (error) {
      const reason = (error as Error).message.split("\n")[0]!.replace(/^page\.evaluate: (Error: )?/, "");
      throw new Error([reason, ...this.#errors].join("; "), { cause: error });
    }
  }

  async close(): Promise<void> {
    await this.#page.close();
  }
}
