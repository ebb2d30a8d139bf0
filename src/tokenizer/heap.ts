/** Numbers in, the least of them by an order out: a binary heap. */
export class Heap {
  readonly #all: number[] = [];
  readonly #order: (a: number, b: number) => number;

  constructor(order: (a: number, b: number) => number) {
    this.#order = order;
  }

  push(value: number): void {
    const all = this.#all;
    let at = all.length;
    for (let parent: number; at > 0; at = parent) {
      parent = (at - 1) >> 1;
      if (this.#order(all[parent]!, value) <= 0) break;
      all[at] = all[parent]!;
    }
    all[at] = value;
  }

  pop(): number | undefined {
    const all = this.#all;
    const [least, last] = [all[0], all.pop()];
    if (all.length === 0 || last === undefined) return least;
    let at = 0;
    for (let child = 1; child < all.length; child = 2 * at + 1) {
      if (child + 1 < all.length && this.#order(all[child + 1]!, all[child]!) < 0) child++;
      if (this.#order(last, all[child]!) <= 0) break;
      all[at] = all[child]!;
      at = child;
    }
    all[at] = last;
    return least;
  }
}
