/** Edits of chat templates: Jinja that is damaged, grown from pieces, or written to run on. */
import type { Choices } from "../choices.ts";
import { editText } from "./byte-edits.ts";
import { brief, type Edit, type EditedFiles, textOf, utf8 } from "./edit.ts";

/** Templates that try what a template should not be able to do. */
export const HOSTILE_TEMPLATES: readonly string[] = [
  "{% for i in range(1000000000) %}x{% endfor %}",
  "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}",
  "{% for i in range(99) %}{% for j in messages %}{% for k in range(99) %}{{ k * i }}{% endfor %}{% endfor %}{% endfor %}",
  "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
  "{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
  "{% set ns = namespace(a=[1]) %}{% for i in range(64) %}{% set ns.a = ns.a + ns.a %}{% endfor %}{{ ns.a | length }}",
  "{{ 'x' * 1000000000 }}",
  "{{ messages.__class__.__mro__[1].__subclasses__() }}",
  "{{ messages.constructor.constructor('return process')().exit(3) }}",
  "{{ ''.constructor }}{{ messages[0].__proto__ }}{{ range.constructor('return 1')() }}",
  `${"{{ (".repeat(1)}${"(".repeat(3000)}1${")".repeat(3000)}) }}`,
  `{{ ${"[".repeat(3000)}${"]".repeat(3000)} }}`,
  `{{ ${"not ".repeat(5000)}true }}`,
  `{{ 1${" + 1".repeat(5000)} }}`,
  `{{ messages${"[0]".repeat(2000)} }}`,
  `{{ 'x'${" | upper".repeat(3000)} }}`,
  `${"{% if true %}".repeat(1500)}x${"{% endif %}".repeat(1500)}`,
  `${"{% for m in messages %}".repeat(12)}x${"{% endfor %}".repeat(12)}`,
  "{{ messages | tojson(indent=1000000000) }}",
  "{{ 'a,b' | replace('', 'x' ) }}{{ ('x' * 9999) | replace('x', 'y' * 9999) }}",
  "{{ 'abc'.split('') | join('x' * 100000) }}",
  "{{ range(10, 0) }}{{ range(0, 10, 0) }}{{ range(-1) }}{{ range('a') }}{{ range() }}",
  "{{ raise_exception('no') }}",
  "{{ raise_exception(messages) }}{{ raise_exception() }}",
  "{{ strftime_now(5) }}{{ strftime_now() }}{{ strftime_now(messages) }}",
  "{{ undefined_function(1) }}",
  "{{ none.x.y }}{{ messages[99].role }}{{ messages['a'] }}",
  "{{ 1 / 0 }}{{ 1 % 0 }}{{ 1 // 0 }}{{ 'a' - 1 }}{{ messages + 1 }}{{ -'a' }}",
  "{% set messages = messages + messages %}".repeat(30),
  "{% break %}", "{% continue %}", "{% endfor %}", "{% else %}", "{% generation %}x{% endgeneration %}",
  "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% call f() %}{% endcall %}", "{% filter upper %}a{% endfilter %}",
  "{%", "{{", "{#", "%}", "}}", "#}", "{% for %}", "{{ }}", "{% set %}", "{% if %}", "{{ '", "{% raw %}", "{{ \"\\u",
]; // prettier-ignore

const EXPRESSIONS = ["messages", "messages[0]", "message.content", "loop.index", "bos_token", "eos_token", "tools", "add_generation_prompt", "none",
  "1", "-1", "1e999", "'x'", "''", "[]", "{}", "{'a': 1}", "(1, 2)", "ns", "range(3)", "true", "messages | length", "undefined_name"]; // prettier-ignore
const FILTERS = ["upper", "length", "first", "last", "join(',')", "tojson", "list", "trim", "sort", "reverse", "items", "string", "int", "float", "abs", "default('x')",
  "selectattr('role', 'equalto', 'user')", "map(attribute='role')", "unique", "indent(4)", "replace('a', 'b')", "dictsort", "safe", "nope", "round(2)", "groupby('role')"]; // prettier-ignore
const METHODS = [".strip()", ".split('x')", ".items()", ".keys()", ".get('a')", ".upper()", ".startswith('a')", ".rstrip('\\n')", "[0]", "[-1]", "[1:]", "[::-1]", "['a']", "[::0]", ".format(1)", ".title()"]; // prettier-ignore
const OPERATORS = ["+", "-", "*", "/", "%", "//", "~", "==", "!=", "<", "in", "not in", "and", "or", "is", "is not", "**"];
const TESTS = ["defined", "none", "string", "mapping", "iterable", "odd", "number", "equalto(1)", "nope"];

/** An expression grown at random, to a depth. */
function expression(choices: Choices, depth = 0): string {
  const inner = () => expression(choices, depth + 1);
  if (depth > 3) return choices.pick(EXPRESSIONS);
  switch (choices.below(9)) {
    case 0:
      return `${inner()} ${choices.pick(OPERATORS)} ${inner()}`;
    case 1:
      return `${inner()} | ${choices.pick(FILTERS)}`;
    case 2:
      return `(${inner()})${choices.pick(METHODS)}`;
    case 3:
      return `(${inner()} if ${inner()} else ${inner()})`;
    case 4:
      return `${inner()} is ${choices.pick(TESTS)}`;
    case 5:
      return `[${inner()}, ${inner()}]`;
    default:
      return choices.pick(EXPRESSIONS);
  }
}

function statement(choices: Choices): string {
  const one = () => expression(choices, 1);
  switch (choices.below(6)) {
    case 0:
      return `{% for x in ${one()} %}{{ x }}{% endfor %}`;
    case 1:
      return `{% if ${one()} %}a{% elif ${one()} %}b{% else %}c{% endif %}`;
    case 2:
      return `{% set x = ${one()} %}{{ x }}`;
    case 3:
      return `{% macro f(a, b=${one()}) %}{{ a }}{{ b }}{% endmacro %}{{ f(${one()}) }}`;
    case 4:
      return `{% set ns = namespace(a=${one()}) %}{% set ns.a = ${one()} %}{{ ns.a }}`;
    default:
      return `{{ ${one()} }}`;
  }
}

function editTemplate(text: string, choices: Choices): readonly [text: string, what: string] {
  switch (choices.below(4)) {
    case 0: {
      const hostile = choices.pick(HOSTILE_TEMPLATES);
      return [hostile, `:= ${brief(hostile)}`];
    }
    case 1:
    case 2: {
      const grown = statement(choices);
      // Between two tags, where it is a statement of its own.
      const places = [0, text.length, ...[...text.matchAll(/[%}]\}/g)].map(({ index }) => index + 2)];
      const at = choices.pick(places);
      return [text.slice(0, at) + grown + text.slice(at), `${brief(grown)} put in at ${at}`];
    }
    default:
      return editText(text, choices, [...HOSTILE_TEMPLATES.slice(-20), ...EXPRESSIONS, ...OPERATORS, "{%", "%}", "{{", "}}", "-%}", "{#", "#}", "'", '"', "(", ")", "|", "\u0000", "{% endfor %}"]); // prettier-ignore
  }
}

/** The template, wherever these files have it; now and then as a list of named ones. */
export const chatTemplate: Edit = (files, choices) => {
  const own = "chat_template.jinja";
  if (files.has(own)) {
    const [text, what] = editTemplate(textOf(files.get(own)!), choices);
    files.set(own, utf8.encode(text));
    return `${own}: ${what}`;
  }
  return inConfig(files, choices);
};

function inConfig(files: EditedFiles, choices: Choices): string | undefined {
  const name = "tokenizer_config.json";
  let json: { chat_template?: unknown };
  try {
    json = JSON.parse(textOf(files.get(name)!)) as { chat_template?: unknown };
  } catch {
    return undefined; // an edit before has broken it
  }
  const [template] = [json.chat_template].flat() as (string | { template?: string } | null | undefined)[];
  const [text, what] = editTemplate(typeof template === "string" ? template : String(template?.template ?? ""), choices);
  const named = [{ name: "default", template: text }, { name: choices.pick(["tool_use", "default", ""]), template: "x" }];
  json.chat_template = choices.chance(0.1) ? choices.pick<unknown>([named, named.toReversed(), [], [text], { default: text }, null]) : text;
  files.set(name, utf8.encode(JSON.stringify(json)));
  return `${name}: chat_template: ${what}${json.chat_template === text ? "" : `, as ${brief(json.chat_template)}`}`;
} // prettier-ignore
