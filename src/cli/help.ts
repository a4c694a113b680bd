/** Help at any width: names and descriptions side by side where there is room, else one below the other. */
import type { Help } from "commander";
import { optionTerm } from "./arguments.ts";
import { displayWidth, wrapWords } from "./line-wrap.ts";

/** Where there is no terminal to fit. */
const USUAL_WIDTH = 80;
/** Longer lines are hard to read, whatever the terminal has. */
const GREATEST_WIDTH = 110;
/** From this width on names and descriptions stand side by side. */
const TWO_COLUMNS = 56;
const INDENT = "  ";
const GAP = 2;

/** @param columns of the terminal, if there is one */
export const helpWidth = (columns: number | undefined) => Math.min(columns ?? USUAL_WIDTH, GREATEST_WIDTH);

/** The parts of commander's help that differ from its own. */
export const HELP: Partial<Help> = {
  optionTerm,
  formatItem(term, termWidth, description, helper) {
    const width = helper.helpWidth ?? USUAL_WIDTH;
    const names = wrapTerm(term, width - INDENT.length).map((line) => INDENT + line);
    if (description === "") return names.join("\n");
    const column = width < TWO_COLUMNS ? 3 * INDENT.length : Math.min(termWidth, Math.floor(width / 3)) + INDENT.length + GAP;
    const lines = wrapWords(description, width - column).map((line) => " ".repeat(column) + line);
    // Beside the name if that is short enough.
    if (displayWidth(names.at(-1)!) + GAP <= column) lines[0] = names.pop()!.padEnd(column) + lines[0]!.trimStart();
    return [...names, ...lines].join("\n");
  },
};

/** Choices are broken behind a bar. */
function wrapTerm(term: string, width: number): string[] {
  const lines = [""];
  for (const part of term.split(/(?<=[ |])/)) {
    if (lines.at(-1) !== "" && lines.at(-1)!.length + part.trimEnd().length > width) lines.push("  ");
    lines[lines.length - 1] += part;
  }
  return lines.map((line) => line.trimEnd());
}

/**
 * Fits what stands below the options: prose is filled anew, commands go on behind a backslash so that they
 * can still be copied, and of a list the second column is kept.
 */
export function fitHelp(text: string, width: number): string {
  if (text.split("\n").every((line) => displayWidth(line) <= width)) return text;
  const lines: string[] = [];
  let isProse = false;
  for (const line of text.split("\n")) {
    const goesOn = isProse;
    isProse = /^[^\s]/.test(line) && !line.endsWith(":");
    if (isProse && goesOn) lines[lines.length - 1] += ` ${line}`;
    else lines.push(line);
  }
  return lines.flatMap((line) => (displayWidth(line) <= width ? [line] : fitLine(line, width))).join("\n");
}

function fitLine(line: string, width: number): string[] {
  if (!line.startsWith(INDENT)) return wrapWords(line, width);
  const [, command, comment] = /^ {2}((?:fptq|printf|deno|bunx) .*?)(?:\s{2,}# (.*))?$/.exec(line) ?? [];
  if (command !== undefined) {
    const above = comment === undefined ? [] : wrapWords(comment, width - INDENT.length - 2);
    return [...above.map((part) => `${INDENT}# ${part}`), ...fitCommand(command, width)];
  }
  const [head] = /^ {2}\S+(?: \S+)* {2,}/.exec(line) ?? [INDENT];
  const rest = wrapWords(line.slice(head.length), width - head.length);
  return rest.map((part, i) => (i === 0 ? head : " ".repeat(head.length)) + part);
}

/** Broken between words of the shell: what stands in quotes stays whole. */
function fitCommand(command: string, width: number): string[] {
  const words = command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)!;
  const lines: string[] = [];
  for (const word of words) {
    const line = lines.at(-1);
    // Two columns for the backslash of a line that goes on.
    if (line !== undefined && line.length + 1 + word.length + 2 <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(`${lines.length === 0 ? INDENT : INDENT.repeat(3)}${word}`);
  }
  return lines.map((line, i) => (i < lines.length - 1 ? `${line} \\` : line));
}
