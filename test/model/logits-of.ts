/** Logits of a checkpoint, loaded for them and disposed of. */
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { Transformer } from "../../src/model/transformer.ts";

/** @param chunk ids of each call of `forward` */
export async function logitsOf(
  checkpoint: Checkpoint,
  ids: readonly number[],
  options: LoadOptions = {},
  chunk = ids.length,
): Promise<Float32Array> {
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 1, ...options });
  const V = model.config.vocabSize;
  const logits = new Float32Array(ids.length * V);
  for (let begin = 0; begin < ids.length; begin += chunk) {
    const give = ({ values, firstRow }: { values: Float32Array; firstRow: number }) => logits.set(values, (begin + firstRow) * V);
    await model.forward(ids.slice(begin, begin + chunk), { logits: give });
  }
  await model.dispose();
  return logits;
}
