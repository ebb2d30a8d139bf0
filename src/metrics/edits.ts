/** Two sequences in, the least number of insertions, deletions and replacements between them out (Levenshtein 1966). */
export function editDistance<T>(a: readonly T[], b: readonly T[]): number {
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    last = row;
  }
  return last[b.length]!;
}

/** Edits by the number of symbols wanted: the phoneme, character or word error rate. */
export function errorRate<T>(pairs: { wanted: readonly T[]; given: readonly T[] }[]): number {
  const edits = pairs.reduce((sum, { wanted, given }) => sum + editDistance(wanted, given), 0);
  return (
    edits /
    Math.max(
      1,
      pairs.reduce((sum, { wanted }) => sum + wanted.length, 0),
    )
  );
}
