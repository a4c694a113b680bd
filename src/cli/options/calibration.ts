/** Calibration by `--calibration` and `--seed`: text from a file, or random tokens. */
import { basename } from "node:path";
import type { Command } from "commander";
import { type CommandContext, readTextFile } from "../command-context.ts";
import type { CalibrationSource } from "../../quantizer/calibrate/calibration-source.ts";
import { pathOf } from "../../host/node/node-paths.ts";
import { integer, nonEmpty } from "./option-values.ts";

export interface CalibrationFlags {
  readonly calibration?: string;
  readonly samples: number;
  readonly ctxSize?: number;
  readonly seed: number;
  readonly threads?: number;
}

export function addCalibrationOptions(command: Command): Command {
  return command
    .optionsGroup("Calibration:")
    .option(
      "--calibration <file>",
      "text to calibrate with, or a .jsonl file with a `text` in each line (default: random tokens)",
      nonEmpty,
    )
    .option("--samples <n>", "sequences to calibrate with", integer(1), 32)
    .option("-c, --ctx-size <n>", "tokens in each sequence (default: 512, less if the model's context is shorter)", integer(2))
    .option("-s, --seed <n>", "seed of the random tokens, without --calibration", integer(0, 0xffffffff), 0)
    .option("-t, --threads <n>", "threads (default: one per core)", integer(1, 64));
}

/** Reads the file, or says on stderr what is used without one. */
export async function calibrationSource(context: CommandContext, flags: CalibrationFlags): Promise<CalibrationSource> {
  if (flags.calibration === undefined) {
    context.output.log(`no --calibration FILE: calibrating with random tokens, seed ${flags.seed} (data-free)`);
    context.output.log("a text like what the model will see gives better scales");
    return { kind: "random", seed: flags.seed };
  }
  const text = await readTextFile(context, "--calibration", flags.calibration);
  const name = flags.calibration === "-" ? "stdin" : basename(pathOf(flags.calibration, "--calibration"));
  return { kind: "text", text, name };
}
