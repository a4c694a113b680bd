/** The picture of the page was made with the model that is here: `npm run picture` makes it anew. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url));

test("the README's picture shows answers of the embedded model", () => {
  // The index has the digest of every shard.
  const index = read("models/smollm2-135m-instruct-w4a8/model.safetensors.index.json");
  const { index_sha256 } = JSON.parse(read("docs/playground.json").toString()) as { index_sha256: string };
  assert.is(index_sha256, createHash("sha256").update(index).digest("hex"), "npm run picture");
});

test.run();
