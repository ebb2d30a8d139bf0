/**
 * Greedy decoding speed of a model folder: `npm run --silent bench -- decode --model DIR [--prompt-tokens 32]
 * [--new-tokens 200] [--rows 1] [--threads N] [--no-cache] --json`. `seconds` is one run, prompt included, the best of
 * three; the model is loaded before.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { loadDecoder } from '../src/generate/open.ts';
import { openPretrained } from '../src/pretrained/open.ts';

export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string' },
      'prompt-tokens': { type: 'string', default: '32' },
      'new-tokens': { type: 'string', default: '200' },
      rows: { type: 'string', default: '1' },
      threads: { type: 'string', default: String(availableParallelism()) },
      repeat: { type: 'string', default: '3' },
    },
  });
  if (!values.model) throw new Error('--model DIR is missing');
  const [length, maxNewTokens, rows] = [values['prompt-tokens'], values['new-tokens'], values.rows].map(Number) as [
    number,
    number,
    number,
  ];
  const threads = Number(values.threads);
  const pretrained = await openPretrained({ path: values.model });
  const decoder = await loadDecoder(pretrained, { capacity: length + maxNewTokens, threads });
  await pretrained.weights.close();
  const prompts = Array.from({ length: rows }, (_, row) =>
    Int32Array.from({ length }, (_, i) => (i * 31 + row * 17 + 5) % pretrained.config.vocab_size),
  );
  let seconds = Number.POSITIVE_INFINITY;
  let first: number[] = [];
  for (let i = 0; i < Number(values.repeat); i++) {
    const start = performance.now();
    decoder.start(rows);
    await decoder.prompt(prompts, { maxNewTokens, temperature: 0 });
    const result = await decoder.advance(600_000);
    seconds = Math.min(seconds, (performance.now() - start) / 1000);
    first = [...result.rows[0]!];
  }
  return {
    seconds,
    tokensPerSecond: (rows * maxNewTokens) / seconds,
    msPerToken: (1000 * seconds) / maxNewTokens,
    rows,
    promptTokens: length,
    newTokens: maxNewTokens,
    threads,
    first: first.slice(0, 16),
  };
}
