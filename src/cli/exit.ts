/** How a command ends: the exit code and the line on stderr for each kind of error. */
import { CommanderError } from "commander";
import { AbortError } from "../errors.ts";

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
/** The command line itself was wrong. */
export const EXIT_USAGE = 2;
/** 128 + SIGINT, as shells report it. */
export const EXIT_INTERRUPTED = 130;

/** A command line that parses but asks for something that makes no sense, for instance two options that exclude each other. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function exitCode(error: unknown): number {
  // Commander leaves by an error too after printing help or the version; only those carry code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  if (error instanceof UsageError) return EXIT_USAGE;
  if (error instanceof AbortError) return EXIT_INTERRUPTED;
  return EXIT_FAILURE;
}

/**
 * What to print for an error; undefined if it has been said already (commander prints its own messages).
 *
 * @param verbose with the stack and the causes, for a bug report
 */
export function errorMessage(error: unknown, verbose: boolean): string | undefined {
  if (error instanceof CommanderError) return undefined;
  if (error instanceof AbortError && !verbose) return "interrupted";
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  if (!verbose) return `error: ${error.message}`;
  const cause = error.cause instanceof Error ? `\ncaused by: ${error.cause.stack ?? error.cause.message}` : "";
  return `error: ${error.stack ?? error.message}${cause}`;
}
