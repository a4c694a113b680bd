/**
 * Looks at what the page shows: the rules of axe (WCAG 2.2, levels A and AA, contrast among them), and
 * whether it fits its width.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { BrowserPage } from "./browser-page.ts";

interface AxeResult {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

export class Accessibility {
  readonly problems: string[] = [];
  looks = 0;
  readonly #page: BrowserPage;
  readonly #axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

  constructor(page: BrowserPage) {
    this.#page = page;
  }

  async look(state: string): Promise<void> {
    this.looks++;
    if (!(await this.#page.evaluate<boolean>(`"axe" in globalThis`))) await this.#page.evaluate(`{ ${this.#axe} }`);
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { passes, violations } = await this.#page.evaluate<{ passes: number; violations: AxeResult[] }>(
      `axe.run(document, { runOnly: ${JSON.stringify(tags)} }).then(({ passes, violations }) =>
        JSON.parse(JSON.stringify({ passes: passes.length, violations })))`,
    );
    if (passes === 0) this.problems.push(`${state}: axe found nothing to judge`);
    for (const { id, help, nodes } of violations) {
      this.problems.push(
        `${state}: ${id}: ${help}: ${nodes.map(({ target, failureSummary }) => `${target.join(" ")} (${failureSummary})`).join("; ")}`,
      );
    }
  }

  async checkWidth(state: string, width: number): Promise<void> {
    const found = await this.#page.evaluate<number>("document.documentElement.scrollWidth");
    if (found > width) this.problems.push(`${state}: the page is ${found} px wide`);
  }
}
