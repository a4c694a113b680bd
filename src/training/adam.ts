/**
 * Adam (Kingma and Ba 2015, Algorithm 1) on the logarithms of positive numbers, or of the magnitudes of
 * signed ones.
 */

const [BETA1, BETA2, EPSILON] = [0.9, 0.95, 1e-8];

/** Moments, and what is left of the powers of both betas. */
export interface AdamState {
  readonly mean: Float32Array;
  readonly square: Float32Array;
  readonly left1: number;
  readonly left2: number;
}

/** One array of numbers that are multiplied by 1 - rate at each step, which keeps their signs. */
export class RelativeAdam {
  readonly #mean: Float32Array;
  readonly #square: Float32Array;
  // Powers by repeated products: `**` may differ in its last bit between engines.
  #left1 = 1;
  #left2 = 1;

  constructor(count: number) {
    this.#mean = new Float32Array(count);
    this.#square = new Float32Array(count);
  }

  /** What the next step depends on beside values and gradients; `restore` takes it. */
  state(): AdamState {
    return { mean: this.#mean, square: this.#square, left1: this.#left1, left2: this.#left2 };
  }

  restore({ mean, square, left1, left2 }: AdamState): void {
    this.#mean.set(mean);
    this.#square.set(square);
    this.#left1 = left1;
    this.#left2 = left2;
  }

  /**
   * @param values changed in place
   * @param gradients with respect to the logarithms of `values`
   */
  step(values: Float32Array, gradients: Float32Array, rate: number): void {
    this.#left1 *= BETA1;
    this.#left2 *= BETA2;
    const mean = this.#mean;
    const square = this.#square;
    for (let i = 0; i < values.length; i++) {
      const gradient = gradients[i]!;
      mean[i] = BETA1 * mean[i]! + (1 - BETA1) * gradient;
      square[i] = BETA2 * square[i]! + (1 - BETA2) * gradient * gradient;
      const direction = mean[i]! / (1 - this.#left1) / (Math.sqrt(square[i]! / (1 - this.#left2)) + EPSILON);
      values[i]! *= 1 - rate * direction;
    }
  }
}
