/**
 * Numbers that are tuned: kept in full precision, moved along the gradient of their logarithms, and given to
 * the kernels as they are to be stored.
 */
import type { Kernels } from "../kernels/kernels.ts";
import type { Pointer } from "../kernels/pointer.ts";
import { RelativeAdam } from "./adam.ts";

/** What an array of numbers is to the model. */
export interface Place {
  /** Gradients of the logarithms of `values`, as the way back has left them. */
  gradients(kernels: Kernels, values: Float32Array): Float32Array;
  /** Puts the numbers, rounded to what can be stored, where the forward pass reads them. */
  write(kernels: Kernels, values: Float32Array): void;
  /** The tensors of a checkpoint they come from, and as it is to have them. */
  stored(values: Float32Array): Iterable<readonly [tensor: string, values: Float32Array]>;
}

export class Parameter {
  readonly values: Float32Array;
  readonly adam: RelativeAdam;
  readonly #place: Place;

  constructor(values: Float32Array, place: Place) {
    this.values = values;
    this.adam = new RelativeAdam(values.length);
    this.#place = place;
  }

  step(kernels: Kernels, rate: number): void {
    this.adam.step(this.values, this.#place.gradients(kernels, this.values), rate);
    this.write(kernels);
  }

  write(kernels: Kernels): void {
    this.#place.write(kernels, this.values);
  }

  stored(): Iterable<readonly [tensor: string, values: Float32Array]> {
    return this.#place.stored(this.values);
  }
}

/** Gradients of numbers to those of their logarithms. */
export function relative(gradients: Float32Array, values: Float32Array): Float32Array {
  return gradients.map((gradient, i) => gradient * values[i]!);
}

/** A vector the kernels read as it lies: a norm's weight, or a part of a bias. */
export function vector(tensor: string, pointer: Pointer, gradient: Pointer): Place {
  return {
    gradients: (kernels, values) => relative(kernels.f32(gradient, values.length), values),
    write: (kernels, values) => kernels.f32(pointer, values.length).set(values),
    stored: (values) => [[tensor, values]],
  };
}
