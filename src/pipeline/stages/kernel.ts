/** A noisy curve in, attention by a Gaussian kernel fitted to it out: regression.json and a picture, regression.svg. */
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../atomic.ts';
import type { Stage } from '../stage.ts';

const schema = z.strictObject({
  points: z.int().min(4).default(80).describe('half are keys with their values, half are queries to learn from'),
  noise: z.number().min(0).default(0.4).describe('standard deviation around the curve'),
  width: z
    .number()
    .positive()
    .default(1)
    .describe('the kernel’s w at first: f(x) = sum softmax(-((x - x_i) w)^2 / 2) y_i'),
  steps: z.int().positive().default(300).describe('of gradient descent on w'),
  lr: z.number().positive().default(4),
  seed: z.int().min(1).default(1),
});

export const kernel: Stage<typeof schema> = {
  kind: 'kernel',
  about: 'learns the width of a Gaussian kernel: attention in one dimension',
  schema,
  needs: {},
  code: ['model', 'graph', 'native'],
  versions: ['onnxruntime-node'],
  async run({ config, out }) {
    const [{ gradients, mul, sum, sub }, { nadarayaWatson, ProgramBuilder }, { Session }] = await Promise.all([
      import('../../graph/index.ts'),
      import('../../model/index.ts'),
      import('../../train/session.ts'),
    ]);
    const { keys, values, queries, targets } = points(config);
    const b = new ProgramBuilder();
    const input = (name: string, of: Float32Array) => b.input(name, 'float32', [of.length]);
    const w = b.parameter('width', [1], { kind: 'constant', values: [config.width] });
    const form = nadarayaWatson(input('queries', queries), input('keys', keys), input('values', values), w);
    const miss = sub(form.out, input('targets', targets));
    const loss = sum(mul(miss, miss));
    b.output('f', form.out);
    b.output('weights', form.weights);
    b.output('loss', loss);
    b.output('slope', gradients([loss], [w])[0]!);
    const program = b.program();
    const session = Session.create({ parameters: program.parameters, threads: 1 });
    await session.init(0);
    const loaded = await session.load(program);
    const feeds = { queries, keys, values, targets };
    let width = config.width;
    const losses: number[] = [];
    for (let step = 0; step <= config.steps; step++) {
      const result = await session.run(loaded, feeds);
      losses.push(Number(result.loss![0]) / queries.length);
      if (step === config.steps) break;
      width -= (config.lr * Number(result.slope![0])) / queries.length;
      session.write('weight', 'width', Float32Array.of(width));
    }
    const { f, weights } = await session.run(loaded, feeds);
    const rows = Array.from({ length: queries.length }, (_, i) =>
      Array.from(weights!.slice(i * keys.length, (i + 1) * keys.length), Number),
    );
    const curve = Array.from(queries, (x, i) => [x, Number(f![i])] as const);
    await writeWhole(join(out, 'regression.svg'), picture({ curve, keys, values, rows }));
    const figures = { width, lossBefore: losses[0]!, lossAfter: losses.at(-1)! };
    await writeWhole(join(out, 'regression.json'), `${JSON.stringify({ ...figures, losses }, null, 1)}\n`);
    return figures;
  },
};

/** Points around y = 2 sin x + x^0.8 on [0, 5], in order; every other one is a key. */
function points({ points: n, noise, seed }: z.output<typeof schema>) {
  let state = seed;
  const uniform = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const xs = Array.from({ length: n }, () => 5 * uniform()).sort((a, b) => a - b);
  const all = xs.map((x) => [x, 2 * Math.sin(x) + x ** 0.8 + noise * normal()] as const);
  const part = (odd: number, axis: 0 | 1) => Float32Array.from(all.filter((_, i) => i % 2 === odd).map((p) => p[axis]));
  return { keys: part(0, 0), values: part(0, 1), queries: part(1, 0), targets: part(1, 1) };
}

/** Left the keys and the fitted curve, right the weights: a row a query, a column a key, darker for more. */
function picture(of: {
  curve: (readonly [number, number])[];
  keys: Float32Array;
  values: Float32Array;
  rows: number[][];
}): string {
  const at = (x: number, y: number) => `${(20 + x * 72).toFixed(1)},${(300 - y * 55).toFixed(1)}`;
  const dots = Array.from(of.keys, (x, i) => {
    const [cx, cy] = at(x, of.values[i]!).split(',');
    return `<circle cx="${cx}" cy="${cy}" r="3" fill="#b45309"/>`;
  });
  const line = of.curve.map(([x, y]) => at(x, y)).join(' ');
  const most = Math.max(...of.rows.flat());
  const size = 360 / of.rows.length;
  const cells = of.rows.flatMap((row, i) =>
    row.map((weight, j) => {
      const place = `x="${(420 + j * size).toFixed(1)}" y="${(20 + i * size).toFixed(1)}"`;
      return `<rect ${place} width="${size.toFixed(1)}" height="${size.toFixed(1)}" fill="#0f766e" opacity="${(weight / most).toFixed(3)}"/>`;
    }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 400" role="img" aria-label="Kernel regression and its attention weights"><rect width="800" height="400" fill="#fff"/>${dots.join('')}<polyline points="${line}" fill="none" stroke="#0f766e" stroke-width="2"/>${cells.join('')}</svg>\n`;
}
