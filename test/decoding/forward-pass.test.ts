/** The model is a forward pass by its shape alone, which the type checker shows; a change of either side fails `tsc`. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ForwardPass } from "../../src/decoding/forward-pass.ts";
import { Transformer } from "../../src/model/transformer.ts";

const test = suite("forward pass");

type Methods = { [K in keyof ForwardPass]: ForwardPass[K] extends (...args: never[]) => unknown ? K : never }[keyof ForwardPass];

function asForwardPass(model: Transformer): ForwardPass {
  return model;
}

test("the transformer has every part of the contract", () => {
  assert.type(asForwardPass, "function");
  const methods = ["forward", "truncate", "softmax", "argmax", "crossEntropy"] as const satisfies readonly Methods[];
  for (const method of methods) assert.type(Transformer.prototype[method], "function");
  for (const property of ["config", "contextSize", "length"] as const satisfies readonly Exclude<keyof ForwardPass, Methods>[])
    assert.ok(Object.getOwnPropertyDescriptor(Transformer.prototype, property)?.get, property);
});

test.run();
