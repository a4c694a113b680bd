/** The little of each runtime's own API that is used here. */
declare module "cloudflare:workers" {
  export const env: unknown;
  export function waitUntil(promise: Promise<unknown>): void;
}

interface Serving {
  readonly hostname: string;
  readonly port: number;
}
type FetchHandler = (request: Request) => Response | Promise<Response>;

declare const Deno: {
  readonly env: { get(name: string): string | undefined };
  serve(options: Serving, handler: FetchHandler): unknown;
};

declare const Bun: {
  readonly env: Readonly<Record<string, string | undefined>>;
  serve(options: Serving & { idleTimeout: number; fetch: FetchHandler }): { readonly url: URL };
};
