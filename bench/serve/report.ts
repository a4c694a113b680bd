/** Figures of a server under load as Markdown, and the place in docs/serving.md they are written to. */
import type { ChurnFigures } from "./churn.ts";
import type { LoadFigures, Percentiles } from "./load.ts";
import type { Beside, OverheadFigures } from "./overhead.ts";
import type { PrefixFigures } from "./prefix.ts";
import type { SchemaFigures } from "./schemas.ts";
import type { ShareFigures } from "./shares.ts";

export interface Figures {
  readonly date: string;
  readonly machine: string;
  readonly model: string;
  readonly command: string;
  readonly threads: number;
  readonly load: readonly LoadFigures[];
  readonly prefix?: PrefixFigures;
  readonly churn?: ChurnFigures;
  readonly schemas?: SchemaFigures;
  readonly overhead?: OverheadFigures;
  readonly peer?: PeerFigures;
  readonly shares?: ShareFigures;
}

/** The same load at another engine's server. */
export interface PeerFigures {
  readonly engine: string;
  readonly model: string;
  readonly load: readonly LoadFigures[];
}

const [BEGIN, END] = ["<!-- bench:serve -->", "<!-- /bench:serve -->"];

export function loadTable(rows: readonly LoadFigures[]): string {
  const times = ({ p50, p95, p99 }: Percentiles) => [p50, p95, p99].map((ms) => ms.toFixed(0)).join(" / ");
  return [
    "| clients | `-np` | requests/s | tokens/s | first token, ms: p50 / p95 / p99 | between tokens, ms | whole answer, ms |",
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...rows.map(({ clients, parallel, requests, tokens, seconds, firstToken, betweenTokens, whole }) => {
      const rates = [(requests / seconds).toFixed(2), (tokens / seconds).toFixed(1)];
      return `| ${[clients, parallel, ...rates, times(firstToken), times(betweenTokens), times(whole)].join(" | ")} |`;
    }),
  ].join("\n");
}

export function prefixSentence({ prefixTokens, firstMs, secondMs }: PrefixFigures): string {
  const share = ((100 * secondMs) / firstMs).toFixed(1);
  return `Time to the first token behind ${prefixTokens} shared tokens: ${firstMs.toFixed(0)} ms, then ${secondMs.toFixed(0)} ms (${share} %).`;
}

export function churnSentence({
  clients,
  seconds,
  finished,
  different,
  left,
  turnedAway,
  lost,
  stuck,
  memory,
}: ChurnFigures): string {
  const mib = memory.map((bytes) => (bytes / 2 ** 20).toFixed(0)).join(", ");
  return `${clients} clients for ${seconds} s, some slow, some leaving: ${finished} answers finished, ${different} of them other than the model's alone, ${left} left, ${turnedAway} told to come back, ${lost.length} lost, ${stuck} stuck; resident MiB every 10 s: ${mib}.`;
}

export function sharesSentence({ promptMs, aloneMs, togetherMs, promptTokens, tokens, bound }: ShareFigures): string {
  return `Processor time: ${promptMs.toFixed(2)} ms a token of a prompt, ${aloneMs.toFixed(2)} ms a step alone, ${togetherMs.toFixed(2)} ms a step of one of eight. So eight clients with prompts of ${promptTokens} tokens and answers of ${tokens} have at most ${bound.toFixed(2)} times the tokens of one, however passes are composed.`;
}

export function schemasSentence({ schemas, asked, valid, cut, wrong }: SchemaFigures): string {
  return `${asked} answers over ${schemas} schemas: ${valid} whole and valid, ${cut} cut by their length, which say so and begin such a text; ${asked - wrong.length} of ${asked} as they should be.`;
}

export function overheadSentence({ rounds, tokens, clock, processor }: OverheadFigures): string {
  const percent = (part: number) => (100 * part).toFixed(1);
  const words = ({ libraryMs, serverMs, share }: Beside) =>
    `${libraryMs.toFixed(2)} ms a token by the library, ${serverMs.toFixed(2)} ms as a stream of the server, ${percent(share.p50)} % more (median; half of the rounds from ${percent(share.p25)} to ${percent(share.p75)} %)`;
  const beside = processor ? `; processor time of the thread that serves: ${words(processor)}` : "";
  return `One client, ${tokens} tokens, ${rounds} rounds of both in turn: ${words(clock)}${beside}.`;
}

export function peerTable({ engine, model, load }: PeerFigures): string {
  return `The same load at ${engine} (node-llama-cpp behind a server of a page of code, its own batches), ${model}:\n\n${loadTable(load)}`;
}

/** What was measured besides the load, each in a paragraph. */
export function sentences({ prefix, churn, schemas, overhead, peer, shares }: Figures): string[] {
  return [
    ...(shares ? [sharesSentence(shares)] : []),
    ...(peer ? [peerTable(peer)] : []),
    ...(prefix ? [prefixSentence(prefix)] : []),
    ...(overhead ? [overheadSentence(overhead)] : []),
    ...(schemas ? [schemasSentence(schemas)] : []),
    ...(churn ? [churnSentence(churn)] : []),
  ];
}

export function section(figures: Figures): string {
  const { date, machine, model, command, threads, load } = figures;
  const prompts = load[0] ? ` Prompts of 50 to 500 tokens, ${load[0].tokens / load[0].requests} tokens an answer.` : "";
  return [
    `Written by \`npm run bench:serve\`; do not edit. ${date}, ${machine}; ${model}, threads: ${threads}.${prompts}`,
    `\`\`\`\n${command}\n\`\`\``,
    loadTable(load),
    ...sentences(figures),
  ].join("\n\n");
}

/** @throws Error for a page without the two marks */
export function withSection(page: string, text: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/serving.md: need ${BEGIN} and ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`;
}
