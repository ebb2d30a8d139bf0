/** Right and given classes in, accuracy, F1 and the confusion matrix out. */

/** How well classes were found. */
export interface Classification {
  items: number;
  accuracy: number;
  /** Of each class. */
  classes: { label: string; precision: number; recall: number; f1: number; support: number }[];
  /** Mean of the classes' F1; for two classes also that of the second one, `f1`. */
  macroF1: number;
  f1?: number;
  /** `confusion[right][given]`. */
  confusion: number[][];
}

/** Precision, recall and F1 are 0 where they have no items, as in scikit-learn with zero_division=0. */
export function classification(right: ArrayLike<number>, given: ArrayLike<number>, labels: string[]): Classification {
  const confusion = labels.map(() => new Array<number>(labels.length).fill(0));
  for (let i = 0; i < right.length; i++) confusion[right[i]!]![given[i]!]! += 1;
  const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  const classes = labels.map((label, k) => {
    const hits = confusion[k]![k]!;
    const support = confusion[k]!.reduce((a, b) => a + b, 0);
    const called = confusion.reduce((sum, row) => sum + row[k]!, 0);
    const [precision, recall] = [share(hits, called), share(hits, support)];
    return { label, precision, recall, f1: share(2 * precision * recall, precision + recall), support };
  });
  const hits = labels.reduce((sum, _, k) => sum + confusion[k]![k]!, 0);
  return {
    items: right.length,
    accuracy: share(hits, right.length),
    classes,
    macroF1: share(
      classes.reduce((sum, { f1 }) => sum + f1, 0),
      classes.length,
    ),
    ...(classes.length === 2 && { f1: classes[1]!.f1 }),
    confusion,
  };
}
