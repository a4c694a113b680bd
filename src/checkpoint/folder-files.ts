/** The files of a model folder beside its configuration and tensors. */
import type { JsonObject } from "../json-object.ts";
import type { OutputFolder } from "./byte-source.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { writeRecommendedSampling } from "./recommended-sampling.ts";

/** The tokenizer, if there is one, and `generation_config.json`. */
export async function writeTextFiles(output: OutputFolder, { tokenizer, generation }: Checkpoint): Promise<void> {
  if (tokenizer) {
    await writeJson(output, "tokenizer.json", tokenizer.tokenizerJson);
    await writeJson(output, "tokenizer_config.json", tokenizer.tokenizerConfig);
  }
  const { eosTokenIds, sampling } = generation;
  await writeJson(output, "generation_config.json", {
    eos_token_id: eosTokenIds.length === 1 ? eosTokenIds[0] : eosTokenIds,
    ...writeRecommendedSampling(sampling),
  });
}

export async function writeJson(output: OutputFolder, fileName: string, value: JsonObject): Promise<void> {
  const file = await output.create(fileName);
  await file.write(new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`));
  await file.close();
}
