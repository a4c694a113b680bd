/** Columns of text, without lines between them, so that a table pastes well and `awk` reads it. */
import CliTable from "cli-table3";
import { wrapWords } from "./line-wrap.ts";

export interface Column {
  readonly head: string;
  /** Numbers stand to the right. */
  readonly align?: "left" | "right";
}

const BLANK = {
  top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "",
  left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  ",
}; // prettier-ignore

/** A table as text; every row has as many cells as there are columns. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const table = new CliTable({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ align }) => align ?? "left"),
    chars: BLANK,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/**
 * `label   value` lines.
 *
 * @param columns of a terminal, within which values are wrapped
 */
export function formatFields(fields: readonly (readonly [label: string, value: string])[], columns = Infinity): string {
  const width = Math.max(...fields.map(([label]) => label.length)) + 2;
  const lines = (value: string) => (columns === Infinity ? [value] : wrapWords(value, columns - width));
  return fields
    .flatMap(([label, value]) => lines(value).map((line, i) => `${(i === 0 ? label : "").padEnd(width)}${line}`))
    .join("\n");
}

/** Numbers as texts, with their points below each other in a column that is aligned to the right. */
export function alignPoints(numbers: readonly string[]): string[] {
  const tail = (text: string) => (text.includes(".") ? text.length - text.indexOf(".") : 0);
  const longest = Math.max(...numbers.map(tail));
  return numbers.map((text) => text + " ".repeat(longest - tail(text)));
}
