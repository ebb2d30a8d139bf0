/**
 * Our side of each benchmark: `npm run --silent bench -- vocab|encode|dataset|train [options] --json`.
 * Every bench/<name>.ts exports `run(args)`, which resolves to one flat object; `seconds` is the figure compared.
 */
const [name = '', ...args] = process.argv.slice(2);
const benches = ['vocab', 'encode', 'dataset', 'train', 'decode'];
if (!benches.includes(name)) {
  console.error(`usage: npm run bench -- ${benches.join('|')} [options] [--json]`);
  process.exit(2);
}
const json = args.includes('--json');
const { run } = (await import(`./${name}.ts`)) as { run(args: string[]): Promise<Record<string, unknown>> };
const result = await run(args.filter((arg) => arg !== '--json'));
const full = {
  bench: name,
  ...result,
  peakRssMb: result.peakRssMb ?? Math.round(process.resourceUsage().maxRSS / 1024),
};
if (json) console.log(JSON.stringify(full));
else for (const [key, value] of Object.entries(full)) console.log(`${key.padEnd(20)} ${value}`);
