/**
 * Names of the hidden folders beside an output, and whose they are. A process that is killed leaves its
 * folder behind; the next one that writes to the same place removes it, once it is sure that nobody works in
 * it.
 */
import { createHash, randomBytes } from "node:crypto";
import { lstat, readdir, readFile, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { codeOf, messageOf } from "../system-error.ts";

/** A folder nobody has written to for so long is taken for abandoned, if its owner is not known to live. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** `/a/b` -> `/a/.b.WHAT-`: hidden, beside the target, so that a rename never crosses file systems. */
export function siblingPrefix(target: string, what: string): string {
  return join(dirname(target), `.${basename(target)}.${what}-`);
}

export function newSibling(target: string, what: string): string {
  return siblingPrefix(target, what) + randomBytes(4).toString("hex");
}

/** A new folder's path for this process: `.NAME.partial-RANDOM-PID-START-HOST`. */
export async function ownedSibling(target: string, what: string): Promise<string> {
  return `${newSibling(target, what)}-${process.pid}-${(await stateOf("self"))[1] ?? 0}-${hostMark()}`;
}

/**
 * Removes folders and files that killed processes left beside a target. Kept are those written to within a
 * day, and those of a process that lives on this machine; whether one on another machine lives cannot be
 * seen.
 *
 * @param now milliseconds since 1970
 */
export async function removeAbandoned(
  target: string,
  what: string,
  onWarning: ((message: string) => void) | undefined,
  now = Date.now(),
): Promise<void> {
  const prefix = basename(siblingPrefix(target, what));
  for (const name of await readdir(dirname(target)).catch(() => [])) {
    const [owned, pid, start, host] =
      (name.startsWith(prefix) && /^[0-9a-f]{8}(?:-(\d+)-(\d+)-([0-9a-f]{8}))?$/.exec(name.slice(prefix.length))) || [];
    if (owned === undefined) continue;
    const path = join(dirname(target), name);
    const idle = now - (await lastWrite(path));
    if (!(idle >= ABANDONED_MS)) continue;
    if (pid !== undefined && host === hostMark() && (await isAlive(Number(pid), start!))) continue;
    const days = Math.floor(idle / ABANDONED_MS);
    await rm(path, { recursive: true }).then(
      () => onWarning?.(`output: removed ${path}, which a process that was ended left behind ${days} days ago`),
      (error: unknown) => onWarning?.(`output: ${path}: left behind ${days} days ago, cannot be removed: ${messageOf(error)}`),
    );
  }
}

/**
 * The latest change to a file, or to a folder or a file in it, in milliseconds; infinite for anything else.
 */
async function lastWrite(path: string): Promise<number> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isFile()) return found.mtimeMs;
  if (!found?.isDirectory()) return Infinity;
  let latest = found.mtimeMs;
  for (const name of await readdir(path).catch(() => [])) {
    latest = Math.max(latest, (await stat(join(path, name)).catch(() => undefined))?.mtimeMs ?? Infinity);
  }
  return latest;
}

/** Tells whether the process is there, and the one that was meant where the system says when it began. */
async function isAlive(pid: number, start: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Anything else, of a runtime that does not allow the question for one, is no proof of death.
    if (codeOf(error) === "ESRCH") return false;
  }
  const [state, found] = await stateOf(String(pid));
  // Killed, and its parent has not asked how it ended: in a container nobody may ever do.
  if (state === "Z" || state === "X") return false;
  return found === undefined || start === "0" || found === start;
}

/** State of a process, and its beginning in ticks since that of the machine (proc(5)); Linux only. */
async function stateOf(process: string): Promise<readonly [state: string | undefined, start: string | undefined]> {
  const text = await readFile(`/proc/${process}/stat`, "utf8").catch(() => undefined);
  // The second field, the program's name in parentheses, may have spaces and parentheses.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  return [fields?.[0], fields?.[19]];
}

/** This machine's name, shortened. Deno may not tell it; then all folders count as another machine's. */
function hostMark(): string {
  let name: string;
  try {
    name = hostname();
  } catch {
    name = randomBytes(8).toString("hex");
  }
  return createHash("sha256").update(name).digest("hex").slice(0, 8);
}
