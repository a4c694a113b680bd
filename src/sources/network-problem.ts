/** The reasons why a request was not answered, in the words of three runtimes. */

export interface NetworkProblem {
  /** Our own words: a runtime's message may quote the URL with its query. */
  readonly reason: string;
  /** How often to ask again; undefined for what is likely to pass. */
  readonly retries?: number;
}

/**
 * Node and Bun give codes, Deno only text (measured: Node 20.20, Bun 1.4, Deno 2.9). What is wrong with a
 * name, a port or a certificate does not pass in seconds; a resolver or a route may come back at once.
 */
const PROBLEMS: readonly (readonly [pattern: RegExp, reason: string, retries: number])[] = [
  [/\bENOTFOUND\b|Name or service not known|No such host|nodename nor servname/i, "ENOTFOUND, there is no such host", 0],
  [/\bEAI_AGAIN\b|Temporary failure in name resolution|dns error/i, "EAI_AGAIN, the name could not be looked up", 1],
  [/\bECONNREFUSED\b|ConnectionRefused|Connection refused/i, "ECONNREFUSED, nothing listens there", 0],
  [/\bENETUNREACH\b|\bEHOSTUNREACH\b|(Network is unreachable|No route to host)/i, "no way leads there", 1],
  [/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|HOSTNAME_MISMATCH|peer certificate/, "the certificate is not trusted", 0],
  [/SSL_WRONG_VERSION|SSL_PACKET_LENGTH|\bEPROTO\b|InvalidContentType/, "it does not speak TLS", 0],
  [/^bad port$/, "fetch does not use this port", 0],
];

export function networkProblem(error: unknown): NetworkProblem {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    const words = typeof code === "string" ? code : at.message;
    const found = PROBLEMS.find(([pattern]) => pattern.test(words));
    if (found) return { reason: reasonOf(found[1], code), retries: found[2] };
    if (typeof code === "string") return { reason: code };
  }
  return { reason: "the request failed" };
}

const reasonOf = (reason: string, code: unknown) =>
  typeof code !== "string" || reason.startsWith(code) ? reason : `${code}, ${reason}`;
