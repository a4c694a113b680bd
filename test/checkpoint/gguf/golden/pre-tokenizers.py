"""How Hugging Face's Rust `tokenizers` cuts texts by the patterns of gguf-pre-tokenizer.ts.

    venv/bin/pip install tokenizers==0.23.3
    venv/bin/python test/checkpoint/gguf/golden/pre-tokenizers.py

writes pre-tokenizers.json beside itself: for each name and text the ends of the pieces, in code points.
"""

import json
import subprocess
from pathlib import Path

import tokenizers
from tokenizers import Regex, pre_tokenizers

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[3]
READ = """
import("./src/checkpoint/gguf/gguf-pre-tokenizer.ts").then(({ PRE_TOKENIZERS }) =>
  console.log(JSON.stringify([...PRE_TOKENIZERS].map(([name, { pattern }]) => [name, pattern]))));
"""


def main():
    rules = json.loads(subprocess.check_output(["npx", "tsx", "-e", READ], cwd=ROOT))
    texts = json.loads((ROOT / "test/tokenizer/golden/encodings.json").read_text())["texts"]
    texts += [
        "HelloWorld helloWORLD ÀÉÎ straße ǅ", "x=1;y+=2 // a\n\n\n\tb", "12345678 1.5e-10 ١٢٣٤", "   \n  \n a   b\t\tc  ",
        "한국어 문장입니다. ㄱㄴ", "漢字かなカナ混じり、文。", "it's IT'S we'Ve ’s", "a b c  d e\u0301f", "…！？「」—", "!!??...,,;; $$ <=> ^~|`",
        "\u1fd3\u03cd \u2126\u212a\u212b Ωμέγα", "ㄅㄆㄇ ︰﹏", " " * 70 + "x" + " " * 600, "अरे। यह, क्या? ۔،",
    ]
    cuts = {}
    for name, patterns in rules:
        splits = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(p), "isolated") for p in patterns])
        ends = lambda text: [end for _, (_, end) in splits.pre_tokenize_str(text)]
        cuts[name] = ["".join(f"{end} " for end in ends(text)).strip() for text in texts]
    # Names that share a rule share the cuts.
    shared = {}
    for name, ends in cuts.items():
        shared.setdefault(json.dumps(ends), []).append(name)
    found = [{"names": names, "ends": json.loads(ends)} for ends, names in shared.items()]
    golden = {"library": f"tokenizers {tokenizers.__version__}", "texts": texts, "rules": found}
    target = FOLDER / "pre-tokenizers.json"
    target.write_text(json.dumps(golden, indent=1) + "\n")
    print(len(rules), "names,", len(found), "rules,", target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
