/** `'..{}..'.format(values)`, as the sandbox carries it out: fields, attributes, items, forms. */
import { formatted } from "./format-spec.ts";
import { NotCarriedOut, TemplateError } from "../limits.ts";
import { repr, text } from "../values/print.ts";
import type { Run } from "../run.ts";
import type { Named, Value } from "../values/values.ts";

const FIELD = /\{\{|\}\}|\{((?:[^{}]|\{[^{}]*\})*)\}|[{}]/g;
const INSIDE = /^([^.[!:]*)((?:\.[^.[!:]+|\[[^\]]+\])*)(?:!([^:]))?(?::([^]*))?$/;

/** The arguments of a call, and the way to what fields name of them. */
export interface FormatArguments {
  readonly args: readonly Value[];
  readonly named: Named;
  attribute(run: Run, value: Value, name: string): Value;
  item(run: Run, value: Value, key: Value): Value;
}

export function braceFormat(run: Run, template: string, { args, named, ...reach }: FormatArguments): string {
  let next: number | undefined;
  const argument = (name: string): Value => {
    let value: Value | undefined;
    if (name === "" || /^\d+$/.test(name)) {
      if (name === "" ? next === -1 : next !== undefined && next >= 0)
        throw new TemplateError("cannot switch between fields with and without numbers");
      next = name === "" ? (next ?? 0) : -1;
      value = args[name === "" ? next++ : Number(name)];
    } else value = named.get(name);
    if (value === undefined) throw new TemplateError(`format: got no value for the field '${name}', need one`);
    return value;
  };
  const field = (inside: string): string => {
    const parts = INSIDE.exec(inside);
    if (parts === null) throw new TemplateError(`format: got the field {${inside}}, need one that can be read`);
    const [, name, path, conversion, spec = ""] = parts;
    let value = argument(name!);
    for (const [, attribute, key] of path!.matchAll(/\.([^.[]+)|\[([^\]]+)\]/g))
      value =
        attribute !== undefined
          ? reach.attribute(run, value, attribute)
          : reach.item(run, value, /^\d+$/.test(key!) ? BigInt(key!) : key!);
    if (conversion === "r") value = repr(run, value);
    else if (conversion === "s") value = text(run, value);
    else if (conversion !== undefined) throw new NotCarriedOut(`the conversion !${conversion}`);
    return formatted(
      run,
      value,
      spec.replaceAll(/\{([^{}]*)\}/g, (_, inner: string) => field(inner)),
    );
  };
  run.limits.text(template.length);
  let whole = "";
  let at = 0;
  for (const match of template.matchAll(FIELD)) {
    const [all, inside] = match;
    whole += template.slice(at, match.index);
    at = match.index + all.length;
    if (inside === undefined && all.length === 1) throw new TemplateError(`Single '${all}' encountered in format string`);
    const part = inside === undefined ? all[0]! : field(inside);
    run.limits.text(part.length);
    run.limits.joined(whole.length + part.length);
    whole += part;
  }
  return whole + template.slice(at);
}
