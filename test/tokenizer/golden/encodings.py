"""Ids and texts by Hugging Face's Rust `tokenizers`, for every step of tokenizer.json in its modes.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3
    venv/bin/python test/tokenizer/golden/encodings.py

writes encodings.json beside itself. Each case is a tokenizer.json without its vocabulary, which `bases` has,
and for each of the texts the ids and the text they decode to; null where that is the text itself. A text at
which Rust panics has null. `plain` has the ids of texts whose special tokens stay text, where those are others.
A case that Rust does not load has an `error` instead.
"""

import json
import random
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

TEXTS = [
    "", " ", "     ", "a", "Hello, world!", "  two  spaces ", "tab\tand\nnewline\r\nCRLF\r\n\r\n  x", "don't DON'T we'LL I'm",
    "1234567890 3.14 1,000", "\u0661\u0662\u0663 \u0967\u0968 \u00bd \u2163 \u00b2", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\ufeffBOM first", "mid\ufeffBOM \ufeff x",
    "a\u0085b \u0085 c", "\U0001f468\u200d\U0001f469\u200d\U0001f467 family \U0001f1e9\U0001f1ea", "e\u0301 \u00e9 n\u0303 \u00f1 \u1e9b\u0323",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u65e5\u672c\u8a9e", "\u00a0nbsp\u3000ideographic\u2003em", "\u03a3\u03a3 \u039f\u0394\u039f\u03a3 \u03a3a \u0130I",
    "<s>", "<s>a</s>", "a <s> b", "a<s>b</s>c", "  <s>  </s>  ", "<s><s> <mask>", "x<mask>y <mask> z", "word <mask>. WORD word, sword words",
    "a_b-c.d(e)[f]{g}", "$100 & 50% #tag @me", "\u2581mark\u2581 \u2581", "\u2026\u201cquotes\u201d \u2014 dash", "aaaaaaaaaaaaaaaaaaaaaaaa!",
    "camelCase HTTPServer XMLHttp", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8", "a\u200bb\u200cc\u200dd",
    "\u017f\u212a 's '\u017f 'S", "x\u0000y\u0001z\u007f", "\n\n\n", "\r\n", "a  \n  b", "def f(x):\n    return x  # c\n", "\U00020000\U0001d54f \ufb01",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643", "Day day DAY dayday <DAY>", "\ufffd\ufffc", "\u00b5\u03bc\u2126\u03a9",
    "'\u017fa '\u212ab \u212a\u017f a\u0345b \u0345 \u00dfs SS \ufb06", "1234567 12 1,234,567 abc cab abcab",
]

FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
SPM_DECODER = {
    "type": "Sequence",
    "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}],
}
BEHAVIORS = ["Removed", "Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext"]


def trained(pre_tokenizer, size, **options):
    """Merges that cross words and signs, so that every cut is seen in the ids."""
    tokenizer = Tokenizer(models.BPE(**{k: v for k, v in options.items() if k != "limit_alphabet"}))
    tokenizer.pre_tokenizer = pre_tokenizer
    extra = {k: v for k, v in options.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False, **extra)
    tokenizer.train_from_iterator([text for text in TEXTS for _ in range(2)], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return {"vocab": model["vocab"], "merges": model["merges"]}


def bases():
    found = {"bytes": trained(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), 600)}
    for byte, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet())):
        found["bytes"]["vocab"].setdefault(char, len(found["bytes"]["vocab"]))
    found["marks"] = trained(pre_tokenizers.Metaspace(split=False), 400)
    vocab = found["marks"]["vocab"]
    # Some letters are in no vocabulary, so that bytes and the unknown token are seen.
    for token in [t for t in vocab if t in ("z", "\u00e9", "\U00020000", "\u4f60")]:
        found["marks"]["merges"] = [m for m in found["marks"]["merges"] if token not in m[0] + m[1]]
    gone = {t for t in vocab if any(c in t for c in "z\u00e9\U00020000\u4f60")}
    names = [t for t in vocab if t not in gone]
    found["marks"]["vocab"] = {t: i for i, t in enumerate(["<unk>", *[f"<0x{b:02X}>" for b in range(256)], *names])}
    for prefix in ["", "##"]:
        for suffix in ["", "</w>"]:
            parts = {"continuing_subword_prefix": prefix, "end_of_word_suffix": suffix}
            found[f"words {prefix}{suffix}"] = trained(pre_tokenizers.WhitespaceSplit(), 300, **parts)
    return found


def case(name, base="bytes", **parts):
    model = {"type": "BPE", **parts.pop("model", {})}
    decoder = BYTES if base == "bytes" else SPM_DECODER
    pre = BYTES if base == "bytes" else None
    whole = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": pre, "post_processor": None, "decoder": decoder, **parts,
    }
    return {"name": name, "base": base, "json": {**whole, "model": model}}


def before_bytes(*steps):
    return {"type": "Sequence", "pretokenizers": [*steps, BYTES]}


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def added(*tokens):
    return [{**FLAGS, "id": 2000 + i, **token} for i, token in enumerate(tokens)]


NORMALIZERS = {
    **{name: {"type": name} for name in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"]},
    "Strip both": {"type": "Strip", "strip_left": True, "strip_right": True},
    "Strip left": {"type": "Strip", "strip_left": True, "strip_right": False},
    "Strip right": {"type": "Strip", "strip_left": False, "strip_right": True},
    "Prepend": {"type": "Prepend", "prepend": "\u2581"},
    "Replace text": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
    "Replace with a dollar": {"type": "Replace", "pattern": {"String": "a"}, "content": "$&$1"},
    "Replace white space": {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    "Replace digits": {"type": "Replace", "pattern": {"Regex": r"\d"}, "content": "0"},
    "Replace words": {"type": "Replace", "pattern": {"Regex": r"\w+"}, "content": "w"},
    "Replace empty": {"type": "Replace", "pattern": {"Regex": r"a*"}, "content": "-"},
    "Replace ends": {"type": "Replace", "pattern": {"Regex": r"^\s+|\s+$"}, "content": ""},
    "Replace spaces": {"type": "Replace", "pattern": {"Regex": r" {2,}"}, "content": "_"},
    "BertNormalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
    "NFD, StripAccents": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]},
    "NFKC, Lowercase": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
    "empty Sequence": {"type": "Sequence", "normalizers": []},
}
CUTS = {
    "Whitespace": {"type": "Whitespace"},
    "WhitespaceSplit": {"type": "WhitespaceSplit"},
    "BertPreTokenizer": {"type": "BertPreTokenizer"},
    "Digits": {"type": "Digits", "individual_digits": True},
    "Digits together": {"type": "Digits", "individual_digits": False},
    "CharDelimiterSplit": {"type": "CharDelimiterSplit", "delimiter": "a"},
    "UnicodeScripts": {"type": "UnicodeScripts"},
    "empty Sequence": {"type": "Sequence", "pretokenizers": []},
    **{f"Punctuation {b}": {"type": "Punctuation", "behavior": b} for b in BEHAVIORS},
    **{f"FixedLength {n}": {"type": "FixedLength", "length": n} for n in [1, 3, 5]},
    **{
        f"Split {name} {b}{' inverted' if invert else ''}": split(pattern, b, invert, kind)
        for name, pattern, kind in [("space", " ", "String"), ("letters", r"\p{L}+", "Regex"), ("empty", "(?=a)", "Regex")]
        for b in BEHAVIORS
        for invert in [False, True]
    },
}
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
REGEXES = [
    GPT2, LLAMA3, GPT2 + "|x", LLAMA3.replace("{1,3}", "{1,2}"), LLAMA3.replace("(?i:", "(?:"),
    r"(a+)+$", r"(a|aa)+!", r"a+?", r"\w+?\b", r"\bword\b", r"(?<=a)b", r"(?<!a)[a-z]", r"^\w+", r"\w+$", r"\A.|.\z", r".", r"[[:alpha:]]+",
    r"[^[:space:]]+", r"\h+", r"[\w&&[^a-m]]+", r"(?i)word|day", r"(?i:WORD)|x", r"\d{1,3}(?=(?:\d{3})*\b)", r"(a)\1", r"\s+(?!\S)|\s|\S+",
    r"[\r\n]|\s?\p{Lu}\p{Ll}*|\s?\p{L}+", r"\p{Han}+|\p{Hiragana}+", r"\S{1,4}", r"a{2}|a{3,}|b{,2}", r"\x{61}|\u4e16|\n", r"[^\S\r\n]+",
    r"\p{L}++", r"(?>a+)b", r"(?m:.+)", r" ?\p{L}[\p{L}\p{M}]*|\p{M}", r"(?:|a)b", r"\R", r"\X", r"[a-z--b]", r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"a*+a|b?+b", r"(?:ab)++", r"[[:punct:]]+", r"[^[:punct:]]+", r"[[:alnum:]]+", r"[[:upper:]]|[[:lower:]]+", r"[[:cntrl:]]", r"[[:blank:]]+",
    r"[[:graph:]]+", r"[[:print:]]+", r"[[:xdigit:]]+", r"[[:word:]]+", r"[[:digit:]]", r"\p{Punct}+", r"\p{Space}+", r"\p{Alpha}+", r"\p{Alnum}+",
    "(?i:\u00c9|\u03c3+)", "(?i:[a-z]+)", "(?i:stra\u00dfe|ss)", "(?i:k|s)", "(?i:[\u03b1-\u03c9]+)", r"(?i:\p{Lu})", r"(?i:\x{3c3})",
    r"(?i:'s|'k)", r"(?i:'(?:s|k)|(?=k)k|(?:s)a)", r"(?i:'[ks]|[^a-z]?k+)", r"(?i)'s|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+", r"(?i:[\p{L}]b)", r"(?i:ab|(S)|c)K",
    r"\p{Latin}+|\p{Greek}", r"\p{Any}", r"[\p{L}&&\p{Latin}]+", r"\t|\v|\f", r"\101", r"\p{^L}+", r"\P{L}+", r"(?=ab|c)", r"a(?!bc)|\w(?= )",
    r"(?<name>a)b", r"a(?#comment)b", r"(?x: a b )", r"\K", r"\w+\Z", r"(?<=ab)c", r"[a-\d]", r"\p{Emoji}", r"\p{Lu}?\p{Ll}+|\p{Lu}+(?!\p{Ll})|\p{N}|[^\p{L}\p{N}]", r"\G\w|\Z",
]


def cases():
    found = [case("nothing"), case("no byte level", "bytes", pre_tokenizer=None)]
    for prefix in [False, True]:
        for regex in [False, True]:
            found.append(case(f"ByteLevel {prefix} {regex}", pre_tokenizer={**BYTES, "add_prefix_space": prefix, "use_regex": regex}))
    found += [case(f"normalizer {name}", normalizer=step) for name, step in NORMALIZERS.items()]
    found.append(case("normalizer ByteLevel", normalizer={"type": "ByteLevel"}, pre_tokenizer=None))
    found += [case(f"cut {name}", pre_tokenizer=before_bytes(step)) for name, step in CUTS.items()]
    found += [case(f"regex {regex}", pre_tokenizer=before_bytes(split(regex))) for regex in REGEXES]
    for scheme in ["always", "first", "never"]:
        for cut in [False, True]:
            step = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": cut}
            marked = {"unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True}
            found.append(case(f"Metaspace {scheme} {cut}", "marks", pre_tokenizer=step, model=marked))
            tokens = added({"content": "<s>"}, {"content": "<mask>", "normalized": True})
            found.append(case(f"Metaspace {scheme} {cut} added", "marks", pre_tokenizer=step, model=marked, added_tokens=tokens))
    for decoder in ["always", "first", "never"]:
        step = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": decoder, "split": True}
        found.append(case(f"decoder Metaspace {decoder}", "marks", pre_tokenizer=step, decoder=step, model={"byte_fallback": True}))
    found += bpe_cases() + added_cases() + post_cases()
    for name, decoder in {"null": None, "Fuse": {"type": "Fuse"}, "BPEDecoder": {"type": "BPEDecoder", "suffix": "</w>"}}.items():
        found.append(case(f"decoder {name}", "marks", decoder=decoder))
    for number, decoder in enumerate(DECODERS):
        step = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": False}
        tokens = added({"content": "<s>"}, {"content": "</s>", "special": False})
        found.append(case(f"decoders {number}", "marks", pre_tokenizer=step, decoder=decoder, added_tokens=tokens, model={"byte_fallback": True}))
    strip = {"type": "Sequence", "decoders": [*SPM_DECODER["decoders"], {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    found.append(case("decoder Strip", "marks", normalizer=LLAMA_NORMALIZER, decoder=strip, model={"byte_fallback": True, "unk_token": "<unk>"}))
    return found + random_cases()


def decoders(*steps):
    return {"type": "Sequence", "decoders": list(steps)}


MARK = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
BYTE, FUSE = {"type": "ByteFallback"}, {"type": "Fuse"}
LEFT = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": False}
DECODERS = [
    METASPACE, {**METASPACE, "prepend_scheme": "first"}, {**METASPACE, "prepend_scheme": "never"}, decoders(METASPACE, FUSE),
    decoders(BYTE, METASPACE), decoders(METASPACE, BYTE, FUSE), decoders(MARK, LEFT), decoders(MARK, LEFT, FUSE), decoders(MARK, FUSE, LEFT),
    decoders(MARK, BYTE, FUSE, LEFT), decoders(FUSE, MARK, LEFT), decoders(BYTE, FUSE, MARK), decoders(MARK), MARK,
    decoders(FUSE, BYTE, MARK), decoders(MARK, BYTE, LEFT), decoders(METASPACE, LEFT, FUSE), decoders(MARK, {"type": "Replace", "pattern": {"String": "a"}, "content": " "}),
    decoders(decoders(MARK, BYTE), FUSE), decoders(MARK, BYTE, FUSE, {**LEFT, "start": 2}), decoders(MARK, BYTES), decoders(METASPACE, FUSE, LEFT),
    decoders(MARK, FUSE, {"type": "Strip", "content": " ", "start": 0, "stop": 1}),
]
LLAMA_NORMALIZER = {"type": "Sequence", "normalizers": [NORMALIZERS["Prepend"], NORMALIZERS["Replace text"]]}


def bpe_cases():
    found = []
    for unk in [None, "<unk>"]:
        for fuse in [False, True]:
            for fallback in [False, True]:
                model = {"unk_token": unk, "fuse_unk": fuse, "byte_fallback": fallback}
                found.append(case(f"BPE {unk} {fuse} {fallback}", "marks", normalizer=LLAMA_NORMALIZER, model=model))
    for prefix in ["", "##"]:
        for suffix in ["", "</w>"]:
            model = {"continuing_subword_prefix": prefix, "end_of_word_suffix": suffix}
            found.append(case(f"BPE {prefix} {suffix}", f"words {prefix}{suffix}", pre_tokenizer=CUTS["WhitespaceSplit"], model=model))
    found.append(case("BPE ignore_merges", pre_tokenizer={**BYTES, "use_regex": True}, model={"ignore_merges": True}))
    found.append(case("BPE dropout", model={"dropout": 0.1}))
    return found


def added_cases():
    found = []
    normalizers = {"": None, " Lowercase": {"type": "Lowercase"}, " Prepend": LLAMA_NORMALIZER}
    for normalizer, step in normalizers.items():
        base = "marks" if normalizer == " Prepend" else "bytes"
        model = {"byte_fallback": True, "unk_token": "<unk>"} if base == "marks" else {}
        for flags in range(16):
            names = [n for i, n in enumerate(["lstrip", "rstrip", "single_word", "normalized"]) if flags >> i & 1]
            tokens = added(
                {"content": "<s>", **dict.fromkeys(names, True)}, {"content": "<mask>", "lstrip": True},
                {"content": "word", "special": False, **dict.fromkeys(names, True)}, {"content": "Day", "special": False, "normalized": True},
            )
            found.append(case(f"added {' '.join(names)}{normalizer}", base, normalizer=step, added_tokens=tokens, model=model))
    spaces = added({"content": "  ", "special": False}, {"content": "\n\n"}, {"content": "a"}, {"content": "aaa"}, {"content": "<s>", "rstrip": True})
    found.append(case("added spaces and prefixes", added_tokens=spaces))
    return found


def post_cases():
    special = {n: {"id": n, "ids": [i], "tokens": [n]} for n, i in [("<s>", 2000), ("</s>", 2001)]}
    piece = {"A": {"Sequence": {"id": "A", "type_id": 0}}, "B": {"Sequence": {"id": "B", "type_id": 1}}}
    token = {n: {"SpecialToken": {"id": n, "type_id": 0}} for n in special}
    tokens = added({"content": "<s>"}, {"content": "</s>"})

    def template(single):
        return {"type": "TemplateProcessing", "single": single, "pair": [piece["A"], piece["B"]], "special_tokens": special}

    around = [token["<s>"], piece["A"], token["</s>"]]
    steps = {
        "ByteLevel": BYTES,
        "Template": template(around),
        "Template before": template([token["<s>"], token["<s>"], piece["A"]]),
        "Template twice": template([piece["A"], token["</s>"], piece["A"]]),
        "Template without text": template([token["<s>"]]),
        "Bert": {"type": "BertProcessing", "sep": ["</s>", 2001], "cls": ["<s>", 2000]},
        "Roberta": {"type": "RobertaProcessing", "sep": ["</s>", 2001], "cls": ["<s>", 2000], "trim_offsets": True, "add_prefix_space": True},
        "Sequence": {"type": "Sequence", "processors": [BYTES, template(around), template([token["<s>"], piece["A"]])]},
    }
    return [case(f"post {name}", post_processor=step, added_tokens=tokens) for name, step in steps.items()]


def random_cases():
    draw = random.Random(7)
    found = []
    for number in range(50):
        normal = draw.sample([n for n in NORMALIZERS if n not in ("BertNormalizer", "Replace empty")], draw.randint(0, 2))
        cuts = draw.sample([n for n in CUTS if n != "UnicodeScripts"], draw.randint(0, 2))
        tokens = added(*[
            {"content": content, "special": draw.random() < 0.5, **{n: draw.random() < 0.3 for n in ["lstrip", "rstrip", "single_word", "normalized"]}}
            for content in draw.sample(["<s>", "</s>", "<mask>", "word", "Day", "'s", "12", "\u4e16\u754c", "a"], draw.randint(0, 5))
        ])
        found.append(case(
            f"random {number}", added_tokens=tokens,
            normalizer={"type": "Sequence", "normalizers": [NORMALIZERS[n] for n in normal]},
            pre_tokenizer=before_bytes(*[CUTS[n] for n in cuts]), model={"ignore_merges": draw.random() < 0.3},
        ))
    return found


def expected(tokenizer, text):
    try:
        ids = tokenizer.encode(text).ids
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
    except BaseException:  # a panic of Rust's
        return None
    return [ids, None if decoded == text else decoded]


def renumbered(step, ids):
    """A post-processor with the ids that its tokens have."""
    text = json.dumps(step)
    for number, name in [("2000", "<s>"), ("2001", "</s>")]:
        text = text.replace(number, str(ids.get(name)))
    return json.loads(text)


def main():
    vocabularies = bases()
    found = []
    for one in cases():
        base = vocabularies[one["base"]]
        # Rust takes the ids of the vocabulary, and counts on from it.
        whole = json.loads(json.dumps(one["json"]))
        size = len(base["vocab"])
        ids = {}
        for token in whole["added_tokens"]:
            token["id"] = base["vocab"].get(token["content"])
            if token["id"] is None:
                token["id"], size = size, size + 1
            ids[token["content"]] = token["id"]
        whole["post_processor"] = renumbered(whole["post_processor"], ids)
        one["json"] = whole
        try:
            tokenizer = Tokenizer.from_str(json.dumps({**whole, "model": {**whole["model"], **base}}))
            one["results"] = [expected(tokenizer, text) for text in TEXTS]
            tokenizer.encode_special_tokens = True
            plain = [expected(tokenizer, text) for text in TEXTS]
            pairs = enumerate(zip(plain, one["results"]))
            one["plain"] = {i: p[0] for i, (p, r) in pairs if p and r and p[0] != r[0]}
        except Exception as error:  # whatever Rust says
            one["error"] = str(error)
        found.append(one)
    target = Path(__file__).with_suffix(".json")
    golden = {"library": f"tokenizers {tokenizers.__version__}", "texts": TEXTS, "bases": vocabularies, "cases": found}
    target.write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(len(found), "cases,", target.stat().st_size, "bytes;", [c["name"] + ": " + c["error"][:60] for c in found if "error" in c])


if __name__ == "__main__":
    main()
