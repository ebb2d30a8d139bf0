/**
 * A recipe trained undisturbed, and again with SIGKILL at random moments and `--resume auto`: are the final weights and
 * moments the same bits? Then the newest checkpoint damaged (the one before must be used), and Ctrl-C (130, a checkpoint saved).
 *
 *     node --import=tsx bench/kills.ts --dataset DIR --vocab DIR [--kills 20] [--steps 200] [--seed 1]
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';

const { values } = parseArgs({
  options: {
    dataset: { type: 'string' },
    vocab: { type: 'string' },
    kills: { type: 'string', default: '20' },
    steps: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
  },
});
const steps = Number(values.steps);
const dir = mkdtempSync(join(tmpdir(), 'millrace-kills-'));
const recipe = join(dir, 'recipe.yaml');
const model = { family: 'gpt', n_embd: 32, n_layer: 2, n_head: 2, embd_pdrop: 0.1, attn_pdrop: 0.1, resid_pdrop: 0.1 };
writeFileSync(
  recipe,
  stringify({
    model,
    optimizer: { lr: 1e-3, ema: 0.99 },
    schedule: { kind: 'cosine', warmup: 20 },
    training: { steps, batch_size: 4, accumulation: 2, checkpoint_every: 20, validate_every: steps, keep: 2 },
    dataset: values.dataset,
    vocab: values.vocab,
    out: join(dir, 'whole'),
    threads: 2,
  }),
);

let state = Number(values.seed);
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};

/** One `millrace train`; sends `signal` after `delay` ms of training. */
async function train(out: string, stop?: { signal: NodeJS.Signals; delay: number }) {
  const cli = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
  const argv = ['--import=tsx', cli, 'train', recipe, '--out', out, '--resume', 'auto', '--json'];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  let [said, begun] = ['', 0];
  let timer: NodeJS.Timeout | undefined;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (begun || !said.includes('"type":"start"')) return;
    begun = performance.now();
    if (stop) timer = setTimeout(() => child.kill(stop.signal), stop.delay);
  });
  const [code] = await exited;
  clearTimeout(timer);
  return { code, said, ms: performance.now() - begun };
}

const hash = (out: string) => {
  const last = readdirSync(join(out, 'checkpoints')).sort().at(-1)!;
  const all = createHash('sha256');
  for (const file of ['model.safetensors', 'optimizer.safetensors'])
    all.update(readFileSync(join(out, 'checkpoints', last, file)));
  return `${last} ${all.digest('hex')}`;
};

const { ms, code: ended, said: why } = await train(join(dir, 'whole'));
if (ended !== 0) throw new Error(`the undisturbed run ended with exit code ${ended}: ${why}`);
const expected = hash(join(dir, 'whole'));
let [kills, runs, equal] = [0, 0, 0];
while (kills < Number(values.kills)) {
  const out = join(dir, `run-${runs++}`);
  for (;;) {
    const { code } = await train(out, { signal: 'SIGKILL', delay: random() * ms });
    if (code === 0) break;
    if (++kills >= Number(values.kills)) {
      await train(out);
      break;
    }
  }
  if (hash(out) === expected) equal++;
}

const damaged = join(dir, 'damaged');
const interrupted = await train(damaged, { signal: 'SIGINT', delay: ms * 0.6 });
const saved = readdirSync(join(damaged, 'checkpoints')).sort();
truncateSync(join(damaged, 'checkpoints', saved.at(-1)!, 'model.safetensors'), 100);
const { said } = await train(damaged);
console.log(
  JSON.stringify({
    steps,
    msUndisturbed: Math.round(ms),
    kills,
    runs,
    bitIdentical: equal,
    interruptExitCode: interrupted.code,
    interruptSaved: saved.at(-1),
    damagedWarning: said.split('\n').find((line) => line.includes('"warning"')),
    damagedBitIdentical: hash(damaged) === expected,
  }),
);
process.exit(equal === runs && interrupted.code === 130 && hash(damaged) === expected ? 0 : 1);
