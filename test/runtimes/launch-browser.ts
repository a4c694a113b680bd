/**
 * Chromium and Firefox: a page from a local server, opened by puppeteer (Chromium's own protocol, WebDriver
 * BiDi).
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { formatJob, type Job } from "./job.ts";
import { HERE, type Launched, type Launcher, LIMIT_MS, NotInstalledError } from "./launch.ts";
import { NO_WORKER } from "./page-server.ts";
import { serve } from "./serve.ts";

/** As much of puppeteer-core as is used: the type check runs where it is not installed. */
interface Puppeteer {
  launch(options: {
    browser: "chrome" | "firefox";
    executablePath: string;
    headless: true;
    args: string[];
    timeout: number;
  }): Promise<OpenBrowser>;
}

interface OpenBrowser {
  version(): Promise<string>;
  process(): { pid: number };
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

export interface Page {
  goto(url: string): Promise<unknown>;
  /** @param expression a promise is waited for */
  evaluate(expression: string): Promise<unknown>;
  /** Chromium's own protocol. */
  createCDPSession(): Promise<{ send(method: string, parameters: object): Promise<unknown> }>;
  close(): Promise<void>;
}

interface Browser {
  readonly browser: "chrome" | "firefox";
  /** Debian's package; elsewhere say where it is. */
  readonly executablePath: string;
  readonly args: string[];
  /** What the system calls the thread of a web worker. */
  readonly workerThread: string;
}

export const CHROMIUM: Browser = {
  browser: "chrome",
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  workerThread: "DedicatedWorker",
};
export const FIREFOX: Browser = {
  browser: "firefox",
  executablePath: process.env["FIREFOX"] ?? "/usr/bin/firefox-esr",
  args: [],
  workerThread: "DOM Worker",
};

export const chromium: Launcher = (directory, job) => launch(CHROMIUM, directory, job, true);
export const chromiumNotIsolated: Launcher = (directory, job) => launch(CHROMIUM, directory, job, false);
export const firefox: Launcher = (directory, job) => launch(FIREFOX, directory, job, true);

/** Firefox 153 sometimes starts no worker, with any version of this package: it is opened again then. */
const TRIES = { chrome: 1, firefox: 4 };

async function launch(browser: Browser, directory: string, job: Job, isolated: boolean): Promise<Launched> {
  const { version, outcome } = await openPageAgain(browser, directory, `?job=${formatJob(job)}`, isolated);
  const { result, error } = outcome as { result: Launched["result"]; error?: string };
  if (error !== undefined) throw new Error(error);
  return { version, result };
}

async function openPageAgain(...page: Parameters<typeof openPage>): ReturnType<typeof openPage> {
  const [{ browser }] = page;
  for (let left = TRIES[browser] - 1; ; left--) {
    try {
      const opened = await openPage(...page);
      const { error } = opened.outcome as { error?: string };
      if (error?.includes(NO_WORKER)) throw new NoResultError(`${browser}: ${error}`);
      return opened;
    } catch (error) {
      if (left === 0 || !(error instanceof NoResultError)) throw error;
      console.log(`${error.message}; opened again`);
    }
  }
}

class NoResultError extends Error {}

/** @throws NotInstalledError if there is no such browser */
export async function launchBrowser({ browser, executablePath, args }: Browser): Promise<OpenBrowser> {
  if (!existsSync(executablePath)) throw new NotInstalledError(`${executablePath}: no such file; set CHROMIUM and FIREFOX to where they are`); // prettier-ignore
  const { default: puppeteer } = (await import(`${HERE}node_modules/puppeteer-core/lib/esm/puppeteer/puppeteer-core.js`)) as {
    default: Puppeteer;
  };
  return puppeteer.launch({ browser, executablePath, headless: true, args, timeout: LIMIT_MS });
}

/**
 * Opens the page of a directory and waits for what it posts.
 * @param query behind the page's address
 * @throws NotInstalledError if there is no such browser
 */
export async function openPage(
  description: Browser,
  directory: string,
  query: string,
  isolated: boolean,
): Promise<{ version: string; outcome: unknown }> {
  const { browser: name, workerThread } = description;
  const browser = await launchBrowser(description);
  const { pid } = browser.process();
  const server = await serve(directory, { isolated, countWorkers: () => countThreads(pid, workerThread) });
  try {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/${query}`);
    const outcome = await withinLimit(name, server.outcome);
    return { version: /\d+(\.\d+)+/.exec(await browser.version())![0], outcome };
  } finally {
    await browser.close();
    server.close();
  }
}

async function withinLimit<T>(name: Browser["browser"], work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    const ms = LIMIT_MS / TRIES[name];
    timer = setTimeout(() => reject(new NoResultError(`${name}: no result after ${ms / 1000} s`)), ms);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

/**
 * Threads of that name in a process and those below it (proc(5): the parent is the second field behind the
 * command in parentheses).
 */
function countThreads(root: number, name: string): number {
  const parents = new Map<number, number>();
  for (const pid of readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)) {
    const stat = read(`/proc/${pid}/stat`);
    if (stat !== undefined) parents.set(pid, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const below = (pid: number | undefined): boolean => pid === root || (pid !== undefined && below(parents.get(pid)));
  let count = 0;
  for (const pid of parents.keys()) {
    if (!below(pid)) continue;
    for (const thread of existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : []) {
      if (read(`/proc/${pid}/task/${thread}/comm`)?.startsWith(name)) count++;
    }
  }
  return count;
}

/** Processes come and go meanwhile. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
