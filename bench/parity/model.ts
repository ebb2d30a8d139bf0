/** A model's example goes in; outputs, losses, gradients, parameters after AdamW and greedy ids come out. */
import { buildModel, type Model, type Program } from '../../src/model/index.ts';
import { type TensorSource, tensor } from '../../src/train/safetensors.ts';
import { countItems, type Loaded, Session } from '../../src/train/session.ts';
import type { Example } from './example.ts';
import { type Setup, setup } from './families.ts';

interface Recipe {
  /** One rate, or one a step. */
  lr: number | number[];
  betas: [number, number];
  eps: number;
  weight_decay: number;
  decay_on: string;
  /** A norm, or words with the norm in them. */
  clip: number | string | null;
  steps: number;
}

export async function modelResults(example: Example): Promise<TensorSource[]> {
  const plan = setup(example);
  const model = buildModel(plan.config);
  const training = model.trainingProgram({ ...plan.options, logits: false, hidden: false, native: true });
  const results = [...(await forward(example, plan, model)), ...(await backward(example, plan, training))];
  for (const name of ['adamw_plain', 'adamw_recipe']) {
    const recipe = example.meta[name] as Recipe | null | undefined;
    if (recipe) results.push(...(await optimise(name, example, plan, training, recipe)));
  }
  if (plan.greedy) results.push(await greedy(example, plan, model));
  return results;
}

function open(example: Example, program: Program, decayAll = false): Session {
  const parameters = program.parameters.map((parameter) => ({ ...parameter, decay: decayAll || parameter.decay }));
  const session = Session.create({ parameters, threads: 2 });
  for (const { name, shape } of parameters) {
    const stored = example.weights.get(name);
    if (stored?.shape.join() !== shape.join())
      throw new Error(`the weights have ${name} as [${stored?.shape}], the model as [${shape}]`);
    session.write('weight', name, stored.values as Float32Array);
  }
  return session;
}

async function forward(example: Example, plan: Setup, model: Model): Promise<TensorSource[]> {
  const { lambda } = plan.options;
  const program = model.evaluationProgram({ ...plan.options, ...(lambda !== undefined && { lambda: 1 }) });
  const session = open(example, program);
  const results = await session.run(await session.load(program), plan.feeds);
  const found: TensorSource[] = [];
  let total = 0;
  for (const [t, { name, output }] of program.losses.entries()) {
    const mean = (results[output]![0] as number) / countItems(program, t, plan.feeds);
    total += name === 'lm' && lambda !== undefined ? lambda * mean : mean;
    if (plan.terms[name]) found.push(tensor(`out.${plan.terms[name]}`, [], Float32Array.of(mean)));
  }
  found.push(tensor('out.loss', [], Float32Array.of(total)));
  for (const { name, shape } of program.outputs) {
    const wanted = plan.outputs[name];
    if (!wanted) continue;
    const values = results[name] as Float32Array;
    const width = shape.at(-1)!;
    const shown = wanted.valid && plan.feeds[wanted.valid];
    found.push(
      tensor(
        `out.${wanted.name}`,
        shape,
        shown ? values.map((v, i) => (shown[Math.floor(i / width)] ? v : 0)) : values,
      ),
    );
  }
  return found;
}

const ZERO = { betas: [0.9, 0.999] as [number, number], eps: 1e-8, weightDecay: 0 };

async function backward(example: Example, plan: Setup, program: Program): Promise<TensorSource[]> {
  const session = open(example, program);
  session.optimize(ZERO);
  const loaded = await session.load(program);
  const { gradNorm } = await session.step([{ loaded, feeds: plan.feeds }], { lr: 0, seed: 0, step: 0 });
  const grads = session.trained.map(({ name, shape }) =>
    tensor(`grad.${plan.rename(name)}`, shape, session.read('gradient', name)),
  );
  return [...grads, tensor('grad_norm', [], Float32Array.of(gradNorm))];
}

async function optimise(name: string, example: Example, plan: Setup, program: Program, recipe: Recipe) {
  const session = open(example, program, recipe.decay_on.startsWith('all'));
  session.optimize({ betas: recipe.betas, eps: recipe.eps, weightDecay: recipe.weight_decay });
  const loaded = await session.load(program);
  const clip = recipe.clip === null ? undefined : normIn(recipe.clip);
  const losses: number[] = [];
  for (let step = 0; step < recipe.steps; step++) {
    const lr = Array.isArray(recipe.lr) ? recipe.lr[step]! : recipe.lr;
    losses.push(await lossOf(session, loaded, plan, { lr, maxNorm: clip, seed: 0, step }));
  }
  const found = session.trained.map((parameter) =>
    tensor(`${name}.param.${plan.rename(parameter.name)}`, parameter.shape, session.read('weight', parameter.name)),
  );
  losses.push(await lossOf(session, loaded, plan, { lr: 0, seed: 0, step: recipe.steps }));
  return [...found, tensor(`${name}.losses`, [losses.length], Float32Array.from(losses))];
}

/** `0.5`, or the norm in words such as `global L2 norm 0.5, ..`. */
function normIn(clip: number | string): number {
  const norm = typeof clip === 'number' ? clip : Number(/(?:norm|clip)\s*=?\s*([\d.]+(?:e-?\d+)?)/i.exec(clip)?.[1]);
  if (Number.isFinite(norm)) return norm;
  throw new Error(`there is no norm to clip at in ${JSON.stringify(clip)}`);
}

async function lossOf(session: Session, loaded: Loaded, plan: Setup, options: Parameters<Session['step']>[1]) {
  const { losses } = await session.step([{ loaded, feeds: plan.feeds }], options);
  return losses.reduce((a, b) => a + b, 0);
}

/** Argmax decoding of all rows at once, each step over the whole row so far: [rows, greedy_shape[1]], 0 after the end. */
async function greedy(example: Example, plan: Setup, model: Model): Promise<TensorSource> {
  const [rows, length] = example.options.greedy_shape as [number, number];
  const { start, end } = plan.greedy!;
  const { batchSize, sourceLen } = plan.options;
  const seqLen = length - 1;
  const program = model.logitsProgram({ batchSize, seqLen, ...(sourceLen && { sourceLen }), at: 'last' });
  const session = open(example, program);
  const loaded = await session.load(program);
  const ids = new Int32Array(batchSize * seqLen);
  for (let row = 0; row < rows; row++) ids[row * seqLen] = start;
  const result = new BigInt64Array(rows * length);
  const ended = new Set<number>();
  for (let row = 0; row < rows; row++) result[row * length] = BigInt(start);
  for (let at = 0; at < seqLen && ended.size < rows; at++) {
    const feeds = {
      input_ids: plan.feeds.input_ids!,
      attention_mask: plan.feeds.attention_mask!,
      decoder_input_ids: ids,
      decoder_attention_mask: new Int32Array(ids.length).fill(1),
      last_index: new Int32Array(batchSize).fill(at),
    };
    const logits = (await session.run(loaded, feeds)).logits as Float32Array;
    const width = logits.length / batchSize;
    for (let row = 0; row < rows; row++) {
      if (ended.has(row)) continue;
      const scores = logits.subarray(row * width, (row + 1) * width);
      const best = scores.indexOf(Math.max(...scores));
      result[row * length + at + 1] = BigInt(best);
      if (at + 1 < seqLen) ids[row * seqLen + at + 1] = best;
      if (best === end) ended.add(row);
    }
  }
  return tensor('greedy_ids', [rows, length], result);
}
