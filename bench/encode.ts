/**
 * Encoding on one thread, documents of about 4 kB: `npm run bench -- encode --vocab FILE --corpus FILE [--mb 10] [--passes 15]
 * [--threads 1]`. The first pass of a fresh tokenizer is cold, the median of the passes after it is warm; in megabytes a
 * second of the clock and of processor time. The strings are JavaScript's: turning them into UTF-8 is part of the time.
 * Every pass writes its ids into the same array, as the peers' results go where the ones before were freed; with `--fresh`
 * into a new one.
 */
import { parseArgs } from 'node:util';
import { Tokenizer } from '../src/tokenizer/tokenizer.ts';
import { documentsOf } from './documents.ts';

export async function run(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      vocab: { type: 'string' },
      corpus: { type: 'string' },
      mb: { type: 'string', default: '10' },
      passes: { type: 'string', default: '15' },
      threads: { type: 'string', default: '1' },
      fresh: { type: 'boolean', default: false },
    },
  });
  if (!values.vocab || !values.corpus) throw new Error('give --vocab FILE and --corpus FILE');
  const threads = Number(values.threads);
  const texts = documentsOf(values.corpus, Number(values.mb));
  const mb = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
  const options = values.vocab.endsWith('.tiktoken') ? { special: {} } : {};
  const tokenizer = await Tokenizer.load(values.vocab, options);
  const rows: { seconds: number; cpu: number }[] = [];
  let tokens = 0;
  const into = values.fresh ? {} : { into: new Int32Array(Math.ceil(mb * 1e6)) };
  for (let pass = 0; pass <= Number(values.passes); pass++) {
    const before = process.cpuUsage();
    const start = performance.now();
    const { ids } = await tokenizer.encodeBatch(texts, { addSpecialTokens: false, threads, ...into });
    const { user, system } = process.cpuUsage(before);
    rows.push({ seconds: (performance.now() - start) / 1e3, cpu: (user + system) / 1e6 });
    tokens = ids.length;
  }
  const [cold = { seconds: Number.NaN, cpu: Number.NaN }, ...warm] = rows;
  const median = (key: 'seconds' | 'cpu') => {
    const sorted = warm.map((row) => row[key]).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? Number.NaN;
  };
  return {
    seconds: median('seconds'),
    coldMbPerSecond: mb / cold.seconds,
    warmMbPerSecond: mb / median('seconds'),
    coldMbPerCpuSecond: mb / cold.cpu,
    warmMbPerCpuSecond: mb / median('cpu'),
    tokens,
    megabytes: mb,
    threads,
  };
}
