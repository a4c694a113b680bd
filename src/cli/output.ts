/**
 * The places a command writes to: data on stdout, everything a person reads meanwhile on stderr, so that a
 * pipe gets data only.
 */
import { wrapWords } from "./line-wrap.ts";
import { showsColors, type Style, styled, type TerminalStream } from "./terminal.ts";

export interface Output {
  /** Data, as it is. */
  write(text: string): void;
  /** Data, one line or several. */
  print(text: string): void;
  /** The one document of `--json`. */
  json(document: unknown): void;
  /** A line for a person. */
  log(text: string): void;
  /** A line for a person about something that works, but not as it might be wanted. */
  warn(text: string): void;
  /** The stream of `log`, for the progress bar. */
  readonly logStream: TerminalStream;
  /** Columns of the terminal that shows data; undefined where none does. */
  readonly columns: number | undefined;
  /** Text among data, or in lines for a person, in a colour where that stream shows colours. */
  paint(style: Style, text: string, stream?: "data" | "log"): string;
  /** No colours from now on: `--no-color`. */
  withoutColors(): void;
}

/** @param environment of the process, for `NO_COLOR` */
export function createOutput(
  dataStream: TerminalStream,
  logStream: TerminalStream,
  environment: NodeJS.ProcessEnv = process.env,
): Output {
  const colors = { data: showsColors(dataStream, environment), log: showsColors(logStream, environment) };
  const write = (text: string) => void dataStream.write(text);
  const print = (text: string) => write(`${text}\n`);
  return {
    write,
    print,
    json: (document) => print(jsonText(document)),
    log: (text) => void logStream.write(`${text}\n`),
    warn(text) {
      const line = `warning: ${text}`;
      const lines = logStream.isTTY && logStream.columns ? wrapWords(line, logStream.columns) : [line];
      logStream.write(`${lines.join("\n")}\n`);
    },
    logStream,
    get columns() {
      return dataStream.isTTY ? dataStream.columns : undefined;
    },
    paint: (style, text, stream = "data") => (colors[stream] ? styled(style, text) : text),
    withoutColors: () => void (colors.data = colors.log = false),
  };
}

/** Indented, but with each array of numbers on one line: a hundred token ids do not take a hundred lines. */
function jsonText(document: unknown): string {
  // A line break in JSON text is never part of a string, so that this touches no data.
  return JSON.stringify(document, undefined, 2).replaceAll(
    /\[\n\s+([\d\s,.eE+-]+)\n\s+\]/g,
    (_, numbers: string) => `[${numbers.replaceAll(/\s+/g, " ")}]`,
  );
}
