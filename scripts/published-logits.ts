/**
 * The hash of the embedded model's logits that the playground shows, so that whoever opens the page can
 * compare: what a browser computes has to be these bits.
 *
 *   npx tsx scripts/published-logits.ts     writes examples/playground/src/published-logits.json
 *
 * Only a change of the arithmetic or of the embedded model changes it, and test/examples fails until this was
 * run again.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { loadModel } from "../src/index.ts";

export interface PublishedLogits {
  /** What is given to the model. */
  readonly text: string;
  /** SHA-256 of the model's index, which has the digest of each of its files. */
  readonly index_sha256: string;
  /** SHA-256 of the logits after each token: f32[S, V], little-endian. */
  readonly logits_sha256: string;
}

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url));
const MODEL = path("models/smollm2-135m-instruct-w4a8");
export const PUBLISHED = path("examples/playground/src/published-logits.json");
const TEXT = "The capital of France is Paris, and the longest river in it is";

const sha256 = (bytes: NodeJS.ArrayBufferView) => createHash("sha256").update(bytes).digest("hex");

export async function publishedLogits(): Promise<PublishedLogits> {
  const model = await loadModel(MODEL);
  try {
    return {
      text: TEXT,
      index_sha256: sha256(readFileSync(`${MODEL}/model.safetensors.index.json`)),
      logits_sha256: sha256(await model.logits(model.promptIds(TEXT))),
    };
  } finally {
    await model.dispose();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  writeFileSync(PUBLISHED, `${JSON.stringify(await publishedLogits(), null, 2)}\n`);
