/** What a stream shows: colours or none, and how wide a line may be. */

/** The part of a stream that this looks at. */
export interface TerminalStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** SGR parameters (ECMA-48, 8.3.117) of the 16 colours that terminals let a person choose. */
const STYLES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const;
export type Style = keyof typeof STYLES;

/**
 * Whether colours are wanted: on a terminal, unless `NO_COLOR` is set and not empty (https://no-color.org) or
 * the terminal says that it has none.
 */
export function showsColors(stream: TerminalStream, { NO_COLOR: none, TERM: kind }: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !none && kind !== "dumb";
}

export function styled(style: Style, text: string): string {
  const [begin, end] = STYLES[style];
  return `\u001b[${begin}m${text}\u001b[${end}m`;
}
