/** What a template may take, and what is refused by name before it renders. No test measures time. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError, OptionError, UnsupportedModelError } from "../../src/errors.ts";
import { ChatTemplate } from "../../src/tokenizer/chat-template.ts";

const test = suite("limits of templates");
const load = (template: string) => new ChatTemplate({ chat_template: template }, "tiny");
const render = (template: string, content = "hi") => load(template).render([{ role: "user", content }]);

function isError(kind: new (message: string) => Error, ...parts: string[]) {
  return (error: unknown) => {
    assert.ok(error instanceof kind, String(error));
    for (const part of ["tiny: chat template", ...parts]) assert.ok(error.message.includes(part), `${error.message}: ${part}`);
    return true;
  };
}

const doubled = (open: string, close: string, depth: number) =>
  `{% set ns = namespace(l=${open}1,${close}) %}{% for i in range(${depth}) %}{% set ns.l = ${open}ns.l, ns.l${close} %}{% endfor %}`;

test("values that are shared many times count as often as they are looked at", () => {
  const uses = [
    "ns.l | tojson | length",
    "ns.l | string | length",
    "'%s' % (ns.l,)",
    "ns.l in ['a', ns.l | string]",
    "[ns.l] | join",
  ];
  for (const use of uses) {
    const template = (depth: number) => `${doubled("[", "]", depth)}{{ ${use} }}`;
    assert.ok(render(template(5)).length > 0, use);
    for (const depth of [25, 60]) assert.throws(() => render(template(depth)), isError(OptionError, "got more than"));
  }
  for (const compare of ["==", "!=", "<", "<="]) {
    const two = (depth: number) =>
      `${doubled("[", "]", depth)}{% set a = ns.l %}${doubled("[", "]", depth)}{{ a ${compare} ns.l }}`;
    assert.ok(["True", "False"].includes(render(two(5))));
    for (const depth of [25, 60]) assert.throws(() => render(two(depth)), isError(OptionError, "got more than"));
  }
  // A value is equal to itself without a look inside, as in Python.
  assert.is(render(`${doubled("[", "]", 60)}{{ ns.l == ns.l }}`), "True");
  assert.throws(
    () => render(`${doubled("(", ")", 60)}{{ {ns.l: 1} }}`),
    isError(OptionError, "got a key of more than 1000 elements"),
  );
});

test("macros and loops that call themselves end", () => {
  const tree = (depth: number) =>
    `{% macro f(x) %}{% if x > 0 %}{{ f(x - 1) }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(${depth}) }}`;
  assert.is(render(tree(8)), "");
  assert.throws(() => render(tree(40)), isError(OptionError, "got more than"));
  assert.throws(() => render("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), isError(OptionError, "maximum recursion depth"));
  assert.throws(
    () => render("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
    isError(OptionError, "maximum recursion depth"),
  );
  assert.throws(
    () => render("{% macro f() %}{{ caller is defined }}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}"),
    isError(OptionError, "maximum recursion depth"),
  );
});

test("a value larger than its limit is not made", () => {
  const large = [
    "[1] * 10 ** 9", "(1, 2) * 10 ** 9", "'a' * 10 ** 10", "'a'.center(10 ** 12)", "'a'.ljust(10 ** 12)", "'a'.zfill(10 ** 9)", "'\t'.expandtabs(10 ** 9)",
    "'a' | center(10 ** 12)", "'a\nb' | indent(10 ** 9)", "[1] | batch(10 ** 9, 1) | list", "[1] | slice(10 ** 9) | list", "{'a': [1]} | tojson(indent=10 ** 9)",
    "'%1000000000d' % 1", "'%.1000000000f' % 1.5", "'{:>999999999}'.format(1)", "'{:.99999}'.format(1.5)", "7 ** (10 ** 10)", "7 ** 5000 * 7 ** 5000",
    "('a' * 100000).replace('a', 'b' * 100000)", "('a' * 100000).replace('', 'b' * 100000)", "range(100000) | list + range(100000) | list", "range(10 ** 9)", "range(100001)",
  ]; // prettier-ignore
  for (const expression of large)
    assert.throws(() => render(`{{ ${expression} }}`), isError(OptionError, "need at most"), expression);
});

test("work inside filters and methods counts", () => {
  const begin =
    "{% set ns = namespace(s='Abcdefgh', l=range(1000) | list) %}{% for i in range(19) %}{% set ns.s = ns.s + ns.s %}{% endfor %}";
  const uses = [
    "ns.s | upper", "ns.s | title", "ns.s.title()", "ns.s.strip('hgfedcbA')", "ns.s.count('a')", "ns.s.find('z')", "ns.s.split('c')[0]", "ns.s | tojson",
    "[ns.s] | string", "ns.s | urlencode", "ns.s | e", "ns.s[7]", "ns.s[::-1]", "ns.s == ns.s | lower", "ns.l | sort", "ns.l | unique | list", "ns.l | map('string') | join",
    "ns.l + ns.l", "7 ** 5000 // 3", "1e-300 | round(300)", "'%.900f' % 1e300", "strftime_now('%c' * 2000)", "('9' * 4000) | int",
  ]; // prettier-ignore
  for (const use of uses) {
    const template = `${begin}{% for i in range(100000) %}{% set x = ${use} %}{% endfor %}`;
    assert.throws(() => render(template), isError(OptionError, "need at most"));
  }
  for (const empty of [
    "{% for i in range(9000) %}{% for j in range(9000) %}{% endfor %}{% endfor %}",
    `${begin}{% for i in range(9) %}{{ ns.s }}{% endfor %}`,
  ])
    assert.throws(() => render(empty), isError(OptionError, "need at most"));
});

test("a long conversation has more to take", () => {
  const quadratic =
    "{% for m in messages %}{% for n in messages %}{% if n.role == m.role %}{% endif %}{% endfor %}{% endfor %}done";
  const messages = Array.from({ length: 800 }, () => ({ role: "user", content: "hi" }));
  assert.is(load(quadratic).render(messages), "done");
  assert.is(render("{{ messages[0].content | trim | upper | lower | length }}", "a".repeat(4_000_000)), "4000000");
});

test("a template that is too long or too deep is refused when it is loaded", () => {
  const deep = (open: string, inside: string, close: string, depth: number) => open.repeat(depth) + inside + close.repeat(depth);
  assert.throws(() => load("x".repeat(2_000_000)), isError(CheckpointError, "need at most 1048576"));
  for (const depth of [150, 100_000]) {
    const templates = [
      `{{ ${deep("(", "1", ")", depth)} }}`, `{{ ${deep("[", "1", "]", depth)} }}`, `{{ ${deep("{1: ", "1", "}", depth)} }}`, `{{ ${deep("f(", "1", ")", depth)} }}`,
      `{{ x${deep("[x", "", "]", depth)} }}`, `{{ ${deep("- ", "1", "", depth)} }}`, deep("{% if 1 %}", "x", "{% endif %}", depth), deep("{% for a in x %}", "x", "{% endfor %}", depth),
      `{{ ${deep("1 if 1 else ", "1", "", depth)} }}`,
    ]; // prettier-ignore
    for (const template of templates) assert.throws(() => load(template), isError(CheckpointError, "need at most"));
  }
  const chains = [
    `{{ 1${" + 1".repeat(5000)} }}`,
    `{{ ${"not ".repeat(5000)}1 }}`,
    `{{ x${" | upper".repeat(5000)} }}`,
    `{{ x${".a".repeat(5000)} }}`,
  ];
  for (const template of chains) assert.throws(() => load(template), isError(CheckpointError, "need at most"));
  assert.is(
    render(`{{ 1${" + 1".repeat(300)} }}${deep("{% if 1 %}", "x", "{% endif %}", 60)}${" ~ ".repeat(5)}`).startsWith("301x"),
    true,
  );
});

test("messages nested too deeply are refused", () => {
  let content: unknown = "x";
  for (let i = 0; i < 500; i++) content = [content];
  assert.throws(() => load("{{ 1 }}").render([{ role: "user", content }]), isError(OptionError, "nested more than 100 deep"));
});

test("what Jinja does and this package does not is refused when it is loaded, by its name and line", () => {
  const cases: Record<string, string> = {
    "\n{% include 'x' %}": "line 2: the tag {% include %}",
    "{% import 'x' as y %}": "the tag {% import %}",
    "{% from 'x' import y %}": "the tag {% from %}",
    "{% extends 'x' %}": "the tag {% extends %}",
    "{% autoescape true %}{% endautoescape %}": "the tag {% autoescape %}",
    "\n\n{{ messages | random }}": "line 3: the filter random",
    "{{ 'x' | urlize }}": "the filter urlize",
    "{% if false %}{{ 'x' | pprint }}{% endif %}": "the filter pprint",
    "{{ self }}": "the name self",
    "{% block a scoped %}{% endblock %}": "that is scoped",
  };
  for (const [template, part] of Object.entries(cases)) assert.throws(() => load(template), isError(UnsupportedModelError, part));
});

test("what Jinja does not know is refused when it is loaded, by its name and line", () => {
  const cases: Record<string, string> = {
    "\n{{ 1 | frobnicate }}": "line 2: got the filter 'frobnicate'",
    "{{ 1 is frobnicated }}": "line 1: got the test 'frobnicated'",
    "{% frobnicate %}": "line 1: got 'frobnicate', need a tag that Jinja knows",
    "{% if true %}": "need {% endif %} for the if of line 1",
    "a\n{{ 1 + }}": "line 2",
  };
  for (const [template, part] of Object.entries(cases)) assert.throws(() => load(template), isError(CheckpointError, part));
});

test("what is seen only while it renders is refused then", () => {
  const cases: Record<string, string> = {
    "{{ lipsum() }}": "lipsum",
    "{{ 'a'.encode() }}": "the method encode of a string",
    "{{ 2 ** 0.5 }}": "the power",
    "{{ messages | map('upper') }}": "the text of a generator",
    "{{ strftime_now('%Q') }}": "the directive %Q",
    "{{ nothing() }}": "'nothing' is undefined",
    "{% if true %}{{ 1 | frobnicate }}{% endif %}": "No filter named 'frobnicate'.",
  };
  for (const [template, part] of Object.entries(cases)) assert.throws(() => render(template), isError(OptionError, part));
});

test.run();
