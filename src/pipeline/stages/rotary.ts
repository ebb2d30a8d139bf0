/** A drawn query and key in, their scores at every pair of positions out: rotary.json and a picture, rotary.svg. */
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../atomic.ts';
import type { Stage } from '../stage.ts';

const schema = z.strictObject({
  head_dim: z.int().min(2).multipleOf(2).default(32).describe('numbers of a query; they are turned in pairs'),
  positions: z.int().min(4).max(128).default(48),
  theta: z
    .number()
    .gt(1)
    .default(10000)
    .describe('base of the angles: pair i turns by theta^(-2i / head_dim) a position'),
  seed: z.int().min(1).default(1),
});

export const rotary: Stage<typeof schema> = {
  kind: 'rotary',
  about: 'turns one query and one key to every position and scores them: rotary positions',
  schema,
  needs: {},
  code: ['model'],
  async run({ config: { head_dim: headSize, positions, theta, seed }, out }) {
    const { ropeFrequencies } = await import('../../model/rope.ts');
    const { frequencies } = ropeFrequencies({ headSize, theta });
    const draw = normals(seed);
    const [q, k] = [draw(headSize), draw(headSize)];
    const turned = (vector: number[]) => Array.from({ length: positions }, (_, m) => turn(vector, frequencies, m));
    const [queries, keys] = [turned(q), turned(k)];
    const scores = queries.map((a) => keys.map((b) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)));
    // By distance m - n, from the first row and column; every other score must be one of these.
    const at = (distance: number) => (distance >= 0 ? scores[distance]![0]! : scores[0]![-distance]!);
    const off = scores.flatMap((row, m) => row.map((score, n) => Math.abs(score - at(m - n))));
    const turns = Array.from({ length: positions - 1 }, (_, d) => Math.abs(at(d + 1) - at(-d - 1)));
    const figures = {
      pairs: frequencies.length,
      /** The largest difference between scores of the same distance: rounding alone. */
      sameDistance: Math.max(...off),
      /** The mean difference between m - n and n - m. */
      otherDirection: turns.reduce((a, b) => a + b, 0) / turns.length,
    };
    await writeWhole(join(out, 'rotary.svg'), picture(scores, at));
    await writeWhole(join(out, 'rotary.json'), `${JSON.stringify({ ...figures, scores }, null, 1)}\n`);
    return figures;
  },
};

/** Pairs (i, i + half) turned by their angle times the position. */
function turn(vector: number[], frequencies: number[], position: number): number[] {
  const half = frequencies.length;
  const out = [...vector];
  frequencies.forEach((frequency, i) => {
    const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)];
    const [a, b] = [vector[i]!, vector[i + half]!];
    out[i] = a * cos - b * sin;
    out[i + half] = a * sin + b * cos;
  });
  return out;
}

function normals(seed: number): (length: number) => number[] {
  let state = seed;
  const uniform = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return (length) => Array.from({ length }, normal);
}

/** Left the scores, a row a query's position, a column a key's; right the score by distance. */
function picture(scores: number[][], at: (distance: number) => number): string {
  const n = scores.length;
  const most = Math.max(...scores.flat().map(Math.abs));
  const STEPS = 12;
  const levels = new Map<number, string[]>();
  scores.forEach((row, m) => {
    row.forEach((score, k) => {
      const level = Math.round((score / most) * STEPS);
      levels.set(level, [...(levels.get(level) ?? []), `M${k} ${m}h1v1h-1z`]);
    });
  });
  const cells = [...levels].map(
    ([level, paths]) =>
      `<path d="${paths.join('')}" fill="${level < 0 ? '#c2570c' : '#0b6e75'}" opacity="${Math.abs(level / STEPS).toFixed(2)}"/>`,
  );
  const distances = Array.from({ length: 2 * n - 1 }, (_, i) => i - n + 1);
  const line = distances.map((d) => `${(600 + (d * 180) / n).toFixed(1)},${(190 - (at(d) / most) * 150).toFixed(1)}`);
  const label = (x: number, y: number, words: string) =>
    `<text x="${x}" y="${y}" font-size="12" text-anchor="middle" font-family="system-ui, sans-serif" fill="#5c6068">${words}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 400" role="img" aria-label="Scores of a query and a key at rotary positions"><rect width="800" height="400" fill="#fff"/><g transform="translate(30 20) scale(${(340 / n).toFixed(3)})">${cells.join('')}</g><rect x="30" y="20" width="340" height="340" fill="none" stroke="#c9c5ba"/>${label(200, 380, 'position of the key; down: of the query')}<path d="M420,190H780M600,30V350" stroke="#c9c5ba"/><polyline points="${line.join(' ')}" fill="none" stroke="#0b6e75" stroke-width="2"/>${label(600, 380, 'score by distance: before and after differ')}</svg>\n`;
}
