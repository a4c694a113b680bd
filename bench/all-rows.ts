/** What the files of `bench/rows/` export, in the order of their names. */
import { readdirSync } from "node:fs";
import type { BenchRow } from "./bench-row.ts";

export async function allRows(): Promise<BenchRow[]> {
  const files = readdirSync(new URL("rows/", import.meta.url)).toSorted();
  const modules = await Promise.all(files.map((file) => import(new URL(`rows/${file}`, import.meta.url).href)));
  return modules.flatMap(({ rows }: { rows: BenchRow[] }) => rows);
}
