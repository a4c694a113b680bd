/** Checks that the tests of every family make of its configuration. */
import * as assert from "uvu/assert";
import { parseModelConfig, writeModelConfig } from "../../src/architecture/families.ts";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import { CheckpointError, UnsupportedModelError } from "../../src/errors.ts";
import type { JsonObject } from "../../src/json-object.ts";

export const parse = (json: JsonObject): ModelConfig => parseModelConfig(json, "config.json");

/** Names the file, the key and what was got. */
export function assertUnsupported(json: JsonObject, changes: JsonObject, pattern: RegExp): void {
  assertThrows(json, changes, UnsupportedModelError, pattern);
}

export function assertRefused(json: JsonObject, changes: JsonObject, pattern: RegExp): void {
  assertThrows(json, changes, CheckpointError, pattern);
}

function assertThrows(json: JsonObject, changes: JsonObject, type: new (message: string) => Error, pattern: RegExp): void {
  assert.throws(
    () => parse({ ...json, ...changes }),
    (error: unknown) => {
      assert.instance(error, type, String(error));
      assert.match((error as Error).message, pattern);
      assert.ok((error as Error).message.startsWith("config.json: "), (error as Error).message);
      return true;
    },
  );
}

/** What is written is read back the same, through text as on disk. */
export function assertWritten(...configs: readonly ModelConfig[]): void {
  for (const config of configs) assert.equal(parse(JSON.parse(JSON.stringify(writeModelConfig(config))) as JsonObject), config);
}
