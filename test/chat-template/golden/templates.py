"""Writes templates.json: small templates and what Python's Jinja, as transformers sets it up, makes of each.

pip install transformers==5.24.0 jinja2==3.1.6; python templates.py
An entry is [template, text], or [template, null] where Python raises.
"""
import itertools
import json
import os

from transformers.utils import chat_template_utils

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = {
    "num": 3, "neg": -7, "big": 9007199254740991, "flt": 2.5, "tiny": 1e-07, "t": True, "f": False, "n": None,
    "s": "Ab c", "e": "", "u": "😀é", "w": "  x\n y \t", "l": [3, 1, 2, 1], "d": {"b": 1, "a": {"c": [1]}},
    "el": [], "ed": {}, "m": [{"k": "b", "v": 2}, {"k": "a", "v": 1}, {"k": "B", "v": 3}],
}
MESSAGES = [
    {"role": "system", "content": "Be brief.", "x": DATA},
    {"role": "user", "content": " Hi <b>&'ü\" "},
    {"role": "assistant", "content": None, "tool_calls": [
        {"type": "function", "function": {"name": "f", "arguments": {"x": 1, "y": [True, None, 1.5, "é</s>"]}}}]},
    {"role": "tool", "content": "42", "name": "f"},
    {"role": "user", "content": "<think>\nhm\n</think>\n\nBye\n"},
]
SET = "{% set x = messages[0].x %}"
templates: dict[str, None] = {}


def add(*sources: str) -> None:
    for source in sources:
        templates[source] = None


def exprs(*sources: str) -> None:
    add(*(SET + "{{ " + source + " }}" for source in sources))


# Every filter and test on every kind of value.
VALUES = ["missing", "x.n", "x.t", "x.num", "x.flt", "x.s", "x.l", "x.d", "x.m", "(1, 'a')", "x.d.items()", "range(3)"]
FILTERS = ["upper", "lower", "trim", "length", "list", "string", "title", "capitalize", "first", "last", "join", "join(', ')",
           "default('z')", "d('z', true)", "int", "float", "replace('a', 'b')", "tojson", "reverse|list", "sort", "unique|list",
           "items|list", "safe", "e", "abs", "indent(2)", "sum", "max", "min", "count", "round", "center(9)", "wordcount",
           "urlencode", "truncate(2)", "batch(2)|list", "slice(2)|list", "dictsort", "map('string')|list", "select|list",
           "reject|list", "groupby(0)", "map(attribute='k')|list", "attr('k')", "format(1)"]
exprs(*(f"{value}|{name}" for name in FILTERS for value in VALUES))
TESTS = ["defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping", "sequence",
         "iterable", "callable", "lower", "upper", "escaped", "odd", "even", "divisibleby(3)", "eq(3)", "ne 3", "gt(1)", "lessthan 9",
         "in [3, 'a']", "sameas none"]
exprs(*(f"{value} is {name}" for name in TESTS for value in VALUES + ["x.e", "x.el", "x.f"]))
# Operators on pairs of values.
OPERANDS = ["missing", "x.n", "x.t", "x.num", "x.neg", "x.flt", "x.s", "x.l", "x.d", "(1,)"]
for operator in ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">=", "in", "and", "or"]:
    exprs(*(f"{a} {operator} {b}" for a, b in itertools.product(OPERANDS, OPERANDS)))
exprs(*(f"{a} ** {b}" for a, b in itertools.product(["x.num", "x.neg", "2.0", "0", "x.t"], ["0", "2", "-1", "3", "x.n"])))
# Numbers.
exprs(*(f"{sign}{a} {operator} {other}{b}" for sign in ["", "-"] for other in ["", "-"] for operator in ["//", "%", "/"]
        for a, b in [("7", "3"), ("7.5", "2"), ("7", "2.5"), ("1", "3"), ("0", "5"), ("1e300", "1e-5"), ("6", "3")]))
exprs("1.0", "1e16", "1e15", "123456789012345680.0", "1e-5", "0.0001", "1.5e300", "0.1 + 0.2", "1 / 3", "100 * 1.1", "-0.0", "1_000", "0x1f",
      "0b101", "0o17", "2 ** 100", "10 ** 30 // 7", "3 - -3", "- 3", "+ 3", "--3", "-3|abs", "(-3)|abs", "-x.num ** 2", "2 ** 3 ** 2",
      "1 + 2 * 3", "1 + 2 ~ 3", "2 * 3 ~ 4", "1 ~ 2 + 3", "7 // 2 * 2", "not 1 == 2", "not not 1", "1 < 2 < 3", "3 > 2 > 2", "1 == 1.0",
      "true == 1", "x.big + 1", "x.big / 7" if False else "x.big % 7", "1e308 * 10", "5 if x.f", "(5 if x.f) is defined",
      "'a' if x.f else 'b' if x.f else 'c'", "1 if x.t else 2 if x.t else 3", "x.num is not none", "x.num is not defined or 1",
      "4.5|round", "5.5|round", "2.675|round(2)", "0.5|round", "1234.5678|round(-2)", "2.1|round(0, 'ceil')", "2.15|round(1, 'floor')",
      "15|round(-1)", "25|round(-1)", "7|round(2)", "'42'|int", "' 42 '|int", "'4_2'|int", "'42.9'|int", "'x'|int", "'x'|int(7)", "'ff'|int(0, 16)",
      "'0x1f'|int(0, 16)", "'0b11'|int(0, 0)", "'1e3'|int", "'1e3'|float", "'inf'|float", "'nan'|float", "'-1.50'|float", "'.5'|float",
      "'5.'|float", "''|float", "3.99|int", "-3.99|int", "true|int", "none|int(5)")
# Strings: methods.
STRINGS = ["''", "'abc'", "' a b  c '", "'xxaxx'", "'a,b,,c'", "'A-b C'", "x.u", "x.w", "'12'", "'ǆ ß'"]
METHODS = ["upper()", "lower()", "title()", "capitalize()", "swapcase()", "strip()", "strip('x ')", "lstrip()", "rstrip('c ')", "split()",
           "split(',')", "split(',', 1)", "split(None, 1)", "split(sep=',', maxsplit=2)", "rsplit(',', 1)", "rsplit()", "rsplit(None, 1)",
           "splitlines()", "splitlines(true)", "partition(',')", "rpartition(',')", "replace('a', 'bb')", "replace('', '-')",
           "replace('x', '', 1)", "removeprefix('a')", "removesuffix('c')", "startswith('a')", "startswith(('x', ' '))", "endswith('c', 0, 3)",
           "find('b')", "rfind('x')", "find('')", "find('c', 2)", "count('x')", "count('')", "index('zz')", "join(['1', '2'])", "join([1])",
           "center(9)", "center(8, '*')", "ljust(7, '.')", "rjust(7)", "zfill(5)", "expandtabs(4)", "isspace()", "isalpha()", "isdigit()",
           "isdecimal()", "isnumeric()", "isalnum()", "isascii()", "islower()", "isupper()", "istitle()", "isidentifier()", "isprintable()", "nothing()"]
exprs(*(f"{string}.{method}" for method in METHODS for string in STRINGS))
exprs(*(f"{string}[{key}]" for string in ["'abcdef'", "x.u", "x.l", "(1, 2, 3)", "range(9)"]
        for key in ["0", "-1", "9", "1:", ":2", "-2:", "::-1", "::2", "1:4:2", "4:1:-1", "-9:9", "true", "'k'", "none", "1.0", "::0"]))
exprs("'it''s'", "'a' \"b\"", "'\\n\\t\\\\|\\'|\\x41|\\u00e9|\\101|\\q|\\\n|'", "'\\é'", "'\\U0001F600'|length", "x.u|length", "x.u|reverse", "x.u|list",
      "x.u.find('é')", "['it\\'s', 'say \"x\"', 'both \\' \"', '\\n\\x00\\u200b\\u00a0é😀']", "'a' < 'B'", "'😀' > '\\uffff'", "'a' * 3", "3 * 'ab'", "'a' * -1",
      "'é'|upper", "'straße'|upper", "'ǆ'|capitalize", "'ΑΣ'.lower()", "'ΑΣ'|lower", "'hello wORLD-foo (bar'|title", "'x{y'|title")
# Formats.
exprs(*(f"'{form}' % {value}" for form in ["%s", "%r", "%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%x", "%#x", "%X", "%o", "%f", "%.2f", "%8.3f", "%e", "%.3e",
                                           "%g", "%.3g", "%G", "%s%%", "%10s|", "%-10s|", "%.2s"] for value in ["42", "-3.14159", "'abc'", "true", "none", "(7,)"]))
exprs("'%s-%d' % ('a', 3)", "'%(a)s %(b)d' % {'a': 1, 'b': 2}", "'%s' % [1]", "'x' % []", "'x' % (1,)", "'%s %s' % ('a',)", "'%*d' % (5, 3)", "'%d' % 1e30",
      "'%.0f' % 0.5", "'%.0f' % 2.5", "'%g' % 1e20", "'%g' % 0.0001", "'%g' % 100000", "'%g' % 1234567", "'%y' % 1", "'%' % 1", "'%s' % missing")
exprs(*(f"'{{:{spec}}}'.format({value})" for spec in ["", ">8", "<8", "^8", "*^9", "05", "+", "d", "x", "#x", "b", "o", ".2f", "8.2f", "e", ".3e", "g", "%", ".1%", ",", "_", "s", ".2", "=+6"]
        for value in ["42", "-3.14159", "'abc'", "true", "1234567", "none"]))
exprs("'{}-{}'.format('a', 3)", "'{0}{1}{0}'.format('a', 'b')", "'{a}{b}'.format(a=1, b=[2])", "'{x[k]} {x.k}'.format(x={'k': 5})", "'{!r} {!s}'.format('a', 'b')", "'{{}}'.format()",
      "'{:{}}'.format('a', 5)", "'{}'.format()", "'{0}{}'.format(1)", "'{'.format()", "'{}'.format(missing)", "'{a}'.format_map({'a': 1})", "'%s, %s'|format('a', 'b')", "'%(a)s'|format(a=1)")
# Lists, tuples, dictionaries, printing.
exprs("[]", "{}", "()", "(1,)", "(1, 2)", "[1, 'a', none, true, 1.5, [2], (3,), {'k': none}]", "{1: 'a', 'b': 2, none: 3, true: 4, 1.0: 5, (1, 2): 6}", "{'a': {'b': []}}",
      "x.d.keys()", "x.d.values()", "x.d.items()", "x.d.keys()|list", "x.d.get('b')", "x.d.get('z')", "x.d.get('z', 'w')", "x.get('n', 'w')", "x.d.items", "x.d['items'] is defined",
      "x.d.pop", "x.d.pop('a')", "x.d.update({'a': 1})", "x.l.append(1)", "x.l.append is defined", "x.l.index(2)", "x.l.index(9)", "x.l.count(1)", "x.d.copy()", "x.l.copy()",
      "(1, 2, 1).count(1)", "x.d.a.c[0]", "x['d']['a']", "x.l[0]", "x.l.0", "x.l['0']", "x.l.9 is defined", "x.nothing", "x.nothing.more", "x.nothing is defined", "missing.x", "missing['x']",
      "missing[0]", "missing()", "none.x", "none.x is defined", "x.num.real is defined" if False else "x.num.nothing is defined", "x.s.nothing", "x.s['upper']()", "x.__class__", "''.__class__.__mro__",
      "x.s._x is defined", "range(3)", "range(1, 7, 2)", "range(1, 7, 2)|list", "range(5, 0, -2)|list", "range(0)|list", "range(3)[1]", "range(2, 9)[-1]", "range(100001)", "range(1, 2, 0)", "range(9) is sequence",
      "range(3) == range(0, 3)", "dict(a=1)", "dict({'a': 1}, b=2)", "dict([('a', 1), ('b', 2)])", "dict(a=1) | length", "dict.fromkeys(['a', 'b'], 0)", "namespace(a=1).a", "namespace(a=1)", "namespace(a=1)['a']",
      "namespace(_a=1)", "namespace({'a': 1}, b=2).b", "1 in range(3)", "'b' in x.d", "'c' in x.d.keys()", "('b', 1) in x.d.items()", "1 in x.d.values()", "none in [none]", "[1] in [[1], 2]", "missing in [1]",
      "1 in missing", "1 in none", "1 in 'a'", "[1, 2] == [1, 2.0]", "(1,) == [1]", "{'a': 1} == {'a': 1.0}", "[1, 2] < [1, 3]", "[1, 'a'] < [1, 2]", "(1, 2) < (1, 2, 0)", "missing == missing", "missing == none",
      "[] or {} or '' or 0 or none", "[1] and 'x'", "x.l + [9]", "(1,) + (2,)", "[0] * 3", "x.l is sameas x.l" if False else "none is sameas none", "'upper' is filter", "'nothing' is filter", "'odd' is test", "loop is defined",
      "cycler is defined", "joiner is callable", "caller is defined", "varargs is defined", "raise_exception is callable", "messages|length - 1", "messages[-1].role", "messages[1:]|length", "messages[10] is defined")
# Filters with arguments.
exprs("x.m|map(attribute='k')|join(',')", "x.m|map(attribute='z')|list", "x.m|map(attribute='z', default='q')|list", "x.m|map('length')|list", "x.l|map('string')|join('+')", "x.l|map('nothing')|list", "[]|map('nothing')|list",
      "['a b']|map('replace', 'a', 'c')|list", "['x']|map('default', 'd')|list", "x.m|selectattr('v', 'gt', 1)|map(attribute='k')|list", "x.m|selectattr('k', 'equalto', 'b')|list", "x.m|rejectattr('v', 'odd')|list",
      "x.m|selectattr('z')|list", "x.m|selectattr('z', 'defined')|list", "x.m|selectattr('k', 'in', ['a', 'b'])|list|length", "messages|selectattr('role', 'eq', 'user')|map(attribute='content')|list", "x.l|select('odd')|list", "x.l|select('>', 1)|list",
      "x.l|reject('divisibleby', 2)|list", "x.l|select('nothing')|list", "x.m|selectattr|list", "x.l|sort", "x.l|sort(reverse=true)", "x.m|sort(attribute='k')", "x.m|sort(attribute='k,v', reverse=true)", "x.m|sort(attribute='k', case_sensitive=true)",
      "['b', 'A', 'a', 'B']|sort", "['b', 'A', 'a', 'B']|sort(case_sensitive=true)", "[1, 'a']|sort", "[none, none]|sort", "[2, 1.5, true]|sort", "x.m|groupby('k')", "x.m|groupby('k', case_sensitive=true)|map('first')|list",
      "messages|groupby('role')|map(attribute='grouper')|list", "messages|groupby('role')|map(attribute='list')|map('length')|list", "x.m|groupby('z', default='q')", "['a', 'A', 'b']|unique|list", "['a', 'A', 'b']|unique(true)|list", "[1, 1.0, true, 2]|unique|list",
      "[[1], [1]]|unique|list", "x.m|unique(attribute='k')|map(attribute='v')|list", "x.m|min(attribute='v')", "x.m|max(attribute='k')", "['b', 'A']|max", "[]|max", "[]|min is defined", "[]|first", "[]|last is defined", "{}|first", "''|first",
      "{'b': 1, 'a': 2}|dictsort", "{'b': 1, 'A': 2}|dictsort(true)", "{'b': 1, 'a': 2}|dictsort(by='value')", "{'b': 1, 'a': 2}|dictsort(reverse=true)", "{'b': 1, 'a': 2}|dictsort(by='x')", "{'b': 1, 2: 2}|dictsort",
      "[1, 2, 3]|sum", "[1, 2.5]|sum", "x.m|sum(attribute='v')", "[[1], [2]]|sum(start=[])", "['a']|sum", "[1, 2]|sum(start=10)", "[1, 2, 3, 4, 5]|batch(2)|list", "[1, 2, 3]|batch(2, 'x')|list", "[1, 2, 3]|slice(2)|list", "[1, 2, 3]|slice(2, 'x')|list",
      "[1, 2, 3, 4]|batch(0)|list", "[1]|slice(0)|list", "[1, 2]|join", "[1, none, missing]|join('-')", "x.m|join(',', attribute='v')", "[1, 2]|join(d='/')", "'abc'|join('.')", "{'a': 1}|join(',')", "'a\nb\n\nc'|indent", "'a\nb\n\nc'|indent(2, true)",
      "'a\nb\n\nc'|indent(2, blank=true)", "'a\nb'|indent('> ')", "'a\nb\n'|indent(1)", "''|indent", "'foo bar baz qux'|truncate(9)", "'foo bar baz qux'|truncate(9, true)", "'foo bar baz qux'|truncate(11)", "'foo bar baz qux'|truncate(11, false, '!', 0)", "'abc'|truncate(1)",
      "'x'|center(5) ~ '|'", "'a,b'|replace(',', ';')", "'aaa'|replace('a', 'b', 2)", "'aaa'|replace('a', 'b', count=1)", "12|replace(1, 3)", "' xx '|trim ~ '|'", "'xxaxx'|trim('x')", "'a b/c?&é'|urlencode", "{'a b': 'c&d', 'e': 1}|urlencode", "5|urlencode",
      "'a<b>&\"\\''|e", "'a<b'|escape ~ '<'", "'a<b'|safe", "('a'|safe) + '<'", "'<' + ('a'|safe)", "('a<'|e)|e", "('a<'|e)|forceescape", "('<'|safe)|length", "('a'|safe)|upper", "('a'|safe) == 'a'", "['a'|safe]", "('a'|safe)|tojson", "('ab'|safe)[0]",
      "''|default('b')", "''|default('b', true)", "missing|default", "missing|d(missing)|d('x')", "none|default('x')", "none|default('x', boolean=true)", "x|attr('num')", "x.s|attr('upper')()", "'abc'|upper|lower|title", "'b'|upper()", "'a'|upper(1)", "'a'|replace('a')",
      "'a'|default(nothing=1)", "x.l|first|string ~ x.l|last", "'a b c'|wordcount", "'1'|int + 1", "x.l|length|string + '!'", "x.l|count", "x.l|reverse|list", "'abc'|reverse", "x.d|reverse|list", "x.l|reverse|first", "x.l|map('string')|first", "x.l|map('string')|length",
      "(x.l|map('string')) is defined", "(x.l|select('gt', 5)|list) or 'none'", "x.l|select('gt', 5) is iterable", "x.d|items|list", "x.d|items|first", "x.d|length", "x.d|list", "x.l|random is defined" if False else "1")
# JSON.
JSONS = ["x", "x.l", "x.d", "x.u", "[]", "{}", "[[], {}, [1]]", "none", "true", "1.0", "1e16", "'<é&\\'\">'", "'\\n\\t\\x01\\x7f\\u2028'", "(1, 2)", "{1: 2, none: 3, true: 4, 1.5: 5}", "missing", "[missing]", "range(2)", "namespace(a=1)",
         "{(1, 2): 3}", "messages", "messages[2].tool_calls", "x.d.items()|list", "x.d.keys()"]
exprs(*(f"{value}|tojson{args}" for value in JSONS for args in ["", "(indent=2)", "(true)", "(sort_keys=true)", "(separators=(',', ':'))", "(indent=0)", "(indent='--')"]))
exprs("x.d|tojson(false, 4)", "x.d|tojson(indent=4, separators=(',', ': '))", "{'b': 1, 'a': {'d': 1, 'c': 2}}|tojson(sort_keys=true)", "{'b': 1, 2: 1}|tojson(sort_keys=true)", "x.d|tojson(nothing=1)", "x.d|tojson(separators=[';', '='])", "x.d|tojson(indent=-1)", "x.d|tojson(indent=true)")
# Scopes: what a name means where, in every combination of a block and what is set.
BLOCKS = {"for": ("{% for i in [1, 2] %}", "{% endfor %}"), "if": ("{% if true %}", "{% endif %}"), "with": ("{% with q = 1 %}", "{% endwith %}"), "filter": ("{% filter upper %}", "{% endfilter %}"),
          "set": ("{% set y %}", "{% endset %}{{ y }}"), "macro": ("{% macro f() %}", "{% endmacro %}{{ f() }}{{ f() }}"), "call": ("{% macro g() %}{{ caller() }}{% endmacro %}{% call g() %}", "{% endcall %}"),
          "generation": ("{% generation %}", "{% endgeneration %}"), "else": ("{% for i in [] %}{% else %}", "{% endfor %}"), "block": ("{% block b %}", "{% endblock %}"),
          "recursive": ("{% for i in [1, 2] recursive %}", "{% endfor %}"), "elif": ("{% if false %}{% elif true %}", "{% endif %}"), "ifelse": ("{% if false %}{% set a = 7 %}{% else %}", "{% endif %}")}
SETS = ["{% set a = a ~ 'x' %}", "{% set a = 5 %}", "{% set ns.a = ns.a ~ 'n' %}", "{% set a %}c{{ a }}{% endset %}", "{{ a }}", "{% if a %}{% set a = 9 %}{% endif %}", "{% set a, c = 1, 2 %}"]
for (name, (begin, end)), inner in itertools.product(BLOCKS.items(), SETS):
    add("{% set ns = namespace(a=0) %}{% set a = 1 %}" + begin + "[{{ a }}" + inner + "{{ a }}{{ ns.a }}]" + end + "{{ a }}{{ ns.a }}{{ c }}",
        begin + "[{{ a }}" + inner.replace("ns.a = ns.a ~ 'n'", "a = 3") + "{{ a }}]" + end + "{{ a }}{% set a = 4 %}{{ a }}")
for (one, (b1, e1)), (two, (b2, e2)) in itertools.product(BLOCKS.items(), BLOCKS.items()):
    if one != two and not (one == "macro" and two == "macro"):
        add("{% set a = 0 %}" + b1 + "{{ a }}{% set a = a ~ 1 %}" + b2 + "{{ a }}{% set a = a ~ 2 %}{{ a }}{{ loop.index }}" + e2 + "{{ a }};" + e1 + "{{ a }}")
add("{% for m in messages %}{{ bos_token }}{% endfor %}{% set bos_token = 'x' %}{{ bos_token }}", "{{ bos_token }}{% set bos_token = 'x' %}{{ bos_token }}", "{% if bos_token %}{% set bos_token = 'x' %}{% endif %}{{ bos_token }}",
    "{% for m in [1] %}{% set bos_token = 'y' %}{{ bos_token }}{% endfor %}{{ bos_token }}", "{% macro f() %}{{ z }}{% endmacro %}{% set z = 1 %}{{ f() }}{% set z = 2 %}{{ f() }}", "{% macro f() %}{{ z }}{% endmacro %}{% for z in [1, 2] %}{{ f() }}{% endfor %}",
    "{% for z in [1, 2] %}{% macro f() %}{{ z }}{% endmacro %}{{ f() }}{% endfor %}{{ f is defined }}", "{% set ns = namespace() %}{% for z in [1, 2] %}{% macro f() %}<{{ z }}>{% endmacro %}{% set ns.f = f %}{% endfor %}{{ ns.f() }}",
    "{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}", "{% set a = 9 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}", "{% set a = [1] %}{% for a in a %}{{ a }}{% endfor %}{{ a }}",
    "{% for a in [1, 2] if a > 1 %}{{ a }}{% else %}none{% endfor %}", "{% for a in [1, 2] if a > 5 %}{{ a }}{% else %}none{% endfor %}", "{% set b = 1 %}{% for a in [1, 2] if a > b %}{{ a }}{{ loop.length }}{% endfor %}", "{% for a in [3] %}{% for b in [1, 5] if b > a %}{{ b }}{{ loop.index }}{% endfor %}{% endfor %}",
    "{% for a in [1, 2] if loop.index > 1 %}{{ a }}{% endfor %}", "{% set a | upper %}x{{ 1 }}{% endset %}{{ a }}", "{% set a | replace('x', 'y') | upper %}x{% endset %}{{ a }}", "{% set b = 'x' %}{% set a | replace(b, 'y') %}x{% endset %}{{ a }}", "{% set a | replace(q, 'y') %}x{% endset %}{{ a }}",
    "{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}", "{% set ns = {} %}{% set ns.a = 1 %}", "{% set ns.a = 1 %}", "{% set ns = namespace() %}{% set ns.a %}x{% endset %}{{ ns.a }}", "{% set ns = namespace() %}{% set ns._a = 1 %}", "{% set (a, b), c = [1, 2], 3 %}{{ a }}{{ b }}{{ c }}", "{% set a, b = 1 %}", "{% set a, b = [1, 2, 3] %}",
    "{% set a = 1, 2 %}{{ a }}", "{% set a = 1, %}{{ a }}", "{% set true = 1 %}", "{% set [a] = [1] %}", "{% set a.b.c = 1 %}", "{% set ns = namespace(l=[]) %}{% for i in [1, 2] %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.l }}", "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}", "{% set ns = namespace() %}{% set ns.me = [ns, {'k': ns}] %}{{ ns.me }}")
# Loops.
add("{% for m in messages %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem.role if loop.previtem is defined }}>{{ loop.nextitem.role if loop.nextitem is defined else 'end' }}{{ loop.cycle('a', 'b') }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for m in messages %}{{ loop.changed(m.role == 'user') }}{% endfor %}", "{% for m in messages %}{{ loop }}{% endfor %}", "{% for m in messages %}{{ loop.nothing }}{{ loop.nothing is defined }}{% endfor %}", "{% for i in [[1, [2]], [3]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for i in [1] %}{{ loop([2]) }}{% endfor %}", "{% for i in [1, [2, []]] recursive %}{% if i is iterable %}<{{ loop(i) }}>{% else %}{{ i }}{% endif %}{% else %}empty{% endfor %}", "{% for m in messages %}{% if loop.index == 3 %}{% break %}{% endif %}{{ m.role }};{% endfor %}", "{% for m in messages %}{% if m.role == 'user' %}{% continue %}{% endif %}{{ m.role }};{% endfor %}",
    "{% for i in [1, 2] %}{% break %}{% else %}E{% endfor %}", "{% for i in [1, 2] %}{% continue %}{% else %}E{% endfor %}", "{% for i in [1, 2] %}{% if i == 2 %}{% break %}{% endif %}{% else %}E{% endfor %}", "{% break %}", "{% if true %}{% continue %}{% endif %}", "{% for i in [1] %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for i in [1, 2] %}{% set x %}a{% break %}{% endset %}{{ x }}{% endfor %}z", "{% for i in [1, 2] %}b{% filter upper %}a{% if i == 1 %}{% continue %}{% endif %}{% endfilter %}{% endfor %}z", "{% for i in [1, 2] %}{% for j in [1, 2] %}{% if j == 2 %}{% break %}{% endif %}{{ i }}{{ j }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for i in [1, 2] %}{% for j in [] %}{% else %}{{ loop.index }}{% break %}{% endfor %}{% endfor %}", "{% for k, v in messages[0].x.d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in messages[0].x.d %}{{ k }};{% endfor %}", "{% for c in 'a😀c' %}{{ c }}.{% endfor %}", "{% for a, (b, c) in [(1, [2, 3])] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, b in [1] %}{% endfor %}", "{% for a, b in ['xy', 'zw'] %}{{ b }}{{ a }}{% endfor %}", "{% for a in none %}{% endfor %}", "{% for a in missing %}{{ a }}{% else %}E{% endfor %}", "{% for a in 5 %}{% endfor %}", "{% for loop in [1] %}{% endfor %}", "{% for i in [1] %}{% set loop = 2 %}{% endfor %}",
    "{% for i in 1, 2, 3 %}{{ i }}{% endfor %}", "{% for i in (1, 2) %}{{ i }}{% endfor %}", "{% for i in [1, 2, 3][::-1] %}{{ i }}{% endfor %}", "{% for i in messages if i.role == 'user' %}{{ loop.index }}/{{ loop.length }}{{ loop.last }}{{ loop.previtem.role if loop.previtem }};{% endfor %}", "{% for a, b in [[1, 2], [3, 4]] if a > 1 %}{{ loop.previtem }}{{ a }}{% endfor %}",
    "{% for a, b in [[1, 2], [3, 4]] if b %}{{ loop.previtem }}{% endfor %}", "{% set g = [1, 2, 3]|map('string') %}{{ g|list }}{{ g|list }}", "{% set g = [1, 2, 3]|map('string') %}{% for a in g %}{{ a }}{% break %}{% endfor %}{{ g|list }}", "{% set g = [1, 2, 3]|map('string') %}{% for a in g %}{{ a }}{{ loop.last }}{% if loop.first %}{% break %}{% endif %}{% endfor %}{{ g|list }}",
    "{% for a in [1, 2, 3]|select('odd') %}{{ loop.length }}{{ a }}{% endfor %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.current }}", "{% set j = joiner('|') %}{% for i in [1, 2, 3] %}{{ j() }}{{ i }}{% endfor %}", "{{ cycler() }}", "{% set j = joiner() %}{{ j() }}{{ j() }}",
    "{% for i in range(3) %}{% if not loop.first %}, {% endif %}{{ i }}{% endfor %}", "{% for i in range(3) recursive %}{{ i }}{% endfor %}", "{% for m in messages[1:] %}{{ m.role }}{{ m['content'] }}|{% endfor %}")
# Macros and calls.
MACRO = "{% macro f(a, b='z', c=none) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}"
add(*(MACRO + "{{ f(" + args + ") }}" for args in ["", "1", "1, 2", "1, 2, 3", "1, 2, 3, 4", "1, c=3", "b=2, a=1", "d=1", "1, a=2", "*[1, 2]", "**{'a': 1, 'c': 2}", "1, *[2], c=3", "*[1], **{'b': 2}", "**{'q': 1}", "*missing", "**missing", "none, none"]),
    "{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, z=3, y=4) }}", "{% macro f(varargs) %}{{ varargs }}{% endmacro %}{{ f(1) }}", "{% macro f(a, b) %}{{ a is defined }}{{ b is defined }}{% endmacro %}{{ f(1) }}", "{% macro f(a, b) %}{{ b.x }}{% endmacro %}{{ f(1) }}", "{% macro f(a=a) %}{{ a }}{% endmacro %}{% set a = 3 %}{{ f() }}",
    "{% macro f(a, b=a ~ 1) %}{{ b }}{% endmacro %}{{ f(2) }}", "{% macro f(b=q) %}{{ b }}{% endmacro %}{% set q = 3 %}{{ f() }}", "{% macro f(a, a) %}{% endmacro %}", "{% macro f(a=1, b) %}{% endmacro %}", "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(20) }}", "{% macro f() %}x{% endmacro %}{{ f }}{{ f.name }}{{ f.arguments }}",
    "{% macro f(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call f('p') %}in{% endcall %}", "{% macro f() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) f() %}{{ a }}-{{ b }}{% endcall %}", "{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}{% call f() %}{% endcall %}", "{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}",
    "{% macro f(caller=none) %}{{ caller }}{% endmacro %}{{ f() }}", "{% macro f(caller) %}{{ caller() }}{% endmacro %}{% call f() %}y{% endcall %}", "{% call missing() %}{% endcall %}", "{% call 1 %}{% endcall %}", "{% macro f() %}{% set z = 1 %}{{ z }}{% endmacro %}{{ f() }}{{ z }}", "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}G{% endmacro %}{{ f() }}",
    "{% macro f() %}a{% endmacro %}{{ f()|upper ~ f() ~ (f() is string) }}", "{% macro f(x) %}{{ x }}{% endmacro %}{{ [1, 2]|map('string')|list }}{{ f(missing) }}{{ f(f) is string }}", "{% macro f(x) %}{% for i in x %}{{ loop.index }}{{ i }}{% endfor %}{% endmacro %}{% for j in [[5], [6]] %}{{ f(j) }}{{ loop.index }}{% endfor %}", "{% if false %}{% macro f() %}x{% endmacro %}{% endif %}{{ f() }}",
    "{% macro f() %}{{ self }}{% endmacro %}" if False else "{% macro f() -%} x {%- endmacro %}[{{ f() }}]", "{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}{{ inner is defined }}")
# Tags, white space, raw, comments, errors.
TAG = [("{% if true %}", "{% endif %}"), ("{%- if true %}", "{% endif -%}"), ("{% if true -%}", "{%- endif %}"), ("{%+ if true %}", "{% endif +%}"), ("{%- if true -%}", "{%- endif -%}"), ("{% raw %}", "{% endraw %}"), ("{%- raw -%}", "{%- endraw -%}"), ("{%+ raw %}", "{%+ endraw %}"),
       ("{# a #}", "{#- b -#}"), ("{#+ a +#}", "{#- b #}"), ("{{ 1 }}", "{{- 2 -}}"), ("{{+ 1 }}", "{{ 2 }}"), ("{% generation %}", "{% endgeneration %}"), ("{%- generation -%}", "{%- endgeneration -%}"), ("{% filter upper %}", "{% endfilter %}")]
add(*(outer + begin + inner + "x" + inner + end + outer + "z" for begin, end in TAG for outer in ["", "\n", "  ", "a  ", "\n  ", "\n\t \n"] for inner in ["", "\n", " ", "\n  ", "  \n", "{{ 3 }}\n"]))
add("a\n", "a\n\n", "a\r\n", "a\r\nb\r{% if true %}\r\nc{% endif %}\r\n", "{{ 'a\r\nb' }}", "\n", "", " ", "{% raw %}{{ not }}{% if %}{# #}{% endraw %}", "{% raw %}a", "{# a", "{{ 1", "{% if true %}x", "{{ 'a }}", "{{ 1 }", "}}", "%}", "#}", "{", "{ {", "{{ '{{' }}", "{{ '%}' }}{{ \"}}\" }}", "{{ {'a': {'b': 1}}['a']['b'] }}", "{{ {} }}", "{{}}", "{% %}",
    "{{ 1 2 }}", "{{ [1 2] }}", "{{ [1,] }}", "{{ {'a': 1,} }}", "{{ (1, ) }}", "{{ 1, 2 }}", "{{ a b }}", "{{ ) }}", "{{ (] }}", "{{ 1 + }}", "{{ not }}", "{{ x. }}", "{{ x.1a }}", "{{ x[ }}", "{{ x[] }}", "{{ x[1:2, 3] }}", "{{ f(a=1, 2) }}", "{{ f(*a, *b) }}", "{{ range(3, ) | list }}", "{{ dict(a=1, a=2) }}", "{{ 1 is }}", "{{ 1 is odd is odd }}", "{{ 1|}}", "{{ 1|2 }}",
    "{{ 1 is nothing }}", "{{ 1|nothing }}", "{% if false %}{{ 1|nothing }}{% endif %}x", "{% if true %}{{ 1|nothing }}{% endif %}x", "{{ 1|nothing if false else 2 }}", "{% if false %}{{ 1 is nothing }}{% endif %}x", "{% frobnicate %}", "{% endif %}", "{% else %}", "{% if true %}{% endfor %}", "{% if %}{% endif %}", "{% for %}{% endfor %}", "{% for a %}{% endfor %}", "{% for a in %}{% endfor %}", "{% set %}", "{% set a %}",
    "{% do 1 %}", "{% print 1, 'a' %}", "{% print %}", "{% if true: %}x{% endif %}", "{% for a in [1]: %}{{ a }}{% endfor %}", "{{ 'a' 'b' \"c\" }}", "{{ true }}{{ True }}{{ none }}{{ None }}{{ false }}", "{{ TRUE }}", "{{ x.true }}", "{{ {'true': 1}.true }}", "{{ if }}", "{{ é is defined }}", "{% set é = 1 %}{{ é }}", "{{ a$ }}", "{{ ! }}", "{{ a = 1 }}", "{{ a; b }}",
    "{% block a %}x{% endblock %}", "{% block a %}x{% endblock a %}", "{% block a %}{% endblock %}{% block a %}{% endblock %}", "{% block a required %}{% endblock %}", "{% set q = 1 %}{% block a %}{{ q }}{% endblock %}", "{% for q in [1, 2] %}{% block a %}[{{ q }}]{% endblock %}{% endfor %}", "{% set q = 1 %}{% for i in [1] %}{% set q = 2 %}{% block a %}{{ q }}{% endblock %}{% endfor %}", "{% block a %}{% set q = 1 %}{% endblock %}{{ q }}",
    "{% block a %}{{ loop.index }}{% endblock %}", "{% if true %}{% set q = 5 %}{% endif %}{% block a %}{{ q }}{{ bos_token }}{% endblock %}", "{{ raise_exception('only user') }}", "{{ raise_exception() }}", "{% if messages[0].role == 'user' %}{{ raise_exception('x') }}{% else %}ok{% endif %}", "{{ lipsum is defined }}", "{{ namespace is callable }}", "{{ 'a' is not string }}", "{{ 1 is not odd }}", "{{ 3 is not divisibleby 2 }}", "{{ 3 is divisibleby 3 and true }}",
    "{{ not 3 is odd }}", "{{ 1 + 2 is odd }}", "{{ -1 is odd }}", "{{ 4 is even in [true] }}", "{{ 'x' is in 'xyz' }}", "{{ [1] is in([[1]]) }}", "{{ 5 is eq 5 or 1/0 }}", "{{ 1/0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1.0 % 0 }}", "{{ 0.0 ** -1 }}", "{{ 'a'.upper(1) }}", "{{ 'a'.split(x=1) }}", "{{ 'a'.split('') }}", "{{ 'a'.center('b') }}", "{{ 'a'.join(none) }}", "{{ 'x'() }}", "{{ 1() }}", "{{ none() }}")
# What random templates found.
add("{% filter length %}ab{% endfilter %}", "{% filter upper | list %}ab{% endfilter %}", "{% call dict(a=1) %}x{% endcall %}", "{% filter safe %}a<{% endfilter %}", "{{ {range: 1}|length }}", "{{ {cycler(1): 1}|length }}", "{% set g = 'ab'|map('upper') %}{{ {g: 1}[g] }}",
    "{{ g in {1: 2} }}", "{{ (1|map('first')) not in {'a': 1} }}", "{{ {{}: 1} }}", "{{ {[]: 1} }}", "{{ {{}.keys(): 1} }}", "{{ {{}.values(): 1}|length }}", "{{ {range(3): 1}[range(0, 3)] }}", "{{ {(1, (2,)): 'x'}[(1, (2.0,))] }}", "{{ {(1, [2]): 3} }}", "{{ 2.5 ** 3 }}", "{{ 0.5 ** 2 }}{{ 4 ** -2 }}")
# What templates of models are made of.
CONTENT = ["messages[-1].content", "messages[1]['content']", "messages[2].content", "messages[0].content"]
for value in CONTENT:
    exprs(*(value + one for one in ["|trim", ".strip()", ".split('</think>')[-1].lstrip('\\n')", " is string", " is none", " is not none", " is iterable and " + value + " is not mapping", " or ''", "|default('', true)", "|tojson", " is defined and '</think>' in " + value, " + eos_token", " ~ eos_token", "[0]", ".startswith('<think>') and true"]))
add("{%- for m in messages %}\n{{- '<|' + m.role + '|>\\n' }}\n{%- if m.content is string %}\n{{- m.content }}\n{%- elif m.content is iterable %}\n{%- for p in m.content %}{{- p.text }}{%- endfor %}\n{%- endif %}\n{{- '<|end|>\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n{{- '<|assistant|>\\n' }}\n{%- endif %}\n",
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{{ m.role }}{% endfor %}", "{% for m in messages[2].tool_calls %}{{ m.function.name }}({% for k, v in m.function.arguments|items %}{{ k }}={{ v|tojson }}{{ ', ' if not loop.last }}{% endfor %}){% endfor %}",
    "{% for m in messages %}{% if m.tool_calls is defined and m.tool_calls %}{{ m.tool_calls|tojson }}{% endif %}{% endfor %}", "{% set loop_messages = messages[1:] if messages[0].role == 'system' else messages %}{{ loop_messages|length }}", "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{{ ns.last }}",
    "{% for m in messages[::-1] %}{% set i = (messages|length - 1) - loop.index0 %}{{ i }}{{ m.role }};{% endfor %}", "{{ tools }}{{ documents }}{{ tools is none }}{{ documents is defined }}{{ add_generation_prompt }}{{ enable_thinking is defined }}", "{{ bos_token }}{{ eos_token }}{{ unk_token is defined }}")

out = []
for template in templates:
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            [json.loads(json.dumps(MESSAGES))], chat_template=template, add_generation_prompt=True, bos_token="<s>", eos_token="</s>")
        text = rendered[0]
        if " at 0x" in text:
            continue  # an address is another each time
        text.encode()
        out.append([template, text])
    except RecursionError:
        raise
    except Exception:
        out.append([template, None])
with open(os.path.join(HERE, "templates.json"), "w", encoding="utf-8") as file:
    file.write('{"messages": ' + json.dumps(MESSAGES, ensure_ascii=False) + ', "cases": [\n')
    file.write(",\n".join(json.dumps(case, ensure_ascii=False) for case in out) + "\n]}\n")
print(len(out), "templates,", sum(text is None for _, text in out), "of them errors")
