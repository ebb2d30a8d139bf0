/** The npm package gpt-tokenizer on one thread: same options and output as ours; `--vocab` is told by its stem. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    vocab: { type: 'string' },
    corpus: { type: 'string' },
    mb: { type: 'string', default: '10' },
    passes: { type: 'string', default: '15' },
    threads: { type: 'string', default: '1' },
  },
});
const data = readFileSync(values.corpus).subarray(0, Math.trunc(Number(values.mb) * 2 ** 20));
const texts = [];
for (let at = 0; at < data.length; ) {
  let end = Math.min(at + 4096, data.length);
  while (end < data.length && (data[end] & 0xc0) === 0x80) end--;
  texts.push(data.subarray(at, end).toString('utf8'));
  at = end;
}
const mb = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
const { encode } = await import(`gpt-tokenizer/encoding/${basename(values.vocab, '.tiktoken')}`);
const rows = [];
let tokens = 0;
for (let pass = 0; pass <= Number(values.passes); pass++) {
  tokens = 0;
  const before = process.cpuUsage();
  const start = performance.now();
  for (const text of texts) tokens += encode(text, { disallowedSpecial: new Set() }).length;
  const { user, system } = process.cpuUsage(before);
  rows.push([(performance.now() - start) / 1e3, (user + system) / 1e6]);
}
const [cold, ...warm] = rows;
const [seconds, cpu] = [0, 1].map((i) => warm.map((row) => row[i]).sort((a, b) => a - b)[warm.length >> 1]);
console.log(
  JSON.stringify({
    seconds,
    coldMbPerSecond: mb / cold[0],
    warmMbPerSecond: mb / seconds,
    coldMbPerCpuSecond: mb / cold[1],
    warmMbPerCpuSecond: mb / cpu,
    tokens,
    peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
);
