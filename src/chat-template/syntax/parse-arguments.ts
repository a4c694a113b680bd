/** What stands between the brackets of a call: positional, named, `*` and `**`, in that order. */
import type { Arguments, Expression } from "./nodes.ts";
import type { TokenStream } from "./token-stream.ts";

export function parseArguments(stream: TokenStream, expression: () => Expression): Arguments {
  stream.expectOperator("(");
  const positional: Expression[] = [];
  const named: [string, Expression][] = [];
  let list: Expression | undefined;
  let dict: Expression | undefined;
  let first = true;
  const check = (right: boolean) => {
    if (!right) stream.fail("arguments in their order");
  };
  while (!stream.isOperator(")")) {
    if (!first) stream.expectOperator(",");
    if (!first && stream.isOperator(")")) break;
    first = false;
    if (stream.skipOperator("*")) {
      check(list === undefined && dict === undefined);
      list = expression();
    } else if (stream.skipOperator("**")) {
      check(dict === undefined);
      dict = expression();
    } else if (stream.current.kind === "name" && stream.following.kind === "operator" && stream.following.text === "=") {
      const name = stream.next().text;
      stream.next();
      check(dict === undefined && !named.some(([other]) => other === name));
      named.push([name, expression()]);
    } else {
      check(list === undefined && dict === undefined && named.length === 0);
      positional.push(expression());
    }
  }
  stream.expectOperator(")");
  return { positional, named, list, dict };
}
