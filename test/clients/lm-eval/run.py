"""lm-evaluation-harness over `fptq serve`, item by item beside `fptq lambada` and `fptq choice`.

    npm run test:lm-eval -- --data FOLDER [--model FOLDER|GGUF] [--limit 100] [--concurrent 4]

FOLDER has lambada_test.jsonl and choice/arc_challenge_test.jsonl; --lambada and --choice name other files.
Installs lm-eval as requirements.txt pins it into build/lm-eval, with neither torch nor transformers: the
server tokenizes. Needs Python 3.11 or newer, and `npm run build` before. Nothing is asked of the Hub.

Several requests are asked at a time, so that what is compared was computed beside other requests.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
VENV = ROOT / "build" / "lm-eval"
PROGRAM = ["node", str(ROOT / "dist" / "cli" / "main.js")]
ALIAS = "fptq"


def install() -> Path:
    """A Python that has lm-eval as pinned."""
    python = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
    pins = (HERE / "requirements.txt").read_text()
    stamp = VENV / "installed.txt"
    if not stamp.exists() or stamp.read_text() != pins:
        venv.create(VENV, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(pins)
    return python


def start_server(model: str, parallel: int) -> tuple[subprocess.Popen, str]:
    words = ["serve", "-m", model, "--port", "0", "--np", str(parallel), "-c", "2048", "-a", ALIAS]
    server = subprocess.Popen(PROGRAM + words, stderr=subprocess.PIPE, text=True)
    log = ""
    for line in server.stderr:
        log += line
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return server, found[0]
    raise SystemExit(f"the server ended before it listened: {log}")


def harness(python: Path, origin: str, task: str, file: Path, args: argparse.Namespace) -> list[dict]:
    """What lm-eval found, by item."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / f"{task}.yaml").write_text((HERE / f"{task}.yaml").read_text().replace("FILE", json.dumps(str(file))))
        served = f"base_url={origin}/v1/completions,model={ALIAS},tokenizer_backend=remote,tokenized_requests=True"
        command = [python, "-m", "lm_eval", "run", "--model", "local-completions", "--tasks", f"fptq_{task}"]
        command += ["--model_args", f"{served},max_length=2048,num_concurrent={args.concurrent}"]
        command += ["--include_path", folder, "--limit", str(args.limit), "--log_samples", "--output_path", place / "out"]
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(place / "cache")}
        subprocess.run(command, check=True, env={**os.environ, **offline})
        (samples,) = (place / "out").rglob("samples_*.jsonl")
        items = [json.loads(line) for line in samples.read_text().splitlines()]
    return sorted(items, key=lambda item: item["doc_id"])


def ours(command: str, file: Path, args: argparse.Namespace) -> dict:
    words = [command, "-m", args.model, "-f", str(file), "--limit", str(args.limit), "-c", "2048", "--log-samples"]
    return json.loads(subprocess.run(PROGRAM + words, check=True, stdout=subprocess.PIPE, text=True).stdout)


class Comparison:
    """Decisions have to be the same; log-likelihoods too, but for the order in which Python sums tokens."""

    def __init__(self, name: str, files: tuple[int, int]):
        self.name, self.identical, self.apart = name, 0, 0.0
        self.different: list[str] = []
        if files[0] != files[1]:
            self.different.append(f"{files[0]} items of lm-eval, {files[1]} of fptq")

    def number(self, place: str, found: float, expected: float) -> None:
        self.identical += found == expected
        self.apart = max(self.apart, abs(found - expected) / abs(expected))
        if not abs(found - expected) <= 1e-12 * abs(expected):
            self.different.append(f"{place}: {found!r}, fptq has {expected!r}")

    def decision(self, place: str, found: object, expected: object) -> None:
        if found != expected:
            self.different.append(f"{place}: {found}, fptq says {expected}")


def responses(item: dict) -> list[tuple[float, bool]]:
    """ln p and greediness of each continuation, as lm-eval logs them."""
    return [(float(value), greedy in (True, "True")) for (value, greedy) in (r[0] if len(r) == 1 else r for r in item["resps"])]


def compare_lambada(items: list[dict], document: dict) -> Comparison:
    comparison = Comparison("lambada", (len(items), document["items"]))
    for i, item in enumerate(items):
        ((value, greedy),) = responses(item)
        comparison.number(f"passage {i}", value, document["log_likelihoods"][i])
        comparison.decision(f"passage {i}", greedy, document["solved"][i] == 1)
        comparison.decision(f"passage {i}, acc", bool(item["acc"]), document["solved"][i] == 1)
    accuracy = sum(bool(item["acc"]) for item in items) / len(items)
    comparison.decision("accuracy", accuracy, document["accuracy"])
    return comparison


def compare_choice(items: list[dict], document: dict) -> Comparison:
    comparison = Comparison("choice", (len(items), document["items"]))
    for i, item in enumerate(items):
        expected = document["log_likelihoods"][i]
        found = [value for value, _ in responses(item)]
        comparison.decision(f"item {i}, choices", len(found), len(expected))
        for c, (value, other) in enumerate(zip(found, expected)):
            comparison.number(f"item {i}, choice {c}", value, other)
        right = expected.index(max(expected)) == item["doc"]["answer"]
        comparison.decision(f"item {i}, acc", bool(item["acc"]), right)
    accuracy = sum(bool(item["acc"]) for item in items) / len(items)
    comparison.decision("accuracy", accuracy, document["accuracy"])
    return comparison


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with lambada_test.jsonl and choice/arc_challenge_test.jsonl")
    parser.add_argument("--lambada", type=Path, help="a file of fptq lambada")
    parser.add_argument("--choice", type=Path, help="a file of fptq choice")
    parser.add_argument("--model", default=str(ROOT / "models" / "smollm2-135m-instruct-w4a8"))
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--concurrent", type=int, default=4)
    args = parser.parse_args()
    lambada = args.lambada or (args.data and args.data / "lambada_test.jsonl")
    choice = args.choice or (args.data and args.data / "choice" / "arc_challenge_test.jsonl")
    if not lambada or not choice:
        parser.error("need --data, or --lambada and --choice")

    python = install()
    server, origin = start_server(args.model, args.concurrent)
    try:
        found = {
            "lambada": harness(python, origin, "lambada", lambada.resolve(), args),
            "choice": harness(python, origin, "choice", choice.resolve(), args),
        }
    finally:
        server.terminate()
        server.wait()
    comparisons = [
        compare_lambada(found["lambada"], ours("lambada", lambada, args)),
        compare_choice(found["choice"], ours("choice", choice, args)),
    ]
    for comparison in comparisons:
        failed = len(comparison.different)
        print(f"{'FAIL' if failed else 'ok  '} {comparison.name}: {comparison.identical} log-likelihoods the same to the last bit,")
        print(f"     at most {comparison.apart:.1e} of their size apart; {failed} differences")
        for difference in comparison.different[:10]:
            print(f"     {difference}")
    passed = sum(not comparison.different for comparison in comparisons)
    print(f"{passed} passed, {len(comparisons) - passed} failed")
    return 0 if passed == len(comparisons) else 1


if __name__ == "__main__":
    sys.exit(main())
