/** `millrace watch` as people use it: two real trainings under way, the page read, walked through by keyboard, and looked at. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { main, millrace } from '../cli/run.ts';
import { axe, launch, open } from './browser.ts';

const PIPELINE = `name: live
out: OUT
stages:
  corpus: { files: [text.txt], format: line }
  vocab: { vocab_size: 300 }
  dataset: { seq_len: 64, split: { train: 0.9, validation: 0.1 } }
  train:
    model: { family: llama, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 2 }
    optimizer: { lr: 0.003 }
    training: { steps: 100000, batch_size: 16, seed: SEED, validate_every: 20, checkpoint_every: 1000, sample_every: 20 }
    threads: 1
`;

const children: ChildProcess[] = [];
const start = (args: string[], cwd: string) => {
  const child = spawn(process.execPath, [main, ...args], { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
};
test.after.always(() => {
  for (const child of children) child.kill('SIGKILL');
});

async function until(what: string, work: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await work()) return;
    await sleep(100);
  }
  throw new Error(`waited in vain: ${what}`);
}

test('the page of two trainings that run', async (t) => {
  const cwd = await mkdtemp(join(tmpdir(), 'millrace-live-'));
  const words = ['whale', 'ship', 'captain', 'sea', 'boat', 'harbour', 'mast'];
  const line = (i: number) =>
    `The ${words[i % 7]} saw the ${words[(i * 3 + 1) % 7]} and the ${words[(i * 5 + 2) % 7]} at ${i % 96}.\n`;
  await writeFile(join(cwd, 'text.txt'), Array.from({ length: 2000 }, (_, i) => line(i)).join(''));
  const names = ['one', 'two'];
  for (const [i, name] of names.entries()) {
    await writeFile(join(cwd, `${name}.yaml`), PIPELINE.replace('OUT', name).replace('SEED', String(i + 1)));
    start(['run', `${name}.yaml`, '--quiet'], cwd);
  }
  for (const name of names) {
    await until(
      `${name} trains`,
      async () => ((await stat(join(cwd, name, 'metrics.jsonl')).catch(() => undefined))?.size ?? 0) > 5000,
    );
  }
  const watch = start(['watch', '.', '--port', '0'], cwd);
  const [address] = (await once(watch.stdout!, 'data')) as [Buffer];
  const url = String(address).trim();
  const browser = await launch();
  t.teardown(() => browser.close());
  const shots = process.env.MILLRACE_SCREENSHOTS ?? cwd;
  await mkdir(shots, { recursive: true });

  for (const width of [1440, 390]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, complaints } = await open(browser, { width, colorScheme });
      await page.goto(url);
      const loss = (run: string) => page.locator(`[data-metric="loss"][data-run="${run}"]`);
      for (const run of names) {
        await loss(run).waitFor();
        const before = Number(await loss(run).textContent());
        t.true(before > 0 && before < 8, `${run}: ${before}`);
        await until('the loss on the page changes', async () => Number(await loss(run).textContent()) !== before);
      }
      t.regex((await page.textContent('.status')) ?? '', /training, step \d/);
      t.regex((await page.textContent('#samples .sample')) ?? '', /\w/);
      t.true(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'));
      t.deepEqual(await axe(page), []);
      await page.screenshot({ path: join(shots, `live-${width}-${colorScheme}.png`), fullPage: true });

      // By keyboard alone: the skip link, the navigation, the controls, a chart.
      await page.evaluate('scrollTo(0, 0)');
      await page.keyboard.press('Tab');
      t.is(await page.evaluate('document.activeElement.className'), 'skip');
      const reached = new Set<string>();
      for (let i = 0; i < 40; i++) {
        await page.keyboard.press('Tab');
        reached.add(await page.evaluate('document.activeElement.id || document.activeElement.tagName'));
      }
      for (const id of ['theme', 'axis', 'smoothing', 'log', 'chart-loss', 'SUMMARY'])
        t.true(reached.has(id), `${id}: ${[...reached]}`);
      await page.focus('#chart-loss');
      await page.keyboard.press('Home');
      t.regex(
        (await page.textContent('.chart [aria-live]')) ?? '',
        /^step 1: one training [\d.]+.*two training [\d.]+/,
      );
      t.deepEqual(complaints, []);
      await page.close();
    }
  }

  // The numbers on the page are those of the file.
  const { page } = await open(browser, { width: 1440, colorScheme: 'light' });
  await page.goto(url);
  for (const child of children.slice(0, 2)) child.kill('SIGINT');
  await page.waitForFunction('document.querySelector(".status").textContent.includes("finished")');
  const report = await millrace(['report', 'one', '--json'], { cwd });
  t.is(report.code, 0, report.stderr);
  const still = await open(browser, { width: 1440, colorScheme: 'light' });
  await still.page.goto(`file://${join(cwd, 'one', 'report.html')}`);
  const last = await still.page.textContent('[data-figure="training loss"]');
  t.regex(last ?? '', /^\d+\.\d+$/);
  // The live page gets the last steps a moment after the run has ended.
  const caughtUp = `document.querySelector('[data-figure="training loss"]').textContent === ${JSON.stringify(last)}`;
  await t.notThrowsAsync(page.waitForFunction(caughtUp, undefined, { timeout: 20_000 }));
  t.deepEqual(still.complaints, []);
  watch.kill('SIGINT');
  const [code] = (await once(watch, 'exit')) as [number];
  t.is(code, 0);
});
