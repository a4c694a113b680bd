/** What `run.ts` is asked to measure, and where it writes. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DATA_FOLDER, findData, missingData } from "../../scripts/data/data-folder.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Taken from the folder of data if nothing else is named. */
const MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf";

export interface Settings {
  readonly quick: boolean;
  /** A GGUF: a path, a URL or `hf:ORG/MODEL/FILE.gguf`. */
  readonly model: string;
  /** What prompts are cut from, and what the model is calibrated with; how fast it is depends on neither. */
  readonly text: string;
  readonly samples: number;
  /** A folder made of `model` before, instead of quantizing it again. */
  readonly quantized: string | undefined;
  readonly repetitions: number;
  readonly threads: readonly number[];
  readonly depth: number;
  /** Words of the engines wanted; none for all. */
  readonly only: readonly string[];
  readonly output: string;
}

/** @throws Error that says in one line what is missing */
export function readSettings(args: readonly string[]): Settings {
  const { values: flags } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      model: { type: "string" },
      data: { type: "string", default: DATA_FOLDER },
      text: { type: "string" },
      samples: { type: "string", default: "32" },
      quantized: { type: "string" },
      repetitions: { type: "string" },
      threads: { type: "string", default: "1,2" },
      depth: { type: "string" },
      only: { type: "string", multiple: true, default: [] },
      output: { type: "string", default: join(ROOT, "build/peers") },
      "write-docs": { type: "boolean", default: false },
    },
  });
  const model = flags.model ?? findData(flags.data, MODEL);
  if (model === undefined) throw new Error(`${missingData(flags.data, [MODEL])}; or --model, a path, URL or hf: name`);
  const output = flags["write-docs"] ? join(ROOT, "docs") : flags.output;
  mkdirSync(output, { recursive: true });
  return {
    quick: flags.quick,
    model,
    text: flags.text === undefined ? documents() : readFileSync(flags.text, "utf8"),
    samples: positive("--samples", flags.samples),
    quantized: flags.quantized,
    repetitions: positive("--repetitions", flags.repetitions ?? (flags.quick ? "2" : "5")),
    threads: flags.threads.split(",").map((count) => positive("--threads", count)),
    depth: positive("--depth", flags.depth ?? (flags.quick ? "512" : "4096")),
    only: flags.only,
    output,
  };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${flag}: got ${text}, need a whole number from 1`);
  return value;
}

/** The project's own pages: English prose that is always there. */
function documents(): string {
  const pages = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  return pages.map((name) => readFileSync(join(ROOT, "docs", name), "utf8")).join("\n");
}
