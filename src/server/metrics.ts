/**
 * Figures of a server in the text format of Prometheus (exposition format 0.0.4). The registry of
 * `prom-client` needs Node; these few lines run wherever `fetch` does.
 */

/** Upper bounds of histograms of seconds: from a token to a long answer. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

type Labels = Readonly<Record<string, string | number>>;

class Counter {
  readonly #values = new Map<string, number>();

  add(amount: number, labels: Labels = {}): void {
    const key = written(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  lines(name: string): string[] {
    const values = this.#values.size > 0 ? this.#values : new Map([["", 0]]);
    return Array.from(values, ([labels, value]) => `${name}${labels} ${value}`);
  }
}

class Histogram {
  readonly #counts = SECONDS.map(() => 0);
  #sum = 0;
  #count = 0;

  observe(seconds: number): void {
    for (const [i, bound] of SECONDS.entries()) if (seconds <= bound) this.#counts[i]!++;
    this.#sum += seconds;
    this.#count++;
  }

  lines(name: string): string[] {
    return [
      ...SECONDS.map((bound, i) => `${name}_bucket{le="${bound}"} ${this.#counts[i]}`),
      `${name}_bucket{le="+Inf"} ${this.#count}`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
    ];
  }
}

/** What a server counts; gauges are read when somebody asks. */
export class Metrics {
  readonly requests = new Counter();
  readonly promptTokens = new Counter();
  readonly cachedTokens = new Counter();
  readonly generatedTokens = new Counter();
  readonly queueSeconds = new Histogram();
  readonly firstTokenSeconds = new Histogram();
  readonly betweenTokensSeconds = new Histogram();
  readonly tokenSeconds = new Histogram();
  readonly requestSeconds = new Histogram();

  /** @param gauges values of now, by name without the prefix, with what they mean */
  text(gauges: Readonly<Record<string, readonly [help: string, value: number]>>): string {
    const families: [name: string, type: string, help: string, lines: (name: string) => string[]][] = [
      ["requests_total", "counter", "requests answered, by endpoint and status", (name) => this.requests.lines(name)],
      ["prompt_tokens_total", "counter", "tokens of prompts", (name) => this.promptTokens.lines(name)],
      ["cached_tokens_total", "counter", "those of them found in the cache", (name) => this.cachedTokens.lines(name)],
      ["generated_tokens_total", "counter", "tokens generated", (name) => this.generatedTokens.lines(name)],
      ["queue_seconds", "histogram", "time until a request had its turn", (name) => this.queueSeconds.lines(name)],
      ["first_token_seconds", "histogram", "time from its turn to its first text", (name) => this.firstTokenSeconds.lines(name)],
      [
        "between_tokens_seconds",
        "histogram",
        "time a running text waits for its next piece",
        (name) => this.betweenTokensSeconds.lines(name),
      ],
      ["token_seconds", "histogram", "mean time of a token after the first, by answer", (name) => this.tokenSeconds.lines(name)],
      ["request_seconds", "histogram", "time from arrival to the end of the answer", (name) => this.requestSeconds.lines(name)],
      ...Object.entries(gauges).map(([name, [help, value]]): (typeof families)[number] => [
        name,
        "gauge",
        help,
        (full) => [`${full} ${value}`],
      ]),
    ];
    const text: string[] = [];
    for (const [name, type, help, lines] of families) {
      const full = `fptq_${name}`;
      text.push(`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines(full));
    }
    return `${text.join("\n")}\n`;
  }
}

function written(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${String(value).replaceAll(/[\\"\n]/g, "_")}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
