/**
 * Where a distillation is kept while it runs: beside the output, under a name that is the digest of all that
 * its result depends on. So only a run that would give the same bits finds it.
 */
import type { OutputFolder } from "../../checkpoint/byte-source.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { createSha256, type Sha256 } from "../../checkpoint/sha256.ts";
import type { Work } from "../../host/work.ts";
import type { RunStore } from "../../training/training-run.ts";
import type { Recipe } from "../recipe/recipe.ts";

export interface RunIdentity {
  readonly teacher: Checkpoint;
  readonly student: Checkpoint;
  readonly samples: readonly Int32Array[];
  readonly validation: readonly Int32Array[];
  readonly recipe: Recipe;
}

/** Rows hashed at a time hold about so many bytes. */
const BLOCK_BYTES = 1 << 24;

/** @returns undefined where an output has no place for unfinished work */
export async function runStore(output: OutputFolder, run: RunIdentity, { signal }: Work): Promise<RunStore | undefined> {
  if (!output.unfinished) return undefined;
  const hash = createSha256();
  const text = (value: unknown) => hash.update(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  text(run.recipe);
  for (const ids of [...run.samples, null, ...run.validation]) {
    text(ids?.length ?? "validation");
    if (ids) hash.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
  }
  for (const checkpoint of [run.student, run.teacher]) await addTensors(hash, checkpoint, signal);
  return output.unfinished(hash.hex().slice(0, 16));
}

async function addTensors(hash: Sha256, checkpoint: Checkpoint, signal: AbortSignal | undefined): Promise<void> {
  for (const { name, type, shape, bytes } of checkpoint.tensors.values()) {
    hash.update(new TextEncoder().encode(`${JSON.stringify([name, type, shape])}\n`));
    const rows = shape[0] ?? 1;
    const step = Math.max(1, Math.floor((BLOCK_BYTES * rows) / bytes));
    for (let begin = 0; begin < rows; begin += step) {
      hash.update(await checkpoint.readRaw(name, { rows: [begin, Math.min(rows, begin + step)], signal }));
    }
  }
}
