/** The end of a command: the exit code and the line on stderr for each kind of error. */
import { type Command, CommanderError } from "commander";
import { AbortError, DownloadError, OptionError, RecipeError } from "../errors.ts";

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
/** The command line itself was wrong. */
export const EXIT_USAGE = 2;
/** 128 + SIGINT, as shells report it. */
export const EXIT_INTERRUPTED = 130;

/**
 * A command line that parses but asks for something that makes no sense, for instance two options that
 * exclude each other.
 */
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
 * Names of the library's options that the command line calls otherwise, by the names commander has for its
 * flags.
 */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  contextSize: "ctxSize",
  maxTokens: "predict",
  temperature: "temp",
  stop: "reversePrompt",
  overrides: "override",
  promptTokens: "nPrompt",
  generatedTokens: "nGen",
  depth: "nDepth",
  slots: "slotSavePath",
};

/**
 * The message of an error about options, with flags in place of the names the library has for them: at its
 * start, where what follows is what is wrong with it, and behind the word "option".
 *
 * @param command the one that was called; an option it has no flag for keeps its name
 */
export function messageWithFlags(error: Error, command: Command | undefined): string {
  const aboutOptions = error instanceof OptionError || error instanceof RecipeError;
  // What to do without a network may be an option too.
  if (!aboutOptions && !(error instanceof DownloadError)) return error.message;
  const flagOf = (name: string) =>
    command?.options.find((option) => option.attributeName() === (OTHER_NAMES[name] ?? name))?.long ?? undefined;
  const message = aboutOptions ? error.message.replace(/^\w+(?=: )/, (name) => flagOf(name) ?? name) : error.message;
  return message.replaceAll(/\boption (\w+)/g, (phrase, name: string) => flagOf(name) ?? phrase);
}

/**
 * The text to print for an error; undefined if it has been said already (commander prints its own messages).
 *
 * @param verbose with the stack and the causes, for a bug report
 * @param command the one that was called, for the names of its flags
 */
export function errorMessage(error: unknown, verbose: boolean, command?: Command): string | undefined {
  if (error instanceof CommanderError) return undefined;
  if (error instanceof AbortError && !verbose) return "interrupted";
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  if (!verbose) return `error: ${messageWithFlags(error, command)}`;
  const cause = error.cause instanceof Error ? `\ncaused by: ${error.cause.stack ?? error.cause.message}` : "";
  return `error: ${error.stack ?? error.message}${cause}`;
}
