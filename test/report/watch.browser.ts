/** The live page in a real Chromium, while events are written. */
import { appendFile, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { watchRuns } from '../../src/report/watch.ts';
import { axe, launch, open } from './browser.ts';
import { events } from './sample.ts';

const lines = (all: object[]) => all.map((event) => `${JSON.stringify(event)}\n`).join('');

test('the live page shows steps as they are written, of several runs', async (t) => {
  const dirs = await Promise.all([1, 2].map(() => mkdtemp(join(tmpdir(), 'millrace-watch-'))));
  const all = events({ steps: 40 }).slice(0, -1);
  await writeFile(join(dirs[0]!, 'metrics.jsonl'), lines(all.slice(0, 11)));
  const runs = dirs.map((dir, i) => ({ name: `run-${i}`, dir }));
  const about = async () => ({ title: 'two runs', runs: runs.map(({ name }) => ({ name, events: [] })) });
  const watching = await watchRuns({ runs, about, port: 0, interval: 50 });
  const browser = await launch();
  t.teardown(() => browser.close());
  t.teardown(() => watching.close());
  const { page, complaints } = await open(browser, { width: 1440, colorScheme: 'light' });
  await page.goto(watching.url);
  const value = (run: string) => page.locator(`[data-metric="loss"][data-run="${run}"]`);
  await page.waitForFunction('document.querySelector(".status").textContent.includes("step 10 of 40")');
  const before = await value('run-0').textContent();
  await appendFile(join(dirs[0]!, 'metrics.jsonl'), lines(all.slice(11, 21)));
  await page.waitForFunction('document.querySelector(".status").textContent.includes("step 20 of 40")');
  t.not(await value('run-0').textContent(), before);
  await writeFile(join(dirs[1]!, 'metrics.jsonl'), lines(events({ steps: 30, seed: 5 })));
  await value('run-1').waitFor();
  t.deepEqual(await axe(page), []);
  t.deepEqual(complaints, []);
});
