/** How long each stage of a quantization took. A stage inside another one stops the clock of the outer. */
export class StageClock {
  readonly #started = performance.now();
  readonly #seconds = new Map<string, number>();
  readonly #running: string[] = [];
  #since = 0;

  /** Adds the time of `work` to a stage. */
  async time<T>(stage: string, work: () => T | Promise<T>): Promise<T> {
    this.#charge();
    this.#running.push(stage);
    if (!this.#seconds.has(stage)) this.#seconds.set(stage, 0);
    try {
      return await work();
    } finally {
      this.#charge();
      this.#running.pop();
    }
  }

  /** Gives the time since the last change to the innermost stage. */
  #charge(): void {
    const now = performance.now();
    const stage = this.#running.at(-1);
    if (stage !== undefined) this.#seconds.set(stage, this.#seconds.get(stage)! + (now - this.#since) / 1000);
    this.#since = now;
  }

  /** Seconds of each stage, in the order they began. */
  get stages(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#seconds);
  }

  /** Seconds since the clock was made. */
  get total(): number {
    return (performance.now() - this.#started) / 1000;
  }
}
