/** Loops: their values, those that pass a test, `loop`, and rendering a body again inside itself. */
import { compileExpression } from "./compile-expression.ts";
import { compileEntry, compileExit, compileTarget, depthOf, type Execute, type Frame, innerFrame, type Leave } from "./frame.ts";
import { iterate, listOf } from "../values/iterate.ts";
import { TemplateSyntaxError } from "../limits.ts";
import { Loop } from "./loop.ts";
import type { Expression, For, Statement } from "../syntax/nodes.ts";
import { text } from "../values/print.ts";
import { Activation, type Run } from "../run.ts";
import { assigns, FunctionVariables, readExpression, readStatements, ScopeNames, undeclared } from "./scopes.ts";
import { isTrue, Iterating, Tuple, type Value } from "../values/values.ts";

/** Compiles the statements of a body. */
type CompileBody = (frame: Frame, statements: readonly Statement[]) => Execute;

export function compileFor(frame: Frame, node: For, compileBody: CompileBody): Execute {
  if (assigns([node], "loop"))
    throw new TemplateSyntaxError(`line ${node.line}: Can't assign to special loop variable in for-loop target`);
  const of = node.recursive ? new FunctionVariables(frame.names.of) : frame.names.of;
  const extended = node.recursive || undeclared(node.body, ["loop"]).has("loop");
  const names = new ScopeNames(frame.names, of);
  if (extended) names.parameter("loop");
  readExpression(names, node.target, "parameter");
  readStatements(names, node.body);
  const otherwiseNames = new ScopeNames(frame.names, of);
  readStatements(otherwiseNames, node.otherwise);
  const inner = innerFrame(frame, names);
  const assign = compileTarget(inner, node.target);
  const loopSlot = extended ? names.variable("loop").slot : undefined;
  const [enter, exit, body] = [compileEntry(names), compileExit(names), compileBody(inner, node.body)];
  const enterOtherwise = compileEntry(otherwiseNames);
  const otherwise = compileBody(innerFrame(frame, otherwiseNames), node.otherwise);
  const test = node.test === undefined ? undefined : compileLoopTest(frame, node);
  const iterable = compileExpression(frame, node.iterable);
  const depth = depthOf(node.body);

  const each = (
    at: Activation,
    values: Value,
    recursion: ((values: Value, depth: number) => Value) | undefined,
    level: number,
  ): Leave => {
    // What the test reads outside is the function around the loop.
    const tested = test === undefined ? values : test(recursion === undefined ? at : at.outer!, values);
    const loop = extended ? new Loop(at.run, tested, recursion, level) : undefined;
    const iterator = loop === undefined ? iterate(at.run, tested) : undefined;
    const next = () => {
      if (loop !== undefined) return loop.next();
      const step = iterator!.next();
      return step.done ? undefined : step.value;
    };
    let empty = true;
    for (let value = next(); value !== undefined; value = next()) {
      if (loopSlot !== undefined) at.slots[loopSlot] = loop;
      assign(at, value);
      enter(at);
      const leave = body(at);
      // Jinja notes that the loop was not empty at the end of a pass that went through.
      if (leave === undefined) empty = false;
      if (leave === "break") break;
    }
    exit(at);
    if (!empty || node.otherwise.length === 0) return undefined;
    enterOtherwise(at);
    return otherwise(at);
  };
  if (!node.recursive) return (at) => each(at, iterable(at), undefined, 0);
  return (at) => {
    const recursion = (values: Value, level: number): Value =>
      at.run.limits.call(depth, () => at.run.capture(() => void each(new Activation(at.run, at), values, recursion, level)));
    at.run.write(text(at.run, recursion(iterable(at), 0)));
    return undefined;
  };
}

/** `for ... if test`: a generator of the values that pass, in a function of its own. */
function compileLoopTest(frame: Frame, node: For): (at: Activation, values: Value) => Value {
  const names = new ScopeNames(frame.names, new FunctionVariables(frame.names.of));
  readExpression(names, node.target, "parameter");
  readExpression(names, node.test!);
  const inner = innerFrame(frame, names);
  const assign = compileTarget(inner, node.target);
  const test = compileExpression(inner, node.test!);
  const enter = compileEntry(names);
  const shape = (target: Expression, value: Value, run: Run): Value =>
    target.kind === "tuple" ? new Tuple(listOf(run, value).map((part, i) => shape(target.items[i]!, part, run))) : value;
  return (outer, values) => {
    const { run } = outer;
    const at = new Activation(run, outer);
    const iterator = iterate(run, values);
    const passing = function* (): Generator<Value> {
      enter(at);
      for (let step = iterator.next(); !step.done; step = iterator.next()) {
        assign(at, step.value);
        if (isTrue(test(at))) yield shape(node.target, step.value, run);
      }
    };
    return new Iterating(passing());
  };
}
