/**
 * Adam (Kingma and Ba 2015, Algorithm 1) on the logarithms of positive numbers, or of the magnitudes of
 * signed ones.
 */

const [BETA1, BETA2, EPSILON] = [0.9, 0.95, 1e-8];

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
