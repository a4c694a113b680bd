/** Messages of the library, with the command line's names for its options. */
import { Command } from "commander";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { errorMessage, messageWithFlags } from "../../src/cli/exit.ts";
import { CheckpointError, OptionError, RecipeError } from "../../src/errors.ts";

const test = suite("messages with flags");

const command = new Command("quantize")
  .option("-c, --ctx-size <n>", "")
  .option("--samples <n>", "")
  .option("--top-k <k>", "")
  .option("--temp <t>", "")
  .option("--force", "");

for (const [message, expected] of [
  ["samples: got 0, need a whole number of at least 1", "--samples: got 0, need a whole number of at least 1"],
  ["contextSize: got 0, need 1", "--ctx-size: got 0, need 1"],
  ["topK: got -1, need 0", "--top-k: got -1, need 0"],
  ["temperature: got -1, need 0", "--temp: got -1, need 0"],
  ["out: got a folder, need option force to replace it", "out: got a folder, need --force to replace it"],
  ["samples.txt: got 3 tokens, need 9; option samples 2 would fit", "samples.txt: got 3 tokens, need 9; --samples 2 would fit"],
  ["minP: got 2, need 1; option minP is not there", "minP: got 2, need 1; option minP is not there"],
  ["text: got samples: 3, need force", "text: got samples: 3, need force"],
] as const) {
  test(message, () => {
    assert.is(messageWithFlags(new OptionError(message), command), expected);
    assert.is(messageWithFlags(new RecipeError(message), command), expected);
    assert.is(errorMessage(new OptionError(message), false, command), `error: ${expected}`);
    assert.is(errorMessage(new OptionError(message), false), `error: ${message}`);
  });
}

test("other errors keep their messages", () => {
  assert.is(messageWithFlags(new CheckpointError("samples: got 1, need 2"), command), "samples: got 1, need 2");
});

test.run();
